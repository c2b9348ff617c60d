//! The types for consumers, in TypeScript, Python and Rust: written from the schemas, each by a printer of its own.
//!
//! Generators that are kept elsewhere were not taken: each makes one language's types by rules of its own, none of them
//! makes readers for dataclasses, and the comparison with what is committed would need their packages from the network.

mod python;
mod rust;
mod typescript;

use std::collections::BTreeSet;

use events::{ORDER_CREATED, ORDER_UPDATED};
use serde_json::Value;

use crate::{assert_committed, path};

/// A type with fields.
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    /// The name in JSON.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) kind: Kind,
    /// Whether it is always there.
    pub(crate) required: bool,
}

/// What a field holds.
#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Bool,
    /// A whole number, of at most so many bits.
    Integer(u32),
    /// This number and no other.
    Number(u64),
    /// One of some texts, by the name of their type.
    Choice(String),
    Any,
    Of(String),
    List(Box<Kind>),
    Map(Box<Kind>),
    Nullable(Box<Kind>),
}

/// Some texts of which a field holds one.
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) values: Vec<(String, String)>,
}

/// All types of the events.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) structs: Vec<Struct>,
    pub(crate) choices: Vec<Choice>,
    /// The webhooks of the ERP, whose events all have the detail `DocumentReceived`.
    pub(crate) webhooks: Vec<String>,
}

impl Model {
    fn new() -> Self {
        let mut model = Self::default();
        for (name, schema) in events::schemas() {
            let of_type = match name.as_str() {
                ORDER_CREATED => "OrderCreated",
                ORDER_UPDATED => "OrderUpdated",
                _ => "DocumentReceived",
            };
            if of_type == "DocumentReceived" {
                model.webhooks.push(name);
            }
            for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
                model.define(name, definition, text(definition, "description"));
            }
            let doc = match of_type {
                "DocumentReceived" => "The detail of an event of the ERP: its detail-type is the webhook's slug.",
                _ => text(&schema, "description"),
            };
            model.define(of_type, &schema, doc);
        }
        model
    }

    fn define(&mut self, name: &str, schema: &Value, doc: &str) {
        if self.structs.iter().any(|known| known.name == name) || self.choices.iter().any(|known| known.name == name) {
            return;
        }
        if let Some(values) = schema["oneOf"].as_array().filter(|values| values[0].get("const").is_some()) {
            let values = values.iter().map(|one| (text(one, "const").to_owned(), text(one, "description").to_owned()));
            let (name, doc, values) = (name.to_owned(), doc.to_owned(), values.collect());
            self.choices.push(Choice { name, doc, values });
            return;
        }
        let required: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
        let mut fields = Vec::new();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let doc = text(schema, "description").to_owned();
            fields.push(Field {
                name: field.clone(),
                kind: self.kind(field, &doc, schema),
                doc,
                required: required.contains(field.as_str()),
            });
        }
        self.structs.push(Struct { name: name.to_owned(), doc: doc.to_owned(), fields });
    }

    fn kind(&mut self, field: &str, doc: &str, schema: &Value) -> Kind {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            return if name == "LineKind" { Kind::Choice(name.to_owned()) } else { Kind::Of(name.to_owned()) };
        }
        if let Some(values) = schema["enum"].as_array() {
            let name = format!("{}{}", field[..1].to_uppercase(), &field[1..]);
            if self.choices.iter().all(|known| known.name != name) {
                let values = values.iter().map(|value| (value.as_str().unwrap().to_owned(), String::new())).collect();
                self.choices.push(Choice { name: name.clone(), doc: doc.to_owned(), values });
            }
            return Kind::Choice(name);
        }
        if let Some([some, nothing]) = schema["anyOf"].as_array().map(Vec::as_slice) {
            assert_eq!(nothing["type"], "null", "{field}");
            return Kind::Nullable(Box::new(self.kind(field, doc, some)));
        }
        if let Some(number) = schema["const"].as_u64().filter(|_| field == "schema_version") {
            return Kind::Number(number);
        }
        match &schema["type"] {
            Value::Array(names) => {
                assert!(names.len() == 2 && names[1] == "null", "{field}: {names:?}");
                let mut some = schema.clone();
                some["type"] = names[0].clone();
                Kind::Nullable(Box::new(self.kind(field, doc, &some)))
            }
            Value::String(name) => match name.as_str() {
                "string" => Kind::Text,
                "boolean" => Kind::Bool,
                "integer" => Kind::Integer(if schema["maximum"] == u32::MAX { 32 } else { 64 }),
                "array" => Kind::List(Box::new(self.kind(field, doc, &schema["items"]))),
                "object" => Kind::Map(Box::new(self.kind(field, doc, &schema["additionalProperties"]))),
                other => panic!("{field}: the printers do not know {other}"),
            },
            _ => Kind::Any,
        }
    }
}

fn text<'a>(schema: &'a Value, name: &str) -> &'a str {
    schema[name].as_str().unwrap_or_default()
}

/// A text in lines of a file, each with the same beginning.
pub(crate) fn wrapped(text: &str, begin: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && begin.len() + line.len() + word.len() > 100 {
            lines += &format!("{begin}{line}\n");
            line.clear();
        }
        line += if line.is_empty() { "" } else { " " };
        line += word;
    }
    format!("{lines}{begin}{line}\n")
}

#[test]
fn the_committed_types_are_those_of_the_schemas() {
    let (model, types) = (Model::new(), path("../../types"));
    assert_committed(&types.join("typescript/index.d.ts"), &typescript::print(&model));
    assert_committed(&types.join("python/tilaussilta_events/__init__.py"), &python::print(&model));
    assert_committed(&types.join("rust/src/lib.rs"), &rust::print(&model));
}
