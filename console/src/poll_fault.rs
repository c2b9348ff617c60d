//! What is wrong with a shop's poll, for the glance and for the inbox.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::PollStatus;
use crate::status::DAYS_BACK;
use crate::words::Words;

/// Without a run for this long, the poll is silent.
const SILENT: SignedDuration = SignedDuration::from_mins(30);

/// What is wrong with a shop's poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PollFault {
    /// No run has ended in the days that are looked at.
    Never,
    /// The last run failed.
    Failed {
        /// When it ended.
        at: Timestamp,
        /// Why.
        failure: String,
    },
    /// The last run is too long ago.
    Silent {
        /// When it ended.
        at: Timestamp,
    },
}

impl PollFault {
    /// What is wrong, by the last run within the days that are looked at; none when nothing is.
    pub(crate) fn of(run: Option<&PollStatus>, now: Timestamp) -> Option<Self> {
        match run {
            None => Some(Self::Never),
            Some(PollStatus { at, failure: Some(failure), .. }) => {
                Some(Self::Failed { at: *at, failure: failure.clone() })
            }
            Some(run) if now.duration_since(run.at) > SILENT => Some(Self::Silent { at: run.at }),
            Some(_) => None,
        }
    }

    /// Since when, where that is known.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Failed { at, .. } | Self::Silent { at } => Some(*at),
        }
    }

    /// The same as [`Display`](fmt::Display), in Finnish.
    pub(crate) fn finnish(&self) -> String {
        match self {
            Self::Never => format!("yksikään kysely ei ole päättynyt {DAYS_BACK} päivään"),
            Self::Failed { failure, .. } => {
                format!("viimeinen kysely epäonnistui: {}", Words::reason(failure).finnish)
            }
            Self::Silent { at } => format!("yksikään kysely ei ole päättynyt sitten {at}: onko ajastus päällä?"),
        }
    }
}

impl fmt::Display for PollFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(f, "no poll has ended within {DAYS_BACK} days"),
            Self::Failed { failure, .. } => write!(f, "the last poll failed: {failure}"),
            Self::Silent { at } => write!(f, "no poll has ended since {at}: is the schedule on?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_at_fault_when_it_failed_is_silent_or_never_was() {
        let now: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let run = |minutes: i64, failure: Option<&str>| PollStatus {
            at: now - SignedDuration::from_mins(minutes),
            stopped: "caught_up".to_owned(),
            failure: failure.map(str::to_owned),
            lag_seconds: None,
        };
        assert_eq!(PollFault::of(Some(&run(30, None)), now), None);
        assert!(matches!(PollFault::of(Some(&run(31, None)), now), Some(PollFault::Silent { .. })));
        assert_eq!(PollFault::of(None, now), Some(PollFault::Never));
        let failed = PollFault::of(Some(&run(90, Some("the shop answers 500"))), now).unwrap();
        assert_eq!(failed.to_string(), "the last poll failed: the shop answers 500");
        assert_eq!(failed.finnish(), "viimeinen kysely epäonnistui: the shop answers 500");
    }
}
