//! The ledger: what was received, exactly once, in one DynamoDB table.
//!
//! A *document* (an order of a shop, a document of the ERP) has a head item and one item a revision. [`Ledger::append`]
//! writes both in one transaction, so any number of writers that bring the same version make one revision. Beside the
//! documents the table keeps what the poll needs to lose nothing ([`Ledger::shop_state`]: cursors, gaps, refreshes, the
//! lease), what was asked to be done once ([`Ledger::begin_action`]), and what people need to see what happened (the
//! delivery log and the quarantine).
//!
//! Nothing here knows of the two vendors' protocols: documents come in as bytes with their [`ContentHash`].

mod action_log;
mod append;
mod arrivals;
mod audit;
mod batch_get;
mod condition;
mod control;
mod delivery;
mod document;
mod erase;
mod error;
mod hash;
mod held;
mod idempotency;
mod item;
mod key;
mod outbox;
mod poll;
mod publications;
mod refused;
mod settle;
mod table;
mod transaction;

use std::time::Duration;

use aws_sdk_dynamodb::Client;

pub use action_log::ActionLine;
pub use append::{Appended, Evidence, NewRevision, Rehash};
pub use arrivals::{ARRIVALS_INDEX, Arrival, IndexStep, Indexed, Span, Summary};
pub use audit::Audited;
pub use control::{Part, Pause};
pub use delivery::{Delivery, DeliveryOutcome, NewQuarantined, QuarantineState, Quarantined};
pub use document::{Head, Revision, Source};
pub use erase::{Erased, Erasure};
pub use error::{LedgerError, sdk_reason, with_sources};
pub use hash::ContentHash;
pub use held::{Held, HeldFilter, HeldList};
pub use idempotency::{Begun, Claim, Settled};
pub use item::Item;
pub use key::{Connection, DocumentKey, System};
pub use outbox::{FoundRevisions, RevisionKey, ScanPosition};
pub use poll::{Cursor, Fenced, Gap, GapKind, Lease, PollRun, ShopState, Stream};
pub use publications::Publication;
pub use refused::RefusedRequests;
pub use table::create_table;

/// The ledger of one DynamoDB table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    client: Client,
    table: String,
    retention: Retention,
}

/// How long what holds personal data is kept, by the table's TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Revisions. Heads are kept for ever: they hold no personal data, and without them an old order would be taken
    /// for a new one.
    pub revisions: Duration,
    /// The delivery log and the quarantine.
    pub log: Duration,
}

/// The least time for which the record of an action is kept. A message can come again for as long as it lies in the two
/// queues, 14 days in each, and a person may move it back once more; meanwhile nothing of it may be done twice.
const ACTIONS_AT_LEAST: Duration = Duration::from_secs(60 * 24 * 60 * 60);

impl Retention {
    /// How long the record of an action is kept: as long as the delivery log, and 60 days at least. It holds no personal
    /// data.
    pub fn actions(&self) -> Duration {
        self.log.max(ACTIONS_AT_LEAST)
    }
}

impl Default for Retention {
    /// 400 days for revisions, 90 for the log and the quarantine.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { revisions: 400 * DAY, log: 90 * DAY }
    }
}

impl Ledger {
    /// The ledger in `table`, which [`create_table`] or the deployment template made.
    pub fn new(client: Client, table: impl Into<String>, retention: Retention) -> Self {
        Self { client, table: table.into(), retention }
    }
}
