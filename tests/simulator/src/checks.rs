//! The laws: what must hold after every run, and what must hold when the dust has settled.

use std::collections::{BTreeMap, HashSet};

use ledger::{Connection, ContentHash, DocumentKey, Gap, GapKind, Head, Revision, ShopState, Stream};
use poll::OVERLAP_SECONDS;

use super::chronicle::{Chronicle, Known};
use super::world::{SHOP, World};

/// What must hold after every run, whatever became of it: the cursors did not move back, nor past anything.
pub(super) fn after_a_run(world: &World, run: &str) {
    let state = world.look(async |ledger| ledger.shop_state(SHOP).await);
    cursors_never_move_back(world, run, &state);
    cursors_pass_no_hole(world, run, &state);
}

/// What must hold at the end.
pub(super) fn at_the_end(world: &World) {
    let state = world.look(async |ledger| ledger.shop_state(SHOP).await);
    let quarantined = Quarantine::of(world);
    let mut revisions = BTreeMap::new();
    let orders: Vec<u64> = world.chronicle.borrow().orders.keys().copied().collect();
    for order in orders {
        let key = DocumentKey::order(SHOP, order);
        revisions.insert(order, world.look(async |ledger| ledger.revisions(&key).await));
    }
    world.chronicle.borrow_mut().revisions = revisions.values().map(Vec::len).sum();
    for (order, revisions) in &revisions {
        revisions_are_numbered_and_differ(world, *order, revisions);
        the_last_revision_is_the_shops_state(world, *order, revisions, &state, &quarantined);
    }
    what_was_shown_is_kept(world, &revisions, &quarantined);
    what_was_accepted_is_kept(world, &revisions, &quarantined);
    gaps_are_of_what_the_shop_cannot_serve(world, &state);
}

fn cursors_never_move_back(world: &World, run: &str, state: &ShopState) {
    for (index, stream) in [Stream::Created, Stream::Updated].into_iter().enumerate() {
        let position = state.cursor(stream).map(|cursor| cursor.position);
        let before = std::mem::replace(&mut world.chronicle.borrow_mut().positions[index], position);
        if position < before {
            world
                .violation(format!("{run}: the {} cursor moved back from {before:?} to {position:?}", stream.as_str()));
        }
    }
}

/// The next run asks from `position − overlap` on, or, when the cursor was moved three overlaps after its second, from
/// `position − 1`; perhaps without that second itself. What lies before is never asked for again, so it must be in the
/// ledger, in quarantine, or owed.
fn cursors_pass_no_hole(world: &World, run: &str, state: &ShopState) {
    let passed = |stream: Stream, second: i64| {
        state.cursor(stream).is_some_and(|cursor| {
            let settled = cursor.position <= cursor.moved_at.as_second() - 3 * OVERLAP_SECONDS;
            second < cursor.position - if settled { 1 } else { OVERLAP_SECONDS }
        })
    };
    let chronicle = world.chronicle.borrow();
    let suspects: Vec<(&u64, &Known)> = chronicle
        .orders
        .iter()
        .filter(|(_, known)| {
            passed(Stream::Created, known.created)
                || known.updated.is_some_and(|second| passed(Stream::Updated, second))
        })
        .collect();
    let documents: Vec<DocumentKey> = suspects.iter().map(|(order, _)| DocumentKey::order(SHOP, **order)).collect();
    let heads = world.look(async |ledger| ledger.heads(&documents).await);
    let mut quarantined = None;
    for ((order, known), document) in suspects.into_iter().zip(&documents) {
        let head = heads.get(document);
        for (stream, second) in [(Stream::Created, Some(known.created)), (Stream::Updated, known.updated)] {
            let Some(second) = second.filter(|second| passed(stream, *second)) else { continue };
            if is_kept(stream, head, known)
                || is_owed(state, stream, *order, known, second)
                // An order that the ledger has never seen is owed whole by the window that hides its creation.
                || (head.is_none() && is_owed(state, Stream::Created, *order, known, known.created))
                || quarantined.get_or_insert_with(|| Quarantine::of(world)).holds(*order)
            {
                continue;
            }
            let stream = stream.as_str();
            world.violation(format!("{run}: the {stream} cursor passed order {order} of second {second}"));
        }
    }
}

/// The created stream promises that there is a revision of every order, the updated stream that it is the latest.
fn is_kept(stream: Stream, head: Option<&Head>, known: &Known) -> bool {
    match stream {
        Stream::Created => head.is_some(),
        Stream::Updated => head.is_some_and(|head| head.hash == known.hash),
    }
}

fn is_owed(state: &ShopState, stream: Stream, order: u64, known: &Known, second: i64) -> bool {
    state.refreshes.iter().any(|(marked, _)| *marked == order)
        || state.gaps.iter().any(|gap| match gap.kind {
            GapKind::Order { order: owed } => owed == order,
            GapKind::Window { stream: of, from, until, .. } | GapKind::Unshown { stream: of, from, until, .. } => {
                of == stream && (from..=until).contains(&second)
            }
            GapKind::Listing { from, .. } => stream == Stream::Updated && from <= known.created,
            GapKind::Numbers { stream: Stream::Created, second: of, .. } => stream == Stream::Created && of == second,
            GapKind::Numbers { stream: Stream::Updated, next, last, .. } => {
                stream == Stream::Updated && next <= order && last.is_none_or(|last| order <= last)
            }
        })
}

fn revisions_are_numbered_and_differ(world: &World, order: u64, revisions: &[Revision]) {
    for (index, revision) in revisions.iter().enumerate() {
        if revision.revision as usize != index + 1 {
            world.violation(format!("order {order}: revision {} stands at place {}", revision.revision, index + 1));
        }
    }
    for pair in revisions.windows(2) {
        if pair[0].hash == pair[1].hash {
            let (first, second) = (pair[0].revision, pair[1].revision);
            world.violation(format!("order {order}: revisions {first} and {second} say the same"));
        }
    }
}

fn the_last_revision_is_the_shops_state(
    world: &World,
    order: u64,
    revisions: &[Revision],
    state: &ShopState,
    quarantined: &Quarantine,
) {
    let chronicle = world.chronicle.borrow();
    let Some(known) = chronicle.orders.get(&order) else { return };
    if revisions.last().is_some_and(|last| last.hash == known.hash) {
        return;
    }
    let unreadable = chronicle.unreadable.contains(&order) && quarantined.holds(order);
    let streams = [(Stream::Created, Some(known.created)), (Stream::Updated, known.updated)];
    // What a poisoned order hides with it is owed as long as it is poisoned.
    let hidden = !chronicle.poisoned.is_empty()
        && streams
            .into_iter()
            .any(|(stream, second)| second.is_some_and(|second| is_owed(state, stream, order, known, second)));
    if !unreadable && !hidden {
        let count = revisions.len();
        world.violation(format!("order {order}: the last of its {count} revisions is not the shop's state"));
    }
}

fn what_was_shown_is_kept(world: &World, revisions: &BTreeMap<u64, Vec<Revision>>, quarantined: &Quarantine) {
    let chronicle = world.chronicle.borrow();
    let recorded: HashSet<(u64, ContentHash)> =
        revisions.iter().flat_map(|(order, all)| all.iter().map(|revision| (*order, revision.hash))).collect();
    for seen in &chronicle.sightings {
        let kept = match seen.hash {
            None => quarantined.holds(seen.order),
            // Otherwise it was stale: by the end of the run there was a newer one.
            Some(hash) => {
                recorded.contains(&(seen.order, hash))
                    || revisions.get(&seen.order).is_some_and(|all| {
                        all.iter().any(|one| one.observed_at >= seen.asked_at && one.recorded_at <= seen.ended_at)
                    })
            }
        };
        if !kept {
            let (order, at) = (seen.order, seen.asked_at);
            world.violation(format!("order {order}: the version shown to the question of {at} is nowhere"));
        }
    }
}

fn what_was_accepted_is_kept(world: &World, revisions: &BTreeMap<u64, Vec<Revision>>, quarantined: &Quarantine) {
    for answered in &world.chronicle.borrow().answered {
        let order = answered.order;
        let said = answered.text.split([' ', ',']).filter_map(|word| word.parse::<usize>().ok()).next_back();
        let named = said.and_then(|number| revisions.get(&order)?.get(number.checked_sub(1)?));
        let kept = match answered.status {
            200 if answered.text.starts_with("stale") => named.is_some_and(|named| named.recorded_at <= answered.at),
            200 => named.is_some_and(|named| Some(named.hash) == answered.hash),
            400 => quarantined.bodies.contains(&answered.body),
            // The sender was told to try again.
            503 => true,
            _ => false,
        };
        if !kept {
            let (status, text) = (answered.status, &answered.text);
            world.violation(format!("order {order}: a POST was answered {status} {text:?}, and it is not so"));
        }
    }
}

fn gaps_are_of_what_the_shop_cannot_serve(world: &World, state: &ShopState) {
    let chronicle = world.chronicle.borrow();
    for gap in state.gaps.iter().filter(|gap| !is_justified(&chronicle, gap)) {
        world.violation(format!("a gap is open, and nothing is poisoned in it: {:?}", gap.kind));
    }
}

fn is_justified(chronicle: &Chronicle, gap: &Gap) -> bool {
    let poisoned = || chronicle.poisoned.iter().filter_map(|order| chronicle.orders.get(order));
    match gap.kind {
        GapKind::Order { order } => chronicle.poisoned.contains(&order),
        GapKind::Numbers { .. } | GapKind::Listing { .. } | GapKind::Unshown { .. } => false,
        // Every question from before a poisoned order fails that holds it, however much lies between.
        GapKind::Window { stream: Stream::Created, from, .. } => poisoned().any(|known| known.created >= from),
        GapKind::Window { stream: Stream::Updated, from, .. } => {
            poisoned().any(|known| known.updated.is_some_and(|second| second >= from))
        }
    }
}

/// What the quarantine holds.
struct Quarantine {
    documents: HashSet<String>,
    bodies: HashSet<Vec<u8>>,
}

impl Quarantine {
    fn of(world: &World) -> Self {
        let connection = Connection::shop(SHOP);
        let all = world.look(async |ledger| ledger.quarantined(&connection).await);
        let documents = all.iter().filter_map(|one| one.document.clone()).collect();
        Self { documents, bodies: all.into_iter().map(|one| one.body).collect() }
    }

    fn holds(&self, order: u64) -> bool {
        self.documents.contains(&format!("order/{order}"))
    }
}
