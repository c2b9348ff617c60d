//! A client that asks a shop, tells an answer from something that only looks like one, and tries again where that is
//! safe.

mod effect;
mod error;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use url::Url;

use self::effect::is_plainly_done;
pub use self::error::ClientError;
use self::error::{is_transient_status, moved_to};
use crate::read::{Limits, Page, ReadError, read_page};
use crate::request::{Request, Stream};
use crate::transport::{HttpResponse, Transport, TransportError};

/// How often and how patiently to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times a question is asked at most, the first time included. 0 counts as 1.
    pub attempts: u32,
    /// The longest pause before the second attempt; it doubles for each one after that. The pause itself is drawn evenly
    /// from zero up to this ("full jitter"), so that many clients do not come back at the same moment.
    pub base_delay: Duration,
    /// No pause is longer than this but one that the shop asks for with `Retry-After`; that one, too, for a client without a
    /// deadline, which gives up instead ([`ClientError::Busy`]).
    pub max_delay: Duration,
    /// How long one attempt may take, from the connection to the last byte.
    pub request_timeout: Duration,
}

impl Default for RetryPolicy {
    /// 4 attempts, pauses from half a second up to 20 seconds, 30 seconds for each attempt.
    fn default() -> Self {
        Self {
            attempts: 4,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// The longest pause after attempt number `attempt`, before jitter.
    fn backoff(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
        self.base_delay.saturating_mul(factor).min(self.max_delay)
    }
}

/// A client of one shop's Webhooks extension (`docs/vendors/mycashflow.md`).
///
/// Questions (`get`, `changes`) are asked again on 408, 429, 5xx, a time-out, a broken connection, and on an answer that is
/// not one: an error page, an empty body or XML cut short, all of which a shop can send with status 200. Requests with
/// an effect (`send`, `process`) are sent once; [`ClientError::may_have_arrived`] tells whether it may have happened.
///
/// A shop that says `Retry-After` is left alone for that long, by all clones of the client. Where that is longer than the
/// time to the deadline, nothing is waited for and nothing more is sent: [`ClientError::Busy`].
///
/// Clones share connections and are cheap.
///
/// ```no_run
/// # async fn example(key: String) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use tilaussilta_mycashflow::{HttpTransport, RetryPolicy, ShopClient, Stream};
///
/// let base = "https://acme.mycashflow.fi".parse()?;
/// let shop = ShopClient::new(base, key, Arc::new(HttpTransport::new()?), RetryPolicy::default(), 1);
/// let answer = shop.changes(Stream::Created, 1_483_185_600).await?;
/// assert!(answer.page.entries.len() <= 100);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ShopClient {
    shop: Arc<Shop>,
    policy: RetryPolicy,
    deadline: Option<Instant>,
}

/// What all clones of a client share.
struct Shop {
    base: Url,
    key: String,
    transport: Arc<dyn Transport>,
    jitter: Mutex<fastrand::Rng>,
    quiet: Mutex<Option<Quiet>>,
}

/// The shop's wish to be left alone.
#[derive(Clone, Copy)]
struct Quiet {
    until: Instant,
    /// The status that it came with.
    status: u16,
}

impl fmt::Debug for ShopClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShopClient")
            .field("host", &self.shop.base.host_str())
            .field("policy", &self.policy)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// A page of orders, and when it was asked for. Its `Debug` form leaves out the orders.
#[derive(Clone)]
pub struct Answer {
    /// The orders.
    pub page: Page,
    /// The shop's clock when it answered, from the header `Date`.
    pub date: Option<Timestamp>,
    /// How long the attempt that succeeded took, from before its request left until the page was read. The page shows
    /// the shop as it was at some moment of that time: now less this is the earliest.
    pub elapsed: Duration,
    /// How many attempts it took.
    pub attempts: u32,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("orders", &self.page.entries.len())
            .field("date", &self.date)
            .field("elapsed", &self.elapsed)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl ShopClient {
    /// A client for the shop at `base` (`https://acme.mycashflow.fi`) with its API key. `seed` is where the random
    /// pauses begin; any number will do, and a fixed one makes a test repeatable.
    pub fn new(base: Url, key: String, transport: Arc<dyn Transport>, policy: RetryPolicy, seed: u64) -> Self {
        let jitter = Mutex::new(fastrand::Rng::with_seed(seed));
        Self { shop: Arc::new(Shop { base, key, transport, jitter, quiet: Mutex::default() }), policy, deadline: None }
    }

    /// The same client with another time for each attempt.
    #[must_use]
    pub fn with_request_timeout(&self, request_timeout: Duration) -> Self {
        Self { policy: RetryPolicy { request_timeout, ..self.policy.clone() }, ..self.clone() }
    }

    /// The same client with a deadline: no attempt starts after it, and neither a time-out nor a pause reaches past it.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same client with another number of attempts.
    #[must_use]
    pub fn with_attempts(&self, attempts: u32) -> Self {
        let mut client = self.clone();
        client.policy.attempts = attempts;
        client
    }

    /// The next orders of a stream, at most 100, from `after` on (Unix seconds).
    ///
    /// # Errors
    ///
    /// [`ClientError`] of the last attempt.
    pub async fn changes(&self, stream: Stream, after: i64) -> Result<Answer, ClientError> {
        self.ask(&Request::Changes { stream, after }).await
    }

    /// The orders with these numbers. The shop leaves out those that it does not have. All of them go into one URL:
    /// 100 at a time is a sensible size.
    ///
    /// # Errors
    ///
    /// [`ClientError`] of the last attempt, or [`ClientError::NoOrders`] if `orders` is empty.
    pub async fn get(&self, orders: &[u64]) -> Result<Answer, ClientError> {
        match orders {
            [] => Err(ClientError::NoOrders),
            [order] => self.ask(&Request::Get { order: *order }).await,
            _ => self.ask(&Request::GetMany { orders: orders.to_vec() }).await,
        }
    }

    /// Has the shop POST an order once more to the address in its settings. Sent once.
    ///
    /// # Errors
    ///
    /// [`ClientError`], see [`ClientError::may_have_arrived`].
    pub async fn send_again(&self, order: u64) -> Result<(), ClientError> {
        self.act(&Request::Send { order }).await
    }

    /// Marks an order and all its products as delivered; with `send_email` the shop mails the customer. Sent once.
    ///
    /// # Errors
    ///
    /// [`ClientError`], see [`ClientError::may_have_arrived`].
    pub async fn deliver(&self, order: u64, send_email: bool, tracking_code: Option<&str>) -> Result<(), ClientError> {
        self.act(&Request::Deliver { order, send_email, tracking_code: tracking_code.map(str::to_owned) }).await
    }

    /// Adds a comment to an order; a public one is shown and mailed to the customer. Sent once.
    ///
    /// # Errors
    ///
    /// [`ClientError`], see [`ClientError::may_have_arrived`].
    pub async fn add_comment(&self, order: u64, message: &str, public_message: bool) -> Result<(), ClientError> {
        self.act(&Request::AddComment { order, message: message.to_owned(), public_message }).await
    }

    /// Sends a request that has an effect, once. `Ok` is an answer that plainly says that it was done.
    async fn act(&self, request: &Request) -> Result<(), ClientError> {
        self.wait_for_quiet().await?;
        let response = match self.attempt(request, 1).await {
            // It was sent, and may have been done.
            Err(ClientError::Busy { status, .. }) if status != 429 => return Err(ClientError::Status { status }),
            answer => answer?,
        };
        if is_plainly_done(response.status, &response.body) {
            return Ok(());
        }
        Err(match read_page(&response.body, response.content_type.as_deref(), &Limits::default()) {
            Err(error @ (ReadError::Empty | ReadError::Html | ReadError::ErrorDocument)) => {
                ClientError::NotAnAnswer(error)
            }
            _ => ClientError::Unclear,
        })
    }

    /// Sends a question until there is an answer to it.
    async fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt_page(request, attempt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempt >= self.policy.attempts || !error.is_transient() || matches!(error, ClientError::Busy { .. }) {
                return Err(error);
            }
            let pause = self.pause(attempt);
            // To sleep up to the deadline would leave no time to ask; and the error at hand tells more.
            if self.time_left().is_some_and(|left| left <= pause) {
                return Err(error);
            }
            tracing::debug!(attempt, pause_ms = pause.as_millis(), error = %error, "asking the shop again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt_page(&self, request: &Request, attempt: u32) -> Result<Answer, ClientError> {
        self.wait_for_quiet().await?;
        let started = Instant::now();
        let response = self.attempt(request, attempt).await?;
        let page = read_page(&response.body, response.content_type.as_deref(), &Limits::default())
            .map_err(ClientError::NotAnAnswer)?;
        // Of orders by number, an answer may say that there are none. Of changes, an error is not to be taken for the end.
        let is_of_changes = matches!(request, Request::Changes { .. });
        if is_of_changes && page.entries.is_empty() && page.has_others && page.total != Some(0) {
            return Err(ClientError::NotAnAnswer(ReadError::Unexplained));
        }
        Ok(Answer { page, date: response.date, elapsed: started.elapsed(), attempts: attempt })
    }

    /// Sends the request once. `Ok` is an answer with a status of success, its body not looked at.
    async fn attempt(&self, request: &Request, attempt: u32) -> Result<HttpResponse, ClientError> {
        let started = Instant::now();
        let longest = self.policy.request_timeout;
        let limit = self.time_left().map_or(longest, |left| left.min(longest));
        if limit.is_zero() {
            return Err(ClientError::Deadline);
        }
        let http = request.to_http(&self.shop.base, &self.shop.key);
        let asked = http.url.clone();
        let result =
            timeout(limit, self.shop.transport.send(http, limit)).await.unwrap_or(Err(TransportError::Timeout));
        let duration_ms = started.elapsed().as_millis();
        let response = result.inspect_err(|error| {
            tracing::debug!(attempt, duration_ms, error = %error, "a request to the shop failed");
        })?;
        let status = response.status;
        tracing::debug!(attempt, status, duration_ms, "the shop answered");
        match status {
            200..=299 => Ok(response),
            301..=303 | 307 | 308 => {
                let to = moved_to(response.location.as_deref(), &asked, &self.shop.key);
                Err(ClientError::Moved { status, to })
            }
            401 | 403 => Err(ClientError::Denied { status }),
            _ => {
                let wish = response.retry_after.filter(|_| is_transient_status(status));
                Err(wish.and_then(|wait| self.keep_quiet(status, wait)).unwrap_or(ClientError::Status { status }))
            }
        }
    }

    /// Notes that the shop asks to be left alone; gives the error of that when it is for too long.
    fn keep_quiet(&self, status: u16, wait: Duration) -> Option<ClientError> {
        tracing::info!(status, wait_s = wait.as_secs(), "the shop asks to be left alone");
        let until = Instant::now() + wait;
        let mut quiet = self.shop.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if quiet.is_none_or(|before| before.until < until) {
            *quiet = Some(Quiet { until, status });
        }
        self.is_too_long(wait).then_some(ClientError::Busy { status, wait })
    }

    /// Waits until the shop may be asked again.
    async fn wait_for_quiet(&self) -> Result<(), ClientError> {
        let quiet = *self.shop.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Quiet { until, status }) = quiet else { return Ok(()) };
        let wait = until.saturating_duration_since(Instant::now());
        if self.is_too_long(wait) {
            return Err(ClientError::Busy { status, wait });
        }
        tokio::time::sleep_until(until).await;
        Ok(())
    }

    /// Whether nothing could be asked after a wait: it reaches the deadline, or, without one, is longer than any pause.
    fn is_too_long(&self, wait: Duration) -> bool {
        match self.time_left() {
            Some(left) => !wait.is_zero() && wait >= left,
            None => wait > self.policy.max_delay,
        }
    }

    /// How long it is to the deadline, if there is one.
    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// How long to wait after attempt number `attempt`.
    fn pause(&self, attempt: u32) -> Duration {
        let share = self.shop.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64();
        self.policy.backoff(attempt).mul_f64(share)
    }
}

#[cfg(test)]
mod tests;
