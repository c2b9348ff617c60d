//! Publishes every revision that the ledger records to the event bus, at least once and under one id.
//!
//! Lambda hands over what the table's stream holds, in batches. What was not published is reported back to Lambda, which
//! hands it over again; what can never be published goes to the dead-letter queue, with the revision's id and the reason.
//! Of the revisions of a document in one batch, none is published while an earlier one is not. Over several batches there
//! is no such promise: see `docs/decisions/0005-order-of-events.md`.

mod before;
mod bus;
mod dead_letter;
mod portion;
mod publish;
mod record;
mod republish;
mod request;

use std::collections::HashMap;
use std::pin::Pin;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use ledger::{Item, Ledger, Part, RevisionKey};
use platform::{Metrics, is_paused};
use tokio::time::Instant;

pub use bus::EventBus;
pub use dead_letter::DeadLetters;
pub use publish::Limits;
pub use record::{NOTE_TIMEOUT, PublicationLog};
pub use republish::{RepublishError, Republished};
pub use request::{Republish, Request, RequestError};

use crate::portion::publish_all;
use crate::republish::republish;

/// What the relay works with.
#[derive(Clone, Debug)]
pub struct RelayDeps {
    /// Where revisions are read again when they are to be published again.
    pub ledger: Ledger,
    /// Where revisions are published.
    pub bus: EventBus,
    /// Where goes what cannot be published.
    pub dead_letters: DeadLetters,
    /// Where it is written down what was published.
    pub published: PublicationLog,
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
    // The futures' types are left out here: with all of the SDK's that they nest, they are deeper than the compiler goes.
    match request {
        Request::Stream(event) if is_paused(&deps.ledger, Part::Relay).await => {
            let waiting = event.records.iter().filter(|record| record.change.sequence_number.is_some());
            let mut response = DynamoDbEventResponse::default();
            response.batch_item_failures =
                waiting.map(|record| failure(record.change.sequence_number.clone())).collect();
            Ok(serde_json::to_value(response).unwrap_or_default())
        }
        Request::Stream(event) => {
            let relaying: Boxed<'_, DynamoDbEventResponse> = Box::pin(relay(deps, &event.records, deadline));
            Ok(serde_json::to_value(relaying.await).unwrap_or_default())
        }
        Request::Republish(wish) => {
            let again: Boxed<'_, Result<Republished, RepublishError>> = Box::pin(republish(deps, &wish, deadline));
            Ok(serde_json::to_value(again.await?).unwrap_or_default())
        }
    }
}

/// A record that Lambda is to hand over again.
fn failure(sequence_number: Option<String>) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = sequence_number;
    failure
}

/// A future of a type that is not told.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
    order_each_document(&mut revisions);
    let done = publish_all(deps, revisions, deadline).await;
    done.log("stream", records.len());
    let mut response = DynamoDbEventResponse::default();
    for (key, _) in &done.failed {
        response.batch_item_failures.push(failure(sequence_numbers.get(key).cloned().flatten()));
    }
    response
}

/// Puts the revisions of each document in their order, in the places that the document has in the batch.
///
/// DynamoDB promises the order of a stream's records for one item only, and each revision is an item of its own.
fn order_each_document<T>(revisions: &mut [(RevisionKey, T)]) {
    for place in 0..revisions.len() {
        for later in place + 1..revisions.len() {
            let (first, second) = (&revisions[place].0, &revisions[later].0);
            if first.document == second.document && first.revision > second.revision {
                revisions.swap(place, later);
            }
        }
    }
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
