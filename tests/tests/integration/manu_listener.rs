//! `POST /manu/ACCOUNT/WEBHOOK`: every answer, and what the ledger holds after it.

use cloud::embedded::CallFault;
use futures_util::future::join_all;
use intake::stored_document;
use lambda_http::Request;
use ledger::{Connection, DeliveryOutcome, DocumentKey, System};
use manu::WebhookType;
use platform::MAX_BODY_BYTES;
use serde_json::{Value, json};
use tilaussilta_tests::{Bench, MANU_SECRET, as_text, post, signed};
use world::erp::made_up_document;

const SALES_ORDER: &str = "sales-order-activate";
const DENIED: &str = "the verify code is missing or wrong, or there is no such account";

fn account() -> Connection {
    Connection::manu("acme")
}

fn document(id: &str) -> DocumentKey {
    DocumentKey::manu("acme", SALES_ORDER, id)
}

fn recorded(name: &str, revision: u32) -> (u16, String) {
    (200, format!("recorded: {name}, revision {revision}"))
}

#[tokio::test(start_paused = true)]
async fn every_type_is_recorded_under_its_own_name() {
    let bench = Bench::new().await;
    for webhook in WebhookType::ALL {
        let body = made_up_document(webhook, 4711, 1).to_string();
        let name = format!("{webhook}/4711");
        assert_eq!(bench.manu(signed(webhook.slug(), &body)).await, recorded(&name, 1));
        let revisions = bench.ledger.revisions(&DocumentKey::manu("acme", webhook.slug(), "4711")).await.unwrap();
        assert_eq!(revisions.len(), 1);
        assert_eq!(revisions[0].body, body.into_bytes());
    }
    assert_eq!(bench.kept().len(), 2 * 13, "a head and a revision each");
}

#[tokio::test(start_paused = true)]
async fn the_vendors_own_codes_are_accepted() {
    let vectors: Value = serde_json::from_str(include_str!("../../../shared/manu/testdata/verify-code.json")).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        let field = |name: &str| vector[name].as_str().unwrap();
        let mut bench = Bench::new().await;
        let secret = serde_json::to_string(field("secret")).unwrap();
        let connections = format!(r#"{{"manu":{{"acme":{{"secrets":[{secret}],"language":"en"}}}}}}"#);
        let fixed = connections::ConnectionSource::Fixed(connections::Connections::parse(&connections).unwrap());
        bench.deps.connections = connections::ConnectionStore::open(fixed).await.unwrap().into();
        let headers = [(manu::HEADER, field("verify_code"))];
        let (status, text) = bench.manu(post("/manu/acme/item-save", &headers, field("payload"))).await;
        assert!(matches!(status, 200 | 400), "authentic, be it JSON or not: {status} {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn letters_and_emoji_come_through_whole() {
    let bench = Bench::new().await;
    let body = r#"{"id":1,"note":"Älä jätä yöksi ulos 😀"}"#;
    assert_eq!(bench.manu(signed(SALES_ORDER, body)).await, recorded("sales-order-activate/1", 1));
    let revisions = bench.ledger.revisions(&document("1")).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&revisions[0].body), body);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_or_missing_code_is_only_counted_and_the_metric_tells_which() {
    let body = r#"{"id":1,"note":"hidden"}"#;
    let right = manu::verify_code(body.as_bytes(), MANU_SECRET).to_string();
    let of_another_secret = manu::verify_code(body.as_bytes(), "wrong").to_string();
    let path = "/manu/acme/sales-order-activate";
    let wrong = [
        (post(path, &[], body), "no-code", "NoCode"),
        (post(path, &[(manu::HEADER, "")], body), "no-code", "NoCode"),
        (post(path, &[(manu::HEADER, &of_another_secret)], body), "wrong-code", "WrongCode"),
        (post(path, &[(manu::HEADER, &right[..31])], body), "no-code", "NoCode"),
        (post(path, &[(manu::HEADER, &right)], body.replace("hidden", "hidde!")), "wrong-code", "WrongCode"),
        (
            post(path, &[(manu::HEADER, &format!("{of_another_secret},{of_another_secret}"))], body),
            "wrong-code",
            "WrongCode",
        ),
    ];
    for (request, reason, metric) in wrong {
        let bench = Bench::new().await;
        assert_eq!(bench.manu(request).await, (401, DENIED.to_owned()));
        assert!(bench.counted().contains(&format!("\"Rejected\":1,\"{metric}\":1,")), "{}", bench.counted());
        bench.assert_refused(&account(), reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_right_code_is_enough_where_the_header_came_twice() {
    let (body, wrong) = (r#"{"id":1,"note":"Käsitelty"}"#, "0".repeat(32));
    let right = manu::verify_code(body.as_bytes(), MANU_SECRET).to_string();
    let lists = [format!("{wrong},{right}"), format!("{right}, {wrong}")];
    let joined = lists.iter().map(|list| post("/manu/acme/item-save", &[(manu::HEADER, list)], body));
    let twice = post("/manu/acme/item-save", &[(manu::HEADER, &*wrong), (manu::HEADER, &*right)], body);
    for request in joined.chain([twice]) {
        assert_eq!(Bench::new().await.manu(request).await, recorded("item-save/1", 1));
    }
}

/// A message with the code of `text`, whose bytes are `body`.
fn sent(content_type: &str, text: &str, body: impl Into<Vec<u8>>) -> Request {
    let code = manu::verify_code(text.as_bytes(), MANU_SECRET).to_string();
    post("/manu/acme/sales-order-activate", &[(manu::HEADER, &code), ("content-type", content_type)], body)
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_is_read_over_whether_the_code_counts_it_or_not() {
    let text = r#"{"id":1,"note":"Seinäjoki"}"#;
    let marked = format!("\u{feff}{text}");
    for request in [sent("application/json", text, marked.clone()), sent("application/json", &marked, marked.clone())] {
        for request in [as_text(request.clone()), request] {
            let bench = Bench::new().await;
            assert_eq!(bench.manu(request).await, recorded("sales-order-activate/1", 1));
            let revisions = bench.ledger.revisions(&document("1")).await.unwrap();
            assert_eq!(stored_document(&revisions[0]).unwrap().published_json(), text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_read_in_its_own_charset_and_stored_in_utf8() {
    let text = r#"{"id":1,"note":"Käsiteltävä – 5 €"}"#;
    let windows = b"{\"id\":1,\"note\":\"K\xe4sitelt\xe4v\xe4 \x96 5 \x80\"}";
    let bench = Bench::new().await;
    let request = sent("application/json; charset=windows-1252", text, &windows[..]);
    assert_eq!(bench.manu(request).await, recorded("sales-order-activate/1", 1));
    let revisions = bench.ledger.revisions(&document("1")).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&revisions[0].body), text);
    assert_eq!(revisions[0].content_type, "application/json; charset=utf-8");
    let again = sent("application/json", text, text);
    assert_eq!(bench.manu(again).await.1, "duplicate: sales-order-activate/1 is known as revision 1");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_handed_over_as_text_is_utf8_whatever_it_declares() {
    let text = r#"{"id":1,"note":"Seinäjoki"}"#;
    let bench = Bench::new().await;
    let request = as_text(sent("application/json; charset=windows-1252", text, text));
    assert_eq!(bench.manu(request).await, recorded("sales-order-activate/1", 1));
    let revisions = bench.ledger.revisions(&document("1")).await.unwrap();
    assert_eq!(stored_document(&revisions[0]).unwrap().published_json(), text);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_lost_letters_on_its_way_is_not_called_recorded() {
    let text = "{\"id\":1,\"note\":\"K\u{fffd}sitelty\"}";
    let bench = Bench::new().await;
    let (status, answer) = bench.manu(as_text(sent("application/json; charset=windows-1252", text, text))).await;
    assert_eq!(status, 400);
    assert!(answer.starts_with("the body lost letters before it came"), "{answer}");
    assert!(answer.ends_with("(the message is kept in quarantine)"), "{answer}");
    assert_eq!(bench.ledger.quarantined(&account()).await.unwrap()[0].body, text.as_bytes());
    assert_eq!(bench.kept().len(), 1);
    let bytes = sent("application/json", text, text);
    assert_eq!(bench.manu(bytes).await.0, 200, "as bytes it is what the ERP sent");
}

#[tokio::test(start_paused = true)]
async fn a_compressed_message_is_refused_by_the_name_of_its_encoding() {
    let bench = Bench::new().await;
    let mut request = signed(SALES_ORDER, r#"{"id":1}"#);
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let text = "the body is compressed with gzip: send it without Content-Encoding";
    assert_eq!(bench.manu(request).await, (415, text.to_owned()));
    bench.assert_refused(&account(), "compressed").await;
}

/// A bench with tokens for all types but one, which has its own.
async fn bench_with_tokens() -> Bench {
    let connections = json!({ "manu": {
        "acme": { "secrets": [MANU_SECRET], "language": "en", "url_key": ["of-all", "of all+"],
                  "webhook_keys": { "sales-dispatch-activate": ["of-dispatches", "earlier"] } },
        "open": { "secrets": ["another secret"], "language": "en" } } });
    let start = "2026-03-02T08:00:00Z".parse().unwrap();
    Bench::with(start, connections::Connections::parse(&connections.to_string()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn where_an_address_has_a_key_a_message_without_it_is_refused() {
    let code = manu::verify_code(b"{\"id\":1}", MANU_SECRET).to_string();
    let to = |address: &str| post(&format!("/manu/acme/{address}"), &[(manu::HEADER, &code)], "{\"id\":1}");
    let right = [
        "item-save?key=of-all",
        "item-save?key=of%20all%2B",
        "item-save?key=x&key=of-all",
        "sales-dispatch-activate?key=of-dispatches",
        "sales-dispatch-activate?a=b&key=earlier",
    ];
    for address in right {
        let (status, text) = bench_with_tokens().await.manu(to(address)).await;
        assert_eq!(status, 200, "{address}: {text}");
    }
    let wrong = [
        "item-save",
        "item-save?key=",
        "item-save?key=of-dispatches",
        "item-save?Key=of-all",
        "sales-dispatch-activate",
        "sales-dispatch-activate?key=of-all",
    ];
    for address in wrong {
        let bench = bench_with_tokens().await;
        let text = "the verify code is right, but the token in the address (?key=) is missing or wrong";
        assert_eq!(bench.manu(to(address)).await, (401, text.to_owned()), "{address}");
        bench.assert_refused(&account(), "wrong-token").await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_sign_learns_nothing_of_keys() {
    for address in ["acme/item-save", "acme/item-save?key=of-all", "open/item-save", "nobody/item-save"] {
        let request = post(&format!("/manu/{address}"), &[(manu::HEADER, &"0".repeat(32))], "{\"id\":1}");
        assert_eq!(bench_with_tokens().await.manu(request).await, (401, DENIED.to_owned()), "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_without_keys_takes_its_messages_at_any_address() {
    let code = manu::verify_code(b"{\"id\":1}", "another secret").to_string();
    for address in ["item-save", "item-save?key=anything"] {
        let request = post(&format!("/manu/open/{address}"), &[(manu::HEADER, &code)], "{\"id\":1}");
        assert_eq!(bench_with_tokens().await.manu(request).await.0, 200, "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_secret_of_the_account_is_valid() {
    for secret in ["an older secret", MANU_SECRET] {
        let bench = Bench::new().await;
        let code = manu::verify_code(b"{\"id\":1}", secret).to_string();
        let request = post("/manu/acme/item-save", &[(manu::HEADER, &code)], "{\"id\":1}");
        assert_eq!(bench.manu(request).await, recorded("item-save/1", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_account_is_answered_as_a_wrong_code_and_its_name_is_not_kept() {
    let bench = Bench::new().await;
    let mut request = signed(SALES_ORDER, "{}");
    *request.uri_mut() = "https://function.invalid/manu/stranger/item-save".parse().unwrap();
    assert_eq!(bench.manu(request).await, (401, DENIED.to_owned()));
    assert!(!format!("{:?}", bench.items()).contains("stranger"));
    bench.assert_refused(&Connection::unknown(System::Manu), "wrong-code").await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_is_not_found_and_the_answer_lists_the_types() {
    let bench = Bench::new().await;
    let (status, text) = bench.manu(signed("sales-order-delete", "{}")).await;
    assert_eq!(status, 404);
    for webhook in WebhookType::ALL {
        assert!(text.contains(webhook.slug()), "{text}");
    }
    bench.assert_refused(&Connection::unknown(System::Manu), "no-such-address").await;
}

#[tokio::test(start_paused = true)]
async fn another_path_is_not_found() {
    for path in ["/", "/manu/acme", "/manu/acme/item-save/1", "/mycashflow/acme/orders"] {
        let bench = Bench::new().await;
        let answer = bench.manu(post(path, &[], "{}")).await;
        assert_eq!(answer, (404, "no such address: messages go to /manu/ACCOUNT/WEBHOOK".to_owned()));
        bench.assert_refused(&Connection::unknown(System::Manu), "no-such-address").await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_method_is_not_allowed() {
    let bench = Bench::new().await;
    let mut request = signed(SALES_ORDER, "{}");
    *request.method_mut() = http::Method::GET;
    let response = manu_listener::handle(&bench.deps, request).await;
    assert_eq!(tilaussilta_tests::text(&response), (405, "messages are sent with POST".to_owned()));
    assert_eq!(response.headers()["allow"], "POST");
    bench.assert_refused(&Connection::unknown(System::Manu), "method").await;
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_not_kept() {
    let bench = Bench::new().await;
    let body = format!("{{\"id\":1}}{}", " ".repeat(MAX_BODY_BYTES));
    let answer = bench.manu(signed(SALES_ORDER, &body)).await;
    assert_eq!(answer, (413, "the body is over the limit of 1048576 bytes".to_owned()));
    bench.assert_refused(&account(), "too-large").await;
}

/// A signed request under a content type.
fn signed_as(content_type: &str, body: &str) -> Request {
    let mut request = signed(SALES_ORDER, body);
    request.headers_mut().insert("content-type", content_type.parse().unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn json_is_taken_under_the_types_that_clients_give_it() {
    for content_type in ["application/json; charset=utf-8", "text/json", "application/hal+json", "text/plain"] {
        let bench = Bench::new().await;
        let answer = bench.manu(signed_as(content_type, r#"{"id":1}"#)).await;
        assert_eq!(answer, recorded("sales-order-activate/1", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_message_of_another_type_is_quarantined() {
    let bench = Bench::new().await;
    let (status, text) = bench.manu(signed_as("image/png", r#"{"id":1}"#)).await;
    assert_eq!(status, 415, "{text}");
    assert_eq!(bench.ledger.quarantined(&account()).await.unwrap()[0].body, br#"{"id":1}"#);
}

#[tokio::test(start_paused = true)]
async fn a_signed_message_that_is_not_json_is_quarantined_byte_for_byte() {
    for body in ["{\"id\":1,", "tämä ei ole JSON", "{} {}", "\u{0}"] {
        let bench = Bench::new().await;
        let (status, text) = bench.manu(signed(SALES_ORDER, body)).await;
        assert_eq!(status, 400);
        assert!(text.starts_with("the body is not JSON at line 1, column"), "{text}");
        let kept = bench.ledger.quarantined(&account()).await.unwrap();
        assert_eq!((kept.len(), &*kept[0].body), (1, body.as_bytes()));
        assert_eq!(bench.kept().len(), 1);
        assert_eq!(bench.log(&account()).await[0].outcome, DeliveryOutcome::Quarantined);
    }
}

/// An account that names no language: its user reads Finnish. The log is for its owner, and stays English.
#[tokio::test(start_paused = true)]
async fn answers_are_in_finnish_unless_the_account_says_otherwise() {
    let mut bench = Bench::new().await;
    let connections = json!({ "manu": { "acme": { "secrets": [MANU_SECRET] } } }).to_string();
    let fixed = connections::ConnectionSource::Fixed(connections::Connections::parse(&connections).unwrap());
    bench.deps.connections = connections::ConnectionStore::open(fixed).await.unwrap().into();
    let cases = [
        (r#"{"id":4711}"#, 200, "kirjattu: sales-order-activate/4711, versio 1"),
        (r#"{"id":4711}"#, 200, "kaksoiskappale: sales-order-activate/4711 on jo kirjattu versiona 1"),
        ("", 400, "viesti on tyhjä, odotettiin JSON-dokumenttia"),
    ];
    for (body, status, text) in cases {
        assert_eq!(bench.manu(signed(SALES_ORDER, body)).await, (status, text.to_owned()));
    }
    let (status, text) = bench.manu(signed(SALES_ORDER, "{\"id\":")).await;
    assert_eq!(status, 400);
    assert!(text.starts_with("viesti ei ole JSONia rivillä 1, sarakkeessa "), "{text}");
    assert!(text.ends_with(" (viesti on tallessa karanteenissa)"), "{text}");
    let code = "0".repeat(32);
    let wrong = bench.manu(post("/manu/acme/item-save", &[(manu::HEADER, &code)], "{}")).await;
    let unknown = bench.manu(post("/manu/nobody/item-save", &[(manu::HEADER, &code)], "{}")).await;
    assert_eq!(wrong, unknown, "the language tells no stranger which accounts there are");
    let log = bench.log(&account()).await;
    let reasons: Vec<_> = log.iter().filter_map(|line| line.reason.as_deref()).collect();
    assert!(reasons[0].starts_with("duplicate: ") && reasons[2].starts_with("the body is not JSON"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_message_is_refused() {
    let bench = Bench::new().await;
    let answer = bench.manu(signed(SALES_ORDER, "")).await;
    assert_eq!(answer, (400, "the body is empty, expected a JSON document".to_owned()));
    bench.assert_rejected(&account(), 400).await;
}

#[tokio::test(start_paused = true)]
async fn a_number_and_a_string_name_the_same_document() {
    let bench = Bench::new().await;
    bench.manu(signed(SALES_ORDER, r#"{"id":4711}"#)).await;
    let answer = bench.manu(signed(SALES_ORDER, r#"{"id":"4711"}"#)).await;
    assert_eq!(answer, recorded("sales-order-activate/4711", 2), "they differ, so a revision each");
}

#[tokio::test(start_paused = true)]
async fn a_document_without_an_id_is_named_by_its_content() {
    let bench = Bench::new().await;
    let (status, text) = bench.manu(signed(SALES_ORDER, r#"{"total":1}"#)).await;
    assert_eq!(status, 200);
    assert!(text.starts_with("recorded: sales-order-activate/sha256-"), "{text}");
    let (_, again) = bench.manu(signed(SALES_ORDER, r#"{ "total": 1 }"#)).await;
    assert!(again.starts_with("duplicate: sales-order-activate/sha256-"), "{again}");
    let (_, other) = bench.manu(signed(SALES_ORDER, r#"{"total":2}"#)).await;
    assert!(other.starts_with("recorded: ") && other.ends_with(", revision 1"), "{other}");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_a_duplicate_whatever_its_white_space_and_order() {
    let bench = Bench::new().await;
    bench.manu(signed(SALES_ORDER, r#"{"id":1,"a":2}"#)).await;
    let (status, text) = bench.manu(signed(SALES_ORDER, "{ \"a\": 2,\n \"id\": 1 }")).await;
    assert_eq!((status, &*text), (200, "duplicate: sales-order-activate/1 is known as revision 1"));
    assert_eq!(bench.ledger.revisions(&document("1")).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn there_and_back_again_is_three_revisions() {
    let bench = Bench::new().await;
    let (a, b) = (r#"{"id":1,"state":"A"}"#, r#"{"id":1,"state":"B"}"#);
    for (body, revision) in [(a, 1), (b, 2), (a, 3)] {
        assert_eq!(bench.manu(signed(SALES_ORDER, body)).await, recorded("sales-order-activate/1", revision));
    }
    let revisions = bench.ledger.revisions(&document("1")).await.unwrap();
    let bodies: Vec<_> = revisions.iter().map(|revision| String::from_utf8_lossy(&revision.body)).collect();
    assert_eq!(bodies, [a, b, a]);
}

#[tokio::test(start_paused = true)]
async fn messages_that_arrive_in_the_same_moment_are_all_kept() {
    let bench = Bench::new().await;
    let bodies: Vec<String> = (0..5).map(|state| format!(r#"{{"id":1,"state":{state}}}"#)).collect();
    let answers = join_all(bodies.iter().map(|body| bench.manu(signed(SALES_ORDER, body)))).await;
    assert!(answers.iter().all(|(status, text)| *status == 200 && text.starts_with("recorded")), "{answers:?}");
    assert_eq!(bench.ledger.revisions(&document("1")).await.unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn while_the_database_refuses_the_answer_is_503_and_the_next_try_succeeds() {
    let bench = Bench::new().await;
    bench.fail("*", CallFault::Failed, 1000);
    let (status, text) = bench.manu(signed(SALES_ORDER, r#"{"id":1}"#)).await;
    assert_eq!((status, &*text), (503, "the message could not be recorded just now: please send it again"));
    assert!(bench.items().is_empty(), "accepted means durable, and nothing was");
    bench.heal();
    assert_eq!(bench.manu(signed(SALES_ORDER, r#"{"id":1}"#)).await, recorded("sales-order-activate/1", 1));
}
