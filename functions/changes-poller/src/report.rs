//! What a run answers and logs.

use std::collections::BTreeSet;

use platform::Metric;
use serde::Serialize;

/// A run's answer: one report a shop.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Report {
    /// The shops, by name.
    pub shops: Vec<ShopReport>,
}

impl Report {
    /// The shops whose run failed, each with why; none when all is well.
    pub fn failures(&self) -> Option<String> {
        let failed: Vec<String> =
            self.shops.iter().filter_map(|shop| Some(format!("{}: {}", shop.shop, shop.failure.as_ref()?))).collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }
}

/// Why a shop's run stopped.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// It read everything there was.
    #[default]
    CaughtUp,
    /// Its time was nearly over; the next run goes on.
    Deadline,
    /// Another run polls this shop.
    LeaseHeld,
    /// Another run took this one's lease over.
    LeaseLost,
    /// It failed: see `failure`.
    Failed,
}

/// What a run did at one shop.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct ShopReport {
    /// The shop's name.
    pub shop: String,
    /// Pages read.
    pub pages: u64,
    /// Orders in them, repeats included.
    pub orders: u64,
    /// Orders that were new to the ledger.
    pub new: u64,
    /// Orders that got a further revision.
    pub updated: u64,
    /// Orders as the ledger knew them.
    pub unchanged: u64,
    /// Orders of which a newer state was recorded meanwhile.
    pub stale: u64,
    /// Orders that could not be read and went to quarantine for the first time.
    pub quarantined: u64,
    /// Gaps that are open now.
    pub gaps_open: u64,
    /// The cursor of the created stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_cursor: Option<CursorReport>,
    /// The cursor of the updated stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_cursor: Option<CursorReport>,
    /// Orders that a dry run found the ledger to lack.
    #[serde(skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Orders of which a dry run found another state in the ledger.
    #[serde(skip_serializing_if = "is_zero")]
    pub different: u64,
    /// Which orders those are, the first [`MAX_DIFFERENCES`] of them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub differences: BTreeSet<Difference>,
    /// The highest order id seen.
    #[serde(skip)]
    pub(crate) highest_order: Option<u64>,
    /// Where a backfill that ran out of time can be taken up again: the event's next `created_after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_from: Option<String>,
    /// Why the run stopped.
    pub stopped: Stopped,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The most differences that a report lists: an answer of Lambda holds 6 MB.
pub const MAX_DIFFERENCES: usize = 100_000;

impl ShopReport {
    /// The report without its list of orders.
    pub(crate) fn counts(&self) -> Self {
        let Self { shop, created_cursor, updated_cursor, resume_from, stopped, failure, .. } = self;
        Self {
            shop: shop.clone(),
            differences: BTreeSet::new(),
            created_cursor: *created_cursor,
            updated_cursor: *updated_cursor,
            resume_from: resume_from.clone(),
            stopped: *stopped,
            failure: failure.clone(),
            ..*self
        }
    }

    /// What the run adds to the metrics. Only a poll is `live`: a backfill and a refresh move no cursor, and whoever asked
    /// for them is told whether they failed.
    pub(crate) fn metrics(&self, live: bool) -> Vec<(Metric, u64)> {
        if self.stopped == Stopped::LeaseHeld {
            return Vec::new();
        }
        let mut counted = vec![
            (Metric::Polled, self.orders),
            (Metric::Recorded, self.new + self.updated),
            (Metric::Stale, self.stale),
            (Metric::Quarantined, self.quarantined),
        ];
        if live {
            counted.push((Metric::PollRuns, 1));
            counted.push((Metric::PollFailures, u64::from(self.stopped == Stopped::Failed)));
            // The updated stream is walked after the created one, so its lag covers both. A run that failed before it
            // knew the shop's state knows neither its lag nor its gaps.
            if let Some(updated) = self.updated_cursor {
                counted.push((Metric::LagSeconds, u64::try_from(updated.lag_seconds).unwrap_or_default()));
                counted.push((Metric::GapsOpen, self.gaps_open));
            }
        }
        counted
    }

    /// Notes an order that the ledger does not hold as the shop shows it.
    pub(crate) fn note_difference(&mut self, difference: Difference) {
        if self.differences.contains(&difference) {
            return;
        }
        *(if difference.known { &mut self.different } else { &mut self.missing }) += 1;
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.insert(difference);
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Where a cursor stands.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct CursorReport {
    /// Unix seconds, on the shop's clock.
    pub position: i64,
    /// How long ago, in seconds, the stream was known to be read to its end: 0 when this run did that.
    pub lag_seconds: i64,
}

/// An order that the shop shows and the ledger does not hold so.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The order's id.
    pub order: u64,
    /// Whether the ledger holds another state of it; otherwise it holds none.
    pub known: bool,
}
