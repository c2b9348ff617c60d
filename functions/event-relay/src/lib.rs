//! Publishes every revision that the ledger records to the event bus, at least once and under one id.
//!
//! Lambda hands over what the table's stream holds, in batches. What was not published is reported back to Lambda, which
//! hands it over again; what can never be published goes to the dead-letter queue, with the revision's id and the reason.
//! Order is kept per document: none of its revisions is published while an earlier one of the same batch is not.

mod dead_letter;
mod detail;
mod publish;
mod republish;
mod request;

use std::collections::{HashMap, HashSet};

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda::{Function, Metric, Metrics};
use ledger::{DocumentKey, Item, Ledger, Revision, RevisionKey};
use tokio::time::Instant;

pub use dead_letter::DeadLetters;
pub use detail::{Event, ORDER_CREATED, ORDER_UPDATED, Unreadable, event, schemas};
pub use publish::Limits;
pub use republish::{RepublishError, Republished};
pub use request::{Republish, Request, RequestError};

use crate::dead_letter::DeadLetter;
use crate::publish::{Outcome, publish};

/// What the relay works with.
#[derive(Clone, Debug)]
pub struct RelayDeps {
    /// Where revisions are read again when they are to be published again.
    pub ledger: Ledger,
    /// EventBridge.
    pub bus: aws_sdk_eventbridge::Client,
    /// The name or ARN of the bus.
    pub bus_name: String,
    /// Where goes what cannot be published.
    pub dead_letters: DeadLetters,
    /// How patiently, and in what portions.
    pub limits: Limits,
    /// Where it is counted what was published.
    pub metrics: Metrics,
}

/// Answers an event of the Lambda function: a batch of the stream, or the wish to publish something again.
///
/// # Errors
/// [`RepublishError`]; a batch of the stream does not fail as a whole.
pub async fn handle(
    deps: &RelayDeps,
    request: Request,
    deadline: Instant,
) -> Result<serde_json::Value, RepublishError> {
    let answer = match request {
        Request::Stream(event) => serde_json::to_value(relay(deps, &event.records, deadline).await),
        Request::Republish(wish) => serde_json::to_value(republish::republish(deps, &wish, deadline).await?),
    };
    Ok(answer.unwrap_or_default())
}

/// Publishes the revisions among a batch of the stream's records, and reports those that were not.
///
/// For a stream, Lambda takes the lowest sequence number that is reported and hands over everything from there on again.
async fn relay(deps: &RelayDeps, records: &[EventRecord], deadline: Instant) -> DynamoDbEventResponse {
    let mut revisions = Vec::new();
    let mut sequence_numbers = HashMap::new();
    for record in records {
        // The event source mapping filters the same way; a mapping that lost its filter must not publish heads.
        if record.event_name != "INSERT" {
            continue;
        }
        let item = item_of(record);
        if let Some(key) = RevisionKey::of_item(&item) {
            sequence_numbers.insert(key.clone(), record.change.sequence_number.clone());
            revisions.push((key, Ledger::revision_of_item(&item).map_err(|error| error.to_string())));
        }
    }
    let done = publish_all(deps, revisions, deadline).await;
    done.log("relay", records.len());
    let mut response = DynamoDbEventResponse::default();
    for (key, _) in &done.failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = sequence_numbers.get(key).cloned().flatten();
        response.batch_item_failures.push(failure);
    }
    response
}

/// What became of some revisions.
#[derive(Debug, Default)]
struct Done {
    published: usize,
    truncated: usize,
    dead_lettered: usize,
    /// Those that were not published and may be later, each with the reason.
    failed: Vec<(RevisionKey, String)>,
}

impl Done {
    fn log(&self, act: &str, records: usize) {
        let Self { published, truncated, dead_lettered, failed } = self;
        match failed.first() {
            None => tracing::info!(act, records, published, truncated, dead_lettered, "published"),
            Some((key, reason)) => {
                let failed = failed.len();
                tracing::error!(
                    act,
                    records,
                    published,
                    truncated,
                    dead_lettered,
                    failed,
                    first = key.event_id(),
                    reason,
                    "published in part"
                );
            }
        }
    }
}

/// Publishes revisions, in their order for each document. What can never be published goes to the dead-letter queue.
async fn publish_all(
    deps: &RelayDeps,
    revisions: Vec<(RevisionKey, Result<Revision, String>)>,
    deadline: Instant,
) -> Done {
    let mut events: Vec<Event> = Vec::with_capacity(revisions.len());
    let mut done = Done::default();
    let mut stuck: HashSet<DocumentKey> = HashSet::new();
    // A letter that cannot be put into the queue holds up its document: without it, the gap would be silent.
    let bury = async |done: &mut Done, stuck: &mut HashSet<DocumentKey>, key: RevisionKey, reason: String| match deps
        .dead_letters
        .put(&DeadLetter::new(&key, &reason))
        .await
    {
        Ok(()) => {
            tracing::error!(id = key.event_id(), reason, "a revision cannot be published: it is a dead letter");
            done.dead_lettered += 1;
        }
        Err(error) => {
            stuck.insert(key.document.clone());
            done.failed.push((key, format!("the dead-letter queue: {error}")));
        }
    };
    for (key, revision) in revisions {
        if stuck.contains(&key.document) {
            done.failed.push((key, "an earlier revision of the document failed".to_owned()));
            continue;
        }
        let made = revision
            .and_then(|revision| event(&key, &revision, deps.limits.request_bytes).map_err(|error| error.to_string()));
        match made {
            Ok(event) => events.push(event),
            Err(reason) => bury(&mut done, &mut stuck, key, reason).await,
        }
    }
    let outcomes = publish(deps, &events, deadline).await;
    for (event, outcome) in events.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Published => {
                done.published += 1;
                done.truncated += usize::from(event.truncated);
            }
            Outcome::Failed(reason) => done.failed.push((event.key, reason)),
            Outcome::Refused(reason) => {
                bury(&mut done, &mut stuck, event.key, format!("the event bus refuses it: {reason}")).await;
            }
        }
    }
    let counted = [(Metric::Published, done.published as u64), (Metric::DeadLettered, done.dead_lettered as u64)];
    deps.metrics.record(Function::EventRelay, None, &counted);
    done
}

/// The record's new image as the ledger reads items. Attributes of types that no revision has are left out.
fn item_of(record: &EventRecord) -> Item {
    let image: &HashMap<String, serde_dynamo::AttributeValue> = record.change.new_image.inner();
    let attributes = image.iter().filter_map(|(name, value)| {
        let value = match value {
            serde_dynamo::AttributeValue::S(text) => AttributeValue::S(text.clone()),
            serde_dynamo::AttributeValue::N(number) => AttributeValue::N(number.clone()),
            serde_dynamo::AttributeValue::B(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
            _ => return None,
        };
        Some((name.clone(), value))
    });
    attributes.collect()
}
