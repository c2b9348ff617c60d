//! The real transport against a server on this machine that says exactly what it is told to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use super::*;
use crate::request::Request;

const PATIENT: Duration = Duration::from_secs(20);

/// Serves one connection: reads one request, answers with `answer`, and hangs up.
async fn serve(answer: impl Into<Vec<u8>>) -> (Url, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let answer = answer.into();
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let request = read_request(&mut connection).await;
        connection.write_all(&answer).await.unwrap();
        request
    });
    (base, server)
}

/// Reads a request up to the end of its head, or of its form if it has one, which ends with the key here.
async fn read_request(connection: &mut TcpStream) -> String {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    while !(request.starts_with("GET") && request.ends_with("\r\n\r\n") || request.ends_with("key=hunter2")) {
        let length = connection.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "the client hung up");
        request += str::from_utf8(&buffer[..length]).unwrap();
    }
    request
}

/// What becomes of a `get` that is answered so.
async fn get(answer: &'static str) -> Result<HttpResponse, TransportError> {
    let (base, server) = serve(answer).await;
    let transport = HttpTransport::new().unwrap();
    let result = transport.send(Request::Get { order: 43 }.to_http(&base, "hunter2"), PATIENT).await;
    server.await.unwrap();
    result
}

#[tokio::test]
async fn a_get_is_sent_as_asked_and_its_answer_is_read_whole() {
    let (base, server) = serve(concat!(
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/xml; charset=UTF-8\r\n",
        "Retry-After: 7\r\nContent-Length: 16\r\n\r\n<Order id='43'/>"
    ))
    .await;
    let transport = HttpTransport::new().unwrap();
    let response = transport.send(Request::Get { order: 43 }.to_http(&base, "hunter2"), PATIENT).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.date, Some("1994-11-06T08:49:37Z".parse().unwrap()));
    assert_eq!(response.content_type.as_deref(), Some("text/xml; charset=UTF-8"));
    assert_eq!(response.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(response.body, "<Order id='43'/>");
    let request = server.await.unwrap();
    assert!(request.starts_with("GET /webhooks/get?order=43&key=hunter2 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("user-agent: tilaussilta/{}\r\n", env!("CARGO_PKG_VERSION"))), "{request}");
}

#[tokio::test]
async fn a_post_carries_its_form() {
    let (base, server) = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let deliver = Request::Deliver { order: 45, send_email: true, tracking_code: None };
    HttpTransport::new().unwrap().send(deliver.to_http(&base, "hunter2"), PATIENT).await.unwrap();
    let request = server.await.unwrap();
    assert!(request.starts_with("POST /webhooks/process HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\naction=deliver&order=45&send_email=1&key=hunter2"), "{request}");
}

#[tokio::test]
async fn headers_that_are_missing_or_unreadable_are_none() {
    let response =
        get("HTTP/1.1 500 Oops\r\nDate: today\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!((response.status, response.date, response.retry_after), (500, None, None));
    assert_eq!(response.content_type, None);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n";
    let response = get(answer).await.unwrap();
    assert_eq!((response.status, response.location.as_deref()), (302, Some("http://127.0.0.1:1/login")));
}

#[tokio::test]
async fn an_answer_cut_short_is_an_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<Orders>",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n<Orders>\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "",
    ] {
        let error = get(answer).await.unwrap_err();
        assert!(matches!(error, TransportError::Cut), "{answer:?}: {error:?}");
        assert!(error.may_have_arrived());
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_timeout() {
    // The system accepts the connection; no answer ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let request = Request::Get { order: 43 }.to_http(&base, "hunter2");
    let error = HttpTransport::new().unwrap().send(request, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout), "{error:?}");
    assert!(error.may_have_arrived());
}

#[tokio::test]
async fn a_refused_connection_did_not_arrive_and_its_error_hides_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let request = Request::Get { order: 43 }.to_http(&base, "hunter2");
    let error = HttpTransport::new().unwrap().send(request, PATIENT).await.unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    assert!(!error.may_have_arrived());
    let shown = format!("{error} {error:?} {:?}", error.source().map(ToString::to_string));
    assert!(!shown.contains("hunter2") && !shown.contains("webhooks"), "{shown}");
}

#[tokio::test]
async fn nothing_asks_for_compression_and_gzip_is_unpacked_nonetheless() {
    const PACKED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01\x09\x00\xf6\xff<Orders/>";
    let mut packed = PACKED.to_vec();
    packed.extend(crc32(b"<Orders/>").to_le_bytes());
    packed.extend(9_u32.to_le_bytes());
    for (status, expected) in [("200 OK", &b"<Orders/>"[..]), ("500 Oops", &packed)] {
        let head = format!("HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
        let (base, server) = serve([head.as_bytes(), &packed].concat()).await;
        let request = Request::Get { order: 43 }.to_http(&base, "hunter2");
        let response = HttpTransport::new().unwrap().send(request, PATIENT).await.unwrap();
        assert_eq!(response.body, expected, "{status}");
        assert!(!server.await.unwrap().to_ascii_lowercase().contains("accept-encoding"));
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[tokio::test]
async fn no_more_is_read_than_the_limit() {
    for (limit_bytes, fits) in [(15, false), (16, true)] {
        let (base, server) = serve("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n<Order id='43'/>").await;
        let response = HttpTransport::new().unwrap().client.get(base).send().await.unwrap();
        let body = read_body(response, limit_bytes).await;
        server.await.unwrap();
        match body {
            Ok(body) => assert!(fits && body.len() == 16),
            Err(TransportError::TooLarge { limit_bytes }) => assert!(!fits && limit_bytes == 15),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn retry_after_is_seconds_or_a_time_of_the_shops_clock() {
    let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(retry_after("120", date), Some(Duration::from_secs(120)));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", date), Some(Duration::from_secs(30)));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", date), Some(Duration::ZERO));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", None), Some(Duration::ZERO));
    assert_eq!(retry_after("1.5", date), Some(Duration::from_secs(2)));
    assert_eq!(retry_after(" 3600.0 ", date), Some(Duration::from_secs(3600)));
    assert_eq!(retry_after("0", date), Some(Duration::ZERO));
    for endless in ["99999999999", &"9".repeat(400), "Fri, 31 Dec 9999 23:59:59 GMT"] {
        assert_eq!(retry_after(endless, date), Some(MAX_RETRY_AFTER), "{endless}");
    }
    for unreadable in ["", ".", "1.2.3", "1e3", "1,5", "NaN", "inf"] {
        assert_eq!(retry_after(unreadable, date), None, "{unreadable}");
    }
    for other in ["Sun, 06 Nov 1994 10:50:07 +0200", "1994-11-06T08:50:07Z", "1994-11-06T10:50:07+02:00"] {
        assert_eq!(retry_after(other, date), Some(Duration::from_secs(30)), "{other}");
    }
    assert_eq!(retry_after("-1", date), None);
    assert_eq!(retry_after("soon", date), None);
}

#[test]
fn debug_of_an_answer_hides_its_body() {
    let response = HttpResponse {
        status: 200,
        date: None,
        content_type: None,
        retry_after: None,
        location: Some("/login?key=hunter2".to_owned()),
        body: "aino@example.fi".into(),
    };
    assert_eq!(
        format!("{response:?}"),
        "HttpResponse { status: 200, date: None, content_type: None, retry_after: None, body_bytes: 15 }"
    );
}
