//! Declarations for TypeScript.

use super::{Choice, Kind, Model, Struct, wrapped};

pub(super) fn print(model: &Model) -> String {
    let mut out = "// Generated from the schemas of the events: see types/README.md. Do not edit.\n".to_owned();
    model.choices.iter().for_each(|choice| out += &choice_type(choice));
    model.structs.iter().for_each(|one| out += &interface(one));
    let webhooks: Vec<String> = model.webhooks.iter().map(|slug| format!("  | \"{slug}\"")).collect();
    out += &format!("\n/** The webhooks of the ERP. */\nexport type Webhook =\n{};\n", webhooks.join("\n"));
    out + ENVELOPE
}

const ENVELOPE: &str = r#"
/** What the bus delivers to a rule's target. */
export interface Envelope<DetailType extends string, Source extends string, Detail> {
  version: string;
  /** EventBridge's own id, another one whenever the event is published: drop repeats by `detail.id`. */
  id: string;
  "detail-type": DetailType;
  source: Source;
  account: string;
  /** When the revision was recorded. */
  time: string;
  region: string;
  resources: string[];
  detail: Detail;
}

export type OrderCreatedEvent = Envelope<"order.created", "tilaussilta.mycashflow", OrderCreated>;
export type OrderUpdatedEvent = Envelope<"order.updated", "tilaussilta.mycashflow", OrderUpdated>;
export type DocumentEvent = Envelope<Webhook, "tilaussilta.manu", DocumentReceived>;
/** Any event. Its `detail-type` tells which. */
export type TilaussiltaEvent = OrderCreatedEvent | OrderUpdatedEvent | DocumentEvent;
"#;

fn doc(text: &str, indent: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("{indent}/**\n{}{indent} */\n", wrapped(text, &format!("{indent} * ")))
}

fn choice_type(choice: &Choice) -> String {
    let values: Vec<String> = choice.values.iter().map(|(value, _)| format!("\"{value}\"")).collect();
    format!("\n{}export type {} = {};\n", doc(&choice.doc, ""), choice.name, values.join(" | "))
}

fn interface(one: &Struct) -> String {
    let mut out = format!("\n{}export interface {} {{\n", doc(&one.doc, ""), one.name);
    for field in &one.fields {
        let optional = if field.required { "" } else { "?" };
        out += &format!("{}  {}{optional}: {};\n", doc(&field.doc, "  "), field.name, kind(&field.kind));
    }
    out + "}\n"
}

fn kind(of: &Kind) -> String {
    match of {
        Kind::Text => "string".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Integer(_) => "number".to_owned(),
        Kind::Number(number) => number.to_string(),
        Kind::Any => "unknown".to_owned(),
        Kind::Choice(name) | Kind::Of(name) => name.clone(),
        Kind::List(inner) => format!("{}[]", kind(inner)),
        Kind::Map(inner) => format!("Record<string, {}>", kind(inner)),
        Kind::Nullable(inner) => format!("{} | null", kind(inner)),
    }
}
