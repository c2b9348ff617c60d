//! The catalogue of the events, as AsyncAPI 3.

use std::collections::BTreeMap;

use events::{ORDER_CREATED, ORDER_UPDATED, SCHEMA_VERSION};
use intake::WebhookType;
use serde_json::{Map, Value, json};

use crate::examples::examples;
use crate::{assert_committed, errors, path};

/// Where the catalogue is committed.
pub(crate) const FILE: &str = "../../docs/events/asyncapi.json";

/// What an event of a detail-type tells, in a sentence.
fn summary(detail_type: &str) -> String {
    match detail_type {
        ORDER_CREATED => "An order was recorded for the first time.".to_owned(),
        ORDER_UPDATED => "A new state of an order was recorded.".to_owned(),
        slug => {
            let webhook: WebhookType = slug.parse().unwrap();
            let (english, finnish) = (webhook.english(), webhook.finnish());
            format!("Manu Online sent its webhook “{english}” (in Finnish “{finnish}”).")
        }
    }
}

fn source(detail_type: &str) -> &'static str {
    match detail_type {
        ORDER_CREATED | ORDER_UPDATED => "tilaussilta.mycashflow",
        _ => "tilaussilta.manu",
    }
}

/// What the bus delivers: the envelope of EventBridge around the detail.
fn payload(detail_type: &str) -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"],
        "properties": {
            "version": text("The version of EventBridge's envelope."),
            "id": text("EventBridge's own id, another one whenever the event is published. Drop repeats by `detail.id`."),
            "detail-type": { "const": detail_type, "type": "string" },
            "source": { "const": source(detail_type), "type": "string" },
            "account": text("The AWS account of the bus."),
            "time": { "type": "string", "format": "date-time", "description": "When the revision was recorded." },
            "region": text("The AWS region of the bus."),
            "resources": { "type": "array", "items": { "type": "string" }, "description": "Empty." },
            "detail": reference("schemas", detail_type),
        },
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// The catalogue.
pub(crate) fn asyncapi() -> Value {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let (mut messages, mut of_channel) = (Map::new(), Map::new());
    let examples = examples();
    for (name, mut schema) in events::schemas() {
        let definitions = schema.as_object_mut().unwrap().remove("$defs").unwrap_or_default();
        schema.as_object_mut().unwrap().remove("$schema");
        let definitions = definitions.as_object().cloned().unwrap_or_default();
        for (name, mut schema) in definitions.into_iter().chain([(name.clone(), schema)]) {
            move_references(&mut schema);
            let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(*known, schema, "two schemas have the name {name}");
        }
        let (.., example) = examples.iter().find(|(of, case, _)| *of == name && *case == "whole").unwrap();
        let message = json!({
            "name": name, "title": name, "summary": summary(&name), "contentType": "application/json",
            "payload": payload(&name), "examples": [{ "name": "whole", "payload": example }],
        });
        messages.insert(name.clone(), message);
        of_channel.insert(name.clone(), reference("messages", &name));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "The events of Tilaussilta",
            "version": format!("{SCHEMA_VERSION}.0.0"),
            "description": "What is published on the event bus of a deployment. Fields may be added; see docs/events.md.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": { "bus": {
            "address": null,
            "title": "The event bus",
            "description": "An EventBridge bus, named by the stack's output EventBusName. Rules choose events by source and detail-type.",
            "messages": of_channel,
        } },
        "operations": { "publish": {
            "action": "send",
            "channel": { "$ref": "#/channels/bus" },
            "summary": "event-relay publishes every revision of the ledger, at least once and under one detail.id.",
        } },
        "components": { "messages": messages, "schemas": schemas },
    })
}

/// Points references to where the catalogue has the definitions.
fn move_references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/components/schemas/");
            }
            fields.values_mut().for_each(move_references);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(move_references),
        _ => {}
    }
}

fn specification() -> jsonschema::Validator {
    let schema = std::fs::read_to_string(path("tests/vendored/asyncapi-3.0.0.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap()
}

#[test]
fn the_committed_catalogue_is_that_of_the_types_and_valid_by_the_specification() {
    let asyncapi = asyncapi();
    assert_committed(&path(FILE), &format!("{asyncapi:#}\n"));
    assert_eq!(errors(&specification(), &asyncapi), [""; 0]);
}

/// A change to a catalogue.
type Change = fn(&mut Value);

#[test]
fn the_specification_refuses_what_is_no_catalogue() {
    let specification = specification();
    let breaks: [(&str, Change); 4] = [
        ("another version", |broken| broken["asyncapi"] = json!("2.6.0")),
        ("no title", |broken| drop(broken["info"].as_object_mut().unwrap().remove("title"))),
        ("an unknown field", |broken| broken["channels"]["bus"]["topic"] = json!("x")),
        ("no action", |broken| drop(broken["operations"]["publish"].as_object_mut().unwrap().remove("action"))),
    ];
    for (what, change) in breaks {
        let mut broken = asyncapi();
        change(&mut broken);
        assert!(!specification.is_valid(&broken), "{what}");
    }
}

/// The references lead somewhere, and what stands there is what is published.
#[test]
fn every_example_is_a_message_of_the_catalogue_and_of_no_other_name() {
    let asyncapi = asyncapi();
    let validators: Vec<_> = asyncapi["components"]["messages"]
        .as_object()
        .unwrap()
        .keys()
        .map(|name| {
            // A dialect in which a reference stands alone, as AsyncAPI has it.
            let mut root =
                json!({ "$schema": "http://json-schema.org/draft-07/schema#", "components": asyncapi["components"] });
            root["allOf"] = json!([{ "$ref": format!("#/components/messages/{name}/payload") }]);
            (name.clone(), jsonschema::validator_for(&root).unwrap())
        })
        .collect();
    for (name, case, example) in examples() {
        for (of, validator) in &validators {
            assert_eq!(validator.is_valid(&example), *of == name, "{name}/{case} as {of}");
        }
    }
}
