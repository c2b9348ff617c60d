//! The poller, against a shop that is not as assumed: what an answer shows is recorded, what it says of itself is
//! believed, and nothing holds up anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use changes_poller::PollRequest;
use ledger::{DocumentKey, GapKind, Stream};
use poll::{OVERLAP_SECONDS, SetBack, ShopReport, Stopped, set_cursor_back};
use tilaussilta_tests::ShopBench;

use crate::odd_shop::{Counts, OddShop, SortedBy, ToOddShop};

const DAY: i64 = 24 * 60 * 60;

/// A bench whose shop `acme` is an odd one. The poll begins at 2026-02-28T22:00:00Z, a day and ten hours ago.
async fn bench(make: impl FnOnce(&mut OddShop, i64)) -> (ShopBench, ToOddShop) {
    let mut world = ShopBench::new().await;
    let mut shop = OddShop::new();
    make(&mut shop, world.bench.now().as_second());
    let way = ToOddShop::new(shop, world.bench.deps.clock.clone());
    world.deps.transport = Arc::new(way.clone());
    (world, way)
}

fn revisions(world: &ShopBench) -> BTreeMap<u64, u32> {
    world.recorded()
}

fn recorded(world: &ShopBench) -> BTreeSet<u64> {
    world.recorded().into_keys().collect()
}

fn backfill(created_after: i64) -> PollRequest {
    PollRequest::Backfill { shop: "acme".to_owned(), created_after, dry_run: false }
}

async fn polls(world: &ShopBench, times: u32) -> ShopReport {
    let mut report = world.poll().await;
    for _ in 1..times {
        world.wait(300).await;
        report = world.poll().await;
    }
    report
}

#[tokio::test(start_paused = true)]
async fn a_page_with_fewer_orders_than_the_shop_counts_is_not_the_last() {
    for (page, hides_first) in [(100, false), (50, false), (20, false), (100, true), (50, true)] {
        let (world, way) = bench(|shop, now| {
            shop.page = page;
            shop.hides_first = hides_first;
            shop.hidden = [37].into();
            (1..=250).for_each(|id| shop.put(id, now - DAY + 100 * id as i64));
        })
        .await;
        let visible: BTreeSet<u64> = (1..=250).filter(|id| *id != 37).collect();
        let report = world.poll().await;
        assert_eq!(recorded(&world), visible, "{page} in a page: {report:?}");
        assert!(report.gaps_open > 0, "one is counted and was never shown: {report:?}");
        let now = world.bench.now().as_second();
        (1..=250).for_each(|id| way.shop().change(id, now - 300 + id as i64, "Shipped"));
        polls(&world, 2).await;
        let made = revisions(&world);
        assert!(visible.iter().all(|id| made[id] == 2), "{page} in a page: {:?}", revisions(&world));
        assert!(polls(&world, 1).await.gaps_open > 0, "it is still not shown");
        way.shop().hidden.clear();
        let report = polls(&world, 1).await;
        assert_eq!((report.gaps_open, recorded(&world).len()), (0, 250), "{page} in a page: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_a_full_page_nor_an_answer_without_a_count_closes_the_gap_of_an_order_that_is_not_shown() {
    let (world, way) = bench(|shop, now| {
        shop.hides_first = true;
        shop.hidden = [37].into();
        for id in 1..=250 {
            shop.put(id, now - DAY + 100 * id as i64);
            // The other stream shows none of them.
            shop.change(id, now - 3 * DAY, "Open");
        }
    })
    .await;
    assert!(polls(&world, 3).await.gaps_open > 0, "the pages are full, and one order is not on them");
    way.shop().counts = Counts::Nothing;
    assert!(polls(&world, 3).await.gaps_open > 0, "nothing is counted");
    way.shop().counts = Counts::Whole;
    assert!(polls(&world, 3).await.gaps_open > 0, "it is still not shown");
    way.shop().hidden.clear();
    let report = polls(&world, 3).await;
    assert_eq!((report.gaps_open, recorded(&world).len()), (0, 250), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_count_of_the_page_alone_or_none_leaves_no_gap() {
    for counts in [Counts::PageOnly, Counts::Nothing] {
        let (world, way) = bench(|shop, now| {
            shop.counts = counts;
            (1..=250).for_each(|id| shop.put(id, now - DAY + 100 * id as i64));
        })
        .await;
        let report = world.poll().await;
        assert_eq!(
            (report.stopped, report.gaps_open, recorded(&world).len()),
            (Stopped::CaughtUp, 0, 250),
            "{counts:?}"
        );
        let now = world.bench.now().as_second();
        (1..=250).for_each(|id| way.shop().change(id, now - 300 + id as i64, "Shipped"));
        let report = polls(&world, 2).await;
        assert_eq!(report.gaps_open, 0, "{counts:?}: {report:?}");
        assert!(revisions(&world).values().all(|count| *count == 2), "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_that_counts_orders_is_no_answer_and_the_other_stream_is_walked() {
    let (world, way) = bench(|shop, now| {
        shop.put(1, now - 3600);
        shop.hook = Some(Box::new(|action, query| {
            (action == "changes" && query.contains("created"))
                .then(|| (200, "<Orders time_from=\"0\" time_to=\"0\" orders=\"7\"></Orders>".to_owned()))
        }));
    })
    .await;
    let report = world.poll().await;
    assert_eq!(report.failure.as_deref(), Some("the shop counts orders and shows none of them"));
    assert_eq!(recorded(&world), [1].into(), "the updated stream shows it");
    assert!(report.created_cursor.unwrap().lag_seconds > DAY, "{report:?}");
    way.shop().hook = None;
    world.wait(300).await;
    assert_eq!(world.poll().await.stopped, Stopped::CaughtUp);
}

#[tokio::test(start_paused = true)]
async fn a_created_stream_that_always_fails_holds_up_no_change() {
    let (world, way) = bench(|shop, now| {
        shop.put(1, now - 3600);
        shop.hook = Some(Box::new(|action, query| {
            (action == "changes" && query.contains("created")).then(|| (500, "error".to_owned()))
        }));
    })
    .await;
    assert_eq!(world.poll().await.stopped, Stopped::Failed);
    assert_eq!(recorded(&world), [1].into());
    world.wait(300).await;
    let now = world.bench.now().as_second();
    way.shop().change(1, now, "Cancelled");
    world.wait(1).await;
    world.poll().await;
    assert_eq!(revisions(&world)[&1], 2, "its change is seen");
}

#[tokio::test(start_paused = true)]
async fn a_created_stream_that_is_refused_holds_up_no_change() {
    for status in [400, 404, 410, 414, 451] {
        let (world, way) = bench(|shop, now| (1..=5).for_each(|id| shop.put(id, now - DAY + id as i64))).await;
        world.poll().await;
        way.shop().hook =
            Some(Box::new(move |_, query| query.contains("created_after_ts").then(|| (status, String::new()))));
        way.shop().change(3, world.bench.now().as_second() - 60, "Cancelled");
        let report = polls(&world, 1).await;
        assert_eq!((report.stopped, revisions(&world)[&3]), (Stopped::Failed, 2), "{status}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_the_shop_refuses_holds_up_no_other() {
    for status in [400, 413, 414, 451] {
        let (world, way) = bench(|shop, now| {
            (1..=130).for_each(|id| shop.put(id, now - 5000));
            shop.put(131, now - 4000);
        })
        .await;
        // No list of numbers is taken, and nothing from before a second.
        let oldest = world.bench.now().as_second() - 20_000;
        way.shop().hook = Some(Box::new(move |action, query| {
            let after = query.split('&').find_map(|pair| pair.strip_prefix("created_after_ts=")?.parse::<i64>().ok());
            let is_refused = (action == "get" && query.contains("order_ids")) || after.is_some_and(|at| at < oldest);
            is_refused.then(|| (status, String::new()))
        }));
        let report = polls(&world, 2).await;
        assert_eq!((recorded(&world).len(), report.stopped), (131, Stopped::CaughtUp), "{status}: {report:?}");
        assert!(report.gaps_open > 0, "what is refused is a gap, {status}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_from_that_is_no_number_is_believed_too() {
    for time_from in ["2026-03-02 08:00:00", "2026-03-02T06:00:00Z", "2026-03-02T08:00:00+0200"] {
        let (world, way) = bench(|_, _| ()).await;
        way.shop().hook = Some(Box::new(move |action, _| {
            (action == "changes").then(|| (200, format!("<Orders time_from='{time_from}' orders='0'/>")))
        }));
        let report = world.poll().await;
        assert_eq!(report.gaps_open, 2, "one a stream, {time_from}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_that_the_shop_says_it_does_not_serve_is_a_gap_and_a_backfill_that_is_not_whole_fails() {
    let (world, _) = bench(|shop, now| {
        shop.oldest = now - 60 * DAY;
        (1..=30).for_each(|id| shop.put(id, now - 59 * DAY + id as i64 * DAY));
    })
    .await;
    let from = world.bench.now().as_second() - 360 * DAY;
    let report = world.only(&backfill(from)).await;
    assert_eq!((report.stopped, recorded(&world).len()), (Stopped::Failed, 30), "{report:?}");
    let failure = report.failure.unwrap();
    assert!(failure.contains("begins later than it was asked to"), "{failure}");

    let (world, way) = bench(|shop, now| shop.oldest = now - 3600).await;
    let report = world.poll().await;
    assert_eq!((report.stopped, report.gaps_open), (Stopped::CaughtUp, 2), "one a stream: {report:?}");
    let report = polls(&world, 2).await;
    assert_eq!(report.gaps_open, 2, "tried again, and not one more: {report:?}");
    way.shop().oldest = i64::MIN;
    assert_eq!(polls(&world, 1).await.gaps_open, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unsorted_page_is_recorded_and_the_walk_continues_by_number() {
    for sorted in [SortedBy::Id, SortedBy::NewestFirst] {
        for counts in [Counts::Whole, Counts::Nothing] {
            let (world, way) = bench(|shop, now| {
                (shop.sorted, shop.counts) = (sorted, counts);
                for id in 101..=350 {
                    // Two that are dated back, one on each page that is full.
                    let back = if id == 150 || id == 230 { 20_000 } else { 0 };
                    shop.put(id, now - DAY + 100 * id as i64 - back);
                }
            })
            .await;
            let report = polls(&world, 2).await;
            assert_eq!(recorded(&world), (101..=350).collect(), "{sorted:?} {counts:?}: {report:?}");
            let now = world.bench.now().as_second();
            way.shop().put(500, now - 60);
            way.shop().put(7, now - 20 * DAY);
            way.shop().change(7, now - 50, "Cancelled");
            polls(&world, 1).await;
            assert!(recorded(&world).is_superset(&[7, 500].into()), "{sorted:?} {counts:?}");
        }
    }
}

/// The search by number for what a page does not show comes after both streams: a run that ends before has told of it.
#[tokio::test(start_paused = true)]
async fn what_a_run_counted_and_could_not_search_for_stays_owed() {
    let (world, way) = bench(|shop, now| {
        shop.sorted = SortedBy::NewestFirst;
        (shop.hidden, shop.not_by_number) = ([37].into(), [37].into());
        for id in 1..=150 {
            shop.put(id, now - DAY + 100 * id as i64);
            shop.change(id, now - 3 * DAY, "Open");
        }
        shop.hook = Some(Box::new(|_, query| query.contains("updated_after_ts").then(|| (403, String::new()))));
    })
    .await;
    assert!(world.poll().await.failure.is_some(), "the shop refuses the updated stream");
    way.shop().hook = None;
    let report = polls(&world, 2).await;
    assert_eq!(recorded(&world).len(), 149, "{report:?}");
    assert!(report.gaps_open > 0, "the first run was told of 150: {report:?}");
    way.shop().hidden.clear();
    way.shop().not_by_number.clear();
    let report = polls(&world, 10).await;
    assert_eq!((report.gaps_open, recorded(&world).len()), (0, 150), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn changes_that_are_not_in_the_order_of_time_are_seen() {
    for (sorted, counts) in
        [(SortedBy::Id, Counts::Whole), (SortedBy::Id, Counts::Nothing), (SortedBy::NewestFirst, Counts::Nothing)]
    {
        let (world, way) = bench(|shop, now| {
            (shop.sorted, shop.counts) = (sorted, counts);
            (1..=250).for_each(|id| shop.put(id, now - DAY + 100 * id as i64));
        })
        .await;
        polls(&world, 8).await;
        // Of those with a high number, some changed before the last that the first page shows.
        let now = world.bench.now().as_second();
        for id in 1..=250_u64 {
            way.shop().change(id, now - 550 + ((id * 37) % 500) as i64, "Shipped");
        }
        let report = polls(&world, 2).await;
        let behind: Vec<u64> =
            revisions(&world).into_iter().filter(|(_, count)| *count < 2).map(|(id, _)| id).collect();
        assert_eq!(behind, [0; 0], "{sorted:?} {counts:?}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_dated_in_the_future_or_with_a_nonsense_time_holds_up_nothing() {
    let (world, way) = bench(|shop, now| {
        (1..=150).for_each(|id| shop.put(id, now - DAY + 300 * id as i64));
        shop.put(40, now + 365 * DAY);
        shop.orders.get_mut(&60).unwrap().ordered_at =
            Some("<OrderedAt timestamp=\"99999999999999\">nonsense</OrderedAt>");
        shop.orders.get_mut(&61).unwrap().ordered_at = Some("<OrderedAt timestamp=\"-5\">nonsense");
    })
    .await;
    let report = polls(&world, 2).await;
    let missing: Vec<u64> = (1..=150).filter(|id| !recorded(&world).contains(id)).collect();
    assert!(missing.iter().all(|id| [60, 61].contains(id)), "{missing:?}: {report:?}");
    let (created, updated) = world.cursors().await;
    let latest = world.bench.now().as_second() - OVERLAP_SECONDS;
    assert!(created.unwrap() <= latest && updated.unwrap() <= latest);
    let now = world.bench.now().as_second();
    way.shop().put(500, now - 1);
    polls(&world, 1).await;
    assert!(recorded(&world).contains(&500));
}

#[tokio::test(start_paused = true)]
async fn a_shop_s_clock_that_is_far_off_counts_as_absent_and_is_reported() {
    for ahead in [7200, -7200] {
        let (world, way) = bench(|shop, now| {
            shop.date_ahead = ahead;
            (1..=20).for_each(|id| shop.put(id, now - DAY + 600 * id as i64));
        })
        .await;
        let report = world.poll().await;
        assert_eq!(
            (report.stopped, report.clock_off_seconds.map(|off| off / 10)),
            (Stopped::CaughtUp, Some(ahead / 10))
        );
        let (created, updated) = world.cursors().await;
        let latest = world.bench.now().as_second() - OVERLAP_SECONDS;
        assert!(created.unwrap() <= latest && updated.unwrap() <= latest, "{ahead}");
        for (cancelled, new, date_ahead) in [(5, 21, 0), (6, 22, 0)] {
            let now = world.bench.now().as_second();
            way.shop().change(cancelled, now, "Cancelled");
            way.shop().put(new, now);
            world.wait(1).await;
            polls(&world, 1).await;
            assert_eq!(revisions(&world)[&cancelled], 2, "{ahead}: {cancelled}");
            assert!(recorded(&world).contains(&new), "{ahead}: {new}");
            way.shop().date_ahead = date_ahead;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_within_five_minutes_counts() {
    let (world, _) = bench(|shop, _| shop.date_ahead = -290).await;
    let report = world.poll().await;
    let updated = report.updated_cursor.unwrap().position;
    assert_eq!(report.clock_off_seconds, None);
    let expected = world.bench.now().as_second() - 290 - OVERLAP_SECONDS;
    assert!((expected - 2..=expected).contains(&updated), "the cursor follows the shop's clock: {updated}, {expected}");
}

#[tokio::test(start_paused = true)]
async fn no_cursor_stands_later_than_our_own_clock_less_the_overlap() {
    let (world, _) = bench(|shop, now| {
        shop.date_ahead = 290;
        (1..=3).for_each(|id| shop.put(id, now + 280 + id as i64));
    })
    .await;
    let report = world.poll().await;
    assert_eq!(recorded(&world), (1..=3).collect(), "{report:?}");
    let latest = world.bench.now().as_second() - OVERLAP_SECONDS;
    for cursor in [report.created_cursor, report.updated_cursor] {
        assert!(cursor.unwrap().position <= latest, "{latest}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_set_back_and_never_forward_and_not_while_a_run_polls() {
    let (world, _) = bench(|shop, now| shop.put(1, now - 3600)).await;
    let (ledger, clock) = (&world.bench.ledger, &world.bench.deps.clock);
    let set = async |to: i64| set_cursor_back(ledger, clock, "acme", Stream::Updated, to, "operator").await.unwrap();
    assert_eq!(set(0).await, SetBack::NoCursor);
    world.poll().await;
    let (_, before) = world.cursors().await;
    let before = before.unwrap();
    assert_eq!(set(before).await, SetBack::NotBack(before));
    assert_eq!(set(before + 1).await, SetBack::NotBack(before));
    let now = world.bench.now();
    let lease = ledger.acquire_lease("acme", "a run", now, now + std::time::Duration::from_secs(30)).await.unwrap();
    assert_eq!(set(before - DAY).await, SetBack::Polled, "a run would not know");
    ledger.release_lease(&lease.unwrap()).await.unwrap();
    assert_eq!(set(before - DAY).await, SetBack::Done(before));
    assert_eq!(world.cursors().await.1, Some(before - DAY));
    let report = world.poll().await;
    assert_eq!(report.stopped, Stopped::CaughtUp, "the next run walks the stream again");
    assert!(world.cursors().await.1 >= Some(before));
}

#[tokio::test(start_paused = true)]
async fn a_hole_in_the_numbers_ends_no_search_below_the_highest() {
    let (world, _) = bench(|shop, now| {
        let second = now - DAY;
        (1..=110).chain(1110..1130).for_each(|id| shop.put(id, second));
        (1610..1613).for_each(|id| shop.put(id, second + 3600 + id as i64));
    })
    .await;
    let report = polls(&world, 2).await;
    let all: BTreeSet<u64> = (1..=110).chain(1110..1130).chain(1610..1613).collect();
    assert_eq!((recorded(&world), report.gaps_open), (all, 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn orders_of_a_crowded_second_that_the_ledger_has_never_seen_are_found() {
    let (world, _) = bench(|shop, now| {
        for id in 1..=350 {
            shop.put(id, now - 10 * DAY + 60 * id as i64);
            shop.change(id, now - 2400, "Shipped");
        }
    })
    .await;
    let report = polls(&world, 2).await;
    assert_eq!((recorded(&world), report.gaps_open), ((1..=350).collect(), 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn changed_orders_from_before_the_list_of_all_are_found_by_number() {
    let (world, _) = bench(|shop, now| {
        shop.oldest = now - 60 * DAY;
        for id in 1..=350 {
            let made = if id <= 150 { now - 90 * DAY } else { now - 10 * DAY };
            shop.put(id, made + 60 * id as i64);
            shop.change(id, now - 2400, "Shipped");
        }
    })
    .await;
    let report = polls(&world, 2).await;
    assert_eq!((recorded(&world), report.gaps_open), ((1..=350).collect(), 0), "{report:?}");
}

/// What lies before the list of all is asked for by number, and an order that is hidden there too is owed as before.
#[tokio::test(start_paused = true)]
async fn a_search_below_the_list_of_all_pays_nothing_of_what_an_earlier_run_left() {
    let (world, way) = bench(|shop, now| {
        shop.oldest = now - 3600;
        shop.not_by_number = [8].into();
        shop.put(8, now - 7200);
    })
    .await;
    assert_eq!(world.poll().await.gaps_open, 2, "one a stream");
    let now = world.bench.now().as_second();
    for id in 101..=250 {
        way.shop().put(id, now - 3000 + id as i64);
        way.shop().change(id, now - 30, "Shipped");
    }
    let report = polls(&world, 8).await;
    assert!(way.shop().asked.iter().any(|(_, query)| query.contains("created_after_ts=0")), "all were listed");
    assert_eq!((recorded(&world), report.gaps_open), ((101..=250).collect(), 2), "{report:?}");
    way.shop().oldest = i64::MIN;
    let report = polls(&world, 1).await;
    assert_eq!((recorded(&world).contains(&8), report.gaps_open), (true, 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_appears_between_two_pages_makes_up_for_none_that_is_not_shown() {
    for pages in 1..=5 {
        let (world, _) = bench(|shop, now| {
            for id in (1..=130).chain([2000]) {
                shop.put(id, now - DAY);
                // The other stream shows none of them.
                shop.change(id, now - 3 * DAY, "Open");
            }
            shop.appears = Some((pages, 131, now - 3600));
        })
        .await;
        let report = polls(&world, 2).await;
        let all: BTreeSet<u64> = (1..=131).chain([2000]).collect();
        assert_eq!((recorded(&world), report.gaps_open), (all, 0), "after {pages} pages: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_to_many_numbers_that_are_not_whole_end_no_debt() {
    // Nothing for many numbers at once; or fifty of them at most.
    for most in [0, 50] {
        let (world, way) = bench(|shop, now| {
            (1..=230).for_each(|id| shop.put(id, now - DAY));
            (300..310).for_each(|id| shop.put(id, now - 3600 + id as i64));
        })
        .await;
        let copy = ToOddShop::new(OddShop::new(), world.bench.deps.clock.clone());
        copy.shop().orders = way.shop().orders.clone();
        way.shop().hook = Some(Box::new(move |action, query| {
            let ids: Vec<u64> =
                query.split('&').filter_map(|pair| pair.strip_prefix("order_ids%5B%5D=")?.parse().ok()).collect();
            if action != "get" || ids.is_empty() {
                return None;
            }
            let shop = copy.shop();
            let orders = ids.iter().filter(|id| shop.orders.contains_key(id)).take(most);
            let orders: String = orders.map(|id| crate::odd_shop::xml(*id, &shop.orders[id])).collect();
            Some((200, format!("<Orders>{orders}</Orders>")))
        }));
        let report = polls(&world, 1).await;
        assert!(report.gaps_open > 0 || recorded(&world).len() == 240, "{most}: {report:?}");
        way.shop().hook = None;
        let report = polls(&world, 2).await;
        assert_eq!((report.gaps_open, recorded(&world).len()), (0, 240), "{most}: {report:?}");
    }
}

/// The numbers that a shop's orders leap to cost nothing: what is asked is in proportion to the orders that there are.
#[tokio::test(start_paused = true)]
async fn a_leap_of_the_numbers_costs_at_most_twice_the_requests() {
    const LEAP: u64 = 2_026_000_000;
    let mut asked = Vec::new();
    for leap in [0, LEAP] {
        let (world, way) = bench(|shop, now| {
            // A crowded second before the leap and one across it; and more old orders than a page, all changed at once.
            (1..=300).for_each(|id| shop.put(id, now - 30 * DAY + 60 * id as i64));
            (301..=450).for_each(|id| shop.put(id, now - DAY));
            (451..=560).for_each(|id| shop.put(id, now - DAY + 3600));
            (561..=600).for_each(|id| shop.put(leap + id, now - DAY + 3600));
            (601..=605).for_each(|id| shop.put(leap + id, now - 7200 + id as i64));
        })
        .await;
        polls(&world, 1).await;
        let now = world.bench.now().as_second();
        (1..=300).for_each(|id| way.shop().change(id, now - 2400, "Shipped"));
        let calls = world.bench.calls();
        let report = polls(&world, 2).await;
        assert_eq!((report.gaps_open, recorded(&world).len()), (0, 605), "leap {leap}: {report:?}");
        asked.push((way.shop().asked.len(), world.bench.calls() - calls));
    }
    let [(plain, plain_calls), (leapt, leapt_calls)] = asked[..] else { panic!("{asked:?}") };
    assert!(leapt <= 2 * plain, "{leapt} requests to the shop instead of {plain}");
    assert!(leapt_calls <= 2 * plain_calls, "{leapt_calls} calls of the table instead of {plain_calls}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_the_shop_cannot_show_is_found_among_numbers_that_lie_far_apart() {
    let (world, way) = bench(|shop, now| {
        (1..=40).for_each(|index| shop.put(index * 25_000_000, now - 20_000 + 100 * index as i64));
        shop.hook = Some(Box::new(|action, query| {
            // Whoever asks for a stretch that holds the order, or for the order, gets an error.
            let after = query.split(['=', '&']).nth(1).and_then(|after| after.parse::<i64>().ok())?;
            let holds = match action {
                "changes" => after <= BAD_AT.load(std::sync::atomic::Ordering::Relaxed),
                _ => query.contains("=500000000&"),
            };
            holds.then(|| (500, "error".to_owned()))
        }));
        BAD_AT.store(now - 20_000 + 100 * 20, std::sync::atomic::Ordering::Relaxed);
    })
    .await;
    let report = polls(&world, 1).await;
    assert!(report.gaps_open > 0, "{report:?}");
    assert!(report.stopped == Stopped::CaughtUp, "{report:?}");
    let asked = way.shop().asked.len();
    assert!(asked < 300, "{asked} requests");
    assert!(recorded(&world).contains(&(25_000_000 * 21)), "{report:?}");
}

static BAD_AT: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

#[tokio::test(start_paused = true)]
async fn the_mark_of_an_order_that_the_shop_no_longer_has_ends() {
    let (world, _) = bench(|shop, now| shop.put(1, now - 3600)).await;
    world.poll().await;
    let gone = DocumentKey::order("acme", 999);
    world.bench.ledger.mark_for_refresh(&gone, world.bench.now()).await.unwrap();
    polls(&world, 3).await;
    assert_eq!(world.state().await.refreshes.len(), 1, "not after a few answers");
    polls(&world, 2).await;
    assert_eq!(world.state().await.refreshes, [], "the shop shows another order, and not this one");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_version_owes_by_number_is_paid_by_a_listing() {
    let (world, _) = bench(|shop, now| {
        (1..=150).for_each(|id| shop.put(id, now - 10 * DAY + 60 * id as i64));
        (1..=150).for_each(|id| shop.change(id, now - 5 * DAY, "Shipped"));
    })
    .await;
    world.poll().await;
    let now = world.bench.now();
    let lease = world.bench.ledger.acquire_lease("acme", "earlier", now, now).await.unwrap().unwrap();
    let second = now.as_second() - 5 * DAY;
    let kind = GapKind::Numbers { stream: Stream::Updated, second, next: 1, last: Some(12) };
    let gap = ledger::Gap { kind, reason: "crowded".to_owned(), opened_at: now, tries: 0 };
    world.bench.ledger.put_gap(&lease, &gap).await.unwrap();
    let report = polls(&world, 1).await;
    world.wait(1).await;
    let report = if report.stopped == Stopped::LeaseHeld { polls(&world, 1).await } else { report };
    assert_eq!((report.gaps_open, recorded(&world).len()), (0, 150), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn an_id_that_comes_back_with_another_time_of_making_is_recorded_and_reported() {
    let (world, way) = bench(|shop, now| shop.put(1, now - 3600)).await;
    assert_eq!(world.poll().await.reused_ids, 0);
    world.wait(300).await;
    let now = world.bench.now().as_second();
    way.shop().change(1, now, "Shipped");
    world.wait(1).await;
    assert_eq!(world.poll().await.reused_ids, 0, "a change is none");
    let now = world.bench.now().as_second();
    way.shop().put(1, now);
    world.wait(1).await;
    let report = world.poll().await;
    assert_eq!((report.reused_ids, revisions(&world)[&1]), (1, 3), "{report:?}");
}
