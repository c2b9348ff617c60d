//! Sends events to endpoints outside AWS, signed by Standard Webhooks.
//!
//! An event of the bus becomes one message for each endpoint that wants it, in the same queue. Each of these is sent, and
//! comes again with growing pauses until the endpoint accepts it or a day is over; then it is a dead letter with its
//! reason. So an endpoint that is down holds up no other. See `docs/webhooks.md` and decision 8.

mod address;
mod breaker;
mod message;
mod schedule;
mod sender;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::types::MessageAttributeValue;
use connections::{ConnectionStore, WebhookEndpoint};
use futures_util::future::join_all;
use jiff::Timestamp;
use ledger::sdk_reason;
use platform::Clock;

pub use address::{AddressError, Guard, LookUp, is_public};
pub use breaker::Breaker;
pub use schedule::{LAST_TRY_AFTER, pause};
pub use sender::{BoxFuture, HttpSender, Reply, Request, SendError, Sender};
pub use sign::{payload, signed_headers};

pub use message::BusEvent;

use crate::message::Message;

/// After this time every environment has read the connections again, which each does once a minute at most.
const CONNECTIONS_SETTLED: Duration = Duration::from_secs(180);

/// What the function works with.
#[derive(Clone)]
pub struct WebhooksDeps {
    /// The endpoints, with their secrets.
    pub connections: Arc<ConnectionStore>,
    /// The time.
    pub clock: Clock,
    /// How endpoints are reached.
    pub sender: Arc<dyn Sender>,
    /// SQS.
    pub queues: aws_sdk_sqs::Client,
    /// The URL of the queue that the messages come from.
    pub queue_url: String,
    /// The URL of the dead-letter queue.
    pub dead_letter_queue_url: String,
    /// Which endpoints failed a moment ago.
    pub breaker: Breaker,
}

/// What becomes of a message.
enum Fate {
    Done,
    /// It comes again, not before the endpoint asks for it.
    Later {
        reason: String,
        asked_for: Duration,
    },
    /// It never comes again by itself.
    Dead(String),
}

/// Works on the messages of a batch, all at once, and reports those that come again.
pub async fn handle(deps: &WebhooksDeps, event: SqsEvent) -> SqsBatchResponse {
    // An endpoint may have been added, or a secret changed.
    deps.connections.read_again().await;
    let settled = join_all(event.records.iter().map(|record| settle(deps, record))).await;
    let mut response = SqsBatchResponse::default();
    for (record, is_over) in event.records.iter().zip(settled) {
        if !is_over {
            response.add_failure(record.message_id.clone().unwrap_or_default());
        }
    }
    response
}

/// Works on one message. Answers whether it leaves the queue.
async fn settle(deps: &WebhooksDeps, record: &SqsMessage) -> bool {
    let body = record.body.as_deref().unwrap_or_default();
    let age = age(record, (deps.clock)());
    let fate = match Message::read(body) {
        None => Fate::Dead("the message is not an event".to_owned()),
        Some(Message::Event(event)) => fan_out(deps, &event, body).await,
        Some(Message::Delivery { endpoint, event }) => deliver(deps, &endpoint, &event, age).await,
    };
    match fate {
        Fate::Done => true,
        Fate::Dead(reason) => bury(deps, body, &reason).await,
        Fate::Later { reason, .. } if age >= LAST_TRY_AFTER => {
            bury(deps, body, &format!("not accepted within a day: {reason}")).await
        }
        Fate::Later { asked_for, .. } => {
            put_off(deps, record, pause(receives(record), age, asked_for)).await;
            false
        }
    }
}

/// Makes a message for each endpoint that wants an event. When one cannot be made, all are made again: an endpoint may then
/// get the event twice, under one id.
async fn fan_out(deps: &WebhooksDeps, event: &BusEvent<'_>, text: &str) -> Fate {
    let connections = deps.connections.current();
    let wanting = connections.webhooks.iter().filter(|(_, endpoint)| endpoint.wants(&event.detail_type));
    for (name, _) in wanting {
        let body = message::delivery(name, text);
        let send = deps.queues.send_message().queue_url(&deps.queue_url).message_body(body);
        if let Err(error) = send.send().await {
            let error = sdk_reason(&error);
            tracing::error!(endpoint = name, error, "an event could not be queued for an endpoint");
            return Fate::Later { reason: "the queue could not be written".to_owned(), asked_for: Duration::ZERO };
        }
    }
    Fate::Done
}

/// Sends an event to an endpoint, unless that one has just failed.
async fn deliver(deps: &WebhooksDeps, name: &str, event: &BusEvent<'_>, age: Duration) -> Fate {
    let connections = deps.connections.current();
    let Some(endpoint) = connections.webhooks.get(name) else {
        // Another environment may know an endpoint that was just added, and this one may not have read of it yet.
        if age < CONNECTIONS_SETTLED || deps.connections.is_refused() {
            return Fate::Later { reason: format!("the endpoint {name} is not configured"), asked_for: Duration::ZERO };
        }
        tracing::warn!(endpoint = name, "an event for an endpoint that is not configured any more was dropped");
        return Fate::Done;
    };
    // The last try is never left out.
    if age < LAST_TRY_AFTER && deps.breaker.is_open(name) {
        return Fate::Later { reason: "the endpoint has just failed".to_owned(), asked_for: Duration::ZERO };
    }
    let request = match request(endpoint, event, (deps.clock)()) {
        Ok(request) => request,
        Err(reason) => return Fate::Dead(reason),
    };
    let sent = deps.sender.send(request).await;
    // A refusal of one event says nothing of others.
    let is_of_endpoint = !matches!(sent, Ok(Reply { status: 400..=428 | 430..=499, .. }));
    let (reason, asked_for) = match sent {
        Ok(Reply { status: 200..300, .. }) => {
            deps.breaker.close(name);
            tracing::info!(endpoint = name, id = event.id(), "an event was accepted");
            return Fate::Done;
        }
        Ok(Reply { status: 410, .. }) => {
            return Fate::Dead(format!("the endpoint {name} answered 410: it wants nothing any more"));
        }
        Ok(Reply { status, retry_after }) => (format!("the endpoint {name} answered {status}"), retry_after),
        Err(error) => (format!("the endpoint {name}: {error}"), None),
    };
    if is_of_endpoint {
        deps.breaker.open(name);
    }
    tracing::warn!(endpoint = name, id = event.id(), reason, "an event was not accepted, and is sent again later");
    Fate::Later { reason, asked_for: asked_for.unwrap_or_default() }
}

/// A signed request. The error never tells a secret.
fn request(endpoint: &WebhookEndpoint, event: &BusEvent<'_>, now: Timestamp) -> Result<Request, String> {
    let body = payload(event).map_err(|_| "the event could not be written as JSON".to_owned())?;
    let secrets: Vec<&str> = endpoint.secrets.iter().map(connections::Secret::reveal).collect();
    let headers = signed_headers(event.id(), now, &body, &secrets);
    let headers = headers.map_err(|_| "the event could not be signed: check the endpoint's secrets".to_owned())?;
    Ok(Request { url: endpoint.url.clone(), headers, body })
}

/// How long ago a message was sent.
fn age(record: &SqsMessage, now: Timestamp) -> Duration {
    let sent = record.attributes.get("SentTimestamp").and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok());
    sent.map_or(Duration::ZERO, |sent| now.duration_since(sent).try_into().unwrap_or_default())
}

/// How often a message has been received, this time included.
fn receives(record: &SqsMessage) -> u32 {
    record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Hides a message for a while. When that fails it comes again after the queue's own time.
async fn put_off(deps: &WebhooksDeps, record: &SqsMessage, pause: Duration) {
    let receipt = record.receipt_handle.as_deref().unwrap_or_default();
    let hide = deps.queues.change_message_visibility().queue_url(&deps.queue_url).receipt_handle(receipt);
    let seconds = i32::try_from(pause.as_secs()).unwrap_or(i32::MAX);
    if let Err(error) = hide.visibility_timeout(seconds).send().await {
        tracing::warn!(error = sdk_reason(&error), "a message could not be put off, and comes again earlier");
    }
}

/// Puts a message that is not to come again into the dead-letter queue; answers whether it is there.
async fn bury(deps: &WebhooksDeps, body: &str, reason: &str) -> bool {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
    let send = deps.queues.send_message().queue_url(&deps.dead_letter_queue_url).message_body(body);
    match send.set_message_attributes(attribute.ok().map(|text| [("reason".to_owned(), text)].into())).send().await {
        Ok(_) => {
            tracing::error!(reason, "an event for an endpoint is a dead letter");
            true
        }
        Err(error) => {
            let error = sdk_reason(&error);
            tracing::error!(error, "the dead-letter queue could not be written; the message comes again");
            false
        }
    }
}
