//! The workload of an outbound world, the event source mappings that carry it, and quiescence.

use std::rc::Rc;
use std::time::Duration;

use cloud::mappings::{QUEUE_BATCH, StreamReader};
use cloud::messaging::{ACTIONS, VISIBILITY};
use ledger::DocumentKey;
use mycashflow::{Order, write_order};
use serde_json::json;
use tokio::time::Instant;
use world::in_process::lock;
use world::shop::Via;

use super::Simulation;
use crate::plan::pick;
use harness::TABLE;

/// The orders of the shop.
const ORDERS: u64 = 5;
/// The time that Lambda gives the two functions, as in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long a mapping waits that has found nothing.
const IDLE: Duration = Duration::from_secs(15);
/// A message is received every [`VISIBILITY`], a limited number of times; this many rounds of an hour are more than enough.
const LAST_ROUNDS: u32 = 24;

/// Orders, messages and actions, for an hour or so.
pub(super) async fn run(sim: &Rc<Simulation>) {
    for _ in 0..ORDERS {
        let order = Order { status: Some("Open".into()), ..Order::default() };
        let id = lock(&sim.shop).add_order(sim.now(), order, Via::Web);
        let body = lock(&sim.shop).order(id).map(|order| write_order(&order)).unwrap_or_default();
        sim.record(&DocumentKey::order("acme", id), &body).await;
    }
    for _ in 0..fastrand::u32(10..50) {
        tokio::time::sleep(Duration::from_millis(pick(&[0, 0, 300, 20_000, 120_000]))).await;
        let order = fastrand::u64(1..=ORDERS);
        match fastrand::u32(0..10) {
            0..5 => {
                let id = pick(&["a", "b", "refused"]);
                let note = "x".repeat(fastrand::usize(0..3_000));
                let body = json!({ "id": id, "note": note, "version": sim.name("v") });
                sim.record(&DocumentKey::manu("acme", "item-save", id), &body.to_string()).await;
            }
            5 => {
                let unreadable = format!("<Order id='900'><OrderStatus>{}", sim.name("v"));
                sim.record(&DocumentKey::order("acme", 900), &unreadable).await;
            }
            6 => {
                let id = sim.name("dispatch");
                let body = json!({ "id": id, "rows": [{ "order": order }, { "order": order % ORDERS + 1 }] });
                let document = DocumentKey::manu("acme", "sales-dispatch-activate", &*id);
                sim.record(&document, &body.to_string()).await;
                for order in [order, order % ORDERS + 1] {
                    sim.wanted.borrow_mut().entry(order).or_default().push(document.event_id(1));
                }
            }
            7 | 8 => {
                let id = sim.name("deliver");
                let message =
                    json!({ "id": id, "shop": "acme", "action": "deliver", "order": order, "send_email": true });
                for _ in 0..fastrand::u32(1..3) {
                    sim.messaging.send(ACTIONS, message.to_string());
                }
                sim.wanted.borrow_mut().entry(order).or_default().push(id);
            }
            _ => {
                let text = sim.name("comment");
                let message = json!({ "shop": "acme", "action": "add_comment", "order": order, "message": text });
                for _ in 0..fastrand::u32(1..3) {
                    sim.messaging.send(ACTIONS, message.to_string());
                }
                sim.comments.borrow_mut().push((order, text));
            }
        }
    }
}

/// The stream's event source mapping: hands over batches, repeatedly, until the workload has ended and the stream is read.
pub(super) async fn relay(sim: Rc<Simulation>) {
    let mut reader = StreamReader::new(sim.embedded.clone(), TABLE, None);
    let mut rounds = 0;
    loop {
        if let Some((event, last)) = reader.next_batch(fastrand::usize(1..20)) {
            let request = event_relay::Request::read(event.clone()).expect("a batch of the stream");
            let deadline = Instant::now() + pick(&[TIMEOUT, TIMEOUT, Duration::from_secs(2)]);
            let answer = sim.unless_killed(event_relay::handle(&sim.relay, request, deadline)).await;
            if let Some(Ok(answer)) = answer {
                reader.settle(&event, last, &answer);
            }
            // Lambda repeats a batch for six hours; here the faults end after a number of rounds.
            rounds += u32::from(sim.over.get());
            if rounds > 100 {
                sim.faults.stop();
            }
        } else if sim.over.get() {
            return;
        } else {
            tokio::time::sleep(IDLE).await;
        }
    }
}

/// One of the queue's pollers, until the workload has ended.
pub(super) async fn act(sim: Rc<Simulation>) {
    while !sim.over.get() {
        if !act_once(&sim).await {
            tokio::time::sleep(IDLE).await;
        }
    }
}

/// One invocation with what is visible in the queue; answers whether there was anything.
async fn act_once(sim: &Simulation) -> bool {
    let Some(event) = sim.messaging.receive_event(ACTIONS, QUEUE_BATCH) else { return false };
    let invocation = sim.name("invocation");
    let deadline = Instant::now() + TIMEOUT;
    let answer = sim.unless_killed(shop_actions::handle(&sim.actions, event.clone(), &invocation, deadline)).await;
    if let Some(answer) = answer {
        sim.messaging.settle(ACTIONS, &event, &answer);
    }
    true
}

/// Quiescence: the queue is emptied, at first with faults, and the relay's dead letters are published again once the bus
/// accepts everything.
pub(super) async fn quiesce(sim: &Simulation) {
    for round in 0..LAST_ROUNDS {
        if round > 3 {
            sim.faults.stop();
        }
        while act_once(sim).await {}
        if sim.messaging.messages(ACTIONS).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(VISIBILITY.as_secs().unsigned_abs() + 1)).await;
    }
    sim.faults.stop();
    sim.messaging.heal();
    let again = json!({ "republish": "dead-letters" });
    let request = event_relay::Request::read(again).expect("a documented event");
    event_relay::handle(&sim.relay, request, Instant::now() + TIMEOUT).await.expect("a bus that takes everything");
}
