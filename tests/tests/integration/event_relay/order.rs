//! The order of a document's revisions. DynamoDB promises the order of a stream's records for one item only, and each
//! revision is an item of its own: see `docs/decisions/0005-order-of-events.md`.

use super::*;

/// The records of a stream in another order, as if they had been written so.
fn reordered(event: &Value, order: &[usize]) -> Value {
    let mut records: Vec<Value> = order.iter().map(|index| event["Records"][*index].clone()).collect();
    for (record, like) in records.iter_mut().zip(event["Records"].as_array().unwrap()) {
        record["dynamodb"]["SequenceNumber"] = like["dynamodb"]["SequenceNumber"].clone();
    }
    json!({ "Records": records })
}

/// A relay, and its stream's four records: two revisions of two documents each, `a/1`, `b/1`, `a/2`, `b/2`.
async fn with_two_pairs() -> (Relay, Value) {
    let mut relay = Relay::new().await;
    for (document, version) in [("a", 1), ("b", 1), ("a", 2), ("b", 2)] {
        relay.append(&item(document), &format!(r#"{{"version":{version}}}"#)).await;
    }
    let (event, _) = relay.reader.next_batch(100).unwrap();
    (relay, event)
}

#[tokio::test(start_paused = true)]
async fn a_reversed_pair_in_one_batch_is_published_in_order() {
    let (relay, event) = with_two_pairs().await;
    for order in [[2, 0, 1, 3], [1, 2, 0, 3], [3, 2, 1, 0], [2, 3, 0, 1]] {
        let before = relay.ids().len();
        assert_eq!(relay.invoke(reordered(&event, &order)).await, json!({ "batchItemFailures": [] }));
        assert_eq!(relay.ids().len(), before + 4);
        assert_in_order(&relay.ids()[before..]);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_reversed_pair_in_one_batch_the_later_waits_for_an_earlier_that_fails() {
    let (relay, event) = with_two_pairs().await;
    let reversed = reordered(&event, &[2, 0, 1, 3]);
    relay.messaging.refuse(|entry| entry["Detail"].as_str().unwrap().contains("/a/1\"").then_some("InternalFailure"));
    let answer = relay.invoke(reversed.clone()).await;
    assert_eq!(relay.ids(), ["manu/acme/item-save/b/1", "manu/acme/item-save/b/2"]);
    let number = |index: usize| reversed["Records"][index]["dynamodb"]["SequenceNumber"].clone();
    let mut reported: Vec<Value> = answer["batchItemFailures"].as_array().unwrap().clone();
    reported.sort_by_key(|one| one["itemIdentifier"].as_str().unwrap().to_owned());
    assert_eq!(reported, [json!({ "itemIdentifier": number(0) }), json!({ "itemIdentifier": number(1) })]);

    relay.messaging.heal();
    relay.invoke(reversed).await;
    assert_in_order(&relay.ids());
}

/// Nothing is held back, lost or published under another id; `revision` says which of the two is old.
#[tokio::test(start_paused = true)]
async fn a_reversed_pair_over_two_batches_is_published_as_it_comes_and_tells_by_its_numbers() {
    let mut relay = Relay::new().await;
    let order = DocumentKey::order("acme", 58);
    for seed in [1, 2] {
        relay.append(&order, &mycashflow::write_order(&made_up(seed, 58))).await;
    }
    let (event, _) = relay.reader.next_batch(100).unwrap();
    for index in [1, 0] {
        let answer = relay.invoke(json!({ "Records": [event["Records"][index]] })).await;
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }
    let events = relay.messaging.events();
    let seen: Vec<Value> = events
        .iter()
        .map(|event| json!([event["detail-type"], event["detail"]["id"], event["detail"]["revision"]]))
        .collect();
    let expected = [
        json!(["order.updated", "mycashflow/acme/order/58/2", 2]),
        json!(["order.created", "mycashflow/acme/order/58/1", 1]),
    ];
    assert_eq!(seen, expected);

    // A consumer that keeps, for each document, what has the highest number, ends with the newest state.
    let newest = events.iter().max_by_key(|event| event["detail"]["revision"].as_u64()).unwrap();
    assert_eq!(newest["detail"]["order"], made_up(2, 58).to_json());
}
