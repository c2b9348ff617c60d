//! What goes on in the shop.

use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mycashflow::Order;
use tokio::time::Instant;
use world::in_process::lock;
use world::shop::{Breakage, ShopRequest, Via};

use super::plan::{percent, pick};
use super::posts;
use super::world::World;
use harness::SHOP_KEY;

/// The longest that an order goes on to be bad, before the dust settles.
const BAD_SECONDS: u64 = 40 * 60;

/// Orders that were there before the world began.
pub(super) fn history(world: &Rc<World>) {
    let mut at = world.plan.begin - SignedDuration::from_mins(110);
    let end = world.plan.begin - SignedDuration::from_mins(1);
    for _ in 0..world.plan.old_orders {
        at = (at + SignedDuration::from_secs(fastrand::i64(0..60))).min(end);
        make(world, at, 1, Via::Api, false);
    }
}

/// The events of a world, at random moments.
pub(super) async fn live(world: Rc<World>) {
    let count = world.plan.events;
    let crowd_at = world.plan.crowd.map(|_| fastrand::u32(0..count));
    let mean_ms = world.plan.length.as_millis() as u64 / u64::from(count);
    for event in 0..count {
        // Half of the events follow the one before closely: within the second, or within seconds.
        let pause = if percent(50) { fastrand::u64(0..3_000) } else { fastrand::u64(0..4 * mean_ms) };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if crowd_at == Some(event) {
            crowd(&world);
        } else {
            happen(&world);
        }
    }
}

/// Somebody who changes one order after the other.
pub(super) async fn bustle(world: Rc<World>) {
    let Some(pause) = world.plan.restless else { return };
    let end = Instant::now() + world.plan.length;
    while Instant::now() < end {
        tokio::time::sleep(pause.mul_f64(2.0 * fastrand::f64())).await;
        // As people do: often the same few orders, now and then any.
        let ids = ids(&world);
        let Some(last) = ids.len().checked_sub(1) else { continue };
        let order = ids[fastrand::usize(last.saturating_sub(if percent(50) { 30 } else { last })..=last)];
        change(&world, order, pick(&["Shipped", "Open", "Cancelled"]));
    }
}

/// One second with more in it than an answer holds.
fn crowd(world: &Rc<World>) {
    let count = world.plan.crowd.unwrap_or_default();
    if world.chronicle.borrow().orders.len() > 90 && percent(60) {
        change_many(world, count.min(500) as usize);
    } else {
        make(world, world.now(), count, pick(&[Via::Api, Via::Api, Via::Web]), true);
    }
}

fn happen(world: &Rc<World>) {
    let burst = fastrand::u32(1..=world.plan.burst);
    match fastrand::u32(0..100) {
        0..45 => make(world, world.now(), burst, pick(&[Via::Web, Via::Web, Via::Api]), true),
        45..65 => change_many(world, fastrand::usize(1..4)),
        65..75 => {
            make(world, world.now(), burst, pick(&[Via::Web, Via::Api]), true);
            change_latest(world, burst);
        }
        75..85 => world.send_out(flip),
        85..90 => resend(world),
        90..100 if world.plan.bad_orders => world.send_out(spoil),
        _ => make(world, world.now(), burst, Via::Api, true),
    }
}

/// Takes orders in, all in one second.
fn make(world: &Rc<World>, at: Timestamp, count: u32, via: Via, late: bool) {
    for _ in 0..count {
        let mut shop = lock(&world.shop);
        shop.set_visible_after(if late { lateness(world) } else { SignedDuration::ZERO });
        if percent(5) {
            shop.skip_ids(fastrand::u64(1..4));
        }
        let order = if world.plan.real_orders {
            world::orders::made_up(1, fastrand::u64(..))
        } else {
            Order { status: Some("Open".into()), comments: Some("Käsitellään".into()), ..Order::default() }
        };
        let id = shop.add_order(at, order, via);
        let updated = world.plan.shop.creation_updates.then_some(at.as_second());
        if let Some(order) = shop.order(id) {
            world.chronicle.borrow_mut().note(&order, updated);
        }
        drop(shop);
        world.trace.note(|| format!("shop: order {id} made, {via:?}, at {}", at.as_second()));
    }
    posts::collect(world);
}

fn lateness(world: &World) -> SignedDuration {
    let most = world.plan.lateness;
    SignedDuration::from_secs(pick(&[0, fastrand::i64(0..=most), most]))
}

/// Gives an order a status, now.
fn change(world: &World, order: u64, status: &str) {
    let now = world.now();
    let mut shop = lock(&world.shop);
    shop.set_visible_after(lateness(world));
    shop.update_order(now, order, |order| order.status = Some(status.into()));
    if let Some(changed) = shop.order(order) {
        world.chronicle.borrow_mut().note(&changed, Some(now.as_second()));
    }
    drop(shop);
    world.trace.note(|| format!("shop: order {order} is {status}, at {}", now.as_second()));
}

/// Changes orders in one second: a row of them, as a bulk delivery does.
fn change_many(world: &World, count: usize) {
    let ids = ids(world);
    let first = fastrand::usize(..=ids.len().saturating_sub(count));
    let status = pick(&["Shipped", "Cancelled", "Open"]);
    for order in ids.into_iter().skip(first).take(count) {
        change(world, order, status);
    }
}

fn change_latest(world: &World, count: u32) {
    for order in ids(world).into_iter().rev().take(count as usize) {
        change(world, order, "Shipped");
    }
}

/// An order that changes and changes back.
async fn flip(world: Rc<World>) {
    let Some(order) = any(&world) else { return };
    for status in ["Shipped", "Open", "Shipped", "Open"].iter().take(fastrand::usize(2..=4)) {
        change(&world, order, status);
        tokio::time::sleep(Duration::from_millis(pick(&[0, 700, 20_000, 310_000]))).await;
    }
}

/// An order for which the shop fails, or which nobody can read, for a while or for good.
async fn spoil(world: Rc<World>) {
    let Some(order) = any(&world) else { return };
    if !world.chronicle.borrow().poisoned.is_empty() || world.chronicle.borrow().unreadable.contains(&order) {
        return;
    }
    let poison = fastrand::bool();
    world.trace.note(|| format!("shop: order {order} is {}", if poison { "poisoned" } else { "unreadable" }));
    if poison {
        lock(&world.shop).poison(order);
        world.chronicle.borrow_mut().poisoned.insert(order);
    } else {
        lock(&world.shop).unreadable(order, pick(&[Breakage::Value, Breakage::Syntax]));
        world.chronicle.borrow_mut().unreadable.insert(order);
        // Otherwise no stream shows it again until somebody changes it.
        change(&world, order, "Shipped");
    }
    if percent(30) {
        return;
    }
    tokio::time::sleep(Duration::from_secs(fastrand::u64(1..BAD_SECONDS))).await;
    lock(&world.shop).heal(order);
    world.trace.note(|| format!("shop: order {order} is well again"));
    world.chronicle.borrow_mut().poisoned.remove(&order);
    // Who repairs an unreadable order changes it; only so does a stream show it again.
    if !poison && percent(70) {
        world.chronicle.borrow_mut().unreadable.remove(&order);
        change(&world, order, "Repaired");
    }
}

/// Somebody has an order sent once more.
fn resend(world: &Rc<World>) {
    let Some(order) = any(world) else { return };
    let query = format!("order={order}&key={SHOP_KEY}");
    let request = ShopRequest { method: "GET", path: "/webhooks/send", query: &query, content_type: None, body: b"" };
    let status = lock(&world.shop).handle(world.now(), &request).status;
    world.trace.note(|| format!("shop: asked to send order {order}: {status}"));
    posts::collect(world);
}

fn ids(world: &World) -> Vec<u64> {
    world.chronicle.borrow().orders.keys().copied().collect()
}

fn any(world: &World) -> Option<u64> {
    let ids = ids(world);
    (!ids.is_empty()).then(|| pick(&ids))
}
