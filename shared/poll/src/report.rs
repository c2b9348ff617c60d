//! What a run tells: numbers, and how it ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Why a shop's run stopped.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// It read everything there was.
    #[default]
    CaughtUp,
    /// Its time was nearly over; the next run continues.
    Deadline,
    /// Another run polls this shop.
    LeaseHeld,
    /// Another run took this one's lease over.
    LeaseLost,
    /// It failed: see `failure`.
    Failed,
}

impl Stopped {
    /// The name in reports and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CaughtUp => "caught_up",
            Self::Deadline => "deadline",
            Self::LeaseHeld => "lease_held",
            Self::LeaseLost => "lease_lost",
            Self::Failed => "failed",
        }
    }
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
    /// Orders that a dry run cannot read, by the ids that they show.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unreadable: BTreeSet<u64>,
    /// When those were made, in Unix seconds, where they show it.
    #[serde(skip)]
    pub unreadable_made_at: BTreeMap<u64, i64>,
    /// Orders that a dry run cannot read and that show no id, by the hashes of their bytes, as the quarantine names them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unnamed: BTreeSet<String>,
    /// Orders whose id was reused with another creation time.
    #[serde(skip_serializing_if = "is_zero")]
    pub reused_ids: u64,
    /// By how many seconds the shop's clock is ahead of ours, or behind (negative), where that is too much for it to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_off_seconds: Option<i64>,
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
    #[must_use]
    pub fn counts(&self) -> Self {
        let Self { shop, created_cursor, updated_cursor, resume_from, stopped, failure, .. } = self;
        Self {
            shop: shop.clone(),
            differences: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            unnamed: BTreeSet::new(),
            unreadable_made_at: BTreeMap::new(),
            created_cursor: *created_cursor,
            updated_cursor: *updated_cursor,
            resume_from: resume_from.clone(),
            stopped: *stopped,
            failure: failure.clone(),
            ..*self
        }
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
    /// When it was made, in Unix seconds, where that is known.
    #[serde(skip)]
    pub made_at: Option<i64>,
}
