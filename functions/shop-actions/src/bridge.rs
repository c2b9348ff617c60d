//! The bridge: a dispatch that was activated in the ERP delivers the shop's orders that it names.

use std::collections::BTreeSet;

use connections::{Bridge, OrderIs};
use jiff::{SignedDuration, Timestamp};
use ledger::{LedgerError, RevisionKey, System};
use manu::WebhookType;
use platform::Deps;
use serde_json::Value;

use crate::message::{Action, MAX_ORDERS, Message};

/// The longest after it was recorded that a dispatch delivers by itself. An older one was published again, or lay in a
/// queue for long: the bridge may have been off or on a dry run at its time, and a mail about it would puzzle a customer.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What a dispatch asks for.
#[derive(Debug)]
pub(crate) enum Crossing {
    /// Nothing: the account has no bridge, or the document names no order.
    Nothing(&'static str),
    /// To deliver the orders of a message, perhaps none; what is wrong with what else it names is reported.
    Orders { message: Message, order_is: OrderIs, complaint: Option<String>, mode: Mode },
    /// The event is not one of ours.
    Rejected(&'static str),
}

/// What is done with the orders that a dispatch names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are delivered.
    Deliver,
    /// What would be done is logged.
    DryRun,
    /// Those that were delivered at its time are passed over, and the others reported.
    TooOld,
}

/// Whether a message is an event of the bus, as the rule in `template.yaml` sends it here.
pub(crate) fn is_event(message: &Value) -> bool {
    message.get("detail-type").is_some()
}

/// Finds out what an event asks for.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be asked for a document that the event leaves out.
pub(crate) async fn cross(deps: &Deps, event: &Value) -> Result<Crossing, LedgerError> {
    if event["detail-type"] != WebhookType::SalesDispatchActivate.slug() || event["source"] != "tilaussilta.manu" {
        return Ok(Crossing::Rejected("the event is not of a sales dispatch"));
    }
    let detail = &event["detail"];
    let key = detail["id"].as_str().and_then(RevisionKey::parse).filter(|key| {
        key.document.connection.system == System::Manu && key.document.kind == WebhookType::SalesDispatchActivate.slug()
    });
    let Some(key) = key else {
        return Ok(Crossing::Rejected("the event has no id of a sales dispatch's revision"));
    };
    let Some(recorded_at) = detail["recorded_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return Ok(Crossing::Rejected("the event does not say when its dispatch was recorded"));
    };
    let connections = deps.connections.current();
    let account = &key.document.connection.name;
    let Some(bridge) = connections.manu.get(account).and_then(|account| account.bridge.as_ref()) else {
        return Ok(Crossing::Nothing("the account has no bridge"));
    };
    let mode = match bridge.dry_run {
        true => Mode::DryRun,
        false if (deps.clock)().duration_since(recorded_at) > MAX_AGE => Mode::TooOld,
        false => Mode::Deliver,
    };
    match detail.get("document") {
        Some(document) => Ok(read(bridge, &key, document, mode)),
        None => {
            let Some(revision) = deps.ledger.revision(&key).await? else {
                return Ok(Crossing::Rejected("the event is without its document, which the ledger no longer has"));
            };
            let document = manu::read_document(&revision.body).ok();
            match document.and_then(|document| serde_json::from_slice(&document.canonical).ok()) {
                Some(document) => Ok(read(bridge, &key, &document, mode)),
                None => Ok(Crossing::Rejected("the document in the ledger cannot be read")),
            }
        }
    }
}

fn read(bridge: &Bridge, key: &RevisionKey, document: &Value, mode: Mode) -> Crossing {
    let Named { orders, complaint: about_orders } = named_orders(&bridge.orders.query(document).all());
    if orders.is_empty() && about_orders.is_none() {
        return Crossing::Nothing("the dispatch names no order of the shop");
    }
    if orders.len() > MAX_ORDERS {
        return Crossing::Rejected("the dispatch names more than 50 orders");
    }
    let code = bridge.tracking_code.as_ref().map(|path| path.query(document).all()).unwrap_or_default();
    let (tracking_code, about_code) = tracking_code(&code);
    let complaints = [about_orders, about_code.map(str::to_owned)].into_iter().flatten();
    let complaint = complaints.reduce(|one, other| format!("{one}; {other}"));
    let message = Message {
        id: Some(key.event_id()),
        shop: bridge.shop.clone(),
        orders,
        action: Action::Deliver { send_email: bridge.send_email, tracking_code },
    };
    Crossing::Orders { message, order_is: bridge.order_is, complaint, mode }
}

/// The first tracking code among the values of a path, and what is wrong where there is none but something else. A number with
/// an exponent is no code: its digits are not those that were written.
fn tracking_code(values: &[&Value]) -> (Option<String>, Option<&'static str>) {
    let is_nothing = |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    let code = values.iter().find_map(|value| match value {
        Value::String(code) if !code.trim().is_empty() => Some(code.trim().to_owned()),
        Value::Number(code) => Some(code.to_string()).filter(|digits| !digits.contains(['e', 'E'])),
        _ => None,
    });
    let is_odd = code.is_none() && values.iter().any(|value| !is_nothing(value));
    (code, is_odd.then_some("the tracking code is neither text nor a plain number, so none was sent"))
}

/// The orders that a path found.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    /// Each once: a dispatch names an order once for each of its rows.
    orders: BTreeSet<u64>,
    /// What is wrong with the other values, all of them in one sentence.
    complaint: Option<String>,
}

/// Tells order ids from other values. A row without an order names none, which is no fault.
fn named_orders(values: &[&Value]) -> Named {
    let mut orders = BTreeSet::new();
    let (mut bad, mut first_bad) = (0_usize, 0);
    for (index, value) in values.iter().enumerate() {
        match (value, order_id(value)) {
            (_, Some(order)) => drop(orders.insert(order)),
            (Value::Null, None) => {}
            (Value::String(text), None) if text.trim().is_empty() => {}
            (_, None) => {
                bad += 1;
                first_bad = if bad == 1 { index + 1 } else { first_bad };
            }
        }
    }
    // No value is repeated: a path that misses can point at a person's name.
    let all = values.len();
    let complaint = format!("{bad} of the {all} values of the path are not order ids, the first is value {first_bad}");
    Named { orders, complaint: (bad > 0).then_some(complaint) }
}

/// An order id: a whole number, or a string of digits. Nothing else is guessed at.
fn order_id(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}
