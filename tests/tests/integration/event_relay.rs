//! From the table's stream to the bus.

mod before;
mod bus;
mod json;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloud::embedded::{CallFault, CallPlan};
use cloud::mappings::StreamReader;
use cloud::messaging::{BUS, EVENT_DEAD_LETTERS, Messaging, queue_url};
use event_relay::{DeadLetters, EventBus, Limits, PublicationLog, RelayDeps, Request};
use ledger::{Connection, DocumentKey, Ledger, Retention, RevisionKey};
use manu::WebhookType;
use serde_json::{Value, json};
use tilaussilta_tests::{Bench, TABLE, Trouble, Wire, message};
use tokio::time::Instant;
use world::erp::made_up_document;
use world::orders::made_up;

/// A ledger with its stream, and a bus.
struct Relay {
    bench: Bench,
    messaging: Messaging,
    reader: StreamReader,
    deps: RelayDeps,
}

impl Relay {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let messaging = Messaging::new(bench.deps.clock.clone());
        let dead_letters = DeadLetters { client: messaging.sqs(), queue_url: queue_url(EVENT_DEAD_LETTERS) };
        let deps = RelayDeps {
            ledger: bench.ledger.clone(),
            bus: EventBus::new(messaging.eventbridge(), BUS),
            dead_letters,
            published: PublicationLog::new(bench.ledger.clone(), bench.deps.clock.clone()),
            limits: Limits::default(),
            metrics: bench.deps.metrics.clone(),
        };
        Self { reader: StreamReader::new(bench.embedded.clone(), TABLE, None), bench, messaging, deps }
    }

    async fn append(&self, document: &DocumentKey, body: &str) -> u32 {
        let new = message(document, body.as_bytes(), self.bench.now());
        self.bench.ledger.append(&new).await.unwrap().revision()
    }

    async fn invoke(&self, event: Value) -> Value {
        let request = Request::read(event).unwrap();
        event_relay::handle(&self.deps, request, Instant::now() + Duration::from_secs(120)).await.unwrap()
    }

    async fn republish(&self, wish: Value) -> Value {
        self.invoke(json!({ "republish": wish })).await
    }

    /// Hands over the stream as Lambda does, again and again; gives up after some rounds without an end.
    async fn drain(&mut self, batch: usize) {
        for _ in 0..2_000 {
            let Some((event, last)) = self.reader.next_batch(batch) else { return };
            let answer = self.invoke(event.clone()).await;
            self.reader.settle(&event, last, &answer);
        }
        panic!("the stream does not come to its end");
    }

    /// Leaves of a revision's body something that is none.
    fn corrupt(&self, document: &DocumentKey, revision: u32) {
        let pk = format!("manu#acme#item-save#{}", document.id);
        let key = json!({ "pk": { "S": pk }, "sk": { "S": format!("rev#{revision:08}") } });
        let update = json!({
            "TableName": TABLE, "Key": key, "UpdateExpression": "SET body = :broken",
            "ExpressionAttributeValues": { ":broken": { "B": "AAAA" } },
        });
        let (status, answer) = self.bench.embedded.answer("UpdateItem", &update.to_string());
        assert_eq!(status, 200, "{answer}");
    }

    fn ids(&self) -> Vec<String> {
        self.messaging.events().iter().map(|event| event["detail"]["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn item(id: &str) -> DocumentKey {
    DocumentKey::manu("acme", "item-save", id)
}

/// The ids in the order in which each was first published must keep each document's revisions in order.
fn assert_in_order(ids: &[String]) {
    let mut last: BTreeMap<DocumentKey, u32> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for key in ids.iter().filter(|id| seen.insert((*id).clone())).map(|id| RevisionKey::parse(id).unwrap()) {
        let before = last.insert(key.document.clone(), key.revision).unwrap_or(0);
        assert_eq!(before + 1, key.revision, "{}", key.document);
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_revisions_arrive_all_and_in_order_though_entries_fail() {
    const DOCUMENTS: usize = 2_500;
    let mut relay = Relay::new().await;
    for version in 1..=4 {
        relay.append(&item("0"), &format!(r#"{{"id":0,"version":{version}}}"#)).await;
    }
    let (four, _) = relay.reader.next_batch(100).unwrap();
    // The other documents' records are copies of the first one's: five documents at a time, one revision after the other.
    let mut records = Vec::new();
    for group in 0..DOCUMENTS / 5 {
        for revision in four["Records"].as_array().unwrap() {
            for document in group * 5..group * 5 + 5 {
                let mut record = revision.clone();
                for image in ["Keys", "NewImage"] {
                    record["dynamodb"][image]["pk"]["S"] = json!(format!("manu#acme#item-save#{document}"));
                }
                record["dynamodb"]["SequenceNumber"] = json!(format!("{:021}", records.len() + 1));
                records.push(record);
            }
        }
    }
    assert_eq!(records.len(), 10_000);
    let mut rng = fastrand::Rng::with_seed(4);
    relay.messaging.refuse(move |_| (rng.u8(..100) < 5).then_some("ThrottlingException"));
    // With two tries an entry fails for good now and then, so that Lambda has to hand it over again.
    relay.deps.limits.attempts = 2;
    let (mut position, mut reported) = (0, 0);
    while position < records.len() {
        let batch = &records[position..records.len().min(position + 100)];
        let answer = relay.invoke(json!({ "Records": batch })).await;
        let failures = answer["batchItemFailures"].as_array().unwrap();
        reported += failures.len();
        let lowest = failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap()).min();
        position = lowest.map_or(position + batch.len(), |number| number.parse::<usize>().unwrap() - 1);
    }
    let ids = relay.ids();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), 10_000, "every id at least once");
    assert!(reported > 0, "some entries must have failed for good at first");
    assert_in_order(&ids);
}

#[tokio::test(start_paused = true)]
async fn a_later_revision_is_not_published_before_an_earlier_one_that_fails() {
    let mut relay = Relay::new().await;
    for (document, version) in [("a", 1), ("b", 1), ("a", 2), ("b", 2)] {
        relay.append(&item(document), &format!(r#"{{"version":{version}}}"#)).await;
    }
    relay
        .messaging
        .refuse(|entry| entry["Detail"].as_str().unwrap().contains("item-save/a/1\"").then_some("InternalFailure"));
    let (event, last) = relay.reader.next_batch(100).unwrap();
    let answer = relay.invoke(event.clone()).await;
    assert_eq!(relay.ids(), ["manu/acme/item-save/b/1", "manu/acme/item-save/b/2"]);
    let number = |index: usize| event["Records"][index]["dynamodb"]["SequenceNumber"].clone();
    let expected = json!({ "batchItemFailures": [{ "itemIdentifier": number(0) }, { "itemIdentifier": number(2) }] });
    assert_eq!(answer, expected);

    relay.messaging.heal();
    assert!(!relay.reader.settle(&event, last, &answer));
    relay.drain(100).await;
    assert_in_order(&relay.ids());
    assert_eq!(relay.ids().iter().collect::<BTreeSet<_>>().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_a_call_every_revision_is_published_under_its_one_id() {
    for fault in [CallFault::AnswerLost, CallFault::NotSent, CallFault::Failed, CallFault::Throttled] {
        for calls in [1, 3, 30] {
            let mut relay = Relay::new().await;
            for version in 1..=3 {
                relay.append(&item("a"), &format!(r#"{{"version":{version}}}"#)).await;
            }
            let left = std::sync::Mutex::new(calls);
            let client = relay.messaging.eventbridge_with(Arc::new(move |_| {
                let mut left = left.lock().unwrap();
                let fault = (*left > 0).then_some(fault);
                *left -= i32::from(*left > 0);
                CallPlan { fault, ..CallPlan::default() }
            }));
            relay.deps.bus = EventBus::new(client, BUS);
            relay.drain(100).await;
            let distinct: BTreeSet<String> = relay.ids().into_iter().collect();
            assert_eq!(distinct.len(), 3, "{fault:?} {calls} times");
            assert_in_order(&relay.ids());
        }
    }
}

/// A relay whose every call, to the bus, the dead letters and the ledger, goes over one wire; with three revisions of a
/// document, the second of which the bus refuses, and one that cannot be read.
async fn on_a_wire() -> (Relay, Arc<Wire>) {
    let mut relay = Relay::new().await;
    relay.append(&item("a"), r#"{"version":1}"#).await;
    relay.append(&DocumentKey::order("acme", 58), "<Order id='58'><OrderStatus>").await;
    for version in 2..=3 {
        relay.append(&item("a"), &format!(r#"{{"version":{version}}}"#)).await;
    }
    relay.messaging.refuse(|entry| entry["Detail"].as_str().unwrap().contains("a/2\"").then_some("MalformedDetail"));
    let wire = Arc::new(Wire::default());
    let client = platform::dynamodb_client(&relay.bench.embedded.config_with(wire.planner()));
    relay.deps.ledger = Ledger::new(client, TABLE, Retention::default());
    relay.deps.bus = EventBus::new(relay.messaging.eventbridge_with(wire.planner()), BUS);
    relay.deps.dead_letters.client = relay.messaging.sqs_with(wire.planner());
    (relay, wire)
}

/// Hands over the stream to its end, as Lambda does to a function that is killed now and then.
async fn hand_over(relay: &mut Relay, wire: &Wire) {
    for _ in 0..20 {
        let Some((event, last)) = relay.reader.next_batch(100) else { return };
        if let Some(answer) = wire.alive(relay.invoke(event.clone())).await {
            relay.reader.settle(&event, last, &answer);
        }
    }
    panic!("the stream does not come to its end");
}

fn letters(relay: &Relay) -> BTreeSet<String> {
    let letters = relay.messaging.messages(EVENT_DEAD_LETTERS);
    let id = |body: &str| serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned();
    letters.iter().map(|letter| id(&letter.body)).collect()
}

const REFUSED: &str = "manu/acme/item-save/a/2";
const UNREADABLE: &str = "mycashflow/acme/order/58/1";

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_any_call_of_the_relay_each_revision_is_published_or_a_letter() {
    for trouble in Trouble::OF_ANY_CALL {
        for times in [1, 3, 4] {
            // The check of the bus, three requests to it, two letters: with repeats some more.
            for first in 0..10 {
                let (mut relay, wire) = on_a_wire().await;
                wire.plan(first, times, trouble);
                hand_over(&mut relay, &wire).await;
                let case = format!("{trouble:?} at call {first}, {times} times");
                let mut seen = BTreeSet::new();
                let ids: Vec<String> = relay.ids().into_iter().filter(|id| seen.insert(id.clone())).collect();
                assert_eq!(ids, ["manu/acme/item-save/a/1", "manu/acme/item-save/a/3"], "{case}");
                assert_eq!(letters(&relay), [REFUSED, UNREADABLE].map(str::to_owned).into(), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_any_call_the_dead_letters_can_be_published_in_the_end() {
    for trouble in Trouble::OF_ANY_CALL {
        for first in 0..10 {
            let (mut relay, wire) = on_a_wire().await;
            hand_over(&mut relay, &wire).await;
            relay.messaging.heal();
            wire.plan(first, 3, trouble);
            let request = Request::read(json!({ "republish": "dead-letters" })).unwrap();
            for _ in 0..5 {
                let deadline = Instant::now() + Duration::from_secs(120);
                let _ = wire.alive(event_relay::handle(&relay.deps, request.clone(), deadline)).await;
                // By then what a killed invocation had taken out is visible again.
                tokio::time::advance(Duration::from_secs(121)).await;
            }
            let case = format!("{trouble:?} at call {first}");
            assert!(relay.ids().contains(&REFUSED.to_owned()), "{case}");
            assert_eq!(letters(&relay), [UNREADABLE.to_owned()].into(), "{case}");
            assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS).len(), 1, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn heads_and_changes_are_not_published() {
    let mut relay = Relay::new().await;
    relay.append(&item("a"), "{}").await;
    let (mut event, _) = relay.reader.next_batch(100).unwrap();
    let record = event["Records"][0].clone();
    let mut head = record.clone();
    head["dynamodb"]["NewImage"]["sk"]["S"] = json!("head");
    let mut removed = record.clone();
    removed["eventName"] = json!("REMOVE");
    event["Records"] = json!([head, removed]);
    assert_eq!(relay.invoke(event).await, json!({ "batchItemFailures": [] }));
    assert_eq!(relay.ids(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_cannot_be_read_is_a_dead_letter_and_holds_up_nothing() {
    let mut relay = Relay::new().await;
    relay.append(&DocumentKey::order("acme", 58), "<Order id='58'><OrderStatus>Hush").await;
    relay.append(&item("a"), "{}").await;
    relay.drain(100).await;
    assert_eq!(relay.ids(), ["manu/acme/item-save/a/1"]);
    let letters = relay.messaging.messages(EVENT_DEAD_LETTERS);
    let letter: Value = serde_json::from_str(&letters[0].body).unwrap();
    assert_eq!(letter["id"], "mycashflow/acme/order/58/1");
    assert!(letter["reason"].as_str().unwrap().starts_with("the stored body cannot be read: "), "{letter}");
    assert!(!letters[0].body.contains("Hush"), "a letter holds nothing of the document");

    // It still cannot be read, so it stays, once.
    let answer = relay.republish(json!("dead-letters")).await;
    assert_eq!((&answer["published"], &answer["dead_lettered"]), (&json!(0), &json!(1)));
    assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_refuses_is_a_dead_letter_that_can_be_published_later() {
    let mut relay = Relay::new().await;
    relay.append(&item("a"), "{}").await;
    relay.messaging.refuse(|_| Some("MalformedDetail"));
    relay.drain(100).await;
    let letters = relay.messaging.messages(EVENT_DEAD_LETTERS);
    assert_eq!(
        letters[0].body,
        r#"{"id":"manu/acme/item-save/a/1","reason":"the event bus refuses it: MalformedDetail"}"#
    );
    relay.messaging.heal();
    assert_eq!(relay.republish(json!("dead-letters")).await["published"], 1);
    assert_eq!(relay.ids(), ["manu/acme/item-save/a/1"]);
    assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS), []);
}

/// A letter of Lambda about a batch that it gave up.
fn given_up(at: jiff::Timestamp, shard: u32) -> String {
    let batch = json!({ "DDBStreamBatchInfo": {
        "shardId": format!("shardId-{shard:08}"),
        "approximateArrivalOfFirstRecord": at.to_string(), "approximateArrivalOfLastRecord": at.to_string(),
    } });
    batch.to_string()
}

#[tokio::test(start_paused = true)]
async fn batches_that_lambda_gave_up_are_published_from_their_times_by_one_reading_of_the_table() {
    let mut relay = Relay::new().await;
    relay.append(&item("a"), "{}").await;
    for shard in 1..=25 {
        relay.messaging.send(EVENT_DEAD_LETTERS, given_up(relay.bench.now(), shard));
    }
    tokio::time::advance(Duration::from_secs(3_600)).await;
    relay.append(&item("between"), "{}").await;
    tokio::time::advance(Duration::from_secs(3_600)).await;
    relay.append(&item("b"), "{}").await;
    relay.messaging.send(EVENT_DEAD_LETTERS, given_up(relay.bench.now(), 26));

    let scans = Arc::new(AtomicUsize::new(0));
    let counted = scans.clone();
    let client = platform::dynamodb_client(&relay.bench.embedded.config_with(Arc::new(move |operation| {
        counted.fetch_add(usize::from(operation == "Scan"), Ordering::Relaxed);
        CallPlan::default()
    })));
    relay.deps.ledger = Ledger::new(client, TABLE, Retention::default());
    assert_eq!(
        relay.republish(json!("dead-letters")).await,
        json!({ "published": 2, "truncated": 0, "dead_lettered": 0 })
    );
    let published: BTreeSet<String> = relay.ids().into_iter().collect();
    assert_eq!(published, ["manu/acme/item-save/a/1", "manu/acme/item-save/b/1"].map(str::to_owned).into());
    assert_eq!(scans.load(Ordering::Relaxed), 1);
    assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS), []);
}

#[tokio::test(start_paused = true)]
async fn every_dead_letter_is_dealt_with_and_repeats_of_one_go_with_it() {
    let relay = Relay::new().await;
    let mut expected = BTreeSet::new();
    for name in 0..12 {
        relay.append(&item(&name.to_string()), "{}").await;
        let id = format!("manu/acme/item-save/{name}/1");
        // More than a receive holds, so that one receive brings nothing but repeats.
        for _ in 0..25 {
            relay.messaging.send(EVENT_DEAD_LETTERS, json!({ "id": id, "reason": "r" }).to_string());
        }
        expected.insert(id);
    }
    relay.append(&DocumentKey::order("acme", 58), "<Order id='58'><OrderStatus>").await;
    let unreadable = json!({ "id": "mycashflow/acme/order/58/1", "reason": "r" }).to_string();
    for _ in 0..3 {
        relay.messaging.send(EVENT_DEAD_LETTERS, unreadable.clone());
    }
    relay.messaging.send(EVENT_DEAD_LETTERS, "not one of ours");
    let answer = relay.republish(json!("dead-letters")).await;
    assert_eq!((&answer["published"], &answer["dead_lettered"]), (&json!(12), &json!(1)), "{answer}");
    assert_eq!((answer["left"].as_array().unwrap().len(), answer.get("next")), (1, None), "{answer}");
    assert_eq!(relay.ids().len(), 12, "each once, however many letters it had");
    assert_eq!(relay.ids().into_iter().collect::<BTreeSet<_>>(), expected);
    let left: Vec<String> =
        relay.messaging.messages(EVENT_DEAD_LETTERS).into_iter().map(|letter| letter.body).collect();
    assert_eq!(left, [unreadable, "not one of ours".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn behind_a_failure_nothing_becomes_a_dead_letter_over_and_over() {
    let mut relay = Relay::new().await;
    relay.append(&DocumentKey::order("acme", 1), "<Order id='1'><OrderStatus>").await;
    relay.append(&item("a"), "{}").await;
    relay.append(&DocumentKey::order("acme", 2), "<Order id='2'><OrderStatus>").await;
    relay.messaging.refuse(|_| Some("InternalFailure"));
    let letters = |relay: &Relay| relay.messaging.messages(EVENT_DEAD_LETTERS).len();
    for _ in 0..3 {
        let (event, last) = relay.reader.next_batch(100).unwrap();
        let answer = relay.invoke(event.clone()).await;
        relay.reader.settle(&event, last, &answer);
        assert_eq!(letters(&relay), 1, "only what stands before the failure");
    }
    relay.messaging.heal();
    relay.drain(100).await;
    assert_eq!((letters(&relay), relay.ids()), (2, vec!["manu/acme/item-save/a/1".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_refused_revision_holds_up_its_document_until_it_is_a_dead_letter() {
    let mut relay = Relay::new().await;
    for version in 1..=3 {
        relay.append(&item("a"), &format!(r#"{{"version":{version}}}"#)).await;
    }
    relay.messaging.refuse(|entry| entry["Detail"].as_str().unwrap().contains("a/1\"").then_some("MalformedDetail"));
    let fault = Some(CallFault::Failed);
    relay.deps.dead_letters.client =
        relay.messaging.sqs_with(Arc::new(move |_| CallPlan { fault, ..CallPlan::default() }));
    let (event, last) = relay.reader.next_batch(100).unwrap();
    let answer = relay.invoke(event.clone()).await;
    assert_eq!((relay.ids(), answer["batchItemFailures"].as_array().unwrap().len()), (vec![], 3));
    relay.reader.settle(&event, last, &answer);

    relay.deps.dead_letters.client = relay.messaging.sqs();
    relay.drain(100).await;
    assert_eq!(relay.ids(), ["manu/acme/item-save/a/2", "manu/acme/item-save/a/3"]);
    assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn letters_are_written_while_there_is_time_and_no_longer() {
    let mut relay = Relay::new().await;
    for order in 1..=40 {
        relay.append(&DocumentKey::order("acme", order), &format!("<Order id='{order}'><OrderStatus>")).await;
    }
    let latency = Duration::from_secs(5);
    relay.deps.dead_letters.client = relay.messaging.sqs_with(Arc::new(move |_| CallPlan { latency, fault: None }));
    let (event, _) = relay.reader.next_batch(100).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let answer = event_relay::handle(&relay.deps, Request::read(event).unwrap(), deadline).await.unwrap();
    assert!(deadline.elapsed() <= latency, "only a call that began in time goes on after it");
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 40 - 6);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_bus_refuses_for_its_size_holds_up_nothing() {
    let mut relay = Relay::new().await;
    let note = |length: usize| json!({ "note": "x".repeat(length) }).to_string();
    for (name, length) in [("a", 10), ("b", 700), ("c", 3_000), ("d", 700)] {
        relay.append(&item(name), &note(length)).await;
    }
    // A bus that takes less than the relay believes.
    relay.messaging.limit_requests(2_000);
    relay.drain(100).await;
    let events = relay.messaging.events();
    let whole: BTreeMap<&str, bool> = events
        .iter()
        .map(|event| (event["detail"]["id"].as_str().unwrap(), event["detail"].get("document").is_some()))
        .collect();
    let id = |name: &str| format!("manu/acme/item-save/{name}/1");
    let expected = [("a", true), ("b", true), ("c", false), ("d", true)].map(|(name, whole)| (id(name), whole));
    assert_eq!(whole, expected.iter().map(|(id, whole)| (id.as_str(), *whole)).collect());
    events.iter().for_each(assert_valid);
    assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS), []);

    // One that takes not even that: each is a dead letter, and the stream goes on.
    relay.messaging.limit_requests(100);
    relay.append(&item("a"), &note(20)).await;
    relay.drain(100).await;
    let letters = relay.messaging.messages(EVENT_DEAD_LETTERS);
    let reason = "the event bus refuses it: ValidationException";
    assert_eq!(letters[0].body, json!({ "id": "manu/acme/item-save/a/2", "reason": reason }).to_string());
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_role_or_the_bus_is_no_fault_of_the_revisions() {
    for code in ["AccessDeniedException", "ResourceNotFoundException", "ThrottlingException"] {
        let mut relay = Relay::new().await;
        relay.append(&item("a"), "{}").await;
        relay.messaging.refuse_requests(code);
        let (event, last) = relay.reader.next_batch(100).unwrap();
        let answer = relay.invoke(event.clone()).await;
        assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 1, "{code}");
        assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS), []);
        relay.messaging.heal();
        relay.reader.settle(&event, last, &answer);
        relay.drain(100).await;
        assert_eq!(relay.messaging.events()[0]["detail"]["truncated"], false);
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_letter_that_could_not_be_written_none_is_written_over_and_over() {
    let mut relay = Relay::new().await;
    for order in 1..=3 {
        relay.append(&DocumentKey::order("acme", order), &format!("<Order id='{order}'><OrderStatus>")).await;
    }
    // The first letter of each handover is written, the second is not, however often the SDK tries, a third one would be.
    let fail_second = Arc::new(AtomicUsize::new(0));
    let calls = fail_second.clone();
    relay.deps.dead_letters.client = relay.messaging.sqs_with(Arc::new(move |_| {
        let fault = (1..=3).contains(&calls.fetch_add(1, Ordering::Relaxed)).then_some(CallFault::Failed);
        CallPlan { fault, ..CallPlan::default() }
    }));
    let (event, _) = relay.reader.next_batch(100).unwrap();
    let answer = relay.invoke(event).await;
    assert_eq!(fail_second.load(Ordering::Relaxed), 4, "nothing is sent after the letter that failed");
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 2);
    assert_eq!(letters(&relay), ["mycashflow/acme/order/1/1".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn one_corrupt_revision_does_not_keep_the_others_from_being_published_again() {
    let relay = Relay::new().await;
    for version in 1..=3 {
        relay.append(&item("a"), &format!(r#"{{"version":{version}}}"#)).await;
    }
    relay.corrupt(&item("a"), 2);
    let answer = relay.republish(json!({ "document": "manu/acme/item-save/a" })).await;
    assert_eq!((&answer["published"], &answer["dead_lettered"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(relay.ids(), ["manu/acme/item-save/a/1", "manu/acme/item-save/a/3"]);
    let letter = &relay.messaging.messages(EVENT_DEAD_LETTERS)[0].body;
    assert!(letter.contains("item rev#00000002 of the ledger: attribute body is missing or malformed"), "{letter}");
}

#[tokio::test(start_paused = true)]
async fn a_document_and_a_time_can_be_published_again_under_the_same_ids() {
    let mut relay = Relay::new().await;
    relay.append(&item("a"), r#"{"version":1}"#).await;
    relay.append(&item("a"), r#"{"version":2}"#).await;
    tokio::time::advance(Duration::from_secs(3600)).await;
    let from = relay.bench.now();
    relay.append(&item("b"), "{}").await;
    let other = DocumentKey { connection: Connection::manu("acme-2"), ..item("c") };
    relay.append(&other, "{}").await;
    relay.drain(100).await;
    let before = relay.messaging.events();

    let answer = relay.republish(json!({ "document": "manu/acme/item-save/a" })).await;
    assert_eq!(answer["published"], 2);
    let until = from + Duration::from_secs(60);
    let wish = json!({ "connection": "manu/acme", "from": from.to_string(), "to": until.to_string() });
    let answer = relay.republish(wish).await;
    assert_eq!((&answer["published"], answer.get("next")), (&json!(1), None), "{answer}");
    let again = ["manu/acme/item-save/a/1", "manu/acme/item-save/a/2", "manu/acme/item-save/b/1"];
    assert_eq!(relay.ids()[before.len()..], again);
    let detail = |event: &Value| event["detail"].clone();
    assert_eq!(detail(&relay.messaging.events()[before.len()]), detail(&before[0]), "the same detail, whenever");

    let unknown = Request::read(json!({ "republish": { "document": "manu/acme/item-save/none" } })).unwrap();
    let error = event_relay::handle(&relay.deps, unknown, Instant::now() + Duration::from_secs(9)).await.unwrap_err();
    assert_eq!(error.to_string(), "the ledger has no revision of manu/acme/item-save/none");
}

#[tokio::test(start_paused = true)]
async fn a_time_whose_first_page_fails_is_not_answered_as_if_all_was_looked_at() {
    let relay = Relay::new().await;
    relay.append(&item("a"), "{}").await;
    relay.append(&item("b"), "{}").await;
    relay.messaging.refuse(|entry| entry["Detail"].as_str().unwrap().contains("/b/").then_some("InternalFailure"));
    let until = relay.bench.now() + Duration::from_secs(60);
    let wish = json!({ "connection": "manu/acme", "from": relay.bench.now().to_string(), "to": until.to_string() });
    let answer = relay.republish(wish.clone()).await;
    assert_eq!((&answer["published"], &answer["failed"]), (&json!(1), &json!(["manu/acme/item-save/b/1"])));
    assert_eq!(answer["next"], "start");

    relay.messaging.heal();
    let mut again = wish;
    again["after"] = answer["next"].clone();
    let answer = relay.republish(again).await;
    assert_eq!(answer, json!({ "published": 2, "truncated": 0, "dead_lettered": 0 }));
    assert_eq!(relay.ids(), ["a", "a", "b"].map(|id| format!("manu/acme/item-save/{id}/1")));
}

/// The schema of a detail-type that takes no other fields than those it names.
fn schema(detail_type: &str) -> jsonschema::Validator {
    let schemas = events::strict_schemas();
    let (_, schema) = schemas.iter().find(|(name, _)| name == detail_type).unwrap();
    jsonschema::validator_for(schema).unwrap()
}

fn assert_valid(event: &Value) {
    let detail_type = event["detail-type"].as_str().unwrap();
    let errors: Vec<String> =
        schema(detail_type).iter_errors(&event["detail"]).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0], "{detail_type}: {}", event["detail"]);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_event_is_published_as_its_schema_says() {
    let mut relay = Relay::new().await;
    let order = DocumentKey::order("acme", 58);
    for seed in [1, 2] {
        relay.append(&order, &mycashflow::write_order(&made_up(seed, 58))).await;
    }
    for webhook in WebhookType::ALL {
        let document = made_up_document(webhook, 4711, 1);
        relay.append(&DocumentKey::manu("acme", webhook.slug(), "4711"), &document.to_string()).await;
    }
    relay.drain(1).await;
    let events = relay.messaging.events();
    let types: Vec<&str> = events.iter().map(|event| event["detail-type"].as_str().unwrap()).collect();
    assert_eq!(types[..2], ["order.created", "order.updated"]);
    assert_eq!(types[2..], WebhookType::ALL.map(WebhookType::slug));
    events.iter().for_each(assert_valid);

    let first = &events[0];
    assert_eq!(first["source"], "tilaussilta.mycashflow");
    assert_eq!(first["detail"]["order"], made_up(1, 58).to_json());
    let mut detail = first["detail"].clone();
    detail.as_object_mut().unwrap().remove("order");
    let at = relay.bench.now().to_string();
    let expected = json!({
        "id": "mycashflow/acme/order/58/1", "connection": "mycashflow/acme", "revision": 1, "origin": "push",
        "observed_at": at, "recorded_at": at, "truncated": false, "schema_version": 1,
    });
    assert_eq!(detail, expected);
    assert_eq!(events[2]["source"], "tilaussilta.manu");
    assert_eq!(events[2]["detail"]["document"], made_up_document(WebhookType::ALL[0], 4711, 1));

    // The schemas hold something: each refuses another type's event.
    assert!(!schema("order.updated").is_valid(&first["detail"]));
    assert!(!schema("item-save").is_valid(&first["detail"]));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_would_be_too_large_is_published_without_its_document() {
    let mut relay = Relay::new().await;
    relay.deps.limits.request_bytes = 2_000;
    relay.append(&item("small"), r#"{"id":"small"}"#).await;
    relay.append(&item("large"), &json!({ "id": "large", "note": "ä".repeat(1_000) }).to_string()).await;
    relay.drain(100).await;
    let events = relay.messaging.events();
    assert_eq!(
        (&events[0]["detail"]["truncated"], &events[0]["detail"]["document"]["id"]),
        (&json!(false), &json!("small"))
    );
    assert_eq!((&events[1]["detail"]["truncated"], events[1]["detail"].get("document")), (&json!(true), None));
    events.iter().for_each(assert_valid);
}

#[tokio::test(start_paused = true)]
async fn numbers_are_published_as_the_erp_wrote_them() {
    let mut relay = Relay::new().await;
    let entries = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = entries.clone();
    relay.messaging.refuse(move |entry| {
        seen.lock().unwrap().push(entry["Detail"].as_str().unwrap().to_owned());
        None
    });
    relay.append(&item("1"), "{ \"total\": 10.50, \"id\": 12345678901234567890123 }").await;
    relay.drain(100).await;
    let detail = entries.lock().unwrap()[0].clone();
    assert!(detail.contains(r#""document":{"id":12345678901234567890123,"total":10.50}"#), "{detail}");
}
