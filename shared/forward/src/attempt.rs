//! What came of one attempt.

use std::fmt;
use std::time::Duration;

use crate::ATTEMPTS;

/// One attempt to post an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The revision's id.
    pub event: String,
    /// The event's detail-type.
    pub detail_type: String,
    /// Which attempt it is, from 1.
    pub number: u32,
    /// What the consumer said.
    pub outcome: Outcome,
    /// How long the answer took.
    pub latency: Duration,
    /// After which pause the event is tried again, if it is.
    pub again_in: Option<Duration>,
}

/// What a consumer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer: its status, and the beginning of its text on one line.
    Answered {
        /// The status.
        status: u16,
        /// The beginning of the text, without control characters.
        text: String,
    },
    /// No answer came, and why.
    NoAnswer(String),
}

impl Outcome {
    /// Whether the consumer accepted the event.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Answered { status: 200..300, .. })
    }

    /// Whether another attempt may end differently: no answer, or one that says so.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::Answered { status: 408 | 409 | 425 | 429 | 500..600, .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, text } if text.is_empty() => write!(f, "{status}"),
            Self::Answered { status, text } => write!(f, "{status} {text:?}"),
            Self::NoAnswer(why) => write!(f, "no answer ({why})"),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, detail_type, number, outcome, latency, again_in } = self;
        write!(f, "forwarded {detail_type} {event}: {outcome} in {} ms", latency.as_millis())?;
        match again_in {
            Some(pause) => write!(f, ", attempt {number} of {ATTEMPTS}, again in {} ms", pause.as_millis()),
            None if outcome.is_accepted() => Ok(()),
            None if outcome.is_temporary() => write!(f, ", given up after {number} attempts"),
            None => f.write_str(", not accepted"),
        }
    }
}
