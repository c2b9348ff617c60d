//! Requests and answers of the functions that speak HTTP.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
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

/// The request's content type, as sent. Of a header that came several times and was joined by commas, the first.
pub fn content_type(request: &Request) -> Option<&str> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    // A comma may stand in a quoted boundary.
    let mut is_quoted = false;
    let end = value.find(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    Some(value[..end.unwrap_or(value.len())].trim())
}

/// How the body is compressed, by `Content-Encoding`; none when it is not.
pub fn compression(request: &Request) -> Option<&'static str> {
    /// The registered content codings that are in use. No other name is repeated: it may be anything.
    const KNOWN: [&str; 6] = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress"];
    /// Names that programs give here and that change nothing: charsets, and words of MIME.
    const NONE: [&str; 9] =
        ["identity", "none", "utf-8", "utf8", "iso-8859-1", "windows-1252", "us-ascii", "8bit", "binary"];
    let codings = header_values(request, CONTENT_ENCODING.as_str()).flat_map(|value| value.split(',')).map(str::trim);
    let is_none = |coding: &str| coding.is_empty() || NONE.iter().any(|none| none.eq_ignore_ascii_case(coding));
    let mut applied = codings.filter(|coding| !is_none(coding));
    let coding = applied.next()?;
    let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(coding));
    Some(known.unwrap_or("an unknown encoding"))
}

/// The values of a header, in the order in which they came. One that is not text is left out.
pub fn header_values<'r>(request: &'r Request, name: &str) -> impl Iterator<Item = &'r str> {
    request.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// What a header may have meant: each of its values, and each item of a value that is a list. A function URL, and any
/// proxy, joins a header that came several times by commas (RFC 9110, section 5.3).
pub fn header_items<'r>(request: &'r Request, name: &str) -> impl Iterator<Item = &'r str> {
    header_values(request, name).flat_map(|value| {
        let items = value.contains(',').then(|| value.split(',').map(str::trim));
        std::iter::once(value).chain(items.into_iter().flatten())
    })
}

/// The values of a parameter of the query, decoded.
pub fn query_values(request: &Request, name: &str) -> Vec<String> {
    url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes())
        .filter(|(field, _)| field == name)
        .map(|(_, value)| value.into_owned())
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, values: &[&str]) -> Request {
        let mut request = http::Request::post("https://function.invalid/");
        for value in values {
            request = request.header(name, *value);
        }
        request.body(Body::Empty).unwrap()
    }

    #[test]
    fn a_header_that_came_twice_is_a_list_whoever_joined_it() {
        let items = |values: &[&str]| {
            header_items(&with("x-api-key", values), "x-api-key").map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(items(&["a", "b"]), ["a", "b"]);
        assert_eq!(items(&["a, b"]), ["a, b", "a", "b"], "or a key with a comma in it");
        assert_eq!(items(&[]), [""; 0]);
    }

    #[test]
    fn the_first_of_several_content_types_counts() {
        let first = |values: &[&str]| content_type(&with("content-type", values)).map(str::to_owned);
        assert_eq!(first(&["text/xml, text/xml"]).as_deref(), Some("text/xml"));
        assert_eq!(first(&["text/xml", "text/plain"]).as_deref(), Some("text/xml"));
        let quoted = "multipart/form-data; boundary=\"a,b\"";
        assert_eq!(first(&[&format!("{quoted}, {quoted}")]).as_deref(), Some(quoted));
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn a_compressed_body_is_told_by_its_coding() {
        let named = |values: &[&str]| compression(&with("content-encoding", values));
        assert_eq!(named(&["GZIP"]), Some("gzip"));
        assert_eq!(named(&["identity, br"]), Some("br"));
        assert_eq!(named(&["identity", "zstd"]), Some("zstd"));
        assert_eq!(named(&["utf-8, gzip"]), Some("gzip"));
        assert_eq!(named(&["a secret"]), Some("an unknown encoding"));
        for none in [&["identity"][..], &["Identity,"], &["UTF-8"], &["utf8, 8bit"], &[""], &[]] {
            assert_eq!(named(none), None);
        }
    }
}
