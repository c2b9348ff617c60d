//! Requests and answers of the functions that speak HTTP.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};

/// The most bytes a body may have. A larger one is answered 413.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An answer: a status, and a short text for a person (Manu Online shows it to its user).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The text, without a line end.
    pub text: String,
}

impl Answer {
    /// An answer of a status with a text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// Makes the HTTP response of an answer.
pub fn respond(answer: &Answer) -> Response<Body> {
    let mut response = Response::new(Body::Text(format!("{}\n", answer.text)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("30"));
    }
    response
}

/// The request's path: as Lambda says it, or, where no Lambda made the request, its address's.
pub fn path(request: &Request) -> &str {
    match request.raw_http_path() {
        "" => request.uri().path(),
        path => path,
    }
}

/// The request's content type, as sent.
pub fn content_type(request: &Request) -> Option<&str> {
    request.headers().get(CONTENT_TYPE)?.to_str().ok()
}

/// The values of a header, in the order in which they came. One that is not text is left out.
pub fn header_values<'r>(request: &'r Request, name: &str) -> impl Iterator<Item = &'r str> {
    request.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// The id of the request: Lambda's, or a random one where no Lambda gave any.
pub(crate) fn request_id(request: &Request) -> String {
    match request.lambda_context_ref() {
        Some(context) if !context.request_id.is_empty() => context.request_id.clone(),
        _ => format!("{:016x}", fastrand::u64(..)),
    }
}

/// The time between two instants of our clock; none when the clock was set back between them.
pub(crate) fn received_duration(received_at: jiff::Timestamp, now: jiff::Timestamp) -> Duration {
    Duration::try_from(now.duration_since(received_at)).unwrap_or_default()
}
