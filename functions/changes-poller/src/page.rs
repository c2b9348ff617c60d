//! A page into the ledger: one check of all heads, then only what is new.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use ledger::{
    Appended, Connection, ContentHash, DocumentKey, Evidence, Head, LedgerError, NewQuarantined, NewRevision,
};
use mycashflow::{Entry, Order, Page};

use crate::report::Difference;
use crate::run::{ShopRun, Stop};

/// New orders written at the same time.
const WRITES_AT_ONCE: usize = 8;
/// How often an order is asked for again that changed while the page was on its way.
const STALE_ROUNDS: u32 = 3;
const SLICE_CONTENT_TYPE: &str = "application/xml; charset=utf-8";

/// A readable order of a page, on its way into the ledger.
struct Copy<'p> {
    order: &'p Order,
    slice: &'p str,
    document: DocumentKey,
    hash: ContentHash,
}

/// What became of a copy.
enum Written {
    Appended(Appended),
    Quarantined { new: bool },
}

impl ShopRun<'_> {
    /// Appends every order of a page, oldest first, and quarantines what cannot be read. When it returns, each order of
    /// the page is in the ledger, in quarantine, or marked to be asked for.
    pub(crate) async fn append_page(&mut self, page: &Page, observed_at: Timestamp) -> Result<(), Stop> {
        let mut stale = self.append_copies(page, observed_at).await?;
        // A stale copy was overtaken by a POST or another run: the shop is asked once more, so that the ledger's last
        // revision is certain to be the shop's state and not only what arrived last.
        for _ in 0..STALE_ROUNDS {
            if stale.is_empty() {
                return Ok(());
            }
            let client = self.client.clone();
            let Ok(Ok(answer)) = self.wait_for(client.get(&stale)).await else { break };
            let observed_at = (self.clock)() - answer.elapsed;
            stale = self.append_copies(&answer.page, observed_at).await?;
        }
        for order in stale {
            self.ledger.mark_for_refresh(&DocumentKey::order(self.shop, order), (self.clock)()).await?;
        }
        Ok(())
    }

    /// One pass of [`Self::append_page`]; answers which orders were stale.
    async fn append_copies(&mut self, page: &Page, observed_at: Timestamp) -> Result<Vec<u64>, Stop> {
        self.report.orders += page.entries.len() as u64;
        self.report.highest_order =
            page.entries.iter().filter_map(|entry| entry.id).max().max(self.report.highest_order);
        let mut copies = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            match &entry.order {
                Ok(order) => copies.push(Copy {
                    order,
                    slice: page.slice(entry),
                    document: DocumentKey::order(self.shop, order.id),
                    hash: ContentHash::of(&order.canonical_json()),
                }),
                Err(error) => self.quarantine(page, entry, &error.to_string()).await?,
            }
        }
        copies.sort_by_key(|copy| (copy.order.created_at, copy.order.id));
        let documents: Vec<DocumentKey> =
            copies.iter().map(|copy| copy.document.clone()).collect::<HashSet<_>>().into_iter().collect();
        let heads = self.ledger.heads(&documents).await?;
        let changed = |copy: &&Copy<'_>| heads.get(&copy.document).is_none_or(|head| head.hash != copy.hash);
        let new: Vec<&Copy<'_>> = copies.iter().filter(changed).collect();
        self.report.unchanged += (copies.len() - new.len()) as u64;
        if self.dry_run {
            for copy in new {
                let known = heads.contains_key(&copy.document);
                self.report.note_difference(Difference { order: copy.order.id, known });
            }
            return Ok(Vec::new());
        }
        let written: Vec<(u64, Result<Written, LedgerError>)> = futures_util::stream::iter(new)
            .map(async |copy| (copy.order.id, self.append(copy, heads.get(&copy.document), observed_at).await))
            .buffered(WRITES_AT_ONCE)
            .map(Ok::<_, Stop>)
            .try_collect()
            .await?;
        self.count(written)
    }

    fn count(&mut self, written: Vec<(u64, Result<Written, LedgerError>)>) -> Result<Vec<u64>, Stop> {
        let mut stale = Vec::new();
        let mut failed = None;
        for (order, result) in written {
            match result {
                Ok(Written::Appended(Appended::Recorded { revision: 1 })) => self.report.new += 1,
                Ok(Written::Appended(Appended::Recorded { .. })) => self.report.updated += 1,
                Ok(Written::Appended(Appended::Duplicate { .. })) => self.report.unchanged += 1,
                Ok(Written::Quarantined { new }) => self.report.quarantined += u64::from(new),
                Ok(Written::Appended(Appended::Stale { .. })) => {
                    self.report.stale += 1;
                    stale.push(order);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(stale), |error| Err(error.into()))
    }

    async fn append(
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
            Ok(appended) => Ok(Written::Appended(appended)),
            // An order too large for an item is kept as far as it goes, under a reason that says so.
            Err(error @ LedgerError::TooLarge { .. }) => {
                let new = self.keep(copy.slice, Some(copy.order.id), &error.to_string()).await?;
                Ok(Written::Quarantined { new })
            }
            Err(error) => Err(error),
        }
    }

    async fn quarantine(&mut self, page: &Page, entry: &Entry, reason: &str) -> Result<(), Stop> {
        if !self.dry_run && self.keep(page.slice(entry), entry.id, reason).await? {
            self.report.quarantined += 1;
        }
        Ok(())
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
