//! The event of a revision, and its detail.

use std::borrow::Cow;

use intake::{Order, stored_document, stored_order};
use jiff::Timestamp;
use ledger::{Connection, Revision, RevisionKey, System};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::detail::{Common, DocumentReceived, OrderCreated, OrderUpdated, Since};

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
    /// `before` is what [`revision_before`](crate::revision_before) names, as far as it can be had.
    ///
    /// # Errors
    /// [`NoEvent`] when the stored body is not what the connection's system sends.
    pub fn of_revision(
        key: &RevisionKey,
        revision: &Revision,
        before: Option<&Revision>,
        limit_bytes: usize,
    ) -> Result<Self, NoEvent> {
        let common = |truncated| Common::of(key, revision, truncated);
        let (detail_type, whole, bare) = match key.document.connection.system {
            System::Mycashflow if revision.revision == 1 => {
                let order = stored_order(&key.document, revision)?;
                let detail = |order: Option<&Order>| {
                    json_text(&OrderCreated { common: common(order.is_none()), order: order.map(Cow::Borrowed) })
                };
                (ORDER_CREATED.to_owned(), detail(Some(&order))?, detail(None)?)
            }
            System::Mycashflow => {
                let order = stored_order(&key.document, revision)?;
                let since = Since::between(key, before, &order);
                let detail = |order: Option<&Order>| {
                    let (common, since) = (common(order.is_none()), since.clone());
                    json_text(&OrderUpdated { common, since, order: order.map(Cow::Borrowed) })
                };
                (ORDER_UPDATED.to_owned(), detail(Some(&order))?, detail(None)?)
            }
            System::Manu => {
                let json = stored_document(revision)?.published_json().into_owned();
                let document = RawValue::from_string(json).map_err(NoEvent::json)?;
                let detail = |document: Option<&RawValue>| {
                    json_text(&DocumentReceived { common: common(document.is_none()), document })
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
