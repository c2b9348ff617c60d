//! A page into the ledger: one check of all heads, then only what is new.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use ledger::{
    Connection, ContentHash, DocumentKey, Evidence, Head, Ledger, LedgerError, NewQuarantined, NewRevision, Source,
};
use mycashflow::{Order, Page};

use crate::Clock;
use crate::report::{Difference, ShopReport};

/// New orders written at the same time.
const WRITES_AT_ONCE: usize = 8;
const SLICE_CONTENT_TYPE: &str = "application/xml; charset=utf-8";

/// Where the orders of a page go.
pub(crate) struct Appending<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) clock: &'a Clock,
    pub(crate) shop: &'a str,
    pub(crate) source: Source,
    /// Nothing is written; what would be is listed.
    pub(crate) dry_run: bool,
}

/// A readable order of a page, on its way into the ledger.
struct Copy<'p> {
    order: &'p Order,
    slice: &'p str,
    document: DocumentKey,
    hash: ContentHash,
}

/// What became of a page's orders that need another look.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// Of these the ledger has a newer state than the page showed.
    pub(crate) stale: Vec<u64>,
    /// Of these, which the ledger knew, the page showed another state, and that is the last revision now.
    pub(crate) changed: Vec<u64>,
}

/// What became of a copy.
enum Written {
    Recorded(ledger::Appended),
    Quarantined { new: bool },
}

impl Appending<'_> {
    /// Appends every order of a page, oldest first, and quarantines what cannot be read.
    pub(crate) async fn append(
        &self,
        page: &Page,
        observed_at: Timestamp,
        report: &mut ShopReport,
    ) -> Result<Appended, LedgerError> {
        report.orders += page.entries.len() as u64;
        report.highest_order = page.entries.iter().filter_map(|entry| entry.id).max().max(report.highest_order);
        let mut copies = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            match &entry.order {
                Ok(order) => copies.push(Copy {
                    order,
                    slice: page.slice(entry),
                    document: DocumentKey::order(self.shop, order.id),
                    hash: ContentHash::of(&order.canonical_json()),
                }),
                Err(error) => {
                    if !self.dry_run && self.keep(page.slice(entry), entry.id, &error.to_string()).await? {
                        report.quarantined += 1;
                    }
                }
            }
        }
        copies.sort_by_key(|copy| (copy.order.created_at, copy.order.id));
        let documents: Vec<DocumentKey> =
            copies.iter().map(|copy| copy.document.clone()).collect::<HashSet<_>>().into_iter().collect();
        let heads = self.ledger.heads(&documents).await?;
        let changed = |copy: &&Copy<'_>| heads.get(&copy.document).is_none_or(|head| head.hash != copy.hash);
        let new: Vec<&Copy<'_>> = copies.iter().filter(changed).collect();
        report.unchanged += (copies.len() - new.len()) as u64;
        if self.dry_run {
            for copy in new {
                let known = heads.contains_key(&copy.document);
                report.note_difference(Difference { order: copy.order.id, known });
            }
            return Ok(Appended::default());
        }
        let written: Vec<(u64, Result<Written, LedgerError>)> = futures_util::stream::iter(new)
            .map(async |copy| (copy.order.id, self.write(copy, heads.get(&copy.document), observed_at).await))
            .buffered(WRITES_AT_ONCE)
            .map(Ok::<_, LedgerError>)
            .try_collect()
            .await?;
        count(written, report)
    }

    /// Has the next run ask the shop for an order.
    pub(crate) async fn mark(&self, order: u64) -> Result<(), LedgerError> {
        self.ledger.mark_for_refresh(&DocumentKey::order(self.shop, order), (self.clock)()).await
    }

    async fn write(
        &self,
        copy: &Copy<'_>,
        head: Option<&Head>,
        observed_at: Timestamp,
    ) -> Result<Written, LedgerError> {
        let new = NewRevision {
            document: &copy.document,
            source: self.source,
            observed_at,
            evidence: Evidence::Asked,
            hash: copy.hash,
            body: copy.slice.as_bytes(),
            content_type: SLICE_CONTENT_TYPE,
            now: (self.clock)(),
        };
        match self.ledger.append_after(head, &new).await {
            Ok(appended) => Ok(Written::Recorded(appended)),
            // An order too large for an item is kept as far as it goes, under a reason that says so.
            Err(error @ LedgerError::TooLarge { .. }) => {
                let new = self.keep(copy.slice, Some(copy.order.id), &error.to_string()).await?;
                Ok(Written::Quarantined { new })
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps an order's bytes in quarantine; answers whether they were new there.
    async fn keep(&self, slice: &str, order: Option<u64>, reason: &str) -> Result<bool, LedgerError> {
        let document = order.map(|id| format!("order/{id}"));
        let quarantined = NewQuarantined {
            body: slice.as_bytes(),
            content_type: SLICE_CONTENT_TYPE,
            reason,
            document: document.as_deref(),
            now: (self.clock)(),
        };
        let new = self.ledger.quarantine(&Connection::shop(self.shop), &quarantined).await?;
        if new {
            tracing::warn!(shop = self.shop, order, reason, "an order is in quarantine");
        }
        Ok(new)
    }
}

/// Counts what was written.
fn count(written: Vec<(u64, Result<Written, LedgerError>)>, report: &mut ShopReport) -> Result<Appended, LedgerError> {
    use ledger::Appended as A;
    let mut appended = Appended::default();
    let mut failed = None;
    for (order, result) in written {
        match result {
            Ok(Written::Recorded(A::Recorded { revision: 1 })) => report.new += 1,
            Ok(Written::Recorded(A::Recorded { .. })) => {
                report.updated += 1;
                appended.changed.push(order);
            }
            Ok(Written::Recorded(A::Duplicate { .. })) => report.unchanged += 1,
            Ok(Written::Quarantined { new }) => report.quarantined += u64::from(new),
            Ok(Written::Recorded(A::Stale { .. })) => {
                report.stale += 1;
                appended.stale.push(order);
            }
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(appended), Err)
}
