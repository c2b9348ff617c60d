//! `PutEvents`, until every event is published or has failed, and never a document's later revision before an earlier.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use ledger::DocumentKey;
use ledger::sdk_reason;
use tokio::time::Instant;

use crate::{Event, RelayDeps};

/// Entries in one `PutEvents` at most (EventBridge API reference, `PutEvents`).
const BATCH_ENTRIES: usize = 10;
/// What `PutEvents` says of an entry that it will never take, whoever sends it and however often (EventBridge API
/// reference, `PutEventsResultEntry`).
const REFUSALS: [&str; 5] = [
    "InvalidArgument",
    "MalformedDetail",
    "NotAuthorizedForDetailTypeException",
    "NotAuthorizedForSourceException",
    "RedactionFailure",
];

/// How patiently, and in what portions, events are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of all entries in one request, as EventBridge counts them.
    pub request_bytes: usize,
    /// How often an event is tried, the first time included.
    pub attempts: u32,
    /// The longest pause after a first failure; it doubles with each further one. The pause itself is drawn from zero up
    /// to this.
    pub base_delay: Duration,
}

impl Default for Limits {
    /// A little under 1 MB, which EventBridge has taken since January 2026 (AWS Compute Blog, "More room to build:
    /// serverless services now support payloads up to 1 MB"): whether that is 1000 or 1024 KB, and how much the envelope
    /// around an entry takes of it, is not said. 6 tries, over some seconds.
    fn default() -> Self {
        Self { request_bytes: 990_000, attempts: 6, base_delay: Duration::from_millis(100) }
    }
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// EventBridge has it.
    Published,
    /// It was not published, and may be later: the error code, or why it was not tried.
    Failed(String),
    /// EventBridge will never take it: the error code.
    Refused(String),
}

struct Pending<'a> {
    index: usize,
    event: &'a Event,
    attempts: u32,
}

/// Publishes events in their order; answers what became of each.
///
/// A request holds no more than one revision of a document, since of two in one request the earlier may fail while the
/// later succeeds. Once an event has failed for good, later ones of its document are not tried.
pub(crate) async fn publish(deps: &RelayDeps, events: &[Event], deadline: Instant) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Failed("it was not tried".to_owned()); events.len()];
    let mut pending: Vec<Pending<'_>> =
        events.iter().enumerate().map(|(index, event)| Pending { index, event, attempts: 0 }).collect();
    let mut failed: HashSet<&DocumentKey> = HashSet::new();
    let mut failures_in_a_row = 0;
    while !pending.is_empty() && Instant::now() < deadline {
        let batch = take_batch(&mut pending, deps.limits.request_bytes);
        let results = put(deps, &batch).await;
        let mut again = Vec::new();
        for (mut tried, result) in batch.into_iter().zip(results) {
            tried.attempts += 1;
            match result {
                Outcome::Failed(reason) if tried.attempts >= deps.limits.attempts => {
                    failed.insert(&tried.event.key.document);
                    outcomes[tried.index] = Outcome::Failed(reason);
                }
                Outcome::Failed(reason) => {
                    outcomes[tried.index] = Outcome::Failed(reason);
                    again.push(tried);
                }
                over => outcomes[tried.index] = over,
            }
        }
        pending.retain(|one| !failed.contains(&one.event.key.document));
        if again.is_empty() {
            failures_in_a_row = 0;
            continue;
        }
        // They go to the front again: they are the oldest of their documents.
        again.append(&mut pending);
        pending = again;
        failures_in_a_row += 1;
        pause(deps.limits.base_delay, failures_in_a_row, deadline).await;
    }
    outcomes
}

/// Takes the next events out of the queue: the oldest of each document, as many as a request holds.
fn take_batch<'a>(pending: &mut Vec<Pending<'a>>, request_bytes: usize) -> Vec<Pending<'a>> {
    let mut documents = HashSet::new();
    let (mut batch, mut rest) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for one in pending.drain(..) {
        let first = documents.insert(&one.event.key.document);
        let fits = batch.is_empty() || bytes + entry_bytes(one.event) <= request_bytes;
        if first && fits && batch.len() < BATCH_ENTRIES {
            bytes += entry_bytes(one.event);
            batch.push(one);
        } else {
            rest.push(one);
        }
    }
    *pending = rest;
    batch
}

/// The size of an entry as EventBridge counts it (EventBridge user guide, "Calculating PutEvents event entry size"): 14
/// bytes for the time, and the UTF-8 bytes of source, detail-type and detail.
pub(crate) fn entry_bytes(event: &Event) -> usize {
    14 + event.source.len() + event.detail_type.len() + event.detail.len()
}

async fn put(deps: &RelayDeps, batch: &[Pending<'_>]) -> Vec<Outcome> {
    let entries = batch.iter().map(|pending| {
        PutEventsRequestEntry::builder()
            .event_bus_name(&deps.bus_name)
            .time(DateTime::from_secs(pending.event.time.as_second()))
            .source(pending.event.source)
            .detail_type(&pending.event.detail_type)
            .detail(&pending.event.detail)
            .build()
    });
    let results = match deps.bus.put_events().set_entries(Some(entries.collect())).send().await {
        Ok(answer) => answer.entries.unwrap_or_default(),
        Err(error) => {
            let reason = sdk_reason(&error);
            tracing::warn!(reason, entries = batch.len(), "PutEvents failed");
            return vec![Outcome::Failed(reason); batch.len()];
        }
    };
    // An answer that is too short says nothing of the last entries, so they are not known to be published.
    let missing = || Outcome::Failed("no result".to_owned());
    results.iter().map(outcome).chain(std::iter::repeat_with(missing)).take(batch.len()).collect()
}

fn outcome(result: &PutEventsResultEntry) -> Outcome {
    match result.error_code() {
        None if result.event_id().is_some() => Outcome::Published,
        None => Outcome::Failed("no result".to_owned()),
        Some(code) if REFUSALS.contains(&code) => Outcome::Refused(code.to_owned()),
        Some(code) => Outcome::Failed(code.to_owned()),
    }
}

async fn pause(base: Duration, failures: u32, deadline: Instant) {
    let longest = base.saturating_mul(1 << (failures - 1).min(6));
    let left = deadline.saturating_duration_since(Instant::now());
    tokio::time::sleep(longest.mul_f64(fastrand::f64()).min(left)).await;
}
