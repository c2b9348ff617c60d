//! Publishing again: a document, a time, or what is in the dead-letter queue.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use ledger::{Connection, DocumentKey, Indexed, LedgerError, Revision, RevisionKey, ScanPosition, Span};
use platform::{Function, Metric};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::before::events_of;
use crate::dead_letter::Subject;
use crate::portion::{Done, publish_all};
use crate::publish::{PublishOutcome, publish};
use crate::request::TABLE_START;
use crate::{RelayDeps, Republish};

/// A revision is in the stream a little after it was recorded, by a clock that is not ours.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);

/// Revisions that are read and published at a time.
const PORTION: usize = 100;

/// What was published again.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Republished {
    /// Events published.
    pub published: usize,
    /// Of these, how many were too large for their document.
    pub truncated: usize,
    /// Revisions that cannot be published, and are in the dead-letter queue.
    pub dead_lettered: usize,
    /// Ids of the revisions that were not published and may be later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// Dead letters whose revision has expired, or that are not understood. They stay in the queue too.
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
            let revisions = deps.ledger.find_document(document).await?;
            if revisions.is_empty() {
                return Err(RepublishError::NotFound(document.to_string()));
            }
            report.add(publish_all(deps, revisions, deadline).await);
        }
        Republish::Time { connection, from, until, after, unpublished } => {
            let times = [(*from, *until)];
            let stopped = match connection {
                Some(connection) if *unpublished || deps.ledger.indexed().await? == Indexed::All => {
                    let span = Span { from: *from, until: *until };
                    let wish = Listed { connection, span, unpublished: *unpublished, after: after.as_ref() };
                    listed(deps, &wish, deadline, &mut report).await?
                }
                _ => recorded(deps, connection.as_ref(), &times, after.clone(), deadline, &mut report).await?,
            };
            report.next = match stopped {
                Stopped::AtEnd => None,
                Stopped::Before(None) => Some(json!(TABLE_START)),
                Stopped::Before(Some(next)) => Some(json!({ "pk": next.pk, "sk": next.sk })),
            };
        }
        Republish::DeadLetters => dead_letters(deps, deadline, &mut report).await?,
    }
    Ok(report)
}

/// Where a reading of the table stopped.
enum Stopped {
    /// At its end: everything was looked at.
    AtEnd,
    /// Before it: the next one begins after this item, or at the table's start.
    Before(Option<ScanPosition>),
}

/// Puts the revisions of each document in their order, in the places that the document has: two can be recorded in one
/// millisecond, or by clocks that differ.
fn in_order(mut keys: Vec<RevisionKey>) -> Vec<RevisionKey> {
    let mut of_each: HashMap<DocumentKey, Vec<u32>> = HashMap::new();
    for key in &keys {
        of_each.entry(key.document.clone()).or_default().push(key.revision);
    }
    of_each.values_mut().for_each(|revisions| revisions.sort_unstable_by(|a, b| b.cmp(a)));
    for key in &mut keys {
        if let Some(next) = of_each.get_mut(&key.document).and_then(Vec::pop) {
            key.revision = next;
        }
    }
    keys
}

/// What of the index over arrivals is to be published.
struct Listed<'a> {
    connection: &'a Connection,
    span: Span,
    /// Only what has no record of its publication.
    unpublished: bool,
    /// Where an earlier call stopped.
    after: Option<&'a ScanPosition>,
}

/// Publishes what the index over arrivals has of a time; answers where it stopped.
async fn listed(
    deps: &RelayDeps,
    wish: &Listed<'_>,
    deadline: Instant,
    report: &mut Republished,
) -> Result<Stopped, RepublishError> {
    let arrivals = match wish.unpublished {
        true => deps.ledger.unpublished(wish.connection, wish.span, deps.published.now()).await?,
        false => deps.ledger.arrivals(wish.connection, wish.span).await?,
    };
    let keys = in_order(arrivals.into_iter().map(|arrival| arrival.key).collect());
    // What was published since is no longer listed as unpublished: then all that is listed comes after.
    let done = wish.after.and_then(|after| keys.iter().position(|key| ScanPosition::of(key) == *after));
    let left = &keys[done.map_or(0, |place| place + 1)..];
    let mut stopped = wish.after.cloned();
    for (number, portion) in left.chunks(PORTION).enumerate() {
        // Each call does something, however long the list took.
        if number > 0 && Instant::now() >= deadline {
            return Ok(Stopped::Before(stopped));
        }
        let mut revisions = Vec::with_capacity(portion.len());
        for key in portion {
            match deps.ledger.revision(key).await {
                Ok(revision) => revisions.extend(revision.map(|revision| (key.clone(), Ok(revision)))),
                Err(error) if error.is_of_item() => revisions.push((key.clone(), Err(error.to_string()))),
                Err(error) => return Err(error.into()),
            }
        }
        let failed_before = report.failed.len();
        report.add(publish_all(deps, revisions, deadline).await);
        if report.failed.len() > failed_before {
            return Ok(Stopped::Before(stopped));
        }
        stopped = portion.last().map(ScanPosition::of);
    }
    Ok(Stopped::AtEnd)
}

/// Publishes what was recorded in some times, each from its first instant on and before its second; answers where it
/// stopped.
async fn recorded(
    deps: &RelayDeps,
    connection: Option<&Connection>,
    times: &[(Timestamp, Timestamp)],
    mut after: Option<ScanPosition>,
    deadline: Instant,
    report: &mut Republished,
) -> Result<Stopped, RepublishError> {
    let (Some(from), Some(until)) = (times.iter().map(|time| time.0).min(), times.iter().map(|time| time.1).max())
    else {
        return Ok(Stopped::AtEnd);
    };
    // The time of an item that cannot be read is not known more exactly.
    let wanted = |revision: &Result<Revision, String>| match revision {
        Ok(revision) => times.iter().any(|(from, until)| (*from..*until).contains(&revision.recorded_at)),
        Err(_) => true,
    };
    loop {
        let mut found = deps.ledger.find_revisions(connection, from, until, after.as_ref()).await?;
        found.revisions.retain(|(_, revision)| wanted(revision));
        let failed_before = report.failed.len();
        report.add(publish_all(deps, found.revisions, deadline).await);
        // A page that was not published whole is where the next call begins again.
        if report.failed.len() > failed_before {
            return Ok(Stopped::Before(after));
        }
        match found.next {
            None => return Ok(Stopped::AtEnd),
            next if Instant::now() >= deadline => return Ok(Stopped::Before(next)),
            next => after = next,
        }
    }
}

/// Publishes what the dead letters are about, and removes those that are dealt with. The others stay as they are.
async fn dead_letters(deps: &RelayDeps, deadline: Instant, report: &mut Republished) -> Result<(), RepublishError> {
    let failed = RepublishError::DeadLetters;
    // The id of the first letter of each text: one revision can have many, when Lambda handed it over again and again.
    let mut first: HashMap<String, String> = HashMap::new();
    let (mut batches, mut times) = (Vec::new(), Vec::new());
    loop {
        if Instant::now() >= deadline {
            report.next = Some(json!("dead-letters"));
            return Ok(());
        }
        let letters = deps.dead_letters.take().await.map_err(failed)?;
        if letters.is_empty() {
            break;
        }
        for letter in letters {
            let (body, id) = (letter.body().unwrap_or_default(), letter.message_id().unwrap_or_default());
            match first.get(body) {
                // SQS may hand over one message twice. It is dealt with, or stays.
                Some(known) if known == id => continue,
                Some(_) => {
                    deps.dead_letters.remove(&letter).await.map_err(failed)?;
                    continue;
                }
                None => drop(first.insert(body.to_owned(), id.to_owned())),
            }
            match Subject::of(body) {
                Subject::Revision(key) => {
                    if one(deps, key, deadline, report).await? {
                        deps.dead_letters.remove(&letter).await.map_err(failed)?;
                    }
                }
                Subject::Time(first, last) => {
                    times.push((first - CLOCKS, last + CLOCKS));
                    batches.push(letter);
                }
                Subject::Unknown => report.left.push(format!("message {id}")),
            }
        }
    }
    // However many batches Lambda gave up, the table is read once.
    if let Stopped::Before(_) = recorded(deps, None, &times, None, deadline, report).await? {
        report.next = Some(json!("dead-letters"));
        return Ok(());
    }
    for letter in &batches {
        deps.dead_letters.remove(letter).await.map_err(failed)?;
    }
    Ok(())
}

/// Publishes the revision of a dead letter; answers whether its letter is dealt with.
async fn one(
    deps: &RelayDeps,
    key: RevisionKey,
    deadline: Instant,
    report: &mut Republished,
) -> Result<bool, RepublishError> {
    let id = key.event_id();
    let revision = match deps.ledger.revision(&key).await {
        Ok(Some(revision)) => Ok(revision),
        Ok(None) => {
            report.left.push(id);
            return Ok(false);
        }
        Err(error) if error.is_of_item() => Err(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let events = events_of(deps, vec![(key.clone(), revision)]).await;
    let Some((_, event)) = events.first() else { return Ok(false) };
    let outcome = match event {
        Ok(event) => publish(deps, &[event], deadline).await.pop().unwrap_or(PublishOutcome::Held),
        Err(reason) => PublishOutcome::Refused(reason.clone()),
    };
    match outcome {
        PublishOutcome::Published { truncated } => {
            deps.published.note(&[key]).await;
            report.published += 1;
            report.truncated += usize::from(truncated);
            deps.metrics.record(Function::EventRelay, None, &[(Metric::Published, 1)]);
            Ok(true)
        }
        // Its letter stays, with the first reason; another one would say no more.
        PublishOutcome::Refused(reason) => {
            tracing::error!(id, reason, "a revision still cannot be published: its dead letter stays in the queue");
            report.dead_lettered += 1;
            Ok(false)
        }
        PublishOutcome::Failed(_) | PublishOutcome::Held => {
            report.failed.push(id);
            Ok(false)
        }
    }
}
