//! A shop against the ledger, both ways.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use intake::stored_order;
use jiff::Timestamp;
use ledger::{Connection, DocumentKey, RevisionKey, Span};
use mycashflow::RetryPolicy;
use poll::{PollDeps, Run, Shop, ShopReport, Stopped, compare, look_for, refresh};
use serde::Serialize;
use tokio::time::Instant;

use crate::{BoxFuture, Operator, OperatorError, OrderFilter};

/// Bodies read at the same time.
const READS_AT_ONCE: usize = 8;
/// Orders asked for in one question: an answer holds a hundred.
const NUMBERS: usize = 98;

/// In what a shop and the ledger differ, by the orders' ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The ledger does not have them.
    pub missing: BTreeSet<u64>,
    /// The ledger has another state of them.
    pub different: BTreeSet<u64>,
    /// The shop does not show them any more.
    pub only_in_the_ledger: BTreeSet<u64>,
    /// The shop's answer, or the ledger's copy, cannot be read.
    pub unreadable: BTreeSet<u64>,
    /// The same of orders that show no id, by the hashes of their bytes. Each may be one of those that are only in the ledger.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unnamed: BTreeSet<String>,
    /// Whether what was missing or different was recorded.
    pub recorded: bool,
}

impl Comparison {
    /// Whether nothing differs, or what did is recorded now.
    pub fn is_settled(&self) -> bool {
        let is_known = self.missing.is_empty() && self.different.is_empty();
        let is_read = self.unreadable.is_empty() && self.unnamed.is_empty();
        (is_known || self.recorded) && self.only_in_the_ledger.is_empty() && is_read
    }
}

/// What of a shop is compared, and for how long at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The shop.
    pub connection: Connection,
    /// When its orders were made: from the first second (Unix) on, and before the other one.
    pub made: Range<i64>,
    /// Record what is missing or different.
    pub record: bool,
    /// How long it may take.
    pub within: Duration,
}

impl Operator {
    /// Compares a shop with the ledger, both ways: what the shop shows and the ledger lacks or has in another state, and what
    /// the ledger has and the shop does not show. It goes past what cannot be read. Only `record` writes, and leaves a line in the
    /// audit log.
    ///
    /// # Errors
    /// [`OperatorError`] when there is no such shop, or the comparison did not come to its end.
    pub fn compare<'a>(&'a self, wish: &'a Compare) -> BoxFuture<'a, Result<Comparison, OperatorError>> {
        Box::pin(self.compared(wish))
    }

    async fn compared(&self, wish: &Compare) -> Result<Comparison, OperatorError> {
        let Compare { connection, made, .. } = wish;
        let shop = self.connections.shops.get(&connection.name);
        let is_shop = *connection == Connection::shop(&connection.name);
        let shop = shop.filter(|_| is_shop);
        let shop = shop.ok_or_else(|| OperatorError::NotFound(format!("{connection} is no shop")))?;
        let asked = Shop { name: &connection.name, url: &shop.url, key: shop.key.reveal() };
        let deps = PollDeps {
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
            transport: self.shops.clone(),
            policy: RetryPolicy::default(),
            progress: None,
        };
        let name = format!("compare-{:016x}", fastrand::u64(..));
        let run = Run { name: &name, deadline: Instant::now() + wish.within };
        let walked = compare(&deps, &asked, made, &run).await;
        ended(connection, &walked.report)?;
        let mut found = Comparison::default();
        found.note(&walked.report, made);
        let unseen = self.made_unseen(wish, &walked.seen, &mut found).await?;
        // What the walk did not show may have come since, or not be shown by time: only an answer by number says that it is gone.
        let looked = look_for(&deps, &asked, &unseen, walked.seen.last().copied(), &run).await;
        ended(connection, &looked.report)?;
        found.note(&looked.report, made);
        found.only_in_the_ledger = unseen.difference(&looked.seen).copied().collect();
        found.only_in_the_ledger.retain(|order| !found.unreadable.contains(order));
        if wish.record {
            self.record(wish, &mut found, &deps, &asked, &run).await?;
        }
        Ok(found)
    }

    /// The orders of the ledger that were made in the time and that the shop has not shown.
    async fn made_unseen(
        &self,
        wish: &Compare,
        seen: &BTreeSet<u64>,
        found: &mut Comparison,
    ) -> Result<BTreeSet<u64>, OperatorError> {
        let Compare { connection, made, .. } = wish;
        let filter = OrderFilter {
            connection: Some(connection.clone()),
            kind: Some("order".to_owned()),
            ..OrderFilter::default()
        };
        let from = Timestamp::from_second(made.start).unwrap_or(Timestamp::UNIX_EPOCH);
        let rows = self.orders(&filter, Span { from, until: self.now() }).await?;
        let unseen = rows.into_iter().filter_map(|row| {
            let document = DocumentKey::parse(connection.clone(), &row.document)?;
            let id = document.id.parse::<u64>().ok().filter(|id| !seen.contains(id))?;
            Some((id, RevisionKey { document, revision: row.revision }))
        });
        let reads = unseen.map(async |(id, key)| {
            let revision = self.ledger.revision(&key).await?;
            let made_at = revision.map(|revision| stored_order(&key.document, &revision).map(|order| order.created_at));
            Ok::<_, OperatorError>((id, made_at))
        });
        let mut all = BTreeSet::new();
        let read: Vec<_> = futures_util::stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await?;
        for (id, made_at) in read {
            match made_at {
                Some(Ok(Some(at))) if made.contains(&at.as_second()) => drop(all.insert(id)),
                Some(Err(_)) => drop(found.unreadable.insert(id)),
                // Made at another time, or erased.
                Some(Ok(_)) | None => {}
            }
        }
        Ok(all)
    }

    async fn record(
        &self,
        wish: &Compare,
        found: &mut Comparison,
        deps: &PollDeps,
        asked: &Shop<'_>,
        run: &Run<'_>,
    ) -> Result<(), OperatorError> {
        let Compare { connection, made, .. } = wish;
        let wanted: Vec<u64> = found.missing.union(&found.different).copied().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let second = |at: i64| Timestamp::from_second(at).map_or_else(|_| "now".to_owned(), |at| at.to_string());
        let target =
            format!("{connection}, {} orders made from {} to {}", wanted.len(), second(made.start), second(made.end));
        self.audit("compare --record", &target).await?;
        for portion in wanted.chunks(NUMBERS) {
            ended(connection, &refresh(deps, asked, portion, run).await)?;
        }
        found.recorded = true;
        Ok(())
    }
}

impl Comparison {
    /// Adds what a report says of orders that were made in the time, or do not say when they were.
    fn note(&mut self, report: &ShopReport, made: &Range<i64>) {
        let is_wanted = |made_at: Option<i64>| made_at.is_none_or(|at| made.contains(&at));
        for difference in report.differences.iter().filter(|difference| is_wanted(difference.made_at)) {
            match difference.known {
                true => self.different.insert(difference.order),
                false => self.missing.insert(difference.order),
            };
        }
        let unreadable = report.unreadable.iter().copied();
        self.unreadable.extend(unreadable.filter(|order| is_wanted(report.unreadable_made_at.get(order).copied())));
        self.unnamed.extend(report.unnamed.iter().cloned());
    }
}

/// A run that did not come to its end has not compared everything.
fn ended(connection: &Connection, report: &ShopReport) -> Result<(), OperatorError> {
    match (&report.failure, report.stopped) {
        (Some(failure), _) => Err(OperatorError::Stack(format!("{connection}: {failure}"))),
        (None, Stopped::CaughtUp) => Ok(()),
        (None, _) => Err(OperatorError::Stack(format!("{connection}: it took too long: compare fewer days at a time"))),
    }
}
