//! Documents: one way in, one revision for each version.

use futures_util::future::join_all;
use ledger::{Appended, DocumentKey, Evidence, Ledger, LedgerError, NewRevision, Source};

use super::{at, copy};

holds_on_the_embedded_engine!(
    a_version_is_recorded_once,
    a_later_version_is_the_next_revision,
    an_older_version_is_stale_and_not_written,
    there_and_back_again_is_three_revisions,
    a_revision_is_read_as_it_was_written,
    a_head_keeps_when_the_document_was_first_seen,
    a_told_copy_that_differs_marks_the_order_to_be_asked_for,
    writers_with_the_same_copy_make_one_revision,
    writers_with_different_copies_leave_no_hole,
    messages_that_arrive_at_once_are_all_kept,
    documents_do_not_touch_each_other,
    heads_are_read_for_more_documents_than_one_call_takes,
    a_body_that_does_not_fit_is_refused_and_nothing_is_written,
);

fn order() -> DocumentKey {
    DocumentKey::order("acme", 58)
}

async fn bodies(ledger: &Ledger, document: &DocumentKey) -> Vec<String> {
    let revisions = ledger.revisions(document).await.unwrap();
    let numbers: Vec<u32> = revisions.iter().map(|revision| revision.revision).collect();
    assert_eq!(numbers, (1..=revisions.len() as u32).collect::<Vec<_>>(), "revisions count from 1 without a hole");
    revisions.iter().map(|revision| String::from_utf8_lossy(&revision.body).into_owned()).collect()
}

async fn a_version_is_recorded_once(ledger: &Ledger) {
    let order = order();
    assert_eq!(ledger.head(&order).await.unwrap(), None);
    assert_eq!(ledger.append(&copy(&order, "A", 0)).await.unwrap(), Appended::Recorded { revision: 1 });
    for observed in [-5, 0, 5] {
        let again = ledger.append(&copy(&order, "A", observed)).await.unwrap();
        assert_eq!(again, Appended::Duplicate { revision: 1 });
    }
    assert_eq!(bodies(ledger, &order).await, ["A"]);
}

async fn a_later_version_is_the_next_revision(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    assert_eq!(ledger.append(&copy(&order, "B", 1)).await.unwrap(), Appended::Recorded { revision: 2 });
    assert_eq!(bodies(ledger, &order).await, ["A", "B"]);
}

async fn an_older_version_is_stale_and_not_written(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "B", 10)).await.unwrap();
    for observed in [9, 10] {
        let late = ledger.append(&copy(&order, "A", observed)).await.unwrap();
        assert_eq!(late, Appended::Stale { revision: 1 });
    }
    assert_eq!(bodies(ledger, &order).await, ["B"]);
}

async fn there_and_back_again_is_three_revisions(ledger: &Ledger) {
    let order = order();
    for (body, observed) in [("A", 0), ("B", 1), ("A", 2)] {
        ledger.append(&copy(&order, body, observed)).await.unwrap();
    }
    assert_eq!(bodies(ledger, &order).await, ["A", "B", "A"]);
}

async fn a_revision_is_read_as_it_was_written(ledger: &Ledger) {
    let order = order();
    let new =
        NewRevision { source: Source::Backfill, content_type: "text/xml; charset=ä", ..copy(&order, "ä\u{0}", 3) };
    ledger.append(&new).await.unwrap();
    let revision = ledger.revisions(&order).await.unwrap().remove(0);
    assert_eq!(revision.source, Source::Backfill);
    assert_eq!((revision.observed_at, revision.recorded_at), (at(3), at(4)));
    assert_eq!(revision.hash, new.hash);
    assert_eq!((&*revision.body, &*revision.content_type), ("ä\u{0}".as_bytes(), "text/xml; charset=ä"));
}

async fn a_head_keeps_when_the_document_was_first_seen(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    let last = NewRevision { source: Source::Refresh, ..copy(&order, "B", 100) };
    ledger.append(&last).await.unwrap();
    let head = ledger.head(&order).await.unwrap().unwrap();
    assert_eq!((head.revision, head.hash, head.source), (2, last.hash, Source::Refresh));
    assert_eq!((head.observed_at, head.first_seen), (at(100), at(1)));
}

async fn a_told_copy_that_differs_marks_the_order_to_be_asked_for(ledger: &Ledger) {
    let order = order();
    let told = |body, observed| NewRevision {
        source: Source::Push,
        evidence: Evidence::Told { since: at(-100) },
        ..copy(&order, body, observed)
    };
    let marks = async || ledger.shop_state("acme").await.unwrap().refreshes;
    ledger.append(&told("A", 0)).await.unwrap();
    ledger.append(&told("A", 1)).await.unwrap();
    assert_eq!(marks().await, [], "what agrees with the head raises no doubt");
    assert_eq!(ledger.append(&told("B", 2)).await.unwrap(), Appended::Recorded { revision: 2 });
    assert_eq!(marks().await, [(58, at(3))]);
    ledger.append(&copy(&order, "C", 10)).await.unwrap();
    assert_eq!(ledger.append(&told("D", 20)).await.unwrap(), Appended::Stale { revision: 3 });
    assert_eq!(marks().await, [(58, at(21))]);
}

async fn writers_with_the_same_copy_make_one_revision(ledger: &Ledger) {
    let order = order();
    let copies: Vec<_> = (0..32).map(|second| copy(&order, "A", second)).collect();
    let results = join_all(copies.iter().map(|copy| ledger.append(copy))).await;
    let recorded = results.iter().filter(|result| matches!(result, Ok(Appended::Recorded { revision: 1 }))).count();
    let duplicate = results.iter().filter(|result| matches!(result, Ok(Appended::Duplicate { revision: 1 }))).count();
    assert_eq!((recorded, duplicate), (1, 31), "{results:?}");
    assert_eq!(bodies(ledger, &order).await, ["A"]);
}

async fn writers_with_different_copies_leave_no_hole(ledger: &Ledger) {
    let order = order();
    let versions: Vec<String> = (0..32).map(|version| format!("version {version}")).collect();
    let copies: Vec<_> = versions.iter().zip(0..).map(|(body, second)| copy(&order, body, second)).collect();
    let results = join_all(copies.iter().map(|copy| ledger.append(copy))).await;
    let recorded = results.iter().filter(|result| matches!(result, Ok(Appended::Recorded { .. }))).count();
    let stale = results.iter().filter(|result| matches!(result, Ok(Appended::Stale { .. }))).count();
    assert_eq!(recorded + stale, 32, "{results:?}");
    let kept = bodies(ledger, &order).await;
    assert_eq!(kept.len(), recorded);
    assert_eq!(kept.last(), versions.last(), "the newest wins, whoever was first");
    let observed: Vec<_> = ledger.revisions(&order).await.unwrap().iter().map(|kept| kept.observed_at).collect();
    assert!(observed.is_sorted(), "{observed:?}");
}

async fn messages_that_arrive_at_once_are_all_kept(ledger: &Ledger) {
    let document = DocumentKey::manu("acme", "item-save", "SN-1");
    let versions: Vec<String> = (0..32).map(|version| format!("version {version}")).collect();
    let message = |body| NewRevision { evidence: Evidence::Message, source: Source::Push, ..copy(&document, body, 0) };
    let messages: Vec<_> = versions.iter().map(|body| message(body)).collect();
    let results = join_all(messages.iter().map(|message| ledger.append(message))).await;
    assert!(results.iter().all(|result| matches!(result, Ok(Appended::Recorded { .. }))), "{results:?}");
    let mut kept = bodies(ledger, &document).await;
    kept.sort_unstable();
    let mut sent = versions;
    sent.sort_unstable();
    assert_eq!(kept, sent);
}

async fn documents_do_not_touch_each_other(ledger: &Ledger) {
    let documents = [
        DocumentKey::order("acme", 5),
        DocumentKey::order("acme", 58),
        DocumentKey::order("acme-2", 58),
        DocumentKey::manu("acme", "item-save", "58"),
        DocumentKey::manu("acme", "partner-save", "58"),
        DocumentKey::manu("acme", "partner-save", "58#head"),
    ];
    for document in &documents {
        assert_eq!(ledger.append(&copy(document, "A", 0)).await.unwrap(), Appended::Recorded { revision: 1 });
    }
    for document in &documents {
        assert_eq!(bodies(ledger, document).await, ["A"]);
    }
}

async fn heads_are_read_for_more_documents_than_one_call_takes(ledger: &Ledger) {
    let documents: Vec<_> = (1..=250).map(|id| DocumentKey::order("acme", id)).collect();
    let written: Vec<_> = documents.iter().filter(|document| document.id != "7").collect();
    let copies: Vec<_> = written.iter().map(|document| copy(document, "A", 0)).collect();
    let results = join_all(copies.iter().map(|copy| ledger.append(copy))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let heads = ledger.heads(&documents).await.unwrap();
    assert_eq!(heads.len(), 249);
    assert!(written.iter().all(|document| heads[document].revision == 1));
    assert!(ledger.heads(&[]).await.unwrap().is_empty());
}

async fn a_body_that_does_not_fit_is_refused_and_nothing_is_written(ledger: &Ledger) {
    let order = order();
    let mut rng = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(400_000).collect();
    let new = NewRevision { body: &noise, ..copy(&order, "noise", 0) };
    let refused = ledger.append(&new).await;
    assert!(matches!(refused, Err(LedgerError::TooLarge { limit_bytes: 390_000, .. })), "{refused:?}");
    assert_eq!(ledger.head(&order).await.unwrap(), None);
    let fits = NewRevision { body: &noise[..389_000], ..new };
    assert_eq!(ledger.append(&fits).await.unwrap(), Appended::Recorded { revision: 1 });
    assert_eq!(ledger.revisions(&order).await.unwrap()[0].body, &noise[..389_000]);
}
