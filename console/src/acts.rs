//! What a person decides: each act leaves a line in the audit log before it is done.

use intake::{Again, ReadAgain, read_again};
use ledger::{ActionLine, Connection, DocumentKey, Part, Pause, QuarantineState, Quarantined, Span};
use serde::Serialize;
use serde_json::{Value, json};

use crate::problems::DISMISSED;
use crate::{Letter, Operator, OperatorError, Queue, StackFunction};

/// Calls of the relay in a row that publish nothing, after which a replay is given up.
const CALLS_IN_VAIN: u32 = 20;

/// What became of a body in quarantine that was read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// The body: the hash of its bytes.
    pub id: String,
    /// The document, where one could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// `recorded`, `duplicate`, `superseded` or `unreadable`.
    pub outcome: &'static str,
    /// Why, where it is still unreadable; which revision, where it is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of dead letters that were sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LettersRetried {
    /// How many were sent again.
    pub sent: usize,
    /// Why some may still be there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

/// What is to be published again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// All revisions of a document.
    Document(DocumentKey),
    /// What was recorded in a time.
    Time {
        /// Of one connection.
        connection: Connection,
        /// In this time.
        span: Span,
        /// Only what was never published.
        unpublished: bool,
    },
    /// What is in the dead-letter queue of the relay.
    DeadLetters,
}

impl Operator {
    /// Reads a body in quarantine again, by the present reader, from the bytes that were kept. What can be read is recorded
    /// under its original time, and the body is resolved; unless it is a dry run.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn retry_quarantined(
        &self,
        connection: &Connection,
        held: &Quarantined,
        again: Again,
    ) -> Result<Vec<Retried>, OperatorError> {
        let now = self.now();
        if !again.dry_run {
            self.audit("retry", &format!("quarantine {connection} {}", held.id)).await?;
        }
        let read = read_again(&self.ledger, connection, held, again, now).await?;
        let mut all: Vec<Retried> = read.iter().map(|one| retried(&held.id, one)).collect();
        if !again.dry_run && read.iter().all(ReadAgain::is_settled) {
            let by = all.iter().filter_map(|one| one.detail.as_deref().or(one.document.as_deref()));
            let state = QuarantineState::Resolved { by: by.collect::<Vec<_>>().join(", ") };
            self.ledger.settle_quarantined(connection, &held.id, &state, now).await?;
        }
        for one in all.iter_mut().filter(|one| one.document.is_none()) {
            one.document.clone_from(&held.document);
        }
        Ok(all)
    }

    /// Says that a body in quarantine is not needed.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn dismiss_quarantined(&self, connection: &Connection, id: &str, why: &str) -> Result<(), OperatorError> {
        let by = self.audit("dismiss", &format!("quarantine {connection} {id}")).await?;
        let state = QuarantineState::Dismissed { by, why: why.to_owned() };
        match self.ledger.settle_quarantined(connection, id, &state, self.now()).await? {
            true => Ok(()),
            false => Err(OperatorError::NotFound(format!("there is no {id} in the quarantine of {connection}"))),
        }
    }

    /// Sends the dead letters of actions again. Each goes into the queue before it leaves the dead letters, and what was
    /// done is not done again.
    ///
    /// # Errors
    /// [`OperatorError`] when the dead letters cannot be read.
    pub async fn retry_actions(&self, only: Option<&str>) -> Result<LettersRetried, OperatorError> {
        self.retry_letters(Queue::ActionDeadLetters, Queue::Actions, "action", only).await
    }

    /// Sends the events that endpoints did not accept again, for another day. Each goes into the queue before it leaves the
    /// dead letters.
    ///
    /// # Errors
    /// [`OperatorError`] when the dead letters cannot be read.
    pub async fn retry_webhooks(&self, only: Option<&str>) -> Result<LettersRetried, OperatorError> {
        self.retry_letters(Queue::WebhookDeadLetters, Queue::Webhooks, "webhook", only).await
    }

    async fn retry_letters(
        &self,
        from: Queue,
        to: Queue,
        what: &str,
        only: Option<&str>,
    ) -> Result<LettersRetried, OperatorError> {
        let letters = self.stack.read(from).await.map_err(OperatorError::Stack)?;
        let mut retried = LettersRetried::default();
        if only.is_none() && letters.is_incomplete() {
            let (seen, counted) = (letters.letters.len(), letters.counted);
            retried.failed.push(format!("the queue showed {seen} of about {counted} letters: try again"));
        }
        for letter in letters.letters.into_iter().filter(|letter| only.is_none_or(|only| letter.id == only)) {
            self.audit("retry", &format!("{what} dead letter {}", letter.id)).await?;
            match self.send_again(from, to, letter.clone()).await {
                Ok(()) => retried.sent += 1,
                Err(error) => retried.failed.push(format!("{}: {error}", letter.id)),
            }
        }
        Ok(retried)
    }

    async fn send_again(&self, from: Queue, to: Queue, letter: Letter) -> Result<(), String> {
        self.stack.send(to, letter.body.clone()).await?;
        self.stack.remove(from, letter).await
    }

    /// Says of an action without an end that it needs nothing more: `mycashflow/acme/order/58/deliver`.
    ///
    /// # Errors
    /// [`OperatorError::NotFound`] when there is no such action.
    pub async fn dismiss_action(&self, id: &str) -> Result<(), OperatorError> {
        let none = || OperatorError::NotFound(format!("there is no action {id}: name it as problems --json does"));
        let (document, action) = id.rsplit_once('/').ok_or_else(none)?;
        let document = DocumentKey::parse_full(document).ok_or_else(none)?;
        let lines = self.ledger.actions_on(&document).await?;
        let last = lines.into_iter().rfind(|line| line.action == action).ok_or_else(none)?;
        let by = self.audit("dismiss", &format!("action {id}")).await?;
        let line =
            ActionLine { at: self.now(), outcome: DISMISSED.to_owned(), reason: Some(format!("by {by}")), ..last };
        Ok(self.ledger.log_action(&line).await?)
    }

    /// Removes a dead letter for good.
    ///
    /// # Errors
    /// [`OperatorError::NotFound`] when the queue does not show it.
    pub async fn dismiss_letter(&self, queue: Queue, id: &str) -> Result<(), OperatorError> {
        let letters = self.stack.read(queue).await.map_err(OperatorError::Stack)?.letters;
        let letter = letters.into_iter().find(|letter| letter.id == id);
        let letter = letter.ok_or_else(|| OperatorError::NotFound(format!("the queue does not show a letter {id}")))?;
        self.audit("dismiss", &format!("dead letter {id}")).await?;
        self.stack.remove(queue, letter).await.map_err(OperatorError::Stack)
    }

    /// Has the relay publish something again, in as many calls as it takes. `progress` is told of the events published so
    /// far. Gives the relay's counts, added up.
    ///
    /// # Errors
    /// [`OperatorError`]; what was published before stays so.
    pub async fn replay(
        &self,
        replay: &Replay,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Value, OperatorError> {
        let (mut wish, target) = match replay {
            Replay::Document(document) => (json!({ "document": document.to_string() }), document.to_string()),
            Replay::Time { connection, span, unpublished } => {
                let target = format!("{connection} {} to {}", span.from, span.until);
                let mut wish = json!({ "connection": connection.to_string(), "from": span.from, "to": span.until });
                if *unpublished {
                    wish["unpublished"] = json!(true);
                }
                (wish, target)
            }
            Replay::DeadLetters => (json!("dead-letters"), "event dead letters".to_owned()),
        };
        self.audit("replay", &target).await?;
        let mut total = json!({ "published": 0, "truncated": 0, "dead_lettered": 0, "failed": [], "left": [] });
        let mut in_vain = 0;
        loop {
            let before = total["published"].as_u64();
            let answer = self.stack.invoke(StackFunction::Relay, json!({ "republish": wish })).await;
            let answer = answer.map_err(OperatorError::Stack)?;
            for name in ["published", "truncated", "dead_lettered"] {
                total[name] = json!(total[name].as_u64().unwrap_or(0) + answer[name].as_u64().unwrap_or(0));
            }
            for name in ["failed", "left"] {
                let more = answer[name].as_array().cloned().unwrap_or_default();
                total[name].as_array_mut().into_iter().for_each(|all| all.extend(more.iter().cloned()));
            }
            progress(total["published"].as_u64().unwrap_or(0));
            in_vain = if total["published"].as_u64() == before { in_vain + 1 } else { 0 };
            if in_vain == CALLS_IN_VAIN {
                let said = format!("the relay came no further after {} events: {answer}", total["published"]);
                return Err(OperatorError::Stack(said));
            }
            let has_failed = answer["failed"].as_array().is_some_and(|failed| !failed.is_empty());
            match answer.get("next") {
                Some(next) if !has_failed && !next.is_null() && wish.is_object() => wish["after"] = next.clone(),
                Some(next) if !has_failed && !next.is_null() => {}
                _ => return Ok(total),
            }
        }
    }

    /// Has an action done on orders, now: what `shop-actions` takes as a message. Gives its answer.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn act(&self, message: Value) -> Result<Value, OperatorError> {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let orders = message.get("orders").or(message.get("order")).map(Value::to_string).unwrap_or_default();
        self.audit(text("action"), &format!("mycashflow/{} order {orders}", text("shop"))).await?;
        self.stack.invoke(StackFunction::Actions, message).await.map_err(OperatorError::Stack)
    }

    /// Pauses a part, until [`resume`](Self::resume).
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn pause(&self, part: Part) -> Result<(), OperatorError> {
        let who = self.audit("pause", part.as_str()).await?;
        Ok(self.ledger.pause(&Pause { part, since: self.now(), who }).await?)
    }

    /// Ends a pause; answers since when it was paused.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn resume(&self, part: Part) -> Result<Option<Pause>, OperatorError> {
        let paused = self.ledger.paused(part).await?;
        if paused.is_some() {
            self.audit("resume", part.as_str()).await?;
            self.ledger.resume(part).await?;
        }
        Ok(paused)
    }
}

fn retried(id: &str, read: &ReadAgain) -> Retried {
    let (outcome, document, detail) = match read {
        ReadAgain::Recorded { document, revision } => {
            ("recorded", Some(document), revision.map(|revision| document.event_id(revision)))
        }
        ReadAgain::Duplicate { document } => ("duplicate", Some(document), None),
        ReadAgain::Superseded { document } => ("superseded", Some(document), None),
        ReadAgain::Unreadable { reason } => ("unreadable", None, Some(reason.clone())),
    };
    Retried { id: id.to_owned(), document: document.map(|document| document.name()), outcome, detail }
}
