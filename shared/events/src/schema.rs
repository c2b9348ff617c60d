//! The JSON Schemas of the events' details.

use intake::WebhookType;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::detail::{DocumentReceived, OrderCreated, OrderUpdated, ReadRequest};
use crate::event::{ORDER_CREATED, ORDER_UPDATED};

/// The JSON Schema of every detail-type, as committed in `schema/DETAIL-TYPE.schema.json` and published.
///
/// They allow further fields everywhere, so that a consumer that validates goes on when a field is added.
pub fn schemas() -> Vec<(String, Value)> {
    let mut schemas = strict_schemas();
    schemas.iter_mut().for_each(|(_, schema)| open(schema));
    schemas
}

/// The same without further fields: what the tests compare with that which is published.
pub fn strict_schemas() -> Vec<(String, Value)> {
    let (id, shop) = ("^mycashflow/[a-z0-9-]{1,40}/order/[0-9]+/[0-9]+$", "^mycashflow/[a-z0-9-]{1,40}$");
    let orders = [
        schema::<OrderCreated<'static>>(ORDER_CREATED, "order", shop, id, json!({ "const": 1 })),
        schema::<OrderUpdated<'static>>(ORDER_UPDATED, "order", shop, id, json!({ "minimum": 2 })),
    ];
    let documents = WebhookType::ALL.map(|webhook| {
        let name = webhook.slug();
        let id = format!("^manu/[a-z0-9-]{{1,40}}/{name}/.+/[0-9]+$");
        schema::<DocumentReceived<'static>>(name, "document", "^manu/[a-z0-9-]{1,40}$", &id, json!({ "minimum": 1 }))
    });
    orders.into_iter().chain(documents).collect()
}

/// The JSON Schema of what `event-read` is invoked with, as committed in `schema/event-read.request.json`.
pub fn request_schema() -> Value {
    let mut schema = schemars::schema_for!(ReadRequest).to_value();
    tidy(&mut schema);
    open(&mut schema);
    schema["title"] = json!("event-read");
    schema
}

/// One detail-type's schema: that of the type, with what the detail-type narrows.
fn schema<T: JsonSchema>(name: &str, document: &str, connection: &str, id: &str, revision: Value) -> (String, Value) {
    // As it is written, not as it would be read: what is always there is required.
    let generator: SchemaGenerator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema["title"] = json!(name);
    schema["description"] = json!(format!("The detail of an event of detail-type {name}."));
    schema["additionalProperties"] = json!(false);
    let properties = &mut schema["properties"];
    properties["id"]["pattern"] = json!(id);
    properties["connection"]["pattern"] = json!(connection);
    if let (Value::Object(target), Value::Object(narrowed)) = (&mut properties["revision"], revision) {
        target.extend(narrowed);
    }
    // Either the whole document is there, or the event says that it was left out.
    schema["oneOf"] = json!([
        { "properties": { "truncated": { "const": false }, "claim_check": false }, "required": [document] },
        { "properties": { "truncated": { "const": true }, document: false }, "required": ["claim_check"] },
    ]);
    (name.to_owned(), schema)
}

/// Makes a schema of the types one for readers: what can be left out is never `null`, formats are those of JSON Schema,
/// and texts are whole lines without the notation of the code's own documentation.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("\n\n", " ").replace('\n', " ").replace("[`", "`").replace("`]", "`");
            }
            // The names of Rust's types are no formats of JSON Schema, and strict validators refuse them.
            match fields.get("format").and_then(Value::as_str) {
                Some("uint32") => {
                    fields.remove("format");
                    fields.insert("maximum".to_owned(), u32::MAX.into());
                }
                Some("uint64") => drop(fields.remove("format")),
                _ => {}
            }
            let required = fields.get("required").cloned().unwrap_or_default();
            let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|one| one == name));
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                properties.iter_mut().filter(|(name, _)| !is_required(name)).for_each(|(_, one)| never_null(one));
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Takes `null` from what a schema allows.
fn never_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            fields["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            fields.remove("anyOf");
            fields.extend(only);
        }
    }
}

/// Allows further fields in every object of a schema.
fn open(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
                fields.remove("additionalProperties");
            }
            fields.values_mut().for_each(open);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(open),
        _ => {}
    }
}
