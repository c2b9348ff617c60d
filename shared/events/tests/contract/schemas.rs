//! The committed schemas, and those that were released.

use serde_json::{Value, json};

use crate::compatibility::{Side, incompatibilities};
use crate::{assert_committed, committed, errors, path};

const SUFFIX: &str = ".schema.json";
/// What `event-read` is invoked with.
const REQUEST: &str = "event-read.request.json";

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let schemas = events::schemas();
    for (name, schema) in &schemas {
        assert_committed(&path("schema").join(format!("{name}{SUFFIX}")), &format!("{schema:#}\n"));
    }
    assert_committed(&path("schema").join(REQUEST), &format!("{:#}\n", events::request_schema()));
    assert_eq!(committed(&path("schema"), SUFFIX).len(), schemas.len(), "a schema of no detail-type is committed");
}

/// A release keeps the schemas that it publishes: `UPDATE_RELEASED=1`, which writes nothing that breaks the ones before.
#[test]
fn released_schemas_stay_valid_for_what_is_published() {
    let (current, folder) = (events::schemas(), path("schema/released"));
    for (name, released) in committed(&folder, SUFFIX) {
        let new = current.iter().find(|(current, _)| *current == name);
        let (_, new) = new.unwrap_or_else(|| panic!("the released detail-type {name} is gone"));
        let found = incompatibilities(Side::Published, &released, new);
        assert_eq!(found, [""; 0], "{name} breaks the consumers of the last release");
    }
    let (_, released) = committed(&folder, REQUEST).pop().expect("a released schema of the request");
    let found = incompatibilities(Side::Accepted, &released, &events::request_schema());
    assert_eq!(found, [""; 0], "event-read refuses what the last release took");
    if std::env::var_os("UPDATE_RELEASED").is_some() {
        std::fs::write(folder.join(REQUEST), format!("{:#}\n", events::request_schema())).unwrap();
        for (name, schema) in &current {
            std::fs::write(folder.join(format!("{name}{SUFFIX}")), format!("{schema:#}\n")).unwrap();
        }
    }
    assert!(!committed(&folder, SUFFIX).is_empty(), "there are no released schemas");
}

/// Whether some schema inside refuses further fields.
fn is_closed(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.get("additionalProperties") == Some(&json!(false)) || fields.values().any(is_closed)
        }
        Value::Array(schemas) => schemas.iter().any(is_closed),
        _ => false,
    }
}

#[test]
fn the_published_schemas_allow_further_fields_everywhere_and_the_strict_ones_nowhere() {
    for ((name, published), (_, strict)) in events::schemas().iter().zip(&events::strict_schemas()) {
        assert!(!is_closed(published), "{name}");
        let validators = [published, strict].map(|schema| jsonschema::validator_for(schema).unwrap());
        for (_, example) in committed(&path("examples").join(name), ".json") {
            let detail = &example["detail"];
            let mut places = vec![String::new()];
            objects(detail, "", &mut places);
            for place in places.iter().filter(|place| !place.starts_with("/document")) {
                let mut more = detail.clone();
                more.pointer_mut(place).unwrap()["added_later"] = json!({ "any": ["thing"] });
                assert_eq!(errors(&validators[0], &more), [""; 0], "{name}{place}");
                // The attributes of an unknown element have any name.
                if !place.ends_with("/attributes") {
                    assert!(!errors(&validators[1], &more).is_empty(), "{name}{place} takes anything");
                }
            }
        }
    }
}

/// The places of the objects inside a value.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
        _ => return,
    };
    for (name, value) in inner {
        let place = format!("{place}/{name}");
        if value.is_object() && !place.ends_with("/attributes") {
            found.push(place.clone());
        }
        objects(value, &place, found);
    }
}
