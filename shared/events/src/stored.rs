//! What a stored revision holds: its order, or its document.

use ledger::{Revision, RevisionKey};
use mycashflow::{Limits, Order, push_document, read_page};
use serde_json::value::RawValue;

/// Why a revision has no event. Names places, never contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored body cannot be read: {0}")]
pub struct Unreadable(String);

impl Unreadable {
    pub(crate) fn because(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

/// Reads a stored order as it was read when it came.
pub(crate) fn stored_order(key: &RevisionKey, revision: &Revision) -> Result<Order, Unreadable> {
    let content_type = Some(revision.content_type.as_str()).filter(|content_type| !content_type.is_empty());
    let xml = push_document(content_type, &revision.body).xml.map_err(Unreadable::because)?;
    let page = read_page(&xml, &Limits::default()).map_err(Unreadable::because)?;
    let entry = page.entries.into_iter().find(|entry| entry.id.is_some_and(|id| id.to_string() == key.document.id));
    entry.ok_or_else(|| Unreadable::because("there is no such order in it"))?.order.map_err(Unreadable::because)
}

/// Reads a stored document of the ERP. It is given as it is published: without white space, with its numbers as they were
/// written, and with U+FFFD for each half of a surrogate pair.
pub(crate) fn stored_document(revision: &Revision) -> Result<Box<RawValue>, Unreadable> {
    let document = manu::read_document(&revision.body).map_err(Unreadable::because)?;
    RawValue::from_string(document.published_json().into_owned()).map_err(Unreadable::because)
}
