//! `PutEvents`, until every event is published or has failed, and never a document's later revision before an earlier.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_eventbridge::config::http::HttpResponse;
use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::operation::put_events::PutEventsError;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use events::{Event, MAX_DETAIL_BYTES};
use ledger::{DocumentKey, sdk_reason};
use tokio::time::Instant;

use crate::RelayDeps;

/// Entries in one `PutEvents` at most (EventBridge API reference, `PutEvents`).
const BATCH_ENTRIES: usize = 10;
/// The error codes with which `PutEvents` refuses an entry permanently: sent again as it is, it is refused again
/// (EventBridge API reference, `PutEventsResultEntry`).
const REFUSALS: [&str; 5] = [
    "InvalidArgument",
    "MalformedDetail",
    "NotAuthorizedForDetailTypeException",
    "NotAuthorizedForSourceException",
    "RedactionFailure",
];

/// What `PutEvents` says of a whole request that it will not take for what it holds, for its size for example. The API
/// reference lists no errors of this kind, so these are the ones that any call of an AWS service can answer ("Common Error
/// Types"). Others, of a role that may not publish or a bus that is not there, are no fault of the events.
const CONTENT_REFUSALS: [&str; 3] = ["ValidationException", "ValidationError", "SerializationException"];
/// The HTTP status of a request that is too large.
const CONTENT_TOO_LARGE: u16 = 413;

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
    /// As many bytes as a detail may have; 6 tries, over some seconds.
    fn default() -> Self {
        Self { request_bytes: MAX_DETAIL_BYTES, attempts: 6, base_delay: Duration::from_millis(100) }
    }
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublishOutcome {
    /// EventBridge accepted it.
    Published {
        /// Whether without its document.
        truncated: bool,
    },
    /// It was not published, and may be later: the error code, or why it was not tried.
    Failed(String),
    /// EventBridge refuses it permanently, also without its document: the error code.
    Refused(String),
    /// It was not tried, because an earlier revision of its document was not published.
    Held,
}

struct Pending<'a> {
    index: usize,
    event: &'a Event,
    attempts: u32,
    /// It is sent in a request of its own.
    alone: bool,
    /// It is sent without its document.
    bare: bool,
}

impl Pending<'_> {
    fn detail(&self) -> &str {
        if self.bare { &self.event.bare_detail } else { &self.event.detail }
    }

    fn leave_document_out(&mut self, reason: &str) {
        let id = self.event.key.event_id();
        tracing::warn!(id, reason, "the event bus refused an event: it is sent without its document");
        self.bare = true;
    }

    /// The size of an entry as EventBridge counts it (EventBridge user guide, "Calculating PutEvents event entry size"):
    /// 14 bytes for the time, and the UTF-8 bytes of source, detail-type and detail.
    fn bytes(&self) -> usize {
        14 + self.event.source.len() + self.event.detail_type.len() + self.detail().len()
    }
}

/// Publishes events in their order; answers what became of each.
///
/// A request holds no more than one revision of a document, since of two in one request the earlier may fail while the
/// later succeeds. Once an event has failed in its last attempt or is refused, later ones of its document are not tried.
///
/// A request that is refused for what it holds says nothing of its entries, so each is sent by itself. An entry that is
/// refused is sent without its document, and only then it is refused itself.
///
/// Without a bus that is known to be there, nothing is published: all of it fails for now.
pub(crate) async fn publish(deps: &RelayDeps, events: &[&Event], deadline: Instant) -> Vec<PublishOutcome> {
    if !events.is_empty()
        && Instant::now() < deadline
        && let Err(reason) = deps.bus.verify().await
    {
        return vec![PublishOutcome::Failed(format!("the event bus could not be verified: {reason}")); events.len()];
    }
    let mut outcomes = vec![PublishOutcome::Held; events.len()];
    let new = |(index, event)| Pending { index, event, attempts: 0, alone: false, bare: event.truncated };
    let mut pending: Vec<Pending<'_>> = events.iter().copied().enumerate().map(new).collect();
    let mut held: HashSet<&DocumentKey> = HashSet::new();
    let mut failures_in_a_row = 0;
    while !pending.is_empty() {
        if Instant::now() >= deadline {
            for one in pending {
                outcomes[one.index] = PublishOutcome::Failed("no time was left".to_owned());
            }
            break;
        }
        let mut batch = take_batch(&mut pending, deps.limits.request_bytes);
        let mut again = Vec::new();
        match put(deps, &batch).await {
            Err(reason) => match &mut batch[..] {
                [one] if one.bare => {
                    held.insert(&one.event.key.document);
                    outcomes[one.index] = PublishOutcome::Refused(reason);
                }
                [one] => {
                    one.leave_document_out(&reason);
                    again = batch;
                }
                _ => {
                    batch.iter_mut().for_each(|one| one.alone = true);
                    again = batch;
                }
            },
            Ok(results) => {
                let mut failures = false;
                for (mut tried, result) in batch.into_iter().zip(results) {
                    tried.attempts += 1;
                    match result {
                        PublishOutcome::Failed(_) if tried.attempts < deps.limits.attempts => {
                            failures = true;
                            again.push(tried);
                        }
                        PublishOutcome::Refused(reason) if !tried.bare => {
                            tried.leave_document_out(&reason);
                            again.push(tried);
                        }
                        PublishOutcome::Published { .. } => outcomes[tried.index] = result,
                        _ => {
                            held.insert(&tried.event.key.document);
                            outcomes[tried.index] = result;
                        }
                    }
                }
                failures_in_a_row = if failures { failures_in_a_row + 1 } else { 0 };
            }
        }
        pending.retain(|one| !held.contains(&one.event.key.document));
        // They go to the front again: they are the oldest of their documents.
        again.append(&mut pending);
        pending = again;
        if failures_in_a_row > 0 {
            pause(deps.limits.base_delay, failures_in_a_row, deadline).await;
        }
    }
    outcomes
}

/// Takes the next events out of the queue: the oldest of each document, as many as a request holds.
fn take_batch<'a>(pending: &mut Vec<Pending<'a>>, request_bytes: usize) -> Vec<Pending<'a>> {
    let mut documents = HashSet::new();
    let (mut batch, mut rest): (Vec<Pending<'a>>, _) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for one in pending.drain(..) {
        let first = documents.insert(&one.event.key.document);
        let room = match batch.first() {
            None => true,
            Some(taken) => !taken.alone && !one.alone && bytes + one.bytes() <= request_bytes,
        };
        if first && room && batch.len() < BATCH_ENTRIES {
            bytes += one.bytes();
            batch.push(one);
        } else {
            rest.push(one);
        }
    }
    *pending = rest;
    batch
}

/// Sends a request; answers what became of each entry, or why the request as a whole was refused for what it holds.
async fn put(deps: &RelayDeps, batch: &[Pending<'_>]) -> Result<Vec<PublishOutcome>, String> {
    let entries = batch.iter().map(|pending| {
        PutEventsRequestEntry::builder()
            .event_bus_name(&deps.bus.name)
            .time(DateTime::from_secs(pending.event.time.as_second()))
            .source(pending.event.source)
            .detail_type(&pending.event.detail_type)
            .detail(pending.detail())
            .build()
    });
    let results = match deps.bus.client.put_events().set_entries(Some(entries.collect())).send().await {
        Ok(answer) => answer.entries.unwrap_or_default(),
        Err(error) => {
            let reason = sdk_reason(&error);
            tracing::warn!(reason, entries = batch.len(), "a request to the event bus failed");
            if refuses_contents(&error) {
                return Err(reason);
            }
            return Ok(vec![PublishOutcome::Failed(reason); batch.len()]);
        }
    };
    // An answer that is too short says nothing of the last entries, so they are not known to be published.
    let missing = || PublishOutcome::Failed("no result".to_owned());
    let outcomes = batch.iter().zip(&results).map(|(pending, result)| outcome(pending, result));
    Ok(outcomes.chain(std::iter::repeat_with(missing)).take(batch.len()).collect())
}

fn refuses_contents(error: &SdkError<PutEventsError, HttpResponse>) -> bool {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    status == Some(CONTENT_TOO_LARGE) || code.is_some_and(|code| CONTENT_REFUSALS.contains(&code))
}

fn outcome(pending: &Pending<'_>, result: &PutEventsResultEntry) -> PublishOutcome {
    match result.error_code() {
        None if result.event_id().is_some() => PublishOutcome::Published { truncated: pending.bare },
        None => PublishOutcome::Failed("no result".to_owned()),
        Some(code) if REFUSALS.contains(&code) => PublishOutcome::Refused(code.to_owned()),
        Some(code) => PublishOutcome::Failed(code.to_owned()),
    }
}

async fn pause(base: Duration, failures: u32, deadline: Instant) {
    let longest = base.saturating_mul(1 << (failures - 1).min(6));
    let left = deadline.saturating_duration_since(Instant::now());
    tokio::time::sleep(longest.mul_f64(fastrand::f64()).min(left)).await;
}
