//! The time that a list is of, as a person names it.

use ledger::Span;

use crate::Problem;
use crate::output::{span, time_option};

/// From when to when. A command with another beginning than a week ago says so with `mut_arg`.
#[derive(clap::Args)]
pub(crate) struct Period {
    /// From when on, by the time of recording: today, yesterday, 90min, 24h, 7d, 2026-11-01 or a time stamp.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = time_option)]
    since: String,
    /// Until when.
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = time_option)]
    until: String,
}

impl Period {
    /// The instants.
    pub(crate) fn span(&self) -> Result<Span, Problem> {
        span(&self.since, &self.until)
    }
}
