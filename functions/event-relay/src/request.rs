//! What the function is asked to do.

use aws_lambda_events::dynamodb;
use jiff::Timestamp;
use ledger::{Connection, DocumentKey, ScanPosition};
use serde_json::Value;

/// What stands for the start of the table, where an answer says where to go on.
pub(crate) const TABLE_START: &str = "start";

/// What the function is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Publish what of a batch of the stream is a revision.
    Stream(Box<dynamodb::Event>),
    /// Publish something again.
    Republish(Republish),
}

/// What is to be published again. Every event has the id that it had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Republish {
    /// All revisions of a document.
    Document(DocumentKey),
    /// All revisions of a connection that were recorded in a time.
    Time {
        /// The connection; none for all.
        connection: Option<Connection>,
        /// The first instant.
        from: Timestamp,
        /// The first instant after it.
        until: Timestamp,
        /// Where an earlier call stopped; none for the start of the table.
        after: Option<ScanPosition>,
        /// Only those of whose publication there is no record, since there are records.
        unpublished: bool,
    },
    /// What is in the dead-letter queue.
    DeadLetters,
}

/// Why an event of the function was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the event must be a batch of a DynamoDB stream, or {{\"republish\": …}} with {{\"document\":\"mycashflow/acme/order/58\"}}, \
     {{\"connection\":\"mycashflow/acme\",\"from\":TIME,\"to\":TIME}} or \"dead-letters\": {0}"
)]
pub struct RequestError(&'static str);

impl Request {
    /// Reads the Lambda event.
    ///
    /// # Errors
    /// [`RequestError`] for any other shape.
    pub fn read(event: Value) -> Result<Self, RequestError> {
        if event.get("Records").is_some() {
            let stream = serde_json::from_value(event).map_err(|_| RequestError("its records are not a stream's"))?;
            return Ok(Self::Stream(Box::new(stream)));
        }
        let wish = match event.as_object() {
            Some(fields) if fields.len() == 1 => fields.get("republish"),
            _ => None,
        };
        Republish::read(wish.ok_or(RequestError("it has neither records nor republish"))?).map(Self::Republish)
    }
}

impl Republish {
    fn read(wish: &Value) -> Result<Self, RequestError> {
        if wish == "dead-letters" {
            return Ok(Self::DeadLetters);
        }
        let fields = wish.as_object().ok_or(RequestError("republish is neither an object nor \"dead-letters\""))?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        if fields.contains_key("document") {
            let document = text("document").filter(|_| fields.len() == 1).and_then(DocumentKey::parse_full);
            return document
                .map(Self::Document)
                .ok_or(RequestError("document is not CONNECTION/KIND/ID, or not alone"));
        }
        if fields.keys().any(|name| !["connection", "from", "to", "after", "unpublished"].contains(&name.as_str())) {
            return Err(RequestError("republish has a field that is not known"));
        }
        let connection = text("connection").and_then(Connection::parse);
        let time = |name| text(name).and_then(|text| text.parse::<Timestamp>().ok());
        let after = fields.get("after").filter(|after| *after != TABLE_START).map(|after| {
            let text = |name: &str| after[name].as_str().map(str::to_owned);
            Some(ScanPosition { pk: text("pk")?, sk: text("sk")? })
        });
        Ok(Self::Time {
            connection: Some(connection.ok_or(RequestError("connection is not mycashflow/NAME or manu/NAME"))?),
            from: time("from").ok_or(RequestError("from is not a time such as 2026-03-02T08:00:00Z"))?,
            until: time("to").ok_or(RequestError("to is not a time such as 2026-03-02T09:00:00Z"))?,
            after: after
                .map(|after| after.ok_or(RequestError("after is not the next of an earlier answer")))
                .transpose()?,
            unpublished: match fields.get("unpublished") {
                None => false,
                Some(unpublished) => unpublished.as_bool().ok_or(RequestError("unpublished is not true or false"))?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wish(republish: Value) -> Result<Request, RequestError> {
        Request::read(json!({ "republish": republish }))
    }

    #[test]
    fn reads_the_documented_events() {
        assert!(matches!(Request::read(json!({ "Records": [] })), Ok(Request::Stream(_))));
        assert_eq!(
            wish(json!({ "document": "manu/acme/item-save/A/1" })),
            Ok(Request::Republish(Republish::Document(DocumentKey::manu("acme", "item-save", "A/1"))))
        );
        assert_eq!(wish(json!("dead-letters")), Ok(Request::Republish(Republish::DeadLetters)));
        let time = json!({ "connection": "mycashflow/acme", "from": "2026-03-02T08:00:00Z", "to": "2026-03-02T10:00:00+02:00" });
        let expected = Republish::Time {
            connection: Some(Connection::shop("acme")),
            from: "2026-03-02T08:00:00Z".parse().unwrap(),
            until: "2026-03-02T08:00:00Z".parse().unwrap(),
            after: None,
            unpublished: false,
        };
        assert_eq!(wish(time), Ok(Request::Republish(expected)));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for event in [
            json!({}),
            json!({ "republish": "everything" }),
            json!({ "republish": { "document": "order/58" } }),
            json!({ "republish": { "document": "mycashflow/acme/order/58", "from": "2026-03-02T08:00:00Z" } }),
            json!({ "republish": { "connection": "acme", "from": "2026-03-02T08:00:00Z", "to": "2026-03-02T09:00:00Z" } }),
            json!({ "republish": { "connection": "manu/acme", "from": "yesterday", "to": "2026-03-02T09:00:00Z" } }),
            json!({ "republish": "dead-letters", "document": "mycashflow/acme/order/58" }),
        ] {
            assert!(Request::read(event.clone()).is_err(), "{event}");
        }
    }
}
