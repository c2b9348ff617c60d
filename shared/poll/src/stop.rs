//! Why a run stops before it is done.

use ledger::LedgerError;
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
