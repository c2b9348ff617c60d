//! A whole page of an answer into the ledger: one check of all heads, then only what is new.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use jiff::Timestamp;
use ledger::{Appended, DocumentKey, Head, Ledger, LedgerError};

use crate::{Kept, OrderCopy, record_order_after};

/// Orders written at the same time.
const WRITES_AT_ONCE: usize = 8;

/// An order that the ledger does not have as a copy shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The order's id.
    pub order: u64,
    /// Whether the ledger has another state of it.
    pub is_known: bool,
    /// When it was made, in Unix seconds, where that is known.
    pub made_at: Option<i64>,
}

/// Records the copies of a page, oldest first; gives what became of each, beside its id.
///
/// The heads of all of them are read in one go, and only what differs from its head is written. One that cannot be
/// written keeps no other from being written.
///
/// # Errors
/// [`LedgerError`] when the heads cannot be read; then nothing was written.
pub async fn record_page(
    ledger: &Ledger,
    mut copies: Vec<OrderCopy<'_>>,
    clock: &(dyn Fn() -> Timestamp + Send + Sync),
) -> Result<Vec<(Option<u64>, Result<Kept, LedgerError>)>, LedgerError> {
    copies.sort_by_key(|copy| copy.order().map(|order| (order.created_at, order.id)));
    let heads = heads(ledger, &copies).await?;
    let record = async |copy: &OrderCopy<'_>| {
        let head = copy.readable().and_then(|read| heads.get(&read.document));
        let now = clock();
        let kept = match known(copy, head, now) {
            Some(kept) => Ok(kept),
            None => record_order_after(ledger, head, copy, now).await,
        };
        (copy.id(), kept)
    };
    // Made before the first await: whoever boxes this must be able to tell that it can be sent to another thread.
    let recorded: Vec<_> = copies.iter().map(record).collect();
    Ok(futures_util::stream::iter(recorded).buffered(WRITES_AT_ONCE).collect().await)
}

/// Which readable copies of a page the ledger does not have. Nothing is written.
///
/// # Errors
/// [`LedgerError`] when the heads cannot be read.
pub async fn compare_page(ledger: &Ledger, copies: &[OrderCopy<'_>]) -> Result<Vec<Difference>, LedgerError> {
    let heads = heads(ledger, copies).await?;
    let differs = |copy: &OrderCopy<'_>| {
        let read = copy.readable()?;
        let head = heads.get(&read.document);
        let is_same = head.is_some_and(|head| copy.says(head));
        let made_at = read.order.created_at.map(Timestamp::as_second);
        (!is_same).then_some(Difference { order: read.order.id, is_known: head.is_some(), made_at })
    };
    Ok(copies.iter().filter_map(differs).collect())
}

/// What became of a copy of which the ledger has nothing to learn.
fn known(copy: &OrderCopy<'_>, head: Option<&Head>, now: Timestamp) -> Option<Kept> {
    let (new, head) = (copy.revision(now)?, head?);
    let appended = Appended::Duplicate { revision: head.revision };
    head.agrees_with(&new).then(|| Kept::Appended { document: new.document.clone(), appended })
}

async fn heads(ledger: &Ledger, copies: &[OrderCopy<'_>]) -> Result<HashMap<DocumentKey, Head>, LedgerError> {
    let documents: HashSet<&DocumentKey> =
        copies.iter().filter_map(OrderCopy::readable).map(|read| &read.document).collect();
    ledger.heads(&documents.into_iter().cloned().collect::<Vec<_>>()).await
}
