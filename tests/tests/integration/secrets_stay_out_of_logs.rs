//! Secrets and personal data stay out of the logs at every level, out of the metrics, the
//! answers and the delivery log.

use changes_poller::PollRequest;
use cloud::embedded::CallFault;
use cloud::mappings::StreamReader;
use cloud::messaging::{ACTIONS_DEAD_LETTERS, EVENT_DEAD_LETTERS, Messaging};
use http::Method;
use lambda_http::Request;
use ledger::{ContentHash, DocumentKey, Evidence, NewRevision, Source};
use sandbox::functions::Functions;
use serde_json::{Value, json};
use tilaussilta_tests::{
    CONNECTIONS, Captured, MANU_SECRET, PUSH_KEY, SHOP_KEY, ShopBench, TABLE, as_text, post, shop_config, signed,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use world::shop::{Breakage, ShopFault, Via};

/// What must not be seen anywhere. A prefix is enough to find a part of each.
const PLANTED: [&str; 18] = [
    "planted-token",
    SHOP_KEY,
    PUSH_KEY,
    "planted+push",
    "planted%20push",
    MANU_SECRET,
    "an older secret",
    "wrong-planted-key",
    "Maija-Liisa",
    "Meikäläinen-Planted",
    "maija.planted",
    "Kätketynkuja",
    "+358 40 5550",
    "52d07914f6bcdf44",
    "Jätä oven taakse",
    "192.0.2.77",
    "Lumivälke-Planted",
    "4935947b79126bc3",
];

/// The tests' connections, with a token at the address of dispatches.
fn connections_with_a_token() -> String {
    let mut connections: Value = serde_json::from_str(CONNECTIONS).unwrap();
    connections["manu"]["acme"]["webhook_keys"] = json!({ "sales-dispatch-activate": "planted-token-8812" });
    connections["manu"]["acme"]["bridge"] = json!({ "shop": "acme", "orders": "$.order" });
    connections.to_string()
}

const ORDER: &str = r#"<Order id="58"><OrderedAt timestamp="1772438400">2026-03-02 10:00:00</OrderedAt>
<Comments>Jätä oven taakse</Comments>
<Documents><Receipt>http://acme.invalid/orderstatus/58/receipt/52d07914f6bcdf448084320f3de6a816</Receipt></Documents>
<CustomerInformation><FirstName>Maija-Liisa</FirstName><LastName>Meikäläinen-Planted</LastName>
<StreetAddress>Kätketynkuja 1</StreetAddress><Email allowMarketing="true">maija.planted@example.com</Email>
<Phone>+358 40 5550100</Phone><IPAddress>192.0.2.77</IPAddress></CustomerInformation></Order>"#;

const MESSAGE: &str = r#"{"id":1,"customer":"Lumivälke-Planted Oy","email":"maija.planted@example.com"}"#;

/// Captures the logs of this thread as the functions write them with `LOG_LEVEL=trace`.
pub(crate) fn capture_logs() -> (Captured, tracing::subscriber::DefaultGuard) {
    let captured = Captured::default();
    let writer = captured.clone();
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
    let layer = layer.with_filter(platform::log_targets(LevelFilter::TRACE));
    (captured, tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)))
}

fn assert_holds_nothing_planted(what: &str, text: &str) {
    for planted in PLANTED {
        assert!(!text.contains(planted), "{what} holds {planted:?}: {text}");
    }
}

/// An order as a shop sends it, damaged so that reading fails close to what must not be seen.
fn damaged() -> Vec<String> {
    let mut bodies: Vec<String> = ["<Email", "maija.planted", "Kätketynkuja", "Maija-Liisa", "52d0", "Jätä"]
        .iter()
        .flat_map(|place| {
            let at = ORDER.find(place).unwrap();
            let (before, after) = ORDER.split_at(at);
            ["<", "&", "&planted;", "</x>", "\u{1}", "<!--", "<![CDATA["].map(|piece| format!("{before}{piece}{after}"))
        })
        .collect();
    // Every element's text where a number, a date or a truth value is expected.
    bodies.extend(
        ["ShippingWeight", "ShippingPackages"]
            .map(|name| ORDER.replace("</Order>", &format!("<{name}>maija.planted@example.com</{name}></Order>"))),
    );
    bodies.push(ORDER.replace("1772438400", "maija.planted@example.com"));
    bodies.push(ORDER.replace("allowMarketing=\"true\"", "allowMarketing=\"maija.planted@example.com\""));
    bodies.push(ORDER.replace("id=\"58\"", "id=\"maija.planted@example.com\""));
    bodies.push(ORDER[..ORDER.len() / 2].to_owned());
    bodies.push(format!("<!DOCTYPE o [<!ENTITY planted \"Maija-Liisa\">]>{ORDER}"));
    bodies.push("Maija-Liisa Meikäläinen-Planted".to_owned());
    bodies
}

fn order_requests() -> Vec<Request> {
    let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
    let pushed = |content_type: &str, body: &str| post(&path, &[("content-type", content_type)], body);
    let form: String =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs([("key", PUSH_KEY), ("xml", ORDER)]).finish();
    let form_type = [("content-type", "application/x-www-form-urlencoded")];
    let mut requests = vec![
        pushed("text/xml", ORDER),
        pushed("text/xml", &ORDER.replace("Jätä", "Jätä ")),
        pushed("text/xml", ORDER),
        pushed("image/png", ORDER),
        pushed("multipart/form-data; boundary=Maija-Liisa", ORDER),
        pushed("multipart/form-data", ORDER),
        pushed("application/x-www-form-urlencoded", "name=Maija-Liisa&email=maija.planted%40example.com"),
        post("/mycashflow/acme/orders", &form_type, form),
        post("/mycashflow/acme/orders?key=planted%20push%2Bkey%26%C3%A4", &[], ORDER),
        post("/mycashflow/acme/orders?key=wrong-planted-key", &[], ORDER),
        post("/mycashflow/acme/orders", &[("authorization", "Bearer wrong-planted-key")], ORDER),
        post("/mycashflow/wrong-planted-key/orders", &[("x-api-key", SHOP_KEY)], ORDER),
        post(&format!("/mycashflow/acme/{SHOP_KEY}?key={SHOP_KEY}"), &[], ORDER),
        pushed("text/xml", &" ".repeat(1_100_000)),
    ];
    let without_document = "key=planted+push%2Bkey%26%C3%A4&name=Maija-Liisa";
    requests.push(post("/mycashflow/acme/orders", &form_type, without_document));
    let compressed = [("x-api-key", SHOP_KEY), ("content-encoding", "wrong-planted-key")];
    requests.push(post("/mycashflow/acme/orders", &compressed, ORDER));
    let twice = [("x-api-key", "wrong-planted-key"), ("x-api-key", "Maija-Liisa")];
    requests.push(post("/mycashflow/acme/orders", &twice, ORDER));
    requests.push(as_text(pushed("text/xml", &ORDER.replace("Jätä", "J\u{fffd}tä"))));
    requests.extend(damaged().iter().map(|body| pushed("text/xml", body)));
    let mut get = pushed("text/xml", ORDER);
    *get.method_mut() = Method::GET;
    requests.push(get);
    requests
}

fn message_requests() -> Vec<Request> {
    let code = [(manu::HEADER, "4935947b79126bc3f7cc12eb1b44067b")];
    let mut requests = vec![
        signed("sales-order-activate", MESSAGE),
        signed("sales-order-activate", MESSAGE),
        signed("sales-order-activate", &MESSAGE.replace("Oy", "Oyj")),
        post("/manu/acme/sales-order-activate", &code, MESSAGE),
        post("/manu/wrong-planted-key/sales-order-activate", &code, MESSAGE),
        post(&format!("/manu/acme/{MANU_SECRET}").replace('ä', "a"), &code, MESSAGE),
    ];
    for address in ["sales-order-activate?key=wrong-planted-key", "sales-dispatch-activate?key=wrong-planted-key"] {
        requests.push(post(&format!("/manu/acme/{address}"), &code, MESSAGE));
        let signed_code = [(manu::HEADER, &*manu::verify_code(MESSAGE.as_bytes(), MANU_SECRET).to_string())];
        requests.push(post(&format!("/manu/acme/{address}"), &signed_code, MESSAGE));
    }
    requests.push(as_text(signed("sales-order-activate", &MESSAGE.replace("älk", "\u{fffd}lk"))));
    for place in ["Lumi", "\"Lumi", "maija", ",\"email", "}"] {
        let (before, after) = MESSAGE.split_at(MESSAGE.find(place).unwrap());
        for piece in ["\u{1}", "\"", "\\u12", "}", "maija.planted"] {
            requests.push(signed("sales-order-activate", &format!("{before}{piece}{after}")));
        }
    }
    let mut image = signed("sales-order-activate", MESSAGE);
    image.headers_mut().insert("content-type", "image/png".parse().unwrap());
    requests.push(image);
    requests
}

/// Asserts of a whole table that what it tells in the clear is nothing planted. Bodies are compressed.
fn assert_items_hold_nothing_planted(world: &ShopBench) {
    for item in world.bench.items() {
        assert_holds_nothing_planted("an item", &item.to_string());
    }
}

/// Asserts the same of the metrics' lines, which go to standard output beside the logs.
fn assert_counted_holds_nothing_planted(world: &ShopBench, told: &str) {
    let counted = world.bench.counted();
    assert!(counted.contains(told), "the metrics were not captured: {told}");
    assert_holds_nothing_planted("a metric", &counted);
}

#[tokio::test(start_paused = true)]
async fn of_pushed_orders_and_signed_messages() {
    let (captured, _guard) = capture_logs();
    let world = ShopBench::with(&connections_with_a_token(), shop_config()).await;
    for fault in [None, Some(CallFault::Failed), Some(CallFault::NotSent)] {
        world.bench.heal();
        if let Some(fault) = fault {
            world.bench.fail("*", fault, 2_000);
        }
        for request in order_requests() {
            let (_, text) = world.bench.order(request).await;
            assert_holds_nothing_planted("an answer", &text);
        }
        for request in message_requests() {
            let (_, text) = world.bench.manu(request).await;
            assert_holds_nothing_planted("an answer", &text);
        }
    }
    // The next minute's first request has the counts of strangers written.
    world.bench.heal();
    world.wait(60).await;
    world.bench.order(post("/", &[], "")).await;
    world.wait(1).await;
    assert_items_hold_nothing_planted(&world);
    let logs = captured.text();
    for told in [
        "recorded",
        "duplicate",
        "quarantined",
        "rejected",
        "refused a request",
        "refused unauthenticated requests",
        "the ledger could not be written",
    ] {
        assert!(logs.contains(told), "the logs were not captured: {told}");
    }
    assert_holds_nothing_planted("a log", &logs);
    assert_counted_holds_nothing_planted(&world, "Quarantined");
}

#[tokio::test(start_paused = true)]
async fn of_polled_orders() {
    let (captured, _guard) = capture_logs();
    let mut order =
        mycashflow::read_page(ORDER.as_bytes(), None, &mycashflow::Limits::default()).unwrap().entries.remove(0);
    let order = order.order.as_mut().unwrap().clone();
    let world = ShopBench::new().await;
    let add = |world: &ShopBench| world.shop().add_order(world.bench.now(), order.clone(), Via::Api);
    let orders = [add(&world), add(&world), add(&world)];
    world.shop().unreadable(orders[0], Breakage::Value);
    world.shop().unreadable(orders[1], Breakage::Syntax);
    let mut reports = vec![world.poll().await];
    world.shop().poison(orders[2]);
    reports.push(world.poll().await);
    world.shop().heal(orders[2]);
    for fault in [ShopFault::Html, ShopFault::Cut, ShopFault::Status(500), ShopFault::Timeout, ShopFault::ErrorDocument]
    {
        world.shop().fail_next(fault, 1000);
        reports.push(world.poll().await);
        world.heal();
        world.wait(600).await;
    }
    for fault in [CallFault::Failed, CallFault::NotSent] {
        add(&world);
        world.bench.fail("*", fault, 1000);
        reports.push(world.poll().await);
        world.bench.heal();
        world.wait(600).await;
    }
    reports.push(world.only(&PollRequest::Refresh { shop: "acme".to_owned(), orders: orders.to_vec() }).await);

    let wrong_key = CONNECTIONS.replace(SHOP_KEY, "wrong-planted-key");
    let denied = ShopBench::with(&wrong_key, shop_config()).await;
    reports.push(denied.poll().await);
    let unreachable = CONNECTIONS.replace("acme.invalid", "gone.invalid");
    let gone = ShopBench::with(&unreachable, shop_config()).await;
    reports.push(gone.poll().await);

    assert!(reports.iter().filter(|report| report.failure.is_some()).count() >= 8, "{reports:?}");
    assert_holds_nothing_planted("a report", &format!("{reports:?}"));
    assert_items_hold_nothing_planted(&world);
    let logs = captured.text();
    for told in ["an order is in quarantine", "a gap is open", "\"failure\""] {
        assert!(logs.contains(told), "the logs were not captured: {told}");
    }
    assert_holds_nothing_planted("a log", &logs);
    assert_counted_holds_nothing_planted(&world, "Quarantined");
}

/// A bridge whose path points at a person's name.
fn bridged_connections() -> String {
    let mut connections: Value = serde_json::from_str(CONNECTIONS).unwrap();
    connections["manu"]["acme"]["bridge"] =
        json!({ "shop": "acme", "orders": "$.rows[*]", "tracking_code": "$.email", "send_email": true });
    connections.to_string()
}

#[tokio::test(start_paused = true)]
async fn of_published_revisions() {
    let (captured, _guard) = capture_logs();
    let world = ShopBench::with(&bridged_connections(), shop_config()).await;
    for request in order_requests().into_iter().chain(message_requests()) {
        if request.uri().path().starts_with("/manu") {
            world.bench.manu(request).await;
        } else {
            world.bench.order(request).await;
        }
    }
    // What was readable once and is no more.
    let now = world.bench.now();
    for (order, body) in (100..).zip(damaged()) {
        let document = DocumentKey::order("acme", order);
        let hash = ContentHash::of(body.as_bytes());
        let (body, evidence) = (body.replace("\"58\"", &format!("\"{order}\"")), Evidence::Message);
        let new = NewRevision {
            summary: None,
            document: &document,
            source: Source::Push,
            observed_at: now,
            evidence,
            hash,
            body: body.as_bytes(),
            content_type: "text/xml",
            now,
        };
        world.bench.ledger.append(&new).await.unwrap();
    }
    let messaging = Messaging::new(world.bench.deps.clock.clone());
    let functions = Functions::new(world.deps.clone(), &messaging);
    let mut answers = Vec::new();
    for refusal in [Some("MalformedDetail"), Some("InternalFailure"), None] {
        messaging.refuse(move |_| refusal);
        let mut reader = StreamReader::new(world.bench.embedded.clone(), TABLE, None);
        while let Some((batch, last)) = reader.next_batch(100) {
            answers.push(functions.invoke("event-relay", &batch.to_string()).await.unwrap());
            reader.position = Some(last);
        }
    }
    messaging.limit_requests(10);
    answers.push(functions.invoke("event-relay", &json!({ "republish": "dead-letters" }).to_string()).await.unwrap());
    assert!(messaging.events().len() > 3, "something was published");
    let letters = messaging.messages(EVENT_DEAD_LETTERS);
    assert!(letters.len() > 20, "and something could not be");
    letters.iter().for_each(|letter| assert_holds_nothing_planted("a letter", &letter.body));
    assert_holds_nothing_planted("an answer", &format!("{answers:?}"));
    // What is read again is whole, and only its id is logged.
    for event in messaging.events() {
        let read = json!({ "read": event["detail"]["id"] }).to_string();
        assert_eq!(functions.invoke("event-read", &read).await.unwrap()["state"], "found");
    }
    let logs = captured.text();
    for told in [
        "answered a read of an event",
        "could not publish all revisions",
        "a revision cannot be published",
        "still cannot be published",
        "a request to the event bus failed",
        "it is sent without its document",
    ] {
        assert!(logs.contains(told), "the logs were not captured: {told}");
    }
    assert_holds_nothing_planted("a log", &logs);
    assert_counted_holds_nothing_planted(&world, "DeadLettered");
}

#[tokio::test(start_paused = true)]
async fn of_actions() {
    let (captured, _guard) = capture_logs();
    let world = ShopBench::with(&bridged_connections(), shop_config()).await;
    let order = world.orders(1)[0];
    let recorded_at = world.bench.now().to_string();
    world.poll().await;
    let messaging = Messaging::new(world.bench.deps.clock.clone());
    let functions = Functions::new(world.deps.clone(), &messaging);
    let dispatch = |rows: Value| {
        let document = json!({ "rows": rows, "email": "maija.planted@example.com", "customer": "Lumivälke-Planted" });
        json!({ "source": "tilaussilta.manu", "detail-type": "sales-dispatch-activate", "detail": {
            "id": "manu/acme/sales-dispatch-activate/9/1", "recorded_at": recorded_at, "document": document } })
    };
    let comment = |text: &str| json!({ "shop": "acme", "action": "add_comment", "order": order, "message": text });
    let messages = [
        comment("Jätä oven taakse, Maija-Liisa"),
        json!({ "shop": "acme", "action": "deliver", "order": order, "tracking_code": "maija.planted@example.com" }),
        dispatch(json!([order, "Maija-Liisa", "Meikäläinen-Planted", 77])),
        json!({ "shop": "Maija-Liisa", "action": "deliver", "order": order }),
        json!({ "shop": "acme", "action": "Maija-Liisa", "order": order }),
        json!({ "shop": "acme", "action": "deliver", "order": "Maija-Liisa" }),
        json!({ "shop": "acme", "action": "deliver", "order": order, "Maija-Liisa": true }),
        json!("Maija-Liisa Meikäläinen-Planted"),
    ];
    let mut answers = Vec::new();
    for fault in [
        None,
        Some(ShopFault::Html),
        Some(ShopFault::Timeout),
        Some(ShopFault::Status(500)),
        Some(ShopFault::Status(401)),
    ] {
        if let Some(fault) = fault {
            world.shop().fail_next(fault, 1000);
        }
        for message in messages.iter().chain([&comment(&format!("Kätketynkuja {fault:?}"))]) {
            answers.push(functions.invoke("shop-actions", &message.to_string()).await.unwrap());
            let record = json!({ "messageId": "m", "body": message.to_string(), "attributes": { "ApproximateReceiveCount": "5" } });
            answers.push(functions.invoke("shop-actions", &json!({ "Records": [record] }).to_string()).await.unwrap());
        }
        world.heal();
    }
    world.bench.fail("*", CallFault::Failed, 1000);
    answers.push(functions.invoke("shop-actions", &messages[0].to_string()).await.unwrap());
    assert_eq!(world.shop().tracking_code(order), Some("maija.planted@example.com"), "the shop is told");
    assert_holds_nothing_planted("an answer", &format!("{answers:?}"));
    assert_items_hold_nothing_planted(&world);
    let letters = messaging.messages(ACTIONS_DEAD_LETTERS);
    let reasons: Vec<&str> = letters.iter().filter_map(|letter| letter.attribute("reason")).collect();
    assert_eq!(reasons.len(), letters.len());
    assert!(reasons.len() > 20, "{reasons:?}");
    assert_holds_nothing_planted("a reason", &format!("{reasons:?}"));
    let logs = captured.text();
    for told in
        ["\"outcome\":\"done\"", "\"outcome\":\"later\"", "\"outcome\":\"rejected\"", "a message is a dead letter"]
    {
        assert!(logs.contains(told), "the logs were not captured: {told}");
    }
    assert_holds_nothing_planted("a log", &logs);
    assert_counted_holds_nothing_planted(&world, "ActionsRefused");
}

#[test]
fn of_values_shown_for_debugging() {
    let connections = connections::Connections::parse(CONNECTIONS).unwrap();
    assert_holds_nothing_planted("the connections", &format!("{connections:?}"));
}
