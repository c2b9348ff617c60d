//! What an order's event says of the revision before.

use events::{Event, MAX_DETAIL_BYTES, revision_before};
use ledger::{DocumentKey, RevisionKey, Source};
use serde_json::{Value, json};

use crate::examples::revision;

/// The detail of the second revision of an order, as whole as it is published within `limit_bytes`.
fn updated(before: Option<&str>, now: &str, limit_bytes: usize) -> Event {
    let key = RevisionKey { document: DocumentKey::order("acme", 58), revision: 2 };
    let before = before.map(|body| revision(1, Source::Push, body));
    Event::of_revision(&key, &revision(2, Source::Poll, now), before.as_ref(), limit_bytes).unwrap()
}

fn detail(before: Option<&str>, now: &str) -> Value {
    serde_json::from_str(&updated(before, now, MAX_DETAIL_BYTES).detail).unwrap()
}

fn order(inside: &str) -> String {
    format!(r#"<Order id="58">{inside}</Order>"#)
}

fn products(count: usize, shipped: &str) -> String {
    let product = |id| format!("<Product><ProductID>{id}</ProductID><Shipped>{shipped}</Shipped></Product>");
    format!("<Products>{}</Products>", (0..count).map(product).collect::<String>())
}

#[test]
fn places_that_differ_are_named_with_what_stood_before() {
    let of = |status: &str, payment: &str, shipped: &str| {
        order(&format!(
            "<OrderStatus>{status}</OrderStatus><PaymentStatus>{payment}</PaymentStatus>{}",
            products(2, shipped)
        ))
    };
    let detail = detail(Some(&of("Open", "Pending", "0")), &of("Shipped", "Paid", "1"));
    let places = ["payments[0].status", "products[0].shipped", "products[1].shipped", "status"];
    assert_eq!(detail["changes"], json!(places));
    assert_eq!(detail["previous"], json!({ "status": "Open", "payment_status": "Pending", "shipped": false }));
}

#[test]
fn a_state_that_tells_nothing_is_known_to_tell_nothing() {
    let detail = detail(Some(&order("")), &order("<OrderStatus>Open</OrderStatus>"));
    assert_eq!(detail["changes"], json!(["status"]));
    assert_eq!(detail["previous"], json!({ "status": null, "payment_status": null, "shipped": null }));
}

#[test]
fn an_order_is_shipped_when_all_its_products_are() {
    let shipped = |lines: &str| {
        let before = order(&format!("<Products>{lines}</Products>"));
        detail(Some(&before), &order(""))["previous"]["shipped"].clone()
    };
    let product = |shipped| format!("<Product><ProductID>1</ProductID><Shipped>{shipped}</Shipped></Product>");
    let fee = "<Product><ProductID>SHIPPING</ProductID><Shipped>0</Shipped></Product>";
    assert_eq!(shipped(&[product(1), product(1), fee.to_owned()].concat()), json!(true));
    assert_eq!(shipped(&[product(1), product(0)].concat()), json!(false));
    assert_eq!(shipped("<Product><ProductID>1</ProductID></Product>"), json!(null));
}

#[test]
fn what_changed_is_unknown_without_a_readable_revision_before() {
    for before in [None, Some("no XML"), Some(r#"<Order id="59"/>"#)] {
        let detail = detail(before, &order("<OrderStatus>Open</OrderStatus>"));
        assert_eq!((&detail["changes"], &detail["previous"]), (&json!(null), &json!(null)), "{before:?}");
        assert_eq!(detail["order"]["status"], "Open");
    }
}

#[test]
fn many_places_are_told_by_the_fields_that_hold_them() {
    let few = detail(Some(&order(&products(200, "0"))), &order(&products(200, "1")));
    assert_eq!(few["changes"].as_array().unwrap().len(), 200);
    let many = detail(Some(&order(&products(201, "0"))), &order(&products(201, "1")));
    assert_eq!(many["changes"], json!(["products"]));
    let long = format!("<{0}>x</{0}>", "L".repeat(20_000));
    let long = detail(Some(&order("<Gift>x</Gift>")), &order(&format!("<Gift>x{long}</Gift>")));
    assert!(long["changes"].to_string().len() < 17_000, "{}", long["changes"].to_string().len());
}

#[test]
fn the_limit_counts_what_changed_and_a_truncated_event_is_small_and_has_it() {
    let (before, now) = (order(&products(150, "0")), order(&products(150, "1")));
    let whole = updated(Some(&before), &now, MAX_DETAIL_BYTES);
    assert!(!whole.truncated && whole.detail.len() > updated(None, &now, MAX_DETAIL_BYTES).detail.len());
    let cut = updated(Some(&before), &now, whole.detail.len() - 1);
    assert!(cut.truncated && cut.detail == cut.bare_detail && cut.detail.len() < whole.detail.len());
    let detail: Value = serde_json::from_str(&cut.detail).unwrap();
    assert_eq!((detail["changes"].as_array().unwrap().len(), detail.get("order")), (150, None));
    assert_eq!(detail["previous"]["shipped"], false);

    // Even of an order whose status is a book.
    let book = order(&format!("<OrderStatus>{}</OrderStatus>", "x".repeat(100_000)));
    let cut = updated(Some(&book), &order(""), 100);
    assert!(cut.truncated && cut.detail.len() < 1_000, "{}", cut.detail.len());
}

#[test]
fn only_later_revisions_of_orders_have_one_before() {
    let key = |document: DocumentKey, revision| RevisionKey { document, revision };
    let order = || DocumentKey::order("acme", 58);
    assert_eq!(revision_before(&key(order(), 3)), Some(key(order(), 2)));
    assert_eq!(revision_before(&key(order(), 1)), None);
    assert_eq!(revision_before(&key(DocumentKey::manu("acme", "item-save", "1"), 3)), None);
}
