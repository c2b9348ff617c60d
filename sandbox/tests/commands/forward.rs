//! `sandbox serve --forward`: a consumer under development gets every event.

use harness::consumer::Consumer;
use serde_json::Value;

use super::{sandbox, serve};

#[test]
fn every_published_event_is_posted_until_the_consumer_accepts_it() {
    let folder = tempfile::tempdir().unwrap();
    let consumer = Consumer::start(&[500, 200]);
    let mut serving = serve(folder.path(), &["--forward", &consumer.url]);
    let document = r#"{"id":7,"tracking_code":9400111899223197428490}"#;
    assert_eq!(serving.post("/erp/acme/item-save", &[], document).0, 200);

    let (first, second) = (consumer.next_body(), consumer.next_body());
    assert_eq!(first, second);
    assert!(first.contains("9400111899223197428490"), "its numbers keep their digits: {first}");
    let event: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(event["source"], "tilaussilta.manu");
    assert_eq!(event["detail"]["id"], "manu/acme/item-save/7/1");

    let told: Vec<Value> = (0..2).map(|_| serde_json::from_str(&serving.line()).unwrap()).collect();
    assert_eq!((&told[0]["answer"], &told[0]["again_in_ms"]), (&"500 \"noted\"".into(), &500.into()));
    assert_eq!((&told[1]["attempt"], &told[1]["accepted"]), (&2.into(), &true.into()));
    assert!(told[1]["latency_ms"].is_u64() && told[1]["again_in_ms"].is_null(), "{told:?}");
}

#[test]
fn the_events_of_a_file_are_posted_before_those_to_come() {
    let folder = tempfile::tempdir().unwrap();
    let consumer = Consumer::start(&[204]);
    let event = r#"{"detail-type":"order.created","detail":{"id":"mycashflow/acme/order/58/1","sum":1e-7}}"#;
    std::fs::write(folder.path().join("events.jsonl"), format!("{event}\n\n{event}\n")).unwrap();
    let serving = serve(folder.path(), &["--forward", &consumer.url, "--replay", "events.jsonl"]);
    assert_eq!([consumer.next_body(), consumer.next_body()], [event, event]);
    assert_eq!(serving.post("/erp/acme/item-save", &[], r#"{"id":8}"#).0, 200);
    assert!(consumer.next_body().contains("manu/acme/item-save/8/1"));
}

#[test]
fn a_file_with_a_line_that_is_no_event_is_refused_before_anything_is_posted() {
    let folder = tempfile::tempdir().unwrap();
    let event = r#"{"detail-type":"order.created","detail":{}}"#;
    std::fs::write(folder.path().join("events.jsonl"), format!("{event}\n{{\"name\":\"Virtanen\"}}\n")).unwrap();
    let arguments = ["serve", "--port", "0", "--forward", "http://127.0.0.1:9/", "--replay", "events.jsonl"];
    let output = sandbox(folder.path()).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("events.jsonl, line 2: not an event"), "{said}");
    assert!(!said.contains("Virtanen"), "what stands there may be personal: {said}");
}
