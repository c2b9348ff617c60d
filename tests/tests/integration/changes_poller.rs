//! The poller, against the simulated shop.

use std::collections::BTreeMap;
use std::time::Duration;

use changes_poller::{PollError, PollRequest, handle};
use cloud::embedded::CallFault;
use ledger::{Connection, Cursor, Fenced, Gap, GapKind, Source, Stream};
use poll::Stopped;
use tilaussilta_tests::{CONNECTIONS, SHOP_KEY, ShopBench, shop_config};
use tokio::time::Instant;
use world::shop::{Breakage, ShopConfig, ShopFault, ShopRequest, Via};

const POLL: PollRequest = PollRequest::Poll { shop: None };

fn backfill(shop: &str, created_after: i64) -> PollRequest {
    PollRequest::Backfill { shop: shop.to_owned(), created_after, dry_run: false }
}

/// What the ledger holds when it knows one revision of each of these orders, and no others.
fn once(orders: impl IntoIterator<Item = u64>) -> BTreeMap<u64, u32> {
    orders.into_iter().map(|order| (order, 1)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_made_through_the_api_is_found_by_the_poll_alone() {
    let world = ShopBench::new().await;
    let order = world.shop().add_made_up(world.bench.now(), 7, Via::Api);
    assert_eq!(world.push().await, [], "the shop sends no POST for it");
    let report = world.poll().await;
    assert_eq!((report.stopped, report.new), (Stopped::CaughtUp, 1));
    assert_eq!(world.sources(order).await, [Source::Poll]);
    let again = world.poll().await;
    assert_eq!((again.stopped, again.new, again.updated), (Stopped::CaughtUp, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pushed_order_that_the_poll_sees_too_stays_one_revision() {
    let world = ShopBench::new().await;
    let order = world.shop().add_made_up(world.bench.now(), 7, Via::Web);
    assert_eq!(world.push().await, [(200, format!("recorded: order/{order}, revision 1"))]);
    let report = world.poll().await;
    assert_eq!((report.new, report.updated, report.unchanged), (0, 0, 2), "once in each stream");
    assert_eq!(world.sources(order).await, [Source::Push]);
}

#[tokio::test(start_paused = true)]
async fn a_change_in_the_shop_is_the_next_revision() {
    let world = ShopBench::new().await;
    let order = world.orders(3)[1];
    world.poll().await;
    world.wait(3600).await;
    let form = format!("key={SHOP_KEY}&action=deliver&order={order}");
    let deliver = ShopRequest {
        method: "POST",
        path: "/webhooks/process",
        query: "",
        content_type: Some("application/x-www-form-urlencoded"),
        body: form.as_bytes(),
    };
    let now = world.bench.now();
    assert_eq!(world.shop().handle(now, &deliver).status, 200);
    world.wait(1).await;
    let report = world.poll().await;
    assert_eq!((report.new, report.updated), (0, 1));
    assert_eq!(world.sources(order).await, [Source::Poll, Source::Poll]);
}

#[tokio::test(start_paused = true)]
async fn there_and_back_again_is_three_revisions() {
    let world = ShopBench::new().await;
    let order = world.orders(1)[0];
    world.poll().await;
    for status in ["Shipped", "Open"] {
        world.wait(300).await;
        let now = world.bench.now();
        world.shop().update_order(now, order, |order| order.status = Some(status.into()));
        world.poll().await;
    }
    assert_eq!(world.sources(order).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn many_orders_are_read_over_several_pages() {
    for time_to in [true, false] {
        let world = ShopBench::with(CONNECTIONS, ShopConfig { time_to, ..shop_config() }).await;
        let orders = world.orders(250);
        let report = world.poll().await;
        assert_eq!((report.stopped, report.new, report.gaps_open), (Stopped::CaughtUp, 250, 0), "{report:?}");
        assert_eq!(world.recorded(), once(orders));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_order_is_quarantined_once_and_the_others_are_recorded() {
    for breakage in [Breakage::Value, Breakage::Syntax] {
        let world = ShopBench::new().await;
        let orders = world.orders(3);
        world.shop().unreadable(orders[1], breakage);
        let report = world.poll().await;
        assert_eq!(
            (report.stopped, report.new, report.quarantined),
            (Stopped::CaughtUp, 2, 1),
            "{breakage:?} {report:?}"
        );
        assert_eq!(world.poll().await.quarantined, 0, "it is in quarantine already");
        let kept = world.bench.ledger.quarantined(&Connection::shop("acme")).await.unwrap();
        assert_eq!(kept.len(), 1, "{breakage:?}");
        assert_eq!(kept[0].document, Some(format!("order/{}", orders[1])));
        let slice = String::from_utf8(kept[0].body.clone()).unwrap();
        assert!(slice.starts_with("<Order ") && slice.ends_with("</Order>"), "its own slice of the page: {slice}");
        assert_eq!(world.sources(orders[1]).await, []);

        world.shop().heal(orders[1]);
        assert_eq!(world.poll().await.new, 1, "repaired within the overlap, it is found");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_too_large_for_an_item_is_quarantined_and_counted() {
    let world = ShopBench::new().await;
    let orders = world.orders(2);
    let mut rng = fastrand::Rng::with_seed(1);
    let noise: String = std::iter::repeat_with(|| rng.alphanumeric()).take(600_000).collect();
    let now = world.bench.now();
    world.shop().update_order(now, orders[0], |order| order.comments = Some(noise.into()));
    let report = world.poll().await;
    assert_eq!((report.stopped, report.new), (Stopped::CaughtUp, 1), "{report:?}");
    let kept = world.bench.ledger.quarantined(&Connection::shop("acme")).await.unwrap();
    assert_eq!((kept.len(), kept[0].document.clone()), (1, Some(format!("order/{}", orders[0]))));
    assert_eq!(report.quarantined, 1, "what is not in the ledger is not called unchanged: {report:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_spoils_its_page_becomes_a_gap_that_is_closed_when_it_can_be_served() {
    let world = ShopBench::new().await;
    world.orders(3);
    world.poll().await;
    world.wait(3600).await;
    let now = world.bench.now();
    let made_at = |index: u64| now - Duration::from_secs(60 * (30 - index));
    let orders: Vec<u64> = (0..30).map(|index| world.shop().add_made_up(made_at(index), 7, Via::Api)).collect();
    world.shop().poison(orders[14]);
    let report = world.poll().await;
    assert!(report.gaps_open > 0 && report.failure.is_none(), "{report:?}");
    assert_eq!(world.recorded(), once((1..=33).filter(|order| *order != orders[14])));
    world.shop().heal(orders[14]);
    world.wait(300).await;
    let report = world.poll().await;
    assert_eq!((report.stopped, report.gaps_open), (Stopped::CaughtUp, 0), "{report:?}");
    assert_eq!(world.sources(orders[14]).await, [Source::Poll]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_a_failure_that_names_no_secret() {
    let wrong = CONNECTIONS.replace(SHOP_KEY, "planted-wrong-key");
    let world = ShopBench::with(&wrong, shop_config()).await;
    world.orders(1);
    let report = world.run(&POLL).await;
    assert_eq!(report.shops[0].stopped, Stopped::Failed);
    let failures = report.failures().unwrap();
    assert!(failures.starts_with("acme: the shop"), "{failures}");
    assert!(!format!("{report:?}").contains("planted"), "{report:?}");
    let start = 1_772_316_000; // The midnight in Helsinki that the connections name.
    assert_eq!(world.cursors().await, (Some(start), Some(start)), "nothing was seen, so nothing is passed");
}

#[tokio::test(start_paused = true)]
async fn a_failing_shop_leaves_the_cursors_and_the_next_run_finds_everything() {
    let faults = [
        ShopFault::Html,
        ShopFault::Cut,
        ShopFault::Empty,
        ShopFault::ErrorDocument,
        ShopFault::Status(500),
        ShopFault::Status(429),
        ShopFault::Timeout,
    ];
    for fault in faults {
        let world = ShopBench::new().await;
        world.poll().await;
        let before = world.cursors().await;
        world.wait(600).await;
        let order = world.orders(1)[0];
        world.shop().fail_next(fault, 1000);
        let report = world.poll().await;
        assert!(matches!(report.stopped, Stopped::Failed | Stopped::Deadline), "{fault:?}: {report:?}");
        assert_eq!(world.cursors().await, before, "{fault:?}");
        let state = world.state().await;
        assert_eq!((state.lease, state.gaps.len()), (None, 0), "{fault:?}: no window is spoilt when nothing answers");

        world.heal();
        assert_eq!(world.poll().await.new, 1, "{fault:?}");
        assert_eq!(world.sources(order).await, [Source::Poll]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_passes_is_overcome_within_the_run() {
    for fault in [
        ShopFault::Html,
        ShopFault::Cut,
        ShopFault::Empty,
        ShopFault::Status(500),
        ShopFault::Status(429),
        ShopFault::Timeout,
    ] {
        let world = ShopBench::new().await;
        world.orders(1);
        world.shop().fail_next(fault, 2);
        let report = world.poll().await;
        assert_eq!((report.stopped, report.new), (Stopped::CaughtUp, 1), "{fault:?}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_refuses_is_a_failure_and_the_next_run_finds_everything() {
    let world = ShopBench::new().await;
    let orders = world.orders(120);
    world.bench.fail("TransactWriteItems", CallFault::Throttled, 60);
    let report = world.poll().await;
    assert_eq!(report.stopped, Stopped::Failed, "{report:?}");
    world.bench.heal();
    assert_eq!(world.poll().await.stopped, Stopped::CaughtUp);
    assert_eq!(world.recorded(), once(orders));
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_another_run_polls_is_left_alone() {
    let world = ShopBench::new().await;
    let order = world.orders(1)[0];
    let now = world.bench.now();
    let until = now + Duration::from_secs(330);
    world.bench.ledger.acquire_lease("acme", "another run", now, until).await.unwrap().unwrap();
    assert_eq!(world.poll().await.stopped, Stopped::LeaseHeld);
    assert_eq!(world.shop().log().changes, 0, "the shop is not even asked");
    world.wait(331).await;
    assert_eq!(world.poll().await.stopped, Stopped::CaughtUp, "the other run is taken for dead");
    assert_eq!(world.sources(order).await, [Source::Poll]);
    assert_eq!(world.state().await.lease, None, "and the lease is given back");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_its_lease_moves_no_cursor() {
    let world = ShopBench::new().await;
    world.orders(1);
    let ledger = world.bench.ledger.clone();
    let now = world.bench.now();
    let lease = ledger.acquire_lease("acme", "old", now, now).await.unwrap().unwrap();
    world.wait(1).await;
    world.poll().await;
    let state = world.state().await;
    let from = state.created.unwrap();
    let to = ledger::Cursor { position: from.position + 1, ..from.clone() };
    assert_eq!(ledger.move_cursor(&lease, Some(&from), &to).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(world.cursors().await.0, Some(from.position));
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_before_its_deadline_and_the_next_goes_on() {
    let world = ShopBench::new().await;
    world.orders(250);
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(6300);
    let report = handle(&world.deps, &POLL, "short", deadline).await.unwrap().shops.remove(0);
    assert_eq!(report.stopped, Stopped::Deadline, "{report:?}");
    assert_eq!(report.failure, None, "to stop in time is no failure");
    assert!(Instant::now() < deadline && report.new > 0, "{report:?}");
    assert_eq!(world.state().await.lease, None);
    let rest = world.poll().await;
    assert_eq!((rest.stopped, report.new + rest.new), (Stopped::CaughtUp, 250), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backfill_leaves_the_live_cursors_and_a_second_one_writes_nothing() {
    let world = ShopBench::new().await;
    world.poll().await;
    let before = world.cursors().await;
    let long_ago = "2025-06-01T12:00:00Z".parse().unwrap();
    let old: Vec<u64> = (0..110).map(|_| world.shop().add_made_up(long_ago, 7, Via::Api)).collect();
    let first = world.only(&backfill("acme", 1_735_689_600)).await;
    assert_eq!((first.stopped, first.new, first.resume_from), (Stopped::CaughtUp, 110, None));
    assert_eq!(world.cursors().await, before);
    assert_eq!(world.sources(old[0]).await, [Source::Backfill]);
    assert_eq!(world.recorded(), once(old));
    let items = world.bench.items();
    let second = world.only(&backfill("acme", 1_735_689_600)).await;
    assert_eq!((second.stopped, second.new, second.updated), (Stopped::CaughtUp, 0, 0));
    assert_eq!(world.bench.items(), items);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_lists_what_is_missing_and_writes_nothing() {
    let world = ShopBench::new().await;
    let orders = world.orders(2);
    let event = PollRequest::Backfill { shop: "acme".to_owned(), created_after: 1_735_689_600, dry_run: true };
    let report = world.only(&event).await;
    let missing: Vec<_> = report.differences.iter().map(|difference| (difference.order, difference.known)).collect();
    assert_eq!(missing, [(orders[0], false), (orders[1], false)]);
    assert!(world.bench.items().is_empty());
}

#[tokio::test(start_paused = true)]
async fn named_orders_are_asked_for_and_the_cursors_stay() {
    let world = ShopBench::new().await;
    let orders = world.orders(4);
    let event = PollRequest::Refresh { shop: "acme".to_owned(), orders: vec![orders[0], orders[2], 9999] };
    let report = world.only(&event).await;
    assert_eq!((report.stopped, report.new), (Stopped::CaughtUp, 2), "an order that there is not is no failure");
    assert_eq!(world.sources(orders[0]).await, [Source::Refresh]);
    assert_eq!(world.sources(orders[1]).await, []);
    assert_eq!(world.cursors().await, (None, None));
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_posts_differ_is_asked_for_by_the_next_run() {
    let world = ShopBench::new().await;
    let now = world.bench.now();
    let order = world.shop().add_made_up(now, 7, Via::Web);
    world.push().await;
    world.wait(60).await;
    let now = world.bench.now();
    world.shop().update_order(now, order, |order| order.status = Some("Shipped".into()));
    let query = format!("key={SHOP_KEY}&order={order}");
    let send = ShopRequest { method: "GET", path: "/webhooks/send", query: &query, content_type: None, body: b"" };
    assert_eq!(world.shop().handle(now, &send).status, 200);
    world.push().await;
    assert_eq!(world.state().await.refreshes.len(), 1);
    world.wait(60).await;
    world.poll().await;
    assert_eq!(world.state().await.refreshes, [], "asked for, and no longer owed");
    assert_eq!(world.sources(order).await, [Source::Push, Source::Push], "the last POST was right");
    assert_eq!(world.shop().log().get, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_shop_is_an_error() {
    let world = ShopBench::new().await;
    let stranger = "stranger".to_owned();
    for event in [PollRequest::Poll { shop: Some(stranger.clone()) }, backfill("stranger", 0)] {
        let refused = handle(&world.deps, &event, "run", Instant::now() + Duration::from_secs(300)).await;
        assert_eq!(refused, Err(PollError::UnknownShop(stranger.clone())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_fails_does_not_stop_another() {
    let two = CONNECTIONS.replace(
        r#""shops": {"#,
        r#""shops": { "aamu": { "url": "http://gone.invalid", "key": "planted-key-of-aamu" },"#,
    );
    let world = ShopBench::with(&two, shop_config()).await;
    world.orders(3);
    let report = world.run(&POLL).await;
    let stopped: Vec<_> = report.shops.iter().map(|shop| (&*shop.shop, shop.stopped, shop.new)).collect();
    assert_eq!(stopped, [("aamu", Stopped::Failed, 0), ("acme", Stopped::CaughtUp, 3)]);
    let failures = report.failures().unwrap();
    assert!(failures.starts_with("aamu: ") && !failures.contains("planted"), "{failures}");

    let one = world.run(&PollRequest::Poll { shop: Some("acme".to_owned()) }).await;
    assert_eq!((one.shops.len(), one.failures()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn an_order_dated_in_the_future_takes_no_cursor_there() {
    let world = ShopBench::new().await;
    let now = world.bench.now();
    world.shop().set_visible_after(jiff::SignedDuration::from_hours(-24 * 365));
    let future = world.shop().add_made_up(now + Duration::from_secs(24 * 3600), 7, Via::Api);
    world.shop().set_visible_after(jiff::SignedDuration::ZERO);
    world.poll().await;
    assert_eq!(world.recorded(), once([future]));
    let (created, _) = world.cursors().await;
    assert!(created.unwrap() <= world.bench.now().as_second(), "{created:?}");
    let ordinary = world.shop().add_made_up(world.bench.now(), 8, Via::Api);
    world.wait(300).await;
    world.poll().await;
    assert_eq!(world.recorded(), once([future, ordinary]));
}

/// A window in which more orders share a second than one answer holds, behind a cursor that finished a later second.
#[tokio::test(start_paused = true)]
async fn a_window_that_can_be_served_again_is_read_whole() {
    let world = ShopBench::new().await;
    let now = world.bench.now();
    let crowded = now - Duration::from_secs(6 * 3600);
    let orders: Vec<u64> = (0..150).map(|_| world.shop().add_made_up(crowded, 7, Via::Api)).collect();
    let ledger = &world.bench.ledger;
    let lease = ledger.acquire_lease("acme", "earlier", now, now).await.unwrap().unwrap();
    let second = crowded.as_second();
    for stream in [Stream::Created, Stream::Updated] {
        let cursor = Cursor {
            stream,
            position: now.as_second(),
            highest_order: orders.last().copied(),
            finished_through: Some(second + 3600),
            moved_at: now,
            run: "earlier".to_owned(),
        };
        ledger.move_cursor(&lease, None, &cursor).await.unwrap();
    }
    let kind = GapKind::Window { stream: Stream::Created, from: second - 60, until: second + 60, between: None };
    let gap = Gap { kind, reason: "the shop was in trouble".to_owned(), opened_at: now, tries: 3 };
    ledger.put_gap(&lease, &gap).await.unwrap();
    world.wait(1).await;
    let report = world.poll().await;
    assert_eq!((report.stopped, report.gaps_open), (Stopped::CaughtUp, 0), "{report:?}");
    assert_eq!(world.recorded(), once(orders));
}

#[tokio::test(start_paused = true)]
async fn a_window_is_narrowed_to_what_the_shop_cannot_serve() {
    let world = ShopBench::new().await;
    world.orders(1);
    world.poll().await;
    let now = world.bench.now();
    let made_at = |index: u64| now - Duration::from_secs(7200 - 10 * index);
    let orders: Vec<u64> = (0..50).map(|index| world.shop().add_made_up(made_at(index), 7, Via::Api)).collect();
    world.shop().poison(orders[20]);
    let lease = world.bench.ledger.acquire_lease("acme", "earlier", now, now).await.unwrap().unwrap();
    let from = made_at(0).as_second() - 1;
    let kind = GapKind::Window { stream: Stream::Created, from, until: made_at(49).as_second() + 1, between: None };
    let gap = Gap { kind, reason: "the shop was in trouble".to_owned(), opened_at: now, tries: 0 };
    world.bench.ledger.put_gap(&lease, &gap).await.unwrap();
    world.wait(1).await;
    world.poll().await;
    let gaps = world.state().await.gaps;
    let windows: Vec<_> = gaps
        .iter()
        .filter_map(|gap| match gap.kind {
            GapKind::Window { from, until, .. } => Some((from, until, gap.tries, gap.opened_at)),
            _ => None,
        })
        .collect();
    assert_eq!(windows, [(from, made_at(20).as_second() + 1, 1, now)], "{gaps:?}");
    let recorded = world.recorded();
    assert!(orders[21..].iter().all(|order| recorded.contains_key(order)), "{recorded:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_uses_its_time_up_for_nothing_is_a_failure() {
    let world = ShopBench::new().await;
    world.poll().await;
    world.shop().fail_next(ShopFault::Timeout, 100);
    let report = world.poll().await;
    assert_eq!(report.stopped, Stopped::Failed, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_wants_to_be_left_alone_is_not_searched_for_poison() {
    let world = ShopBench::new().await;
    world.orders(3);
    world.poll().await;
    let asked = || world.shop().log().changes;
    let before = asked();
    world.shop().fail_next(ShopFault::Status(429), 100);
    let report = world.poll().await;
    assert_eq!(report.failure.as_deref(), Some("the shop answered with status 429"));
    assert_eq!(asked() - before, 4, "one question, asked four times");
    assert_eq!(report.gaps_open, 0);
}
