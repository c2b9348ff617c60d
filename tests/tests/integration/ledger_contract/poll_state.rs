//! What the poll keeps between its runs: the lease, the cursors, the gaps, the marks.

use ledger::{Cursor, DocumentKey, Fenced, Gap, GapKind, Lease, Ledger, ShopState, Stream};

use super::at;

holds_on_the_embedded_engine!(
    a_shop_begins_with_nothing,
    a_lease_has_one_owner,
    a_lease_that_is_gone_is_not_renewed,
    a_lease_can_be_taken_over_when_its_time_is_over,
    only_the_owner_releases_a_lease,
    a_cursor_only_moves_forward_from_where_it_is_known_to_be,
    a_run_that_lost_its_lease_writes_nothing,
    every_kind_of_gap_is_read_as_it_was_written,
    a_gap_that_is_tried_again_stays_one_gap,
    a_renewed_mark_is_not_cleared,
    shops_do_not_touch_each_other,
);

async fn lease(ledger: &Ledger, owner: &str) -> Lease {
    ledger.acquire_lease("acme", owner, at(0), at(300)).await.unwrap().expect("a free lease")
}

fn cursor(stream: Stream, position: i64) -> Cursor {
    Cursor { stream, position, highest_order: None, finished_through: None, moved_at: at(0), run: "a".to_owned() }
}

fn gap(kind: GapKind) -> Gap {
    Gap { kind, reason: "the shop answered with status 500".to_owned(), opened_at: at(0), tries: 0 }
}

async fn a_shop_begins_with_nothing(ledger: &Ledger) {
    assert_eq!(ledger.shop_state("acme").await.unwrap(), ShopState::default());
}

async fn a_lease_has_one_owner(ledger: &Ledger) {
    let held = lease(ledger, "a").await;
    assert_eq!(ledger.acquire_lease("acme", "b", at(299), at(600)).await.unwrap(), None);
    assert_eq!(ledger.shop_state("acme").await.unwrap().lease, Some(held));
    let renewed = ledger.renew_lease(&held_by("a"), at(400)).await.unwrap();
    assert_eq!(renewed.map(|lease| lease.until), Some(at(400)), "its owner may prolong it");
    assert_eq!(ledger.renew_lease(&held_by("b"), at(400)).await.unwrap(), None);
}

fn held_by(owner: &str) -> Lease {
    Lease { shop: "acme".to_owned(), owner: owner.to_owned(), until: at(300) }
}

async fn a_lease_that_is_gone_is_not_renewed(ledger: &Ledger) {
    let lost = lease(ledger, "a").await;
    let taken = ledger.acquire_lease("acme", "b", at(301), at(600)).await.unwrap().unwrap();
    ledger.release_lease(&taken).await.unwrap();
    assert_eq!(ledger.renew_lease(&lost, at(900)).await.unwrap(), None, "another run had it meanwhile");
}

async fn a_lease_can_be_taken_over_when_its_time_is_over(ledger: &Ledger) {
    lease(ledger, "a").await;
    let taken = ledger.acquire_lease("acme", "b", at(301), at(600)).await.unwrap();
    assert_eq!(taken, Some(Lease { shop: "acme".to_owned(), owner: "b".to_owned(), until: at(600) }));
}

async fn only_the_owner_releases_a_lease(ledger: &Ledger) {
    let old = lease(ledger, "a").await;
    let new = ledger.acquire_lease("acme", "b", at(301), at(600)).await.unwrap().unwrap();
    ledger.release_lease(&old).await.unwrap();
    assert_eq!(ledger.shop_state("acme").await.unwrap().lease, Some(new.clone()));
    ledger.release_lease(&new).await.unwrap();
    assert_eq!(ledger.shop_state("acme").await.unwrap().lease, None);
    ledger.release_lease(&new).await.expect("a lease that is gone is released");
}

async fn a_cursor_only_moves_forward_from_where_it_is_known_to_be(ledger: &Ledger) {
    let lease = lease(ledger, "a").await;
    let first = cursor(Stream::Created, 100);
    let second = Cursor { highest_order: Some(7), finished_through: Some(150), ..cursor(Stream::Created, 200) };
    let moved = async |from: Option<&Cursor>, to: &Cursor| ledger.move_cursor(&lease, from, to).await.unwrap();
    assert_eq!(moved(None, &first).await, Fenced::Written);
    assert_eq!(moved(None, &second).await, Fenced::Changed, "it is there already");
    assert_eq!(moved(Some(&first), &second).await, Fenced::Written);
    assert_eq!(moved(Some(&first), &cursor(Stream::Created, 300)).await, Fenced::Changed, "it is not there any more");
    assert_eq!(moved(Some(&second), &cursor(Stream::Created, 199)).await, Fenced::Changed, "that is backward");
    assert_eq!(moved(None, &cursor(Stream::Updated, 50)).await, Fenced::Written, "the streams move by themselves");
    let state = ledger.shop_state("acme").await.unwrap();
    assert_eq!((state.created, state.updated), (Some(second), Some(cursor(Stream::Updated, 50))));
}

async fn a_run_that_lost_its_lease_writes_nothing(ledger: &Ledger) {
    let lost = lease(ledger, "a").await;
    let order = gap(GapKind::Order { order: 58 });
    let first = cursor(Stream::Created, 100);
    ledger.move_cursor(&lost, None, &first).await.unwrap();
    ledger.put_gap(&lost, &order).await.unwrap();
    let other = ledger.acquire_lease("acme", "b", at(301), at(600)).await.unwrap().unwrap();
    let before = ledger.shop_state("acme").await.unwrap();
    let to = cursor(Stream::Created, 200);
    assert_eq!(ledger.move_cursor(&lost, Some(&first), &to).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(ledger.put_gap(&lost, &gap(GapKind::Order { order: 59 })).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(ledger.close_gap(&lost, &order.kind).await.unwrap(), Fenced::LeaseLost);
    assert_eq!(ledger.shop_state("acme").await.unwrap(), before);
    ledger.release_lease(&other).await.unwrap();
    assert_eq!(ledger.move_cursor(&lost, Some(&first), &to).await.unwrap(), Fenced::LeaseLost, "nor when it is free");
}

async fn every_kind_of_gap_is_read_as_it_was_written(ledger: &Ledger) {
    let lease = lease(ledger, "a").await;
    let kinds = [
        GapKind::Window { stream: Stream::Created, from: 100, until: 110, between: Some((7, 9)) },
        GapKind::Window { stream: Stream::Updated, from: 100, until: 110, between: None },
        GapKind::Numbers { stream: Stream::Created, second: 100, next: 5, last: None },
        GapKind::Numbers { stream: Stream::Updated, second: 100, next: 5, last: Some(9) },
        GapKind::Order { order: 58 },
    ];
    for kind in &kinds {
        assert_eq!(ledger.put_gap(&lease, &gap(kind.clone())).await.unwrap(), Fenced::Written);
    }
    let read = ledger.shop_state("acme").await.unwrap().gaps;
    assert_eq!(read.len(), kinds.len());
    for kind in kinds {
        assert!(read.contains(&gap(kind.clone())), "{kind:?} in {read:?}");
        ledger.close_gap(&lease, &kind).await.unwrap();
    }
    assert_eq!(ledger.shop_state("acme").await.unwrap().gaps, []);
}

async fn a_gap_that_is_tried_again_stays_one_gap(ledger: &Ledger) {
    let lease = lease(ledger, "a").await;
    let numbers = |next| GapKind::Numbers { stream: Stream::Created, second: 100, next, last: None };
    ledger.put_gap(&lease, &gap(numbers(5))).await.unwrap();
    let tried = Gap { tries: 3, ..gap(numbers(105)) };
    ledger.put_gap(&lease, &tried).await.unwrap();
    assert_eq!(ledger.shop_state("acme").await.unwrap().gaps, [tried]);
}

async fn a_renewed_mark_is_not_cleared(ledger: &Ledger) {
    let order = DocumentKey::order("acme", 58);
    let marks = async || ledger.shop_state("acme").await.unwrap().refreshes;
    ledger.mark_for_refresh(&order, at(0)).await.unwrap();
    ledger.mark_for_refresh(&order, at(5)).await.unwrap();
    ledger.clear_refresh(&order, at(0)).await.unwrap();
    assert_eq!(marks().await, [(58, at(5))]);
    ledger.clear_refresh(&order, at(5)).await.unwrap();
    assert_eq!(marks().await, []);
}

async fn shops_do_not_touch_each_other(ledger: &Ledger) {
    lease(ledger, "a").await;
    ledger.mark_for_refresh(&DocumentKey::order("acme", 58), at(0)).await.unwrap();
    assert_eq!(ledger.shop_state("acme-2").await.unwrap(), ShopState::default());
    assert!(ledger.acquire_lease("acme-2", "b", at(0), at(300)).await.unwrap().is_some());
}
