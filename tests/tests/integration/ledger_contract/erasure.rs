//! Erasing a document's contents.

use ledger::{Appended, Connection, DocumentKey, Erased, Erasure, Ledger, NewQuarantined};

use super::{at, copy};

holds_on_the_embedded_engine!(
    an_erased_document_leaves_no_body_and_is_not_recorded_again,
    a_later_state_of_an_erased_document_goes_on_counting,
    a_body_in_quarantine_is_erased_with_its_document_and_not_kept_again,
    a_dry_run_erases_nothing,
    an_erasure_leaves_other_documents_alone,
);

const ALL: Erasure = Erasure { unassigned: false, dry_run: false };

fn order(id: u64) -> DocumentKey {
    DocumentKey::order("acme", id)
}

async fn append(ledger: &Ledger, id: u64, body: &str, second: i64) -> Appended {
    ledger.append(&copy(&order(id), body, second)).await.unwrap()
}

async fn quarantine(ledger: &Ledger, document: Option<&str>, body: &str) -> bool {
    let new = NewQuarantined {
        body: body.as_bytes(),
        content_type: "text/xml",
        reason: "cut short",
        document,
        kind: None,
        source: None,
        now: at(0),
    };
    ledger.quarantine(&Connection::shop("acme"), &new).await.unwrap()
}

async fn erase(ledger: &Ledger, id: u64, erasure: Erasure) -> Erased {
    ledger.erase(&order(id), erasure, at(90)).await.unwrap()
}

async fn an_erased_document_leaves_no_body_and_is_not_recorded_again(ledger: &Ledger) {
    append(ledger, 58, "a", 1).await;
    append(ledger, 58, "b", 2).await;
    assert_eq!(erase(ledger, 58, ALL).await, Erased { revisions: 2, ..Erased::default() });
    assert_eq!(ledger.revisions(&order(58)).await.unwrap(), []);
    assert_eq!(append(ledger, 58, "b", 3).await, Appended::Duplicate { revision: 2 }, "the head tells old from new");
    assert_eq!(ledger.revisions(&order(58)).await.unwrap(), []);
    assert_eq!(erase(ledger, 58, ALL).await, Erased::default(), "twice does no harm");
}

async fn a_later_state_of_an_erased_document_goes_on_counting(ledger: &Ledger) {
    append(ledger, 58, "a", 1).await;
    erase(ledger, 58, ALL).await;
    assert_eq!(append(ledger, 58, "b", 3).await, Appended::Recorded { revision: 2 }, "no id is published twice");
}

async fn a_body_in_quarantine_is_erased_with_its_document_and_not_kept_again(ledger: &Ledger) {
    let shop = Connection::shop("acme");
    quarantine(ledger, Some("order/58"), "broken 58").await;
    quarantine(ledger, Some("order/5"), "broken 5").await;
    quarantine(ledger, None, "broken whose").await;
    assert_eq!(erase(ledger, 58, ALL).await, Erased { quarantined: 1, unassigned: 1, ..Erased::default() });
    assert!(!quarantine(ledger, Some("order/58"), "broken 58").await, "its hash is known still");
    let held = ledger.quarantined(&shop).await.unwrap();
    assert!(held.iter().all(|held| held.document.as_deref() != Some("order/58")), "{held:?}");
    assert_eq!(held.len(), 2);
    let further = Erasure { unassigned: true, ..ALL };
    assert_eq!(erase(ledger, 58, further).await, Erased { quarantined: 1, ..Erased::default() });
    assert_eq!(ledger.quarantined(&shop).await.unwrap().len(), 1);
}

async fn a_dry_run_erases_nothing(ledger: &Ledger) {
    append(ledger, 58, "a", 1).await;
    quarantine(ledger, Some("order/58"), "broken 58").await;
    let dry = Erasure { dry_run: true, ..ALL };
    assert_eq!(erase(ledger, 58, dry).await, Erased { revisions: 1, quarantined: 1, unassigned: 0 });
    assert_eq!(ledger.revisions(&order(58)).await.unwrap().len(), 1);
    assert_eq!(ledger.quarantined(&Connection::shop("acme")).await.unwrap().len(), 1);
}

async fn an_erasure_leaves_other_documents_alone(ledger: &Ledger) {
    append(ledger, 5, "a", 1).await;
    append(ledger, 58, "a", 1).await;
    erase(ledger, 5, ALL).await;
    assert_eq!(ledger.revisions(&order(58)).await.unwrap().len(), 1);
}
