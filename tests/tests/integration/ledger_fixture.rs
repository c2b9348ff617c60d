//! A ledger that commit dae193d wrote, with every kind of item: whatever changes, it is read, polled, published and
//! erased. `tests/tests/fixtures/README.md` says how it was made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cloud::embedded::Embedded;
use cloud::messaging::Messaging;
use connections::Connections;
use jiff::Timestamp;
use jiff::civil::date;
use ledger::{
    Appended, Connection, ContentHash, DeliveryOutcome, DocumentKey, Erasure, Evidence, GapKind, NewRevision, Rehash,
    Revision, Settled, Source, Stream,
};
use manu::WebhookType;
use mycashflow::{Limits, Order, read_page};
use sandbox::functions::Functions;
use serde_json::json;
use tempfile::TempDir;
use tilaussilta_tests::{Bench, CONNECTIONS, ShopBench, shop_config};
use world::shop::{Breakage, Via};

/// The order that was erased, and the one that the shop showed unreadable.
const ERASED: u64 = 3;
const UNREADABLE: u64 = 9;

/// A copy of the ledger, two minutes after its last write. It lives as long as the directory.
async fn ledger() -> (Bench, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("ledger.db");
    std::fs::copy(fixture("ledger-dae193d.db"), &copy).unwrap();
    let start: Timestamp = "2026-03-02T08:04:00Z".parse().unwrap();
    let connections = Connections::parse(CONNECTIONS).unwrap();
    (Bench::over(Embedded::in_file(&copy).unwrap(), start, connections).await, directory)
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The orders that the shop had, the unreadable one included.
fn orders() -> BTreeMap<u64, Order> {
    let document = std::fs::read(fixture("orders-dae193d.xml")).unwrap();
    let page = read_page(&document, None, &Limits::default()).unwrap();
    page.entries.into_iter().map(|entry| entry.order.unwrap()).map(|order| (order.id, order)).collect()
}

/// The ledger's shop, as it was when the ledger was written last.
fn shop(bench: Bench) -> ShopBench {
    let world = ShopBench::over(bench, shop_config());
    for (id, order) in orders() {
        let made_at = order.created_at.unwrap();
        assert_eq!(world.shop().add_order(made_at, order, Via::Api), id);
    }
    world.shop().unreadable(UNREADABLE, Breakage::Value);
    world
}

fn order(id: u64) -> DocumentKey {
    DocumentKey::order("acme", id)
}

#[tokio::test(start_paused = true)]
async fn documents_of_dae193d_are_read() {
    let (bench, _directory) = ledger().await;
    let ledger = &bench.ledger;
    let mut sources = BTreeSet::new();
    let mut numbers = BTreeMap::new();
    for id in 1..=12 {
        let revisions = ledger.revisions(&order(id)).await.unwrap();
        let head = ledger.head(&order(id)).await.unwrap();
        assert_eq!(
            head.as_ref().map(|head| head.revision),
            match id {
                UNREADABLE => None,
                ERASED => Some(1),
                _ => Some(revisions.len() as u32),
            }
        );
        if let (Some(head), Some(last)) = (head, revisions.last()) {
            assert_eq!((head.hash, head.observed_at, head.source), (last.hash, last.observed_at, last.source));
        }
        for revision in &revisions {
            let page = read_page(&revision.body, Some(&revision.content_type), &Limits::default()).unwrap();
            assert_eq!(page.entries[0].order.as_ref().unwrap().id, id);
            sources.insert(revision.source.as_str());
        }
        numbers.insert(id, revisions.len());
    }
    assert_eq!(sources, BTreeSet::from(["backfill", "poll", "push", "refresh"]));
    assert_eq!(numbers.values().copied().collect::<Vec<_>>(), [1, 1, 0, 2, 2, 1, 1, 1, 0, 1, 2, 2]);
    for (id, webhook) in (4711..).zip(WebhookType::ALL) {
        let document = DocumentKey::manu("acme", webhook.slug(), id.to_string());
        assert_eq!(ledger.revisions(&document).await.unwrap().len(), 1, "{document}");
    }
    let twice = DocumentKey::manu("acme", WebhookType::ALL[0].slug(), "SO#1/ä");
    assert_eq!(ledger.revisions(&twice).await.unwrap().len(), 2);
    assert_eq!(ledger.head(&twice).await.unwrap().unwrap().source, Source::Push);
}

#[tokio::test(start_paused = true)]
async fn the_polls_state_of_dae193d_is_read() {
    let (bench, _directory) = ledger().await;
    let state = bench.ledger.shop_state("acme").await.unwrap();
    let created = state.created.unwrap();
    assert_eq!((created.position, created.highest_order, created.finished_through), (1_772_438_466, Some(12), None));
    let updated = state.updated.unwrap();
    assert_eq!((updated.position, updated.highest_order), (1_772_437_897, Some(12)));
    assert_eq!(updated.finished_through, Some(1_772_436_120));
    let at = 1_772_436_240;
    let kinds: Vec<GapKind> = state.gaps.iter().map(|gap| gap.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            GapKind::Window { stream: Stream::Created, from: at, until: at + 60, between: Some((4, 6)) },
            GapKind::Numbers { stream: Stream::Created, second: at, next: 4, last: None },
            GapKind::Order { order: 10 },
            GapKind::Window { stream: Stream::Updated, from: at, until: at + 90, between: None },
            GapKind::Numbers { stream: Stream::Updated, second: at + 60, next: 2, last: Some(12) },
        ]
    );
    assert!(state.gaps.iter().all(|gap| (&*gap.reason, gap.tries) == ("status 500", 3)));
    assert_eq!(state.refreshes.iter().map(|(order, _)| *order).collect::<Vec<_>>(), [11, 4]);
    assert_eq!(state.ending_refreshes, state.refreshes);
    assert_eq!(state.lease.unwrap().owner, "run-killed");
}

#[tokio::test(start_paused = true)]
async fn marks_of_dae193d_lose_their_end() {
    let (bench, _directory) = ledger().await;
    let before = bench.ledger.shop_state("acme").await.unwrap();
    bench.ledger.clear_refresh(&order(4), before.refreshes[1].1).await.unwrap();
    bench.ledger.keep_refreshes("acme", &before.ending_refreshes).await.unwrap();
    let after = bench.ledger.shop_state("acme").await.unwrap();
    assert_eq!(after.refreshes, before.refreshes[..1], "the one that was cleared meanwhile does not come back");
    assert_eq!(after.ending_refreshes, []);
}

/// The hash as a later reader would make it.
fn in_second_version(order: &Order) -> ContentHash {
    ContentHash::in_version(2, &[&*order.canonical_json(), b"with a new element"].concat())
}

#[tokio::test(start_paused = true)]
async fn a_later_reader_makes_no_revision_of_the_orders_of_dae193d() {
    let (bench, _directory) = ledger().await;
    let read = |body: &[u8]| read_page(body, None, &Limits::default()).ok()?.entries.into_iter().next()?.order.ok();
    let before = bench.kept();
    for (id, shown) in orders() {
        // Those that changed after their last revision.
        if [4, 5, UNREADABLE, 11].contains(&id) {
            continue;
        }
        let (document, now) = (order(id), bench.now());
        let new = NewRevision {
            summary: None,
            document: &document,
            source: Source::Poll,
            observed_at: now,
            evidence: Evidence::Asked,
            hash: in_second_version(&shown),
            body: b"<Order/>",
            content_type: "application/xml",
            now,
        };
        let of_revision = |revision: &Revision| read(&revision.body).as_ref().map(in_second_version);
        let of_copy = |version| (version == 1).then(|| ContentHash::of(&shown.canonical_json()));
        let rehash = Rehash { of_revision: &of_revision, of_copy: &of_copy };
        let appended = bench.ledger.append_settling(None, &new, &rehash).await.unwrap();
        assert!(matches!(appended, Appended::Duplicate { .. }), "order {id}: {appended:?}");
    }
    assert_eq!(bench.kept(), before);
}

#[tokio::test(start_paused = true)]
async fn the_records_of_dae193d_are_read() {
    let (bench, _directory) = ledger().await;
    let (ledger, day) = (&bench.ledger, date(2026, 3, 2));
    let (shop, account) = (Connection::shop("acme"), Connection::manu("acme"));
    let unknown = Connection::unknown(ledger::System::Mycashflow);
    let outcomes = async |of: &Connection| -> Vec<DeliveryOutcome> {
        ledger.deliveries(of, day).await.unwrap().iter().map(|line| line.outcome).collect()
    };
    use DeliveryOutcome::{Duplicate, Quarantined, Recorded, Rejected, Stale};
    let shops = [Recorded, Duplicate, Recorded, Stale, Recorded, Quarantined, Quarantined, Rejected];
    assert_eq!(outcomes(&shop).await, shops);
    assert_eq!(outcomes(&unknown).await, [Rejected, Rejected]);
    assert_eq!(outcomes(&account).await.len(), 18);
    let held = ledger.quarantined(&shop).await.unwrap();
    let documents: Vec<_> = held.iter().map(|held| held.document.as_deref()).collect();
    assert_eq!(documents, [Some("order/9"), None, None]);
    assert_eq!(ledger.quarantined(&account).await.unwrap()[0].body, b"{\"id\":");
    let settled = async |key: &str| ledger.settled_action(&shop, key).await.unwrap();
    assert_eq!(settled("parcel-1#4").await, Some(Settled::Done("delivered".to_owned())));
    assert_eq!(settled("deliver-lock#order/4").await, Some(Settled::Done("delivered".to_owned())));
    assert_eq!(settled("parcel-2#6").await, None, "it was begun only");
    assert_eq!(settled("parcel-3#7").await, Some(Settled::Unknown("the answer was lost".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_shop_is_polled_over_the_ledger_of_dae193d() {
    let (bench, _directory) = ledger().await;
    let world = shop(bench);
    let before = world.recorded();
    let report = world.poll().await;
    assert_eq!(report.failure, None);
    let state = world.state().await;
    assert_eq!(state.gaps, [], "the shop serves all of it now");
    assert_eq!(state.refreshes, [], "both orders were asked for");
    assert!(state.created.unwrap().position >= 1_772_438_466);
    let after = world.recorded();
    // The marked ones: 4 was delivered since, and of 11 a copy was pushed that the shop does not show.
    let changed: Vec<u64> =
        after.iter().filter(|(id, count)| before.get(id) != Some(count)).map(|(id, _)| *id).collect();
    assert!(changed.iter().all(|id| [4, 5, 11].contains(id)), "{changed:?}");
    assert_eq!(world.sources(11).await.len(), 3);
    assert_eq!(after.get(&ERASED), None, "an erased order does not come back");

    world.wait(60).await;
    world.shop().heal(UNREADABLE);
    let now = world.bench.now();
    let changed = |order: &mut Order| order.comments = Some("Muutettu.".into());
    assert!(world.shop().update_order(now, UNREADABLE, changed));
    assert!(world.shop().update_order(now, 6, changed));
    world.wait(60).await;
    let report = world.poll().await;
    assert_eq!((report.new, report.updated, report.failure), (1, 1, None));
    assert_eq!(world.sources(6).await, [Source::Poll; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_backfill_over_the_ledger_of_dae193d_records_nothing() {
    let (bench, _directory) = ledger().await;
    let world = shop(bench);
    world.poll().await;
    let before = world.recorded();
    let past = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
    let event = changes_poller::PollRequest::Backfill { shop: "acme".to_owned(), created_after: past, dry_run: false };
    assert_eq!(world.only(&event).await.failure, None);
    assert_eq!(world.recorded(), before);
}

#[tokio::test(start_paused = true)]
async fn every_revision_of_dae193d_is_published_under_its_id() {
    let (bench, _directory) = ledger().await;
    let world = shop(bench);
    let messaging = Messaging::new(world.deps.base.clock.clone());
    let functions = Functions::new(world.deps.clone(), &messaging);
    for connection in ["mycashflow/acme", "manu/acme"] {
        let republish = json!({ "republish": {
            "connection": connection, "from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z",
        } });
        functions.invoke("event-relay", &republish.to_string()).await.unwrap();
    }
    let ids: BTreeSet<String> = messaging.events().iter().map(|event| event["detail"]["id"].to_string()).collect();
    let revisions = world.bench.kept().iter().filter(|key| key.contains(" rev#")).count();
    assert_eq!(ids.len(), revisions);
    assert!(ids.contains("\"mycashflow/acme/order/12/2\""), "{ids:?}");
    assert!(ids.contains("\"manu/acme/agreement-activate/SO#1/ä/2\""), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_of_dae193d_is_erased() {
    let (bench, _directory) = ledger().await;
    let world = shop(bench);
    let erasure = Erasure { unassigned: false, dry_run: false };
    let erased = world.bench.ledger.erase(&order(12), erasure, world.bench.now()).await.unwrap();
    assert_eq!(erased.revisions, 2);
    let report = world.poll().await;
    assert_eq!(report.failure, None);
    assert_eq!(world.bench.ledger.revisions(&order(12)).await.unwrap(), [], "the poll has seen it and left it erased");
    let erased = world.bench.ledger.erase(&order(UNREADABLE), erasure, world.bench.now()).await.unwrap();
    assert_eq!((erased.revisions, erased.quarantined), (0, 2), "as dae193d kept it, and as the shop shows it now");
}
