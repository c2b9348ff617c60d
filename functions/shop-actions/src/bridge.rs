//! The bridge: a dispatch that was activated in the ERP delivers the shop's orders that it names.

use std::collections::BTreeSet;

use lambda::{Bridge, Deps};
use ledger::{Connection, DocumentKey, LedgerError, RevisionKey};
use manu::WebhookType;
use serde_json::Value;

use crate::message::{Action, MAX_ORDERS, Message};
use crate::report::{Outcome, Report};

/// What a dispatch asks for.
#[derive(Debug)]
pub(crate) enum Crossing {
    /// Nothing: the account has no bridge, or the document names no order.
    Nothing(&'static str),
    /// To deliver the orders of a message, if any; what else it names is reported.
    Deliver { message: Option<Message>, unknown: Report, dry_run: bool },
    /// The event is not one of ours.
    Rejected(&'static str),
}

/// Whether a message is an event of the bus, as the rule in `template.yaml` sends it here.
pub(crate) fn is_event(message: &Value) -> bool {
    message.get("detail-type").is_some()
}

/// Finds out what an event asks for.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be asked for its orders or for a document that the event leaves out.
pub(crate) async fn cross(deps: &Deps, event: &Value) -> Result<Crossing, LedgerError> {
    if event["detail-type"] != WebhookType::SalesDispatchActivate.slug() || event["source"] != "tilaussilta.manu" {
        return Ok(Crossing::Rejected("the event is not of a sales dispatch"));
    }
    let detail = &event["detail"];
    let Some(key) = detail["id"].as_str().and_then(RevisionKey::parse) else {
        return Ok(Crossing::Rejected("the event has no id of a revision"));
    };
    let connections = deps.connections.current();
    let account = &key.document.connection.name;
    let Some(bridge) = connections.manu.get(account).and_then(|account| account.bridge.as_ref()) else {
        return Ok(Crossing::Nothing("the account has no bridge"));
    };
    match detail.get("document") {
        Some(document) => read(deps, bridge, &key, document).await,
        None => {
            let Some(revision) = deps.ledger.revision(&key).await? else {
                return Ok(Crossing::Rejected("the event is without its document, which the ledger no longer has"));
            };
            match serde_json::from_slice(&revision.body) {
                Ok(document) => read(deps, bridge, &key, &document).await,
                Err(_) => Ok(Crossing::Rejected("the document is not JSON")),
            }
        }
    }
}

async fn read(deps: &Deps, bridge: &Bridge, key: &RevisionKey, document: &Value) -> Result<Crossing, LedgerError> {
    let named = bridge.orders.query(document).all();
    if named.is_empty() {
        return Ok(Crossing::Nothing("the dispatch names no order of the shop"));
    }
    let mut unknown = Report::default();
    let mut orders = BTreeSet::new();
    for (index, value) in named.iter().enumerate() {
        match order_id(value) {
            Some(order) => drop(orders.insert(order)),
            // The value is not repeated: a path that misses can point at a person's name.
            None => unknown.add(None, Outcome::Rejected(format!("value {} of the path is not an order id", index + 1))),
        }
    }
    // A dispatch names an order once for each of its rows.
    if orders.len() > MAX_ORDERS {
        return Ok(Crossing::Rejected("the dispatch names more than 50 orders"));
    }
    let keys: Vec<DocumentKey> = orders.iter().map(|order| DocumentKey::order(&*bridge.shop, *order)).collect();
    let heads = deps.ledger.heads(&keys).await?;
    for document in keys.iter().filter(|document| !heads.contains_key(*document)) {
        let order = document.id.parse().unwrap_or_default();
        orders.remove(&order);
        let shop = Connection::shop(&*bridge.shop);
        unknown.add(Some(order), Outcome::Rejected(format!("the ledger has no such order of {shop}")));
    }
    let code = bridge.tracking_code.as_ref().map(|path| path.query(document).all()).unwrap_or_default();
    let tracking_code = code.into_iter().find_map(|value| match value {
        Value::String(code) if !code.trim().is_empty() => Some(code.trim().to_owned()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    });
    let message = (!orders.is_empty()).then(|| Message {
        id: Some(key.event_id()),
        shop: bridge.shop.clone(),
        orders,
        action: Action::Deliver { send_email: bridge.send_email, tracking_code },
    });
    Ok(Crossing::Deliver { message, unknown, dry_run: bridge.dry_run })
}

/// An order id: a whole number, or a string of digits. Nothing else is guessed at.
fn order_id(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}
