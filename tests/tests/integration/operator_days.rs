//! Days as an operator sees them: the shop against the ledger, and what is known of each day.

use std::collections::BTreeSet;
use std::time::Duration;

use console::{Compare, Comparison, Operator, PollKnowledge};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use ledger::{Connection, DocumentKey, HeldFilter, NewQuarantined, QuarantineState, Source};
use tilaussilta_tests::ShopBench;
use world::shop::{Breakage, Via};

use crate::operator::{operator, record};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn acme() -> Connection {
    Connection::shop("acme")
}

/// An operator of the shop.
fn of(world: &ShopBench) -> Operator {
    Operator { shops: world.deps.transport.clone(), ..operator(&world.bench) }
}

fn wish(from: Timestamp, to: Timestamp, record: bool) -> Compare {
    let made = from.as_second()..to.as_second();
    Compare { connection: acme(), made, record, within: Duration::from_secs(3600) }
}

fn ids(of: &[u64]) -> BTreeSet<u64> {
    of.iter().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn a_comparison_names_what_differs_both_ways_and_goes_past_what_it_cannot_read() {
    let world = ShopBench::new().await;
    world.orders(6);
    world.poll().await;
    world.wait(3600).await;
    let later = world.bench.now();
    let missing = world.orders(2);
    world.shop().update_order(later, 3, |order| order.status = Some("Processing".into()));
    world.shop().delete(2);
    world.shop().unreadable(5, Breakage::Value);
    world.shop().unreadable(6, Breakage::Id);
    let before = world.bench.items();
    let operator = of(&world);
    let (from, to) = (later - HOUR * 2, later + HOUR);
    let found = operator.compare(&wish(from, to, false)).await.unwrap();
    assert_eq!(found.missing, ids(&missing));
    assert_eq!(found.different, ids(&[3]));
    assert_eq!(found.only_in_the_ledger, ids(&[2, 6]), "6 is not to be told from one that is gone");
    assert_eq!(found.unreadable, ids(&[5]));
    assert_eq!(found.unnamed.len(), 1, "an order whose id cannot be read is not passed over");
    assert!(!found.is_settled());
    assert_eq!(world.bench.items(), before, "nothing is written");

    let only_later = operator.compare(&wish(later - HOUR / 2, to, false)).await.unwrap();
    let expected = Comparison { missing: ids(&missing), ..Comparison::default() };
    assert_eq!(only_later, expected, "what was made before is not in it");
    let only_earlier = operator.compare(&wish(from, later - HOUR / 2, false)).await.unwrap();
    assert_eq!((only_earlier.missing, only_earlier.different), (ids(&[]), ids(&[3])));

    let recorded = operator.compare(&wish(from, to, true)).await.unwrap();
    assert!(recorded.recorded);
    let again = operator.compare(&wish(from, to, false)).await.unwrap();
    assert_eq!((again.missing, again.different), (ids(&[]), ids(&[])));
    let audited = world.bench.ledger.audited("2026-03-02".parse().unwrap()).await.unwrap();
    assert_eq!(audited.len(), 1, "only what writes is audited: {audited:?}");
    assert_eq!(audited[0].what, "compare --record");
}

#[tokio::test(start_paused = true)]
async fn a_comparison_of_long_ago_does_not_ask_for_everything_since() {
    let world = ShopBench::new().await;
    let now = world.bench.now();
    for minutes in 0..1000 {
        let made_at = now - HOUR * 24 + SignedDuration::from_mins(minutes);
        world.shop().add_made_up(made_at, 7, Via::Api);
    }
    let asked = || {
        let shop = world.shop();
        shop.log().get + shop.log().changes
    };
    let before = asked();
    let operator = of(&world);
    let found = operator.compare(&wish(now - HOUR * 24, now - HOUR * 23, false)).await.unwrap();
    assert_eq!(found.missing.len(), 60);
    assert!(asked() - before <= 2, "{} requests", asked() - before);
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_runs_out_of_time_says_so() {
    let world = ShopBench::new().await;
    world.orders(250);
    let now = world.bench.now();
    let hurried = Compare { within: Duration::from_millis(5_100), ..wish(now - HOUR, now + HOUR, false) };
    let told = of(&world).compare(&hurried).await.unwrap_err().to_string();
    assert!(told.contains("fewer days"), "{told}");
}

fn body(text: &str, now: Timestamp) -> NewQuarantined<'_> {
    NewQuarantined {
        body: text.as_bytes(),
        content_type: "text/xml",
        reason: "it is not XML",
        document: None,
        kind: None,
        source: Some(Source::Push),
        now,
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_is_never_complete_because_nobody_looked() {
    let world = ShopBench::new().await;
    let operator = of(&world);
    let days = async |operator: &Operator| operator.completeness(&acme(), 35).await.unwrap().days;
    let empty = days(&operator).await;
    assert_eq!(empty.len(), 35);
    assert!(empty.iter().all(|day| day.poll == PollKnowledge::NotAsked && !day.is_open()));

    let now = world.bench.now();
    world.bench.ledger.begin_publications(now - HOUR * 72).await.unwrap();
    // 00:30 in Helsinki, still the day before in UTC.
    record(&world.bench, 1, "2026-02-28T22:30:00Z".parse().unwrap()).await;
    let published = record(&world.bench, 2, now - HOUR).await;
    record(&world.bench, 3, now - HOUR).await;
    record(&world.bench, 4, now - SignedDuration::from_mins(1)).await;
    record(&world.bench, 5, now - HOUR * 24 * 20).await;
    world.bench.ledger.note_published(&[published], "one", now).await.unwrap();
    world.bench.ledger.quarantine(&acme(), &body("<Order", now - HOUR * 48)).await.unwrap();
    world.poll().await;

    let told = days(&operator).await;
    let of_day = |day: &str| told.iter().find(|one| one.day == day.parse::<Date>().unwrap()).unwrap();
    let today = of_day("2026-03-02");
    assert_eq!((today.arrivals["poll"], today.published, today.never_published), (3, 1, 1));
    assert_eq!(today.publication_not_known, 1, "what was recorded a minute ago may be under way");
    assert_eq!(today.poll, PollKnowledge::Asked);
    assert!(today.is_open());
    let first = of_day("2026-03-01");
    assert_eq!((first.arrivals["poll"], first.never_published), (1, 1), "a day is one of Helsinki");
    assert_eq!(first.poll, PollKnowledge::NotAsked);
    let broken = of_day("2026-02-28");
    assert_eq!((broken.quarantined, broken.quarantine_open), (Some(1), Some(1)));
    let old = of_day("2026-02-10");
    assert_eq!((old.publication_not_known, old.is_open()), (1, false), "before the records it is not known");
    let account = operator.completeness(&Connection::manu("acme"), 7).await.unwrap();
    assert!(account.days.iter().all(|day| day.poll == PollKnowledge::CannotBeAsked));
}

#[tokio::test(start_paused = true)]
async fn status_counts_the_quarantine_without_reading_all_of_it() {
    let world = ShopBench::new().await;
    let operator = of(&world);
    let now = world.bench.now();
    let of_shop = async || operator.status().await.unwrap().connections.remove(0);
    for number in 0..3 {
        let text = format!("<Order {number}");
        world.bench.ledger.quarantine(&acme(), &body(&text, now)).await.unwrap();
    }
    let held = world.bench.ledger.held(&acme(), HeldFilter::default()).await.unwrap();
    let state = QuarantineState::Dismissed { by: "someone".to_owned(), why: "a test".to_owned() };
    world.bench.ledger.settle_quarantined(&acme(), &held.held[0].id, &state, now).await.unwrap();
    let status = of_shop().await;
    assert_eq!((status.quarantined, status.quarantined_at_least), (2, false));

    // Twelve megabytes that do not compress.
    let mut noise = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let text: String = std::iter::repeat_with(|| noise.alphanumeric()).take(400_000).collect();
        world.bench.ledger.quarantine(&acme(), &body(&text, now)).await.unwrap();
    }
    let before = world.bench.calls();
    let status = of_shop().await;
    assert!(status.quarantined_at_least && status.quarantined > 10, "{status:?}");
    assert!(status.quarantined < 42, "not all of it was read: {status:?}");
    assert!(world.bench.calls() - before < 60, "{}", world.bench.calls() - before);
    let attention = operator.status().await.unwrap().attention;
    assert!(attention.iter().any(|line| line.text.contains("more than is counted")), "{attention:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_repaired_to_what_it_was_is_no_problem_any_more() {
    let world = ShopBench::new().await;
    let order = world.orders(1)[0];
    let document = DocumentKey::order("acme", order);
    let operator = of(&world);
    let open = async || operator.open_quarantine(&acme()).await.unwrap().len();
    let head = async || world.bench.ledger.head(&document).await.unwrap().unwrap();
    let changed_and_polled = async || {
        world.wait(60).await;
        world.shop().update_order(world.bench.now(), order, |_| {});
        world.wait(60).await;
        world.poll().await;
    };
    world.poll().await;
    changed_and_polled().await;
    assert!(head().await.is_confirmed);
    world.shop().unreadable(order, Breakage::Value);
    changed_and_polled().await;
    assert_eq!((open().await, head().await.is_confirmed), (1, false));
    world.shop().heal(order);
    changed_and_polled().await;
    assert_eq!(open().await, 0);
    let repaired = head().await;
    assert_eq!((repaired.revision, repaired.is_confirmed), (1, true), "nothing new was recorded");
    changed_and_polled().await;
    assert_eq!(head().await, repaired, "the head is written once");
}
