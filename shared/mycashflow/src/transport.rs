//! The edge to the network: one HTTP request out, one answer in.

mod unpack;

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::redirect;

use crate::request::HttpRequest;

/// How large an answer may be, in bytes: 32 MiB, several hundred times a page of 100 ordinary orders.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// How long making a connection may take, name lookup and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept. Shorter than servers keep theirs, so that a request seldom meets a connection
/// that is being closed: a POST lost that way could not be told from one that arrived.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// A longer `Retry-After` is taken for this. No run lasts as long.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const USER_AGENT: &str = concat!("tilaussilta/", env!("CARGO_PKG_VERSION"));

/// A future as a [`Transport`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that carries a request to a shop and the answer back: [`HttpTransport`], or a double in a test.
pub trait Transport: Send + Sync {
    /// Sends the request once. Whoever calls drops the future after `timeout`, which covers the whole exchange from the
    /// connection to the last byte of the answer; an implementation may give up by itself at the same time.
    ///
    /// An answer of any status is `Ok`.
    ///
    /// # Errors
    ///
    /// [`TransportError`] when no whole answer came.
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>>;
}

/// An answer of a shop. Its `Debug` form leaves out the body, which holds personal data, and the location, which can repeat
/// the key.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The header `Date`: the shop's clock when it answered.
    pub date: Option<Timestamp>,
    /// The header `Content-Type`, as it is.
    pub content_type: Option<String>,
    /// The header `Retry-After`: how long the shop asks to be left alone, 30 days at most.
    pub retry_after: Option<Duration>,
    /// The header `Location`, as it is: where a redirect leads. A server may have copied the query into it, and so the key.
    pub location: Option<String>,
    /// The whole body, unpacked.
    pub body: Bytes,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("date", &self.date)
            .field("content_type", &self.content_type)
            .field("retry_after", &self.retry_after)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why no whole answer came. Nothing here holds the URL, which carries the key.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The time was up; the request may have arrived.
    #[error("the shop did not answer in time")]
    Timeout,
    /// There was no connection, so the request did not arrive.
    #[error("cannot connect to the shop")]
    Connect {
        /// What failed.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The connection ended before the answer did; the request may have arrived.
    #[error("the connection ended before the answer did")]
    Cut,
    /// The answer is longer than the limit; the rest was not read.
    #[error("the answer is over {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The answer is compressed, although nothing asked for that, and cannot be unpacked.
    #[error("the answer is compressed with {encoding}, which was not asked for and cannot be unpacked")]
    Compressed {
        /// The compression, by its name in `Content-Encoding`.
        encoding: &'static str,
    },
    /// Anything else; the request may have arrived.
    #[error("the request failed")]
    Other {
        /// What failed.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl TransportError {
    /// Whether the shop may have received the request, and done what it asks.
    pub fn may_have_arrived(&self) -> bool {
        !matches!(self, Self::Connect { .. })
    }

    fn from_reqwest(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // A time-out while connecting is both; that the request did not leave is what matters.
        if error.is_connect() {
            Self::Connect { source: error.into() }
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_request() || error.is_body() || error.is_decode() {
            Self::Cut
        } else {
            Self::Other { source: error.into() }
        }
    }
}

/// A [`Transport`] over HTTP and TLS.
///
/// It follows no redirect: one leads to another host or to a log-in page, and the key goes to neither. It repeats
/// nothing by itself. The proxy variables of the environment (`HTTPS_PROXY`, `NO_PROXY`) are honoured.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
}

impl HttpTransport {
    /// Makes a client with the platform's root certificates. Make one and share it: it keeps connections open.
    ///
    /// Unless the process has chosen one before, this makes *ring* the process's provider of TLS cryptography.
    ///
    /// # Errors
    ///
    /// [`TransportError::Other`] if TLS cannot be set up, for want of root certificates for example.
    pub fn new() -> Result<Self, TransportError> {
        // An error means that a provider has been chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(TransportError::from_reqwest)?;
        Ok(Self { client })
    }

    async fn exchange(&self, request: HttpRequest, timeout: Duration) -> Result<HttpResponse, TransportError> {
        let HttpRequest { method, url, form } = request;
        let mut builder = self.client.request(method, url).timeout(timeout);
        if let Some(form) = form {
            builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        }
        let mut response = builder.send().await.map_err(TransportError::from_reqwest)?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let body = read_body(response, MAX_BODY_BYTES).await?;
        // Of another answer the body is not read, so what is wrong with it must not hide the status.
        let body = match status {
            200..300 => unpack::unpack(body, text(&headers, &CONTENT_ENCODING), MAX_BODY_BYTES)?,
            _ => body,
        };
        let date = text(&headers, &DATE).and_then(http_date);
        Ok(HttpResponse {
            status,
            date: date.and_then(|date| Timestamp::try_from(date).ok()),
            content_type: text(&headers, &CONTENT_TYPE).map(str::to_owned),
            retry_after: text(&headers, &RETRY_AFTER).and_then(|value| retry_after(value, date)),
            location: text(&headers, &LOCATION).map(str::to_owned),
            body,
        })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(self.exchange(request, timeout))
    }
}

/// Reads the whole body, and stops at the limit instead of filling the memory.
async fn read_body(mut response: reqwest::Response, limit_bytes: usize) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(TransportError::from_reqwest)? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(TransportError::TooLarge { limit_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Reads a date of HTTP, or of the kinds that programs write in its place: with an offset (RFC 2822), or as ISO 8601 has it.
fn http_date(value: &str) -> Option<SystemTime> {
    let other = || {
        let with_offset = rfc2822::parse(value).map(|at| at.timestamp());
        with_offset.or_else(|_| value.parse::<Timestamp>()).ok().map(SystemTime::from)
    };
    httpdate::parse_http_date(value).ok().or_else(other)
}

/// Reads `Retry-After`: seconds, perhaps with decimals, or a time of the server's clock, which `date` tells (ours does when
/// it is missing). What is left of a second counts as a whole one: no shop is asked earlier than it said.
fn retry_after(value: &str, date: Option<SystemTime>) -> Option<Duration> {
    let value = value.trim();
    let asked = match value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        // Too many digits are infinity, and so the longest.
        true => {
            let seconds: f64 = value.parse().ok()?;
            Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(MAX_RETRY_AFTER)
        }
        false => http_date(value)?.duration_since(date.unwrap_or_else(SystemTime::now)).unwrap_or_default(),
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
