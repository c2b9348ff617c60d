//! The delivery log and the quarantine.

use std::time::Duration;

use jiff::Timestamp;
use ledger::{Connection, Delivery, DeliveryOutcome, Ledger, NewQuarantined};

use super::at;

holds_on_the_embedded_engine!(
    every_outcome_is_read_as_it_was_written,
    the_log_is_in_the_order_of_time_and_by_utc_day,
    the_quarantine_keeps_bytes_once,
    the_quarantine_is_read_first_seen_first,
    bytes_too_many_for_an_item_are_cut_and_marked,
);

fn shop() -> Connection {
    Connection::shop("acme")
}

fn delivery(at: Timestamp, request_id: &str) -> Delivery {
    Delivery {
        at,
        request_id: request_id.to_owned(),
        outcome: DeliveryOutcome::Recorded,
        status: 200,
        reason: None,
        document: Some(("order/58".to_owned(), 1)),
        size_bytes: 7_000,
        duration: Duration::from_millis(12),
    }
}

fn unreadable(body: &[u8], now: Timestamp) -> NewQuarantined<'_> {
    NewQuarantined {
        body,
        content_type: "text/xml",
        reason: "cut short",
        document: Some("order/58"),
        kind: None,
        source: None,
        now,
    }
}

async fn every_outcome_is_read_as_it_was_written(ledger: &Ledger) {
    let outcomes = [
        DeliveryOutcome::Recorded,
        DeliveryOutcome::Duplicate,
        DeliveryOutcome::Stale,
        DeliveryOutcome::Quarantined,
        DeliveryOutcome::Rejected,
    ];
    let lines: Vec<_> = outcomes
        .into_iter()
        .zip(0..)
        .map(|(outcome, second)| Delivery {
            outcome,
            status: 200 + second as u16,
            reason: (second > 0).then(|| "syystä".to_owned()),
            document: (second < 3).then(|| ("order/58".to_owned(), 2)),
            ..delivery(at(second), "r")
        })
        .collect();
    for line in &lines {
        ledger.log_delivery(&shop(), line).await.unwrap();
    }
    assert_eq!(ledger.deliveries(&shop(), "2026-03-02".parse().unwrap()).await.unwrap(), lines);
}

async fn the_log_is_in_the_order_of_time_and_by_utc_day(ledger: &Ledger) {
    let times =
        ["2026-03-02T23:59:59.999Z", "2026-03-02T08:00:00.010Z", "2026-03-02T08:00:00Z", "2026-03-03T00:00:00Z"];
    for (time, id) in times.iter().zip(["d", "c", "b", "e"]) {
        ledger.log_delivery(&shop(), &delivery(time.parse().unwrap(), id)).await.unwrap();
    }
    ledger.log_delivery(&shop(), &delivery("2026-03-02T08:00:00Z".parse().unwrap(), "a")).await.unwrap();
    ledger.log_delivery(&Connection::manu("acme"), &delivery(at(0), "of another connection")).await.unwrap();
    let ids = async |date: &str| -> Vec<String> {
        let lines = ledger.deliveries(&shop(), date.parse().unwrap()).await.unwrap();
        lines.into_iter().map(|line| line.request_id).collect()
    };
    assert_eq!(ids("2026-03-02").await, ["a", "b", "c", "d"]);
    assert_eq!(ids("2026-03-03").await, ["e"]);
}

async fn the_quarantine_keeps_bytes_once(ledger: &Ledger) {
    assert!(ledger.quarantine(&shop(), &unreadable(b"<Order\xff", at(0))).await.unwrap());
    assert!(!ledger.quarantine(&shop(), &unreadable(b"<Order\xff", at(9))).await.unwrap());
    assert!(ledger.quarantine(&Connection::shop("acme-2"), &unreadable(b"<Order\xff", at(9))).await.unwrap());
    let kept = ledger.quarantined(&shop()).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((&*kept[0].body, &*kept[0].content_type), (&b"<Order\xff"[..], "text/xml"));
    assert_eq!((&*kept[0].reason, kept[0].document.as_deref()), ("cut short", Some("order/58")));
    assert_eq!((kept[0].first_seen, kept[0].truncated), (at(0), false));
}

async fn the_quarantine_is_read_first_seen_first(ledger: &Ledger) {
    for (body, second) in [("b", 2), ("a", 3), ("c", 1)] {
        ledger.quarantine(&shop(), &unreadable(body.as_bytes(), at(second))).await.unwrap();
    }
    let kept: Vec<_> = ledger.quarantined(&shop()).await.unwrap().into_iter().map(|kept| kept.body).collect();
    assert_eq!(kept, [b"c", b"b", b"a"]);
}

async fn bytes_too_many_for_an_item_are_cut_and_marked(ledger: &Ledger) {
    let mut rng = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(1_000_000).collect();
    assert!(ledger.quarantine(&shop(), &unreadable(&noise, at(0))).await.unwrap());
    let kept = ledger.quarantined(&shop()).await.unwrap().remove(0);
    assert!(kept.truncated);
    assert_eq!(kept.body, &noise[..250_000], "halved until it fits");
}
