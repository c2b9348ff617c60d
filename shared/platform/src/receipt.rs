//! From a received request to its answer: the log line in the ledger, the log line of the function, the response.

use std::time::Duration;

use connections::Language;
use http::StatusCode;
use intake::{Kept, QuarantineReason};
use jiff::Timestamp;
use lambda_http::{Body, Request, Response};
use ledger::{Appended, Connection, Delivery, DeliveryOutcome, DocumentKey, LedgerError, System};
use mycashflow::{PushError, ReadError};

use crate::finnish;
use crate::http::{Answer, request_id, respond};
use crate::{Deps, Function, Metric, Refusal};

/// The longest that the delivery log takes. Together with one call of the ledger that times out, this stays within the
/// function's time; of several, [`serve`](crate::serve) sees to it that the sender is answered.
pub const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// One received request, until it is answered.
pub struct Receipt<'a> {
    deps: &'a Deps,
    /// The connection it came in on.
    pub connection: Connection,
    /// When it was received.
    pub received_at: Timestamp,
    request_id: String,
    size_bytes: usize,
}

/// What a request came to.
#[derive(Debug)]
pub struct Closing {
    outcome: DeliveryOutcome,
    document: Option<(String, u32)>,
    answer: Answer,
    /// The answer's text for the log, where that is another language.
    logged: Option<String>,
}

impl Closing {
    /// Of a genuine sender, and turned away: nothing of the body was kept.
    pub fn rejected(status: StatusCode, text: impl Into<String>) -> Self {
        Self { outcome: DeliveryOutcome::Rejected, document: None, answer: Answer::new(status, text), logged: None }
    }

    /// Authentic, and kept; or not kept, so that the sender must try again.
    pub fn kept(kept: Result<Kept, LedgerError>) -> Self {
        match kept {
            Ok(Kept::Appended { document, appended }) => Self::appended(&document, appended),
            Ok(Kept::Quarantined { reason, .. }) => Self {
                outcome: DeliveryOutcome::Quarantined,
                document: None,
                answer: Answer::new(status(&reason), format!("{reason} (the message is kept in quarantine)")),
                logged: None,
            },
            Ok(Kept::Nothing { reason }) => Self::rejected(status(&reason), reason.to_string()),
            Err(error) => {
                tracing::error!(%error, "the ledger could not be written");
                let text = "the message could not be recorded just now: please send it again";
                Self::rejected(StatusCode::SERVICE_UNAVAILABLE, text)
            }
        }
    }

    /// [`Closing::kept`], answered in a language. The log stays English.
    pub fn kept_in(kept: Result<Kept, LedgerError>, language: Language) -> Self {
        if language == Language::English {
            return Self::kept(kept);
        }
        let text = match &kept {
            Ok(Kept::Appended { document, appended }) => finnish::appended(&document.name(), *appended),
            Ok(Kept::Quarantined { reason, .. }) => format!("{} ({})", finnish::reason(reason), finnish::IN_QUARANTINE),
            Ok(Kept::Nothing { reason }) => finnish::reason(reason),
            Err(_) => finnish::SEND_AGAIN.to_owned(),
        };
        let mut closing = Self::kept(kept);
        closing.logged = Some(std::mem::replace(&mut closing.answer.text, text));
        closing
    }

    fn appended(document: &DocumentKey, appended: Appended) -> Self {
        let name = document.name();
        let (outcome, text) = match appended {
            Appended::Recorded { revision } => {
                (DeliveryOutcome::Recorded, format!("recorded: {name}, revision {revision}"))
            }
            Appended::Duplicate { revision } => {
                (DeliveryOutcome::Duplicate, format!("duplicate: {name} is known as revision {revision}"))
            }
            Appended::Stale { revision } => {
                (DeliveryOutcome::Stale, format!("stale: a newer state of {name} is known as revision {revision}"))
            }
        };
        Self {
            outcome,
            document: Some((name, appended.revision())),
            answer: Answer::new(StatusCode::OK, text),
            logged: None,
        }
    }

    /// Joins the closings of several documents that came in one request: the answer tells of each, and its status and
    /// outcome are those of the one with the highest status, so that a document which must be sent again is not hidden
    /// by one which need not.
    pub fn join(closings: Vec<Self>) -> Self {
        let text = closings.iter().map(|closing| closing.answer.text.as_str()).collect::<Vec<_>>().join("; ");
        // Of several with the same status, the first.
        let worst = closings.into_iter().rev().max_by_key(|closing| closing.answer.status);
        let mut joined = worst.unwrap_or_else(|| Self::kept(Ok(Kept::Nothing { reason: QuarantineReason::NoOrder })));
        if !text.is_empty() {
            joined.answer.text = text;
        }
        joined
    }
}

impl<'a> Receipt<'a> {
    /// Takes in a request, for the time being under no known connection.
    pub fn new(deps: &'a Deps, connection: Connection, request: &Request) -> Self {
        Self {
            deps,
            connection,
            received_at: (deps.clock)(),
            request_id: request_id(request),
            size_bytes: request.body().len(),
        }
    }

    /// Refuses a request that is not known to be genuine, and counts it. It waits for nothing.
    pub fn refuse(self, refusal: Refusal, text: impl Into<String>) -> Response<Body> {
        let Self { deps, connection, received_at, .. } = self;
        tracing::debug!(%connection, reason = refusal.as_str(), "refused a request");
        let counted = [(Metric::Received, 1), (Metric::Rejected, 1)].into_iter();
        let counted: Vec<_> = counted.chain(refusal.metric().map(|metric| (metric, 1))).collect();
        deps.metrics.record(function(&connection), Some(&connection), &counted);
        deps.refusals.count(&deps.ledger, &connection, refusal, received_at);
        respond(&Answer::new(refusal.status(), text))
    }

    /// Logs what the request came to, and makes the response. A log line that cannot be written does not change the
    /// answer: what the answer promises is already durable.
    pub async fn close(self, closing: Closing) -> Response<Body> {
        let Closing { outcome, document, answer, logged } = closing;
        let logged = logged.unwrap_or_else(|| answer.text.clone());
        let delivery = Delivery {
            at: self.received_at,
            request_id: self.request_id,
            outcome,
            status: answer.status.as_u16(),
            reason: (outcome != DeliveryOutcome::Recorded).then_some(logged),
            document,
            size_bytes: self.size_bytes as u64,
            duration: crate::http::received_duration(self.received_at, (self.deps.clock)()),
        };
        tracing::info!(
            connection = %self.connection,
            outcome = outcome.as_str(),
            status = delivery.status,
            document = delivery.document.as_ref().map(|(name, _)| name.as_str()),
            revision = delivery.document.as_ref().map(|(_, revision)| revision),
            size_bytes = delivery.size_bytes,
            duration_ms = delivery.duration.as_millis() as u64,
            "answered a request"
        );
        self.deps.metrics.record(function(&self.connection), Some(&self.connection), &counted(outcome));
        self.deps.refusals.write_earlier(&self.deps.ledger, self.received_at);
        // A database that hangs must not cost the sender the answer.
        let logged =
            tokio::time::timeout(LOG_TIMEOUT, self.deps.ledger.log_delivery(&self.connection, &delivery)).await;
        match logged {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, connection = %self.connection, "the delivery log could not be written");
            }
            Err(_) => tracing::warn!(connection = %self.connection, "the delivery log was not written in time"),
        }
        respond(&answer)
    }
}

/// The status of an answer to what is in quarantine.
fn status(reason: &QuarantineReason) -> StatusCode {
    match reason {
        // The order is not lost, and the shop need not send it again.
        QuarantineReason::LettersLost { .. } => StatusCode::OK,
        QuarantineReason::Push(PushError::UnsupportedMediaType)
        | QuarantineReason::Compressed { .. }
        | QuarantineReason::NotJsonType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        QuarantineReason::Page(ReadError::NotOrders { .. } | ReadError::ErrorDocument) | QuarantineReason::NoOrder => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        QuarantineReason::TooManyOrders { .. } | QuarantineReason::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        QuarantineReason::Push(PushError::Malformed { .. } | PushError::NoDocument)
        | QuarantineReason::Page(_)
        | QuarantineReason::Order(_)
        | QuarantineReason::Message(_) => StatusCode::BAD_REQUEST,
    }
}

/// Each system's messages have one function that takes them in.
fn function(connection: &Connection) -> Function {
    match connection.system {
        System::Mycashflow => Function::MycashflowOrder,
        System::Manu => Function::ManuListener,
    }
}

fn counted(outcome: DeliveryOutcome) -> [(Metric, u64); 2] {
    let counted = match outcome {
        DeliveryOutcome::Recorded => Metric::Recorded,
        DeliveryOutcome::Duplicate => Metric::Duplicate,
        DeliveryOutcome::Stale => Metric::Stale,
        DeliveryOutcome::Quarantined => Metric::Quarantined,
        DeliveryOutcome::Rejected => Metric::Rejected,
    };
    [(Metric::Received, 1), (counted, 1)]
}
