//! The messages of the queue: an event as the bus's rule sends it, or one for a single endpoint.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A message of the queue.
pub(crate) enum Message<'a> {
    /// An event of the bus, for whoever wants it.
    Event(BusEvent<'a>),
    /// An event for one endpoint.
    Delivery { endpoint: String, event: BusEvent<'a> },
}

/// An event as EventBridge hands it to a rule's target. Its detail keeps its text, so that no number loses a digit.
#[derive(Deserialize)]
pub struct BusEvent<'a> {
    /// `tilaussilta.mycashflow` or `tilaussilta.manu`.
    pub source: String,
    /// `order.created`.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// When the revision was recorded.
    pub time: String,
    /// The detail's JSON.
    #[serde(borrow)]
    pub detail: &'a RawValue,
    #[serde(skip)]
    id: String,
}

#[derive(Deserialize)]
struct ForOne<'a> {
    endpoint: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

#[derive(Deserialize)]
struct Detail {
    id: String,
}

impl<'a> Message<'a> {
    /// Reads a message's text; none when it is neither of the two.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        match serde_json::from_str::<ForOne<'a>>(text) {
            Ok(ForOne { endpoint, event }) => Some(Self::Delivery { endpoint, event: BusEvent::read(event.get())? }),
            Err(_) => BusEvent::read(text).map(Self::Event),
        }
    }
}

impl<'a> BusEvent<'a> {
    /// Reads an event; none when it is not one of this product.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut event: Self = serde_json::from_str(text).ok()?;
        event.id = serde_json::from_str::<Detail>(event.detail.get()).ok()?.id;
        Some(event)
    }

    /// The id of the revision.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The message that brings an event, which is JSON already, to one endpoint.
pub(crate) fn delivery(endpoint: &str, event: &str) -> String {
    // An endpoint's name is letters, digits and hyphens: nothing in it is to be escaped.
    format!(r#"{{"endpoint":"{endpoint}","event":{event}}}"#)
}
