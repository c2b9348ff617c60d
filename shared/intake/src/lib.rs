//! The one way of a document into the ledger, and the one way back.
//!
//! In: [`record_order`], [`record_push`], [`record_page`] and [`record_message`]. Each reads a document, hashes what it
//! says, and appends it to the ledger; what cannot be read, or is too large for an item, goes to quarantine whole. Who
//! sent the document must be proved before, by a type: a [`Pushed`] order's key was checked, an [`Asked`] order came in
//! an answer to our own question, and a [`manu::Verified`] message was signed. There is no other way to any of them.
//!
//! Quarantine takes the same way once more: [`read_again`]. Its bytes were proved to be the vendor's when they came.
//!
//! Back: [`stored_order`] and [`stored_document`] read what a revision holds, as it was read when it came.

mod again;
mod copy;
mod kept;
mod message;
mod page;
mod push;
mod stored;
mod summary;

pub use again::{Again, ReadAgain, read_again};
pub use copy::{Asked, OrderCopy, record_order, record_order_after};
pub use kept::{Kept, QuarantineReason};
pub use message::record_message;
pub use page::{Difference, compare_page, record_page};
pub use push::{MAX_PUSHED_ORDERS, NotAuthentic, Pushed, UnverifiedPush, record_push};
// What is handed back, and the names of addresses: whoever reads stored documents needs no protocol for more.
pub use manu::{Document, WebhookType};
pub use mycashflow::{LineKind, Order};
pub use stored::{Unreadable, stored_document, stored_order};
pub use summary::summary_of;
