//! The model: what is true in a simulated world and what the functions were shown of it. The invariants compare the
//! ledger with it.
//!
//! It takes nothing from the reader or the hash of the functions: what an answer showed is what the shop says it wrote,
//! and of a revision it looks for a few bytes by itself. An order's content changes with its status alone, so a status
//! stands for a version.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;

use jiff::Timestamp;
use ledger::{ContentHash, DocumentKey, Revision};
use mycashflow::{Order, Text};

use super::simulation::{SHOP, Simulation};

/// Where every customer of a simulated order lives: letters that an encoding can lose.
pub(super) const CITY: &str = "Seinäjoki";

/// An order, as the shop itself knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The second that it says it was made in: its place in the created stream.
    pub(super) made: i64,
    /// The same, where the created stream promises to show it: it did not appear there behind the cursor.
    pub(super) created: Option<i64>,
    /// The second it last changed in: its place in the updated stream, if it has one.
    pub(super) updated: Option<i64>,
    /// Its latest version.
    pub(super) status: Text,
}

/// Whether the functions can read an order that an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legible {
    /// It must be recorded.
    Yes,
    /// It must be in quarantine.
    No,
    /// Either.
    Maybe,
}

/// An order on a page that reached a run.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) order: u64,
    pub(super) status: Text,
    pub(super) legible: Legible,
    /// When the page was asked for.
    pub(super) asked_at: Timestamp,
    /// When the run ended that saw it.
    pub(super) ended_at: Timestamp,
}

/// A push that was answered.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) order: u64,
    /// The version in it, if it can be found.
    pub(super) pushed: Option<Text>,
    pub(super) body: Vec<u8>,
    /// Whether letters were lost on the way.
    pub(super) lossy: bool,
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// A revision of an order, as far as the model reads it.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) revision: u32,
    pub(super) status: Option<Text>,
    pub(super) observed_at: Timestamp,
    pub(super) recorded_at: Timestamp,
    pub(super) hash: ContentHash,
    /// Whether it holds [`CITY`] in its encoding.
    pub(super) has_its_letters: bool,
}

/// Everything that the invariants need to know.
#[derive(Default)]
pub(super) struct Model {
    pub(super) orders: BTreeMap<u64, Known>,
    /// Orders that make the shop fail now.
    pub(super) poisoned: BTreeSet<u64>,
    /// Orders that cannot be read now, or that became readable again without a change that a stream would show.
    pub(super) unreadable: BTreeSet<u64>,
    /// Orders that the shop leaves out of some answers now.
    pub(super) hidden: BTreeSet<u64>,
    /// Orders that the shop has no longer.
    pub(super) deleted: BTreeSet<u64>,
    pub(super) observations: Vec<Observation>,
    pub(super) answered: Vec<Answered>,
    /// Where the cursors stood when last looked at: created, updated.
    pub(super) positions: [Option<i64>; 2],
    pub(super) runs: usize,
    /// Whether the last run that reported said that it failed.
    pub(super) last_run_failed: bool,
    pub(super) requests: usize,
    pub(super) revisions: usize,
    /// The revisions of orders, as last read.
    recorded: HashMap<u64, Vec<Recorded>>,
    /// Of these orders something was written since.
    outdated: BTreeSet<u64>,
}

impl Model {
    /// Notes an order's present state and where it stands in the streams.
    pub(super) fn note(&mut self, order: &Order, made: i64, created: Option<i64>, updated: Option<i64>) {
        let status = order.status.clone().unwrap_or_default();
        self.orders.insert(order.id, Known { made, created, updated, status });
    }

    /// Notes that an order changed in a second of the updated stream.
    pub(super) fn note_change(&mut self, order: &Order, updated: i64) {
        if let Some(known) = self.orders.get_mut(&order.id) {
            known.updated = Some(updated);
            known.status = order.status.clone().unwrap_or_default();
        }
    }

    /// Notes that the shop has an order no longer.
    pub(super) fn forget(&mut self, order: u64) {
        self.orders.remove(&order);
        self.poisoned.remove(&order);
        self.unreadable.remove(&order);
        self.hidden.remove(&order);
        self.deleted.insert(order);
    }
}

/// The revisions of some orders. An order of which nothing was written since it was read is not read again.
pub(super) fn recorded(sim: &Simulation, orders: &BTreeSet<u64>) -> HashMap<u64, Vec<Recorded>> {
    let documents: Vec<(u64, DocumentKey)> = {
        let mut model = sim.model.borrow_mut();
        model.outdated.append(&mut sim.written.lock().unwrap_or_else(PoisonError::into_inner));
        let is_outdated = |order: &&u64| model.outdated.contains(order) || !model.recorded.contains_key(order);
        orders.iter().filter(is_outdated).map(|order| (*order, DocumentKey::order(SHOP, *order))).collect()
    };
    let keys: Vec<DocumentKey> = documents.iter().map(|(_, document)| document.clone()).collect();
    let heads = sim.ask_ledger(async |ledger| ledger.heads(&keys).await);
    for (order, document) in documents {
        let revisions = heads.get(&document).map_or(0, |head| head.revision as usize);
        if sim.model.borrow().recorded.get(&order).is_none_or(|known| known.len() != revisions) {
            let revisions = match revisions {
                0 => Vec::new(),
                _ => sim.ask_ledger(async |ledger| ledger.revisions(&document).await),
            };
            let read = revisions.iter().map(|revision| read_revision(revision, order)).collect();
            sim.model.borrow_mut().recorded.insert(order, read);
        }
        sim.model.borrow_mut().outdated.remove(&order);
    }
    let model = sim.model.borrow();
    let of_order = |order: &u64| Some((*order, model.recorded.get(order).filter(|known| !known.is_empty())?.clone()));
    orders.iter().filter_map(of_order).collect()
}

fn read_revision(revision: &Revision, order: u64) -> Recorded {
    let Revision { revision: number, observed_at, recorded_at, hash, body, content_type, .. } = revision;
    let latin1 = content_type.to_ascii_lowercase().contains("iso-8859-1");
    let city: Vec<u8> = if latin1 { CITY.chars().map(|c| c as u8).collect() } else { CITY.into() };
    Recorded {
        revision: *number,
        status: status_in(body, order),
        observed_at: *observed_at,
        recorded_at: *recorded_at,
        hash: *hash,
        has_its_letters: documents_in(body).iter().any(|document| find(document, &city).is_some()),
    }
}

/// The version of an order in a document of the shop, or in a form around one.
pub(super) fn status_in(body: &[u8], order: u64) -> Option<Text> {
    const START: &[u8] = b"<OrderStatus>";
    let documents = documents_in(body);
    documents.iter().find_map(|document| {
        let document = &document[find(document, format!("<Order id=\"{order}\"").as_bytes())?..];
        let status = &document[find(document, START)? + START.len()..];
        let status = &status[..find(status, b"<")?];
        std::str::from_utf8(status).ok().map(Text::from)
    })
}

/// A body as it is, or the fields of a form.
fn documents_in(body: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if find(body, b"<Order").is_some() {
        return vec![Cow::Borrowed(body)];
    }
    let values = url::form_urlencoded::parse(body).map(|(_, value)| Cow::Owned(value.into_owned().into_bytes()));
    values.collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
