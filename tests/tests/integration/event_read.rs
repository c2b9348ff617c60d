//! An event that is read again: whole, or with a clear word.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use cloud::embedded::{CallFault, CallPlan};
use cloud::mappings::StreamReader;
use cloud::messaging::Messaging;
use event_read::{MAX_ANSWER_BYTES, Request, handle};
use ledger::{DocumentKey, Erasure, Ledger, Retention};
use sandbox::functions::Functions;
use serde_json::{Value, json};
use tilaussilta_tests::{Bench, ShopBench, TABLE, message};
use world::orders::made_up;

async fn append(bench: &Bench, document: &DocumentKey, body: &str) {
    bench.ledger.append(&message(document, body.as_bytes(), bench.now())).await.unwrap();
}

async fn read(bench: &Bench, id: &str) -> Value {
    handle(&bench.ledger, &Request::read(&json!({ "read": id })).unwrap()).await.unwrap()
}

/// The events of everything that is in the stream, published within `limit_bytes`.
async fn published(world: &ShopBench, limit_bytes: usize) -> (Functions, Vec<Value>) {
    let messaging = Messaging::new(world.bench.deps.clock.clone());
    let mut functions = Functions::new(world.deps.clone(), &messaging);
    functions.relay.limits.request_bytes = limit_bytes;
    let (batch, _) = StreamReader::new(world.bench.embedded.clone(), TABLE, None).next_batch(100).unwrap();
    functions.invoke("event-relay", &batch.to_string()).await.unwrap();
    let mut events = messaging.events();
    events.sort_by_key(|event| event["detail"]["id"].to_string());
    (functions, events)
}

#[tokio::test(start_paused = true)]
async fn a_truncated_event_tells_how_to_read_it_as_it_would_have_been_published() {
    let world = ShopBench::new().await;
    let order = DocumentKey::order("acme", 58);
    for seed in [1, 2] {
        append(&world.bench, &order, &mycashflow::write_order(&made_up(seed, 58))).await;
    }
    // A tracking code keeps its digits on this way, too.
    let code = r#"{"code":9400111899223197428490}"#;
    append(&world.bench, &DocumentKey::manu("acme", "item-save", "1"), code).await;
    let (_, whole) = published(&world, usize::MAX).await;
    let (functions, truncated) = published(&world, 100).await;
    assert_eq!((whole.len(), truncated.len()), (3, 3));
    for (whole, truncated) in whole.iter().zip(&truncated) {
        assert_eq!(whole["detail"].get("claim_check"), None);
        assert_eq!(truncated["detail"].get("order").or(truncated["detail"].get("document")), None);
        let how = &truncated["detail"]["claim_check"];
        let answer = functions.invoke(how["function"].as_str().unwrap(), &how["payload"].to_string()).await.unwrap();
        assert_eq!((&answer["state"], &answer["id"]), (&json!("found"), &truncated["detail"]["id"]));
        for field in ["source", "detail-type", "time", "detail"] {
            assert_eq!(answer["event"][field], whole[field], "{field}");
        }
    }
    assert!(whole[0].to_string().contains(":9400111899223197428490"));
}

#[tokio::test(start_paused = true)]
async fn an_erased_or_expired_event_and_one_that_never_was_are_told_apart() {
    let bench = Bench::new().await;
    let (kept, erased) = (DocumentKey::order("acme", 58), DocumentKey::order("acme", 59));
    for document in [&kept, &erased] {
        for status in ["Open", "Shipped"] {
            let body = format!(r#"<Order id="{}"><OrderStatus>{status}</OrderStatus></Order>"#, document.id);
            append(&bench, document, &body).await;
        }
    }
    let expired = json!({ "pk": { "S": "mycashflow#acme#order#58" }, "sk": { "S": "rev#00000001" } });
    let delete = json!({ "TableName": TABLE, "Key": expired });
    assert_eq!(bench.embedded.answer("DeleteItem", &delete.to_string()).0, 200);
    bench.ledger.erase(&erased, Erasure { unassigned: false, dry_run: false }, bench.now()).await.unwrap();

    let told = async |id: &str| {
        let answer = read(&bench, id).await;
        assert_eq!((answer.get("event"), &answer["id"]), (None, &json!(id)));
        (answer["state"].as_str().unwrap().to_owned(), answer["reason"].as_str().unwrap().to_owned())
    };
    let gone = ("gone".to_owned(), "it is erased or expired".to_owned());
    for id in ["mycashflow/acme/order/58/1", "mycashflow/acme/order/59/1", "mycashflow/acme/order/59/2"] {
        assert_eq!(told(id).await, gone, "{id}");
    }
    let unknown = ("unknown".to_owned(), "there never was such a revision".to_owned());
    for id in ["mycashflow/acme/order/58/0", "mycashflow/acme/order/58/3", "mycashflow/acme/order/60/1", "manu/x/y/1/1"]
    {
        assert_eq!(told(id).await, unknown, "{id}");
    }
    // What is left is whole, and does not know what was before.
    let second = read(&bench, "mycashflow/acme/order/58/2").await;
    assert_eq!(second["event"]["detail"]["order"]["status"], "Shipped");
    assert_eq!(
        (&second["event"]["detail"]["changes"], &second["event"]["detail"]["truncated"]),
        (&json!(null), &json!(false))
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_or_handed_over_is_said_and_nothing_of_it_told() {
    let bench = Bench::new().await;
    append(&bench, &DocumentKey::order("acme", 58), "Maija Meikäläinen").await;
    let answer = read(&bench, "mycashflow/acme/order/58/1").await;
    assert_eq!((&answer["state"], answer.get("event")), (&json!("unreadable"), None));
    assert!(!answer.to_string().contains("Maija"), "{answer}");

    let note = "x".repeat(MAX_ANSWER_BYTES);
    append(&bench, &DocumentKey::manu("acme", "item-save", "1"), &json!({ "id": 1, "note": note }).to_string()).await;
    let answer = read(&bench, "manu/acme/item-save/1/1").await;
    assert_eq!((&answer["state"], answer.get("event")), (&json!("too-large"), None));
}

#[tokio::test(start_paused = true)]
async fn it_calls_nothing_but_what_its_policy_allows_and_fails_when_the_table_does() {
    let bench = Bench::new().await;
    let order = DocumentKey::order("acme", 58);
    for status in ["Open", "Shipped"] {
        append(&bench, &order, &format!(r#"<Order id="58"><OrderStatus>{status}</OrderStatus></Order>"#)).await;
    }
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = calls.clone();
    let config = bench.embedded.config_with(Arc::new(move |operation| {
        seen.lock().unwrap().push(operation.to_owned());
        CallPlan::default()
    }));
    let ledger = Ledger::new(platform::dynamodb_client(&config), TABLE, Retention::default());
    for id in ["mycashflow/acme/order/58/2", "mycashflow/acme/order/58/9", "manu/acme/item-save/1/1"] {
        handle(&ledger, &Request::read(&json!({ "read": id })).unwrap()).await.unwrap();
    }
    let calls: BTreeSet<String> = calls.lock().unwrap().drain(..).collect();
    assert_eq!(calls, BTreeSet::from(["GetItem".to_owned()]));

    bench.fail("GetItem", CallFault::Failed, 9);
    let request = Request::read(&json!({ "read": "mycashflow/acme/order/58/2" })).unwrap();
    handle(&bench.deps.ledger, &request).await.unwrap_err();
}

/// The policy that the documentation gives to consumers allows the invocation of one function.
#[test]
fn the_documented_policy_allows_to_invoke_one_function_and_nothing_else() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md")).unwrap();
    let blocks = page.split("```json\n").skip(1).filter_map(|block| block.split("```").next());
    let policies: Vec<Value> =
        blocks.filter(|block| block.contains("Statement")).map(|json| serde_json::from_str(json).unwrap()).collect();
    let statement = json!([{
        "Effect": "Allow", "Action": "lambda:InvokeFunction",
        "Resource": "arn:aws:lambda:REGION:ACCOUNT:function:EVENT_READ_NAME",
    }]);
    assert_eq!(policies, [json!({ "Version": "2012-10-17", "Statement": statement })]);
}
