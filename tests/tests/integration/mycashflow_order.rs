//! `POST /mycashflow/SHOP/orders`: every answer, and what the ledger holds after it.

use std::time::Duration;

use cloud::embedded::CallFault;
use connections::{ConnectionSource, ConnectionStore};
use lambda_http::Request;
use ledger::{Connection, DocumentKey, Evidence, NewRevision, Outcome, Source, System};
use platform::MAX_BODY_BYTES;
use tilaussilta_tests::{Bench, PUSH_KEY, SHOP_KEY, post};

const ORDER: &str = r#"<Order id="58"><OrderedAt timestamp="1772438400">2026-03-02 10:00:00</OrderedAt></Order>"#;
const CHANGED: &str = r#"<Order id="58"><OrderedAt timestamp="1772438400">2026-03-02 10:00:00</OrderedAt><OrderStatus>Shipped</OrderStatus></Order>"#;
const PATH: &str = "/mycashflow/acme/orders";
const RECORDED: &str = "recorded: order/58, revision 1";
const REVISION_1: [&str; 2] = ["mycashflow#acme#order#58 head", "mycashflow#acme#order#58 rev#00000001"];

fn shop() -> Connection {
    Connection::shop("acme")
}

/// A POST with the shop's key in its address.
fn with_key(content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Request {
    let headers: Vec<_> = content_type.map(|content_type| ("content-type", content_type)).into_iter().collect();
    post(&format!("{PATH}?key={SHOP_KEY}"), &headers, body)
}

fn multipart(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).chain(["--frontier--\r\n".to_owned()]).collect()
}

fn urlencoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

const MULTIPART: Option<&str> = Some("multipart/form-data; boundary=frontier");
const URLENCODED: Option<&str> = Some("application/x-www-form-urlencoded");

async fn assert_recorded(request: Request) {
    let bench = Bench::new().await;
    assert_eq!(bench.order(request).await, (200, RECORDED.to_owned()));
    assert_eq!(bench.kept(), REVISION_1);
    let lines = bench.log(&shop()).await;
    assert_eq!((lines.len(), lines[0].outcome, lines[0].status), (1, Outcome::Recorded, 200));
    assert_eq!(lines[0].document, Some(("order/58".to_owned(), 1)));
}

/// Asserts that an authentic body gets an answer that contains `says`, and is kept in quarantine byte for byte.
async fn assert_quarantined(content_type: Option<&str>, body: &[u8], status: u16, says: &str) {
    let bench = Bench::new().await;
    let (answered, text) = bench.order(with_key(content_type, body)).await;
    assert_eq!(answered, status, "{text}");
    assert!(text.contains(says) && text.ends_with("(the message is kept in quarantine)"), "{text}");
    let kept = bench.ledger.quarantined(&shop()).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body, body);
    assert_eq!(kept[0].content_type, content_type.unwrap_or(""));
    assert_eq!(bench.kept().len(), 1, "nothing but the quarantine: {:?}", bench.kept());
    let lines = bench.log(&shop()).await;
    assert_eq!((lines.len(), lines[0].outcome, lines[0].status), (1, Outcome::Quarantined, status));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_recorded_once() {
    let bench = Bench::new().await;
    assert_eq!(bench.order(with_key(None, ORDER)).await, (200, RECORDED.to_owned()));
    let again = bench.order(with_key(None, ORDER)).await;
    assert_eq!(again, (200, "duplicate: order/58 is known as revision 1".to_owned()));
    assert_eq!(bench.kept(), REVISION_1);
    let outcomes: Vec<_> = bench.log(&shop()).await.iter().map(|line| line.outcome).collect();
    assert_eq!(outcomes, [Outcome::Recorded, Outcome::Duplicate]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_order_is_a_second_revision_and_is_marked_for_the_poll_to_check() {
    let bench = Bench::new().await;
    bench.order(with_key(None, ORDER)).await;
    assert_eq!(bench.order(with_key(None, CHANGED)).await, (200, "recorded: order/58, revision 2".to_owned()));
    let revisions = bench.ledger.revisions(&DocumentKey::order("acme", 58)).await.unwrap();
    let bodies: Vec<_> = revisions.iter().map(|revision| revision.body.as_slice()).collect();
    assert_eq!(bodies, [ORDER.as_bytes(), CHANGED.as_bytes()]);
    let marked: Vec<_> = bench.ledger.shop_state("acme").await.unwrap().refreshes;
    assert_eq!(marked.iter().map(|(order, _)| *order).collect::<Vec<_>>(), [58]);
}

#[tokio::test(start_paused = true)]
async fn a_late_post_of_a_state_that_the_poll_has_overtaken_is_stale() {
    let bench = Bench::new().await;
    let document = DocumentKey::order("acme", 58);
    let polled = NewRevision {
        document: &document,
        source: Source::Poll,
        observed_at: bench.now(),
        evidence: Evidence::Asked,
        hash: ledger::ContentHash::of(b"a newer state"),
        body: CHANGED.as_bytes(),
        content_type: "application/xml",
        now: bench.now(),
    };
    bench.ledger.append(&polled).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let stale = "stale: a newer state of order/58 is known as revision 1";
    assert_eq!(bench.order(with_key(None, ORDER)).await, (200, stale.to_owned()));
    assert_eq!(bench.ledger.revisions(&document).await.unwrap().len(), 1);
    assert_eq!(bench.ledger.shop_state("acme").await.unwrap().refreshes.len(), 1, "the poll is to ask again");
    assert_eq!(bench.log(&shop()).await[0].outcome, Outcome::Stale);
}

#[tokio::test(start_paused = true)]
async fn xml_is_taken_under_any_xml_type_and_under_none() {
    for content_type in [None, Some("text/xml"), Some("application/xml; charset=utf-8"), Some("application/rss+xml")] {
        assert_recorded(with_key(content_type, ORDER)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn xml_is_taken_as_the_body_of_a_form_type() {
    assert_recorded(with_key(URLENCODED, ORDER)).await;
}

#[tokio::test(start_paused = true)]
async fn xml_is_taken_from_a_form_field() {
    assert_recorded(with_key(URLENCODED, urlencoded(&[("note", "a"), ("xml", ORDER)]))).await;
    assert_recorded(with_key(MULTIPART, multipart(&[("note", "a"), ("xml", ORDER)]))).await;
}

#[tokio::test(start_paused = true)]
async fn the_body_is_kept_as_it_was_received() {
    let bench = Bench::new().await;
    let form = urlencoded(&[("xml", ORDER)]);
    bench.order(with_key(URLENCODED, form.clone())).await;
    let revisions = bench.ledger.revisions(&DocumentKey::order("acme", 58)).await.unwrap();
    assert_eq!(revisions[0].body, form.into_bytes());
    assert_eq!(revisions[0].content_type, URLENCODED.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_key_is_taken_from_the_query_in_any_spelling() {
    for key in ["planted%20push%2Bkey%26%C3%A4", "planted+push%2bkey%26%c3%a4"] {
        assert_recorded(post(&format!("{PATH}?order=58&key={key}"), &[], ORDER)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_is_taken_from_a_form_field() {
    let path = |content_type: &'static str, body: String| post(PATH, &[("content-type", content_type)], body);
    assert_recorded(path(URLENCODED.unwrap(), urlencoded(&[("key", PUSH_KEY), ("xml", ORDER)]))).await;
    assert_recorded(path(MULTIPART.unwrap(), multipart(&[("xml", ORDER), ("key", PUSH_KEY)]))).await;
}

#[tokio::test(start_paused = true)]
async fn the_key_is_taken_from_a_header() {
    for name in ["x-api-key", "api-key", "key"] {
        assert_recorded(post(PATH, &[(name, SHOP_KEY)], ORDER)).await;
    }
    assert_recorded(post(PATH, &[("authorization", &format!("Bearer {SHOP_KEY}"))], ORDER)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_or_missing_key_leaves_one_log_line() {
    let wrong = [
        post(&format!("{PATH}?key=wrong"), &[], ORDER),
        post(&format!("{PATH}?key="), &[], ORDER),
        post(&format!("{PATH}?key={SHOP_KEY}x"), &[], ORDER),
        post(PATH, &[("x-api-key", "wrong")], ORDER),
        post(PATH, &[], ORDER),
        post(PATH, &[("content-type", "image/png")], "no XML"),
    ];
    for request in wrong {
        let bench = Bench::new().await;
        let (status, text) = bench.order(request).await;
        assert_eq!((status, &*text), (401, "the key is missing or wrong, or there is no such shop"));
        bench.assert_rejected(&shop(), 401).await;
        assert!(!format!("{:?}", bench.items()).contains("2026-03-02 10"), "nothing of the body is kept");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_shop_is_answered_as_a_wrong_key_and_its_name_is_not_kept() {
    let bench = Bench::new().await;
    let (status, text) = bench.order(post(&format!("/mycashflow/stranger/orders?key={SHOP_KEY}"), &[], ORDER)).await;
    assert_eq!((status, &*text), (401, "the key is missing or wrong, or there is no such shop"));
    bench.assert_rejected(&Connection::unknown(System::Mycashflow), 401).await;
    assert!(!format!("{:?}", bench.items()).contains("stranger"));
}

#[tokio::test(start_paused = true)]
async fn another_path_is_not_found() {
    for path in
        ["/", "/mycashflow/acme", "/mycashflow/acme/products", "/mycashflow/acme/orders/58", "/manu/acme/orders"]
    {
        let bench = Bench::new().await;
        let (status, text) = bench.order(post(&format!("{path}?key={SHOP_KEY}"), &[], ORDER)).await;
        assert_eq!((status, &*text), (404, "no such address: the orders of a shop go to /mycashflow/SHOP/orders"));
        bench.assert_rejected(&Connection::unknown(System::Mycashflow), 404).await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_method_is_not_allowed() {
    let bench = Bench::new().await;
    let mut request = with_key(None, "");
    *request.method_mut() = http::Method::GET;
    let response = mycashflow_order::handle(&bench.deps, request).await;
    assert_eq!(tilaussilta_tests::text(&response), (405, "orders are sent with POST".to_owned()));
    assert_eq!(response.headers()["allow"], "POST");
    bench.assert_rejected(&Connection::unknown(System::Mycashflow), 405).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_not_kept_and_one_at_the_limit_is() {
    let padded = |size: usize| format!("{ORDER}{}", " ".repeat(size - ORDER.len()));
    let bench = Bench::new().await;
    let (status, text) = bench.order(with_key(None, padded(MAX_BODY_BYTES + 1))).await;
    assert_eq!((status, &*text), (413, "the body is over the limit of 1048576 bytes"));
    bench.assert_rejected(&shop(), 413).await;
    assert_recorded(with_key(None, padded(MAX_BODY_BYTES))).await;
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_neither_xml_nor_a_form_is_quarantined() {
    for content_type in ["image/png", "application/json"] {
        assert_quarantined(Some(content_type), b"\x89PNG\r\n", 415, "unsupported content type, expected XML").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_xml_is_quarantined_byte_for_byte() {
    let cases: [(&[u8], &str); 6] = [
        (b"<Order id=\"58\"><OrderNumber>58</Order>", "end tag that does not match"),
        (b"<Orders><Order id=\"58\">", "cut short"),
        (b"hello \xff\x00", ""),
        (b"<!doctype html><html><body>ei</body></html>", "HTML page"),
        (b"<Order id=\"58\"><Comments>\xff</Comments></Order>", "invalid UTF-8"),
        (b"<?xml version=\"1.0\" encoding=\"KOI8-R\"?><Order/>", "the encoding is KOI8-R"),
    ];
    for (body, says) in cases {
        assert_quarantined(Some("text/xml"), body, 400, says).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_entity_bomb_is_quarantined_unexpanded() {
    let bomb = r#"<!DOCTYPE o [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><Order id="58"><Comments>&b;</Comments></Order>"#;
    assert_quarantined(Some("text/xml"), bomb.as_bytes(), 400, "document type declaration at line 1").await;
}

#[tokio::test(start_paused = true)]
async fn xml_nested_beyond_the_limit_is_quarantined() {
    let deep = format!("<Order id=\"58\">{}{}</Order>", "<a>".repeat(40), "</a>".repeat(40));
    assert_quarantined(None, deep.as_bytes(), 400, "nested more than 32 deep").await;
}

#[tokio::test(start_paused = true)]
async fn an_order_with_an_unreadable_value_is_quarantined() {
    let order = ORDER.replace("</Order>", "<ShippingWeight>heavy</ShippingWeight></Order>");
    assert_quarantined(None, order.as_bytes(), 400, "ShippingWeight").await;
    assert_quarantined(None, ORDER.replace("58", "fifty").as_bytes(), 400, "id").await;
}

#[tokio::test(start_paused = true)]
async fn xml_without_an_order_is_quarantined() {
    for body in ["<Products/>", "<Orders/>", "<error>no such order</error>"] {
        assert_quarantined(Some("text/xml"), body.as_bytes(), 422, "").await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_refused_and_there_is_nothing_to_keep() {
    let bench = Bench::new().await;
    assert_eq!(bench.order(with_key(None, "")).await, (400, "the document is empty".to_owned()));
    bench.assert_rejected(&shop(), 400).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_database_refuses_the_answer_is_503_and_the_next_try_succeeds() {
    for fault in [CallFault::Throttled, CallFault::Failed, CallFault::NotSent] {
        let bench = Bench::new().await;
        bench.fail("*", fault, 1000);
        let response = mycashflow_order::handle(&bench.deps, with_key(None, ORDER)).await;
        let text = "the message could not be recorded just now: please send it again";
        assert_eq!(tilaussilta_tests::text(&response), (503, text.to_owned()));
        assert_eq!(response.headers()["retry-after"], "30");
        assert!(bench.items().is_empty(), "accepted means durable, and nothing was");
        bench.heal();
        assert_eq!(bench.order(with_key(None, ORDER)).await, (200, RECORDED.to_owned()));
        assert_eq!(bench.kept(), REVISION_1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_body_that_cannot_be_kept_is_503() {
    let bench = Bench::new().await;
    bench.fail("*", CallFault::Throttled, 1000);
    assert_eq!(bench.order(with_key(None, "<Order")).await.0, 503);
    bench.heal();
    assert_eq!(bench.order(with_key(None, "<Order")).await.0, 400);
    assert_eq!(bench.ledger.quarantined(&shop()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_line_that_cannot_be_written_does_not_change_the_answer() {
    let bench = Bench::new().await;
    bench.fail("PutItem", CallFault::Failed, 1000);
    assert_eq!(bench.order(with_key(None, ORDER)).await, (200, RECORDED.to_owned()));
    assert_eq!(bench.kept(), REVISION_1);
    assert_eq!(bench.log(&shop()).await, []);
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_on_its_way_from_the_database_makes_no_second_revision() {
    let bench = Bench::new().await;
    bench.fail("TransactWriteItems", CallFault::AnswerLost, 1);
    assert_eq!(bench.order(with_key(None, ORDER)).await.0, 200);
    assert_eq!(bench.kept(), REVISION_1);
}

#[tokio::test(start_paused = true)]
async fn one_unreadable_order_does_not_spoil_the_others() {
    let bench = Bench::new().await;
    let order =
        |id: u32, inner: &str| ORDER.replace("58", &id.to_string()).replace("</Order>", &format!("{inner}</Order>"));
    let body = format!(
        "<Orders>{}{}{}</Orders>",
        order(1, ""),
        order(2, "<ShippingWeight>heavy</ShippingWeight>"),
        order(3, "")
    );
    let (status, text) = bench.order(with_key(None, body.clone())).await;
    assert_eq!(status, 400);
    assert!(text.starts_with("recorded: order/1, revision 1; "), "{text}");
    assert!(text.ends_with("(the message is kept in quarantine); recorded: order/3, revision 1"), "{text}");
    let recorded = bench.ledger.revisions(&DocumentKey::order("acme", 3)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&recorded[0].body), order(3, ""), "each order keeps its own part");
    assert_eq!(bench.ledger.quarantined(&shop()).await.unwrap()[0].body, body.into_bytes());
    assert_eq!(bench.ledger.head(&DocumentKey::order("acme", 2)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_changed_key_takes_effect_after_a_minute_at_most() {
    let connections = |key: &str| {
        format!(r#"{{"shops":{{"acme":{{"url":"http://acme.invalid","key":"the shop's","push_keys":["{key}"]}}}}}}"#)
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connections.json");
    std::fs::write(&file, connections("old")).unwrap();
    let mut bench = Bench::new().await;
    bench.deps.connections = ConnectionStore::open(ConnectionSource::File(file.clone())).await.unwrap().into();
    let status = async |key: &str| bench.order(post(&format!("{PATH}?key={key}"), &[], ORDER)).await.0;
    assert_eq!((status("old").await, status("new").await), (200, 401));

    std::fs::write(&file, connections("new")).unwrap();
    assert_eq!(status("new").await, 401, "the document is not read for every wrong key");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!((status("new").await, status("old").await), (200, 401));
}
