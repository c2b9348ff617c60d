//! What a message may hold that few readers of JSON take, or take exactly.

use cloud::messaging::ACTIONS;

use super::*;

const LONG_NUMBER: &str = r#"{"id":200,"total":10.50,"tracking_code":9400111899223197428490}"#;

#[tokio::test(start_paused = true)]
async fn half_a_surrogate_pair_and_a_number_beyond_floats_reach_the_bus() {
    let mut relay = Relay::new().await;
    for (name, text) in [
        ("half", r#"{"id":"half","note":"\ud83d"}"#),
        ("reversed", r#"{"id":"reversed","note":"\ude00\ud83d"}"#),
        ("name", r#"{"id":"name","\ud83d":1}"#),
        ("huge", r#"{"id":"huge","sum":1e400}"#),
        ("negative", r#"{"id":"negative","sums":[-1E+400]}"#),
        ("plain", r#"{"id":"plain"}"#),
    ] {
        relay.append(&item(name), text).await;
    }
    relay.drain(100).await;
    let ids: BTreeSet<String> = relay.ids().into_iter().collect();
    let expected = ["half", "reversed", "name", "huge", "negative", "plain"];
    assert_eq!(ids, expected.map(|name| format!("manu/acme/item-save/{name}/1")).into());
    assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS), []);
    let events = relay.messaging.events();
    events.iter().for_each(assert_valid);
    let detail = |name: &str| {
        let id = format!("manu/acme/item-save/{name}/1");
        events.iter().map(|event| &event["detail"]).find(|detail| detail["id"] == *id).unwrap()
    };
    assert_eq!(detail("half")["document"]["note"], "\u{fffd}", "every reader takes this letter");
    assert_eq!(detail("reversed")["document"]["note"], "\u{fffd}\u{fffd}");
    assert_eq!(detail("name")["document"]["\u{fffd}"], 1);
    // The sandbox's bus refuses such a number, so the event says that its document is in the ledger.
    assert_eq!((&detail("huge")["truncated"], &detail("negative")["truncated"]), (&json!(true), &json!(true)));
    assert_eq!(detail("plain")["truncated"], false, "what another message holds leaves it whole");
}

#[tokio::test(start_paused = true)]
async fn one_entry_that_the_bus_refuses_is_published_without_its_document() {
    for code in ["MalformedDetail", "InvalidArgument", "RedactionFailure"] {
        let mut relay = Relay::new().await;
        for (name, version) in [("a", 1), ("odd", 1), ("b", 1), ("odd", 2)] {
            relay.append(&item(name), &format!(r#"{{"name":"{name}","version":{version}}}"#)).await;
        }
        relay.messaging.refuse(move |entry| {
            entry["Detail"].as_str().unwrap().contains(r#""document":{"name":"odd","version":1"#).then_some(code)
        });
        relay.drain(100).await;
        let published: Vec<(String, bool)> = relay
            .messaging
            .events()
            .iter()
            .map(|event| (event["detail"]["id"].as_str().unwrap().to_owned(), event["detail"]["truncated"] == true))
            .collect();
        let id = |rest: &str| format!("manu/acme/item-save/{rest}");
        let expected = [(id("a/1"), false), (id("b/1"), false), (id("odd/1"), true), (id("odd/2"), false)];
        assert_eq!(published, expected, "{code}");
        assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS), [], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_number_keeps_its_digits_on_the_bus_and_in_the_actions_queue() {
    let mut relay = Relay::new().await;
    let dispatch = DocumentKey::manu("acme", "sales-dispatch-activate", "200");
    relay.append(&dispatch, LONG_NUMBER).await;
    relay.drain(100).await;
    let document = format!(r#""document":{LONG_NUMBER}"#);
    let texts = relay.messaging.event_texts();
    assert!(texts[0].contains(&document), "{}", texts[0]);
    let handed_over = relay.messaging.receive_event(ACTIONS, 1).unwrap();
    assert_eq!(handed_over["Records"][0]["body"], texts[0]);
    assert_eq!(relay.messaging.messages(ACTIONS)[0].body, texts[0]);

    let file = tempfile::NamedTempFile::new().unwrap();
    relay.messaging.write_events_to(file.reopen().unwrap());
    relay.republish(json!({ "document": "manu/acme/sales-dispatch-activate/200" })).await;
    let written = std::fs::read_to_string(file.path()).unwrap();
    assert!(written.contains(&document), "{written}");
    assert_eq!(written.lines().count(), 1);
}
