//! What happens in a shop that breaks an assumption: the events beside those of any shop.

use std::rc::Rc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use world::in_process::lock;
use world::shop::{Breakage, Hidden, Via};

use super::assumptions::Assumption;
use super::plan::{percent, pick};
use super::pushes;
use super::simulation::Simulation;
use super::workload::{any, change, corrupt, flip, ids, make_dated};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// How wrong a clock can be, in seconds, either way.
const SKEWS: [i64; 5] = [10 * MINUTE, HOUR, 2 * HOUR, 30 * HOUR, 10 * DAY];
/// Where the ids of a shop begin whose ids do not rise with time.
const FIRST_SHUFFLED_ID: u64 = 10_000;
/// The longest that something is hidden, before quiescence.
const HIDDEN_SECONDS: u64 = 40 * 60;

/// Sometimes lets happen what breaks one of the world's false assumptions; answers whether something did.
pub(super) fn deviate(sim: &Rc<Simulation>) -> bool {
    use Assumption as A;
    let possible: Vec<Assumption> = sim.plan.falsehoods.iter().filter(|falsehood| is_event(*falsehood)).collect();
    if possible.is_empty() || !percent(40) {
        return false;
    }
    let now = sim.now();
    let via = pick(&[Via::Api, Via::Web]);
    match pick(&possible) {
        A::BackDated => {
            let made_at = now - SignedDuration::from_secs(pick(&[HOUR, DAY, 20 * DAY]));
            make_dated(sim, now, made_at, "Open", via);
        }
        A::FutureDated => {
            let made_at = now + SignedDuration::from_secs(pick(&[HOUR, DAY, 400 * DAY]));
            make_dated(sim, now, made_at, "Open", via);
        }
        A::BadByte | A::NonsenseTime | A::OddIds => sim.spawn_with(corrupt),
        A::DeletedOrder => delete(sim),
        A::ReusedId => reuse(sim, via),
        A::HiddenOrder | A::ShortGet => sim.spawn_with(hide),
        A::EmptyGet => sim.spawn_with(answer_get_with_nothing),
        // What was true for a moment only can be shown late.
        A::SlowAnswers | A::CachedAnswers => sim.spawn_with(flip),
        A::IdJump => {
            lock(&sim.shop).number_next(2_026_000_001);
            make_dated(sim, now, now, "Open", via);
        }
        _ => return false,
    }
    pushes::collect(sim);
    true
}

fn is_event(assumption: Assumption) -> bool {
    use Assumption as A;
    let events = [
        A::BackDated,
        A::FutureDated,
        A::BadByte,
        A::NonsenseTime,
        A::OddIds,
        A::DeletedOrder,
        A::ReusedId,
        A::HiddenOrder,
        A::ShortGet,
        A::EmptyGet,
        A::SlowAnswers,
        A::CachedAnswers,
        A::IdJump,
    ];
    events.contains(&assumption)
}

/// Ends what must not last for the ledger to become whole.
pub(super) fn stop(sim: &Simulation) {
    lock(&sim.shop).configure(|config| {
        config.empty_get = false;
        if percent(50) {
            config.date_skew = sim.plan.shop.date_skew;
        }
    });
}

/// Chooses the next order's id where ids are not those of a counter.
pub(super) fn choose_id(sim: &Simulation) {
    let falsehoods = &sim.plan.falsehoods;
    if falsehoods.contains(Assumption::IdsNotByTime) {
        lock(&sim.shop).number_next(fastrand::u64(1..2 * FIRST_SHUFFLED_ID));
    } else if falsehoods.contains(Assumption::SparseIds) && percent(70) {
        lock(&sim.shop).skip_ids(199);
    }
}

/// How the XML of an order can be broken in this world.
pub(super) fn breakages(sim: &Simulation) -> Vec<Breakage> {
    let mut kinds = Vec::new();
    for falsehood in sim.plan.falsehoods.iter() {
        match falsehood {
            Assumption::BadByte => kinds.push(Breakage::Byte),
            Assumption::OddIds => kinds.push(Breakage::Id),
            Assumption::NonsenseTime => {
                kinds.extend(["soon", "", "-62169984000", "99999999999999"].map(Breakage::Time));
            }
            _ => {}
        }
    }
    if kinds.is_empty() { vec![Breakage::Value, Breakage::Syntax] } else { kinds }
}

/// Sets the clock of the shop's answers wrong, and now and then otherwise.
pub(super) async fn change_clock(sim: Rc<Simulation>) {
    if !sim.plan.falsehoods.contains(Assumption::WrongClock) {
        return;
    }
    let end = Instant::now() + sim.plan.length;
    while Instant::now() < end {
        let skew = SignedDuration::from_secs(pick(&[0, 1, 1, -1]) * pick(&SKEWS));
        lock(&sim.shop).configure(|config| config.date_skew = skew);
        sim.trace.note(|| format!("shop: its Date is ahead by {} seconds", skew.as_secs()));
        tokio::time::sleep(Duration::from_secs(fastrand::u64(60..3_600))).await;
    }
}

fn delete(sim: &Simulation) {
    let Some(order) = any(sim) else { return };
    lock(&sim.shop).delete(order);
    sim.model.borrow_mut().forget(order);
    sim.trace.note(|| format!("shop: order {order} is deleted"));
}

/// Deletes an order and gives its id to a new one.
fn reuse(sim: &Simulation, via: Via) {
    let Some(order) = any(sim) else { return };
    let next = ids(sim).last().map_or(1, |last| last + 1);
    delete_for_reuse(sim, order);
    // A state of its own, so that two orders under one id never look alike.
    let status = format!("Reused {}", sim.now().as_millisecond());
    make_dated(sim, sim.now(), sim.now(), &status, via);
    lock(&sim.shop).number_next(next);
}

fn delete_for_reuse(sim: &Simulation, order: u64) {
    let mut shop = lock(&sim.shop);
    shop.heal(order);
    shop.delete(order);
    shop.number_next(order);
    sim.model.borrow_mut().forget(order);
    sim.model.borrow_mut().deleted.remove(&order);
}

/// Leaves an order out of answers that count it, or out of those by number, for a while or permanently.
async fn hide(sim: Rc<Simulation>) {
    let by_number = sim.plan.falsehoods.contains(Assumption::ShortGet);
    let in_changes = sim.plan.falsehoods.contains(Assumption::HiddenOrder);
    let mut kinds = Vec::new();
    if in_changes {
        kinds.extend([Hidden::Changes, Hidden::Everywhere]);
    }
    if by_number {
        kinds.push(Hidden::Numbers);
    }
    let now = sim.now();
    let order = match any(&sim) {
        Some(order) if percent(50) => order,
        _ => make_dated(&sim, now, now, "Open", Via::Api),
    };
    let kind = pick(&kinds);
    lock(&sim.shop).hide(order, kind);
    sim.model.borrow_mut().hidden.insert(order);
    sim.trace.note(|| format!("shop: order {order} is hidden, {kind:?}"));
    if percent(50) {
        change(&sim, order, "Shipped");
    }
    if percent(40) {
        return;
    }
    tokio::time::sleep(Duration::from_secs(fastrand::u64(1..HIDDEN_SECONDS))).await;
    lock(&sim.shop).heal(order);
    sim.model.borrow_mut().hidden.remove(&order);
    sim.trace.note(|| format!("shop: order {order} is shown again"));
}

/// Lets `get` with several numbers show nothing for a while.
async fn answer_get_with_nothing(sim: Rc<Simulation>) {
    lock(&sim.shop).configure(|config| config.empty_get = true);
    sim.trace.note(|| "shop: get shows nothing".to_owned());
    tokio::time::sleep(Duration::from_secs(fastrand::u64(1..HIDDEN_SECONDS))).await;
    lock(&sim.shop).configure(|config| config.empty_get = false);
    sim.trace.note(|| "shop: get shows orders again".to_owned());
}
