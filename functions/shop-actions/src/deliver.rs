//! A delivery: sent once, and done when the shop shows it.
//!
//! Three records of the ledger keep it to once. The message's own says that it was begun, and in the end what came of it.
//! The order's lock keeps messages with other ids away while one is at the shop, and says for a while what was sent. The
//! order's mark is written just before the request leaves, and taken back when the shop shows the delivery, or certainly
//! did not do it: a message that finds a mark, its own or another's, looks at the order and sends nothing. So a delivery
//! that the shop shows late, or never, is not sent a second time by another message either.

use connections::OrderIs;
use jiff::SignedDuration;
use ledger::{Begun, Claim, ContentHash, Settled};
use mycashflow::{ClientError, Decimal, Line, LineKind, Order};
use serde::{Deserialize, Serialize};

use crate::act::{Actor, Attempted, Doubt, ledger_fails, refusal};
use crate::report::ActionOutcome;

/// How long after a delivery that was seen its order counts as delivered, whatever the shop shows. After that the shop's word
/// holds: a person may have opened the order again. One that was not seen leaves its mark.
const DELIVERED_FOR: SignedDuration = SignedDuration::from_mins(15);

const TAKEN: &str = "another message delivers the order, or its answer may still be on its way";
const ANOTHER_NUMBER: &str =
    "the shop's order of this id has another order number, so it may not be the one that is meant";
const NOT_SEEN: &str = "the shop does not show the order as delivered; it is looked at again, and not delivered again";

/// What the customer is to get of a delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) send_email: bool,
    pub(crate) tracking_code: Option<&'a str>,
}

/// What was sent with a delivery, as the order's lock keeps it. The code is personal data, so only its hash is kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    email: bool,
    code: Option<String>,
}

/// What came of a delivery under the order's lock.
enum Delivery {
    /// Nothing was sent.
    NotSent(ActionOutcome),
    /// It was sent now, and the shop shows it.
    Seen(&'static str),
    /// It was sent now, and the shop does not show it, or cannot be asked: why.
    Unseen(String),
    /// It was sent by an earlier try or another message, and the shop does not show it.
    SentBefore,
}

impl Actor<'_> {
    /// Delivers an order under its lock. Whether a message with another id delivers it at this moment, or sent a request that
    /// may still arrive, cannot be seen in the shop.
    pub(crate) async fn deliver(&self, action: &Claim<'_>, order: u64, wish: Wish<'_>, doubt: Doubt) -> Attempted {
        // A message's own key ends in a number sign and the order, so none can be equal to this one.
        let key = format!("deliver-lock#order/{order}");
        let lock = Claim { key: &key, fingerprint: ContentHash::of(b"deliver-lock"), ..action.clone() };
        match self.begin(&lock).await {
            // Whether somebody else was interrupted makes no difference: the order is looked at in any case.
            Ok(Begun::First | Begun::Interrupted) => {}
            Ok(Begun::Settled(Settled::Done(sent))) if self.order_is == OrderIs::Id => {
                return Attempted::certain(wish.after(&sent));
            }
            Ok(Begun::Settled(Settled::Done(sent) | Settled::Unknown(sent))) => {
                return self.look_for(action, order, wish, &sent).await;
            }
            // It is never written with another fingerprint.
            Ok(Begun::Running { .. } | Begun::Mismatch) => {
                return Attempted::certain(ActionOutcome::Later(TAKEN.to_owned()));
            }
            Err(error) => return Attempted::certain(ledger_fails(&error)),
        }
        match self.deliver_locked(action, order, wish, doubt).await {
            Delivery::NotSent(outcome) => {
                self.release(&lock).await;
                Attempted::certain(outcome)
            }
            Delivery::Seen(how) => {
                self.keep(&lock, Settled::Done(wish.sent())).await;
                self.clear_mark(action, order).await;
                Attempted::certain(ActionOutcome::Done(how.to_owned()))
            }
            Delivery::Unseen(reason) => {
                self.keep(&lock, Settled::Unknown(wish.sent())).await;
                Attempted { outcome: ActionOutcome::Later(reason), may_have_happened: true }
            }
            Delivery::SentBefore => {
                self.release(&lock).await;
                let outcome = ActionOutcome::Later(format!("the delivery was sent before: {NOT_SEEN}"));
                Attempted { outcome, may_have_happened: true }
            }
        }
    }

    /// Looks at the order first: it must exist, and one that is delivered is not delivered again, whoever did it. That
    /// keeps the customer from a second mail. Afterwards it is looked at again, whatever the shop answered.
    async fn deliver_locked(&self, action: &Claim<'_>, order: u64, wish: Wish<'_>, doubt: Doubt) -> Delivery {
        match self.look(order).await {
            Err(outcome) => return Delivery::NotSent(outcome),
            Ok(found) if self.is_another(&found, order) => {
                return Delivery::NotSent(ActionOutcome::Rejected(ANOTHER_NUMBER.to_owned()));
            }
            Ok(found) if is_delivered(&found) => {
                self.clear_mark(action, order).await;
                let how = match doubt {
                    Doubt::Yes => "delivered, as the shop shows: the answer had been lost",
                    Doubt::No => "it was delivered already: the shop was not called",
                };
                return Delivery::NotSent(ActionOutcome::Done(how.to_owned()));
            }
            Ok(_) => {}
        }
        let key = mark_of(order);
        let mark = Claim { key: &key, fingerprint: ContentHash::of(b"deliver-sent"), ..action.clone() };
        match self.begin(&mark).await {
            Ok(Begun::First) => {}
            Ok(_) => return Delivery::SentBefore,
            Err(error) => return Delivery::NotSent(ledger_fails(&error)),
        }
        let answer = self.patiently(|| self.client.deliver(order, wish.send_email, wish.tracking_code)).await;
        self.after_sending(&mark, order, answer).await
    }

    /// Finds out whether a delivery was done that was sent just now.
    async fn after_sending(&self, mark: &Claim<'_>, order: u64, answer: Result<(), ClientError>) -> Delivery {
        let was_turned_away = matches!(
            &answer,
            Err(ClientError::Transport(_)
                | ClientError::Deadline
                | ClientError::Busy { .. }
                | ClientError::Status { status: 429 })
        );
        match answer {
            Err(error) if was_turned_away && !error.may_have_arrived() => {
                self.release(mark).await;
                Delivery::NotSent(refusal(&error, self.missing))
            }
            answer => match (self.look(order).await, answer) {
                (Ok(found), Ok(())) if is_delivered(&found) => Delivery::Seen("delivered"),
                (Ok(found), Err(_)) if is_delivered(&found) => {
                    Delivery::Seen("delivered, as the shop shows; its answer did not say so")
                }
                // The shop says that it did not do it, and shows as much.
                (Ok(_), Err(error)) if !error.may_have_arrived() => {
                    self.release(mark).await;
                    Delivery::NotSent(refusal(&error, self.missing))
                }
                (Ok(_), Ok(())) => Delivery::Unseen(format!("the delivery was sent: {NOT_SEEN}")),
                (Ok(_), Err(error)) => Delivery::Unseen(format!("{error}: {NOT_SEEN}")),
                (Err(outcome), _) => {
                    let (_, reason) = outcome.parts();
                    Delivery::Unseen(format!("the delivery was sent, and the order cannot be looked at now: {reason}"))
                }
            },
        }
    }

    /// Looks for a delivery that was sent a while ago, by this message or another one, and was not seen then.
    async fn look_for(&self, action: &Claim<'_>, order: u64, wish: Wish<'_>, sent: &str) -> Attempted {
        let outcome = match self.look(order).await {
            Ok(found) if self.is_another(&found, order) => ActionOutcome::Rejected(ANOTHER_NUMBER.to_owned()),
            Ok(found) if is_delivered(&found) => {
                self.clear_mark(action, order).await;
                wish.after(sent)
            }
            Ok(_) => ActionOutcome::Later(format!("the delivery was sent: {NOT_SEEN}")),
            Err(outcome) => outcome,
        };
        Attempted::certain(outcome)
    }

    /// Whether the order of this id may not be the one that is meant by a number.
    fn is_another(&self, found: &Order, order: u64) -> bool {
        self.order_is == OrderIs::Number && has_another_number(found, order)
    }

    /// Takes the mark of an order back that the shop shows as delivered: a person may open it again later.
    async fn clear_mark(&self, action: &Claim<'_>, order: u64) {
        if let Err(error) = self.deps.base.ledger.clear_action(action.connection, &mark_of(order)).await {
            tracing::error!(%error, order, "the mark of a delivery could not be removed: the order is not delivered again by itself");
        }
    }

    /// Lets an order's lock say for a while what was sent.
    async fn keep(&self, lock: &Claim<'_>, settled: Settled) {
        let now = self.now();
        if let Err(error) = self.deps.base.ledger.settle_action_until(lock, &settled, now, now + DELIVERED_FOR).await {
            tracing::warn!(%error, "what a delivery sent could not be recorded; other messages wait until the claim expires");
        }
    }
}

/// The key of an order's mark. A message's own key ends in a number sign and the order, so none can be equal to it.
fn mark_of(order: u64) -> String {
    format!("deliver-sent#order/{order}")
}

impl Wish<'_> {
    fn sent(&self) -> String {
        let code = self.tracking_code.map(|code| ContentHash::of(code.as_bytes()).to_string());
        serde_json::to_string(&Sent { email: self.send_email, code }).unwrap_or_default()
    }

    /// What becomes of this wish when the order was delivered a moment ago with what `sent` says: it is fulfilled only if the
    /// customer got all that it asks for.
    fn after(&self, sent: &str) -> ActionOutcome {
        // An earlier version wrote no such thing.
        let Ok(sent) = serde_json::from_str::<Sent>(sent) else { return ActionOutcome::Later(TAKEN.to_owned()) };
        let code = self.tracking_code.map(|code| ContentHash::of(code.as_bytes()).to_string());
        let missing = match (self.send_email && !sent.email, code.is_some() && code != sent.code) {
            (false, false) => {
                return ActionOutcome::Done("it was delivered a moment ago: the shop was not called".to_owned());
            }
            (true, false) => "mail to the customer",
            (false, true) => "tracking code",
            (true, true) => "mail to the customer and tracking code",
        };
        ActionOutcome::Rejected(format!(
            "the order was delivered a moment ago without the {missing} that this message asks for, and is not delivered twice"
        ))
    }
}

/// Whether the shop shows an order as delivered: by its status, or because all its goods are.
///
/// `Shipped` is the one status of a delivered order that clients have seen in the XML. The vendor publishes no list, and a
/// shop's own words are not known, so another word that means the same counts unless a line says the contrary.
pub(crate) fn is_delivered(order: &Order) -> bool {
    const LIKE_SHIPPED: [&str; 4] = ["completed", "delivered", "toimitettu", "levererad"];
    let status = order.status.as_deref().unwrap_or_default().trim().to_lowercase();
    let goods = || order.products.iter().filter(|line| is_goods(line));
    if status == "shipped" || (LIKE_SHIPPED.contains(&&*status) && goods().all(|line| line.shipped != Some(false))) {
        return true;
    }
    goods().next().is_some() && goods().all(|line| line.shipped == Some(true))
}

/// Whether a line is of goods that are sent: a fee and a coupon are not, and neither is what was returned.
fn is_goods(line: &Line) -> bool {
    line.kind == LineKind::Product && line.quantity.as_ref().is_none_or(Decimal::is_positive)
}

/// Whether an order has a number of its own that is not its id.
fn has_another_number(order: &Order, id: u64) -> bool {
    order.order_number.as_deref().is_some_and(|number| number.trim().parse() != Ok(id))
}

#[cfg(test)]
mod tests {
    use mycashflow::{Limits, read_page};

    use super::*;

    fn shows_delivered(status: &str, lines: &str) -> bool {
        let xml = format!("<Order id='1'><OrderStatus>{status}</OrderStatus><Products>{lines}</Products></Order>");
        let page = read_page(xml.as_bytes(), None, &Limits::default()).unwrap();
        is_delivered(page.entries[0].order.as_ref().unwrap())
    }

    const SENT: &str = "<Product><ProductID>7</ProductID><Quantity>1</Quantity><Shipped>true</Shipped></Product>";
    const OPEN: &str = "<Product><ProductID>8</ProductID><Quantity>1</Quantity><Shipped>false</Shipped></Product>";
    const SILENT: &str = "<Product><ProductID>9</ProductID><Quantity>1</Quantity></Product>";
    const FEES: &str = "<Product><ProductID PaymentID='2'>PAYMENT</ProductID></Product>\
                        <Product><ProductID>SHIPPING</ProductID><Shipped>false</Shipped></Product>\
                        <Product><ProductID CouponCode='KESÄ'>1</ProductID><Total>-5</Total></Product>";
    const RETURNED: &str = "<Product><ProductID>7</ProductID><Quantity>-1</Quantity><Shipped>false</Shipped></Product>";

    #[test]
    fn an_order_is_delivered_by_its_status() {
        for status in ["Shipped", "shipped", " SHIPPED "] {
            assert!(shows_delivered(status, OPEN), "{status}");
        }
        for status in ["Completed", "Delivered", "Toimitettu"] {
            assert!(
                shows_delivered(status, "") && shows_delivered(status, &format!("{SENT}{SILENT}{FEES}")),
                "{status}"
            );
            assert!(!shows_delivered(status, &format!("{SENT}{OPEN}")), "{status}, but a line is not");
        }
        for status in ["", "Open", "Cancelled", "Käsittelyssä", "NotShipped"] {
            assert!(!shows_delivered(status, ""), "{status}");
        }
    }

    #[test]
    fn an_order_is_delivered_when_all_its_goods_are() {
        for status in ["", "Open", "Käsittelyssä"] {
            assert!(shows_delivered(status, SENT));
            assert!(shows_delivered(status, &format!("{SENT}{FEES}{RETURNED}")), "fees and returns do not count");
            assert!(!shows_delivered(status, &format!("{SENT}{OPEN}")));
            assert!(
                !shows_delivered(status, &format!("{SENT}{SILENT}")),
                "a line that does not say so is not delivered"
            );
            assert!(!shows_delivered(status, FEES), "an order without goods is not delivered by its lines");
        }
    }

    #[test]
    fn what_was_sent_is_kept_without_the_code() {
        let wish = Wish { send_email: true, tracking_code: Some("JJFI1") };
        let sent = wish.sent();
        assert!(!sent.contains("JJFI1"), "{sent}");
        assert!(matches!(wish.after(&sent), ActionOutcome::Done(_)));
        assert!(matches!(Wish { send_email: false, tracking_code: None }.after(&sent), ActionOutcome::Done(_)));
        assert!(matches!(
            Wish { send_email: true, tracking_code: Some("JJFI2") }.after(&sent),
            ActionOutcome::Rejected(_)
        ));
        assert!(matches!(wish.after("delivered"), ActionOutcome::Later(_)), "as an earlier version wrote it");
    }
}
