//! What a run is asked to do.

use poll::start_second;
use serde_json::Value;

/// What a run is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollRequest {
    /// Poll every shop, or one.
    Poll {
        /// The shop's name; without it every shop.
        shop: Option<String>,
    },
    /// Read a shop's orders from a time on, without touching the live cursors.
    Backfill {
        /// The shop's name.
        shop: String,
        /// The first second, Unix seconds.
        created_after: i64,
        /// Write nothing, and list what would be written.
        dry_run: bool,
    },
    /// Ask a shop for some orders by number.
    Refresh {
        /// The shop's name.
        shop: String,
        /// The order ids.
        orders: Vec<u64>,
    },
}

/// Why an event was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the event must be {{}}, {{\"shop\":NAME}}, {{\"shop\":NAME,\"created_after\":DATE}} or \
     {{\"shop\":NAME,\"orders\":[NUMBER,…]}}: {0}"
)]
pub struct EventError(&'static str);

impl PollRequest {
    /// Reads the Lambda event. A date means its first moment in Europe/Helsinki; a time stamp such as
    /// `2024-01-01T10:00:00Z` is taken as it is. An event as EventBridge sends one when no input is configured polls
    /// every shop.
    ///
    /// # Errors
    /// [`EventError`] for any other shape.
    pub fn read(event: &Value) -> Result<Self, EventError> {
        let fields = event.as_object().ok_or(EventError("it is not an object"))?;
        if fields.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event") {
            return Ok(Self::Poll { shop: None });
        }
        if fields.keys().any(|name| !["shop", "created_after", "orders", "dry_run"].contains(&name.as_str())) {
            return Err(EventError("it has a field that is not known"));
        }
        let shop = match fields.get("shop") {
            None => None,
            Some(Value::String(shop)) => Some(shop.clone()),
            Some(_) => return Err(EventError("shop is not a string")),
        };
        let dry_run = match fields.get("dry_run") {
            None => false,
            Some(Value::Bool(dry_run)) if fields.contains_key("created_after") => *dry_run,
            Some(_) => return Err(EventError("dry_run is true or false, and goes with created_after")),
        };
        match (shop, fields.get("created_after"), fields.get("orders")) {
            (shop, None, None) => Ok(Self::Poll { shop }),
            (Some(shop), Some(from), None) => {
                let created_after =
                    from.as_str().and_then(start_second).ok_or(EventError("created_after is not a date"))?;
                Ok(Self::Backfill { shop, created_after, dry_run })
            }
            (Some(shop), None, Some(orders)) => {
                let orders: Option<Vec<u64>> =
                    orders.as_array().and_then(|ids| ids.iter().map(Value::as_u64).collect());
                let orders =
                    orders.filter(|ids| !ids.is_empty()).ok_or(EventError("orders is not a list of numbers"))?;
                Ok(Self::Refresh { shop, orders })
            }
            (None, _, _) => Err(EventError("a backfill or refresh needs a shop")),
            (Some(_), Some(_), Some(_)) => Err(EventError("created_after and orders exclude each other")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_the_documented_events() {
        let acme = || "acme".to_owned();
        assert_eq!(PollRequest::read(&json!({})), Ok(PollRequest::Poll { shop: None }));
        assert_eq!(PollRequest::read(&json!({ "shop": "acme" })), Ok(PollRequest::Poll { shop: Some(acme()) }));
        let midnight = 1_704_060_000; // 2023-12-31T22:00:00Z
        assert_eq!(
            PollRequest::read(&json!({ "shop": "acme", "created_after": "2024-01-01" })),
            Ok(PollRequest::Backfill { shop: acme(), created_after: midnight, dry_run: false })
        );
        assert_eq!(
            PollRequest::read(&json!({ "shop": "acme", "created_after": "2024-01-01T00:00:00+02:00" })),
            Ok(PollRequest::Backfill { shop: acme(), created_after: midnight, dry_run: false })
        );
        assert_eq!(
            PollRequest::read(&json!({ "shop": "acme", "orders": [23, 43] })),
            Ok(PollRequest::Refresh { shop: acme(), orders: vec![23, 43] })
        );
    }

    #[test]
    fn reads_the_event_of_a_schedule_without_input() {
        let event = json!({ "version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler" });
        assert_eq!(PollRequest::read(&event), Ok(PollRequest::Poll { shop: None }));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for event in [
            json!([]),
            json!({ "created_after": "2024-01-01" }),
            json!({ "shop": "acme", "created_after": "yesterday" }),
            json!({ "shop": "acme", "orders": [] }),
            json!({ "shop": "acme", "orders": ["23"] }),
            json!({ "shop": "acme", "since": "2024-01-01" }),
        ] {
            assert!(PollRequest::read(&event).is_err(), "{event}");
        }
    }
}
