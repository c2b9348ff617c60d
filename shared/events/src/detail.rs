//! The details of the events: the types that are a contract with the consumers.

use std::borrow::Cow;

use intake::Order;
use jiff::Timestamp;
use ledger::{Revision, RevisionKey};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The version of the form of the details. A consumer of this version can read every event that carries it: fields are
/// added, and nothing else changes.
pub const SCHEMA_VERSION: u32 = 1;

/// The function that reads a whole event.
const READER: &str = "event-read";

/// What every event says, whatever it is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Common {
    /// The version of the form. It stays as long as fields are only added.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub(crate) schema_version: u32,
    /// The id of the revision, the same however often it is published: drop repeats by it.
    pub(crate) id: String,
    /// The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
    pub(crate) connection: String,
    /// The number of the revision among those of its document, from 1.
    pub(crate) revision: u32,
    /// How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for by name
    /// (`refresh`), or found by a backfill.
    #[schemars(extend("enum" = ["push", "poll", "refresh", "backfill"]))]
    pub(crate) origin: &'static str,
    /// When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
    pub(crate) observed_at: Timestamp,
    /// When it was written to the ledger.
    pub(crate) recorded_at: Timestamp,
    /// Whether the event would be too large with the document, so that it is left out.
    pub(crate) truncated: bool,
    /// How to read the whole event; absent when `truncated` is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claim_check: Option<ClaimCheck>,
}

/// How to read a whole event: by invoking a function of the deployment, which may only read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ClaimCheck {
    /// The function's name in the deployment; the stack's output `EventReadName` has its name in the account.
    #[schemars(extend("const" = READER))]
    function: &'static str,
    /// What to invoke it with.
    payload: ReadRequest,
}

/// What `event-read` is invoked with.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ReadRequest {
    /// The `id` of an event.
    read: String,
}

impl Common {
    pub(crate) fn of(key: &RevisionKey, revision: &Revision, truncated: bool) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            id: key.event_id(),
            connection: key.document.connection.to_string(),
            revision: revision.revision,
            origin: revision.source.as_str(),
            observed_at: revision.observed_at,
            recorded_at: revision.recorded_at,
            truncated,
            claim_check: truncated
                .then(|| ClaimCheck { function: READER, payload: ReadRequest { read: key.event_id() } }),
        }
    }
}

/// The detail of the event of an order's first revision.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OrderCreated<'a> {
    #[serde(flatten)]
    pub(crate) common: Common,
    /// The order; absent when `truncated` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<Cow<'a, Order>>,
}

/// The detail of the event of a later revision of an order.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OrderUpdated<'a> {
    #[serde(flatten)]
    pub(crate) common: Common,
    #[serde(flatten)]
    pub(crate) since: Since,
    /// The order; absent when `truncated` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<Cow<'a, Order>>,
}

/// What an order's event says of the revision before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Since {
    /// The places in which the order differs from the revision before: `status`, `payments[0].status`. With many, only
    /// the order's own fields that hold them. Null when the revision before is gone or cannot be read: then it is unknown.
    pub(crate) changes: Option<Vec<String>>,
    /// What stood in the revision before; null when `changes` is.
    pub(crate) previous: Option<Previous>,
}

/// What stood in the revision before, of the fields by which rules choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Previous {
    /// The order's `status`; null when it had none.
    pub(crate) status: Option<String>,
    /// The `status` of its first payment that has one; null when none had.
    pub(crate) payment_status: Option<String>,
    /// Whether all its products were shipped: of the lines of type `product` that say so. Null when none did.
    pub(crate) shipped: Option<bool>,
}

/// The detail of a document's event.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DocumentReceived<'a> {
    #[serde(flatten)]
    pub(crate) common: Common,
    /// The ERP's own JSON, its numbers as they were written; absent when `truncated` is true. The vendor publishes no
    /// field names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub(crate) document: Option<&'a RawValue>,
}
