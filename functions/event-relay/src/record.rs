//! The record of what the bus took, so that "was it published, and when" has an answer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ledger::{Ledger, RevisionKey};
use platform::Clock;
use tokio::sync::OnceCell;

/// How long the record of a batch may take.
pub const NOTE_TIMEOUT: Duration = Duration::from_secs(3);

/// Writes down which revisions the bus took. Clones share the knowledge that the record has begun.
#[derive(Clone)]
pub struct PublicationLog {
    ledger: Ledger,
    clock: Clock,
    begun: Arc<OnceCell<()>>,
}

impl std::fmt::Debug for PublicationLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicationLog").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl PublicationLog {
    /// The record in a ledger.
    pub fn new(ledger: Ledger, clock: Clock) -> Self {
        Self { ledger, clock, begun: Arc::default() }
    }

    /// The time, as the record has it.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Writes down that the bus took `revisions`.
    ///
    /// They are published, whether it can be written or not: nothing is published again for want of a record, and what
    /// has none does not count as published.
    pub(crate) async fn note(&self, revisions: &[RevisionKey]) {
        let Some(first) = revisions.first() else { return };
        let now = (self.clock)();
        let name = format!("{:016x}", fastrand::u64(..));
        let noting = async {
            self.begun.get_or_try_init(|| self.ledger.begin_publications(now)).await?;
            self.ledger.note_published(revisions, &name, now).await
        };
        // A table that hangs must not cost the batch: it would be published again.
        let noted = match tokio::time::timeout(NOTE_TIMEOUT, noting).await {
            Ok(noted) => noted.map_err(|error| error.to_string()),
            Err(_) => Err("the table did not answer in time".to_owned()),
        };
        if let Err(reason) = noted {
            let (first, count) = (first.event_id(), revisions.len());
            tracing::warn!(first, count, reason, "events were published, and that could not be written down");
        }
    }
}
