//! An answer into the ledger, by the one way in, and what of it is counted.

use futures_util::StreamExt;
use intake::{Asked, Difference, Kept, compare_page, record_page, stored_order};
use jiff::Timestamp;
use ledger::{Appended as Made, ContentHash, DocumentKey, Ledger, LedgerError, RevisionKey, Source};
use mycashflow::{Answer, Page};

use crate::Clock;
use crate::report::{self, ShopReport};

/// Earlier revisions read at the same time.
const READS_AT_ONCE: usize = 8;

/// Where the orders of an answer go.
pub(crate) struct Appending<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) clock: &'a Clock,
    pub(crate) shop: &'a str,
    pub(crate) source: Source,
    /// Nothing is written; what would be is listed.
    pub(crate) dry_run: bool,
}

/// The orders of an answer that need another look.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// Of these the ledger has a newer state than the answer showed.
    pub(crate) stale: Vec<u64>,
    /// Of these, which the ledger knew, the answer showed another state, and that is the last revision now.
    pub(crate) changed: Vec<u64>,
}

impl Appending<'_> {
    /// Appends every order of an answer that has just come, oldest first, and quarantines what cannot be read.
    pub(crate) async fn append(&self, answer: &Answer, report: &mut ShopReport) -> Result<Appended, LedgerError> {
        let entries = &answer.page.entries;
        report.orders += entries.len() as u64;
        report.highest_order = entries.iter().filter_map(|entry| entry.id).max().max(report.highest_order);
        let asked = Asked::by(answer, self.shop, self.source, (self.clock)());
        let copies = asked.copies(&answer.page);
        let mut appended = Appended::default();
        if self.dry_run {
            let readable = entries.iter().filter(|entry| entry.order.is_ok()).count();
            let differences = compare_page(self.ledger, &copies).await?;
            report.unchanged += readable.saturating_sub(differences.len()) as u64;
            for difference in differences {
                let Difference { order, is_known: known, made_at } = difference;
                report.note_difference(report::Difference { order, known, made_at });
            }
            for entry in entries.iter().filter(|entry| entry.order.is_err()) {
                match entry.id {
                    Some(id) => {
                        report.unreadable.insert(id);
                        report.unreadable_made_at.extend(entry.ordered_at.map(|at| (id, at)));
                    }
                    None => drop(report.unnamed.insert(ContentHash::of(answer.page.slice(entry)).to_string())),
                }
            }
            return Ok(appended);
        }
        let mut failed = None;
        let mut revisions = Vec::new();
        for (order, kept) in record_page(self.ledger, copies, &**self.clock).await? {
            match kept {
                Ok(Kept::Appended { document, appended: made }) => {
                    count(order, made, report, &mut appended);
                    if let Made::Recorded { revision: revision @ 2.. } = made {
                        revisions.push(RevisionKey { document, revision: revision - 1 });
                    }
                }
                Ok(Kept::Quarantined { is_new, .. }) => report.quarantined += u64::from(is_new),
                Ok(Kept::Nothing { .. }) => {}
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        report.reused_ids += self.tell_reused(&answer.page, revisions).await;
        Ok(appended)
    }

    /// Tells which orders of a page were made at another time than the revision before says, and counts them: an id that came
    /// back, with which a consumer would take two orders for one.
    async fn tell_reused(&self, page: &Page, before: Vec<RevisionKey>) -> u64 {
        let made_at = |document: &DocumentKey| -> Option<Timestamp> {
            let orders = page.entries.iter().filter_map(|entry| entry.order.as_ref().ok());
            orders.filter(|order| order.id.to_string() == document.id).find_map(|order| order.created_at)
        };
        let reused = before.into_iter().map(async |key| {
            // What cannot be read is no reason to fail: the order is recorded.
            let Ok(Some(revision)) = self.ledger.revision(&key).await else { return 0 };
            let before = stored_order(&key.document, &revision).ok().and_then(|order| order.created_at);
            let (Some(before), Some(now)) = (before, made_at(&key.document)) else { return 0 };
            if before == now {
                return 0;
            }
            let (shop, order, revision) = (self.shop, &key.document.id, key.revision + 1);
            tracing::warn!(shop, order, revision, %before, %now, "an order id was reused with a different creation time");
            1
        });
        futures_util::stream::iter(reused).buffered(READS_AT_ONCE).fold(0, async |sum, one| sum + one).await
    }

    /// Has the next run ask the shop for an order.
    pub(crate) async fn mark(&self, order: u64) -> Result<(), LedgerError> {
        self.ledger.mark_for_refresh(&DocumentKey::order(self.shop, order), (self.clock)()).await
    }
}

fn count(order: Option<u64>, made: Made, report: &mut ShopReport, appended: &mut Appended) {
    match made {
        Made::Recorded { revision: 1 } => report.new += 1,
        Made::Recorded { .. } => {
            report.updated += 1;
            appended.changed.extend(order);
        }
        Made::Duplicate { .. } => report.unchanged += 1,
        Made::Stale { .. } => {
            report.stale += 1;
            appended.stale.extend(order);
        }
    }
}
