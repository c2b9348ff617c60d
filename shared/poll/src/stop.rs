//! Why a run stops before it is done.

use ledger::{LedgerError, with_sources};
use mycashflow::ClientError;

/// Why a run stops before it is done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The time is nearly over.
    Deadline,
    /// Another run has taken the lease over.
    LeaseLost,
    /// The shop did not answer.
    Shop(ClientError),
    /// The ledger cannot be read or written.
    Ledger(LedgerError),
    /// The shop's answers make no sense together, so nothing can be concluded from them.
    Protocol(&'static str),
    /// A backfill is not whole, and why.
    Incomplete(String),
}

impl Stop {
    /// Whether nothing further may or can be done in this run. What failed on one stream otherwise says nothing of the
    /// other: one never holds up the other.
    pub(crate) fn ends_run(&self) -> bool {
        match self {
            Self::Deadline | Self::LeaseLost | Self::Ledger(_) => true,
            // A shop that refuses the key, or wants to be left alone, is not asked anything else.
            Self::Shop(error) => !may_be_poison(error),
            Self::Protocol(_) | Self::Incomplete(_) => false,
        }
    }

    /// What the report says of it.
    pub(crate) fn failure(&self) -> Option<String> {
        match self {
            Self::Deadline | Self::LeaseLost => None,
            Self::Shop(error) => Some(with_sources(error)),
            Self::Ledger(error) => Some(with_sources(error)),
            Self::Protocol(problem) => Some((*problem).to_owned()),
            Self::Incomplete(problem) => Some(problem.clone()),
        }
    }
}

/// Whether an error can come of what the answer would have held, so that other questions may be answered well.
pub(crate) fn may_be_poison(error: &ClientError) -> bool {
    match error {
        ClientError::Transport(_) | ClientError::NotAnAnswer(_) => true,
        // What a shop has against one question, 400 or 414 say, it need not have against another. 429 is no word about the
        // question: the shop wants to be left alone.
        ClientError::Status { status } => *status != 429,
        _ => false,
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Deadline => Self::Deadline,
            error => Self::Shop(error),
        }
    }
}
