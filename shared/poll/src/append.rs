//! An answer into the ledger, by the one way in, and what of it is counted.

use intake::{Asked, Kept, compare_page, record_page};
use ledger::{Appended as Made, DocumentKey, Ledger, LedgerError, Source};
use mycashflow::Answer;

use crate::Clock;
use crate::report::{Difference, ShopReport};

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
                report.note_difference(Difference { order: difference.order, known: difference.is_known });
            }
            return Ok(appended);
        }
        let mut failed = None;
        for (order, kept) in record_page(self.ledger, copies, &**self.clock).await? {
            match kept {
                Ok(Kept::Appended { appended: made, .. }) => count(order, made, report, &mut appended),
                Ok(Kept::Quarantined { is_new, .. }) => report.quarantined += u64::from(is_new),
                Ok(Kept::Nothing { .. }) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(appended), Err)
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
