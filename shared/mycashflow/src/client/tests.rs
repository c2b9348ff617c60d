//! What the client sends, when it tries again, and what it takes for an answer. The transport is a script and the clock
//! is paused, so no test waits.

mod refusals;

use std::collections::VecDeque;

use super::*;
use crate::request::HttpRequest;
use crate::transport::BoxFuture;

const PAGE: &str = "<Orders time_from='1' time_to='2' orders='2'><Order id='58'/><Order id='59'/></Orders>";
const KEY: &str = "hunter2";

type Outcome = Result<HttpResponse, TransportError>;

/// A transport that answers as it was told, and remembers what it was asked, when, and with how much time.
#[derive(Default)]
struct Script {
    /// How long each answer takes, and what it is. When none is left, nothing ever answers.
    outcomes: Mutex<VecDeque<(Duration, Outcome)>>,
    sent: Mutex<Vec<Sent>>,
}

struct Sent {
    request: HttpRequest,
    timeout: Duration,
    at: Instant,
}

impl Transport for Script {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Outcome> {
        self.sent.lock().unwrap().push(Sent { request, timeout, at: Instant::now() });
        let outcome = self.outcomes.lock().unwrap().pop_front();
        Box::pin(async move {
            let Some((duration, outcome)) = outcome else { return std::future::pending().await };
            tokio::time::sleep(duration).await;
            outcome
        })
    }
}

impl Script {
    fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        Self::timed(outcomes.into_iter().map(|outcome| (Duration::ZERO, outcome)))
    }

    fn timed(outcomes: impl IntoIterator<Item = (Duration, Outcome)>) -> Arc<Self> {
        Arc::new(Self { outcomes: Mutex::new(outcomes.into_iter().collect()), sent: Mutex::default() })
    }

    fn client(self: &Arc<Self>) -> ShopClient {
        self.client_with_seed(1)
    }

    fn client_with_seed(self: &Arc<Self>, seed: u64) -> ShopClient {
        let base = Url::parse("https://acme.mycashflow.fi").unwrap();
        ShopClient::new(base, KEY.to_owned(), Arc::<Self>::clone(self), RetryPolicy::default(), seed)
    }

    fn urls(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|sent| sent.request.url.to_string()).collect()
    }

    fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// The pauses between the requests. Only meaningful when answers take no time.
    fn pauses(&self) -> Vec<Duration> {
        self.sent.lock().unwrap().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

fn response(status: u16, body: &'static str) -> HttpResponse {
    HttpResponse { status, date: None, content_type: None, retry_after: None, location: None, body: body.into() }
}

fn answer(status: u16, body: &'static str) -> Outcome {
    Ok(response(status, body))
}

fn busy(retry_after: u64) -> Outcome {
    Ok(HttpResponse { retry_after: Some(Duration::from_secs(retry_after)), ..response(429, "") })
}

/// A failure with the wish to be left alone for an hour.
fn away(status: u16) -> Outcome {
    Ok(HttpResponse { retry_after: Some(seconds(3600)), ..response(status, "") })
}

fn redirect(status: u16, location: &str) -> Outcome {
    Ok(HttpResponse { location: Some(location.to_owned()), ..response(status, "") })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Failures after which a question is asked again, by name.
fn transient() -> Vec<(&'static str, Outcome)> {
    vec![
        ("too many requests", answer(429, "")),
        ("server error", answer(500, PAGE)),
        ("unavailable", answer(503, "<html>down for maintenance</html>")),
        ("time-out", Err(TransportError::Timeout)),
        ("no connection", Err(TransportError::Connect { source: "refused".into() })),
        ("cut", Err(TransportError::Cut)),
        ("other", Err(TransportError::Other { source: "odd".into() })),
        ("empty body", answer(200, "")),
        ("blank body", answer(200, "\r\n")),
        ("page of HTML", answer(200, "<!DOCTYPE html><html><body>Huoltokatko</body></html>")),
        ("error document", answer(200, "<error>Invalid</error>")),
        ("cut XML", answer(200, "<Orders><Order id='58'/>")),
        ("not XML", answer(200, "Warning: mysql_connect()")),
        ("other XML", answer(200, "<rss/>")),
    ]
}

/// Failures that no repetition changes.
fn permanent() -> Vec<(&'static str, Outcome)> {
    vec![
        ("unauthorized", answer(401, PAGE)),
        ("forbidden", answer(403, "")),
        ("redirect", answer(302, "")),
        ("not modified", answer(304, "")),
        ("bad request", answer(400, "")),
        ("not found", answer(404, PAGE)),
        ("moved", redirect(301, "https://new.example/webhooks/get?order=58&key=hunter2")),
        ("too large", Err(TransportError::TooLarge { limit_bytes: 1 })),
        ("compressed", Err(TransportError::Compressed { encoding: "br" })),
        ("document type", answer(200, "<!DOCTYPE Orders [<!ENTITY a 'b'>]><Orders/>")),
    ]
}

#[tokio::test(start_paused = true)]
async fn changes_returns_the_page_and_how_it_was_got() {
    let date = Some("2026-01-02T03:04:05Z".parse().unwrap());
    let script = Script::timed([(seconds(2), Ok(HttpResponse { date, ..response(200, PAGE) }))]);
    let answer = script.client().changes(Stream::Updated, 1_483_185_600).await.unwrap();
    assert_eq!(answer.page.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [Some(58), Some(59)]);
    assert_eq!((answer.page.time_from, answer.page.time_to, answer.page.total), (Some(1), Some(2), Some(2)));
    assert_eq!((answer.date, answer.attempts, answer.elapsed), (date, 1, seconds(2)));
    assert_eq!(script.urls(), ["https://acme.mycashflow.fi/webhooks/changes?updated_after_ts=1483185600&key=hunter2"]);
    assert_eq!(script.sent.lock().unwrap()[0].timeout, seconds(30));
}

#[tokio::test(start_paused = true)]
async fn get_asks_for_one_order_by_itself_and_for_several_as_a_list() {
    let script = Script::new([answer(200, "<Order id='58'/>"), answer(200, PAGE)]);
    assert_eq!(script.client().get(&[58]).await.unwrap().page.entries.len(), 1);
    assert_eq!(script.client().get(&[58, 59]).await.unwrap().page.entries.len(), 2);
    assert_eq!(
        script.urls(),
        [
            "https://acme.mycashflow.fi/webhooks/get?order=58&key=hunter2",
            "https://acme.mycashflow.fi/webhooks/get?order_ids%5B%5D=58&order_ids%5B%5D=59&key=hunter2"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn get_of_no_order_asks_nothing() {
    let script = Script::new([]);
    assert!(matches!(script.client().get(&[]).await, Err(ClientError::NoOrders)));
    assert_eq!(script.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_orders_is_an_answer() {
    let script = Script::new([answer(200, "<Orders/>")]);
    assert_eq!(script.client().changes(Stream::Created, 0).await.unwrap().page.entries.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_that_says_something_else_is_no_answer() {
    for body in [
        "<Orders><message>database gone</message></Orders>",
        "<Orders><errors/></Orders>",
        "<Orders error='1'/>",
        "<Answer><Status>failed</Status><Orders/></Answer>",
        "<Answer><Orders/><Status code='7'/></Answer>",
        "<Answer>database gone<Orders/></Answer>",
    ] {
        let shop = Script::new([answer(200, body), answer(200, PAGE)]);
        let page = shop.client().changes(Stream::Created, 1).await.unwrap();
        assert_eq!((page.page.entries.len(), page.attempts), (2, 2), "{body}");
        let shop = Script::new([answer(200, body)]);
        assert!(shop.client().get(&[58, 59]).await.is_ok(), "that there are none may be said of numbers: {body}");
    }
    for body in ["<Orders orders='0'><message>none</message></Orders>", "<Answer><Orders time_from='1'/></Answer>"] {
        let shop = Script::new([answer(200, body)]);
        assert_eq!(shop.client().changes(Stream::Created, 1).await.unwrap().attempts, 1, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_again_after_a_transient_failure() {
    for (name, failure) in transient() {
        let script = Script::new([failure, answer(200, PAGE)]);
        let answer = script.client().changes(Stream::Created, 5).await.expect(name);
        assert_eq!((answer.attempts, answer.page.entries.len()), (2, 2), "{name}");
        let urls = script.urls();
        assert_eq!(urls.len(), 2, "{name}");
        assert_eq!(urls[0], urls[1], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_given_up_after_the_last_attempt_with_its_error() {
    for (name, _) in transient() {
        let failures = (0..5).map(|_| transient().into_iter().find(|(other, _)| *other == name).unwrap().1);
        let script = Script::new(failures);
        let error = script.client().changes(Stream::Created, 5).await.unwrap_err();
        assert!(error.is_transient(), "{name}: {error:?}");
        assert_eq!(script.count(), 4, "{name}");
    }
    let script = Script::new([answer(500, ""), answer(200, ""), answer(503, "")]);
    let error = script.client().with_attempts(3).changes(Stream::Created, 5).await.unwrap_err();
    assert!(matches!(error, ClientError::Status { status: 503 }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_not_asked_again_after_a_permanent_failure() {
    for (name, failure) in permanent() {
        let script = Script::new([failure, answer(200, PAGE)]);
        let error = script.client().get(&[58]).await.unwrap_err();
        assert!(!error.is_transient(), "{name}: {error:?}");
        assert_eq!(script.count(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_told_from_other_failures() {
    for status in [401, 403] {
        let error = Script::new([answer(status, "")]).client().get(&[58]).await.unwrap_err();
        assert!(matches!(error, ClientError::Denied { status: found } if found == status), "{error:?}");
        let expected = match status {
            401 => "the shop refused the key with status 401",
            _ => {
                "the shop refused the request with status 403: the key may be wrong, or a firewall in front of the shop \
                 may block the sender"
            }
        };
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_html_with_status_200_is_never_a_page_of_orders() {
    for body in ["<!doctype html><html/>", "<!DOCTYPE HTML PUBLIC \"x\"><p>", "<html><head/></html>", "\n <HTML>"] {
        let script = Script::new([answer(200, body)]);
        let error = script.client().with_attempts(1).changes(Stream::Created, 0).await.unwrap_err();
        assert!(matches!(error, ClientError::NotAnAnswer(_)), "{body}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_stay_within_their_bounds_and_differ() {
    let bounds = [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000].map(Duration::from_millis);
    let mut longest = [Duration::ZERO; 8];
    let mut shortest = bounds;
    let mut at_the_bound = 0;
    for seed in 0..50 {
        let script = Script::new((0..9).map(|_| answer(500, "")));
        script.client_with_seed(seed).with_attempts(9).changes(Stream::Created, 0).await.unwrap_err();
        for (index, pause) in script.pauses().into_iter().enumerate() {
            // The clock of the runtime counts whole milliseconds.
            assert!(pause <= bounds[index] + Duration::from_millis(1), "pause {index} of {pause:?}");
            longest[index] = longest[index].max(pause);
            shortest[index] = shortest[index].min(pause);
            at_the_bound += u32::from(pause >= bounds[index]);
        }
    }
    // The bound is drawn up to, not cut off at: otherwise many would come back together.
    assert!(at_the_bound < 10, "{at_the_bound} of 400 pauses are at their bound");
    for index in 0..bounds.len() {
        assert!(longest[index] > bounds[index].mul_f64(0.8), "pause {index} was at most {:?}", longest[index]);
        assert!(shortest[index] < bounds[index].mul_f64(0.2), "pause {index} was at least {:?}", shortest[index]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_its_pauses_and_clones_do_not() {
    let pauses = async |seed| {
        let script = Script::new((0..8).map(|_| answer(500, "")));
        let client = script.client_with_seed(seed);
        client.changes(Stream::Created, 0).await.unwrap_err();
        client.clone().changes(Stream::Created, 0).await.unwrap_err();
        script.pauses()
    };
    let first = pauses(7).await;
    assert_eq!(first, pauses(7).await);
    assert_ne!(first, pauses(8).await);
    assert_ne!(first[..3], first[4..]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_ends_with_its_timeout() {
    let script = Script::new([]);
    let started = Instant::now();
    let error = script.client().with_attempts(1).changes(Stream::Created, 0).await.unwrap_err();
    assert!(matches!(error, ClientError::Transport(TransportError::Timeout)), "{error:?}");
    assert_eq!(started.elapsed(), seconds(30));
}

#[tokio::test(start_paused = true)]
async fn elapsed_counts_from_the_attempt_that_succeeded() {
    let script = Script::timed([(seconds(9), answer(500, "")), (seconds(2), answer(200, PAGE))]);
    let answer = script.client().changes(Stream::Created, 0).await.unwrap();
    assert_eq!((answer.attempts, answer.elapsed), (2, seconds(2)));
}

#[tokio::test(start_paused = true)]
async fn neither_an_attempt_nor_a_timeout_passes_the_deadline() {
    let script = Script::timed([(seconds(29), answer(500, ""))]);
    let started = Instant::now();
    let deadline = started + seconds(45);
    let error = script.client().with_deadline(deadline).changes(Stream::Created, 0).await.unwrap_err();
    assert!(matches!(error, ClientError::Transport(TransportError::Timeout)), "{error:?}");
    assert_eq!(Instant::now(), deadline);
    let sent = script.sent.lock().unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].timeout, seconds(30));
    assert_eq!(sent[1].at + sent[1].timeout, deadline);
}

#[tokio::test(start_paused = true)]
async fn no_pause_reaches_the_deadline() {
    for left in [1, 10] {
        let script = Script::new([busy(10), answer(200, PAGE)]);
        let started = Instant::now();
        let error = script.client().with_deadline(started + seconds(left)).get(&[58]).await.unwrap_err();
        assert!(matches!(error, ClientError::Busy { status: 429, wait } if wait == seconds(10)), "{error:?}");
        assert_eq!((script.count(), started.elapsed()), (1, Duration::ZERO));
    }
    let script = Script::new([busy(10), answer(200, PAGE)]);
    script.client().with_deadline(Instant::now() + seconds(11)).get(&[58]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let script = Script::new([answer(200, PAGE)]);
    let client = script.client().with_deadline(Instant::now());
    let error = client.changes(Stream::Created, 0).await.unwrap_err();
    assert!(matches!(error, ClientError::Deadline) && error.is_transient());
    let error = client.deliver(58, true, None).await.unwrap_err();
    assert!(matches!(error, ClientError::Deadline) && !error.may_have_arrived());
    assert_eq!(script.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_with_an_effect_are_sent_exactly_once() {
    for (name, _) in transient().into_iter().chain(permanent()) {
        let failure = || transient().into_iter().chain(permanent()).find(|(other, _)| *other == name).unwrap().1;
        let script = Script::new([failure(), failure(), failure()]);
        let client = script.client();
        let _ = client.deliver(45, true, Some("JJFI1")).await;
        assert_eq!(script.count(), 1, "deliver, {name}");
        let _ = client.add_comment(23, "Lähti", false).await;
        assert_eq!(script.count(), 2, "add_comment, {name}");
        let _ = client.send_again(34).await;
        assert_eq!(script.count(), 3, "send_again, {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_with_an_effect_are_sent_as_the_page_says() {
    let script = Script::new((0..3).map(|_| answer(200, "<ok/>")));
    let client = script.client();
    client.deliver(45, true, Some("JJFI1")).await.unwrap();
    client.add_comment(23, "Lähti", true).await.unwrap();
    client.send_again(34).await.unwrap();
    let process = "https://acme.mycashflow.fi/webhooks/process";
    assert_eq!(script.urls(), [process, process, "https://acme.mycashflow.fi/webhooks/send?order=34&key=hunter2"]);
    let forms: Vec<_> = script.sent.lock().unwrap().iter().map(|sent| sent.request.form.clone()).collect();
    assert_eq!(
        forms,
        [
            Some("action=deliver&order=45&send_email=1&tracking_code=JJFI1&key=hunter2".to_owned()),
            Some("action=add_comment&order=23&message=L%C3%A4hti&public_message=1&key=hunter2".to_owned()),
            None
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_effect_is_done_by_an_answer_that_is_plainly_no_failure() {
    for body in ["<ok/>", "<Order id='45'/>", "<Orders/>", "OK", "1"] {
        Script::new([answer(200, body)]).client().deliver(45, false, None).await.expect(body);
    }
    for body in ["", " ", "<!doctype html>", "<error/>", "<response><error>no such order</error></response>"] {
        let error = Script::new([answer(200, body)]).client().deliver(45, false, None).await.unwrap_err();
        assert!(matches!(error, ClientError::NotAnAnswer(_)) && error.may_have_arrived(), "{body}: {error:?}");
    }
    for body in ["false", "{\"status\":\"error\"}", "<errors/>", "<br />\n<b>Warning</b>: x<br />\n<ok/>"] {
        let error = Script::new([answer(200, body)]).client().add_comment(45, "hei", false).await.unwrap_err();
        assert!(matches!(error, ClientError::Unclear | ClientError::NotAnAnswer(_)), "{body}: {error:?}");
        assert!(error.may_have_arrived() && !error.is_transient(), "{body}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_whether_the_request_may_have_arrived() {
    for (may_have_arrived, failure) in [
        (false, Err(TransportError::Connect { source: "refused".into() })),
        (true, Err(TransportError::Timeout)),
        (true, Err(TransportError::Cut)),
        (true, Err(TransportError::TooLarge { limit_bytes: 1 })),
        (true, Err(TransportError::Other { source: "odd".into() })),
        (true, answer(302, "")),
        (false, answer(400, "")),
        (false, answer(401, "")),
        (true, answer(408, "")),
        (false, answer(429, "")),
        (true, answer(500, "")),
        (true, answer(504, "")),
    ] {
        let error = Script::new([failure]).client().add_comment(1, "hei", true).await.unwrap_err();
        assert_eq!(error.may_have_arrived(), may_have_arrived, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_is_in_no_message() {
    let script = Script::new(transient().into_iter().chain(permanent()).map(|(_, outcome)| outcome));
    let client = script.client().with_attempts(1);
    let mut shown = format!("{client:?}");
    let failures = transient().len() + permanent().len();
    for _ in 0..failures {
        let error = client.get(&[58]).await.unwrap_err();
        shown += &format!("{error} {error:?}");
    }
    let answer = Script::new([answer(200, PAGE)]).client().get(&[58]).await.unwrap();
    shown += &format!("{answer:?}");
    assert!(shown.contains("orders: 2"), "{shown}");
    for secret in [KEY, "key=", "webhooks", "Huoltokatko", "mysql"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}
