//! The one who looks and acts.

use std::sync::Arc;

use connections::Connections;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ledger::{Audited, Connection, Ledger, LedgerError};
use mycashflow::Transport;
use platform::Clock;

use crate::Stack;

/// Looks at a deployment and acts on it. Cheap to clone.
#[derive(Clone)]
pub struct Operator {
    /// The ledger.
    pub ledger: Ledger,
    /// The connections that there are.
    pub connections: Arc<Connections>,
    /// The functions and queues.
    pub stack: Arc<dyn Stack>,
    /// How shops are reached.
    pub shops: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
}

/// Why a question has no answer, or an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A function or a queue.
    #[error("{0}")]
    Stack(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
}

impl Operator {
    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The UTC days up to now, today first.
    pub(crate) fn days_back(&self, days: i32) -> Vec<Date> {
        let today = self.now().to_zoned(TimeZone::UTC).date();
        (0..days).filter_map(|back| today.checked_sub(back.days()).ok()).collect()
    }

    /// The shops and accounts, by name.
    pub fn all_connections(&self) -> Vec<Connection> {
        let shops = self.connections.shops.keys().map(Connection::shop);
        shops.chain(self.connections.manu.keys().map(Connection::manu)).collect()
    }

    /// Writes who is about to do what, to what. What cannot be written down must not be done.
    ///
    /// # Errors
    /// [`OperatorError`] when it is not known who acts, or the line cannot be written.
    pub async fn audit(&self, what: &str, target: &str) -> Result<String, OperatorError> {
        let who = self.stack.who().await.map_err(OperatorError::Stack)?;
        let line = Audited { at: self.now(), who: who.clone(), what: what.to_owned(), target: target.to_owned() };
        self.ledger.audit(&line).await?;
        Ok(who)
    }
}
