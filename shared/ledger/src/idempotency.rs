//! What was asked to be done once: a record for each action, written before it is done and again after.
//!
//! A record that says *started* and is past its time belongs to someone who was killed, or who lost the answer: it is
//! not known whether the action was done. So it is handed to the next one together with that doubt ([`Begun::Interrupted`]),
//! never as if it were new.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;

use crate::condition::{met_item, was_made};
use crate::item::{Attributes, Item, expires_at, format, key, ms, s};
use crate::{Connection, ContentHash, Ledger, LedgerError};

/// The version of the records' format.
const FORMAT: u32 = 1;

/// One action, by whoever works on it now.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Whose action it is.
    pub connection: &'a Connection,
    /// The idempotency key: the same for the same action, however often it is asked for.
    pub key: &'a str,
    /// The hash of what is to be done, so that a key used for something else is found out.
    pub fingerprint: ContentHash,
    /// Who works on it: a name of this one try, unlike any other. A try whose answer was lost is known by it.
    pub owner: &'a str,
}

/// What is known of an action when it is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has not been started before. The caller owns it now.
    First,
    /// Somebody began it and left no outcome, and their time is over. It is the caller's now, who must find out whether
    /// it was done.
    Interrupted,
    /// Somebody else works on it.
    Running {
        /// When their time is over.
        until: Timestamp,
    },
    /// It is over.
    Settled(Settled),
    /// The key was used for another action.
    Mismatch,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was done, with this outcome.
    Done(String),
    /// It is unknown whether it was done, for this reason; it must not be retried automatically.
    Unknown(String),
}

impl Settled {
    fn state(&self) -> (&'static str, &str) {
        match self {
            Self::Done(outcome) => ("done", outcome),
            Self::Unknown(reason) => ("unknown", reason),
        }
    }
}

/// The state of an action that somebody works on.
const STARTED: &str = "started";

/// The condition that an action is in a state which `:owner` wrote.
const STATE_OF_OWNER: &str = "#state = :state AND #owner = :owner";

/// The names in [`STATE_OF_OWNER`].
fn state_of_owner_names() -> HashMap<String, String> {
    [("#state", "state"), ("#owner", "owner")].map(|(name, stands_for)| (name.to_owned(), stands_for.to_owned())).into()
}

/// The values in [`STATE_OF_OWNER`].
fn state_of_owner_values(state: &str, owner: &str) -> Item {
    Item::from([(":state".to_owned(), s(state)), (":owner".to_owned(), s(owner))])
}

/// A record whose time is over.
struct Past {
    state: String,
    owner: String,
    until: Timestamp,
}

impl Ledger {
    /// Begins an action: writes that `claim.owner` works on it until `until`, unless it is over or somebody else does.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]: the action must not be done then.
    pub async fn begin_action(
        &self,
        claim: &Claim<'_>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Begun, LedgerError> {
        let mut before: Option<Past> = None;
        // The second try is against the record that the first one met. Whoever is faster then works on it.
        for _ in 0..2 {
            let mut item = self.record(claim, STARTED, now);
            item.insert("until".to_owned(), ms(until));
            let put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let put = match &before {
                None => put.condition_expression("attribute_not_exists(pk)"),
                Some(past) => put
                    .condition_expression(STATE_OF_OWNER)
                    .set_expression_attribute_names(Some(state_of_owner_names()))
                    .set_expression_attribute_values(Some(state_of_owner_values(&past.state, &past.owner))),
            };
            let interrupted = before.as_ref().is_some_and(|past| past.state == STARTED);
            let begun = if interrupted { Begun::Interrupted } else { Begun::First };
            let Err(error) = put.send().await else { return Ok(begun) };
            let Some(met) = met_item(&error) else {
                if !interrupted {
                    // It may be written nonetheless. Nothing was done, so the next one must not find a doubt.
                    drop(self.release_action(claim).await);
                }
                return Err(LedgerError::unavailable("PutItem")(error));
            };
            let record = match met {
                Some(item) => Some(item.clone()),
                None => self.action_item(claim.connection, claim.key).await?,
            };
            // It was released between the two calls: the next try begins it, or meets whoever did.
            let Some(record) = record else { continue };
            let attributes = Attributes::of(&record, FORMAT)?;
            if attributes.string("fingerprint")? != claim.fingerprint.to_string() {
                return Ok(Begun::Mismatch);
            }
            let settled = settled_from(&attributes)?;
            // An outcome without an end holds for ever.
            let held_until = match settled.is_some() && !record.contains_key("until") {
                true => Timestamp::MAX,
                false => attributes.instant("until")?,
            };
            let owner = attributes.string("owner")?.to_owned();
            match settled {
                Some(settled) if held_until > now => return Ok(Begun::Settled(settled)),
                // The SDK sent the put again because its first answer was lost, and it met itself.
                None if owner == claim.owner => return Ok(begun),
                None if held_until > now => return Ok(Begun::Running { until: held_until }),
                _ => before = Some(Past { state: attributes.string("state")?.to_owned(), owner, until: held_until }),
            }
        }
        Ok(Begun::Running { until: before.map_or(until, |past| past.until) })
    }

    /// Writes down how an action ended; answers whether it was still the caller's.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]: the record still says *started*, and the next one to begin it gets the doubt.
    pub async fn settle_action(
        &self,
        claim: &Claim<'_>,
        settled: &Settled,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        self.settle(claim, settled, now, None).await
    }

    /// Writes down how an action ended, for a time: from `until` on it can be begun as if it never had been.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]: as for [`Ledger::settle_action`].
    pub async fn settle_action_until(
        &self,
        claim: &Claim<'_>,
        settled: &Settled,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, LedgerError> {
        self.settle(claim, settled, now, Some(until)).await
    }

    async fn settle(
        &self,
        claim: &Claim<'_>,
        settled: &Settled,
        now: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<bool, LedgerError> {
        let (state, text) = settled.state();
        let mut item = self.record(claim, state, now);
        item.insert("outcome".to_owned(), s(text));
        item.extend(until.map(|until| ("until".to_owned(), ms(until))));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(STATE_OF_OWNER)
            .set_expression_attribute_names(Some(state_of_owner_names()))
            .set_expression_attribute_values(Some(state_of_owner_values(STARTED, claim.owner)))
            .send()
            .await;
        was_made(answer, "PutItem")
    }

    /// Takes back that an action was begun, when it is certain that it was not done.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]: as for [`Ledger::settle_action`].
    pub async fn release_action(&self, claim: &Claim<'_>) -> Result<(), LedgerError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(action_pk(claim.connection), claim.key)))
            .condition_expression(STATE_OF_OWNER)
            .set_expression_attribute_names(Some(state_of_owner_names()))
            .set_expression_attribute_values(Some(state_of_owner_values(STARTED, claim.owner)))
            .send()
            .await;
        was_made(answer, "DeleteItem").map(drop)
    }

    /// Removes the record of an action that somebody began, whoever it was, when it is seen to be over. Nothing is written
    /// where there is none.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn clear_action(&self, connection: &Connection, name: &str) -> Result<(), LedgerError> {
        let Some(item) = self.action_item(connection, name).await? else { return Ok(()) };
        let owner = Attributes::of(&item, FORMAT)?.string("owner")?.to_owned();
        self.release_action(&Claim { connection, key: name, fingerprint: ContentHash::of(b""), owner: &owner }).await
    }

    /// How an action ended; none when it did not, or was never begun. It is not asked until when that holds.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn settled_action(&self, connection: &Connection, key: &str) -> Result<Option<Settled>, LedgerError> {
        match self.action_item(connection, key).await? {
            Some(item) => settled_from(&Attributes::of(&item, FORMAT)?),
            None => Ok(None),
        }
    }

    async fn action_item(&self, connection: &Connection, name: &str) -> Result<Option<Item>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(action_pk(connection), name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(LedgerError::unavailable("GetItem"))?;
        Ok(answer.item)
    }

    fn record(&self, claim: &Claim<'_>, state: &str, now: Timestamp) -> Item {
        let mut item = key(action_pk(claim.connection), claim.key);
        item.extend([
            format(FORMAT),
            ("state".to_owned(), s(state)),
            ("owner".to_owned(), s(claim.owner)),
            ("fingerprint".to_owned(), s(claim.fingerprint.to_string())),
            ("at".to_owned(), ms(now)),
            ("expires_at".to_owned(), expires_at(now, self.retention.actions())),
        ]);
        item
    }
}

fn action_pk(connection: &Connection) -> String {
    format!("action#{connection}")
}

fn settled_from(attributes: &Attributes<'_>) -> Result<Option<Settled>, LedgerError> {
    let outcome = || attributes.string("outcome").map(str::to_owned);
    match attributes.string("state")? {
        STARTED => Ok(None),
        "done" => Ok(Some(Settled::Done(outcome()?))),
        "unknown" => Ok(Some(Settled::Unknown(outcome()?))),
        _ => Err(attributes.corrupt("state")),
    }
}
