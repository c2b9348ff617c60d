//! The one way of orders into the ledger and back, with its proofs.

use std::time::Duration;

use cloud::embedded::CallFault;
use intake::{
    Asked, Kept, NotAuthentic, QuarantineReason, UnverifiedPush, compare_page, record_order, record_page, record_push,
    stored_order,
};
use jiff::Timestamp;
use ledger::{Appended, Connection, DocumentKey, Source};
use mycashflow::{Answer, Handed, Limits, read_page};
use tilaussilta_tests::Bench;

fn order(id: u64, inner: &str) -> String {
    format!(r#"<Order id="{id}"><OrderedAt timestamp="1772438400">2026-03-02 10:00:00</OrderedAt>{inner}</Order>"#)
}

/// An answer of the shop that took two seconds.
fn answer(orders: &str) -> Answer {
    let page = read_page(format!("<Orders>{orders}</Orders>").as_bytes(), None, &Limits::default()).unwrap();
    Answer { page, date: None, elapsed: Duration::from_secs(2), attempts: 1 }
}

/// Records an answer as the poll does; gives what became of each order.
async fn record(bench: &Bench, answer: &Answer) -> Vec<(Option<u64>, Kept)> {
    let asked = Asked::by(answer, "acme", Source::Poll, bench.now());
    let kept = record_page(&bench.deps.ledger, asked.copies(&answer.page), &*bench.deps.clock).await.unwrap();
    kept.into_iter().map(|(id, kept)| (id, kept.unwrap())).collect()
}

fn appended(id: u64, appended: Appended) -> (Option<u64>, Kept) {
    (Some(id), Kept::Appended { document: DocumentKey::order("acme", id), appended })
}

#[tokio::test(start_paused = true)]
async fn a_page_is_recorded_once_and_as_of_when_it_was_asked_for() {
    let bench = Bench::new().await;
    let answer = answer(&(order(58, "") + &order(59, "")));
    let asked_at = bench.now() - Duration::from_secs(2);
    let recorded = Appended::Recorded { revision: 1 };
    assert_eq!(record(&bench, &answer).await, [appended(58, recorded), appended(59, recorded)]);
    let revisions = bench.ledger.revisions(&DocumentKey::order("acme", 58)).await.unwrap();
    assert_eq!((revisions[0].observed_at, revisions[0].source), (asked_at, Source::Poll));
    assert_eq!(String::from_utf8_lossy(&revisions[0].body), order(58, ""));
    tokio::time::advance(Duration::from_secs(60)).await;
    let known = Appended::Duplicate { revision: 1 };
    assert_eq!(record(&bench, &answer).await, [appended(58, known), appended(59, known)]);
}

#[tokio::test(start_paused = true)]
async fn an_order_of_a_page_that_cannot_be_read_keeps_no_other_from_being_recorded() {
    let bench = Bench::new().await;
    let unreadable = order(57, "<Products><Product><UnitPrice>dear</UnitPrice></Product></Products>");
    let kept = record(&bench, &answer(&(unreadable.clone() + &order(58, "")))).await;
    assert!(matches!(&kept[0], (Some(57), Kept::Quarantined { reason: QuarantineReason::Order(_), is_new: true })));
    assert_eq!(kept[1], appended(58, Appended::Recorded { revision: 1 }));
    let held = bench.ledger.quarantined(&Connection::shop("acme")).await.unwrap();
    assert_eq!(held[0].document.as_deref(), Some("order/57"));
    assert_eq!(String::from_utf8_lossy(&held[0].body), unreadable);
    let again = record(&bench, &answer(&unreadable)).await;
    assert!(matches!(&again[0].1, Kept::Quarantined { is_new: false, .. }), "the same is not kept twice");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_does_not_fit_into_an_item_is_in_quarantine() {
    let bench = Bench::new().await;
    let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(600_000).collect();
    let large = order(58, &format!("<Comments>{noise}</Comments>"));
    let kept = record(&bench, &answer(&large)).await;
    assert!(matches!(&kept[0].1, Kept::Quarantined { reason: QuarantineReason::TooLarge { .. }, .. }), "{kept:?}");
    let asked = answer(&large);
    let copy = Asked::by(&asked, "acme", Source::Refresh, bench.now()).copy(&asked.page, &asked.page.entries[0]);
    let again = record_order(&bench.deps.ledger, &copy, bench.now()).await.unwrap();
    assert!(matches!(again, Kept::Quarantined { is_new: false, .. }), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn one_order_of_a_page_that_cannot_be_written_is_told_and_keeps_no_other() {
    let bench = Bench::new().await;
    bench.fail("TransactWriteItems", CallFault::Failed, 3);
    let answer = answer(&(order(58, "") + &order(59, "") + &order(60, "")));
    let asked = Asked::by(&answer, "acme", Source::Poll, bench.now());
    let kept = record_page(&bench.deps.ledger, asked.copies(&answer.page), &*bench.deps.clock).await.unwrap();
    assert!(kept.iter().all(|(_, kept)| kept.is_ok()), "a call is repeated");
    bench.fail("BatchGetItem", CallFault::Failed, 3);
    let copies = asked.copies(&answer.page);
    assert!(record_page(&bench.deps.ledger, copies, &*bench.deps.clock).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn comparing_a_page_writes_nothing() {
    let bench = Bench::new().await;
    record(&bench, &answer(&(order(58, "") + &order(59, "")))).await;
    let before = bench.items();
    let shown = answer(&(order(58, "") + &order(59, "<OrderStatus>Shipped</OrderStatus>") + &order(60, "")));
    let asked = Asked::by(&shown, "acme", Source::Backfill, bench.now());
    let differences = compare_page(&bench.deps.ledger, &asked.copies(&shown.page)).await.unwrap();
    let expected = [(59, true), (60, false)];
    let differences: Vec<_> = differences.iter().map(|one| (one.order, one.is_known)).collect();
    assert_eq!(differences, expected);
    assert_eq!(bench.items(), before);
}

#[tokio::test(start_paused = true)]
async fn the_pages_orders_are_recorded_oldest_first() {
    let bench = Bench::new().await;
    let at = |id: u64, second: i64| order(id, "").replace("1772438400", &second.to_string());
    let kept = record(&bench, &answer(&(at(3, 30) + &at(2, 30) + &at(9, 20)))).await;
    assert_eq!(kept.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [Some(9), Some(2), Some(3)]);
}

#[test]
fn only_a_key_of_the_shop_makes_a_post_the_shops_own() {
    let form = b"key=in+the+form&xml=%3COrder+id%3D%2258%22%2F%3E";
    let post = UnverifiedPush::new(form, Some("application/x-www-form-urlencoded"), Handed::AsBytes);
    assert!(post.verify("acme", [], ["other", "in the form"]).is_ok());
    assert!(post.verify("acme", ["beside it"], ["beside it"]).is_ok());
    for valid in ["In the form", "in the for", "in the form ", ""] {
        assert_eq!(post.verify("acme", ["x"], [valid]).err(), Some(NotAuthentic::WrongKey), "{valid:?}");
    }
    let none = UnverifiedPush::new(b"<Order id='58'/>", None, Handed::AsBytes);
    assert_eq!(none.verify("acme", ["", ""], [""]).err(), Some(NotAuthentic::NoKey), "an empty key is no key");
    assert!(!format!("{post:?}").contains("the form"), "{post:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_order_is_read_as_it_was_when_it_came() {
    let bench = Bench::new().await;
    let city = "<CustomerInformation><City>Sein\u{e4}joki</City></CustomerInformation>";
    let body = order(58, city);
    let post = UnverifiedPush::new(body.as_bytes(), Some("text/xml; charset=utf-8"), Handed::AsBytes);
    let pushed = post.verify("acme", ["key"], ["key"]).unwrap();
    let now: Timestamp = bench.now();
    record_push(&bench.deps.ledger, &pushed, now, now).await.remove(0).unwrap();
    let document = DocumentKey::order("acme", 58);
    let revisions = bench.ledger.revisions(&document).await.unwrap();
    let stored = stored_order(&document, &revisions[0]).unwrap();
    let sent = read_page(body.as_bytes(), None, &Limits::default()).unwrap().entries.remove(0).order.unwrap();
    assert_eq!(stored, sent);
    let other = DocumentKey::order("acme", 5);
    assert_eq!(stored_order(&other, &revisions[0]).unwrap_err().to_string(), "there is no such order in it");
}
