//! The eight invariants of `ARCHITECTURE.md`, each at its plainest. What tries them harder stands beside each test.

use cloud::embedded::CallFault;
use cloud::mappings::StreamReader;
use cloud::messaging::Messaging;
use ledger::{Connection, ContentHash, DeliveryOutcome, DocumentKey, Evidence, NewRevision, Source};
use sandbox::functions::Functions;
use serde_json::{Value, json};
use tilaussilta_tests::{Bench, PUSH_KEY, SHOP_KEY, ShopBench, TABLE, post, text};
use world::shop::Via;

const ORDER: &str = r#"<Order id="58"><OrderStatus>Open</OrderStatus></Order>"#;

fn pushed(body: &str) -> lambda_http::Request {
    post(&format!("/mycashflow/acme/orders?key={SHOP_KEY}"), &[], body)
}

/// See also `mycashflow_order` and `manu_listener`, and the sandbox's demo that is killed between any two steps.
#[tokio::test(start_paused = true)]
async fn invariant_1_accepted_means_durable() {
    let bench = Bench::new().await;
    bench.fail("TransactWriteItems", CallFault::Failed, 100);
    let refused = mycashflow_order::handle(&bench.deps, pushed(ORDER)).await;
    assert_eq!(refused.status(), 503);
    assert!(bench.ledger.head(&DocumentKey::order("acme", 58)).await.unwrap().is_none());
    bench.heal();
    assert_eq!(mycashflow_order::handle(&bench.deps, pushed(ORDER)).await.status(), 200);
    assert_eq!(bench.ledger.revisions(&DocumentKey::order("acme", 58)).await.unwrap().len(), 1);
}

/// See `simulation`, and `make simulate`.
#[test]
fn invariant_2_nothing_is_lost() {
    for seed in 1001..=1010 {
        assert_eq!(simulator::run(seed, &simulator::Settings::all_assumed()).violations, [""; 0], "seed {seed}");
    }
}

/// See also `one_order_every_way` and `ledger_contract`.
#[tokio::test(start_paused = true)]
async fn invariant_3_nothing_is_doubled() {
    let world = ShopBench::new().await;
    let now = world.bench.now();
    world.shop().add_made_up(now, 1, Via::Web);
    let copies: Vec<_> = world.shop().take_outbox().into_iter().cycle().take(8).collect();
    let pushes = copies.iter().map(|copy| {
        let request = post(&format!("/mycashflow/acme/orders?key={SHOP_KEY}"), &[], copy.body.clone());
        mycashflow_order::handle(&world.bench.deps, request)
    });
    let (answers, _) = futures_util::future::join(futures_util::future::join_all(pushes), world.poll()).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert_eq!(world.bench.ledger.revisions(&DocumentKey::order("acme", 1)).await.unwrap().len(), 1);
}

/// See also the unit tests of `shared/ledger/src/append.rs`.
#[tokio::test(start_paused = true)]
async fn invariant_4_newer_wins() {
    let bench = Bench::new().await;
    let document = DocumentKey::order("acme", 58);
    let seen = |observed: i64, state: &'static str| NewRevision {
        summary: None,
        document: &document,
        source: Source::Poll,
        observed_at: jiff::Timestamp::from_second(observed).unwrap(),
        evidence: Evidence::Asked,
        hash: ContentHash::of(state.as_bytes()),
        body: state.as_bytes(),
        content_type: "text/plain",
        now: bench.now(),
    };
    bench.ledger.append(&seen(200, "newer")).await.unwrap();
    let late = bench.ledger.append(&seen(100, "older")).await.unwrap();
    assert_eq!(late, ledger::Appended::Stale { revision: 1 });
    assert_eq!(bench.ledger.revisions(&document).await.unwrap()[0].body, b"newer");
}

/// See also `event_relay`, and `outbound`, in whose worlds the relay is killed anywhere.
#[tokio::test(start_paused = true)]
async fn invariant_5_every_revision_is_published_under_one_id() {
    let world = ShopBench::new().await;
    for status in ["Open", "Shipped"] {
        world.bench.order(pushed(&ORDER.replace("Open", status))).await;
        world.wait(1).await;
    }
    let messaging = Messaging::new(world.bench.deps.clock.clone());
    let functions = Functions::new(world.deps.clone(), &messaging);
    let (batch, _) = StreamReader::new(world.bench.embedded.clone(), TABLE, None).next_batch(100).unwrap();
    // Lambda hands a batch over again when the answer to it was lost; a person publishes again on purpose.
    let again = json!({ "republish": { "document": "mycashflow/acme/order/58" } });
    for event in [&batch, &batch, &again] {
        functions.invoke("event-relay", &event.to_string()).await.unwrap();
    }
    let ids: Vec<String> =
        messaging.events().iter().map(|event| event["detail"]["id"].as_str().unwrap().to_owned()).collect();
    let (first, second) = ("mycashflow/acme/order/58/1", "mycashflow/acme/order/58/2");
    assert_eq!(ids, [first, second, first, second, first, second]);
    let message = DocumentKey::manu("acme", "sales-order-activate", "4711");
    assert_eq!(message.event_id(2), "manu/acme/sales-order-activate/4711/2");
}

/// See also `shop_actions` and `outbound`.
#[tokio::test(start_paused = true)]
async fn invariant_8_each_action_is_done_once() {
    let world = ShopBench::new().await;
    let order = world.orders(1)[0];
    let messaging = Messaging::new(world.bench.deps.clock.clone());
    let functions = Functions::new(world.deps.clone(), &messaging);
    let deliver = json!({ "id": "d", "shop": "acme", "action": "deliver", "order": order, "send_email": true });
    let comment =
        json!({ "shop": "acme", "action": "add_comment", "order": order, "message": "Hei!", "public_message": true });
    for expected in ["done", "done_before"] {
        for message in [&deliver, &comment] {
            let answer = functions.invoke("shop-actions", &message.to_string()).await.unwrap();
            assert_eq!(answer["results"][0]["outcome"], expected);
        }
    }
    assert_eq!(world.shop().mails().len(), 2, "one about the delivery, one about the comment");
}

/// See also `mycashflow_order` and `manu_listener`, which go through every answer.
#[tokio::test(start_paused = true)]
async fn invariant_6_bad_input_is_answered_kept_and_counted() {
    let bench = Bench::new().await;
    let shop = Connection::shop("acme");
    let broken = r#"<Order id="58"><Products><Product><UnitPrice>1,5</UnitPrice></Product></Products></Order>"#;
    let (status, answer) = text(&mycashflow_order::handle(&bench.deps, pushed(broken)).await);
    assert_eq!(status, 400);
    assert!(answer.starts_with("Order/Products/Product[1]/UnitPrice on line 1"), "{answer}");
    assert_eq!(bench.ledger.quarantined(&shop).await.unwrap()[0].body, broken.as_bytes());

    let stranger = post("/mycashflow/acme/orders?key=guess", &[], broken.replace("58", "59"));
    assert_eq!(mycashflow_order::handle(&bench.deps, stranger).await.status(), 401);
    assert_eq!(bench.ledger.quarantined(&shop).await.unwrap().len(), 1, "nothing of it is kept");
    let today = bench.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let log = bench.ledger.deliveries(&shop, today).await.unwrap();
    assert_eq!(log.iter().map(|line| line.outcome).collect::<Vec<_>>(), [DeliveryOutcome::Quarantined]);
    for counted in ["\"Quarantined\":1", "\"Rejected\":1"] {
        assert_eq!(bench.counted().matches(counted).count(), 1, "{counted} in {}", bench.counted());
    }
}

/// See `secrets_stay_out_of_logs`, which also captures the logs at every level.
#[tokio::test(start_paused = true)]
async fn invariant_7_secrets_and_personal_data_stay_out_of_logs() {
    let bench = Bench::new().await;
    let personal =
        r#"<Order id="58"><CustomerInformation><Email>maija@example.com</Email></CustomerInformation></Order>"#;
    let address = |key: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("key", key).finish();
        format!("/mycashflow/acme/orders?{query}")
    };
    for (key, body) in [(PUSH_KEY, personal), ("a guess", personal), (SHOP_KEY, "<Order id='maija@example.com'>")] {
        let answer = mycashflow_order::handle(&bench.deps, post(&address(key), &[], body)).await;
        for secret in [SHOP_KEY, PUSH_KEY, "a guess", "maija"] {
            assert!(!text(&answer).1.contains(secret));
        }
    }
    let is_log =
        |item: &&Value| ["log#", "refused#"].iter().any(|log| item["pk"]["S"].as_str().unwrap().starts_with(log));
    for item in bench.items().iter().filter(is_log) {
        for secret in [SHOP_KEY, PUSH_KEY, "a guess", "maija"] {
            assert!(!item.to_string().contains(secret), "{item}");
        }
    }
}
