//! The JSON Schemas of the events' details.

use manu::WebhookType;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::event::{DocumentDetail, ORDER_CREATED, ORDER_UPDATED, OrderDetail};

/// The JSON Schema of every detail-type, as committed in `schema/DETAIL-TYPE.schema.json`.
pub fn schemas() -> Vec<(String, Value)> {
    let order = [ORDER_CREATED, ORDER_UPDATED].map(|name| {
        let revision = if name == ORDER_CREATED { json!({ "const": 1 }) } else { json!({ "minimum": 2 }) };
        let id = "^mycashflow/[a-z0-9-]{1,40}/order/[0-9]+/[0-9]+$";
        schema::<OrderDetail<'static>>(name, "order", "^mycashflow/[a-z0-9-]{1,40}$", id, revision)
    });
    let documents = WebhookType::ALL.map(|webhook| {
        let name = webhook.slug();
        let id = format!("^manu/[a-z0-9-]{{1,40}}/{name}/.+/[0-9]+$");
        schema::<DocumentDetail<'static>>(name, "document", "^manu/[a-z0-9-]{1,40}$", &id, json!({ "minimum": 1 }))
    });
    order.into_iter().chain(documents).collect()
}

/// One detail-type's schema: that of the type, with what the detail-type narrows.
fn schema<T: JsonSchema>(name: &str, document: &str, connection: &str, id: &str, revision: Value) -> (String, Value) {
    // As it is written, not as it would be read: what is always there is required.
    let generator: SchemaGenerator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = json!(name);
    schema["description"] = json!(format!("The detail of an event of detail-type {name}."));
    let properties = &mut schema["properties"];
    properties["id"]["pattern"] = json!(id);
    properties["connection"]["pattern"] = json!(connection);
    if let (Value::Object(target), Value::Object(narrowed)) = (&mut properties["revision"], revision) {
        target.extend(narrowed);
    }
    // Either the whole document is there, or the event says that it was left out.
    schema["oneOf"] = json!([
        { "properties": { "truncated": { "const": false } }, "required": [document] },
        { "properties": { "truncated": { "const": true }, document: false } },
    ]);
    (name.to_owned(), schema)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// To write the files anew: `UPDATE_SCHEMA=1 cargo test -p tilaussilta-events schema`.
    #[test]
    fn the_committed_schemas_are_those_of_the_types() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
        let schemas = schemas();
        for (name, schema) in &schemas {
            let file = folder.join(format!("{name}.schema.json"));
            let generated = format!("{schema:#}\n");
            if std::env::var_os("UPDATE_SCHEMA").is_some() {
                std::fs::write(&file, &generated).unwrap();
            }
            let committed = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(committed == generated, "schema/{name}.schema.json is out of date: run with UPDATE_SCHEMA=1");
        }
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, schemas.len(), "a schema of no detail-type is committed");
    }
}
