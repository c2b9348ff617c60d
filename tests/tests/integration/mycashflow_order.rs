//! `POST /mycashflow/SHOP/orders`: every answer, and what the ledger holds after it.

use std::time::Duration;

use cloud::embedded::CallFault;
use connections::{ConnectionSource, ConnectionStore};
use intake::stored_order;
use lambda_http::Request;
use ledger::{Connection, DeliveryOutcome, DocumentKey, Evidence, NewRevision, Source, System};
use platform::MAX_BODY_BYTES;
use tilaussilta_tests::{Bench, PUSH_KEY, SHOP_KEY, as_text, post};

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
    assert_eq!((lines.len(), lines[0].outcome, lines[0].status), (1, DeliveryOutcome::Recorded, 200));
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
    assert_eq!(kept[0].content_type, content_type.unwrap_or("application/xml"));
    assert_eq!(bench.kept().len(), 1, "nothing but the quarantine: {:?}", bench.kept());
    let lines = bench.log(&shop()).await;
    assert_eq!((lines.len(), lines[0].outcome, lines[0].status), (1, DeliveryOutcome::Quarantined, status));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_recorded_once() {
    let bench = Bench::new().await;
    assert_eq!(bench.order(with_key(None, ORDER)).await, (200, RECORDED.to_owned()));
    let again = bench.order(with_key(None, ORDER)).await;
    assert_eq!(again, (200, "duplicate: order/58 is known as revision 1".to_owned()));
    assert_eq!(bench.kept(), REVISION_1);
    let outcomes: Vec<_> = bench.log(&shop()).await.iter().map(|line| line.outcome).collect();
    assert_eq!(outcomes, [DeliveryOutcome::Recorded, DeliveryOutcome::Duplicate]);
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
        summary: None,
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
    assert_eq!(bench.log(&shop()).await[0].outcome, DeliveryOutcome::Stale);
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

/// The one revision of order 58.
async fn revision(bench: &Bench) -> ledger::Revision {
    bench.ledger.revisions(&DocumentKey::order("acme", 58)).await.unwrap().remove(0)
}

#[tokio::test(start_paused = true)]
async fn the_document_is_kept_as_it_was_received_and_without_the_key_beside_it() {
    let key = "planted+push%2Bkey%26%C3%A4";
    let urlencoded_form = urlencoded(&[("key", PUSH_KEY), ("note", "a"), ("xml", ORDER)]);
    assert!(urlencoded_form.contains(key));
    let multipart_form = multipart(&[("xml", ORDER), ("key", PUSH_KEY)]);
    for (content_type, form) in [(URLENCODED, urlencoded_form), (MULTIPART, multipart_form)] {
        let bench = Bench::new().await;
        bench.order(post(PATH, &[("content-type", content_type.unwrap())], form)).await;
        let revision = revision(&bench).await;
        assert_eq!(
            (String::from_utf8_lossy(&revision.body), &*revision.content_type),
            (ORDER.into(), "application/xml")
        );
        let stored = stored_order(&DocumentKey::order("acme", 58), &revision).unwrap();
        assert_eq!(stored.id, 58);
    }
    let bench = Bench::new().await;
    bench.order(with_key(Some("text/xml; charset=utf-8"), ORDER)).await;
    assert_eq!(revision(&bench).await.content_type, "text/xml; charset=utf-8");
}

#[tokio::test(start_paused = true)]
async fn a_form_without_a_document_is_kept_without_its_key() {
    let urlencoded_form = urlencoded(&[("a", "1"), ("key", PUSH_KEY), ("b", "2"), ("key", "another")]);
    let multipart_form = multipart(&[("a", "1"), ("key", PUSH_KEY)]);
    let cases = [
        (URLENCODED, urlencoded_form, "a=1&b=2".to_owned()),
        (MULTIPART, multipart_form.clone(), multipart_form.replace(PUSH_KEY, "***")),
    ];
    for (content_type, form, kept) in cases {
        let bench = Bench::new().await;
        let (status, text) = bench.order(post(PATH, &[("content-type", content_type.unwrap())], form)).await;
        assert_eq!(status, 400);
        assert!(text.starts_with("no field of the form holds an XML document"), "{text}");
        let held = bench.ledger.quarantined(&shop()).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&held[0].body), kept);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_cannot_be_read_is_kept_without_the_key_in_it() {
    let two = urlencoded(&[("KEY", PUSH_KEY), ("a", ORDER), ("b", ORDER)]);
    let cut = multipart(&[("key", PUSH_KEY), ("xml", ORDER)]);
    let cut = cut.as_bytes()[..cut.len() - 9].to_vec();
    let json = format!("{{\"key\":\"{PUSH_KEY}\"}}").into_bytes();
    let text = format!("key={PUSH_KEY}&xml={ORDER}").into_bytes();
    let cases =
        [(URLENCODED, two.into()), (MULTIPART, cut), (Some("application/json"), json), (Some("text/plain"), text)];
    for (content_type, body) in cases {
        let bench = Bench::new().await;
        let (status, text) = bench.order(with_key(content_type, body)).await;
        assert!((400..500).contains(&status), "{status} {text}");
        let held = bench.ledger.quarantined(&shop()).await.unwrap();
        let kept = String::from_utf8_lossy(&held[0].body);
        assert!(!kept.contains(PUSH_KEY), "{kept}");
    }
}

/// The order with a city.
fn from_city(city: &str) -> String {
    ORDER.replace("</Order>", &format!("<CustomerInformation><City>{city}</City></CustomerInformation></Order>"))
}

async fn stored_city(bench: &Bench) -> Option<String> {
    let stored = stored_order(&DocumentKey::order("acme", 58), &revision(bench).await).unwrap();
    stored.customer_information.and_then(|customer| customer.city).map(|city| city.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_charset_of_the_content_type_goes_before_the_declaration() {
    let declared = format!("<?xml version='1.0' encoding='ISO-8859-1'?>{}", from_city("Sein\u{e4}joki"));
    let latin: Vec<u8> = from_city("Sein\u{e4}joki").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let cases = [
        ("text/xml; charset=UTF-8", declared.clone().into_bytes()),
        ("text/xml; charset=ISO-8859-1", latin),
        ("text/xml", format!("\u{feff}{declared}").into_bytes()),
    ];
    for (content_type, body) in cases {
        let bench = Bench::new().await;
        assert_eq!(bench.order(with_key(Some(content_type), body)).await, (200, RECORDED.to_owned()), "{content_type}");
        assert_eq!(stored_city(&bench).await.as_deref(), Some("Sein\u{e4}joki"), "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_handed_over_as_text_is_utf8_whatever_it_declares() {
    let body = format!("<?xml version='1.0' encoding='ISO-8859-1'?>{}", from_city("Sein\u{e4}joki"));
    let bench = Bench::new().await;
    let request = as_text(with_key(Some("text/xml; charset=ISO-8859-1"), body));
    assert_eq!(bench.order(request).await, (200, RECORDED.to_owned()));
    assert_eq!(stored_city(&bench).await.as_deref(), Some("Sein\u{e4}joki"));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_lost_letters_on_its_way_is_quarantined_and_asked_for() {
    let bench = Bench::new().await;
    let body = from_city("Sein\u{fffd}joki");
    let (status, text) = bench.order(as_text(with_key(Some("text/xml"), body.clone()))).await;
    let says = "order 58 lost letters before it came: the shop is asked for it (the message is kept in quarantine)";
    assert_eq!((status, &*text), (200, says));
    let held = bench.ledger.quarantined(&shop()).await.unwrap();
    assert_eq!((&*held[0].body, held[0].document.as_deref()), (body.as_bytes(), Some("order/58")));
    let marked = bench.ledger.shop_state("acme").await.unwrap().refreshes;
    assert_eq!(marked.iter().map(|(order, _)| *order).collect::<Vec<_>>(), [58]);
    assert_eq!(bench.ledger.head(&DocumentKey::order("acme", 58)).await.unwrap(), None);
    assert_eq!(bench.log(&shop()).await[0].outcome, DeliveryOutcome::Quarantined);

    bench.fail("PutItem", CallFault::Failed, 1000);
    assert_eq!(bench.order(as_text(with_key(Some("text/xml"), body.clone()))).await.0, 503, "200 only when it is kept");
    bench.heal();
    let other = Bench::new().await;
    assert_eq!(other.order(with_key(Some("text/xml"), body)).await.0, 200, "as bytes it is what the shop sent");
    assert_eq!(other.kept(), REVISION_1);
}

#[tokio::test(start_paused = true)]
async fn only_the_order_that_lost_letters_is_asked_for() {
    let bench = Bench::new().await;
    let body = format!("<Orders>{}{}</Orders>", from_city("Oulu"), from_city("Sein\u{fffd}joki").replace("58", "59"));
    let (status, text) = bench.order(as_text(with_key(None, body))).await;
    assert_eq!(status, 200);
    assert!(text.starts_with("recorded: order/58, revision 1; order 59 lost letters"), "{text}");
    let unreadable = from_city("Sein\u{fffd}joki").replace("id=\"58\"", "id=\"\u{fffd}\"");
    let (status, text) = Bench::new().await.order(as_text(with_key(None, unreadable))).await;
    assert_eq!(status, 400, "an order without an id cannot be asked for: {text}");
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
async fn a_key_of_a_header_that_came_twice_is_found() {
    for name in ["x-api-key", "key"] {
        assert_recorded(post(PATH, &[(name, "wrong"), (name, SHOP_KEY)], ORDER)).await;
        assert_recorded(post(PATH, &[(name, &format!("wrong, {SHOP_KEY}"))], ORDER)).await;
    }
    assert_recorded(post(PATH, &[("authorization", &format!("Basic eDp5,Bearer {SHOP_KEY}"))], ORDER)).await;
    let refused = Bench::new().await;
    assert_eq!(refused.order(post(PATH, &[("key", "wrong,wronger")], ORDER)).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_or_missing_key_is_only_counted() {
    let wrong = [
        (post(&format!("{PATH}?key=wrong"), &[], ORDER), "wrong-key"),
        (post(&format!("{PATH}?key="), &[], ORDER), "no-key"),
        (post(&format!("{PATH}?key={SHOP_KEY}x"), &[], ORDER), "wrong-key"),
        (post(PATH, &[("x-api-key", "wrong")], ORDER), "wrong-key"),
        (post(PATH, &[], ORDER), "no-key"),
        (post(PATH, &[("content-type", "image/png")], "no XML"), "no-key"),
        (post(PATH, &[], "x".repeat(MAX_BODY_BYTES + 1)), "no-key"),
        (post(PATH, &[("content-encoding", "gzip")], ORDER), "no-key"),
    ];
    for (request, reason) in wrong {
        let bench = Bench::new().await;
        let (status, text) = bench.order(request).await;
        assert_eq!((status, &*text), (401, "the key is missing or wrong, or there is no such shop"));
        bench.assert_refused(&shop(), reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_shop_is_answered_as_a_wrong_key_and_its_name_is_not_kept() {
    let bench = Bench::new().await;
    let (status, text) = bench.order(post(&format!("/mycashflow/stranger/orders?key={SHOP_KEY}"), &[], ORDER)).await;
    assert_eq!((status, &*text), (401, "the key is missing or wrong, or there is no such shop"));
    tokio::time::advance(Duration::from_secs(60)).await;
    bench.order(post("/", &[], "")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refused = bench.refused(&Connection::unknown(System::Mycashflow)).await;
    assert_eq!(refused.iter().map(|(_, reason, count)| (&**reason, *count)).collect::<Vec<_>>(), [("wrong-key", 1)]);
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
        bench.assert_refused(&Connection::unknown(System::Mycashflow), "no-such-address").await;
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
    bench.assert_refused(&Connection::unknown(System::Mycashflow), "method").await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_strangers_write_an_entry_a_minute_and_reason() {
    let bench = Bench::new().await;
    let begun = tokio::time::Instant::now();
    for number in 0..1000 {
        let path = if number % 4 == 0 { "/mycashflow/nobody/orders" } else { PATH };
        bench.order(post(&format!("{path}?key=wrong{number}"), &[], ORDER)).await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "no answer waited for the ledger, whose calls take time");
    assert!(bench.items().is_empty());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(bench.order(with_key(None, ORDER)).await, (200, RECORDED.to_owned()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let counts = async |connection| bench.refused(&connection).await.iter().map(|entry| entry.2).collect::<Vec<_>>();
    assert_eq!((counts(shop()).await, counts(Connection::unknown(System::Mycashflow)).await), (vec![750], vec![250]));
    assert_eq!(bench.log(&shop()).await.len(), 1, "the connection's own log has the genuine request only");
    assert_eq!(bench.items().len(), 2 + 1 + 2, "a document, a line of the log, two entries");
}

#[tokio::test(start_paused = true)]
async fn a_count_of_strangers_that_cannot_be_written_changes_no_answer() {
    let bench = Bench::new().await;
    bench.order(post(PATH, &[], ORDER)).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    bench.fail("PutItem", CallFault::Failed, 1000);
    assert_eq!(bench.order(with_key(None, ORDER)).await, (200, RECORDED.to_owned()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.kept(), REVISION_1);
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
async fn a_compressed_body_is_kept_and_the_answer_names_its_encoding() {
    for (header, name) in [("gzip", "gzip"), ("identity, BR", "br"), ("made-up", "an unknown encoding")] {
        let bench = Bench::new().await;
        let headers = [("content-type", "text/xml"), ("content-encoding", header)];
        let body = b"\x1f\x8b\x08 no text";
        let request = post(&format!("{PATH}?key={SHOP_KEY}"), &headers, body);
        let (status, text) = bench.order(request).await;
        assert_eq!(status, 415);
        let says = format!("the body is compressed with {name}: send it without Content-Encoding");
        assert_eq!(text, format!("{says} (the message is kept in quarantine)"));
        let held = bench.ledger.quarantined(&shop()).await.unwrap();
        assert_eq!((&*held[0].body, &*held[0].reason), (&body[..], &*says));
    }
    assert_recorded(post(&format!("{PATH}?key={SHOP_KEY}"), &[("content-encoding", "identity")], ORDER)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_xml_is_quarantined_byte_for_byte() {
    let cases: [(&[u8], &str); 6] = [
        (b"<Order id=\"58\"><OrderNumber>58</Order>", "end tag that does not match"),
        (b"<Orders><Order id=\"58\">", "cut short"),
        (b"hello \xff\x00", ""),
        (b"<!doctype html><html><body>ei</body></html>", "HTML page"),
        (b"<Order id=\"58\"><Comments>\xff</Comments></Order>", "invalid UTF-8"),
        (b"<?xml version=\"1.0\" encoding=\"klingon\"?><Order a='\xff'/>", "the encoding is given as klingon"),
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
    let line = "<Products><Product><UnitPrice>cheap</UnitPrice></Product></Products></Order>";
    assert_quarantined(None, ORDER.replace("</Order>", line).as_bytes(), 400, "UnitPrice").await;
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
        order(2, "<Products><Product><Quantity>many</Quantity></Product></Products>"),
        order(3, "")
    );
    let (status, text) = bench.order(with_key(None, body.clone())).await;
    assert_eq!(status, 400);
    assert!(text.starts_with("recorded: order/1, revision 1; "), "{text}");
    assert!(text.ends_with("(the message is kept in quarantine); recorded: order/3, revision 1"), "{text}");
    let recorded = bench.ledger.revisions(&DocumentKey::order("acme", 3)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&recorded[0].body), order(3, ""), "each order keeps its own part");
    let held = bench.ledger.quarantined(&shop()).await.unwrap();
    assert_eq!((held.len(), held[0].document.as_deref()), (1, Some("order/2")), "so that it can be erased by its name");
    assert_eq!(
        String::from_utf8_lossy(&held[0].body),
        order(2, "<Products><Product><Quantity>many</Quantity></Product></Products>")
    );
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
