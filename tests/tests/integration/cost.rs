//! What AWS bills: the calls of a shop's everyday, as `docs/cost.md` reckons with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cloud::embedded::CallPlan;
use cloud::mappings::StreamReader;
use cloud::messaging::Messaging;
use ledger::{DocumentKey, Ledger, Retention};
use sandbox::functions::Functions;
use serde_json::json;
use tilaussilta_tests::{SHOP_KEY, ShopBench, TABLE, message, post, signed};
use world::orders::made_up;

/// Calls of DynamoDB by operation.
type Calls = Arc<Mutex<BTreeMap<String, u32>>>;

/// A shop whose functions' calls are counted.
async fn counted() -> (ShopBench, Calls) {
    let mut world = ShopBench::new().await;
    let calls = Calls::default();
    let of_client = calls.clone();
    let client = platform::dynamodb_client(&world.bench.embedded.config_with(Arc::new(move |operation| {
        *of_client.lock().unwrap().entry(operation.to_owned()).or_default() += 1;
        CallPlan::default()
    })));
    let ledger = Ledger::new(client, TABLE, Retention::default());
    world.bench.deps.ledger = ledger.clone();
    world.deps.base.ledger = ledger;
    (world, calls)
}

fn taken(calls: &Calls) -> String {
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    if calls.is_empty() {
        return "none".to_owned();
    }
    calls.iter().map(|(operation, times)| format!("{times} {operation}")).collect::<Vec<_>>().join(", ")
}

/// The cell of `docs/cost.md` that stands beside `what`.
fn documented(what: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cost.md")).unwrap();
    let row = page.lines().find(|line| line.starts_with(&format!("| {what} |")));
    let row = row.unwrap_or_else(|| panic!("docs/cost.md has no row {what:?}"));
    row.split('|').nth(2).unwrap().trim().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_documented_calls_are_those_that_are_made() {
    let (world, calls) = counted().await;
    world.orders(1);
    world.poll().await;
    world.wait(3600).await;
    world.poll().await;
    taken(&calls);

    world.wait(300).await;
    world.poll().await;
    assert_eq!(taken(&calls), documented("a run of the poll, nothing new"));

    let order = r#"<Order id="58"><OrderedAt timestamp="1772438400">2026-03-02 10:00:00</OrderedAt></Order>"#;
    let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
    world.bench.order(post(&path, &[], order)).await;
    assert_eq!(taken(&calls), documented("an order POSTed"));
    world.bench.order(post(&path, &[], order)).await;
    assert_eq!(taken(&calls), documented("the same again"));
    world.bench.manu(signed("item-save", r#"{"id":1}"#)).await;
    assert_eq!(taken(&calls), documented("a message of the ERP"));

    world.wait(300).await;
    world.orders(1);
    world.poll().await;
    assert_eq!(taken(&calls), documented("a run of the poll with one new order"));
}

#[tokio::test(start_paused = true)]
async fn what_changed_in_an_order_costs_a_read_of_the_revision_before() {
    let (world, calls) = counted().await;
    let messaging = Messaging::new(world.bench.deps.clock.clone());
    let functions = Functions::new(world.deps.clone(), &messaging);
    let mut reader = StreamReader::new(world.bench.embedded.clone(), TABLE, None);
    let mut relayed = async |events: usize| {
        taken(&calls);
        let (batch, last) = reader.next_batch(100).unwrap();
        let answer = functions.invoke("event-relay", &batch.to_string()).await.unwrap();
        reader.settle(&batch, last, &answer);
        assert_eq!(messaging.events().len(), events);
        taken(&calls)
    };
    let document = DocumentKey::order("acme", 58);
    let append = async |seed| {
        let body = mycashflow::write_order(&made_up(seed, 58));
        world.bench.ledger.append(&message(&document, body.as_bytes(), world.bench.now())).await.unwrap();
    };
    append(1).await;
    relayed(1).await;
    append(2).await;
    assert_eq!(relayed(2).await, documented("a batch of events of one connection, some of changed orders"));
    append(3).await;
    append(4).await;
    assert_eq!(
        relayed(4).await,
        documented("a batch of events of one connection, some of changed orders"),
        "a call for all"
    );
    world.bench.manu(signed("item-save", r#"{"id":1}"#)).await;
    assert_eq!(relayed(5).await, documented("a batch of events of one connection, none of a changed order"));

    // What such a call takes for each of them.
    let key = json!({ "pk": { "S": "mycashflow#acme#order#58" }, "sk": { "S": "rev#00000001" } });
    let read = json!({
        "RequestItems": { TABLE: { "Keys": [key], "ConsistentRead": true } }, "ReturnConsumedCapacity": "TOTAL",
    });
    let (_, answer) = world.bench.embedded.answer("BatchGetItem", &read.to_string());
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["Responses"][TABLE].as_array().unwrap().len(), 1);
    assert_eq!(answer["ConsumedCapacity"][0]["CapacityUnits"], json!(1.0), "{}", answer["ConsumedCapacity"]);
}

/// The bytes of a log line that `docs/cost.md` reckons with for a refused request.
const REFUSED_LINE_BYTES: usize = 380;

#[tokio::test(start_paused = true)]
async fn a_stranger_costs_a_line_of_metrics_and_no_call() {
    let (world, calls) = counted().await;
    let code = "0".repeat(32);
    let longest = format!("/mycashflow/acme/orders?key={}", "x".repeat(1000));
    for number in 0..100 {
        world.bench.order(post(&longest, &[], number.to_string())).await;
        world.bench.order(post("/mycashflow/nobody/orders", &[], "")).await;
        world.bench.manu(post("/manu/acme/item-save", &[(manu::HEADER, &code)], "{}")).await;
        world.bench.manu(post("/", &[], "")).await;
    }
    assert_eq!(taken(&calls), documented("a request of a stranger"));
    let lines = world.bench.counted();
    assert_eq!(lines.lines().count(), 400);
    // A stack's and a connection's name may be longer than those of the tests.
    let longest = lines.lines().map(|line| line.len() + "\n".len()).max().unwrap();
    let reserve = "stack".len() + "connection".len() + 20;
    assert!(longest + reserve <= REFUSED_LINE_BYTES, "{longest} bytes: {}", lines.lines().nth(2).unwrap());

    world.wait(60).await;
    world.bench.order(post("/", &[], "")).await;
    world.wait(1).await;
    let entries = 4;
    let of_one = documented("what strangers sent in a minute, for each environment, reason and connection");
    assert_eq!(of_one, "1 PutItem");
    assert_eq!(taken(&calls), format!("{entries} PutItem"));
}
