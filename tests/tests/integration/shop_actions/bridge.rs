//! The bridge from the ERP's message to the shop's call.

use cloud::mappings::StreamReader;
use cloud::messaging::{BUS, EVENT_DEAD_LETTERS};
use event_relay::{DeadLetters, EventBus, Limits, PublicationLog, RelayDeps};

use super::*;

/// Takes a signed message in, publishes what came of it, and works off the queue of the actions.
async fn carry(actions: &Actions, body: &str) {
    let code = manu::verify_code(body.as_bytes(), "s").to_string();
    let address = "/manu/acme/sales-dispatch-activate";
    let (status, answer) = actions.bench.manu(tilaussilta_tests::post(address, &[(manu::HEADER, &code)], body)).await;
    assert_eq!(status, 200, "{answer}");
    let relay = RelayDeps {
        ledger: actions.bench.ledger.clone(),
        bus: EventBus::new(actions.messaging.eventbridge(), BUS),
        dead_letters: DeadLetters { client: actions.messaging.sqs(), queue_url: queue_url(EVENT_DEAD_LETTERS) },
        published: PublicationLog::new(actions.bench.ledger.clone(), actions.bench.deps.clock.clone()),
        limits: Limits::default(),
        metrics: actions.bench.deps.metrics.clone(),
    };
    let mut reader = StreamReader::new(actions.bench.embedded.clone(), TABLE, None);
    while let Some((event, last)) = reader.next_batch(100) {
        let request = event_relay::Request::read(event.clone()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        let answer = event_relay::handle(&relay, request, deadline).await.unwrap();
        assert!(reader.settle(&event, last, &answer));
    }
    actions.drain().await;
}

#[tokio::test(start_paused = true)]
async fn numbers_keep_their_digits_from_the_message_to_the_shops_call() {
    for code in ["9400111899223197428490", "9007199254740993", "00370724160000000001", "12345678901234567890.10"] {
        let actions = Actions::new().await;
        // A number that JSON cannot hold is a text.
        let value = if code.starts_with('0') { format!("\"{code}\"") } else { code.to_owned() };
        let body = format!(r#"{{"id":200,"rows":[{{"order":2}}],"parcels":[{{"code":{value}}}]}}"#);
        carry(&actions, &body).await;
        assert_eq!(lock(&actions.shop).tracking_code(2), Some(code));
        let document = &actions.messaging.events().pop().unwrap()["detail"]["document"];
        assert_eq!(document["parcels"][0]["code"].to_string(), value, "on the bus");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tracking_code_that_is_none_is_not_sent_and_told_of() {
    for code in ["1E5", "true", "[\"JJFI1\"]", "{}"] {
        let actions = Actions::new().await;
        carry(&actions, &format!(r#"{{"id":200,"rows":[{{"order":2}}],"parcels":[{{"code":{code}}}]}}"#)).await;
        assert_eq!((actions.status(2).as_str(), lock(&actions.shop).tracking_code(2)), ("Shipped", None), "{code}");
        let reason = "the tracking code is neither text nor a plain number, so none was sent";
        assert_eq!(actions.letters(), [reason], "{code}");
    }
    for code in ["null", "\" \""] {
        let actions = Actions::new().await;
        carry(&actions, &format!(r#"{{"id":200,"rows":[{{"order":2}}],"parcels":[{{"code":{code}}}]}}"#)).await;
        assert_eq!((actions.status(2).as_str(), actions.letters()), ("Shipped", vec![]), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_number_of_many_digits_is_not_rounded_to_another_order() {
    let actions = Actions::new().await;
    // As an f64 the first is 18446744073709551616, and the second the order 2.
    carry(&actions, r#"{"id":200,"rows":[{"order":18446744073709551617},{"order":2.0000000000000000001}]}"#).await;
    let reason = "2 of the 2 values of the path are not order ids, the first is value 1";
    assert_eq!((actions.letters(), lock(&actions.shop).log().deliver), (vec![reason.to_owned()], 0));
    carry(&actions, r#"{"id":201,"rows":[{"order":18446744073709551615}]}"#).await;
    let reason = "order 18446744073709551615: not finished in time: the shop does not have the order yet";
    assert_eq!(actions.letters().pop().unwrap(), reason);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_asks_the_shop_for_an_order_that_the_ledger_does_not_know() {
    let actions = Actions::new().await;
    let order = lock(&actions.shop).add_made_up(actions.bench.now(), 9, Via::Web);
    actions.work_off(&dispatch("acme", json!({ "id": 9, "rows": [{ "order": order }] }))).await;
    assert_eq!((actions.status(order).as_str(), actions.letters()), ("Shipped", vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_of_an_order_that_the_shop_does_not_have_yet_waits_for_it() {
    let actions = Actions::new().await;
    let event = dispatch("acme", json!({ "id": 9, "rows": [{ "order": 1 }, { "order": 4 }] }));
    actions.messaging.send(ACTIONS, event.to_string());
    for receive in 1..=4 {
        let received = actions.messaging.receive_event(ACTIONS, QUEUE_BATCH).unwrap();
        let answer = actions.invoke(received.clone()).await.unwrap();
        assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 1, "it comes again after receive {receive}");
        actions.messaging.settle(ACTIONS, &received, &answer);
        tokio::time::advance(Duration::from_secs(721)).await;
    }
    assert_eq!((actions.status(1).as_str(), actions.letters()), ("Shipped", vec![]), "no dead letter so far");
    assert_eq!(lock(&actions.shop).add_made_up(actions.bench.now(), 9, Via::Web), 4);
    actions.drain().await;
    assert_eq!((actions.status(4).as_str(), actions.letters()), ("Shipped", vec![]));
    assert_eq!(lock(&actions.shop).log().deliver, 2, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_which_orders_the_ledger_does_not_know() {
    let actions = Actions::new().await;
    let answer =
        actions.invoke(dispatch("rehearsing", json!({ "id": 9, "rows": [{ "order": 1 }, { "order": 77 }] }))).await;
    let reasons: Vec<_> =
        answer.unwrap()["results"].as_array().unwrap().iter().map(|result| result["reason"].clone()).collect();
    let known = "would be delivered, without a tracking code";
    assert_eq!(reasons, [known.to_owned(), format!("{known}, if the shop has it: the ledger does not")]);
}
