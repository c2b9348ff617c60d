//! What an order's event says of the revision before.

use intake::{LineKind, Order, stored_order};
use ledger::{Revision, RevisionKey, System};

use crate::changes;
use crate::detail::{Previous, Since};

/// The most places that an event names one by one.
const MAX_PLACES: usize = 200;
/// The most bytes of their names: an element that no specification knows can have a name of any length.
const MAX_PLACES_BYTES: usize = 16_000;
/// The most bytes of a text in `previous`. A longer one is no status, and would make a truncated event large.
const MAX_TEXT_BYTES: usize = 256;

/// The revision that an event tells the changes since; none for an order's first, and for documents of the ERP.
pub fn revision_before(key: &RevisionKey) -> Option<RevisionKey> {
    let is_order = key.document.connection.system == System::Mycashflow;
    let before = key.revision.checked_sub(1).filter(|revision| is_order && *revision > 0)?;
    Some(RevisionKey { document: key.document.clone(), revision: before })
}

impl Since {
    /// What changed since the revision before; all of it unknown when that is not there or cannot be read.
    pub(crate) fn between(key: &RevisionKey, before: Option<&Revision>, now: &Order) -> Self {
        let before = before.and_then(|before| stored_order(&key.document, before).ok());
        let Some(before) = before else { return Self::default() };
        Self { changes: Some(places(&before, now)), previous: Some(Previous::of(&before)) }
    }
}

/// The places in which two orders differ, each once: one by one, or when these are too many, the order's fields.
fn places(before: &Order, now: &Order) -> Vec<String> {
    let mut places: Vec<String> = changes(&before.to_json(), &now.to_json()).into_iter().map(|one| one.path).collect();
    let bytes: usize = places.iter().map(String::len).sum();
    if places.len() > MAX_PLACES || bytes > MAX_PLACES_BYTES {
        places.iter_mut().for_each(|place| place.truncate(place.find(['.', '[']).unwrap_or(place.len())));
        places.dedup();
    }
    places
}

impl Previous {
    fn of(order: &Order) -> Self {
        let text = |text: &str| (text.len() <= MAX_TEXT_BYTES).then(|| text.to_owned());
        let products = order.products.iter().filter(|line| line.kind == LineKind::Product);
        let shipped: Vec<bool> = products.filter_map(|line| line.shipped).collect();
        Self {
            status: order.status.as_deref().and_then(text),
            payment_status: order.payments.iter().find_map(|payment| payment.status.as_deref()).and_then(text),
            shipped: (!shipped.is_empty()).then(|| shipped.iter().all(|shipped| *shipped)),
        }
    }
}
