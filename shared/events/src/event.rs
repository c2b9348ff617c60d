//! The event of a revision, and its detail.

use std::borrow::Cow;

use intake::{stored_document, stored_order};
use jiff::Timestamp;
use ledger::{Connection, Revision, RevisionKey, System};
use mycashflow::Order;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The detail-type of an order's first revision.
pub const ORDER_CREATED: &str = "order.created";
/// The detail-type of every later revision of an order.
pub const ORDER_UPDATED: &str = "order.updated";

/// The most bytes that a detail has with its document: a little under 1 MB, which EventBridge has taken since January 2026
/// (AWS Compute Blog, "More room to build: serverless services now support payloads up to 1 MB"). Whether that is 1000 or
/// 1024 KB, and how much the envelope around an entry takes of it, is undocumented.
pub const MAX_DETAIL_BYTES: usize = 990_000;

/// A revision, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which revision it is.
    pub key: RevisionKey,
    /// When it was recorded: the event's time.
    pub time: Timestamp,
    /// `tilaussilta.mycashflow` or `tilaussilta.manu`.
    pub source: &'static str,
    /// What kind of event it is.
    pub detail_type: String,
    /// The JSON of the detail.
    pub detail: String,
    /// The JSON of the detail without the document, and marked so.
    pub bare_detail: String,
    /// Whether `detail` is that too, because with the document the event is too large.
    pub truncated: bool,
}

/// Why a revision has no event. Names places, never contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored body cannot be read: {0}")]
pub struct NoEvent(String);

impl NoEvent {
    fn json(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<intake::Unreadable> for NoEvent {
    fn from(reason: intake::Unreadable) -> Self {
        Self(reason.to_string())
    }
}

impl Event {
    /// Makes the event of a revision. One whose detail would take more than `limit_bytes` is made without its document.
    ///
    /// # Errors
    /// [`NoEvent`] when the stored body is not what the connection's system sends.
    pub fn of_revision(key: &RevisionKey, revision: &Revision, limit_bytes: usize) -> Result<Self, NoEvent> {
        let common = |truncated| Common {
            id: key.event_id(),
            connection: key.document.connection.to_string(),
            revision: revision.revision,
            origin: revision.source.as_str(),
            observed_at: revision.observed_at,
            recorded_at: revision.recorded_at,
            truncated,
        };
        let (detail_type, whole, bare) = match key.document.connection.system {
            System::Mycashflow => {
                let order = stored_order(&key.document, revision)?;
                let detail = |order: Option<&Order>| {
                    json_text(&OrderDetail { common: common(order.is_none()), order: order.map(Cow::Borrowed) })
                };
                let detail_type = if revision.revision == 1 { ORDER_CREATED } else { ORDER_UPDATED };
                (detail_type.to_owned(), detail(Some(&order))?, detail(None)?)
            }
            System::Manu => {
                let json = stored_document(revision)?.published_json().into_owned();
                let document = RawValue::from_string(json).map_err(NoEvent::json)?;
                let detail = |document: Option<&RawValue>| {
                    json_text(&DocumentDetail { common: common(document.is_none()), document })
                };
                (key.document.kind.clone(), detail(Some(&document))?, detail(None)?)
            }
        };
        let truncated = whole.len() > limit_bytes;
        Ok(Self {
            key: key.clone(),
            time: revision.recorded_at,
            source: source(&key.document.connection),
            detail_type,
            detail: if truncated { bare.clone() } else { whole },
            bare_detail: bare,
            truncated,
        })
    }
}

/// What every event says, whatever it is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Common {
    /// The id of the revision, the same however often it is published: drop repeats by it.
    id: String,
    /// The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
    connection: String,
    /// The number of the revision among those of its document, from 1.
    revision: u32,
    /// How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for by name
    /// (`refresh`), or found by a backfill.
    #[schemars(extend("enum" = ["push", "poll", "refresh", "backfill"]))]
    origin: &'static str,
    /// When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
    observed_at: Timestamp,
    /// When it was written to the ledger.
    recorded_at: Timestamp,
    /// Whether the event would be too large with the document, so that it is left out.
    truncated: bool,
}

/// The detail of an order's event.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OrderDetail<'a> {
    #[serde(flatten)]
    common: Common,
    /// The order; absent when `truncated` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Cow<'a, Order>>,
}

/// The detail of a document's event.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DocumentDetail<'a> {
    #[serde(flatten)]
    common: Common,
    /// The ERP's own JSON, its numbers as they were written; absent when `truncated` is true. The vendor publishes no
    /// field names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    document: Option<&'a RawValue>,
}

/// The `source` of a connection's events.
fn source(connection: &Connection) -> &'static str {
    match connection.system {
        System::Mycashflow => "tilaussilta.mycashflow",
        System::Manu => "tilaussilta.manu",
    }
}

fn json_text(detail: &impl Serialize) -> Result<String, NoEvent> {
    serde_json::to_string(detail).map_err(NoEvent::json)
}
