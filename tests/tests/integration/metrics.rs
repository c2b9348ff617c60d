//! What the functions count: each documented metric is counted by a function that is documented to, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use changes_poller::PollRequest;
use cloud::embedded::CallFault;
use cloud::messaging::{ACTIONS, Messaging};
use connections::{ConnectionSource, ConnectionStore};
use ledger::{ContentHash, DocumentKey, Evidence, NewRevision, Part, Pause, Source};
use platform::{Function, Metric};
use sandbox::functions::Functions;
use serde_json::{Value, json};
use tilaussilta_tests::{Bench, CONNECTIONS, METRICS_NAMESPACE, SHOP_KEY, ShopBench, post, shop_config, signed};
use tokio::time::Instant;
use world::shop::{Breakage, ShopFault};

/// Function and metric, each with the sum of its values.
type Sums = BTreeMap<(String, String), u64>;

/// The lines that were written, each checked to be what CloudWatch takes and nothing else.
fn sums(counted: &str) -> Sums {
    let mut sums = Sums::new();
    for line in counted.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], METRICS_NAMESPACE);
        assert_eq!(directive["Dimensions"], json!([["Function"]]), "every dimension set costs as much as the first");
        let function = line["Function"].as_str().unwrap().to_owned();
        let metrics: Vec<&str> =
            directive["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap()).collect();
        let fields: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = metrics.iter().copied().chain(["_aws", "Function"]).collect::<BTreeSet<_>>();
        assert!(fields.difference(&expected).all(|field| *field == "Connection"), "{line}");
        for metric in metrics {
            *sums.entry((function.clone(), metric.to_owned())).or_default() += line[metric].as_u64().unwrap();
        }
    }
    sums
}

fn sum(sums: &Sums, function: Function, metric: Metric) -> Option<u64> {
    sums.get(&(function.name().to_owned(), metric.name().to_owned())).copied()
}

/// The rows of the table in `docs/metrics.md`: metric and unit, and the functions that count it.
fn documented() -> BTreeMap<(String, String), BTreeSet<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let functions = cells[2].split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
        ((cells[0].trim_matches('`').to_owned(), cells[1].to_owned()), functions)
    });
    rows.collect()
}

/// Records a state of an order that was asked for a minute after whatever the functions see of it.
async fn observed_later(world: &ShopBench, order: u64, body: &str) {
    let now = world.bench.now();
    let new = NewRevision {
        summary: None,
        document: &DocumentKey::order("acme", order),
        source: Source::Poll,
        observed_at: now + Duration::from_secs(60),
        evidence: Evidence::Asked,
        hash: ContentHash::of(body.as_bytes()),
        body: body.as_bytes(),
        content_type: "application/xml",
        now,
    };
    world.bench.ledger.append(&new).await.unwrap();
}

#[test]
fn the_documentation_lists_every_metric_with_its_unit_and_functions() {
    let mut in_code: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for function in Function::ALL {
        for metric in function.metrics() {
            let row = (metric.name().to_owned(), metric.unit().name().to_owned());
            in_code.entry(row).or_default().insert(function.name().to_owned());
        }
    }
    assert_eq!(documented(), in_code);
}

#[tokio::test(start_paused = true)]
async fn a_poll_counts_its_run_its_lag_and_its_gaps() {
    let world = ShopBench::new().await;
    let orders = world.orders(3);
    world.shop().poison(orders[1]);
    world.poll().await;
    let after_one = sums(&world.bench.counted());
    let of = |metric| sum(&after_one, Function::ChangesPoller, metric);
    assert_eq!((of(Metric::PollRuns), of(Metric::PollFailures)), (Some(1), None), "a count of 0 is not sent");
    assert!(of(Metric::LagSeconds) < Some(60), "it is measured anew after the last page: {after_one:?}");
    assert_eq!(of(Metric::GapsOpen), Some(world.state().await.gaps.len() as u64));
    assert!(of(Metric::GapsOpen) > Some(0));
    assert_eq!(of(Metric::Recorded), Some(2));
    assert!(of(Metric::Polled) >= Some(2));

    world.shop().fail_next(ShopFault::Html, 1000);
    world.poll().await;
    world.only(&PollRequest::Refresh { shop: "acme".to_owned(), orders }).await;
    let of = |metric| sum(&sums(&world.bench.counted()), Function::ChangesPoller, metric);
    assert_eq!((of(Metric::PollRuns), of(Metric::PollFailures)), (Some(2), Some(1)), "a refresh is no run of the poll");
    assert!(of(Metric::LagSeconds) > Some(0), "a failed run tells how far behind it is");
}

#[tokio::test(start_paused = true)]
async fn a_poll_over_no_shops_and_a_paused_one_count_as_a_run_because_the_schedule_works() {
    let of = |bench: &Bench, metric| sum(&sums(&bench.counted()), Function::ChangesPoller, metric);
    let empty = ShopBench::with(r#"{"shops":{},"manu":{}}"#, shop_config()).await;
    assert_eq!(empty.run(&PollRequest::Poll { shop: None }).await.shops, []);
    assert_eq!(of(&empty.bench, Metric::PollRuns), Some(1));

    let paused = ShopBench::new().await;
    let pause = Pause { part: Part::Poll, since: paused.bench.now(), who: "a person".to_owned() };
    paused.bench.ledger.pause(&pause).await.unwrap();
    assert!(paused.run(&PollRequest::Poll { shop: None }).await.paused);
    assert_eq!((of(&paused.bench, Metric::PollRuns), of(&paused.bench, Metric::Polled)), (Some(1), None));
}

/// Secrets Manager with a current and a previous version of one secret.
fn secret(current: &'static str, previous: &'static str) -> ConnectionSource {
    let config = cloud::embedded::answered_config(move |operation, body| {
        assert_eq!(operation, "GetSecretValue");
        let asked: Value = serde_json::from_str(body).unwrap();
        let text = match asked["VersionStage"].as_str().unwrap() {
            "AWSCURRENT" => current,
            "AWSPREVIOUS" => previous,
            other => panic!("{other}"),
        };
        (200, json!({ "Name": "connections", "SecretString": text }).to_string())
    });
    let client = aws_sdk_secretsmanager::Client::new(&config);
    ConnectionSource::SecretsManager { client, secret_id: "connections".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_starts_under_a_broken_document_uses_the_one_before_and_counts_that() {
    let broken = r#"{"shops":{"acme":{"url":"acme"}}}"#;
    let world = ShopBench::new().await;
    for (current, refused) in [(broken, Some(1)), ("{", Some(1)), (CONNECTIONS, None)] {
        let before = world.bench.counted().len();
        let mut deps = world.deps.clone();
        deps.base.connections = Arc::new(ConnectionStore::open(secret(current, CONNECTIONS)).await.unwrap());
        let run = format!("run {refused:?} {current}");
        let deadline = Instant::now() + Duration::from_secs(60);
        let report = changes_poller::handle(&deps, &PollRequest::Poll { shop: None }, &run, deadline).await.unwrap();
        assert_eq!(report.shops.len(), 1, "the shop is polled under the connections before");
        let counted = sums(&world.bench.counted()[before..]);
        assert_eq!(sum(&counted, Function::ChangesPoller, Metric::ConnectionsRefused), refused, "{current}");
    }
    let error = ConnectionStore::open(secret(broken, "{")).await.unwrap_err().to_string();
    assert!(error.contains("shops.acme.url"), "what is wrong with the document of now: {error}");
}

/// The usual connections, with a bridge whose dispatches come to an address without a key.
fn connections_to_be_changed() -> String {
    let mut connections: Value = serde_json::from_str(CONNECTIONS).unwrap();
    connections["manu"]["acme"]["bridge"] = json!({ "shop": "acme", "orders": "$.order" });
    connections.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_run_of_the_poller_and_a_reading_count_what_should_be_changed_in_the_connections() {
    let to_be_changed = ShopBench::with(&connections_to_be_changed(), shop_config()).await;
    let in_order = ShopBench::new().await;
    for (world, expected) in [(to_be_changed, Some(1)), (in_order, None)] {
        world.poll().await;
        let counted = |function| sum(&sums(&world.bench.counted()), function, Metric::ConnectionWarnings);
        assert_eq!(counted(Function::ChangesPoller), expected);
        assert_eq!(counted(Function::ManuListener), None);
        let wrong_code = post("/manu/acme/item-save", &[(manu::HEADER, &"0".repeat(32))], "{}");
        world.wait(60).await;
        world.bench.manu(wrong_code).await;
        assert_eq!(counted(Function::ManuListener), expected, "it has read the connections again");
    }
}

#[tokio::test(start_paused = true)]
async fn each_documented_metric_is_counted_by_the_functions_documented_and_by_no_other() {
    let world = ShopBench::with(&connections_to_be_changed(), shop_config()).await;
    let messaging = Messaging::new(world.deps.base.clock.clone());
    let functions = Functions::new(world.deps.clone(), &messaging);
    let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
    let order = |number: &str| format!(r#"<Order id="58"><OrderNumber>{number}</OrderNumber></Order>"#);
    for body in [order("1"), order("1"), "<Order".to_owned()] {
        world.bench.order(post(&path, &[], body)).await;
    }
    world.bench.order(post("/mycashflow/acme/orders?key=wrong", &[], order("1"))).await;
    observed_later(&world, 57, "<Order").await;
    world.bench.order(post(&path, &[], order("1").replace("58", "57"))).await;
    for body in [r#"{"id":1}"#, r#"{"id":1}"#, "{"] {
        world.bench.manu(signed("item-save", body)).await;
    }
    world.bench.manu(post("/manu/acme/item-save", &[], "{}")).await;
    let wrong_code = post("/manu/acme/item-save", &[(manu::HEADER, &"0".repeat(32))], "{}");
    world.wait(60).await;
    world.bench.manu(wrong_code).await;

    let orders = world.orders(4);
    world.shop().unreadable(orders[0], Breakage::Value);
    observed_later(&world, orders[3], "<Order").await;
    world.shop().configure(|config| config.date_skew = jiff::SignedDuration::from_hours(2));
    world.poll().await;
    world.bench.fail("*", CallFault::Failed, 1000);
    world.poll().await;
    world.bench.heal();
    let mut refused = world.deps.clone();
    refused.base.connections = Arc::new(ConnectionStore::open(secret("{", CONNECTIONS)).await.unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    changes_poller::handle(&refused, &PollRequest::Poll { shop: None }, "refused", deadline).await.unwrap();

    let act = async |message: Value| {
        functions.invoke("shop-actions", &message.to_string()).await.unwrap();
    };
    act(json!({ "shop": "acme", "action": "deliver", "order": orders[1] })).await;
    act(json!({ "shop": "acme", "action": "deliver", "order": 999_999 })).await;
    world.shop().fail_next(ShopFault::Status(503), 1000);
    act(json!({ "shop": "acme", "action": "deliver", "order": orders[2] })).await;
    assert!(messaging.messages(ACTIONS).is_empty(), "they were invoked directly");
    // The last order's first revision cannot be read.
    for order in [orders[1], orders[3]] {
        let republish = json!({ "republish": { "document": format!("mycashflow/acme/order/{order}") } });
        functions.invoke("event-relay", &republish.to_string()).await.unwrap();
    }

    let mut counted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (function, metric) in sums(&world.bench.counted()).into_keys() {
        counted.entry(metric).or_default().insert(function);
    }
    let expected: BTreeMap<String, BTreeSet<String>> =
        documented().into_iter().map(|((metric, _), functions)| (metric, functions)).collect();
    assert_eq!(counted, expected);
}
