//! The one way of a document into the ledger, and the one way back.
//!
//! In: [`record_order`], [`record_push`], [`record_page`] and [`record_message`]. Each reads a document, hashes what it
//! says, and appends it to the ledger; what cannot be read, or is too large for an item, goes to quarantine whole. Who
//! sent the document must be proved before, by a type: a [`Pushed`] order's key was checked, an [`Asked`] order came in
//! an answer to our own question, and a [`manu::Verified`] message was signed. There is no other way to any of them.
//!
//! Back: [`stored_order`] and [`stored_document`] read what a revision holds, as it was read when it came.

mod copy;
mod kept;
mod message;
mod page;
mod push;
mod stored;

pub use copy::{Asked, OrderCopy, record_order, record_order_after};
pub use kept::{Kept, QuarantineReason};
pub use message::record_message;
pub use page::{Difference, compare_page, record_page};
pub use push::{MAX_PUSHED_ORDERS, NotAuthentic, Pushed, UnverifiedPush, record_push};
pub use stored::{Unreadable, stored_document, stored_order};
