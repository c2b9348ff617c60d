//! A portion of revisions: published in their order, and what never can be becomes dead letters.

use std::collections::HashSet;

use events::Event;
use ledger::{DocumentKey, Revision, RevisionKey};
use platform::{Function, Metric};
use tokio::time::Instant;

use crate::RelayDeps;
use crate::before::events_of;
use crate::dead_letter::DeadLetter;
use crate::publish::{PublishOutcome, publish};

/// What became of some revisions.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) published: usize,
    /// Of these, how many without their document.
    pub(crate) truncated: usize,
    pub(crate) dead_lettered: usize,
    /// Those that were not published and may be later, each with the reason.
    pub(crate) failed: Vec<(RevisionKey, String)>,
}

impl Done {
    /// Logs it. The revisions came from a batch of the stream (`stream`) or were asked for again (`republish`).
    pub(crate) fn log(&self, from: &'static str, records: usize) {
        let Self { published, truncated, dead_lettered, failed } = self;
        let Some((key, reason)) = failed.first() else {
            tracing::info!(from, records, published, truncated, dead_lettered, "published revisions to the event bus");
            return;
        };
        let (failed, first_failed) = (failed.len(), key.event_id());
        tracing::error!(
            from,
            records,
            published,
            truncated,
            dead_lettered,
            failed,
            first_failed,
            reason,
            "could not publish all revisions to the event bus"
        );
    }
}

/// A revision that is neither published nor a dead letter yet.
struct Left {
    key: RevisionKey,
    /// Its event, or why it can never be published.
    event: Result<Event, String>,
    /// Why it failed for now.
    failure: Option<String>,
}

/// Publishes revisions, in their order for each document. What can never be published goes to the dead-letter queue, and
/// holds up the later revisions of its document until it is there: without the letter, the gap would be silent.
///
/// The caller hands the revisions over again from the first that failed on. So only what stands before that one becomes a
/// letter: after it, each time would write one more.
pub(crate) async fn publish_all(
    deps: &RelayDeps,
    revisions: Vec<(RevisionKey, Result<Revision, String>)>,
    deadline: Instant,
) -> Done {
    let mut done = Done::default();
    let events = events_of(deps, revisions).await.into_iter();
    let mut left: Vec<Left> = events.map(|(key, event)| Left { key, event, failure: None }).collect();
    let mut taken = Vec::new();
    // Each round that ends without a failure publishes everything, or makes letters that let later revisions go.
    while !left.is_empty() && left.iter().all(|one| one.failure.is_none()) {
        taken.extend(publish_ready(deps, &mut left, &mut done, deadline).await);
        bury_hopeless(deps, &mut left, &mut done, deadline).await;
    }
    deps.published.note(&taken).await;
    let waits = || "an earlier revision of its document comes first".to_owned();
    let reason = |one: Left| (one.key, one.failure.or(one.event.err()).unwrap_or_else(waits));
    done.failed = left.into_iter().map(reason).collect();
    let counted = [(Metric::Published, done.published as u64), (Metric::DeadLettered, done.dead_lettered as u64)];
    deps.metrics.record(Function::EventRelay, None, &counted);
    done
}

/// Publishes what has an event and no hopeless revision of its document before it. Gives what the bus took.
async fn publish_ready(deps: &RelayDeps, left: &mut Vec<Left>, done: &mut Done, deadline: Instant) -> Vec<RevisionKey> {
    let mut held: HashSet<&DocumentKey> = HashSet::new();
    let (mut places, mut events) = (Vec::new(), Vec::new());
    for (place, one) in left.iter().enumerate() {
        match &one.event {
            Err(_) => drop(held.insert(&one.key.document)),
            Ok(_) if held.contains(&one.key.document) => {}
            Ok(event) => {
                places.push(place);
                events.push(event);
            }
        }
    }
    let outcomes = publish(deps, &events, deadline).await;
    let mut published = HashSet::new();
    for (place, outcome) in places.into_iter().zip(outcomes) {
        match outcome {
            PublishOutcome::Published { truncated } => {
                done.published += 1;
                done.truncated += usize::from(truncated);
                published.insert(place);
            }
            PublishOutcome::Failed(reason) => left[place].failure = Some(reason),
            PublishOutcome::Refused(reason) => left[place].event = Err(format!("the event bus refuses it: {reason}")),
            PublishOutcome::Held => {}
        }
    }
    let taken = published.iter().map(|place| left[*place].key.clone()).collect();
    let mut places = 0..;
    left.retain(|_| places.next().is_none_or(|place| !published.contains(&place)));
    taken
}

/// Makes a dead letter of every revision that can never be published, up to the first one that failed.
async fn bury_hopeless(deps: &RelayDeps, left: &mut Vec<Left>, done: &mut Done, deadline: Instant) {
    let mut buried = HashSet::new();
    for (place, one) in left.iter_mut().enumerate() {
        if one.failure.is_some() {
            break;
        }
        let Err(reason) = &one.event else { continue };
        if Instant::now() >= deadline {
            one.failure = Some("no time was left for its dead letter".to_owned());
            break;
        }
        match deps.dead_letters.put(&DeadLetter::new(&one.key, reason)).await {
            Ok(()) => {
                tracing::error!(
                    id = one.key.event_id(),
                    reason,
                    "a revision cannot be published: its id went to the dead-letter queue"
                );
                done.dead_lettered += 1;
                buried.insert(place);
            }
            Err(error) => {
                one.failure = Some(format!("the dead-letter queue: {error}"));
                break;
            }
        }
    }
    let mut places = 0..;
    left.retain(|_| places.next().is_none_or(|place| !buried.contains(&place)));
}
