//! What is published of a revision: the `detail` of its event, and the schemas of that.

use std::borrow::Cow;

use jiff::Timestamp;
use ledger::{Connection, Revision, RevisionKey, System};
use manu::WebhookType;
use mycashflow::{Limits, Order, push_document, read_page};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The detail-type of an order's first revision.
pub const ORDER_CREATED: &str = "order.created";
/// The detail-type of every later revision of an order.
pub const ORDER_UPDATED: &str = "order.updated";

/// A revision, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which revision it is.
    pub key: RevisionKey,
    /// When it was recorded: the event's time.
    pub time: Timestamp,
    /// `tilaussilta.mycashflow` or `tilaussilta.manu`.
    pub source: &'static str,
    /// What kind of event it is.
    pub detail_type: String,
    /// The JSON of the detail.
    pub detail: String,
    /// The JSON of the detail without the document, and marked so.
    pub bare_detail: String,
    /// Whether `detail` is that too, because with the document the event is too large.
    pub truncated: bool,
}

/// Why a revision cannot be published. Names places, never contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored body cannot be read: {0}")]
pub struct Unreadable(String);

impl Unreadable {
    fn because(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

/// What every event says, whatever it is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Common {
    /// The id of the revision, the same however often it is published: drop repeats by it.
    id: String,
    /// The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
    connection: String,
    /// The number of the revision among those of its document, from 1.
    revision: u32,
    /// How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for by name
    /// (`refresh`), or found by a backfill.
    #[schemars(extend("enum" = ["push", "poll", "refresh", "backfill"]))]
    origin: &'static str,
    /// When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
    observed_at: Timestamp,
    /// When it was written to the ledger.
    recorded_at: Timestamp,
    /// Whether the event would be too large with the document, so that it is left out.
    truncated: bool,
}

#[derive(Serialize, JsonSchema)]
struct OrderDetail<'a> {
    #[serde(flatten)]
    common: Common,
    /// The order; absent when `truncated` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Cow<'a, Order>>,
}

#[derive(Serialize, JsonSchema)]
struct DocumentDetail<'a> {
    #[serde(flatten)]
    common: Common,
    /// The ERP's own JSON, its numbers as they were written; absent when `truncated` is true. The vendor publishes no
    /// field names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    document: Option<&'a RawValue>,
}

/// Makes the event of a revision. One whose detail would take more than `limit_bytes` is made without its document.
///
/// # Errors
/// [`Unreadable`] when the stored body is not what the connection's system sends.
pub fn event(key: &RevisionKey, revision: &Revision, limit_bytes: usize) -> Result<Event, Unreadable> {
    let common = |truncated| Common {
        id: key.event_id(),
        connection: key.document.connection.to_string(),
        revision: revision.revision,
        origin: revision.source.as_str(),
        observed_at: revision.observed_at,
        recorded_at: revision.recorded_at,
        truncated,
    };
    let (detail_type, whole, bare) = match key.document.connection.system {
        System::Mycashflow => {
            let order = order(key, revision)?;
            let detail = |order: Option<&Order>| {
                json_text(&OrderDetail { common: common(order.is_none()), order: order.map(Cow::Borrowed) })
            };
            let detail_type = if revision.revision == 1 { ORDER_CREATED } else { ORDER_UPDATED };
            (detail_type.to_owned(), detail(Some(&order))?, detail(None)?)
        }
        System::Manu => {
            // The canonical form is the document without white space, with its numbers as they were written.
            let document = manu::read_document(&revision.body).map_err(Unreadable::because)?;
            let json = String::from_utf8(document.canonical).map_err(Unreadable::because)?;
            let json = RawValue::from_string(json).map_err(Unreadable::because)?;
            let detail = |document: Option<&RawValue>| {
                json_text(&DocumentDetail { common: common(document.is_none()), document })
            };
            (key.document.kind.clone(), detail(Some(&json))?, detail(None)?)
        }
    };
    let truncated = whole.len() > limit_bytes;
    Ok(Event {
        key: key.clone(),
        time: revision.recorded_at,
        source: source(&key.document.connection),
        detail_type,
        detail: if truncated { bare.clone() } else { whole },
        bare_detail: bare,
        truncated,
    })
}

/// The `source` of a connection's events.
fn source(connection: &Connection) -> &'static str {
    match connection.system {
        System::Mycashflow => "tilaussilta.mycashflow",
        System::Manu => "tilaussilta.manu",
    }
}

/// Reads a stored order as it was read when it came.
fn order(key: &RevisionKey, revision: &Revision) -> Result<Order, Unreadable> {
    let content_type = Some(revision.content_type.as_str()).filter(|content_type| !content_type.is_empty());
    let xml = push_document(content_type, &revision.body).xml.map_err(Unreadable::because)?;
    let page = read_page(&xml, &Limits::default()).map_err(Unreadable::because)?;
    let entry = page.entries.into_iter().find(|entry| entry.id.is_some_and(|id| id.to_string() == key.document.id));
    entry.ok_or_else(|| Unreadable("there is no such order in it".to_owned()))?.order.map_err(Unreadable::because)
}

fn json_text(detail: &impl Serialize) -> Result<String, Unreadable> {
    serde_json::to_string(detail).map_err(Unreadable::because)
}

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

    /// To write the files anew: `UPDATE_SCHEMA=1 cargo test -p event-relay schema`.
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
