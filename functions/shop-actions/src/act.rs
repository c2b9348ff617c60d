//! One action on one order, once.
//!
//! The record in the ledger is written before the shop is called and again after. Between the two lies the one moment at
//! which it is unknown what happened: the answer is lost, or this function killed. Then a delivery is looked up in the shop
//! (see [`crate::deliver`]); a comment cannot be looked up. Neither is sent again.

use std::time::Duration;

use connections::OrderIs;
use intake::{Asked, Kept, record_order};
use jiff::{SignedDuration, Timestamp};
use ledger::{Begun, Claim, Connection, LedgerError, Settled, Source};
use mycashflow::{Answer, ClientError, Entry, Order, Page, ShopClient};
use tokio::time::Instant;

use crate::ActionsDeps;
use crate::deliver::Wish;
use crate::message::{Action, Message};
use crate::report::ActionOutcome;

/// How long after the deadline of its requests a claim lasts: what was sent may still be on its way then.
const CLAIM_MARGIN: SignedDuration = SignedDuration::from_secs(90);
/// How often the shop is asked for an order within one invocation.
const LOOK_ATTEMPTS: u32 = 2;
/// How long each time.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Works on the orders of one shop.
pub(crate) struct Actor<'a> {
    pub(crate) deps: &'a ActionsDeps,
    pub(crate) client: ShopClient,
    pub(crate) connection: Connection,
    /// What the message names orders by. An id leads to the right order in any case.
    pub(crate) order_is: OrderIs,
    /// What it means that the shop does not have an order.
    pub(crate) missing: Missing,
    /// The name of this invocation and message: unlike any other's.
    pub(crate) owner: &'a str,
    pub(crate) deadline: Instant,
}

/// What it means that the shop does not have the order that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The message is wrong.
    IsWrong,
    /// The shop may show it later: a dispatch can be quicker than its order.
    MayAppear,
}

/// Whether there is doubt that an action was done already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    No,
    Yes,
}

impl Actor<'_> {
    /// Does a message's action on one order, unless it was done before.
    pub(crate) async fn act(&self, message: &Message, order: u64) -> ActionOutcome {
        let Some((key, fingerprint)) = message.key(order) else {
            return match message.action {
                Action::Refresh => self.refresh(order).await,
                _ => self.resend(order).await,
            };
        };
        // Unlike the name of any other try, so that a record of this name can only be this try's.
        let owner = format!("{}#{:016x}", self.owner, fastrand::u64(..));
        let claim = Claim { connection: &self.connection, key: &key, fingerprint, owner: &owner };
        let doubt = match self.begin(&claim).await {
            Ok(Begun::First) => Doubt::No,
            Ok(Begun::Interrupted) => Doubt::Yes,
            Ok(Begun::Running { .. }) => {
                return ActionOutcome::Later(
                    "another attempt is in progress, or its response may still arrive".to_owned(),
                );
            }
            Ok(Begun::Settled(Settled::Done(how))) => return ActionOutcome::DoneBefore(how),
            Ok(Begun::Settled(Settled::Unknown(reason))) => return ActionOutcome::Unknown(reason),
            Ok(Begun::Mismatch) => return ActionOutcome::Rejected("its id was used for another action".to_owned()),
            Err(error) => return ledger_fails(&error),
        };
        let outcome = match &message.action {
            Action::Deliver { send_email, tracking_code } => {
                let wish = Wish { send_email: *send_email, tracking_code: tracking_code.as_deref() };
                self.deliver(&claim, order, wish, doubt).await
            }
            Action::AddComment { message, public_message } => {
                self.comment(order, message, *public_message, doubt).await
            }
            Action::Resend => Attempted::certain(self.resend(order).await),
            Action::Refresh => Attempted::certain(self.refresh(order).await),
        };
        self.write_down(&claim, outcome, doubt).await
    }

    pub(crate) async fn begin(&self, claim: &Claim<'_>) -> Result<Begun, LedgerError> {
        let now = self.now();
        let left =
            SignedDuration::try_from(self.deadline.saturating_duration_since(Instant::now())).unwrap_or_default();
        self.deps.base.ledger.begin_action(claim, now, now + left + CLAIM_MARGIN).await
    }

    /// Takes back a claim on what was certainly not done, or is certainly over.
    pub(crate) async fn release(&self, claim: &Claim<'_>) {
        if let Err(error) = self.deps.base.ledger.release_action(claim).await {
            tracing::warn!(%error, "a claim could not be released; it expires by itself");
        }
    }

    /// Writes down what came of an action, as far as that is certain.
    async fn write_down(&self, claim: &Claim<'_>, attempted: Attempted, doubt: Doubt) -> ActionOutcome {
        let ledger = &self.deps.base.ledger;
        let Attempted { outcome, may_have_happened } = attempted;
        let settled = match &outcome {
            ActionOutcome::Done(how) => Settled::Done(how.clone()),
            ActionOutcome::Unknown(reason) => Settled::Unknown(reason.clone()),
            // What is in doubt stays in doubt: the record still says that it was begun.
            _ if may_have_happened || doubt == Doubt::Yes => return outcome,
            _ => {
                self.release(claim).await;
                return outcome;
            }
        };
        match ledger.settle_action(claim, &settled, self.now()).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(connection = %self.connection, "another attempt has taken over the action"),
            // The record still says that it was begun, so a repeat of the message is met with doubt, not done again.
            Err(error) => tracing::warn!(%error, "the outcome of an action could not be written down"),
        }
        outcome
    }

    async fn comment(&self, order: u64, text: &str, public: bool, doubt: Doubt) -> Attempted {
        const UNKNOWN: &str = "it is unknown whether the comment was added, and it is not added again by itself";
        if doubt == Doubt::Yes {
            return Attempted::certain(ActionOutcome::Unknown(format!(
                "an earlier try ended without an answer: {UNKNOWN}"
            )));
        }
        if let Err(outcome) = self.look(order).await {
            return Attempted::certain(outcome);
        }
        match self.patiently(|| self.client.add_comment(order, text, public)).await {
            Ok(()) => Attempted::certain(ActionOutcome::Done("comment added".to_owned())),
            Err(error) if error.may_have_arrived() => {
                Attempted::certain(ActionOutcome::Unknown(format!("{error}: {UNKNOWN}")))
            }
            // The shop says that it did not do it. Nothing shows whether that is true, and a copy of the message would add the
            // comment a second time.
            Err(error) => Attempted::certain(match refusal(&error, self.missing) {
                ActionOutcome::Rejected(reason) => ActionOutcome::Unknown(format!("{reason}: {UNKNOWN}")),
                other => other,
            }),
        }
    }

    /// Sent twice, it does no harm: the ledger takes the second copy for a duplicate.
    async fn resend(&self, order: u64) -> ActionOutcome {
        if let Err(outcome) = self.look(order).await {
            return outcome;
        }
        match self.patiently(|| self.client.send_again(order)).await {
            Ok(()) => ActionOutcome::Done("the shop was asked to send it again".to_owned()),
            Err(error @ ClientError::Unclear) => ActionOutcome::Unknown(error.to_string()),
            Err(error) if error.may_have_arrived() => ActionOutcome::Later(error.to_string()),
            Err(error) => refusal(&error, self.missing),
        }
    }

    async fn refresh(&self, order: u64) -> ActionOutcome {
        let answer = match self.ask(order).await {
            Ok(answer) => answer,
            Err(error) => return refusal(&error, self.missing),
        };
        let asked = Asked::by(&answer, &self.connection.name, Source::Refresh, self.now());
        let Some(entry) = entry_of(&answer.page, order) else { return no_such_order(self.missing) };
        match record_order(&self.deps.base.ledger, &asked.copy(&answer.page, entry), self.now()).await {
            Ok(Kept::Appended { appended, .. }) => {
                ActionOutcome::Done(format!("the ledger has it as revision {}", appended.revision()))
            }
            Ok(Kept::Quarantined { reason, .. } | Kept::Nothing { reason }) => {
                ActionOutcome::Done(format!("it is in quarantine: {reason}"))
            }
            Err(error) => ledger_fails(&error),
        }
    }

    /// Asks the shop for an order.
    pub(crate) async fn look(&self, order: u64) -> Result<Order, ActionOutcome> {
        let answer = self.ask(order).await.map_err(|error| refusal(&error, self.missing))?;
        match entry_of(&answer.page, order).map(|entry| entry.order.clone()) {
            Some(Ok(order)) => Ok(order),
            Some(Err(error)) => Err(ActionOutcome::Rejected(format!("the order cannot be read: {error}"))),
            None => Err(no_such_order(self.missing)),
        }
    }

    /// Asks the shop for an order, with less patience than a poll has: a message names up to 50 orders, and one at which
    /// the shop hangs must leave the others their time. It is asked for again when the message comes again.
    async fn ask(&self, order: u64) -> Result<Answer, ClientError> {
        self.client.with_attempts(LOOK_ATTEMPTS).with_request_timeout(LOOK_TIMEOUT).get(&[order]).await
    }

    /// Sends a request until it has certainly arrived, or may have: only what certainly did not arrive is sent again.
    pub(crate) async fn patiently<F>(&self, mut send: impl FnMut() -> F) -> Result<(), ClientError>
    where
        F: Future<Output = Result<(), ClientError>>,
    {
        let policy = &self.deps.policy;
        let mut longest = policy.base_delay;
        for _ in 1..policy.attempts.max(1) {
            match send().await {
                // The client waits by itself where there is time to.
                Err(error @ ClientError::Busy { .. }) => return Err(error),
                Err(error) if error.is_transient() && !error.may_have_arrived() => {
                    let pause = longest.mul_f64(fastrand::f64());
                    if self.deadline.saturating_duration_since(Instant::now()) <= pause {
                        return Err(error);
                    }
                    tokio::time::sleep(pause).await;
                    longest = longest.saturating_mul(2).min(policy.max_delay);
                }
                other => return other,
            }
        }
        send().await
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.deps.base.clock)()
    }
}

/// What came of an action, and whether the shop may have done it nonetheless.
pub(crate) struct Attempted {
    pub(crate) outcome: ActionOutcome,
    pub(crate) may_have_happened: bool,
}

impl Attempted {
    pub(crate) fn certain(outcome: ActionOutcome) -> Self {
        Self { outcome, may_have_happened: false }
    }
}

fn entry_of(page: &Page, order: u64) -> Option<&Entry> {
    page.entries.iter().find(|entry| entry.id == Some(order))
}

fn no_such_order(missing: Missing) -> ActionOutcome {
    match missing {
        Missing::IsWrong => ActionOutcome::Rejected("the shop has no such order".to_owned()),
        Missing::MayAppear => ActionOutcome::Later("the shop does not have the order yet".to_owned()),
    }
}

pub(crate) fn ledger_fails(error: &LedgerError) -> ActionOutcome {
    ActionOutcome::Later(error.to_string())
}

/// What a request means that failed without effect.
pub(crate) fn refusal(error: &ClientError, missing: Missing) -> ActionOutcome {
    match error {
        ClientError::Status { status: 404 } => no_such_order(missing),
        // A wrong key or address is not the message's fault: somebody has to store the right one, and then it continues.
        ClientError::Denied { .. } | ClientError::Moved { .. } => ActionOutcome::Later(error.to_string()),
        error if error.is_transient() => ActionOutcome::Later(error.to_string()),
        error => ActionOutcome::Rejected(error.to_string()),
    }
}

/// The least that an order's requests may need of the time that is left.
pub(crate) const ORDER_TIME: Duration = Duration::from_secs(10);
