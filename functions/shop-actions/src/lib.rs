//! Carries deliveries, comments and requests back to the shop, each once.
//!
//! Messages come from an SQS queue, or by direct invocation, which is answered with what became of each order. A message
//! of the queue that is not finished is reported back and comes again; one that is at fault, or whose outcome is
//! unknown, goes to the dead-letter queue with the reason. See `docs/actions.md`.

mod act;
mod bridge;
mod deliver;
mod message;
mod report;

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::types::MessageAttributeValue;
use connections::OrderIs;
use ledger::{ActionLine, Connection, DocumentKey, Part, Settled, sdk_reason};
use mycashflow::{RetryPolicy, ShopClient, Transport};
use platform::{Deps, Function, OPERATION_TIMEOUT, is_paused};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use message::{Action, MAX_ORDERS, Message, MessageError};
pub use report::{ActionOutcome, OrderResult, Report};

use crate::act::{Actor, Missing, ORDER_TIME};
use crate::bridge::{Crossing, Mode};

/// Kept free before the deadline for what follows the shop's last answer: the outcome is written down, the order's claim
/// released, the message perhaps put into the dead letters.
const RESERVE: Duration = OPERATION_TIMEOUT.saturating_mul(3);

/// How long it may take to write down what became of a message.
const NOTE_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a message is worked on. The queue's own limit is higher, because SQS moves a message without a reason: what
/// is left to it are messages whose every invocation was killed.
pub const MAX_RECEIVES: u32 = 5;

/// What the function works with.
#[derive(Clone)]
pub struct ActionsDeps {
    /// The ledger, the connections, the time.
    pub base: Deps,
    /// How shops are reached.
    pub transport: Arc<dyn Transport>,
    /// How patiently.
    pub policy: RetryPolicy,
    /// SQS, for the dead letters.
    pub queues: aws_sdk_sqs::Client,
    /// The URL of the dead-letter queue.
    pub dead_letter_queue_url: String,
}

/// Answers an event of the Lambda function: messages of the queue, or one message by itself.
///
/// `invocation` names this invocation, and must be unlike any other.
pub async fn handle(deps: &ActionsDeps, event: Value, invocation: &str, deadline: Instant) -> Value {
    // A shop may have been added, or a key or a bridge changed.
    deps.base.connections.read_again().await;
    let answer = match event.get("Records") {
        Some(_) => match serde_json::from_value::<SqsEvent>(event) {
            Ok(event) => serde_json::to_value(batch(deps, &event, invocation, deadline).await),
            // Lambda makes these records itself. Should it ever make others, an empty identifier fails the whole batch.
            Err(_) => Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "" }] })),
        },
        None => serde_json::to_value(one(deps, &event, invocation, deadline, false).await),
    };
    answer.unwrap_or_default()
}

/// Works on the messages of a batch, one after the other, and reports those that must come again.
async fn batch(deps: &ActionsDeps, event: &SqsEvent, invocation: &str, deadline: Instant) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let paused = is_paused(&deps.base.ledger, Part::Actions).await;
    for (index, record) in event.records.iter().enumerate() {
        let id = record.message_id.clone().unwrap_or_default();
        if paused {
            response.add_failure(id);
            continue;
        }
        let body = record.body.as_deref().unwrap_or_default();
        let last = receives(record) >= MAX_RECEIVES;
        let report = match serde_json::from_str::<Value>(body) {
            Ok(message) => one(deps, &message, &format!("{invocation}#{index}"), deadline, last).await,
            Err(_) => Report::of(ActionOutcome::Rejected("the message is not JSON".to_owned())),
        };
        let comes_again = report.is_unfinished() && !last;
        let over = match report.complaint(comes_again) {
            _ if comes_again => false,
            None => true,
            Some(reason) => bury(deps, &id, body, &reason).await,
        };
        if !over {
            response.add_failure(id);
        }
    }
    response
}

/// How often a message has been received, this time included.
fn receives(record: &SqsMessage) -> u32 {
    record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Works on one message, perhaps for the last time.
async fn one(deps: &ActionsDeps, message: &Value, owner: &str, deadline: Instant, last: bool) -> Report {
    let report = if bridge::is_event(message) {
        match bridge::cross(&deps.base, message).await {
            Err(error) => Report::of(ActionOutcome::Later(error.to_string())),
            Ok(Crossing::Rejected(reason)) => Report::of(ActionOutcome::Rejected(reason.to_owned())),
            Ok(Crossing::Nothing(reason)) => {
                tracing::info!(reason, "a dispatch delivers nothing");
                Report::default()
            }
            Ok(Crossing::Orders { message, order_is, complaint, mode }) => {
                let mut report = match mode {
                    Mode::Deliver => {
                        let naming = Naming { order_is, missing: Missing::MayAppear };
                        act_all(deps, &message, naming, owner, deadline).await
                    }
                    Mode::DryRun => rehearse(deps, &message).await,
                    Mode::TooOld => look_up(deps, &message).await,
                };
                note(deps, &message, &report).await;
                if let Some(complaint) = complaint {
                    report.add(None, ActionOutcome::Rejected(complaint));
                }
                report
            }
        }
    } else {
        match Message::read(message) {
            Ok(message) => {
                let naming = Naming { order_is: OrderIs::Id, missing: Missing::IsWrong };
                let report = act_all(deps, &message, naming, owner, deadline).await;
                note(deps, &message, &report).await;
                report
            }
            Err(error) => Report::of(ActionOutcome::Rejected(error.to_string())),
        }
    };
    log(&report);
    deps.base.metrics.record(Function::ShopActions, None, &report.counts(!last));
    report
}

/// Writes down what became of each order, for people to see. What was done is done, whether that can be written or not.
async fn note(deps: &ActionsDeps, message: &Message, report: &Report) {
    // A table that hangs must not cost the answer.
    if tokio::time::timeout(NOTE_TIMEOUT, note_all(deps, message, report)).await.is_err() {
        tracing::warn!(shop = message.shop, "the actions of a message could not be written down in time");
    }
}

async fn note_all(deps: &ActionsDeps, message: &Message, report: &Report) {
    for result in &report.results {
        let Some(order) = result.order else { continue };
        let (outcome, reason) = result.outcome.parts();
        let line = ActionLine {
            at: (deps.base.clock)(),
            document: DocumentKey::order(&*message.shop, order),
            action: message.action.name().to_owned(),
            outcome: outcome.to_owned(),
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            cause: message.id.clone(),
            mail: match message.action {
                Action::Deliver { send_email, .. } => Some(send_email),
                _ => None,
            },
        };
        if let Err(error) = deps.base.ledger.log_action(&line).await {
            tracing::warn!(
                shop = message.shop,
                order,
                error = error.to_string(),
                "an action could not be written down"
            );
        }
    }
}

/// How a message names its orders.
#[derive(Clone, Copy)]
struct Naming {
    order_is: OrderIs,
    missing: Missing,
}

/// Does a message's action on each of its orders.
async fn act_all(deps: &ActionsDeps, message: &Message, naming: Naming, owner: &str, deadline: Instant) -> Report {
    let connections = deps.base.connections.current();
    let Some(shop) = connections.shops.get(&message.shop) else {
        return Report::of(ActionOutcome::Rejected("there is no such shop among the connections".to_owned()));
    };
    let deadline = deadline.checked_sub(RESERVE).unwrap_or(deadline);
    let key = shop.key.reveal().to_owned();
    let client = ShopClient::new(shop.url.clone(), key, deps.transport.clone(), deps.policy.clone(), fastrand::u64(..));
    let actor = Actor {
        deps,
        client: client.with_deadline(deadline),
        connection: Connection::shop(&*message.shop),
        order_is: naming.order_is,
        missing: naming.missing,
        owner,
        deadline,
    };
    let mut report = Report::default();
    for order in &message.orders {
        let outcome = if Instant::now() + ORDER_TIME > deadline {
            ActionOutcome::Later("no time was left".to_owned())
        } else {
            actor.act(message, *order).await
        };
        let (name, reason) = outcome.parts();
        tracing::info!(
            shop = message.shop,
            order,
            action = message.action.name(),
            outcome = name,
            reason,
            "processed an action on an order"
        );
        report.add(Some(*order), outcome);
    }
    report
}

/// Says which orders of a dispatch that is too old were delivered at its time. The others are left to a person.
async fn look_up(deps: &ActionsDeps, message: &Message) -> Report {
    const TOO_OLD: &str = "the dispatch is older than 3 days, and delivers nothing by itself any more";
    let connection = Connection::shop(&*message.shop);
    let mut report = Report::default();
    for order in &message.orders {
        let Some((key, _)) = message.key(*order) else { continue };
        let outcome = match deps.base.ledger.settled_action(&connection, &key).await {
            Ok(Some(Settled::Done(how))) => ActionOutcome::DoneBefore(how),
            Ok(Some(Settled::Unknown(reason))) => ActionOutcome::Unknown(reason),
            Ok(None) => ActionOutcome::Rejected(TOO_OLD.to_owned()),
            Err(error) => ActionOutcome::Later(error.to_string()),
        };
        report.add(Some(*order), outcome);
    }
    report
}

/// Says what would be done. The shop is not asked, so of an order that the ledger does not know it can only be said that it
/// would be.
async fn rehearse(deps: &ActionsDeps, message: &Message) -> Report {
    let mut report = Report::default();
    let keys: Vec<_> = message.orders.iter().map(|order| DocumentKey::order(&*message.shop, *order)).collect();
    let heads = match deps.base.ledger.heads(&keys).await {
        Ok(heads) => heads,
        Err(error) => return Report::of(ActionOutcome::Later(error.to_string())),
    };
    for (order, document) in message.orders.iter().zip(&keys) {
        let with_code = matches!(message.action, Action::Deliver { tracking_code: Some(_), .. });
        let known = heads.contains_key(document);
        tracing::info!(
            shop = message.shop,
            order,
            action = message.action.name(),
            with_code,
            known,
            "dry run: the order would be delivered"
        );
        let code = if with_code { "with" } else { "without" };
        let doubt = if known { "" } else { ", if the shop has it: the ledger does not" };
        report.add(Some(*order), ActionOutcome::DryRun(format!("would be delivered, {code} a tracking code{doubt}")));
    }
    report
}

/// Puts a message that is not to come again into the dead-letter queue; answers whether it is there.
async fn bury(deps: &ActionsDeps, id: &str, body: &str, reason: &str) -> bool {
    let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build().ok();
    let send = deps.queues.send_message().queue_url(&deps.dead_letter_queue_url).message_body(body);
    let attributes = [("reason", text(reason)), ("message_id", text(id).filter(|_| !id.is_empty()))];
    let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    match send.set_message_attributes(Some(attributes.collect())).send().await {
        Ok(_) => {
            tracing::error!(message_id = id, reason, "a message is a dead letter");
            true
        }
        Err(error) => {
            let error = sdk_reason(&error);
            tracing::error!(
                message_id = id,
                error,
                "the dead-letter queue could not be written; the message comes again"
            );
            false
        }
    }
}

fn log(report: &Report) {
    for result in report.results.iter().filter(|result| result.order.is_none()) {
        let (outcome, reason) = result.outcome.parts();
        tracing::warn!(outcome, reason, "message");
    }
}
