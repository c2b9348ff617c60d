//! Publishing again: a document, a time, or what is in the dead-letter queue.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use ledger::{Connection, LedgerError, RevisionKey, ScanPosition};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::dead_letter::Subject;
use crate::{Done, RelayDeps, Republish, publish_all};

/// A revision is in the stream a little after it was recorded, by a clock that is not ours.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);

/// What was published again.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Republished {
    /// Events published.
    pub published: usize,
    /// Of these, how many were too large for their document.
    pub truncated: usize,
    /// Revisions that cannot be published, and are in the dead-letter queue now.
    pub dead_lettered: usize,
    /// Ids of the revisions that were not published and may be later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// Dead letters whose revision has expired, or that are not understood. They stay in the queue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Not everything was looked at: call again, for a time with this as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Value>,
}

/// Why nothing could be published again. What was published before stays so.
#[derive(Debug, thiserror::Error)]
pub enum RepublishError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The dead-letter queue cannot be read.
    #[error("the dead-letter queue cannot be reached or refuses: {0}")]
    DeadLetters(String),
    /// The ledger holds no such document.
    #[error("the ledger has no revision of {0}")]
    NotFound(String),
}

impl Republished {
    fn add(&mut self, done: Done) {
        done.log("republish", done.published + done.dead_lettered + done.failed.len());
        self.published += done.published;
        self.truncated += done.truncated;
        self.dead_lettered += done.dead_lettered;
        self.failed.extend(done.failed.into_iter().map(|(key, _)| key.event_id()));
    }
}

pub(crate) async fn republish(
    deps: &RelayDeps,
    wish: &Republish,
    deadline: Instant,
) -> Result<Republished, RepublishError> {
    let mut report = Republished::default();
    match wish {
        Republish::Document(document) => {
            let revisions = deps.ledger.revisions(document).await?;
            if revisions.is_empty() {
                return Err(RepublishError::NotFound(document.to_string()));
            }
            let keyed = revisions.into_iter().map(|revision| {
                (RevisionKey { document: document.clone(), revision: revision.revision }, Ok(revision))
            });
            report.add(publish_all(deps, keyed.collect(), deadline).await);
        }
        Republish::Time { connection, from, until, after } => {
            let next = time(deps, connection.as_ref(), *from, *until, after.clone(), deadline, &mut report).await?;
            report.next = next.map(|next| json!({ "pk": next.pk, "sk": next.sk }));
        }
        Republish::DeadLetters => dead_letters(deps, deadline, &mut report).await?,
    }
    Ok(report)
}

/// Publishes what was recorded in a time; answers where it stopped, if it did before the end.
async fn time(
    deps: &RelayDeps,
    connection: Option<&Connection>,
    from: Timestamp,
    until: Timestamp,
    mut after: Option<ScanPosition>,
    deadline: Instant,
    report: &mut Republished,
) -> Result<Option<ScanPosition>, RepublishError> {
    loop {
        let found = deps.ledger.find_revisions(connection, from, until, after.as_ref()).await?;
        let failed_before = report.failed.len();
        report.add(publish_all(deps, found.revisions, deadline).await);
        // A page that was not published whole is where the next call begins again.
        if report.failed.len() > failed_before {
            return Ok(after);
        }
        match found.next {
            None => return Ok(None),
            next if Instant::now() >= deadline => return Ok(next),
            next => after = next,
        }
    }
}

async fn dead_letters(deps: &RelayDeps, deadline: Instant, report: &mut Republished) -> Result<(), RepublishError> {
    // A revision that still cannot be published makes a new letter like the old one, which must not go round for ever.
    let mut seen = HashSet::new();
    while Instant::now() < deadline {
        let mut letters = deps.dead_letters.take().await.map_err(RepublishError::DeadLetters)?;
        letters.retain(|letter| seen.insert(letter.body().unwrap_or_default().to_owned()));
        if letters.is_empty() {
            return Ok(());
        }
        for letter in letters {
            let failed_before = report.failed.len();
            let dealt_with = match Subject::of(letter.body().unwrap_or_default()) {
                Subject::Revision(key) => match deps.ledger.revision(&key).await {
                    Ok(None) => {
                        report.left.push(key.event_id());
                        false
                    }
                    // Should it be unreadable still, publishing writes a new letter in place of this one.
                    Ok(Some(revision)) => {
                        report.add(publish_all(deps, vec![(key, Ok(revision))], deadline).await);
                        report.failed.len() == failed_before
                    }
                    Err(LedgerError::Corrupt { .. }) => {
                        report.left.push(key.event_id());
                        false
                    }
                    Err(error) => return Err(error.into()),
                },
                Subject::Time(first, last) => {
                    let stopped = time(deps, None, first - CLOCKS, last + CLOCKS, None, deadline, report).await?;
                    stopped.is_none() && report.failed.len() == failed_before
                }
                Subject::Unknown => {
                    report.left.push(format!("message {}", letter.message_id().unwrap_or("without an id")));
                    false
                }
            };
            if dealt_with {
                deps.dead_letters.remove(&letter).await.map_err(RepublishError::DeadLetters)?;
            }
        }
    }
    report.next = Some(json!("dead-letters"));
    Ok(())
}
