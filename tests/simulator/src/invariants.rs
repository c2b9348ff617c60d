//! The invariants: what must hold after every run, and what must hold at quiescence.

mod quiescence;

use std::collections::{BTreeSet, HashSet};

use ledger::{Connection, GapKind, ShopState, Stream};
use poll::{OVERLAP_SECONDS, ShopReport, Stopped};
use world::shop::ChangeStream;

use super::model::{Known, Recorded, recorded};
use super::simulation::{SHOP, Simulation};
use super::transport::Pages;

pub(super) use quiescence::at_quiescence;

/// How far a cursor may stand beyond our own clock, in seconds: as far as a shop's clock may differ from it.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;

/// What must hold after every run, whatever became of it.
pub(super) fn after_a_run(sim: &Simulation, run: &str, pages: &Pages, report: Option<&ShopReport>) {
    let state = sim.ask_ledger(async |ledger| ledger.shop_state(SHOP).await);
    for gap in &state.gaps {
        sim.trace.note(|| format!("{run}: leaves a gap, {:?}", gap.kind));
    }
    cursors_never_move_back(sim, run, &state);
    cursors_do_not_stand_in_the_future(sim, run, &state);
    cursors_pass_no_hole(sim, run, &state);
    a_shop_is_left_alone_when_it_asks(sim, run, pages);
    if let Some(report) = report {
        sim.model.borrow_mut().last_run_failed = report.stopped == Stopped::Failed;
        what_was_told_is_kept_or_admitted(sim, run, pages, report, &state);
    }
}

fn cursors_never_move_back(sim: &Simulation, run: &str, state: &ShopState) {
    for (index, stream) in [Stream::Created, Stream::Updated].into_iter().enumerate() {
        let position = state.cursor(stream).map(|cursor| cursor.position);
        let before = std::mem::replace(&mut sim.model.borrow_mut().positions[index], position);
        if position < before {
            let stream = stream.as_str();
            sim.violation(format!("{run}: the {stream} cursor moved back from {before:?} to {position:?}"));
        }
    }
}

fn cursors_do_not_stand_in_the_future(sim: &Simulation, run: &str, state: &ShopState) {
    for stream in [Stream::Created, Stream::Updated] {
        let Some(cursor) = state.cursor(stream) else { continue };
        let ahead = cursor.position - sim.now().as_second();
        if ahead > CLOCK_TOLERANCE_SECONDS {
            sim.violation(format!("{run}: the {} cursor stands {ahead} seconds in the future", stream.as_str()));
        }
    }
}

/// The next run asks from `position − overlap` on, or, when the cursor was moved three overlaps after its second, from
/// `position − 1`; perhaps without that second itself. What lies before is never asked for again, so it must be in the
/// ledger, in quarantine, or owed.
fn cursors_pass_no_hole(sim: &Simulation, run: &str, state: &ShopState) {
    let passed = |stream: Stream, second: i64| {
        state.cursor(stream).is_some_and(|cursor| {
            let settled = cursor.position <= cursor.moved_at.as_second() - 3 * OVERLAP_SECONDS;
            second < cursor.position - if settled { 1 } else { OVERLAP_SECONDS }
        })
    };
    let passed = |stream: Stream, second: Option<i64>| second.is_some_and(|second| passed(stream, second));
    let is_suspect = |known: &Known| passed(Stream::Created, known.created) || passed(Stream::Updated, known.updated);
    let suspects: Vec<(u64, Known)> = {
        let model = sim.model.borrow();
        let suspects = model.orders.iter().filter(|(_, known)| is_suspect(known));
        suspects.map(|(order, known)| (*order, known.clone())).collect()
    };
    let revisions = recorded(sim, &suspects.iter().map(|(order, _)| *order).collect());
    let mut quarantined = None;
    for (order, known) in suspects {
        let last = revisions.get(&order).and_then(|revisions| revisions.last());
        for (stream, second) in [(Stream::Created, known.created), (Stream::Updated, known.updated)] {
            let Some(second) = second.filter(|second| passed(stream, Some(*second))) else { continue };
            if is_kept(stream, last, &known)
                || is_owed(state, stream, order, second, known.made)
                // An order that the ledger has never seen is owed whole by the window that hides its creation.
                || (last.is_none() && is_owed(state, Stream::Created, order, known.made, known.made))
                || quarantined.get_or_insert_with(|| Quarantine::of(sim)).holds(order)
            {
                continue;
            }
            let stream = stream.as_str();
            sim.violation(format!("{run}: the {stream} cursor passed order {order} of second {second}"));
        }
    }
}

/// The created stream promises that there is a revision of every order, the updated stream that it is the latest.
fn is_kept(stream: Stream, last: Option<&Recorded>, known: &Known) -> bool {
    match stream {
        Stream::Created => last.is_some(),
        Stream::Updated => last.is_some_and(|last| last.status.as_ref() == Some(&known.status)),
    }
}

fn is_owed(state: &ShopState, stream: Stream, order: u64, second: i64, made: i64) -> bool {
    is_owed_by_number(state, order)
        || state.gaps.iter().any(|gap| match gap.kind {
            GapKind::Order { .. } => false,
            GapKind::Window { stream: of, from, until, .. } | GapKind::Unshown { stream: of, from, until, .. } => {
                let covers = |second: i64| (from..=until).contains(&second);
                // A stretch of the created stream is walked again whole, so it owes its orders as they are then.
                (of == stream && covers(second)) || (of == Stream::Created && covers(made))
            }
            GapKind::Unsorted { from, until, .. } => stream == Stream::Created && (from..until).contains(&second),
            GapKind::Listing { from, .. } => stream == Stream::Updated && from <= made,
            GapKind::Numbers { stream: Stream::Created, second: of, .. } => stream == Stream::Created && of == second,
            GapKind::Numbers { stream: Stream::Updated, next, last, .. } => {
                stream == Stream::Updated && next <= order && last.is_none_or(|last| order <= last)
            }
        })
}

/// Whether an order is marked to be asked for, or a gap by itself.
fn is_owed_by_number(state: &ShopState, order: u64) -> bool {
    state.refreshes.iter().any(|(marked, _)| *marked == order)
        || state.gaps.iter().any(|gap| matches!(gap.kind, GapKind::Order { order: owed } if owed == order))
}

/// A run that is asked to leave the shop alone may have one request under way that does not know it yet.
fn a_shop_is_left_alone_when_it_asks(sim: &Simulation, run: &str, pages: &Pages) {
    if pages.disobedient > 1 {
        let count = pages.disobedient;
        sim.violation(format!("{run}: {count} requests were made while the shop had asked to be left alone"));
    }
}

/// A run that says it has seen everything has not left out what an answer told it of: orders that were counted and not
/// shown are recorded, in quarantine or owed.
fn what_was_told_is_kept_or_admitted(
    sim: &Simulation,
    run: &str,
    pages: &Pages,
    report: &ShopReport,
    state: &ShopState,
) {
    let cursors = [report.created_cursor, report.updated_cursor];
    let has_seen_all = cursors.iter().all(|cursor| cursor.is_some_and(|cursor| cursor.lag_seconds == 0));
    if report.stopped != Stopped::CaughtUp || !has_seen_all {
        return;
    }
    if !pages.overcounted.is_empty() && state.gaps.is_empty() {
        let (stream, second) = pages.overcounted.first().copied().unwrap_or((ChangeStream::Created, 0));
        sim.violation(format!(
            "{run}: it says it caught up, although {stream:?} from {second} on counts more orders than there are"
        ));
    }
    let orders: BTreeSet<u64> = pages.told.iter().map(|told| told.order).collect();
    let revisions = recorded(sim, &orders);
    let mut quarantined = None;
    let mut named = BTreeSet::new();
    for told in &pages.told {
        let order = told.order;
        let of_order = revisions.get(&order).map(Vec::as_slice).unwrap_or_default();
        let kept = match told.stream {
            Some(ChangeStream::Created) => !of_order.is_empty(),
            _ => {
                of_order.iter().any(|one| one.status.as_ref() == Some(&told.status) || one.observed_at >= told.asked_at)
            }
        };
        let known = sim.model.borrow().orders.get(&order).cloned();
        let deleted = known.is_none();
        let owed = known.is_some_and(|known| {
            is_owed(state, Stream::Created, order, known.made, known.made)
                || known.updated.is_some_and(|second| is_owed(state, Stream::Updated, order, second, known.made))
        });
        if !kept
            && !owed
            && !deleted
            && !quarantined.get_or_insert_with(|| Quarantine::of(sim)).holds(order)
            && named.insert(order)
        {
            sim.violation(format!("{run}: it says it caught up, and lacks order {order}, which an answer counted"));
        }
    }
}

/// What the quarantine holds.
struct Quarantine {
    documents: HashSet<String>,
    bodies: HashSet<Vec<u8>>,
}

impl Quarantine {
    fn of(sim: &Simulation) -> Self {
        let connection = Connection::shop(SHOP);
        let all = sim.ask_ledger(async |ledger| ledger.quarantined(&connection).await);
        let documents = all.iter().filter_map(|one| one.document.clone()).collect();
        Self { documents, bodies: all.into_iter().map(|one| one.body).collect() }
    }

    /// Whether it holds an order, under its id or, where that cannot be read, under its number.
    fn holds(&self, order: u64) -> bool {
        let number = format!("<OrderNumber>{order}</OrderNumber>");
        self.documents.contains(&format!("order/{order}"))
            || self.bodies.iter().any(|body| {
                let unnamed = String::from_utf8_lossy(body);
                unnamed.contains("<Order id=\"no. ") && unnamed.contains(&number)
            })
    }
}
