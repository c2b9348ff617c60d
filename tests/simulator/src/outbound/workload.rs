//! The workload of an outbound world, the event source mappings that carry it, and quiescence.

use std::rc::Rc;
use std::time::Duration;

use cloud::mappings::{QUEUE_BATCH, StreamReader};
use cloud::messaging::{ACTIONS, BUS, VISIBILITY};
use jiff::SignedDuration;
use ledger::DocumentKey;
use mycashflow::{Line, Order, write_order};
use rust_decimal::Decimal;
use serde_json::json;
use tokio::time::Instant;
use world::in_process::lock;
use world::shop::Via;

use super::{Simulation, messages};
use crate::assumptions::Assumption;
use crate::plan::{percent, pick};

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
        let id = make_order(sim);
        record_order(sim, id).await;
    }
    for _ in 0..fastrand::u32(10..50) {
        tokio::time::sleep(Duration::from_millis(pick(&[0, 0, 300, 20_000, 120_000]))).await;
        let order = fastrand::u64(1..=ORDERS);
        match fastrand::u32(0..11) {
            0..5 => record_item(sim).await,
            5 => {
                let unreadable = format!("<Order id='900'><OrderStatus>{}", sim.name("v"));
                sim.record(&DocumentKey::order("acme", 900), &unreadable).await;
            }
            6 => dispatch(sim, order).await,
            7 | 8 => {
                let id = sim.name("deliver");
                let message =
                    json!({ "id": id, "shop": "acme", "action": "deliver", "order": order, "send_email": true });
                for _ in 0..fastrand::u32(1..3) {
                    sim.messaging.send(ACTIONS, message.to_string());
                }
                sim.wanted.borrow_mut().entry(order).or_default().push(id);
            }
            9 => messages::send(sim).await,
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

/// An order in the shop, which the ledger does not know yet.
fn make_order(sim: &Simulation) -> u64 {
    let goods = Line { quantity: Some(Decimal::ONE.into()), shipped: Some(false), ..Line::default() };
    let order = Order { status: Some("Open".into()), products: vec![goods], ..Order::default() };
    let mut shop = lock(&sim.shop);
    // Until now nothing of a shop was late but its deliveries.
    shop.set_visible_after(SignedDuration::ZERO);
    let id = shop.add_order(sim.now(), order, Via::Web);
    if sim.falsehoods.contains(Assumption::LateStatus) {
        shop.set_visible_after(SignedDuration::from_secs(pick(&[1, 60, 1_800])));
    }
    id
}

async fn record_order(sim: &Simulation, id: u64) {
    let body = lock(&sim.shop).order(id).map(|order| write_order(&order)).unwrap_or_default();
    sim.record(&DocumentKey::order("acme", id), &body).await;
}

/// A version of one of a few items, or, where two can be received at the same instant, two of them.
async fn record_item(sim: &Simulation) {
    let id = pick(&["a", "b", "refused"]);
    let versions = if sim.falsehoods.contains(Assumption::SameInstant) { 2 } else { 1 };
    for _ in 0..versions {
        let note = "x".repeat(fastrand::usize(0..3_000));
        let body = json!({ "id": id, "note": note, "version": sim.name("v") });
        sim.record(&DocumentKey::manu("acme", "item-save", id), &body.to_string()).await;
    }
}

/// A dispatch of two orders, or of one that the ledger learns of later, or never.
async fn dispatch(sim: &Rc<Simulation>, order: u64) {
    let id = sim.name("dispatch");
    let mut orders = vec![order, order % ORDERS + 1];
    if sim.falsehoods.contains(Assumption::DispatchFirst) {
        let unknown = make_order(sim);
        orders = vec![unknown];
        if percent(60) {
            let (sim, delay) = (sim.clone(), Duration::from_secs(fastrand::u64(1..3_000)));
            tokio::task::spawn_local(async move {
                tokio::time::sleep(delay).await;
                record_order(&sim, unknown).await;
            });
        }
    }
    let rows: Vec<_> = orders.iter().map(|order| json!({ "order": order })).collect();
    let mut body = json!({ "id": id, "rows": rows }).to_string();
    let document = DocumentKey::manu("acme", "sales-dispatch-activate", &*id);
    if sim.falsehoods.contains(Assumption::LongNumbers) {
        let digits: String = (0..27).map(|_| char::from(b'1' + fastrand::u8(0..9))).collect();
        body = body.replacen('{', &format!("{{\"tracking_code\":{digits},"), 1);
        sim.tracking_codes.borrow_mut().push((document.event_id(1), digits));
    }
    sim.record(&document, &body).await;
    for order in orders {
        sim.wanted.borrow_mut().entry(order).or_default().push(document.event_id(1));
    }
}

/// The bus is not there at first, in some worlds.
pub(super) fn delete_the_bus(sim: &Rc<Simulation>) {
    let bus = json!({ "Name": BUS }).to_string();
    if sim.falsehoods.contains(Assumption::MissingBus) {
        sim.messaging.answer("DeleteEventBus", &bus);
        let (sim, delay) = (sim.clone(), Duration::from_secs(fastrand::u64(60..3_000)));
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            sim.messaging.answer("CreateEventBus", &bus);
        });
    }
}

/// The stream's event source mapping: hands over batches, repeatedly, until the workload has ended and the stream is read.
pub(super) async fn relay(sim: Rc<Simulation>, mut reader: StreamReader) -> StreamReader {
    let mut rounds = 0;
    loop {
        if let Some((event, last)) = reader.next_batch(fastrand::usize(1..20)) {
            let mut batch = event.clone();
            if sim.falsehoods.contains(Assumption::ReversedStream)
                && let Some(records) = batch["Records"].as_array_mut()
            {
                records.reverse();
            }
            let request = event_relay::Request::read(batch).expect("a batch of the stream");
            let deadline = Instant::now() + pick(&[TIMEOUT, TIMEOUT, Duration::from_secs(2)]);
            let answer = sim.unless_killed(event_relay::handle(&sim.relay, request, deadline)).await;
            let is_whole = matches!(answer, Some(Ok(answer)) if reader.settle(&event, last, &answer));
            if !is_whole {
                // Lambda tries the rest of a batch again a moment later.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            // Lambda repeats a batch for six hours; here the faults end after a number of rounds.
            rounds += u32::from(sim.over.get());
            if rounds > 100 {
                sim.faults.stop();
            }
        } else if sim.over.get() {
            sim.relayed.replace(sim.recorded.borrow().clone());
            return reader;
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
pub(super) async fn quiesce(sim: &Rc<Simulation>, reader: StreamReader) {
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
    // What the actions have recorded meanwhile.
    relay(sim.clone(), reader).await;
    let again = json!({ "republish": "dead-letters" });
    let request = event_relay::Request::read(again).expect("a documented event");
    event_relay::handle(&sim.relay, request, Instant::now() + TIMEOUT).await.expect("a bus that takes everything");
}
