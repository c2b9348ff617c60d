//! An event read again from the ledger.

use jiff::Timestamp;
use ledger::{Ledger, LedgerError, Revision, RevisionKey};
use serde_json::{Value, json};

use crate::{Event, revision_before};

/// What of an event is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The event, whole.
    Found(Box<Event>),
    /// Its revision is erased or expired. The ledger cannot tell which.
    Gone,
    /// There never was such a revision.
    Unknown,
    /// Its revision cannot be read: why. Names places, never contents.
    Unreadable(String),
}

/// Reads an event again, whole, however large it is.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read.
pub async fn read_event(ledger: &Ledger, key: &RevisionKey) -> Result<Reading, LedgerError> {
    let revision = match ledger.revision(key).await {
        Ok(Some(revision)) => revision,
        Ok(None) => {
            // The head outlives its revisions.
            let head = ledger.head(&key.document).await?;
            let was_there = head.is_some_and(|head| (1..=head.revision).contains(&key.revision));
            return Ok(if was_there { Reading::Gone } else { Reading::Unknown });
        }
        Err(error) if error.is_of_item() => return Ok(Reading::Unreadable(error.to_string())),
        Err(error) => return Err(error),
    };
    let before = before(ledger, key).await?;
    Ok(match Event::of_revision(key, &revision, before.as_ref(), usize::MAX) {
        Ok(event) => Reading::Found(Box::new(event)),
        Err(reason) => Reading::Unreadable(reason.to_string()),
    })
}

/// The revision before, as far as it is there and can be read.
async fn before(ledger: &Ledger, key: &RevisionKey) -> Result<Option<Revision>, LedgerError> {
    let Some(before) = revision_before(key) else { return Ok(None) };
    match ledger.revision(&before).await {
        Err(error) if error.is_of_item() => Ok(None),
        read => read,
    }
}

impl Event {
    /// The event as a rule of the bus sees it, but for what the bus itself adds: its own `id`, `account`, `region`,
    /// `resources` and `version`.
    pub fn published(&self) -> Value {
        let detail: Value = serde_json::from_str(&self.detail).unwrap_or_default();
        let time = Timestamp::from_second(self.time.as_second()).unwrap_or(self.time);
        json!({ "source": self.source, "detail-type": self.detail_type, "time": time.to_string(), "detail": detail })
    }
}
