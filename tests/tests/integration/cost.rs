//! What AWS bills: the calls of a shop's everyday, as `docs/cost.md` reckons with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cloud::embedded::CallPlan;
use ledger::{Ledger, Retention};
use tilaussilta_tests::{SHOP_KEY, ShopBench, TABLE, post, signed};

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
