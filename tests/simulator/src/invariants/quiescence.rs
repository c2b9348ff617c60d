//! What must hold at quiescence, when nothing is under way and no fault is left.

use std::collections::{BTreeSet, HashMap};

use ledger::{Gap, GapKind, ShopState, Stream};

use super::{Quarantine, is_owed, is_owed_by_number};
use crate::assumptions::Assumption;
use crate::model::{Legible, Model, Recorded, recorded};
use crate::simulation::{SHOP, Simulation};

/// What must hold at quiescence.
pub(crate) fn at_quiescence(sim: &Simulation) {
    let state = sim.ask_ledger(async |ledger| ledger.shop_state(SHOP).await);
    let quarantined = Quarantine::of(sim);
    let orders: BTreeSet<u64> = {
        let model = sim.model.borrow();
        let seen = model.observations.iter().map(|seen| seen.order);
        let pushed = model.answered.iter().map(|answered| answered.order);
        model.orders.keys().copied().chain(seen).chain(pushed).collect()
    };
    let revisions = recorded(sim, &orders);
    sim.model.borrow_mut().revisions = revisions.values().map(Vec::len).sum();
    for (order, revisions) in &revisions {
        revisions_are_numbered_and_differ(sim, *order, revisions);
        letters_are_as_they_were(sim, *order, revisions);
    }
    let known: Vec<u64> = sim.model.borrow().orders.keys().copied().collect();
    for order in known {
        let revisions = revisions.get(&order).map(Vec::as_slice).unwrap_or_default();
        the_last_revision_is_the_shops_state(sim, order, revisions, &state, &quarantined);
    }
    what_was_shown_is_kept(sim, &revisions, &quarantined);
    what_was_accepted_is_kept(sim, &revisions, &quarantined);
    gaps_are_of_what_the_shop_cannot_serve(sim, &state);
    a_deleted_order_is_asked_for_no_more(sim, &state);
}

fn revisions_are_numbered_and_differ(sim: &Simulation, order: u64, revisions: &[Recorded]) {
    for (index, revision) in revisions.iter().enumerate() {
        if revision.revision as usize != index + 1 {
            sim.violation(format!("order {order}: revision {} stands at place {}", revision.revision, index + 1));
        }
    }
    // Where one version is written in several ways, each of them is a revision.
    let falsehoods = &sim.plan.falsehoods;
    let written_in_one_way = ![Assumption::TwoRenderings, Assumption::NonsenseTime, Assumption::ReusedId]
        .iter()
        .any(|one| falsehoods.contains(*one));
    // In Latin-1 every byte is a letter, so an order with a bad byte can be read, and is another one when it is repaired.
    let is_bad_byte_a_letter =
        falsehoods.contains(Assumption::BadByte) && falsehoods.contains(Assumption::CharsetOfHeader);
    let written_in_one_way = written_in_one_way && !is_bad_byte_a_letter;
    for pair in revisions.windows(2) {
        if pair[0].hash == pair[1].hash || (written_in_one_way && pair[0].status == pair[1].status) {
            let (first, second) = (pair[0].revision, pair[1].revision);
            sim.violation(format!("order {order}: revisions {first} and {second} say the same"));
        }
    }
}

fn letters_are_as_they_were(sim: &Simulation, order: u64, revisions: &[Recorded]) {
    for revision in revisions.iter().filter(|revision| !revision.has_its_letters) {
        sim.violation(format!("order {order}: revision {} has lost letters", revision.revision));
    }
}

/// Every order that a stream shows is recorded as it is now, but for one that cannot be read, and one that the shop
/// hides: that one is owed.
fn the_last_revision_is_the_shops_state(
    sim: &Simulation,
    order: u64,
    revisions: &[Recorded],
    state: &ShopState,
    quarantined: &Quarantine,
) {
    let model = sim.model.borrow();
    let Some(known) = model.orders.get(&order) else { return };
    let is_promised = known.updated.is_some() || (known.created.is_some() && revisions.is_empty());
    let is_last = revisions.last().is_some_and(|last| last.status.as_ref() == Some(&known.status));
    if is_last || !(is_promised || known.created.is_some()) {
        return;
    }
    let unreadable = model.unreadable.contains(&order) && quarantined.holds(order);
    let is_owed_in = |stream, second| is_owed(state, stream, order, second, known.made);
    let owed = is_owed_in(Stream::Created, known.made)
        || known.updated.is_some_and(|second| is_owed_in(Stream::Updated, second));
    // What a poisoned order hides with it is owed as long as it is poisoned.
    let may_be_owed = !model.poisoned.is_empty() || model.hidden.contains(&order) || sim.plan.falsehoods.hide_others();
    // Where the shop counts orders and shows none of them, there is no answer to go on from, and each run says that it failed.
    let is_told_of = model.hidden.contains(&order) && model.last_run_failed;
    drop(model);
    if !(unreadable || owed && may_be_owed || is_told_of) {
        let count = revisions.len();
        let owed = if owed { ", and it is owed without a reason" } else { "" };
        sim.violation(format!("order {order}: the last of its {count} revisions is not the shop's state{owed}"));
    }
}

fn what_was_shown_is_kept(sim: &Simulation, revisions: &HashMap<u64, Vec<Recorded>>, quarantined: &Quarantine) {
    let model = sim.model.borrow();
    let mut named = BTreeSet::new();
    for seen in &model.observations {
        let of_order = revisions.get(&seen.order).map(Vec::as_slice).unwrap_or_default();
        let is_recorded = || {
            // Otherwise it was stale: by the end of the run there was a newer one.
            let newer = |one: &Recorded| one.observed_at >= seen.asked_at && one.recorded_at <= seen.ended_at;
            of_order.iter().any(|one| one.status.as_ref() == Some(&seen.status) || newer(one))
        };
        let kept = match seen.legible {
            Legible::Yes => is_recorded(),
            Legible::No => quarantined.holds(seen.order),
            Legible::Maybe => is_recorded() || quarantined.holds(seen.order),
        };
        if !kept && named.insert(seen.order) {
            let (order, at, status) = (seen.order, seen.asked_at, &seen.status);
            sim.violation(format!("order {order}: {status}, shown to the question of {at}, is nowhere"));
        }
    }
}

fn what_was_accepted_is_kept(sim: &Simulation, revisions: &HashMap<u64, Vec<Recorded>>, quarantined: &Quarantine) {
    for answered in &sim.model.borrow().answered {
        let order = answered.order;
        let said = answered.text.split([' ', ',']).filter_map(|word| word.parse::<u32>().ok()).next_back();
        let of_order = revisions.get(&order).map(Vec::as_slice).unwrap_or_default();
        let named = said.and_then(|number| of_order.iter().find(|one| one.revision == number));
        let kept = match answered.status {
            // The poll can fetch it, so it is accepted; but what came is not the order.
            200 if answered.lossy => quarantined.bodies.contains(&answered.body),
            200 if answered.text.starts_with("stale") => named.is_some_and(|named| named.recorded_at <= answered.at),
            200 => named.is_some_and(|named| named.status == answered.pushed),
            400 | 422 => quarantined.bodies.contains(&answered.body),
            // The sender was told to try again.
            503 => true,
            _ => false,
        };
        if !kept {
            let (status, text) = (answered.status, &answered.text);
            sim.violation(format!("order {order}: a push was answered {status} {text:?}, and it is not so"));
        }
    }
}

fn gaps_are_of_what_the_shop_cannot_serve(sim: &Simulation, state: &ShopState) {
    if sim.plan.falsehoods.may_stay_owed() {
        return;
    }
    let model = sim.model.borrow();
    for gap in state.gaps.iter().filter(|gap| !is_justified(&model, gap)) {
        sim.violation(format!("a gap is open, and nothing is poisoned in it: {:?}", gap.kind));
    }
}

fn is_justified(model: &Model, gap: &Gap) -> bool {
    let poisoned = || model.poisoned.iter().filter_map(|order| model.orders.get(order));
    match gap.kind {
        GapKind::Order { order } => model.poisoned.contains(&order),
        GapKind::Numbers { .. } | GapKind::Unsorted { .. } | GapKind::Listing { .. } | GapKind::Unshown { .. } => false,
        // Every question from before a poisoned order fails that holds it, however much lies between.
        GapKind::Window { stream: Stream::Created, from, .. } => {
            poisoned().any(|known| known.created.is_some_and(|second| second >= from))
        }
        GapKind::Window { stream: Stream::Updated, from, .. } => {
            poisoned().any(|known| known.updated.is_some_and(|second| second >= from))
        }
    }
}

/// An order that the shop no longer has must not be asked for in every run.
fn a_deleted_order_is_asked_for_no_more(sim: &Simulation, state: &ShopState) {
    let model = sim.model.borrow();
    for order in model.deleted.iter().filter(|order| is_owed_by_number(state, **order)) {
        sim.violation(format!("order {order} is deleted in the shop, and is asked for again and again"));
    }
}
