//! Actions at the shop: each done once, whatever happens to a call.

mod answers;
mod bridge;
mod paused;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud::embedded::{CallFault, CallPlan};
use cloud::mappings::QUEUE_BATCH;
use cloud::messaging::{ACTIONS, ACTIONS_DEAD_LETTERS, Messaging, queue_url};
use connections::Connections;
use jiff::SignedDuration;
use ledger::{DocumentKey, Ledger, Retention, Source};
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, RetryPolicy, Transport, TransportError};
use platform::Deps;
use serde_json::{Value, json};
use shop_actions::ActionsDeps;
use tilaussilta_tests::{Bench, TABLE, Trouble, Wire, message};
use tokio::time::Instant;
use world::in_process::{InProcess, SharedShop, lock};
use world::shop::{MailKind, Shop, ShopConfig, ShopFault, Via};

const CONNECTIONS: &str = r#"{
  "shops": { "acme": { "url": "http://acme.invalid", "key": "planted-shop-key-7731" } },
  "manu": {
    "acme": { "secrets": ["s"], "bridge": {
        "shop": "acme", "orders": "$.rows[*].order", "tracking_code": "$.parcels[*].code", "send_email": true } },
    "by-id": { "secrets": ["s2"], "bridge": { "shop": "acme", "orders": "$.rows[*].order", "order_is": "id" } },
    "rehearsing": { "secrets": ["s3"], "bridge": { "shop": "acme", "orders": "$.rows[*].order", "dry_run": true } },
    "plain": { "secrets": ["s4"] }
  }
}"#;

/// A minute: how late a request can arrive at the shop.
const LATE: Duration = Duration::from_secs(60);

/// The way to the shop, with the wire's troubles.
struct Troubled {
    shop: Arc<InProcess>,
    wire: Arc<Wire>,
}

impl Transport for Troubled {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let answer = |status: u16| HttpResponse {
                status,
                date: None,
                content_type: None,
                retry_after: None,
                location: None,
                body: bytes::Bytes::new(),
            };
            match self.wire.next_call() {
                None => self.shop.send(request, timeout).await,
                Some(Trouble::NotSent) => Err(TransportError::Connect { source: "no connection".into() }),
                Some(Trouble::Throttled) => Ok(answer(429)),
                Some(Trouble::Failed) => Ok(answer(500)),
                Some(Trouble::KilledBefore) => self.wire.killed().await,
                Some(Trouble::AnswerLost) => {
                    let _ = self.shop.send(request, timeout).await;
                    Err(TransportError::Cut)
                }
                Some(Trouble::KilledAfter) => {
                    let _ = self.shop.send(request, timeout).await;
                    self.wire.killed().await
                }
                Some(Trouble::Late) => {
                    let shop = self.shop.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(LATE).await;
                        drop(shop.send(request, timeout).await);
                    });
                    Err(TransportError::Timeout)
                }
            }
        })
    }
}

/// The way to a shop that never answers a question for its first order.
struct Hanging(Arc<dyn Transport>);

impl Transport for Hanging {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        match request.url.query_pairs().any(|(name, value)| name == "order" && value == "1") {
            true => Box::pin(std::future::pending()),
            false => self.0.send(request, timeout),
        }
    }
}

/// A shop with three orders that the ledger knows, and the function.
struct Actions {
    bench: Bench,
    messaging: Messaging,
    shop: SharedShop,
    wire: Arc<Wire>,
    deps: ActionsDeps,
}

impl Actions {
    async fn new() -> Self {
        let start = "2026-03-02T08:00:00Z".parse().unwrap();
        let bench = Bench::with(start, Connections::parse(CONNECTIONS).unwrap()).await;
        let config = ShopConfig { key: "planted-shop-key-7731".to_owned(), ..ShopConfig::default() };
        let shop: SharedShop = Arc::new(Mutex::new(Shop::new(config)));
        for seed in 0..3 {
            let id = lock(&shop).add_made_up(bench.now(), seed, Via::Web);
            let document = DocumentKey::order("acme", id);
            let new = message(&document, b"first", bench.now());
            bench.ledger.append(&new).await.unwrap();
        }
        let messaging = Messaging::new(bench.deps.clock.clone());
        let wire = Arc::new(Wire::default());
        let client = platform::dynamodb_client(&bench.embedded.config_with(wire.planner()));
        let found = shop.clone();
        let in_process = InProcess::new(
            move |host| (host == "acme.invalid").then(|| found.clone()),
            bench.deps.clock.clone(),
            || (Duration::from_millis(20), Duration::from_millis(20)),
        );
        let deps = ActionsDeps {
            base: Deps { ledger: Ledger::new(client, TABLE, Retention::default()), ..bench.deps.clone() },
            transport: Arc::new(Troubled { shop: Arc::new(in_process), wire: wire.clone() }),
            policy: RetryPolicy::default(),
            queues: messaging.sqs_with(wire.planner()),
            dead_letter_queue_url: queue_url(ACTIONS_DEAD_LETTERS),
        };
        Self { bench, messaging, shop, wire, deps }
    }

    /// One invocation, unless it is killed.
    async fn invoke(&self, event: Value) -> Option<Value> {
        let invocation = format!("invocation-{:016x}", fastrand::u64(..));
        let deadline = Instant::now() + Duration::from_secs(120);
        self.wire.alive(shop_actions::handle(&self.deps, event, &invocation, deadline)).await
    }

    /// Puts a message into the queue, and lets the function work until the queue is empty, as Lambda would.
    async fn work_off(&self, message: &Value) {
        self.messaging.send(ACTIONS, message.to_string());
        self.drain().await;
    }

    async fn drain(&self) {
        for _ in 0..30 {
            if let Some(event) = self.messaging.receive_event(ACTIONS, QUEUE_BATCH) {
                if let Some(answer) = self.invoke(event.clone()).await {
                    self.messaging.settle(ACTIONS, &event, &answer);
                }
            } else if self.messaging.messages(ACTIONS).is_empty() {
                return;
            } else {
                tokio::time::advance(Duration::from_secs(721)).await;
            }
        }
        panic!("the queue does not become empty");
    }

    fn mails(&self, kind: MailKind) -> usize {
        lock(&self.shop).mails().iter().filter(|mail| mail.kind == kind).count()
    }

    fn status(&self, order: u64) -> String {
        lock(&self.shop).order(order).unwrap().status.as_deref().unwrap().to_owned()
    }

    /// Opens an order again, as a person does in the shop.
    fn reopen(&self, order: u64) {
        lock(&self.shop).update_order(self.bench.now(), order, |order| {
            order.status = Some("Open".into());
            order.products.iter_mut().for_each(|line| line.shipped = line.shipped.map(|_| false));
        });
    }

    /// The reasons of the dead letters.
    fn letters(&self) -> Vec<String> {
        let letters = self.messaging.messages(ACTIONS_DEAD_LETTERS);
        letters.iter().map(|letter| letter.attribute("reason").unwrap_or("none").to_owned()).collect()
    }
}

fn deliver(order: u64) -> Value {
    json!({ "id": "d", "shop": "acme", "action": "deliver", "order": order, "send_email": true, "tracking_code": "MALLI1" })
}

fn comment(order: u64) -> Value {
    json!({ "id": "c", "shop": "acme", "action": "add_comment", "order": order, "message": "Hei!", "public_message": true })
}

fn dispatch(account: &str, document: Value) -> Value {
    json!({
        "source": "tilaussilta.manu", "detail-type": "sales-dispatch-activate",
        "detail": { "id": format!("manu/{account}/sales-dispatch-activate/9/1"), "connection": format!("manu/{account}"),
                    "revision": 1, "recorded_at": "2026-03-02T08:00:00Z", "truncated": false, "document": document },
    })
}

/// Which of a delivery's calls is the one that the shop delivers by: whether it is paused, two claims, the look and the mark
/// come first.
const DELIVERY: usize = 5;

#[tokio::test(start_paused = true)]
async fn a_delivery_is_sent_once_whatever_happens_to_any_of_its_calls() {
    for trouble in Trouble::OF_ANY_CALL {
        // A message is received five times: four killed functions leave it one.
        for times in [1, 3, 4] {
            // After the delivery the look, the lock and the record: with retries and redelivery some more.
            for first in 0..12 {
                let actions = Actions::new().await;
                actions.wire.plan(first, times, trouble);
                actions.work_off(&deliver(2)).await;
                let case = format!("{trouble:?} at call {first}, {times} times");
                let mails = actions.mails(MailKind::DeliveryConfirmation);
                assert_eq!(lock(&actions.shop).log().deliver as usize, mails, "{case}");
                // What happened between the mark and the shop's answer is unknown: it is looked at, and not sent again.
                let unknown = match trouble {
                    Trouble::KilledAfter => first == DELIVERY - 1,
                    Trouble::KilledBefore | Trouble::Failed => first == DELIVERY,
                    _ => false,
                };
                if unknown {
                    let letters = actions.letters();
                    assert!(letters.len() == 1 && letters[0].contains("not delivered again"), "{case}: {letters:?}");
                } else {
                    assert_eq!(
                        (actions.status(2).as_str(), mails, actions.letters()),
                        ("Shipped", 1, vec![]),
                        "{case}"
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_public_comment_is_added_once_or_is_a_dead_letter_and_never_twice() {
    for trouble in Trouble::OF_ANY_CALL {
        for times in [1, 3, 4] {
            for first in 0..10 {
                let actions = Actions::new().await;
                actions.wire.plan(first, times, trouble);
                actions.work_off(&comment(2)).await;
                let case = format!("{trouble:?} at call {first}, {times} times");
                let comments = lock(&actions.shop).comments(2).len();
                let mails = actions.mails(MailKind::Comment);
                assert_eq!(comments, mails, "{case}");
                assert!(comments <= 1, "{case}");
                let letters = actions.letters();
                assert!(comments == 1 || !letters.is_empty(), "lost without a word: {case}");
                assert!(!letters.contains(&"none".to_owned()), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_answer_is_lost_mails_once() {
    let actions = Actions::new().await;
    actions.wire.plan(DELIVERY, 1, Trouble::AnswerLost);
    actions.work_off(&deliver(2)).await;
    assert_eq!((actions.status(2).as_str(), actions.mails(MailKind::DeliveryConfirmation)), ("Shipped", 1));
    assert_eq!(lock(&actions.shop).log().deliver, 1, "it was looked up, not sent again");
    let answer = actions.invoke(deliver(2)).await.unwrap();
    let how = "delivered, as the shop shows; its answer did not say so";
    assert_eq!(answer, json!({ "results": [{ "order": 2, "outcome": "done_before", "reason": how }] }));
}

#[tokio::test(start_paused = true)]
async fn a_public_comment_whose_answer_is_lost_is_a_dead_letter_and_not_sent_again() {
    let actions = Actions::new().await;
    actions.wire.plan(3, 1, Trouble::AnswerLost);
    actions.work_off(&comment(2)).await;
    assert_eq!(lock(&actions.shop).log().add_comment, 1);
    let reason = "order 2: the connection ended before the answer did: it is unknown whether the comment was added, and \
                  it is not added again by itself";
    assert_eq!(actions.letters(), [reason]);
    let letter = &actions.messaging.messages(ACTIONS_DEAD_LETTERS)[0];
    assert_eq!(serde_json::from_str::<Value>(&letter.body).unwrap(), comment(2), "as it was sent");

    // Moved back into the queue, it is still not sent: a person must decide, and send it under another id.
    actions.work_off(&comment(2)).await;
    assert_eq!((lock(&actions.shop).log().add_comment, actions.letters().len()), (1, 2));
    let mut anew = comment(2);
    anew["id"] = json!("c-2");
    actions.work_off(&anew).await;
    assert_eq!(lock(&actions.shop).log().add_comment, 2);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_shop_is_asked_again_within_one_invocation() {
    let actions = Actions::new().await;
    actions.wire.plan(DELIVERY - 1, 3, Trouble::Throttled);
    let answer = actions.invoke(deliver(2)).await.unwrap();
    assert_eq!(answer["results"][0]["outcome"], "done");
    assert_eq!(actions.mails(MailKind::DeliveryConfirmation), 1);
}

#[tokio::test(start_paused = true)]
async fn of_any_number_of_the_same_message_at_once_one_is_done() {
    let actions = Actions::new().await;
    let all = futures_util::future::join_all((0..8).map(|_| actions.invoke(deliver(2)))).await;
    let done = all.iter().flatten().filter(|answer| answer["results"][0]["outcome"] == "done").count();
    assert_eq!((done, actions.mails(MailKind::DeliveryConfirmation)), (1, 1));
    assert_eq!(actions.invoke(deliver(2)).await.unwrap()["results"][0]["outcome"], "done_before");
}

#[tokio::test(start_paused = true)]
async fn of_any_number_of_messages_that_deliver_one_order_at_once_one_mails() {
    let actions = Actions::new().await;
    let messages: Vec<Value> = (0..8)
        .map(|id| {
            let mut message = deliver(2);
            message["id"] = json!(format!("dispatch-{id}"));
            message
        })
        .collect();
    let all = futures_util::future::join_all(messages.iter().map(|message| actions.invoke(message.clone()))).await;
    let outcomes: Vec<&str> =
        all.iter().flatten().map(|answer| answer["results"][0]["outcome"].as_str().unwrap()).collect();
    assert_eq!(actions.mails(MailKind::DeliveryConfirmation), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "later").count(), 7, "{outcomes:?}");
    // The order's claim says that it is delivered, so the others need not wait for it to expire.
    for message in &messages {
        let outcome = actions.invoke(message.clone()).await.unwrap()["results"][0]["outcome"].clone();
        assert!(outcome == "done" || outcome == "done_before", "{outcome}");
    }
    assert_eq!(actions.mails(MailKind::DeliveryConfirmation), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_the_shop_shows_late_is_not_repeated_by_a_message_with_another_id() {
    let actions = Actions::new().await;
    lock(&actions.shop).set_visible_after(SignedDuration::from_mins(10));
    let with_id = |id: &str| {
        let mut message = deliver(2);
        message["id"] = json!(id);
        message
    };
    let not_seen = "the delivery was sent: the shop does not show the order as delivered; it is looked at again, and not \
                    delivered again";
    for id in ["a", "b"] {
        let answer = actions.invoke(with_id(id)).await.unwrap();
        assert_eq!(answer, json!({ "results": [{ "order": 2, "outcome": "later", "reason": not_seen }] }), "{id}");
    }
    tokio::time::advance(Duration::from_secs(12 * 60)).await;
    for (id, reason) in [
        ("b", "it was delivered a moment ago: the shop was not called"),
        ("a", "it was delivered a moment ago: the shop was not called"),
    ] {
        let answer = actions.invoke(with_id(id)).await.unwrap();
        assert_eq!(answer, json!({ "results": [{ "order": 2, "outcome": "done", "reason": reason }] }), "{id}");
    }
    assert_eq!((actions.mails(MailKind::DeliveryConfirmation), lock(&actions.shop).log().deliver), (1, 1));

    // Later the shop's word holds: somebody opened the order again.
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    lock(&actions.shop).set_visible_after(SignedDuration::ZERO);
    actions.reopen(2);
    assert_eq!(actions.invoke(with_id("c")).await.unwrap()["results"][0]["reason"], "delivered");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_on_its_way_is_not_overtaken_by_a_message_with_another_id() {
    let actions = Actions::new().await;
    actions.wire.plan(DELIVERY - 1, 1, Trouble::Late);
    let first = actions.invoke(deliver(2)).await.unwrap();
    assert_eq!((&first["results"][0]["outcome"], actions.status(2).as_str()), (&json!("later"), "Open"));
    let mut other = deliver(2);
    other["id"] = json!("another");
    let answer = actions.invoke(other.clone()).await.unwrap();
    let reason = "the delivery was sent: the shop does not show the order as delivered; it is looked at again, and not \
                  delivered again";
    assert_eq!(answer, json!({ "results": [{ "order": 2, "outcome": "later", "reason": reason }] }));
    for message in [other, deliver(2)] {
        actions.work_off(&message).await;
    }
    assert_eq!((actions.status(2).as_str(), actions.mails(MailKind::DeliveryConfirmation)), ("Shipped", 1));
    assert_eq!(actions.letters(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_comment_that_was_never_sent_is_sent_although_the_ledgers_answer_was_lost() {
    for times in [1, 3] {
        let actions = Actions::new().await;
        actions.wire.plan(0, times, Trouble::AnswerLost);
        actions.work_off(&comment(2)).await;
        assert_eq!((lock(&actions.shop).comments(2).len(), actions.letters().len()), (1, 0), "{times} times");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_message_is_a_dead_letter_with_its_reason_and_never_comes_again() {
    let unknown_shop = json!({ "shop": "nobody", "action": "deliver", "order": 1 });
    let missing_order = json!({ "shop": "acme", "action": "deliver", "order": 999 });
    let empty_comment = json!({ "shop": "acme", "action": "add_comment", "order": 1, "message": "" });
    let mut other_content = deliver(1);
    other_content["send_email"] = json!(false);
    for (message, reason) in [
        (unknown_shop, "there is no such shop among the connections"),
        (missing_order, "order 999: the shop has no such order"),
        (empty_comment, "the message is not an action: message is missing or empty"),
        (json!("deliver"), "the message is not an action: it is not an object"),
        (other_content, "order 1: its id was used for another action"),
    ] {
        let actions = Actions::new().await;
        actions.invoke(deliver(1)).await.unwrap();
        actions.work_off(&message).await;
        assert_eq!(actions.letters(), [reason]);
        let answer = actions.invoke(message).await.unwrap();
        assert_eq!(answer["results"][0]["outcome"], "rejected", "by invocation it is answered: {answer}");
    }
    let actions = Actions::new().await;
    actions.messaging.send(ACTIONS, "not JSON");
    actions.drain().await;
    assert_eq!(actions.letters(), ["the message is not JSON"]);
}

#[tokio::test(start_paused = true)]
async fn of_several_orders_those_that_are_done_are_not_done_again() {
    let actions = Actions::new().await;
    lock(&actions.shop).poison(2);
    let mut message = deliver(1);
    message.as_object_mut().unwrap().remove("order");
    message["orders"] = json!([1, 2, 3]);
    let answer = actions.invoke(message.clone()).await.unwrap();
    let outcomes: Vec<&Value> = answer["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["done", "later", "done"]);
    lock(&actions.shop).heal(2);
    actions.work_off(&message).await;
    assert_eq!((actions.mails(MailKind::DeliveryConfirmation), lock(&actions.shop).log().deliver), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn an_order_at_which_the_shop_hangs_leaves_the_others_their_time() {
    for action in ["deliver", "refresh"] {
        let mut actions = Actions::new().await;
        actions.deps.transport = Arc::new(Hanging(actions.deps.transport.clone()));
        let message = json!({ "shop": "acme", "action": action, "orders": [1, 2, 3] });
        let answer = actions.invoke(message).await.unwrap();
        let outcomes: Vec<&Value> =
            answer["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
        assert_eq!(outcomes, ["later", "done", "done"], "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_that_never_succeeds_ends_in_the_dead_letters_with_its_reason() {
    let actions = Actions::new().await;
    lock(&actions.shop).poison(2);
    actions.work_off(&deliver(2)).await;
    assert_eq!(actions.letters(), ["order 2: not finished in time: the shop answered with status 500"]);
    assert_eq!(actions.mails(MailKind::DeliveryConfirmation), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_comes_again_when_its_last_letter_cannot_be_written() {
    let actions = Actions::new().await;
    lock(&actions.shop).poison(2);
    let record =
        json!({ "messageId": "m", "body": deliver(2).to_string(), "attributes": { "ApproximateReceiveCount": "5" } });
    let event = json!({ "Records": [record] });
    let mut deps = actions.deps.clone();
    let fault = Some(CallFault::Failed);
    deps.queues = actions.messaging.sqs_with(Arc::new(move |_| CallPlan { fault, ..CallPlan::default() }));
    let deadline = Instant::now() + Duration::from_secs(120);
    let answer = shop_actions::handle(&deps, event.clone(), "i", deadline).await;
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "m" }] }));
    assert_eq!(actions.invoke(event).await.unwrap(), json!({ "batchItemFailures": [] }));
    assert_eq!(actions.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_delivered_already_is_not_delivered_or_mailed_again() {
    let actions = Actions::new().await;
    lock(&actions.shop).update_order(actions.bench.now(), 2, |order| order.status = Some("Shipped".into()));
    let answer = actions.invoke(deliver(2)).await.unwrap();
    assert_eq!(answer["results"][0]["reason"], "it was delivered already: the shop was not called");
    assert_eq!(lock(&actions.shop).log().deliver, 0);
}

#[tokio::test(start_paused = true)]
async fn resend_and_refresh_reach_the_shop_and_the_ledger() {
    let actions = Actions::new().await;
    lock(&actions.shop).take_outbox();
    let resend = json!({ "shop": "acme", "action": "resend", "order": 3 });
    for _ in 0..2 {
        assert_eq!(actions.invoke(resend.clone()).await.unwrap()["results"][0]["outcome"], "done");
    }
    assert_eq!(lock(&actions.shop).take_outbox().len(), 2, "without an id it can be wanted again");
    let answer = actions.invoke(json!({ "shop": "acme", "action": "refresh", "orders": [3, 999] })).await.unwrap();
    assert_eq!(answer["results"][0]["reason"], "the ledger has it as revision 2");
    assert_eq!(answer["results"][1]["reason"], "the shop has no such order");
    let last = actions.bench.ledger.revisions(&DocumentKey::order("acme", 3)).await.unwrap().pop().unwrap();
    assert_eq!(last.source, Source::Refresh);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_delivers_the_orders_that_it_names_and_reports_the_others() {
    let actions = Actions::new().await;
    let rows = json!([{ "order": 1 }, { "order": "3" }, { "order": 1 }, { "order": 77 }, { "order": "Virtanen" }, { "order": 1.5 }]);
    let event = dispatch("acme", json!({ "id": 9, "rows": rows, "parcels": [{ "code": "" }, { "code": "MALLI2" }] }));
    actions.work_off(&event).await;
    assert_eq!([actions.status(1), actions.status(2), actions.status(3)], ["Shipped", "Open", "Shipped"]);
    assert_eq!(actions.mails(MailKind::DeliveryConfirmation), 2);
    assert_eq!(lock(&actions.shop).tracking_code(1), Some("MALLI2"));
    let reason = "order 77: not finished in time: the shop does not have the order yet; 2 of the 6 values of the path are not \
                  order ids, the first is value 5";
    assert_eq!(actions.letters(), [reason], "and nothing of a person");

    // Published again, or moved back out of the dead letters, it mails nobody again.
    actions.work_off(&event).await;
    assert_eq!((actions.mails(MailKind::DeliveryConfirmation), lock(&actions.shop).log().deliver), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_does_nothing_without_a_bridge_and_only_says_so_in_a_dry_run() {
    let actions = Actions::new().await;
    let document = json!({ "id": 9, "rows": [{ "order": 1 }] });
    assert_eq!(actions.invoke(dispatch("plain", document.clone())).await.unwrap(), json!({ "results": [] }));
    let answer = actions.invoke(dispatch("rehearsing", document)).await.unwrap();
    let reason = "would be delivered, without a tracking code";
    assert_eq!(answer, json!({ "results": [{ "order": 1, "outcome": "dry_run", "reason": reason }] }));
    let answer = actions.invoke(dispatch("acme", json!({ "id": 9 }))).await.unwrap();
    assert_eq!(answer, json!({ "results": [] }), "a dispatch of none of the shop's orders");
    assert_eq!(lock(&actions.shop).log().deliver, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_that_names_a_number_does_not_deliver_the_order_whose_id_it_is() {
    let actions = Actions::new().await;
    for (id, number) in [(1, Some("2")), (2, Some("A-2")), (3, None)] {
        let change = |order: &mut mycashflow::Order| order.order_number = number.map(Into::into);
        lock(&actions.shop).update_order(actions.bench.now(), id, change);
    }
    let rows = json!([{ "order": "1" }, { "order": "2" }, { "order": "3" }]);
    let document = json!({ "id": 9, "rows": rows });
    actions.work_off(&dispatch("acme", document.clone())).await;
    let other = "the shop's order of this id has another order number, so it may not be the one that is meant";
    assert_eq!(actions.letters(), [format!("order 1: {other}; order 2: {other}")]);
    assert_eq!([actions.status(1), actions.status(2), actions.status(3)], ["Open", "Open", "Shipped"]);
    assert_eq!(actions.mails(MailKind::DeliveryConfirmation), 1);

    // Where the ERP carries the shop's ids, the numbers may be what they like.
    actions.work_off(&dispatch("by-id", document)).await;
    assert_eq!([actions.status(1), actions.status(2)], ["Shipped", "Shipped"]);
    // A message of the queue names ids.
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    actions.reopen(1);
    assert_eq!(actions.invoke(deliver(1)).await.unwrap()["results"][0]["reason"], "delivered");
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_published_without_its_document_is_read_from_the_ledger() {
    let actions = Actions::new().await;
    let document = DocumentKey::manu("acme", "sales-dispatch-activate", "9");
    let new = message(&document, br#"{"id":9,"rows":[{"order":2}]}"#, actions.bench.now());
    actions.bench.ledger.append(&new).await.unwrap();
    let mut event = dispatch("acme", json!(null));
    event["detail"].as_object_mut().unwrap().remove("document");
    actions.work_off(&event).await;
    assert_eq!(actions.status(2), "Shipped");
}

#[tokio::test(start_paused = true)]
async fn a_truncated_dispatch_that_begins_with_a_byte_order_mark_is_read() {
    let actions = Actions::new().await;
    let document = DocumentKey::manu("acme", "sales-dispatch-activate", "9");
    let new = message(&document, "\u{feff}{\"id\":9,\"rows\":[{\"order\":2}]}".as_bytes(), actions.bench.now());
    actions.bench.ledger.append(&new).await.unwrap();
    let mut event = dispatch("acme", json!(null));
    event["detail"].as_object_mut().unwrap().remove("document");
    actions.work_off(&event).await;
    assert_eq!((actions.status(2).as_str(), actions.letters().len()), ("Shipped", 0));
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_of_sixty_rows_of_one_order_is_one_delivery_and_rows_without_an_order_are_no_fault() {
    let actions = Actions::new().await;
    let mut rows = vec![json!({ "order": 2 }); 60];
    rows.extend([json!({ "order": null }), json!({ "order": "" }), json!({ "order": "  " }), json!({ "sku": "x" })]);
    actions.work_off(&dispatch("acme", json!({ "id": 9, "rows": rows }))).await;
    assert_eq!((lock(&actions.shop).log().deliver, actions.letters()), (1, vec![]));
    // A path that misses is one complaint, however many rows there are.
    let rows = vec![json!({ "order": "Virtanen" }); 2_000];
    actions.work_off(&dispatch("acme", json!({ "id": 9, "rows": rows }))).await;
    assert_eq!(actions.letters(), ["2000 of the 2000 values of the path are not order ids, the first is value 1"]);
    let rows: Vec<Value> = (1..=51).map(|order| json!({ "order": order })).collect();
    let answer = actions.invoke(dispatch("acme", json!({ "id": 9, "rows": rows }))).await.unwrap();
    assert_eq!(answer["results"][0]["reason"], "the dispatch names more than 50 orders");
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_that_was_never_crossed_delivers_nothing_when_it_is_published_again_days_later() {
    let actions = Actions::new().await;
    let at_its_time = dispatch("acme", json!({ "id": 9, "rows": [{ "order": 1 }] }));
    actions.work_off(&at_its_time).await;
    tokio::time::advance(Duration::from_secs(3 * 24 * 60 * 60 + 1)).await;
    // One order was delivered by it at its time; the other one is named since, as if the bridge had been off then.
    let published_again = dispatch("acme", json!({ "id": 9, "rows": [{ "order": 1 }, { "order": 3 }] }));
    let answer = actions.invoke(published_again.clone()).await.unwrap();
    let outcomes: Vec<&Value> = answer["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["done_before", "rejected"]);
    actions.work_off(&published_again).await;
    let reason = "order 3: the dispatch is older than 3 days, and delivers nothing by itself any more";
    assert_eq!(actions.letters(), [reason]);
    assert_eq!((actions.status(3).as_str(), lock(&actions.shop).log().deliver), ("Open", 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_of_a_dispatch_is_rejected() {
    let actions = Actions::new().await;
    for (field, value, reason) in [
        ("id", "mycashflow/acme/order/9/1", "the event has no id of a sales dispatch's revision"),
        ("id", "manu/acme/item-save/9/1", "the event has no id of a sales dispatch's revision"),
        ("recorded_at", "yesterday", "the event does not say when its dispatch was recorded"),
    ] {
        let mut event = dispatch("acme", json!({ "id": 9, "rows": [{ "order": 2 }] }));
        event["detail"][field] = json!(value);
        let answer = actions.invoke(event).await.unwrap();
        assert_eq!(answer, json!({ "results": [{ "outcome": "rejected", "reason": reason }] }));
    }
    assert_eq!(lock(&actions.shop).log().deliver, 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_document_with_status_200_is_not_taken_for_success() {
    let actions = Actions::new().await;
    lock(&actions.shop).fail_next(ShopFault::ErrorDocument, 2);
    actions.work_off(&deliver(2)).await;
    assert_eq!((actions.status(2).as_str(), actions.mails(MailKind::DeliveryConfirmation)), ("Shipped", 1));
}
