//! Reads one event again: whole, as it was published or would have been without a limit of size.
//!
//! It may read single items of the ledger and nothing else, so whoever may invoke it can neither publish nor change
//! anything. A truncated event carries what to invoke it with.

use events::{Reading, read_event};
use ledger::{Ledger, LedgerError, RevisionKey};
use serde_json::{Value, json};

/// The most bytes of an answer: a little under the 6 MB that Lambda hands over of one (Lambda quotas, "Invocation payload").
pub const MAX_ANSWER_BYTES: usize = 6_000_000;

/// Which event is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request(RevisionKey);

/// Why a request was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request must be {{\"read\":\"mycashflow/acme/order/58/3\"}}, with the id of an event")]
pub struct RequestError;

impl Request {
    /// Reads the Lambda event. Further fields are passed over.
    ///
    /// # Errors
    /// [`RequestError`] when it names no event.
    pub fn read(event: &Value) -> Result<Self, RequestError> {
        let id = event.get("read").and_then(Value::as_str);
        id.and_then(RevisionKey::parse).map(Self).ok_or(RequestError)
    }
}

/// Answers a Lambda event. One that names no event is the consumer's mistake and is told so; it is no failure of ours.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read: try again.
pub async fn answer(ledger: &Ledger, event: &Value) -> Result<Value, LedgerError> {
    match Request::read(event) {
        Ok(request) => handle(ledger, &request).await,
        Err(error) => {
            tracing::info!(state = "malformed", "answered a read of an event");
            Ok(json!({ "state": "malformed", "reason": error.to_string() }))
        }
    }
}

/// Answers with the event, or with why there is none.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read: try again.
pub async fn handle(ledger: &Ledger, Request(key): &Request) -> Result<Value, LedgerError> {
    let reading = read_event(ledger, key).await?;
    let (state, reason, event) = match reading {
        Reading::Found(event) if event.detail.len() > MAX_ANSWER_BYTES => {
            let reason = format!("with {} bytes it is larger than an answer may be", event.detail.len());
            ("too-large", Some(reason), None)
        }
        Reading::Found(event) => ("found", None, Some(event.published())),
        Reading::Gone => ("gone", Some("it is erased or expired".to_owned()), None),
        Reading::Unknown => ("unknown", Some("there never was such a revision".to_owned()), None),
        Reading::Unreadable(reason) => ("unreadable", Some(reason), None),
    };
    let id = key.event_id();
    tracing::info!(id, state, "answered a read of an event");
    let mut answer = json!({ "state": state, "id": id });
    if let Some(reason) = reason {
        answer["reason"] = reason.into();
    }
    if let Some(event) = event {
        answer["event"] = event;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_documented_request_and_no_other() {
        let request = Request::read(&json!({ "read": "manu/acme/item-save/A/1/3", "later": "field" })).unwrap();
        assert_eq!(request.0.event_id(), "manu/acme/item-save/A/1/3");
        for event in [
            json!({}),
            json!([]),
            json!({ "read": 58 }),
            json!({ "read": "order/58" }),
            json!({ "republish": "dead-letters" }),
        ] {
            assert_eq!(Request::read(&event), Err(RequestError), "{event}");
        }
    }
}
