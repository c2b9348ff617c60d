//! The edge to the network: one signed request out, one status in.

use std::error::Error;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect};
use url::{Host, Url};

use crate::address::{AddressError, Guard};

/// How long making a connection may take, and the whole exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("tilaussilta/", env!("CARGO_PKG_VERSION"));

/// A future as a [`Sender`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A signed request.
#[derive(Clone)]
pub struct Request {
    /// The endpoint.
    pub url: Url,
    /// The headers of Standard Webhooks.
    pub headers: [(&'static str, String); 3],
    /// The body, which is JSON.
    pub body: String,
}

/// What an endpoint answered. Its text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why no answer came. Nothing here holds the address, which may carry a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The address is not connected to.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The time was up.
    #[error("it did not answer in time")]
    Timeout,
    /// There is no connection.
    #[error("no connection, or none that is trusted")]
    Connect,
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer did")]
    Cut,
}

/// Sends a request once.
pub trait Sender: Send + Sync {
    /// Sends it. A status of any kind is `Ok`.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Reply, SendError>>;
}

/// A [`Sender`] over HTTPS. It uses no proxy, which would look names up by itself, and follows no redirect, which could
/// lead anywhere.
#[derive(Clone)]
pub struct HttpSender {
    client: Client,
    guard: Guard,
}

impl HttpSender {
    /// A sender to public addresses, over HTTPS only.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> reqwest::Result<Self> {
        Self::with(Guard::public(), true)
    }

    /// A sender to other addresses too: for tests.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn with(guard: Guard, https_only: bool) -> reqwest::Result<Self> {
        // An error means that a provider has been chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .https_only(https_only)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(guard.clone()))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client, guard })
    }

    async fn exchange(&self, request: Request) -> Result<Reply, SendError> {
        let literal = match request.url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if literal.is_some_and(|address| !self.guard.allows(address)) {
            return Err(AddressError::NotPublic.into());
        }
        let mut post = self.client.post(request.url).header("content-type", "application/json").body(request.body);
        for (name, value) in request.headers {
            post = post.header(name, value);
        }
        let response = post.send().await.map_err(|error| of_reqwest(&error))?;
        let retry_after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
        Ok(Reply { status: response.status().as_u16(), retry_after: retry_after.map(Duration::from_secs) })
    }
}

impl Sender for HttpSender {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Reply, SendError>> {
        Box::pin(self.exchange(request))
    }
}

fn of_reqwest(error: &reqwest::Error) -> SendError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(address) = cause.downcast_ref::<AddressError>() {
            return SendError::Address(*address);
        }
        source = cause.source();
    }
    match () {
        () if error.is_timeout() => SendError::Timeout,
        () if error.is_connect() || error.is_builder() => SendError::Connect,
        () => SendError::Cut,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use super::*;
    use crate::address::is_public;

    fn request(url: &str) -> Request {
        let header = |name| (name, "x".to_owned());
        let headers = [header("webhook-id"), header("webhook-timestamp"), header("webhook-signature")];
        Request { url: url.parse().unwrap(), headers, body: "{}".to_owned() }
    }

    /// Resolves each name to a port of this machine.
    fn to_this_machine(port: u16, is_allowed: fn(IpAddr) -> bool) -> Guard {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Guard::new(Arc::new(move |_| Box::pin(std::future::ready(Ok(vec![address])))), is_allowed)
    }

    /// A server that gives one answer, and the request that it got.
    fn server(answer: &'static str) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            while !text.ends_with(b"{}") {
                let mut some = [0; 1024];
                let read = stream.read(&mut some).unwrap();
                text.extend_from_slice(&some[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(text).unwrap()
        });
        (port, served)
    }

    #[tokio::test]
    async fn a_private_address_is_refused_where_the_connection_is_made() {
        let guard = to_this_machine(9, is_public);
        let sender = HttpSender::with(guard, false).unwrap();
        let refused = Err(SendError::Address(AddressError::NotPublic));
        assert_eq!(sender.send(request("http://rebinding.example/")).await, refused);
        for literal in
            ["http://127.0.0.1:9/", "http://[::1]:9/", "http://169.254.169.254/latest/", "http://2130706433/"]
        {
            assert_eq!(sender.send(request(literal)).await, refused, "{literal}");
        }
    }

    #[tokio::test]
    async fn what_is_deployed_speaks_https_only() {
        assert_eq!(HttpSender::new().unwrap().send(request("http://example.invalid/")).await, Err(SendError::Connect));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (port, served) = server(
            "HTTP/1.1 307 Moved\r\nlocation: http://169.254.169.254/\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
        );
        let sender = HttpSender::with(to_this_machine(port, |_| true), false).unwrap();
        let reply = sender.send(request(&format!("http://consumer.example:{port}/hook"))).await.unwrap();
        assert_eq!(reply, Reply { status: 307, retry_after: Some(Duration::from_secs(7)) });
        let got = served.join().unwrap();
        assert!(got.starts_with("POST /hook ") && got.contains("\r\nwebhook-id: x\r\n"), "{got}");
        assert!(got.contains("\r\ncontent-type: application/json\r\n"), "{got}");
    }
}
