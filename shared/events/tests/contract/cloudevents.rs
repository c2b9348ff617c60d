//! The documented mapping to CloudEvents 1.0, applied to every example.

use serde_json::{Value, json};

use crate::examples::examples;
use crate::path;

/// The transformer that the page documents.
fn transformer() -> Value {
    let page = std::fs::read_to_string(path("../../docs/events/cloudevents.md")).unwrap();
    let block = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    serde_json::from_str(block).unwrap()
}

/// Does to an event what an input transformer of EventBridge does (EventBridge user guide, "Input transformation"): a
/// variable within a text is put in without quotes, one that stands alone as JSON.
fn transform(transformer: &Value, event: &Value) -> Value {
    let mut text = transformer["InputTemplate"].as_str().unwrap().to_owned();
    for (name, place) in transformer["InputPathsMap"].as_object().unwrap() {
        let place = place.as_str().unwrap().strip_prefix("$.").unwrap();
        let value = place.split('.').fold(event, |value, name| &value[name]);
        assert!(!value.is_null(), "{place} leads nowhere");
        let bare = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let variable = format!("<{name}>");
        assert_eq!(text.matches(&variable).count(), 1, "{name}");
        let alone = text.contains(&format!(":{variable}"));
        text = text.replace(&variable, &if alone { value.to_string() } else { bare });
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_documented_transformer_makes_a_cloud_event_of_every_event() {
    let transformer = transformer();
    for (name, case, event) in examples() {
        let cloud_event = transform(&transformer, &event);
        let detail = &event["detail"];
        // What CloudEvents 1.0 requires ("Context Attributes"), and their types.
        assert_eq!(cloud_event["specversion"], "1.0");
        assert_eq!(cloud_event["id"], detail["id"], "{name}/{case}");
        assert_eq!(cloud_event["source"], json!(format!("/tilaussilta/{}", detail["connection"].as_str().unwrap())));
        assert_eq!(cloud_event["type"], json!(format!("tilaussilta.{name}")));
        cloud_event["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(cloud_event["sequence"], json!(detail["revision"].to_string()));
        assert_eq!(&cloud_event["data"], detail);
        let allowed = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(cloud_event.as_object().unwrap().keys().all(|name| allowed(name)), "{cloud_event}");
    }
}
