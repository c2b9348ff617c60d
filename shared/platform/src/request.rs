//! From the event of a function URL to a request, whatever stands in its address.

use std::future::Future;

use std::time::Duration;

use http::StatusCode;
use http::header::HOST;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, Body, Error, LambdaEvent, Request, RequestExt, Response, service_fn};
use tokio::time::Instant;

use crate::{Answer, deadline, finnish, respond};

/// How long before Lambda ends an invocation its request is answered, whatever it still waits for. Lambda would answer 502
/// and end the environment.
pub const ANSWER_RESERVE: Duration = Duration::from_secs(1);

/// The most bytes that a path or a query may have. A function URL takes 10 KB of headers in all.
const MAX_ADDRESS_BYTES: usize = 10 * 1024;

/// Serves a function URL until the environment ends. A request that is not answered in time is answered 503.
///
/// # Errors
/// When Lambda's runtime API fails.
pub async fn serve<F, R>(handle: F) -> Result<(), Error>
where
    F: Fn(Request) -> R,
    R: Future<Output = Response<Body>> + Send,
{
    let service = Adapter::from(service_fn(|request| answer(&handle, request)));
    lambda_http::lambda_runtime::run(service.map_request(repaired)).await
}

/// The answer to a request, in time.
fn answer<R>(handle: impl Fn(Request) -> R, request: Request) -> impl Future<Output = Result<Response<Body>, Error>>
where
    R: Future<Output = Response<Body>>,
{
    let until = request.lambda_context_ref().map(deadline);
    let answering = handle(request);
    async move { Ok(in_time(until, answering).await) }
}

/// The answer, or 503 when it is not there [`ANSWER_RESERVE`] before the invocation's end. What is under way is given up: it
/// may be recorded or not, and a sender that tries again makes nothing double.
async fn in_time(until: Option<Instant>, answering: impl Future<Output = Response<Body>>) -> Response<Body> {
    let Some(until) = until else { return answering.await };
    match tokio::time::timeout_at(until - ANSWER_RESERVE, answering).await {
        Ok(answer) => answer,
        Err(_) => {
            tracing::error!("a request was not answered in time");
            let text =
                format!("the message could not be recorded in time: please send it again; {}", finnish::SEND_AGAIN);
            respond(&Answer::new(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

/// Reads the event of a function URL, as [`serve`] does.
///
/// # Errors
/// When it is no such event.
pub fn request_from_event(event: &str) -> Result<Request, serde_json::Error> {
    let LambdaEvent { payload, .. } =
        repaired(LambdaEvent::new(serde_json::from_str(event)?, lambda_http::Context::default()));
    Ok(payload.into())
}

/// Rewrites what would make the conversion of an event into a request panic, which costs an environment its life.
///
/// A function URL hands over the query as it came, or worse: `a+b` becomes `a b`. What may not stand in a URI is
/// percent-encoded, which does not change what the query says. The host is left out, because nothing depends on it.
fn repaired(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.headers.remove(HOST);
        request.request_context.domain_name = None;
        let is_path = |path: &String| path.starts_with('/') && path.len() <= MAX_ADDRESS_BYTES;
        request.raw_path = Some(request.raw_path.take().filter(is_path).unwrap_or_else(|| "/".to_owned()));
        request.raw_query_string = request.raw_query_string.take().map(|query| repaired_query(&query));
    }
    event
}

/// The query with everything percent-encoded that may not stand in it. A query that is too long is empty.
fn repaired_query(query: &str) -> String {
    if query.len() > MAX_ADDRESS_BYTES {
        return String::new();
    }
    let mut repaired = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            b'"' | b'#' | b'<' | b'>' => repaired.push_str(&format!("%{byte:02X}")),
            b'!'..=b'~' => repaired.push(char::from(byte)),
            _ => repaired.push_str(&format!("%{byte:02X}")),
        }
    }
    repaired
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(path: &str, query: &str, host: &str) -> String {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": { "host": host, "x-forwarded-proto": "https" },
            "requestContext": {
                "accountId": "anonymous", "apiId": "abc", "domainName": host, "domainPrefix": "abc",
                "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "" },
                "requestId": "id", "routeKey": "$default", "stage": "$default",
                "time": "02/Mar/2026:08:00:00 +0000", "timeEpoch": 1_772_438_400_000_u64
            },
            "body": "", "isBase64Encoded": false
        })
        .to_string()
    }

    fn query(raw: &str) -> Option<String> {
        let request = request_from_event(&event("/mycashflow/acme/orders", raw, "abc.invalid")).unwrap();
        request.uri().query().map(str::to_owned)
    }

    #[test]
    fn what_may_not_stand_in_a_query_is_encoded_and_says_the_same() {
        assert_eq!(query("key=a b&c=d").as_deref(), Some("key=a%20b&c=d"));
        assert_eq!(query("key=\"<a>#\"&order=5").as_deref(), Some("key=%22%3Ca%3E%23%22&order=5"));
        assert_eq!(query("key=\0\n\u{7f}\u{e4}").as_deref(), Some("key=%00%0A%7F%C3%A4"));
        let raw = "key=%22a+b%C3%A4&c[0]={d}|~^`\\!*'();:@&=+$,/?";
        assert_eq!(query(raw).as_deref(), Some(raw), "what may stand in a query stays");
        assert_eq!(query(""), None);
    }

    /// What a request gets that `handle` answers, with this much time left; and how long it waited for it.
    async fn answered<R>(handle: impl Fn(Request) -> R, left: Duration) -> (Response<Body>, Duration)
    where
        R: Future<Output = Response<Body>>,
    {
        let mut context = lambda_http::Context::default();
        let ends = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + left;
        context.deadline = ends.as_millis() as u64;
        let request = request_from_event(&event("/manu/acme/item-save", "", "h")).unwrap();
        let begun = Instant::now();
        let answer = answer(handle, request.with_lambda_context(context)).await.unwrap();
        (answer, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_would_outlast_the_invocation_is_answered_503_before_its_end() {
        let function = Duration::from_secs(15);
        let (answer, waited) = answered(|_| std::future::pending(), function).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"30".parse().unwrap()));
        assert!(waited < function && waited > function - 2 * ANSWER_RESERVE, "{waited:?}");

        let slow = async |_| {
            tokio::time::sleep(Duration::from_secs(13)).await;
            respond(&Answer::new(StatusCode::OK, "recorded"))
        };
        assert_eq!(answered(slow, function).await.0.status(), 200);
    }

    #[test]
    fn no_event_of_a_function_url_panics() {
        let bytes: Vec<String> = (0..=255_u8).map(|byte| format!("x{}y", char::from(byte))).collect();
        let odd =
            ["", "*", "//", "/ ", "@x:y", ":99999999/", "/%", "/\u{1F600}", "/?#", "\\", "/../.."].map(str::to_owned);
        let long = "\"".repeat(70_000);
        for text in bytes.iter().chain(&odd).chain([&long]) {
            // A header cannot hold a control character or what is beyond Latin-1, so no event has such a host.
            let host = if text.chars().all(|c| matches!(c, ' '..='~')) { text.as_str() } else { "h" };
            for (path, query, host) in [(text.as_str(), "", "h"), ("/", text, "h"), ("/", "", host), (text, text, host)]
            {
                request_from_event(&event(path, query, host))
                    .unwrap_or_else(|error| panic!("{path:?} {query:?} {host:?}: {error}"));
            }
            let path = format!("/mycashflow/{text}");
            let request = request_from_event(&event(&path, text, host)).unwrap();
            assert!(crate::path(&request) == path || text.len() > MAX_ADDRESS_BYTES);
        }
    }
}
