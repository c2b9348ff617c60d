//! The version of the hash: a reader that learns a new element makes no revision of every document.

use ledger::{Appended, ContentHash, DocumentKey, Erasure, Evidence, Head, Ledger, NewRevision, Rehash, Source};

use super::{at, copy};

holds_on_the_embedded_engine!(
    a_changed_version_makes_no_revision,
    a_settled_head_takes_the_new_version_once,
    a_change_is_a_revision_whatever_the_version,
    a_version_is_settled_without_the_body_where_that_is_erased,
    an_erased_document_that_changed_is_a_revision,
    a_copy_that_cannot_be_compared_is_asked_for_again,
    a_message_that_cannot_be_compared_is_recorded,
    an_earlier_reader_does_not_undo_what_a_later_one_settled,
    a_settled_head_moves_with_the_same_write,
);

/// What the second version of the reader makes of a body.
fn second(body: &[u8]) -> ContentHash {
    ContentHash::in_version(2, &[body, b" and the new element"].concat())
}

fn order() -> DocumentKey {
    DocumentKey::order("acme", 58)
}

/// A copy as the second version reads it.
fn copy_in_second<'a>(document: &'a DocumentKey, body: &'a str, observed: i64) -> NewRevision<'a> {
    NewRevision { hash: second(body.as_bytes()), ..copy(document, body, observed) }
}

/// Appends a copy with a reader of its version that still knows the first one.
async fn settle(ledger: &Ledger, new: &NewRevision<'_>) -> Appended {
    let version = new.hash.version();
    let of_revision = |revision: &ledger::Revision| match version {
        1 => Some(ContentHash::of(&revision.body)),
        _ => Some(second(&revision.body)),
    };
    let of_copy = |version| (version == 1).then(|| ContentHash::of(new.body));
    let rehash = Rehash { of_revision: &of_revision, of_copy: &of_copy };
    ledger.append_settling(None, new, &rehash).await.unwrap()
}

async fn head(ledger: &Ledger) -> Head {
    ledger.head(&order()).await.unwrap().unwrap()
}

async fn erase(ledger: &Ledger) {
    ledger.erase(&order(), Erasure { unassigned: false, dry_run: false }, at(5)).await.unwrap();
}

async fn a_changed_version_makes_no_revision(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    assert_eq!(settle(ledger, &copy_in_second(&order, "A", 10)).await, Appended::Duplicate { revision: 1 });
    assert_eq!(ledger.revisions(&order).await.unwrap().len(), 1);
}

async fn a_settled_head_takes_the_new_version_once(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    let new = copy_in_second(&order, "A", 0);
    assert!(!head(ledger).await.agrees_with(&new), "it is to be settled");
    settle(ledger, &new).await;
    assert_eq!(head(ledger).await.hash, new.hash);
    assert!(head(ledger).await.agrees_with(&new));
    assert_eq!(ledger.append(&new).await.unwrap(), Appended::Duplicate { revision: 1 });
}

async fn a_change_is_a_revision_whatever_the_version(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    assert_eq!(settle(ledger, &copy_in_second(&order, "B", -10)).await, Appended::Stale { revision: 1 });
    assert_eq!(settle(ledger, &copy_in_second(&order, "B", 10)).await, Appended::Recorded { revision: 2 });
    let versions: Vec<u16> =
        ledger.revisions(&order).await.unwrap().iter().map(|revision| revision.hash.version()).collect();
    assert_eq!(versions, [1, 2]);
}

async fn a_version_is_settled_without_the_body_where_that_is_erased(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    erase(ledger).await;
    assert_eq!(settle(ledger, &copy_in_second(&order, "A", 10)).await, Appended::Duplicate { revision: 1 });
    assert_eq!(ledger.revisions(&order).await.unwrap(), [], "an erased order does not come back");
    let later = copy_in_second(&order, "A", 20);
    assert_eq!(ledger.append(&later).await.unwrap(), Appended::Duplicate { revision: 1 }, "nor when v1 is forgotten");
}

async fn an_erased_document_that_changed_is_a_revision(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    erase(ledger).await;
    assert_eq!(settle(ledger, &copy_in_second(&order, "B", 10)).await, Appended::Recorded { revision: 2 });
}

async fn a_copy_that_cannot_be_compared_is_asked_for_again(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy_in_second(&order, "A", 0)).await.unwrap();
    assert_eq!(ledger.append(&copy(&order, "B", 10)).await.unwrap(), Appended::Stale { revision: 1 });
    assert_eq!(ledger.shop_state("acme").await.unwrap().refreshes, [(58, at(11))], "until a later reader settles it");
    erase(ledger).await;
    let (of_revision, of_copy) = (|_: &ledger::Revision| None, |_| None);
    let rehash = Rehash { of_revision: &of_revision, of_copy: &of_copy };
    let erased = ledger.append_settling(None, &copy(&order, "A", 20), &rehash).await.unwrap();
    assert_eq!(erased, Appended::Stale { revision: 1 });
    assert_eq!(ledger.revisions(&order).await.unwrap(), []);
}

async fn a_message_that_cannot_be_compared_is_recorded(ledger: &Ledger) {
    let item = DocumentKey::manu("acme", "item-save", "SN-1");
    let message = |new| NewRevision { evidence: Evidence::Message, source: Source::Push, ..new };
    ledger.append(&message(copy_in_second(&item, "A", 0))).await.unwrap();
    assert_eq!(ledger.append(&message(copy(&item, "B", 1))).await.unwrap(), Appended::Recorded { revision: 2 });
}

async fn an_earlier_reader_does_not_undo_what_a_later_one_settled(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy_in_second(&order, "A", 0)).await.unwrap();
    assert_eq!(settle(ledger, &copy(&order, "A", 0)).await, Appended::Duplicate { revision: 1 });
    assert_eq!(head(ledger).await.hash.version(), 2);
    assert_eq!(settle(ledger, &copy(&order, "B", 10)).await, Appended::Recorded { revision: 2 });
}

async fn a_settled_head_moves_with_the_same_write(ledger: &Ledger) {
    let order = order();
    ledger.append(&copy(&order, "A", 0)).await.unwrap();
    settle(ledger, &copy_in_second(&order, "A", 10)).await;
    let head = head(ledger).await;
    assert_eq!((head.observed_at, head.hash.version(), head.is_confirmed), (at(10), 2, true));
}
