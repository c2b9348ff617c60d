//! The model: what is true in a simulated world and what the functions were shown of it. The invariants compare the
//! ledger with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use ledger::ContentHash;
use mycashflow::{Limits, Order, read_page, write_order};

/// An order, as the shop itself knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The second it was made in: its place in the created stream.
    pub(super) created: i64,
    /// The second it last changed in: its place in the updated stream, if it has one.
    pub(super) updated: Option<i64>,
    /// The hash of its latest state.
    pub(super) hash: ContentHash,
}

/// An order on a page that reached a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    pub(super) order: u64,
    /// What the page showed; nothing when it could not be read.
    pub(super) hash: Option<ContentHash>,
    /// When the page was asked for.
    pub(super) asked_at: Timestamp,
    /// When the run ended that saw it.
    pub(super) ended_at: Timestamp,
}

/// A push that was answered.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) order: u64,
    pub(super) hash: Option<ContentHash>,
    pub(super) body: Vec<u8>,
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// Everything that the invariants need to know.
#[derive(Default)]
pub(super) struct Model {
    pub(super) orders: BTreeMap<u64, Known>,
    /// Orders that make the shop fail now.
    pub(super) poisoned: BTreeSet<u64>,
    /// Orders that cannot be read now, or that became readable again without a change that a stream would show.
    pub(super) unreadable: BTreeSet<u64>,
    pub(super) observations: Vec<Observation>,
    pub(super) answered: Vec<Answered>,
    /// Where the cursors stood when last looked at: created, updated.
    pub(super) positions: [Option<i64>; 2],
    pub(super) runs: usize,
    pub(super) requests: usize,
    pub(super) revisions: usize,
    hashes: HashMap<Vec<u8>, ContentHash>,
}

impl Model {
    /// Notes an order's present state and where it stands in the streams.
    pub(super) fn note(&mut self, order: &Order, updated: Option<i64>) {
        let created = order.created_at.map_or(0, Timestamp::as_second);
        let updated = updated.or(self.orders.get(&order.id).and_then(|known| known.updated));
        self.orders.insert(order.id, Known { created, updated, hash: wire_hash(order) });
    }

    /// The orders of a document as the functions tell them apart.
    pub(super) fn read(&mut self, document: &[u8]) -> Option<Vec<(u64, Option<ContentHash>)>> {
        let page = read_page(document, &Limits::default()).ok()?;
        let orders = page.entries.iter().filter_map(|entry| {
            let hash = entry.order.as_ref().ok().map(|order| {
                let slice = page.slice(entry).as_bytes();
                *self.hashes.entry(slice.to_vec()).or_insert_with(|| ContentHash::of(&order.canonical_json()))
            });
            Some((entry.id?, hash))
        });
        Some(orders.collect())
    }
}

/// The hash of an order as the wire carries it: through the writer and the reader, which is what the functions see.
fn wire_hash(order: &Order) -> ContentHash {
    let page = read_page(write_order(order).as_bytes(), &Limits::default()).expect("a document of the shop's own");
    let read = page.entries[0].order.as_ref().expect("a readable order");
    ContentHash::of(&read.canonical_json())
}
