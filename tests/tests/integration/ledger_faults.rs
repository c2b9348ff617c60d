//! The ledger when the table or the way to it fails, and what its items look like from outside.

use std::time::Duration;

use cloud::embedded::CallFault;
use jiff::{SignedDuration, Timestamp};
use ledger::{
    Appended, Connection, ContentHash, Cursor, Delivery, DeliveryOutcome, DocumentKey, Evidence, Fenced, LedgerError,
    NewQuarantined, NewRevision, Source, Stream,
};
use tilaussilta_tests::Bench;
use tokio::time::Instant;

const DAY_SECONDS: i64 = 24 * 60 * 60;

fn new<'a>(bench: &Bench, document: &'a DocumentKey) -> NewRevision<'a> {
    NewRevision {
        summary: None,
        document,
        source: Source::Push,
        observed_at: bench.now(),
        evidence: Evidence::Asked,
        hash: ContentHash::of(b"canonical"),
        body: b"<Order><Email>maija@example.com</Email></Order>",
        content_type: "application/xml",
        now: bench.now(),
    }
}

fn order() -> DocumentKey {
    DocumentKey::order("acme", 58)
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_revision() {
    let (bench, order) = (Bench::new().await, order());
    bench.fail("TransactWriteItems", CallFault::AnswerLost, 1);
    // Whether this call wrote it, or finds that it is written, cannot be told apart; that it is there can.
    let appended = bench.deps.ledger.append(&new(&bench, &order)).await.unwrap();
    assert_eq!(appended.revision(), 1);
    assert_eq!(bench.ledger.revisions(&order).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_few_failures_are_overcome() {
    for fault in [CallFault::Throttled, CallFault::Failed, CallFault::NotSent, CallFault::Conflict] {
        let (bench, order) = (Bench::new().await, order());
        bench.fail("TransactWriteItems", fault, 2);
        let appended = bench.deps.ledger.append(&new(&bench, &order)).await;
        assert_eq!(appended.unwrap(), Appended::Recorded { revision: 1 }, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_conflicts_ends_in_a_revision_or_in_an_error_that_says_so() {
    let (bench, order) = (Bench::new().await, order());
    bench.fail("TransactWriteItems", CallFault::Conflict, 20);
    assert_eq!(bench.deps.ledger.append(&new(&bench, &order)).await.unwrap(), Appended::Recorded { revision: 1 });
    bench.fail("TransactWriteItems", CallFault::Conflict, 1000);
    let later = NewRevision { hash: ContentHash::of(b"later"), observed_at: bench.now(), ..new(&bench, &order) };
    let begun = Instant::now();
    let refused = bench.deps.ledger.append(&later).await;
    assert!(matches!(refused, Err(LedgerError::Contended { tries: 24 })), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(bench.ledger.revisions(&order).await.unwrap().len(), 1);
}

/// Every fault that leaves a call undone, or its answer lost.
const FAULTS: [CallFault; 7] = [
    CallFault::Throttled,
    CallFault::Failed,
    CallFault::NotSent,
    CallFault::Conflict,
    CallFault::PartThrottled,
    CallFault::PartOverLimit,
    CallFault::AnswerLost,
];

#[tokio::test(start_paused = true)]
async fn a_transaction_cancelled_for_what_passes_is_tried_again_wherever_it_is_made() {
    for fault in [CallFault::Conflict, CallFault::PartThrottled, CallFault::PartOverLimit] {
        let (bench, order) = (Bench::new().await, order());
        let ledger = &bench.deps.ledger;
        let (now, until) = (bench.now(), bench.now() + SignedDuration::from_secs(30));
        let fails_twice = || bench.fail("TransactWriteItems", fault, 2);
        fails_twice();
        assert_eq!(ledger.append(&new(&bench, &order)).await.unwrap(), Appended::Recorded { revision: 1 }, "{fault:?}");
        fails_twice();
        let lease = ledger.acquire_lease("acme", "a", now, until).await.unwrap().expect("a free lease");
        fails_twice();
        let lease = ledger.renew_lease(&lease, until).await.unwrap().expect("the lease");
        fails_twice();
        assert_eq!(ledger.move_cursor(&lease, None, &cursor(100)).await.unwrap(), Fenced::Written, "{fault:?}");
    }
}

fn cursor(position: i64) -> Cursor {
    Cursor {
        stream: Stream::Created,
        position,
        highest_order: None,
        finished_through: None,
        moved_at: Timestamp::UNIX_EPOCH,
        run: "a".to_owned(),
    }
}

fn message<'a>(bench: &Bench, document: &'a DocumentKey, body: &'static str, received: i64) -> NewRevision<'a> {
    let observed_at = bench.now() + SignedDuration::from_secs(received);
    let (hash, evidence, source) = (ContentHash::of(body.as_bytes()), Evidence::Message, Source::Push);
    NewRevision { observed_at, hash, evidence, source, body: body.as_bytes(), ..new(bench, document) }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_moves_meets_faults_and_moves() {
    for fault in FAULTS {
        let (bench, order) = (Bench::new().await, order());
        bench.ledger.append(&new(&bench, &order)).await.unwrap();
        let later = NewRevision { observed_at: bench.now() + SignedDuration::from_secs(60), ..new(&bench, &order) };
        bench.fail("PutItem", fault, 2);
        let confirmed = bench.deps.ledger.append(&later).await;
        assert_eq!(confirmed.unwrap(), Appended::Duplicate { revision: 1 }, "{fault:?}");
        let head = bench.ledger.head(&order).await.unwrap().unwrap();
        assert_eq!((head.observed_at, head.is_confirmed), (later.observed_at, true), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_came_too_late_meets_faults_and_is_recorded_once() {
    for fault in FAULTS {
        let (bench, item) = (Bench::new().await, DocumentKey::manu("acme", "item-save", "1"));
        bench.ledger.append(&message(&bench, &item, "later", 10)).await.unwrap();
        bench.fail("TransactWriteItems", fault, 2);
        let recorded = bench.deps.ledger.append(&message(&bench, &item, "earlier", 5)).await;
        assert_eq!(recorded.unwrap(), Appended::Recorded { revision: 2 }, "{fault:?}");
        let revisions = bench.ledger.revisions(&item).await.unwrap();
        let bodies: Vec<_> = revisions.iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()).collect();
        assert_eq!(bodies, ["later", "earlier", "later"], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_off_before_its_write_leaves_everything_as_it_was() {
    let (bench, item) = (Bench::new().await, DocumentKey::manu("acme", "item-save", "1"));
    bench.ledger.append(&message(&bench, &item, "later", 10)).await.unwrap();
    let before = bench.items();
    bench.fail("TransactWriteItems", CallFault::NotSent, 1000);
    assert!(bench.deps.ledger.append(&message(&bench, &item, "earlier", 5)).await.is_err());
    bench.fail("PutItem", CallFault::NotSent, 1000);
    assert!(bench.deps.ledger.append(&message(&bench, &item, "later", 20)).await.is_err());
    assert_eq!(bench.items(), before);
    bench.heal();
    bench.deps.ledger.append(&message(&bench, &item, "earlier", 5)).await.unwrap();
    assert_eq!(bench.ledger.revisions(&item).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_refuses_is_unavailable_soon_and_nothing_is_written() {
    for fault in [CallFault::Throttled, CallFault::Failed, CallFault::NotSent] {
        let (bench, order) = (Bench::new().await, order());
        bench.fail("*", fault, 1000);
        let begun = Instant::now();
        let refused = bench.deps.ledger.append(&new(&bench, &order)).await;
        assert!(
            matches!(refused, Err(LedgerError::Unavailable { operation: "TransactWriteItems", .. })),
            "{refused:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(8), "{fault:?}: {:?}", begun.elapsed());
        assert!(bench.items().is_empty());
        for refused in [
            bench.deps.ledger.heads(std::slice::from_ref(&order)).await.map(drop),
            bench.deps.ledger.shop_state("acme").await.map(drop),
            bench.deps.ledger.acquire_lease("acme", "a", bench.now(), bench.now()).await.map(drop),
        ] {
            assert!(matches!(refused, Err(LedgerError::Unavailable { .. })), "{refused:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_whose_move_lost_its_answer_is_where_it_was_moved_to() {
    let bench = Bench::new().await;
    let lease = bench.ledger.acquire_lease("acme", "a", bench.now(), bench.now()).await.unwrap().unwrap();
    bench.ledger.move_cursor(&lease, None, &cursor(100)).await.unwrap();
    bench.fail("TransactWriteItems", CallFault::AnswerLost, 1);
    let moved = bench.deps.ledger.move_cursor(&lease, Some(&cursor(100)), &cursor(200)).await.unwrap();
    assert!(matches!(moved, Fenced::Written | Fenced::Changed), "{moved:?}");
    assert_eq!(bench.ledger.shop_state("acme").await.unwrap().created.unwrap().position, 200);
}

#[tokio::test(start_paused = true)]
async fn what_holds_personal_data_expires_and_the_head_holds_none() {
    let (bench, order, shop) = (Bench::new().await, order(), Connection::shop("acme"));
    let now = bench.now();
    bench.ledger.append(&new(&bench, &order)).await.unwrap();
    let line = Delivery {
        at: now,
        request_id: "r".to_owned(),
        outcome: DeliveryOutcome::Recorded,
        status: 200,
        reason: None,
        document: None,
        size_bytes: 1,
        duration: Duration::ZERO,
    };
    bench.ledger.log_delivery(&shop, &line).await.unwrap();
    let unreadable =
        NewQuarantined { body: b"<", content_type: "", reason: "r", document: None, kind: None, source: None, now };
    bench.ledger.quarantine(&shop, &unreadable).await.unwrap();
    bench.ledger.mark_for_refresh(&order, now).await.unwrap();

    let items = bench.items();
    let days = |pk: &str, sk: &str| {
        let has = |item: &&serde_json::Value, name: &str, prefix: &str| {
            item[name]["S"].as_str().is_some_and(|key| key.starts_with(prefix))
        };
        let item = items.iter().find(|item| has(item, "pk", pk) && has(item, "sk", sk)).unwrap();
        let expires_at: Option<i64> = item["expires_at"]["N"].as_str().map(|second| second.parse().unwrap());
        expires_at.map(|second| (second - now.as_second()) / DAY_SECONDS)
    };
    assert_eq!(days("mycashflow#acme#order#58", "head"), None);
    assert_eq!(days("mycashflow#acme#order#58", "rev#"), Some(400));
    assert_eq!(days("log#mycashflow/acme#2026-03-02", ""), Some(90));
    assert_eq!(days("quarantine#mycashflow/acme", ""), Some(90));
    assert_eq!(days("mycashflow#acme", "refresh#"), None, "a mark outlives any pause of the poll");

    let head = items.iter().find(|item| item["sk"]["S"] == "head").unwrap().as_object().unwrap();
    let attributes: Vec<_> = head.keys().map(String::as_str).collect();
    let expected = ["first_seen", "format", "hash", "hash_version", "observed_at", "pk", "revision", "sk", "source"];
    assert_eq!(attributes, expected);
    assert!(!format!("{items:?}").contains("maija"), "bodies are compressed");
}
