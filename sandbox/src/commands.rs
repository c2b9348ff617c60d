//! The commands, and what several of them share.

pub(crate) mod demo;
mod forward;
pub(crate) mod serve;
mod shop_switches;
pub(crate) mod sign;
mod teller;
pub(crate) mod world;

use std::time::Duration;

use mycashflow::RetryPolicy;

/// The table's name in the sandbox's own databases.
pub(crate) const TABLE: &str = "tilaussilta";

/// What a command could not do, for the person who asked.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) String);

impl<E: std::error::Error> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(ledger::with_sources(&error))
    }
}

/// The client's patience with a simulated shop: as deployed, but with shorter pauses, as somebody is watching.
pub(crate) fn policy() -> RetryPolicy {
    RetryPolicy { base_delay: Duration::from_millis(100), ..RetryPolicy::default() }
}
