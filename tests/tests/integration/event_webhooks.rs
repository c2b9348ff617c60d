//! Events to endpoints outside AWS: each reaches every endpoint that wants it, or becomes a dead letter with its reason.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud::messaging::{BUS, Messaging, WEBHOOK_DEAD_LETTERS, WEBHOOKS, queue_url};
use connections::{ConnectionSource, ConnectionStore, Connections};
use event_webhooks::{BoxFuture, Breaker, LAST_TRY_AFTER, Reply, Request, SendError, Sender, WebhooksDeps, handle};
use serde_json::{Value, json};
use tilaussilta_tests::virtual_clock;

use crate::secrets_stay_out_of_logs::capture_logs;

const CURRENT: &str = "whsec_Y3VycmVudCBzZWNyZXQgb2YgYSB0ZXN0IQ==";
const PREVIOUS: &str = "whsec_cHJldmlvdXMgc2VjcmV0IG9mIGEgdGVzdA==";

/// What endpoints answer, by host; one that is not named accepts. And what they got.
#[derive(Default)]
struct Endpoints {
    answers: Mutex<HashMap<String, Result<Reply, SendError>>>,
    got: Mutex<Vec<Request>>,
}

impl Endpoints {
    fn answer(&self, host: &str, answer: Result<u16, SendError>) {
        let answer = answer.map(|status| Reply { status, retry_after: None });
        self.answers.lock().unwrap().insert(host.to_owned(), answer);
    }

    /// How many requests a host got.
    fn count(&self, host: &str) -> usize {
        self.got.lock().unwrap().iter().filter(|request| request.url.host_str() == Some(host)).count()
    }
}

struct Wired(Arc<Endpoints>);

impl Sender for Wired {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Reply, SendError>> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        self.0.got.lock().unwrap().push(request);
        let answer = self.0.answers.lock().unwrap().get(&host).copied();
        Box::pin(std::future::ready(answer.unwrap_or(Ok(Reply { status: 200, retry_after: None }))))
    }
}

struct Bench {
    messaging: Messaging,
    endpoints: Arc<Endpoints>,
    deps: WebhooksDeps,
}

impl Bench {
    async fn new() -> Self {
        let clock = virtual_clock("2026-03-02T08:00:00Z".parse().unwrap());
        let document = json!({ "webhooks": {
            "books": { "url": "https://books.example/in?key=planted-url-key", "secrets": [CURRENT, PREVIOUS], "events": ["order.*"] },
            "all": { "url": "https://all.example/", "secrets": [CURRENT], "events": ["*"] },
            "erp-only": { "url": "https://erp.example/", "secrets": [CURRENT], "events": ["item-save"] },
        } });
        let connections = Connections::parse(&document.to_string()).unwrap();
        let messaging = Messaging::new(clock.clone());
        let endpoints = Arc::new(Endpoints::default());
        let deps = WebhooksDeps {
            connections: Arc::new(ConnectionStore::open(ConnectionSource::Fixed(connections)).await.unwrap()),
            clock,
            sender: Arc::new(Wired(endpoints.clone())),
            queues: messaging.sqs(),
            queue_url: queue_url(WEBHOOKS),
            dead_letter_queue_url: queue_url(WEBHOOK_DEAD_LETTERS),
            breaker: Breaker::default(),
        };
        Self { messaging, endpoints, deps }
    }

    /// Publishes an event, and hands it over as the rule of `template.yaml` does.
    async fn publish(&self, id: &str, detail_type: &str) {
        let detail = json!({ "id": id, "revision": 1, "order": { "buyer": "planted-name-Virtanen" } }).to_string();
        let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
            .event_bus_name(BUS)
            .source("tilaussilta.mycashflow")
            .detail_type(detail_type)
            .detail(detail)
            .build();
        let mut published = self.messaging.listen();
        self.messaging.eventbridge().put_events().entries(entry).send().await.unwrap();
        self.messaging.send(WEBHOOKS, published.try_recv().unwrap());
    }

    /// Hands over batches as Lambda does, until nothing is visible.
    async fn run(&self) {
        while let Some(event) = self.messaging.receive_event(WEBHOOKS, 10) {
            let answer = handle(&self.deps, serde_json::from_value(event.clone()).unwrap()).await;
            self.messaging.settle(WEBHOOKS, &event, &serde_json::to_value(answer).unwrap());
        }
    }

    /// Lets time pass, and hands over what becomes visible.
    async fn pass(&self, duration: Duration) {
        let until = tokio::time::Instant::now() + duration;
        while tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(30)).await;
            self.run().await;
        }
    }

    fn reasons(&self) -> Vec<String> {
        let letters = self.messaging.messages(WEBHOOK_DEAD_LETTERS);
        letters.iter().map(|letter| letter.attribute("reason").unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_reaches_every_endpoint_that_wants_it_and_no_other() {
    let bench = Bench::new().await;
    bench.publish("mycashflow/acme/order/58/1", "order.created").await;
    bench.run().await;
    let count = |host| bench.endpoints.count(host);
    assert_eq!([count("books.example"), count("all.example"), count("erp.example")], [1, 1, 0]);
    assert!(bench.messaging.messages(WEBHOOKS).is_empty());

    let got = bench.endpoints.got.lock().unwrap();
    let one = got.iter().find(|request| request.url.host_str() == Some("books.example")).unwrap();
    let headers: HashMap<_, _> = one.headers.iter().cloned().collect();
    assert_eq!(headers["webhook-id"], "mycashflow/acme/order/58/1");
    assert_eq!(headers["webhook-timestamp"], "1772438400");
    assert_eq!(headers["webhook-signature"].split(' ').count(), 2, "by each secret");
    let body: Value = serde_json::from_str(&one.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["revision"]), (&"order.created".into(), &1.into()));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_holds_up_no_other_and_gets_its_events_later() {
    let bench = Bench::new().await;
    bench.endpoints.answer("books.example", Err(SendError::Timeout));
    for order in 0..30 {
        bench.publish(&format!("mycashflow/acme/order/{order}/1"), "order.created").await;
    }
    bench.run().await;
    assert_eq!(bench.endpoints.count("all.example"), 30);
    assert!(bench.endpoints.count("books.example") <= 10, "it is left alone after the first failures");

    bench.endpoints.answer("books.example", Ok(204));
    let before = bench.endpoints.count("books.example");
    bench.pass(Duration::from_secs(3600)).await;
    assert_eq!(bench.endpoints.count("books.example") - before, 30);
    assert!(bench.messaging.messages(WEBHOOKS).is_empty() && bench.reasons().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_accepted_within_a_day_is_a_dead_letter_with_its_reason() {
    let bench = Bench::new().await;
    bench.endpoints.answer("books.example", Ok(500));
    bench.publish("mycashflow/acme/order/58/1", "order.created").await;
    bench.run().await;
    bench.pass(LAST_TRY_AFTER - Duration::from_secs(60)).await;
    assert_eq!(bench.reasons(), [""; 0], "not before the day is over");
    bench.pass(Duration::from_secs(180)).await;
    assert_eq!(bench.reasons(), ["not accepted within a day: the endpoint books answered 500"]);
    let tries = bench.endpoints.count("books.example");
    assert!((15..25).contains(&tries), "with growing pauses: {tries}");
    assert!(bench.messaging.messages(WEBHOOKS).is_empty());

    let letter = &bench.messaging.messages(WEBHOOK_DEAD_LETTERS)[0];
    let body: Value = serde_json::from_str(&letter.body).unwrap();
    assert_eq!((&body["endpoint"], &body["event"]["detail-type"]), (&"books".into(), &"order.created".into()));
    bench.endpoints.answer("books.example", Ok(200));
    bench.messaging.send(WEBHOOKS, letter.body.clone());
    bench.run().await;
    assert_eq!(bench.endpoints.count("books.example"), tries + 1, "a letter that is sent again has another day");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_or_was_removed_gets_nothing_more() {
    let bench = Bench::new().await;
    bench.endpoints.answer("books.example", Ok(410));
    bench.publish("mycashflow/acme/order/58/1", "order.created").await;
    let event = bench.messaging.messages(WEBHOOKS)[0].body.clone();
    bench.messaging.send(WEBHOOKS, format!(r#"{{"endpoint":"removed","event":{event}}}"#));
    bench.messaging.send(WEBHOOKS, "not an event");
    bench.run().await;
    let mut reasons = bench.reasons();
    reasons.sort();
    assert_eq!(reasons, ["the endpoint books answered 410: it wants nothing any more", "the message is not an event"]);
    assert_eq!(bench.messaging.messages(WEBHOOKS).len(), 1, "this environment may not have read of an endpoint yet");
    bench.pass(Duration::from_secs(600)).await;
    assert!(bench.messaging.messages(WEBHOOKS).is_empty() && bench.reasons().len() == 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_an_endpoint_refuses_holds_up_none_of_its_others() {
    let bench = Bench::new().await;
    bench.endpoints.answer("books.example", Ok(400));
    bench.publish("mycashflow/acme/order/58/1", "order.created").await;
    bench.run().await;
    bench.endpoints.answer("books.example", Ok(200));
    bench.publish("mycashflow/acme/order/59/1", "order.created").await;
    bench.run().await;
    assert_eq!(bench.endpoints.count("books.example"), 2, "the second event is tried at once");
}

#[tokio::test(start_paused = true)]
async fn a_private_address_is_the_reason_of_a_dead_letter_and_no_secret_is() {
    let bench = Bench::new().await;
    bench.endpoints.answer("books.example", Err(SendError::Address(event_webhooks::AddressError::NotPublic)));
    bench.publish("mycashflow/acme/order/58/1", "order.created").await;
    bench.run().await;
    bench.pass(LAST_TRY_AFTER + Duration::from_secs(180)).await;
    let reasons = bench.reasons();
    assert_eq!(
        reasons,
        ["not accepted within a day: the endpoint books: its address is not one of the public Internet"]
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_addresses_and_what_events_hold_stay_out_of_logs_and_reasons() {
    let (captured, _guard) = capture_logs();
    let bench = Bench::new().await;
    for (order, answer) in
        [Ok(200), Ok(500), Ok(410), Err(SendError::Timeout), Err(SendError::Connect)].iter().enumerate()
    {
        bench.endpoints.answer("books.example", *answer);
        bench.publish(&format!("mycashflow/acme/order/{order}/1"), "order.created").await;
        bench.run().await;
        bench.pass(Duration::from_secs(60)).await;
    }
    bench.messaging.send(WEBHOOKS, r#"{"endpoint":"books","event":{"name":"planted-name-Virtanen"}}"#);
    bench.run().await;
    bench.pass(LAST_TRY_AFTER + Duration::from_secs(600)).await;
    let told = format!("{} {:?}", captured.text(), bench.reasons());
    for told_of in ["an event was accepted", "not accepted, and is sent again later", "is a dead letter"] {
        assert!(told.contains(told_of), "the logs were not captured: {told_of}");
    }
    for planted in ["planted", "Virtanen", "Y3VycmVud", "cHJldmlvd", "books.example", "v1,"] {
        assert!(!told.contains(planted), "{planted}: {told}");
    }
}
