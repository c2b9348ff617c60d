//! Every fixture of `events/`, through the function whose Lambda event it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cloud::messaging::Messaging;
use connections::Connections;
use manu::is_authentic;
use sandbox::functions::Functions;
use serde_json::{Value, json};
use tilaussilta_tests::ShopBench;
use world::shop::{ShopConfig, Via};

const FUNCTIONS: [&str; 7] = [
    "mycashflow-order",
    "manu-listener",
    "changes-poller",
    "event-relay",
    "event-read",
    "event-webhooks",
    "shop-actions",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of a function's cases; fails for a fixture without an expectation, and for one without a fixture.
fn cases(function: &str) -> BTreeSet<String> {
    let names: BTreeSet<String> = std::fs::read_dir(folder().join(function))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected: BTreeSet<String> =
        names.iter().filter_map(|name| Some(name.strip_suffix(".expected.json")?.to_owned())).collect();
    let fixtures: BTreeSet<String> = names
        .iter()
        .filter(|name| !name.ends_with(".expected.json"))
        .map(|name| name.strip_suffix(".json").unwrap_or(name).to_owned())
        .collect();
    assert_eq!(fixtures, expected, "{function}: each CASE.json has its CASE.expected.json");
    fixtures
}

/// The connections that the fixtures are made for, with the shop where the tests have it.
fn connections() -> String {
    let mut document = json(&folder().join("connections.json"));
    document["shops"]["acme"]["url"] = "http://acme.invalid".into();
    document.to_string()
}

/// The functions, and a shop with an order of January and three of this hour.
async fn functions() -> Functions {
    let connections = connections();
    let key = Connections::parse(&connections).unwrap().shops["acme"].key.reveal().to_owned();
    let world = ShopBench::with(&connections, ShopConfig { key, ..ShopConfig::default() }).await;
    world.shop().add_made_up("2026-01-15T12:00:00Z".parse().unwrap(), 7, Via::Api);
    world.orders(3);
    let messaging = Messaging::new(world.deps.base.clock.clone());
    Functions::new(world.deps, &messaging)
}

async fn answer(functions: &Functions, function: &str, case: &str) -> Value {
    let event = read(&folder().join(function).join(format!("{case}.json")));
    let answer = match functions.invoke(function, &event).await {
        Err(error) => return json!({ "error": error.to_string() }),
        Ok(answer) => answer,
    };
    match answer.get("statusCode") {
        Some(status) => json!({ "status": status, "body": answer["body"].as_str().map(str::trim_end) }),
        None => answer,
    }
}

/// Asserts that `actual` holds everything that `expected` does; it may hold more.
fn assert_holds(actual: &Value, expected: &Value, place: &str) {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            for (name, expected) in expected {
                assert_holds(actual.get(name).unwrap_or(&Value::Null), expected, &format!("{place}.{name}"));
            }
        }
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => {
            for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                assert_holds(actual, expected, &format!("{place}[{index}]"));
            }
        }
        _ => assert_eq!(actual, expected, "{place}"),
    }
}

async fn assert_every_case_is_answered_as_expected(function: &str) {
    for case in cases(function) {
        let functions = functions().await;
        let mut expected = json(&folder().join(function).join(format!("{case}.expected.json")));
        if let Some(earlier) = expected.as_object_mut().unwrap().remove("after") {
            answer(&functions, function, earlier.as_str().unwrap()).await;
        }
        let actual = answer(&functions, function, &case).await;
        assert_holds(&actual, &expected, &format!("{function}/{case} came to {actual}; there"));
    }
}

#[tokio::test(start_paused = true)]
async fn orders_are_answered_as_expected() {
    assert_every_case_is_answered_as_expected("mycashflow-order").await;
}

#[tokio::test(start_paused = true)]
async fn messages_are_answered_as_expected() {
    assert_every_case_is_answered_as_expected("manu-listener").await;
}

#[tokio::test(start_paused = true)]
async fn polls_are_answered_as_expected() {
    assert_every_case_is_answered_as_expected("changes-poller").await;
}

#[tokio::test(start_paused = true)]
async fn records_of_the_stream_are_answered_as_expected() {
    assert_every_case_is_answered_as_expected("event-relay").await;
}

#[tokio::test(start_paused = true)]
async fn reads_of_an_event_are_answered_as_expected() {
    assert_every_case_is_answered_as_expected("event-read").await;
}

#[tokio::test(start_paused = true)]
async fn actions_are_answered_as_expected() {
    assert_every_case_is_answered_as_expected("shop-actions").await;
}

#[test]
fn every_fixture_belongs_to_a_function() {
    let folders: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, FUNCTIONS.map(str::to_owned).into());
}

#[test]
fn the_messages_are_signed_with_the_secret_of_the_connections() {
    let connections = Connections::parse(&connections()).unwrap();
    let secret = connections.manu["acme"].secrets[0].reveal();
    for case in cases("manu-listener") {
        let event = json(&folder().join("manu-listener").join(format!("{case}.json")));
        if event["isBase64Encoded"] == true {
            continue;
        }
        let signed = event["headers"]["manu-md5-verifycode"].as_str().unwrap();
        let body = event["body"].as_str().unwrap().as_bytes();
        assert_eq!(is_authentic(signed, body, [secret]), case != "wrong-signature", "{case}");
    }
}
