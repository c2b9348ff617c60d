//! The workload: what customers and the merchant do in the shop.

use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mycashflow::Order;
use tokio::time::Instant;
use world::in_process::lock;
use world::shop::{ShopRequest, Via};

use super::model::CITY;
use super::plan::{percent, pick};
use super::simulation::Simulation;
use super::{deviations, pushes};
use harness::SHOP_KEY;

/// The longest that an order stays bad before quiescence.
const BAD_SECONDS: u64 = 40 * 60;

/// Orders that were there before the world began.
pub(super) fn history(sim: &Rc<Simulation>) {
    let mut at = sim.plan.begin - SignedDuration::from_mins(110);
    let end = sim.plan.begin - SignedDuration::from_mins(1);
    for _ in 0..sim.plan.old_orders {
        at = (at + SignedDuration::from_secs(fastrand::i64(0..60))).min(end);
        make(sim, at, 1, Via::Api, false);
    }
}

/// The events of a simulated world, at random moments.
pub(super) async fn run(sim: Rc<Simulation>) {
    let count = sim.plan.events;
    let crowd_at = sim.plan.crowd.map(|_| fastrand::u32(0..count));
    let mean_ms = sim.plan.length.as_millis() as u64 / u64::from(count);
    for index in 0..count {
        // Half of the events follow the one before closely: within the second, or within seconds.
        let pause = if percent(50) { fastrand::u64(0..3_000) } else { fastrand::u64(0..4 * mean_ms) };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if crowd_at == Some(index) {
            crowd(&sim);
        } else {
            event(&sim);
        }
    }
}

/// Changes one order after the other.
pub(super) async fn churn(sim: Rc<Simulation>) {
    let Some(pause) = sim.plan.churn else { return };
    let end = Instant::now() + sim.plan.length;
    while Instant::now() < end {
        tokio::time::sleep(pause.mul_f64(2.0 * fastrand::f64())).await;
        // As people do: often the same few orders, now and then any.
        let ids = ids(&sim);
        let Some(last) = ids.len().checked_sub(1) else { continue };
        let order = ids[fastrand::usize(last.saturating_sub(if percent(50) { 30 } else { last })..=last)];
        change(&sim, order, pick(&["Shipped", "Open", "Cancelled"]));
    }
}

/// More orders or changes in one second than an answer holds.
fn crowd(sim: &Rc<Simulation>) {
    let count = sim.plan.crowd.unwrap_or_default();
    if sim.model.borrow().orders.len() > 90 && percent(60) {
        change_many(sim, count.min(500) as usize);
    } else {
        make(sim, sim.now(), count, pick(&[Via::Api, Via::Api, Via::Web]), true);
    }
}

fn event(sim: &Rc<Simulation>) {
    if deviations::deviate(sim) {
        return;
    }
    let burst = fastrand::u32(1..=sim.plan.burst);
    match fastrand::u32(0..100) {
        0..45 => make(sim, sim.now(), burst, pick(&[Via::Web, Via::Web, Via::Api]), true),
        45..65 => change_many(sim, fastrand::usize(1..4)),
        65..75 => {
            make(sim, sim.now(), burst, pick(&[Via::Web, Via::Api]), true);
            change_latest(sim, burst);
        }
        75..85 => sim.spawn_with(flip),
        85..90 => resend(sim),
        90..100 if sim.plan.bad_orders => sim.spawn_with(corrupt),
        _ => make(sim, sim.now(), burst, Via::Api, true),
    }
}

/// Takes orders in, all in one second.
pub(super) fn make(sim: &Rc<Simulation>, at: Timestamp, count: u32, via: Via, late: bool) {
    for _ in 0..count {
        {
            let mut shop = lock(&sim.shop);
            shop.set_visible_after(if late { lateness(sim) } else { SignedDuration::ZERO });
            if percent(5) {
                shop.skip_ids(fastrand::u64(1..4));
            }
        }
        deviations::choose_id(sim);
        make_dated(sim, at, at, "Open", via);
    }
    pushes::collect(sim);
}

/// Takes an order in at `now` that says it was made at `made_at`.
pub(super) fn make_dated(sim: &Simulation, now: Timestamp, made_at: Timestamp, status: &str, via: Via) -> u64 {
    let mut order = if sim.plan.real_orders {
        world::orders::made_up(1, fastrand::u64(..))
    } else {
        Order { comments: Some("Käsitellään".into()), ..Order::default() }
    };
    order.status = Some(status.into());
    order.customer_information.get_or_insert_default().city = Some(CITY.into());
    let mut shop = lock(&sim.shop);
    let id = shop.add_order_dated(now, made_at, order, via);
    let updated = sim.plan.shop.creation_updates.then_some(now.as_second());
    // An order that appears behind the cursor cannot be found by its time of making.
    let made = made_at.as_second();
    let created = (now.duration_since(made_at) <= SignedDuration::ZERO).then_some(made);
    if let Some(order) = shop.order(id) {
        sim.model.borrow_mut().note(&order, made, created, updated);
    }
    drop(shop);
    sim.trace.note(|| format!("shop: order {id} made, {via:?}, at {}, dated {made}", now.as_second()));
    id
}

fn lateness(sim: &Simulation) -> SignedDuration {
    let most = sim.plan.lateness;
    SignedDuration::from_secs(pick(&[0, fastrand::i64(0..=most), most]))
}

/// Gives an order a status, now.
pub(super) fn change(sim: &Simulation, order: u64, status: &str) {
    let now = sim.now();
    let mut shop = lock(&sim.shop);
    shop.set_visible_after(lateness(sim));
    shop.update_order(now, order, |order| order.status = Some(status.into()));
    if let Some(changed) = shop.order(order) {
        sim.model.borrow_mut().note_change(&changed, now.as_second());
    }
    drop(shop);
    sim.trace.note(|| format!("shop: order {order} is {status}, at {}", now.as_second()));
}

/// Changes orders in one second: a row of them, as a bulk delivery does.
fn change_many(sim: &Simulation, count: usize) {
    let ids = ids(sim);
    let first = fastrand::usize(..=ids.len().saturating_sub(count));
    let status = pick(&["Shipped", "Cancelled", "Open"]);
    for order in ids.into_iter().skip(first).take(count) {
        change(sim, order, status);
    }
}

fn change_latest(sim: &Simulation, count: u32) {
    for order in ids(sim).into_iter().rev().take(count as usize) {
        change(sim, order, "Shipped");
    }
}

/// An order that changes and changes back.
pub(super) async fn flip(sim: Rc<Simulation>) {
    let Some(order) = any(&sim) else { return };
    for status in ["Shipped", "Open", "Shipped", "Open"].iter().take(fastrand::usize(2..=4)) {
        change(&sim, order, status);
        tokio::time::sleep(Duration::from_millis(pick(&[0, 700, 20_000, 310_000]))).await;
    }
}

/// Makes an order fail the shop, or unreadable, for a while or permanently.
pub(super) async fn corrupt(sim: Rc<Simulation>) {
    let Some(order) = any(&sim) else { return };
    if !sim.model.borrow().poisoned.is_empty() || sim.model.borrow().unreadable.contains(&order) {
        return;
    }
    let poison = fastrand::bool();
    sim.trace.note(|| format!("shop: order {order} is {}", if poison { "poisoned" } else { "unreadable" }));
    if poison {
        lock(&sim.shop).poison(order);
        sim.model.borrow_mut().poisoned.insert(order);
    } else {
        lock(&sim.shop).unreadable(order, pick(&deviations::breakages(&sim)));
        sim.model.borrow_mut().unreadable.insert(order);
        // Otherwise no stream shows it again until its next change.
        change(&sim, order, "Shipped");
    }
    if percent(30) {
        return;
    }
    tokio::time::sleep(Duration::from_secs(fastrand::u64(1..BAD_SECONDS))).await;
    lock(&sim.shop).heal(order);
    sim.trace.note(|| format!("shop: order {order} is repaired"));
    sim.model.borrow_mut().poisoned.remove(&order);
    // Repairing an unreadable order changes it; only a change makes a stream show it again.
    if !poison && percent(70) {
        sim.model.borrow_mut().unreadable.remove(&order);
        change(&sim, order, "Repaired");
    }
}

/// The merchant has an order sent once more.
fn resend(sim: &Rc<Simulation>) {
    let Some(order) = any(sim) else { return };
    let query = format!("order={order}&key={SHOP_KEY}");
    let request = ShopRequest { method: "GET", path: "/webhooks/send", query: &query, content_type: None, body: b"" };
    let status = lock(&sim.shop).handle(sim.now(), &request).status;
    sim.trace.note(|| format!("shop: asked to send order {order}: {status}"));
    pushes::collect(sim);
}

pub(super) fn ids(sim: &Simulation) -> Vec<u64> {
    sim.model.borrow().orders.keys().copied().collect()
}

pub(super) fn any(sim: &Simulation) -> Option<u64> {
    let ids = ids(sim);
    (!ids.is_empty()).then(|| pick(&ids))
}
