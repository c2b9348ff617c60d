//! Every example is read, and written again without a loss.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tilaussilta_event_types::{DocumentReceived, Event, OrderCreated, OrderUpdated};

/// The examples of all detail-types.
fn examples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/events/examples");
    let files =
        |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let examples = files(&folder).into_iter().flat_map(|folder| files(&folder));
    examples.map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

fn again<Detail: DeserializeOwned + Serialize>(event: &Value) -> Value {
    let read: Event<Detail> = serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{error}: {event}"));
    serde_json::to_value(read).unwrap()
}

fn by_detail_type(event: &Value) -> Value {
    match event["detail-type"].as_str().unwrap() {
        "order.created" => again::<OrderCreated>(event),
        "order.updated" => again::<OrderUpdated>(event),
        _ => again::<DocumentReceived>(event),
    }
}

#[test]
fn every_example_is_read_and_written_again_without_a_loss() {
    let examples = examples();
    assert!(examples.len() > 30);
    for event in examples {
        assert_eq!(by_detail_type(&event), event);
    }
}

#[test]
fn fields_that_were_added_since_are_passed_over() {
    for event in examples() {
        let mut later = event.clone();
        later["detail"]["added_later"] = json!({ "any": "thing" });
        if later["detail"]["order"].is_object() {
            later["detail"]["order"]["added_later"] = json!(1);
        }
        assert_eq!(by_detail_type(&later), event);
    }
}
