//! A customer's order that was erased: nothing of it is left, and nothing brings it back.

use changes_poller::PollRequest;
use cloud::messaging::Messaging;
use event_relay::Request;
use ledger::{DocumentKey, Erasure};
use sandbox::functions::Functions;
use serde_json::json;
use tilaussilta_tests::{SHOP_KEY, ShopBench, post};

const ERASE: Erasure = Erasure { unassigned: false, dry_run: false };

#[tokio::test(start_paused = true)]
async fn an_erased_order_comes_back_by_no_poll_no_backfill_no_post_and_no_publishing_again() {
    let world = ShopBench::new().await;
    let order = world.orders(1)[0];
    let document = DocumentKey::order("acme", order);
    world.poll().await;
    let body = world.bench.ledger.revisions(&document).await.unwrap().remove(0).body;
    world.bench.ledger.erase(&document, ERASE, world.bench.now()).await.unwrap();

    world.wait(60).await;
    let polled = world.poll().await;
    assert_eq!((polled.new, polled.updated, polled.failure), (0, 0, None), "{:?}", polled.stopped);
    assert!(polled.unchanged > 0, "the poll has seen it again");
    let past = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    let backfill = PollRequest::Backfill { shop: "acme".to_owned(), created_after: past, dry_run: false };
    assert_eq!(world.only(&backfill).await.new, 0);
    let posted = post(&format!("/mycashflow/acme/orders?key={SHOP_KEY}"), &[], body);
    assert_eq!(world.bench.order(posted).await.1, format!("duplicate: order/{order} is known as revision 1"));

    let functions = Functions::new(world.deps.clone(), &Messaging::new(world.deps.base.clock.clone()));
    let republish = json!({ "republish": { "document": document.to_string() } });
    assert!(Request::read(republish.clone()).is_ok());
    let refused = functions.invoke("event-relay", &republish.to_string()).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("the ledger has no revision of {document}"));

    let left: Vec<String> = world.bench.kept().into_iter().filter(|key| key.contains("#order#")).collect();
    assert_eq!(left, [format!("mycashflow#acme#order#{order} head")]);
}
