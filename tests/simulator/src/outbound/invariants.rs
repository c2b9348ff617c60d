//! The invariants of an outbound world.

use std::collections::{BTreeMap, BTreeSet};

use cloud::messaging::{ACTIONS, ACTIONS_DEAD_LETTERS, MAX_RECEIVES};
use ledger::{Connection, ContentHash, DocumentKey, RevisionKey, System};
use world::in_process::lock;
use world::shop::MailKind;

use super::Simulation;

/// No revision comes to the bus for the first time before an earlier one of its document, but for dead letters; and all
/// that did not come is one.
pub(super) fn published_in_order_or_a_letter(sim: &Simulation, violations: &mut Vec<String>) {
    let letters = sim.event_letters();
    let mut highest: BTreeMap<DocumentKey, u32> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for key in sim.published() {
        if !seen.insert(key.event_id()) {
            continue;
        }
        let before = highest.insert(key.document.clone(), key.revision).unwrap_or(0);
        let between = (before + 1..key.revision).map(|revision| key.document.event_id(revision));
        for missing in between.filter(|id| !letters.contains(id)) {
            violations.push(format!("{} was published before {missing}", key.event_id()));
        }
        if key.revision < before {
            violations.push(format!("{} was published after revision {before}", key.event_id()));
        }
    }
    for id in sim.relayed.borrow().iter().filter(|id| !seen.contains(*id) && !letters.contains(*id)) {
        violations.push(format!("{id} is neither published nor a dead letter"));
    }
}

/// At the end only what cannot be read is not on the bus, and its letters are still there.
pub(super) fn everything_is_published(sim: &Simulation, violations: &mut Vec<String>) {
    let published: BTreeSet<String> = sim.published().iter().map(RevisionKey::event_id).collect();
    let letters = sim.event_letters();
    for id in sim.recorded.borrow().iter() {
        let unreadable = id.starts_with("mycashflow/acme/order/900/");
        if published.contains(id) == unreadable || letters.contains(id) != unreadable {
            violations.push(format!(
                "{id} is published: {}, a letter: {}",
                published.contains(id),
                letters.contains(id)
            ));
        }
    }
}

/// Each order that a message wants delivered is delivered, with one mail; or every message that says so is a dead letter.
pub(super) fn each_order_is_delivered_once(sim: &Simulation, violations: &mut Vec<String>) {
    let left = sim.messaging.messages(ACTIONS).len();
    if left > 0 {
        violations.push(format!("{left} messages are still in the queue"));
    }
    let letters = sim.messaging.messages(ACTIONS_DEAD_LETTERS);
    for letter in letters.iter().filter(|letter| letter.attribute("reason").is_none()) {
        if letter.receives() < MAX_RECEIVES {
            violations.push(format!("a letter says no reason: {}", letter.body));
        }
    }
    let shop = lock(&sim.shop);
    for (order, messages) in sim.wanted.borrow().iter() {
        let about = |mail: &&world::shop::Mail| mail.order == *order && mail.kind == MailKind::DeliveryConfirmation;
        let mails = shop.mails().iter().filter(about).count();
        let shipped = shop.order(*order).is_some_and(|order| order.status.as_deref() != Some("Open"));
        let given_up =
            messages.iter().all(|id| letters.iter().any(|letter| letter.body.contains(&format!("\"{id}\""))));
        if mails > 1 || shipped != (mails == 1) || (!shipped && !given_up) {
            violations.push(format!("order {order}: shipped: {shipped}, {mails} mails, for {messages:?}"));
        }
    }
}

/// Each comment is there once, or its message is a dead letter.
pub(super) fn each_comment_is_added_once(sim: &Simulation, violations: &mut Vec<String>) {
    let letters = sim.messaging.messages(ACTIONS_DEAD_LETTERS);
    let shop = lock(&sim.shop);
    for (order, text) in sim.comments.borrow().iter() {
        let added = shop.comments(*order).iter().filter(|comment| comment.message == *text).count();
        let letter = letters.iter().any(|letter| letter.body.contains(&format!("\"{text}\"")));
        if added > 1 || (added == 0 && !letter) {
            violations.push(format!("{text} stands at order {order} {added} times, and is a letter: {letter}"));
        }
    }
}

/// Of two messages, also of two that were recorded at the same instant, the one received later is the head.
pub(super) async fn the_last_message_is_the_head(sim: &Simulation, violations: &mut Vec<String>) {
    let last = sim.last.borrow().clone();
    for (document, body) in last.iter().filter(|(document, _)| document.connection.system == System::Manu) {
        let head = sim.ledger.head(document).await.expect("a ledger without faults");
        if head.is_none_or(|head| head.hash != ContentHash::of(body.as_bytes())) {
            violations.push(format!("the head of {} is not the message received last", document.name()));
        }
    }
}

/// A number keeps its digits from the message to the event and to the shop.
pub(super) fn digits_are_kept(sim: &Simulation, violations: &mut Vec<String>) {
    let events = sim.messaging.event_texts();
    let shop = lock(&sim.shop);
    for (event, digits) in sim.tracking_codes.borrow().iter() {
        let about = |text: &&String| text.contains(&format!("\"{event}\""));
        if events.iter().filter(about).any(|text| text.contains("tracking_code") && !text.contains(digits)) {
            violations.push(format!("{event}: the event does not hold the digits {digits}"));
        }
    }
    let codes = sim.tracking_codes.borrow();
    for order in sim.wanted.borrow().keys() {
        if let Some(code) = shop.tracking_code(*order)
            && !codes.iter().any(|(_, digits)| digits == code)
        {
            violations
                .push(format!("order {order}: the shop was told the tracking code {code}, which no dispatch names"));
        }
    }
}

/// A message that was answered with 200 is published as it was written, or without its document; one that lost letters
/// is in quarantine, and its sender told.
pub(super) async fn accepted_messages_are_published(sim: &Simulation, violations: &mut Vec<String>) {
    let texts = sim.messaging.event_texts();
    let quarantined = sim.ledger.quarantined(&Connection::manu("acme")).await.expect("a ledger without faults");
    for sent in sim.messages.borrow().iter() {
        let about = format!("\"{}\"", sent.event);
        let is_published =
            |text: &String| text.contains(&about) && (text.contains(sent.note) || text.contains("\"truncated\":true"));
        let kept = match (sent.status, sent.lossy) {
            (200, false) => texts.iter().any(is_published),
            (400, true) => quarantined.iter().any(|one| one.body == sent.body),
            (503, _) => true,
            _ => false,
        };
        if !kept {
            violations.push(format!("{}: a message was answered {}, and it is not so", sent.event, sent.status));
        }
    }
}
