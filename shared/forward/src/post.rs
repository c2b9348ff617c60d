//! The edge to the network.

use std::error::Error;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::{Client, Response, redirect};
use url::Url;

use crate::Outcome;

/// How long a consumer has for its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 1024;
/// How much of an answer is told.
const MAX_TOLD_CHARS: usize = 120;

/// Posts an event once.
pub trait Post: Send + Sync + 'static {
    /// Posts it, and gives what the consumer said.
    fn post(&self, event: String) -> BoxFuture<'_, Outcome>;
}

/// Posts over HTTP, without a proxy and without following a redirect.
pub struct HttpPost {
    client: Client,
    url: Url,
}

/// Why events cannot be posted.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is neither `http` nor `https`.
    #[error("the address of the consumer must begin with http:// or https://")]
    Scheme,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
}

impl HttpPost {
    /// A client for one consumer.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(url: Url) -> Result<Self, SetupError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SetupError::Scheme);
        }
        // Not an error when another caller in the process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(TIMEOUT);
        Ok(Self { client: builder.build().map_err(SetupError::Client)?, url })
    }

    async fn exchange(&self, event: String) -> Result<Outcome, reqwest::Error> {
        let request = self.client.post(self.url.clone()).header("content-type", "application/json").body(event);
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok(Outcome::Answered { status, text: told(&beginning(response).await?) })
    }
}

impl Post for HttpPost {
    fn post(&self, event: String) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            self.exchange(event).await.unwrap_or_else(|error| {
                // The address may hold a key.
                let error = error.without_url();
                let mut why: &dyn Error = &error;
                while let Some(source) = why.source() {
                    why = source;
                }
                Outcome::NoAnswer(if error.is_timeout() { "timed out".to_owned() } else { told(&why.to_string()) })
            })
        })
    }
}

async fn beginning(mut response: Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A text as a terminal may show it: one line, no control characters, and no more than fits.
fn told(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(MAX_TOLD_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_on_one_line_without_control_characters() {
        assert_eq!(told("\n  ok\u{1b}[31m\u{7}\nsecond line"), "ok[31m");
        assert_eq!(told(&"x".repeat(5000)).len(), MAX_TOLD_CHARS);
    }

    #[test]
    fn only_http_is_posted_to() {
        let of = |url: &str| HttpPost::new(url.parse().unwrap()).map(drop).map_err(|error| error.to_string());
        assert!(of("http://127.0.0.1:3000/events").is_ok());
        assert!(of("file:///etc/hostname").unwrap_err().contains("http://"));
    }
}
