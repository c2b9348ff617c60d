//! An example of everything that an event can hold, as a target of the bus receives it.

use std::collections::BTreeSet;

use events::{Event, MAX_DETAIL_BYTES};
use ledger::{ContentHash, DocumentKey, Revision, RevisionKey, Source};
use serde_json::{Value, json};

use crate::{assert_committed, committed, errors, path};

/// A revision that was recorded on the morning of 2 March 2026.
pub(crate) fn revision(number: u32, source: Source, body: &str) -> Revision {
    let at = |seconds: i64| jiff::Timestamp::from_second(1_772_438_400 + i64::from(number) * 600 + seconds).unwrap();
    Revision {
        revision: number,
        source,
        observed_at: at(0),
        recorded_at: at(1),
        hash: ContentHash::of(body.as_bytes()),
        body: body.as_bytes().to_vec(),
        content_type: String::new(),
        summary: None,
    }
}

fn order_58(number: u32, source: Source) -> Revision {
    let body = std::fs::read_to_string(path(&format!("tests/fixtures/order-58-{number}.xml"))).unwrap();
    revision(number, source, &body)
}

fn event(document: &DocumentKey, revision: &Revision, before: Option<&Revision>, limit_bytes: usize) -> Value {
    let key = RevisionKey { document: document.clone(), revision: revision.revision };
    let event = Event::of_revision(&key, revision, before, limit_bytes).unwrap();
    let mut event = event.published();
    let of_the_bus = json!({
        "version": "0", "id": "00000000-0000-0000-0000-000000000058", "account": "123456789012",
        "region": "eu-north-1", "resources": [],
    });
    event.as_object_mut().unwrap().extend(of_the_bus.as_object().unwrap().clone());
    event
}

/// The examples by detail-type and case.
pub(crate) fn examples() -> Vec<(String, &'static str, Value)> {
    let order = DocumentKey::order("acme", 58);
    let (first, second) = (order_58(1, Source::Push), order_58(2, Source::Poll));
    // The third tells less than the second, and had a status before.
    let third = order_58_small(3, Source::Refresh);
    let created = |revision, limit_bytes| event(&order, revision, None, limit_bytes);
    let updated = |revision, before, limit_bytes| event(&order, revision, before, limit_bytes);
    let examples = [
        ("order.created", "whole", created(&first, MAX_DETAIL_BYTES)),
        ("order.created", "truncated", created(&first, 100)),
        ("order.created", "backfilled", created(&order_58_small(1, Source::Backfill), MAX_DETAIL_BYTES)),
        ("order.updated", "whole", updated(&second, Some(&first), MAX_DETAIL_BYTES)),
        ("order.updated", "truncated", updated(&second, Some(&first), 100)),
        ("order.updated", "after-all-was-shipped", updated(&third, Some(&shipped()), MAX_DETAIL_BYTES)),
        ("order.updated", "after-nothing-was-known", updated(&third, Some(&bare()), MAX_DETAIL_BYTES)),
        ("order.updated", "the-revision-before-is-gone", updated(&third, None, MAX_DETAIL_BYTES)),
    ];
    let mut examples: Vec<_> = examples.map(|(name, case, event)| (name.to_owned(), case, event)).into();
    for webhook in intake::WebhookType::ALL {
        let document = DocumentKey::manu("acme", webhook.slug(), "4711");
        // The vendor publishes no field names: all but `id` are those of the simulated ERP.
        let body = world::erp::made_up_document(webhook, 4711, 1).to_string();
        let only = revision(1, Source::Push, &body);
        examples.push((webhook.slug().to_owned(), "whole", event(&document, &only, None, MAX_DETAIL_BYTES)));
        examples.push((webhook.slug().to_owned(), "truncated", event(&document, &only, None, 100)));
    }
    examples
}

/// An order of which the shop tells next to nothing.
fn order_58_small(number: u32, source: Source) -> Revision {
    revision(number, source, r#"<Order id="58"><OrderStatus>Cancelled</OrderStatus></Order>"#)
}

/// An order that tells what a rule chooses by.
fn shipped() -> Revision {
    let product = "<Products><Product><ProductID>101</ProductID><Shipped>1</Shipped></Product></Products>";
    revision(2, Source::Push, &format!(r#"<Order id="58"><OrderStatus>Shipped</OrderStatus>{product}</Order>"#))
}

/// An order that tells nothing of it.
fn bare() -> Revision {
    revision(2, Source::Push, r#"<Order id="58"></Order>"#)
}

#[test]
fn the_committed_examples_are_what_is_published() {
    let examples = examples();
    for (name, case, example) in &examples {
        assert_committed(&path("examples").join(name).join(format!("{case}.json")), &format!("{example:#}\n"));
    }
    let folders = std::fs::read_dir(path("examples")).unwrap().map(|folder| folder.unwrap().path());
    let files: usize = folders.map(|folder| committed(&folder, ".json").len()).sum();
    assert_eq!(files, examples.len(), "an example is committed that nothing makes");
}

#[test]
fn examples_fit_the_schemas_that_take_nothing_else() {
    let schemas = events::schemas().into_iter().chain(events::strict_schemas());
    let validators: Vec<_> = schemas.map(|(of, schema)| (of, jsonschema::validator_for(&schema).unwrap())).collect();
    for (name, case, example) in examples() {
        for (of, validator) in &validators {
            let errors = errors(validator, &example["detail"]);
            assert_eq!(errors.is_empty(), *of == name, "{name}/{case} by {of}: {errors:?}");
        }
    }
}

#[test]
fn everything_that_an_event_can_hold_has_an_example() {
    for (name, schema) in events::strict_schemas() {
        let (mut can, mut does) = (BTreeSet::new(), BTreeSet::new());
        possibilities(&schema, "detail", &schema, &mut can, &mut BTreeSet::new());
        for (case, example) in committed(&path("examples").join(&name), ".json") {
            let before = does.clone();
            held(&schema, "detail", &schema, &example["detail"], &mut does);
            assert_ne!(before, does, "{name}: the example {case} shows nothing that another does not");
        }
        // An order has one way in an example; the other ways are in those of other detail-types.
        let without: Vec<&String> = can.difference(&does).filter(|one| !one.starts_with("detail.origin=")).collect();
        assert_eq!(without, [""; 0], "{name}: no example has them");
    }
}

/// Where a schema is described: its definition's name, or the place in which it stands.
fn resolve<'a>(root: &'a Value, place: &str, schema: &'a Value) -> (String, &'a Value) {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let name = reference.rsplit('/').next().unwrap();
            (name.to_owned(), &root["$defs"][name])
        }
        None => (place.to_owned(), schema),
    }
}

/// What stands behind a value of a schema: its parts, and the choices it can make.
fn parts<'a>(place: &str, schema: &'a Value) -> Vec<(String, &'a Value)> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, field)| (format!("{place}.{name}"), field));
    let choices = schema["anyOf"].as_array().into_iter().flatten().map(|choice| (place.to_owned(), choice));
    fields.chain(schema.get("items").map(|items| (format!("{place}[]"), items))).chain(choices).collect()
}

/// The values that a schema names: of an enumeration, of constants, `true` and `false`, `null`.
fn choices(schema: &Value) -> Vec<Value> {
    let list = |name: &str| schema[name].as_array().cloned().unwrap_or_default();
    let constants = list("oneOf").into_iter().filter_map(|choice| choice.get("const").cloned());
    let nothing = list("anyOf").into_iter().map(|choice| choice["type"].clone()).filter(|name| name == "null");
    let types = [list("type"), vec![schema["type"].clone()], nothing.collect()].concat();
    let of_types = types.iter().flat_map(|name| match name.as_str() {
        Some("boolean") => vec![json!(true), json!(false)],
        Some("null") => vec![Value::Null],
        _ => Vec::new(),
    });
    list("enum").into_iter().chain(constants).chain(of_types).collect()
}

fn possibilities(root: &Value, place: &str, schema: &Value, can: &mut BTreeSet<String>, seen: &mut BTreeSet<String>) {
    let (place, schema) = resolve(root, place, schema);
    if schema["properties"].is_object() && !seen.insert(place.clone()) {
        return;
    }
    can.extend(choices(schema).iter().map(|choice| format!("{place}={choice}")));
    for (inside, part) in parts(&place, schema) {
        can.insert(inside.clone());
        possibilities(root, &inside, part, can, seen);
    }
}

fn held(root: &Value, place: &str, schema: &Value, value: &Value, does: &mut BTreeSet<String>) {
    let (place, schema) = resolve(root, place, schema);
    does.extend(choices(schema).iter().filter(|choice| *choice == value).map(|choice| format!("{place}={choice}")));
    for (inside, part) in parts(&place, schema) {
        let values: Vec<&Value> = match (inside.rsplit_once('.'), value) {
            _ if inside == place => vec![value],
            (_, Value::Array(values)) => values.iter().collect(),
            (Some((_, name)), value) => value.get(name).into_iter().collect(),
            (None, _) => Vec::new(),
        };
        for value in values {
            does.insert(inside.clone());
            held(root, &inside, part, value, does);
        }
    }
}
