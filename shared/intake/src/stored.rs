//! What a stored revision holds: its order, or its document.

use ledger::{DocumentKey, Revision};
use manu::{Document, DocumentError, read_document};
use mycashflow::{Limits, Order, OrderError, PushError, ReadError, push_document, read_page};

/// Why the body of a revision cannot be read. Names places, never contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is no document in it.
    #[error(transparent)]
    Push(#[from] PushError),
    /// Its document cannot be read as a whole.
    #[error(transparent)]
    Page(#[from] ReadError),
    /// Its order cannot be read.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The revision's order is not in it.
    #[error("there is no such order in it")]
    NoSuchOrder,
    /// It is no document of the ERP.
    #[error(transparent)]
    Message(#[from] DocumentError),
}

/// Reads the order of a revision of `document`, as it was read when it came.
///
/// # Errors
/// [`Unreadable`] when the stored body is not what a shop sends.
pub fn stored_order(document: &DocumentKey, revision: &Revision) -> Result<Order, Unreadable> {
    let content_type = Some(revision.content_type.as_str()).filter(|content_type| !content_type.is_empty());
    let xml = push_document(content_type, &revision.body).xml?;
    let page = read_page(&xml, &Limits::default())?;
    let is_it = |id: u64| id.to_string() == document.id;
    let entry = page.entries.into_iter().find(|entry| entry.id.is_some_and(is_it)).ok_or(Unreadable::NoSuchOrder)?;
    Ok(entry.order?)
}

/// Reads the document of a revision, as it was read when it came.
///
/// # Errors
/// [`Unreadable`] when the stored body is not what the ERP sends.
pub fn stored_document(revision: &Revision) -> Result<Document, Unreadable> {
    Ok(read_document(&revision.body)?)
}
