//! Dataclasses for Python, with readers that pass over fields they do not know.

use super::{Choice, Field, Kind, Model, Struct, wrapped};

pub(super) fn print(model: &Model) -> String {
    let mut out = HEAD.to_owned();
    model.choices.iter().for_each(|choice| out += &literal(choice));
    model.structs.iter().for_each(|one| out += &class(one));
    let webhooks: Vec<String> = model.webhooks.iter().map(|slug| format!("    \"{slug}\",\n")).collect();
    out += &format!(
        "\n\nWEBHOOKS: Final = frozenset({{\n{}}})\n\"\"\"The webhooks of the ERP.\"\"\"\n",
        webhooks.concat()
    );
    out + EVENT
}

const HEAD: &str = r#""""The events of Tilaussilta. Generated from their schemas: see types/README.md. Do not edit.

Read an event with ``Event.from_json``. Fields that were added since are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
"#;

const EVENT: &str = r#"

@dataclass(frozen=True, kw_only=True)
class Event:
    """What the bus delivers to a rule's target."""

    version: str
    id: str
    """EventBridge's own id, another one whenever the event is published: drop repeats by ``detail.id``."""
    detail_type: str
    source: str
    account: str
    time: str
    """When the revision was recorded."""
    region: str
    resources: list[str]
    detail: OrderCreated | OrderUpdated | DocumentReceived

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Event:
        """Reads an event. Raises ``ValueError`` for a detail-type that is not known."""
        detail: OrderCreated | OrderUpdated | DocumentReceived
        match value["detail-type"]:
            case "order.created":
                detail = OrderCreated.from_json(value["detail"])
            case "order.updated":
                detail = OrderUpdated.from_json(value["detail"])
            case webhook if webhook in WEBHOOKS:
                detail = DocumentReceived.from_json(value["detail"])
            case other:
                raise ValueError(f"unknown detail-type {other!r}")
        return cls(
            version=value["version"],
            id=value["id"],
            detail_type=value["detail-type"],
            source=value["source"],
            account=value["account"],
            time=value["time"],
            region=value["region"],
            resources=list(value["resources"]),
            detail=detail,
        )
"#;

fn doc(text: &str, indent: &str) -> String {
    // Backslashes stand nowhere in the descriptions.
    let lines = wrapped(text, indent);
    format!("{indent}\"\"\"{}\"\"\"\n", lines.trim())
}

fn literal(choice: &Choice) -> String {
    let values: Vec<String> = choice.values.iter().map(|(value, _)| format!("\"{value}\"")).collect();
    format!("\n{} = Literal[{}]\n{}", choice.name, values.join(", "), doc(&choice.doc, ""))
}

fn class(one: &Struct) -> String {
    let mut out =
        format!("\n\n@dataclass(frozen=True, kw_only=True)\nclass {}:\n{}\n", one.name, doc(&one.doc, "    "));
    for field in &one.fields {
        out += &format!("    {}: {}{}\n{}", field.name, annotation(field), default(field), doc(&field.doc, "    "));
    }
    out += &format!(
        "\n    @classmethod\n    def from_json(cls, value: Mapping[str, Any]) -> {}:\n        return cls(\n",
        one.name
    );
    for field in &one.fields {
        out += &format!("            {}={},\n", field.name, read(field));
    }
    out + "        )\n"
}

fn is_collection(of: &Kind) -> bool {
    matches!(of, Kind::List(_) | Kind::Map(_))
}

fn annotation(field: &Field) -> String {
    let kind = kind(&field.kind);
    if field.required || is_collection(&field.kind) || field.kind == Kind::Any {
        kind
    } else {
        format!("{kind} | None")
    }
}

fn default(field: &Field) -> &'static str {
    match &field.kind {
        _ if field.required => "",
        Kind::List(_) => " = field(default_factory=list)",
        Kind::Map(_) => " = field(default_factory=dict)",
        _ => " = None",
    }
}

fn kind(of: &Kind) -> String {
    match of {
        Kind::Text => "str".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Integer(_) => "int".to_owned(),
        Kind::Number(number) => format!("Literal[{number}]"),
        Kind::Any => "Any".to_owned(),
        Kind::Choice(name) | Kind::Of(name) => name.clone(),
        Kind::List(inner) => format!("list[{}]", kind(inner)),
        Kind::Map(inner) => format!("dict[str, {}]", kind(inner)),
        Kind::Nullable(inner) => format!("{} | None", kind(inner)),
    }
}

/// The expression that reads a field. What can be missing or `null` is read alike.
fn read(field: &Field) -> String {
    let name = &field.name;
    let whole = format!("value[\"{name}\"]");
    let (of, can_miss) = match &field.kind {
        Kind::Nullable(inner) => (&**inner, true),
        kind => (kind, !field.required),
    };
    match of {
        Kind::List(inner) if !matches!(field.kind, Kind::Nullable(_)) => {
            let list = if can_miss { format!("value.get(\"{name}\", [])") } else { whole };
            format!("[{} for one in {list}]", convert(inner, "one"))
        }
        Kind::Map(_) => format!("dict(value.get(\"{name}\", {{}}))"),
        _ if !can_miss => convert(of, &whole),
        Kind::Of(_) | Kind::List(_) => {
            format!("None if value.get(\"{name}\") is None else {}", convert(of, &whole))
        }
        _ => format!("value.get(\"{name}\")"),
    }
}

fn convert(of: &Kind, expression: &str) -> String {
    match of {
        Kind::Of(name) => format!("{name}.from_json({expression})"),
        Kind::List(_) => format!("list({expression})"),
        _ => expression.to_owned(),
    }
}
