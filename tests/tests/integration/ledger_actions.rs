//! The records of actions: whose one is, what a lost answer makes of it, and how long it is kept.

use std::time::Duration;

use cloud::embedded::CallFault;
use jiff::SignedDuration;
use ledger::{Begun, Claim, Connection, ContentHash, Ledger, LedgerError, Retention, Settled};
use tilaussilta_tests::{Bench, TABLE};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn claim<'a>(shop: &'a Connection, owner: &'a str) -> Claim<'a> {
    Claim { connection: shop, key: "d#58", fingerprint: ContentHash::of(b"deliver 58"), owner }
}

async fn begin(bench: &Bench, owner: &str) -> Result<Begun, LedgerError> {
    let shop = Connection::shop("acme");
    let now = bench.now();
    bench.deps.ledger.begin_action(&claim(&shop, owner), now, now + MINUTE).await
}

#[tokio::test(start_paused = true)]
async fn a_try_whose_first_answer_was_lost_is_the_first() {
    let bench = Bench::new().await;
    bench.fail("PutItem", CallFault::AnswerLost, 1);
    assert_eq!(begin(&bench, "a").await.unwrap(), Begun::First);
    let another = begin(&bench, "b").await.unwrap();
    assert!(matches!(another, Begun::Running { .. }), "{another:?}");
}

#[tokio::test(start_paused = true)]
async fn a_takeover_whose_answer_was_lost_keeps_its_doubt() {
    let bench = Bench::new().await;
    assert_eq!(begin(&bench, "a").await.unwrap(), Begun::First);
    tokio::time::advance(Duration::from_secs(61)).await;
    // The first put meets the record of `a`; the second one takes it over, and its answer is lost.
    let client = platform::dynamodb_client(&bench.embedded.config_with(std::sync::Arc::new({
        let calls = std::sync::atomic::AtomicU32::new(0);
        move |_| {
            let second = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1;
            cloud::embedded::CallPlan { fault: second.then_some(CallFault::AnswerLost), ..Default::default() }
        }
    })));
    let ledger = Ledger::new(client, TABLE, Retention::default());
    let (shop, now) = (Connection::shop("acme"), bench.now());
    let begun = ledger.begin_action(&claim(&shop, "b"), now, now + MINUTE).await.unwrap();
    assert_eq!(begun, Begun::Interrupted);
    assert!(ledger.settle_action(&claim(&shop, "b"), &Settled::Done("done".to_owned()), now).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_try_that_failed_leaves_no_doubt_behind() {
    let bench = Bench::new().await;
    // It was written, and not even its repeats by the SDK learnt that.
    bench.fail("PutItem", CallFault::AnswerLost, 3);
    let refused = begin(&bench, "a").await;
    assert!(matches!(refused, Err(LedgerError::Unavailable { operation: "PutItem", .. })), "{refused:?}");
    assert_eq!(begin(&bench, "b").await.unwrap(), Begun::First);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_holds_for_a_time_is_begun_again_after_it_without_a_doubt() {
    let bench = Bench::new().await;
    let shop = Connection::shop("acme");
    begin(&bench, "a").await.unwrap();
    let (now, settled) = (bench.now(), Settled::Done("done".to_owned()));
    assert!(bench.deps.ledger.settle_action_until(&claim(&shop, "a"), &settled, now, now + MINUTE).await.unwrap());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(begin(&bench, "b").await.unwrap(), Begun::Settled(settled));
    tokio::time::advance(Duration::from_secs(1)).await;
    // Of two at once, one begins it.
    let (one, other) = tokio::join!(begin(&bench, "b"), begin(&bench, "c"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!([&one, &other].into_iter().filter(|begun| **begun == Begun::First).count(), 1, "{one:?}, {other:?}");
    assert!([one, other].iter().any(|begun| matches!(begun, Begun::Running { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_record_outlives_the_queues_however_short_the_log_is_kept() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    for (log_days, kept_days) in [(1, 60), (90, 90)] {
        let bench = Bench::new().await;
        let retention = Retention { log: log_days * DAY, ..Retention::default() };
        let ledger = Ledger::new(platform::dynamodb_client(&bench.embedded.config()), TABLE, retention);
        let (shop, now) = (Connection::shop("acme"), bench.now());
        let claim = claim(&shop, "a");
        ledger.begin_action(&claim, now, now + MINUTE).await.unwrap();
        ledger.settle_action(&claim, &Settled::Done("done".to_owned()), now).await.unwrap();
        let expires_at: i64 = bench.items()[0]["expires_at"]["N"].as_str().unwrap().parse().unwrap();
        assert_eq!(expires_at - now.as_second(), kept_days * 24 * 60 * 60);
    }
}
