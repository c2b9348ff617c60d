//! Which of two copies is newer: what a later question saw, and messages that are recorded at the same time.

use futures_util::future::join_all;
use jiff::SignedDuration;
use ledger::{Appended, DocumentKey, Erasure, Evidence, Ledger, NewRevision, Source};

use super::{at, copy};

holds_on_the_embedded_engine!(
    a_later_question_that_saw_the_same_keeps_a_slow_answer_out,
    a_slow_answer_and_a_confirmation_at_once_end_in_the_confirmed_state,
    a_head_moves_once_for_each_revision,
    a_told_copy_confirms_nothing,
    a_told_copy_that_was_confirmed_is_not_replaced_by_a_late_one,
    a_page_is_checked_by_its_heads,
    an_answer_that_was_long_on_its_way_is_asked_for_again_if_it_differs,
    the_message_received_last_ends_as_the_head,
    a_message_received_again_counts_from_then_on,
    of_messages_at_once_the_last_received_ends_as_the_head_and_none_is_lost,
    an_erased_message_is_not_said_again,
);

fn order() -> DocumentKey {
    DocumentKey::order("acme", 58)
}

fn item() -> DocumentKey {
    DocumentKey::manu("acme", "item-save", "SN-1")
}

fn told<'a>(document: &'a DocumentKey, body: &'a str, observed: i64) -> NewRevision<'a> {
    let evidence = Evidence::Told { since: at(-100) };
    NewRevision { source: Source::Push, evidence, ..copy(document, body, observed) }
}

fn message<'a>(document: &'a DocumentKey, body: &'a str, received: i64) -> NewRevision<'a> {
    NewRevision { source: Source::Push, evidence: Evidence::Message, ..copy(document, body, received) }
}

async fn bodies(ledger: &Ledger, document: &DocumentKey) -> Vec<String> {
    let revisions = ledger.revisions(document).await.unwrap();
    revisions.iter().map(|revision| String::from_utf8_lossy(&revision.body).into_owned()).collect()
}

async fn append(ledger: &Ledger, new: &NewRevision<'_>) -> Appended {
    ledger.append(new).await.unwrap()
}

async fn a_later_question_that_saw_the_same_keeps_a_slow_answer_out(ledger: &Ledger) {
    let order = order();
    append(ledger, &copy(&order, "A", 0)).await;
    assert_eq!(append(ledger, &copy(&order, "A", 20)).await, Appended::Duplicate { revision: 1 });
    assert_eq!(append(ledger, &copy(&order, "B", 10)).await, Appended::Stale { revision: 1 });
    assert_eq!(bodies(ledger, &order).await, ["A"]);
    let (head, revision) = (ledger.head(&order).await.unwrap().unwrap(), ledger.revisions(&order).await.unwrap());
    assert_eq!((head.observed_at, revision[0].observed_at), (at(20), at(0)), "the revision says when it was recorded");
}

async fn a_slow_answer_and_a_confirmation_at_once_end_in_the_confirmed_state(ledger: &Ledger) {
    for id in 1..=32 {
        let order = DocumentKey::order("acme", id);
        append(ledger, &copy(&order, "A", 0)).await;
        let (slow, confirmation) = (copy(&order, "B", 10), copy(&order, "A", 20));
        let results = join_all([ledger.append(&slow), ledger.append(&confirmation)]).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(bodies(ledger, &order).await.last().unwrap(), "A");
    }
}

async fn a_head_moves_once_for_each_revision(ledger: &Ledger) {
    let order = order();
    let observed = async || ledger.head(&order).await.unwrap().unwrap().observed_at;
    append(ledger, &copy(&order, "A", 0)).await;
    for second in [300, 600, 900] {
        append(ledger, &copy(&order, "A", second)).await;
        assert_eq!(observed().await, at(300), "the overlap shows a change several times");
    }
    append(ledger, &copy(&order, "B", 1000)).await;
    append(ledger, &copy(&order, "B", 1300)).await;
    assert_eq!(observed().await, at(1300));
}

async fn a_told_copy_confirms_nothing(ledger: &Ledger) {
    let order = order();
    append(ledger, &copy(&order, "A", 0)).await;
    assert_eq!(append(ledger, &told(&order, "A", 20)).await, Appended::Duplicate { revision: 1 });
    assert_eq!(append(ledger, &copy(&order, "B", 10)).await, Appended::Recorded { revision: 2 });
}

async fn a_told_copy_that_was_confirmed_is_not_replaced_by_a_late_one(ledger: &Ledger) {
    let order = order();
    append(ledger, &told(&order, "A", 0)).await;
    append(ledger, &copy(&order, "A", 300)).await;
    assert_eq!(append(ledger, &told(&order, "B", 310)).await, Appended::Stale { revision: 1 });
    assert_eq!(ledger.shop_state("acme").await.unwrap().refreshes, [(58, at(311))], "the shop is asked");
}

async fn a_page_is_checked_by_its_heads(ledger: &Ledger) {
    let order = order();
    append(ledger, &copy(&order, "A", 0)).await;
    let heads = ledger.heads(std::slice::from_ref(&order)).await.unwrap();
    let head = &heads[&order];
    assert!(head.agrees_with(&copy(&order, "A", 0)));
    assert!(head.agrees_with(&copy(&order, "A", -10)), "an earlier question confirms nothing");
    assert!(!head.agrees_with(&copy(&order, "A", 10)), "its time has to move");
    assert!(!head.agrees_with(&copy(&order, "B", 10)));
    let confirmed = ledger.append_after(Some(head), &copy(&order, "A", 10)).await.unwrap();
    assert_eq!(confirmed, Appended::Duplicate { revision: 1 });
    assert!(ledger.head(&order).await.unwrap().unwrap().agrees_with(&copy(&order, "A", 20)));
}

async fn an_answer_that_was_long_on_its_way_is_asked_for_again_if_it_differs(ledger: &Ledger) {
    let order = order();
    let slow = |body, observed| {
        let new = copy(&order, body, observed);
        NewRevision { now: new.observed_at + SignedDuration::from_secs(11), ..new }
    };
    let marks = async || ledger.shop_state("acme").await.unwrap().refreshes;
    append(ledger, &slow("A", 0)).await;
    append(ledger, &slow("A", 20)).await;
    assert_eq!(marks().await, [], "a new order, and one that is the same, are certain");
    assert_eq!(append(ledger, &slow("B", 40)).await, Appended::Recorded { revision: 2 });
    assert_eq!(marks().await, [(58, at(51))]);
}

async fn the_message_received_last_ends_as_the_head(ledger: &Ledger) {
    let item = item();
    append(ledger, &message(&item, "later", 10)).await;
    assert_eq!(append(ledger, &message(&item, "earlier", 5)).await, Appended::Recorded { revision: 2 });
    assert_eq!(bodies(ledger, &item).await, ["later", "earlier", "later"]);
    let head = ledger.head(&item).await.unwrap().unwrap();
    assert_eq!((head.revision, head.hash, head.observed_at), (3, message(&item, "later", 10).hash, at(10)));
    let revisions = ledger.revisions(&item).await.unwrap();
    let observed: Vec<_> = revisions.iter().map(|revision| revision.observed_at).collect();
    assert_eq!(observed, [at(10), at(5), at(10)], "what is said again is known by its time");
    assert_eq!(append(ledger, &message(&item, "later", 12)).await, Appended::Duplicate { revision: 3 });
}

async fn a_message_received_again_counts_from_then_on(ledger: &Ledger) {
    let item = item();
    append(ledger, &message(&item, "A", 10)).await;
    assert_eq!(append(ledger, &message(&item, "A", 20)).await, Appended::Duplicate { revision: 1 });
    append(ledger, &message(&item, "B", 15)).await;
    assert_eq!(bodies(ledger, &item).await, ["A", "B", "A"]);
    append(ledger, &message(&item, "B", 25)).await;
    assert_eq!(bodies(ledger, &item).await, ["A", "B", "A", "B"]);
}

async fn of_messages_at_once_the_last_received_ends_as_the_head_and_none_is_lost(ledger: &Ledger) {
    let item = item();
    let versions: Vec<String> = (0..16).map(|version| format!("version {version}")).collect();
    let messages: Vec<_> = versions.iter().zip(0..).map(|(body, second)| message(&item, body, second)).collect();
    let results = join_all(messages.iter().map(|message| ledger.append(message))).await;
    assert!(results.iter().all(|result| matches!(result, Ok(Appended::Recorded { .. }))), "{results:?}");
    let kept = bodies(ledger, &item).await;
    assert_eq!(kept.last(), versions.last());
    assert!(versions.iter().all(|version| kept.contains(version)), "{kept:?}");
    let head = ledger.head(&item).await.unwrap().unwrap();
    assert_eq!((head.revision as usize, head.hash), (kept.len(), messages[15].hash));
}

async fn an_erased_message_is_not_said_again(ledger: &Ledger) {
    let item = item();
    append(ledger, &message(&item, "later", 10)).await;
    ledger.erase(&item, Erasure { unassigned: false, dry_run: false }, at(11)).await.unwrap();
    assert_eq!(append(ledger, &message(&item, "earlier", 5)).await, Appended::Recorded { revision: 2 });
    assert_eq!(bodies(ledger, &item).await, ["earlier"]);
}
