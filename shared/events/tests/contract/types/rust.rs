//! Structs for Rust, which serde reads and writes.

use super::{Choice, Field, Kind, Model, Struct, wrapped};

pub(super) fn print(model: &Model) -> String {
    let mut out = HEAD.to_owned();
    model.choices.iter().for_each(|choice| out += &choice_type(choice));
    model.structs.iter().for_each(|one| out += &structure(one));
    out + EVENT
}

const HEAD: &str = r#"//! The events of Tilaussilta, as a rule's target receives them. Generated from their schemas: see `types/README.md` of the
//! project. Do not edit.
//!
//! ```
//! use tilaussilta_event_types::{Event, OrderUpdated};
//!
//! # let json = include_str!("../../../shared/events/examples/order.updated/whole.json");
//! let event: Event<OrderUpdated> = serde_json::from_str(json)?;
//! assert_eq!(event.detail_type, "order.updated");
//! assert_eq!(event.detail.id, "mycashflow/acme/order/58/2");
//! # Ok::<_, serde_json::Error>(())
//! ```
//!
//! Fields that were added since are passed over. For numbers of more digits than `f64` holds, switch on serde_json's
//! feature `arbitrary_precision`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
"#;

const EVENT: &str = r#"
/// What the bus delivers to a rule's target. `Detail` is [`OrderCreated`], [`OrderUpdated`] or [`DocumentReceived`], as
/// `detail_type` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event<Detail> {
    /// The version of EventBridge's envelope.
    pub version: String,
    /// EventBridge's own id, another one whenever the event is published: drop repeats by the detail's `id`.
    pub id: String,
    /// What kind of event it is: `order.created`, `order.updated`, or the slug of a webhook of the ERP.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// `tilaussilta.mycashflow` or `tilaussilta.manu`.
    pub source: String,
    /// The AWS account of the bus.
    pub account: String,
    /// When the revision was recorded.
    pub time: String,
    /// The AWS region of the bus.
    pub region: String,
    /// Empty.
    pub resources: Vec<String>,
    /// What happened.
    pub detail: Detail,
}
"#;

fn doc(text: &str, indent: &str) -> String {
    wrapped(text, &format!("{indent}/// "))
}

fn choice_type(choice: &Choice) -> String {
    let mut out = format!(
        "\n{}#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]\n#[serde(rename_all = \"lowercase\")]\npub enum {} {{\n",
        doc(&choice.doc, ""),
        choice.name
    );
    for (value, text) in &choice.values {
        let text = if text.is_empty() { format!("`{value}`.") } else { text.clone() };
        out += &format!("{}    {}{},\n", doc(&text, "    "), value[..1].to_uppercase(), &value[1..]);
    }
    out + "}\n"
}

fn structure(one: &Struct) -> String {
    let head = "#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]";
    let mut out = format!("\n{}{head}\npub struct {} {{\n", doc(&one.doc, ""), one.name);
    for field in &one.fields {
        out += &doc(&field.doc, "    ");
        out += &attributes(field);
        let name = if field.name == "type" { "kind" } else { &field.name };
        out += &format!("    pub {name}: {},\n", kind_of(field));
    }
    out + "}\n"
}

fn attributes(field: &Field) -> String {
    let mut serde = Vec::new();
    if field.name == "type" {
        serde.push("rename = \"type\"");
    }
    match &field.kind {
        _ if field.required => {}
        Kind::List(_) => serde.extend(["default", "skip_serializing_if = \"Vec::is_empty\""]),
        Kind::Map(_) => serde.extend(["default", "skip_serializing_if = \"BTreeMap::is_empty\""]),
        _ => serde.extend(["default", "skip_serializing_if = \"Option::is_none\""]),
    }
    if serde.is_empty() { String::new() } else { format!("    #[serde({})]\n", serde.join(", ")) }
}

fn kind_of(field: &Field) -> String {
    let kind = kind(&field.kind);
    if field.required || matches!(field.kind, Kind::List(_) | Kind::Map(_)) { kind } else { format!("Option<{kind}>") }
}

fn kind(of: &Kind) -> String {
    match of {
        Kind::Text => "String".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Integer(bits) => format!("u{bits}"),
        Kind::Number(_) => "u32".to_owned(),
        Kind::Any => "Value".to_owned(),
        Kind::Choice(name) | Kind::Of(name) => name.clone(),
        Kind::List(inner) => format!("Vec<{}>", kind(inner)),
        Kind::Map(inner) => format!("BTreeMap<String, {}>", kind(inner)),
        Kind::Nullable(inner) => format!("Option<{}>", kind(inner)),
    }
}
