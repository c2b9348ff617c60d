//! A question, and its answer into the ledger.

use std::collections::{BTreeSet, HashSet};

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
/// A page of fewer orders than this is not taken for a page that is cut: no shop is known to show so few at a time.
const SMALLEST_CUT: usize = 10;
/// The most order ids that a run remembers to have seen.
const REMEMBERED_IDS: usize = 200_000;

/// A page of a stream that is in the ledger already.
pub(crate) struct Asked {
    pub(crate) page: Page,
    /// The second it was asked from: later than wished when a window before it cannot be served.
    pub(crate) start: i64,
}

/// What an order is told apart by: its id, or its text where that shows none.
#[derive(PartialEq, Eq, Hash)]
enum Token<'p> {
    Id(u64),
    Bytes(&'p [u8]),
}

impl Asked {
    /// Whether more follows: the answer is as long as answers get, or says that there are more orders than it shows.
    pub(crate) fn has_more(&self) -> bool {
        self.is_full() || self.page.total.is_some_and(|total| total > self.len() as u64)
    }

    /// Whether the page holds as many orders as pages get.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= PAGE_ORDERS
    }

    /// Whether the page may be cut within a second, as opposed to a short page whose count is not what it shows.
    pub(crate) fn may_be_cut(&self) -> bool {
        self.len() >= SMALLEST_CUT
    }

    pub(crate) fn len(&self) -> usize {
        self.page.entries.len()
    }

    /// How many orders the shop counts between the starts of this page and of the next one, beyond those that this page
    /// shows and the next one does not. None when it counts nothing. An order that moves on meanwhile, or appears, is never
    /// taken for one that is missing.
    pub(crate) fn shortfall(&self, next: &Self) -> Option<u64> {
        let counted = self.page.total?.saturating_sub(next.page.total?);
        let in_next: HashSet<Token<'_>> = next.tokens().collect();
        let shown = self.tokens().filter(|token| !in_next.contains(token)).count() as u64;
        Some(counted.saturating_sub(shown))
    }

    /// How many more orders the shop counts from this page's start on than it shows, where the page is the last one.
    /// None when it counts nothing.
    pub(crate) fn tail_shortfall(&self) -> Option<u64> {
        Some(self.page.total?.saturating_sub(self.len() as u64))
    }

    /// Where in this page the other one begins. An order that cannot be read and has no id is known by its text.
    pub(crate) fn position_of_first(&self, other: &Self) -> Option<usize> {
        let first = other.tokens().next()?;
        self.tokens().position(|token| token == first)
    }

    /// Whether the next page, asked for from a later second, shows that this one is not in the order of time: it shows an
    /// order of this page, and not one that stands behind that order.
    pub(crate) fn is_disordered_by(&self, next: &Self) -> bool {
        let in_next: HashSet<Token<'_>> = next.tokens().collect();
        let mut shown = self.tokens().map(|token| in_next.contains(&token)).skip_while(|is_shown| !is_shown);
        shown.any(|is_shown| !is_shown)
    }

    fn tokens(&self) -> impl Iterator<Item = Token<'_>> {
        self.page.entries.iter().map(|entry| entry.id.map_or_else(|| Token::Bytes(self.page.slice(entry)), Token::Id))
    }
}

/// Asks a shop and keeps what it shows.
pub(crate) struct Reader<'a> {
    pub(crate) asking: Asking<'a>,
    pub(crate) appending: Appending<'a>,
    pub(crate) report: ShopReport,
    /// Up to where a backfill has come, Unix seconds.
    pub(crate) backfilled_to: Option<i64>,
    /// The ids of orders that this run has seen.
    pub(crate) seen: BTreeSet<u64>,
    /// How many orders this run has asked for one by one.
    pub(crate) singles: u32,
    progress: Option<&'a Progress>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(asking: Asking<'a>, appending: Appending<'a>, progress: Option<&'a Progress>) -> Self {
        let report = ShopReport { shop: appending.shop.to_owned(), ..ShopReport::default() };
        Self { asking, appending, report, backfilled_to: None, seen: BTreeSet::new(), singles: 0, progress }
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
        self.report.pages += 1;
        // What was shown is kept first, with the lease or without.
        let changed = self.append(&answer).await?;
        match self.asking.lease.keep().await {
            // Another run may have seen a later state before this page showed an earlier one. The ledger cannot tell, if
            // the later state was the one that it knew; the shop can.
            Err(Stop::LeaseLost) => {
                for order in changed {
                    self.appending.mark(order).await?;
                }
                return Err(Stop::LeaseLost);
            }
            kept => kept?,
        }
        self.remember(&answer.page);
        self.asking.took(begun.elapsed());
        self.show_progress();
        Ok(answer.page)
    }

    /// When it returns, each order of the page is in the ledger, in quarantine, or marked to be asked for. Answers which
    /// orders the ledger knew otherwise.
    async fn append(&mut self, answer: &Answer) -> Result<Vec<u64>, Stop> {
        let appended = self.appending.append(answer, &mut self.report).await?;
        let changed = appended.changed;
        let mut again = appended.stale;
        if self.asking.lease.held().is_none() {
            // A run without the lease does not know what others have seen since it asked.
            again.extend(&changed);
        }
        // A stale copy was overtaken by a POST or another run: the shop is asked once more, so that the ledger's last
        // revision is certain to be the shop's state and not only what arrived last.
        for _ in 0..STALE_ROUNDS {
            if again.is_empty() {
                return Ok(changed);
            }
            let Ok(Ok(answer)) = self.asking.get(&again, Patience::Usual).await else { break };
            again = self.appending.append(&answer, &mut self.report).await?.stale;
        }
        for order in again {
            self.appending.mark(order).await?;
        }
        Ok(changed)
    }

    fn remember(&mut self, page: &Page) {
        self.seen.extend(page.entries.iter().filter_map(|entry| entry.id));
        while self.seen.len() > REMEMBERED_IDS {
            self.seen.pop_first();
        }
    }

    fn show_progress(&self) {
        if let Some(progress) = self.progress {
            let at = self.backfilled_to.and_then(|second| Timestamp::from_second(second).ok());
            progress(&ShopReport { resume_from: at.map(|at| at.to_string()), ..self.report.counts() });
        }
    }
}
