//! A question, and its answer into the ledger.

use jiff::Timestamp;
use ledger::Stream;
use mycashflow::{Answer, ClientError, Page};
use tokio::time::Instant;

use crate::append::Appending;
use crate::ask::{Asking, Patience};
use crate::stop::Stop;
use crate::{PAGE_ORDERS, Progress, ShopReport};

/// How often an order is asked for again that changed while the page was on its way.
const STALE_ROUNDS: u32 = 3;

/// A page of a stream that is in the ledger already.
pub(crate) struct Asked {
    pub(crate) page: Page,
    /// The second it was asked from: later than wished when a window before it cannot be served.
    pub(crate) start: i64,
}

impl Asked {
    /// Whether the answer is as long as answers get, so that more may follow.
    pub(crate) fn is_full(&self) -> bool {
        self.page.entries.len() >= PAGE_ORDERS
    }

    /// Where in this page the other one begins. An order that cannot be read and has no id is known by its text.
    pub(crate) fn position_of_first(&self, other: &Self) -> Option<usize> {
        let first = other.page.entries.first()?;
        self.page.entries.iter().position(|entry| match (entry.id, first.id) {
            (Some(id), Some(first)) => id == first,
            (None, None) => self.page.slice(entry) == other.page.slice(first),
            _ => false,
        })
    }
}

/// Asks a shop and keeps what it shows.
pub(crate) struct Reader<'a> {
    pub(crate) asking: Asking<'a>,
    pub(crate) appending: Appending<'a>,
    pub(crate) report: ShopReport,
    /// Up to where a backfill has come, Unix seconds.
    pub(crate) backfilled_to: Option<i64>,
    progress: Option<&'a Progress>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(asking: Asking<'a>, appending: Appending<'a>, progress: Option<&'a Progress>) -> Self {
        let report = ShopReport { shop: appending.shop.to_owned(), ..ShopReport::default() };
        Self { asking, appending, report, backfilled_to: None, progress }
    }

    /// Asks for the changes of a stream from a second on, and takes the answer into the ledger. The outer error ends the
    /// run, the inner one is the shop's.
    pub(crate) async fn changes(
        &mut self,
        stream: Stream,
        start: i64,
        patience: Patience,
    ) -> Result<Result<Asked, ClientError>, Stop> {
        match self.asking.changes(stream, start, patience).await? {
            Ok(answer) => Ok(Ok(Asked { page: self.take_in(answer).await?, start })),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Asks for orders by number, at most a page of them, and takes the answer into the ledger.
    pub(crate) async fn get(&mut self, orders: &[u64], patience: Patience) -> Result<Result<Page, ClientError>, Stop> {
        match self.asking.get(orders, patience).await? {
            Ok(answer) => Ok(Ok(self.take_in(answer).await?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn take_in(&mut self, answer: Answer) -> Result<Page, Stop> {
        let begun = Instant::now() - answer.elapsed;
        let observed_at = self.asking.asked_at(&answer);
        self.report.pages += 1;
        // What was shown is kept first, with the lease or without.
        self.append(&answer.page, observed_at).await?;
        self.asking.lease.keep().await?;
        self.asking.took(begun.elapsed());
        self.show_progress();
        Ok(answer.page)
    }

    /// When it returns, each order of the page is in the ledger, in quarantine, or marked to be asked for.
    async fn append(&mut self, page: &Page, observed_at: Timestamp) -> Result<(), Stop> {
        let mut stale = self.appending.append(page, observed_at, &mut self.report).await?;
        // A stale copy was overtaken by a POST or another run: the shop is asked once more, so that the ledger's last
        // revision is certain to be the shop's state and not only what arrived last.
        for _ in 0..STALE_ROUNDS {
            if stale.is_empty() {
                return Ok(());
            }
            let Ok(Ok(answer)) = self.asking.get(&stale, Patience::Usual).await else { break };
            let observed_at = self.asking.asked_at(&answer);
            stale = self.appending.append(&answer.page, observed_at, &mut self.report).await?;
        }
        for order in stale {
            self.appending.mark(order).await?;
        }
        Ok(())
    }

    fn show_progress(&self) {
        if let Some(progress) = self.progress {
            let at = self.backfilled_to.and_then(|second| Timestamp::from_second(second).ok());
            progress(&ShopReport { resume_from: at.map(|at| at.to_string()), ..self.report.counts() });
        }
    }
}
