//! What is read of SQS and of the event. Fields that are not named here are ignored, so new ones do no harm.

use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
pub(crate) struct Batch {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) body: String,
}

/// Which messages are to come again.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    pub(crate) batch_item_failures: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) item_identifier: String,
}

#[derive(Deserialize)]
struct Event {
    detail: Detail,
}

#[derive(Deserialize)]
pub(crate) struct Detail {
    pub(crate) id: String,
    pub(crate) connection: String,
    pub(crate) revision: i64,
    pub(crate) recorded_at: String,
    /// As it was written: PostgreSQL reads it, and keeps every digit.
    pub(crate) order: Option<Box<RawValue>>,
}

/// Reads an event that carries its order.
pub(crate) fn read(body: &str) -> Result<Detail, Error> {
    // serde_json's own text quotes nothing but names of fields and types, and single values: say only where it is.
    let event: Event = serde_json::from_str(body)
        .map_err(|error| format!("no event of an order, line {} column {}", error.line(), error.column()))?;
    if event.detail.order.is_none() {
        return Err(format!("{} is truncated: read the order from the ledger", event.detail.id).into());
    }
    Ok(event.detail)
}
