//! The messages: what is to be done at a shop.

use std::collections::BTreeSet;

use ledger::ContentHash;
use serde_json::{Map, Value, json};

/// The most orders that one message may name: so many get done before the function's time is over.
pub const MAX_ORDERS: usize = 50;
/// The most bytes an id may have in UTF-8. It becomes a part of a sort key, which holds 1024.
const MAX_ID_BYTES: usize = 300;

/// What is to be done at a shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// By what a repeat of the message is known, where the sender says it.
    pub id: Option<String>,
    /// The shop's name among the connections.
    pub shop: String,
    /// The orders, each once.
    pub orders: BTreeSet<u64>,
    /// What is to be done with each of them.
    pub action: Action,
}

/// What is to be done with an order.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Mark it as delivered.
    Deliver {
        /// Whether the shop mails the customer.
        send_email: bool,
        /// The parcel's code.
        tracking_code: Option<String>,
    },
    /// Add a comment.
    AddComment {
        /// Its text.
        message: String,
        /// Whether the customer is shown it, and mailed.
        public_message: bool,
    },
    /// Have the shop POST it once more.
    Resend,
    /// Ask the shop for it, and record what it says.
    Refresh,
}

impl std::fmt::Debug for Action {
    /// Shows the name alone: a comment and a tracking code are personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a message was refused. Names the field, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not an action: {0}")]
pub struct MessageError(&'static str);

impl Action {
    /// The name in messages and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deliver { .. } => "deliver",
            Self::AddComment { .. } => "add_comment",
            Self::Resend => "resend",
            Self::Refresh => "refresh",
        }
    }
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] for any other shape, an unknown field included: a misspelt `send_email` must not pass as absent.
    pub fn read(message: &Value) -> Result<Self, MessageError> {
        let fields = message.as_object().ok_or(MessageError("it is not an object"))?;
        let (action, own): (Action, &[&str]) = match fields.get("action").and_then(Value::as_str) {
            Some("deliver") => {
                let send_email = flag(fields, "send_email").ok_or(MessageError("send_email is not true or false"))?;
                let tracking_code = match fields.get("tracking_code") {
                    None | Some(Value::Null) => None,
                    Some(Value::String(code)) if !code.trim().is_empty() => Some(code.clone()),
                    // A number keeps its digits.
                    Some(Value::Number(code)) => Some(code.to_string()),
                    Some(_) => return Err(MessageError("tracking_code is neither a text nor a number, or empty")),
                };
                (Action::Deliver { send_email, tracking_code }, &["send_email", "tracking_code"])
            }
            Some("add_comment") => {
                let text = fields.get("message").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
                let message = text.ok_or(MessageError("message is missing or empty"))?.to_owned();
                let public_message = flag(fields, "public_message");
                let public_message = public_message.ok_or(MessageError("public_message is not true or false"))?;
                (Action::AddComment { message, public_message }, &["message", "public_message"])
            }
            Some("resend") => (Action::Resend, &[]),
            Some("refresh") => (Action::Refresh, &[]),
            _ => return Err(MessageError("action is none of deliver, add_comment, resend and refresh")),
        };
        if fields
            .keys()
            .any(|name| !["id", "shop", "action", "order", "orders"].contains(&&**name) && !own.contains(&&**name))
        {
            return Err(MessageError("it has a field that is not known for its action"));
        }
        let id = match fields.get("id") {
            None => None,
            Some(Value::String(id)) if (1..=MAX_ID_BYTES).contains(&id.len()) => Some(id.clone()),
            Some(_) => return Err(MessageError("id is not a string of 1 to 300 bytes in UTF-8")),
        };
        let shop = fields.get("shop").and_then(Value::as_str).ok_or(MessageError("shop is missing"))?.to_owned();
        Ok(Self { id, shop, orders: orders(fields)?, action })
    }

    /// The key by which a repeat of the action on this order is known, and the hash of what it does; none when the action
    /// may simply be repeated.
    ///
    /// Without an id the content itself is the key of a delivery or a comment. A resend changes nothing at the customer's,
    /// and the same one may be wanted again next month, so it has a key only with an id.
    pub(crate) fn key(&self, order: u64) -> Option<(String, ContentHash)> {
        let content = match &self.action {
            Action::Deliver { send_email, tracking_code } => json!(["deliver", order, send_email, tracking_code]),
            Action::AddComment { message, public_message } => json!(["add_comment", order, message, public_message]),
            Action::Resend => json!(["resend", order]),
            Action::Refresh => return None,
        };
        let fingerprint = ContentHash::of(content.to_string().as_bytes());
        match (&self.id, &self.action) {
            (Some(id), _) => Some((format!("{id}#{order}"), fingerprint)),
            (None, Action::Resend) => None,
            (None, _) => Some((format!("content#{fingerprint}"), fingerprint)),
        }
    }
}

fn flag(fields: &Map<String, Value>, name: &str) -> Option<bool> {
    fields.get(name).map_or(Some(false), Value::as_bool)
}

fn orders(fields: &Map<String, Value>) -> Result<BTreeSet<u64>, MessageError> {
    let orders: Option<BTreeSet<u64>> = match (fields.get("order"), fields.get("orders")) {
        (Some(order), None) => order.as_u64().map(|order| BTreeSet::from([order])),
        (None, Some(orders)) => orders.as_array().and_then(|orders| orders.iter().map(Value::as_u64).collect()),
        _ => return Err(MessageError("it names orders by either order or orders")),
    };
    let orders = orders.ok_or(MessageError("order is not a number, or orders not a list of numbers"))?;
    match orders.len() {
        1..=MAX_ORDERS => Ok(orders),
        _ => Err(MessageError("orders names none, or more than 50")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: Value) -> &'static str {
        Message::read(&message).unwrap_err().0
    }

    #[test]
    fn reads_the_documented_messages() {
        let read = |message: Value| Message::read(&message).unwrap();
        let deliver =
            read(json!({ "shop": "acme", "action": "deliver", "order": 58, "send_email": true, "tracking_code": "X" }));
        assert_eq!(deliver.orders, BTreeSet::from([58]));
        assert!(deliver.action == Action::Deliver { send_email: true, tracking_code: Some("X".to_owned()) });
        let text = r#"{"shop":"acme","action":"deliver","order":58,"tracking_code":9400111899223197428490}"#;
        let code = Some("9400111899223197428490".to_owned());
        let numbered = read(serde_json::from_str(text).unwrap());
        assert!(numbered.action == Action::Deliver { send_email: false, tracking_code: code });
        let comment =
            read(json!({ "id": "a", "shop": "acme", "action": "add_comment", "orders": [2, 1, 2], "message": "Hei" }));
        assert_eq!(comment.orders, BTreeSet::from([1, 2]));
        assert!(comment.action == Action::AddComment { message: "Hei".to_owned(), public_message: false });
        assert!(read(json!({ "shop": "acme", "action": "resend", "order": 1 })).action == Action::Resend);
        assert!(read(json!({ "shop": "acme", "action": "refresh", "order": 1 })).action == Action::Refresh);
    }

    #[test]
    fn refuses_what_is_not_an_action_and_says_why() {
        assert_eq!(
            error(json!({ "shop": "acme", "action": "cancel", "order": 1 })),
            "action is none of deliver, add_comment, resend and refresh"
        );
        assert_eq!(
            error(json!({ "shop": "acme", "action": "add_comment", "order": 1, "message": " " })),
            "message is missing or empty"
        );
        assert_eq!(error(json!({ "shop": "acme", "action": "deliver" })), "it names orders by either order or orders");
        assert_eq!(
            error(json!({ "shop": "acme", "action": "deliver", "orders": [] })),
            "orders names none, or more than 50"
        );
        assert_eq!(
            error(json!({ "shop": "acme", "action": "deliver", "order": "58" })),
            "order is not a number, or orders not a list of numbers"
        );
        assert_eq!(
            error(json!({ "shop": "acme", "action": "deliver", "order": 1, "sendemail": true })),
            "it has a field that is not known for its action"
        );
        let with_id = |id: String| json!({ "id": id, "shop": "acme", "action": "deliver", "order": 1 });
        assert!(Message::read(&with_id("ä".repeat(150))).is_ok());
        assert_eq!(error(with_id("ä".repeat(151))), "id is not a string of 1 to 300 bytes in UTF-8");
        assert_eq!(error(json!({ "action": "deliver", "order": 1 })), "shop is missing");
        assert_eq!(error(json!([])), "it is not an object");
    }

    #[test]
    fn the_same_action_has_the_same_key_and_another_one_another() {
        let key = |message: Value| Message::read(&message).unwrap().key(1);
        let deliver = json!({ "shop": "acme", "action": "deliver", "order": 1 });
        assert_eq!(
            key(deliver.clone()),
            key(json!({ "order": 1, "action": "deliver", "shop": "acme", "send_email": false }))
        );
        assert_ne!(key(deliver), key(json!({ "shop": "acme", "action": "deliver", "order": 1, "send_email": true })));
        let resend = |id: Value| key(json!({ "shop": "acme", "action": "resend", "order": 1, "id": id }));
        assert_eq!(resend(json!("a")).unwrap().0, "a#1");
        assert_eq!(key(json!({ "shop": "acme", "action": "resend", "order": 1 })), None);
    }

    #[test]
    fn a_comment_is_not_shown() {
        let message = json!({ "shop": "acme", "action": "add_comment", "order": 1, "message": "hush" });
        assert!(!format!("{:?}", Message::read(&message).unwrap()).contains("hush"));
    }
}
