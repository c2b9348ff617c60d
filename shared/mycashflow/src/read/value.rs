//! The values in the text of elements and attributes.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use thiserror::Error;

use crate::decimal::{Decimal, DecimalError};
use crate::shop::time_zone;

/// Why a text is not the value that is expected of it. Says nothing of the text but its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ValueFault {
    /// Not a decimal number, or not one of this length.
    #[error("{error}, but {length}")]
    Decimal {
        /// What it is instead.
        error: DecimalError,
        /// How long it is.
        length: Characters,
    },
    /// Not a whole number within its bounds.
    #[error("not a whole number of up to {bits} bits, but {length}")]
    Whole {
        /// The bounds.
        bits: usize,
        /// How long it is.
        length: Characters,
    },
    /// Neither of the two.
    #[error("neither true nor false, but {length}")]
    Boolean {
        /// How long it is.
        length: Characters,
    },
    /// A number of seconds beyond what a calendar has.
    #[error("not within the years -9999 to 9999")]
    Instant,
}

/// The length of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Characters(pub usize);

impl Characters {
    fn of(text: &str) -> Self {
        Self(text.chars().count())
    }
}

impl fmt::Display for Characters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} character{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// A decimal number, exactly as written.
pub(super) fn decimal(text: &str) -> Result<Decimal, ValueFault> {
    text.parse().map_err(|error| ValueFault::Decimal { error, length: Characters::of(text) })
}

/// A whole number within the bounds of `T`.
pub(super) fn whole<T: std::str::FromStr>(text: &str) -> Result<T, ValueFault> {
    let not_whole = || ValueFault::Whole { bits: size_of::<T>() * 8, length: Characters::of(text) };
    if text.starts_with('+') { Err(not_whole()) } else { text.parse().map_err(|_| not_whole()) }
}

/// A number of things, as programs write it for people too: with a plus sign, spaces between its thousands, or a fraction of
/// zero.
pub(super) fn count(text: &str) -> Result<u64, ValueFault> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let unsigned = digits.strip_prefix('+').unwrap_or(&digits);
    let number = match unsigned.split_once('.') {
        Some((number, fraction)) if fraction.len() < 3 && fraction.bytes().all(|digit| digit == b'0') => number,
        _ => unsigned,
    };
    whole(number).map_err(|_: ValueFault| ValueFault::Whole { bits: 64, length: Characters::of(text) })
}

/// A second: in Unix seconds, or as a time with an offset or of the shop's zone.
pub(super) fn second(text: &str) -> Result<i64, ValueFault> {
    whole(text).or_else(|fault| instant_of_time(text).0.map(Timestamp::as_second).ok_or(fault))
}

/// An instant in Unix seconds.
pub(super) fn instant(text: &str) -> Result<Timestamp, ValueFault> {
    Timestamp::from_second(whole(text)?).map_err(|_| ValueFault::Instant)
}

/// `true` or `false`; 1 and 0 mean the same.
pub(super) fn boolean(text: &str) -> Result<bool, ValueFault> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(ValueFault::Boolean { length: Characters::of(text) }),
    }
}

/// What is odd about a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum TimeWarning {
    #[error("the text is not a local time such as 2012-08-19 21:44:53")]
    NotATime,
    #[error("the text is not the timestamp's time in Europe/Helsinki, but {0:+} seconds away")]
    NotTheLocalTime(i64),
    #[error("the text is not the timestamp's time, but {0:+} seconds away")]
    NotTheTime(i64),
    #[error("no timestamp, and the local time occurred twice: the earlier is taken")]
    Twice,
    #[error("no timestamp, and the local time never occurred: an hour is skipped")]
    Never,
}

/// Compares the text of a time with the instant that came with it.
///
/// The instant is turned into local time, not the other way round: so an hour that the autumn night has twice matches
/// both of its instants, and an hour that the spring night skips matches none.
pub(super) fn check_time(instant: Timestamp, text: &str) -> Option<TimeWarning> {
    if let Some(told) = time_with_offset(text) {
        let difference = told.duration_since(instant).as_secs();
        return (difference != 0).then_some(TimeWarning::NotTheTime(difference));
    }
    let Ok(local) = text.parse::<DateTime>() else { return Some(TimeWarning::NotATime) };
    let difference = local.duration_since(time_zone().to_datetime(instant)).as_secs();
    (difference != 0).then_some(TimeWarning::NotTheLocalTime(difference))
}

/// The instant of a time without a timestamp: by its offset, or else as the shop's local time. Of the two that an hour
/// of the autumn night can mean, the earlier.
pub(super) fn instant_of_time(text: &str) -> (Option<Timestamp>, Option<TimeWarning>) {
    if let Some(told) = time_with_offset(text) {
        return (Some(told), None);
    }
    let Ok(local) = text.parse::<DateTime>() else { return (None, Some(TimeWarning::NotATime)) };
    let ambiguous = time_zone().to_ambiguous_timestamp(local);
    let warning = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Fold { .. } => Some(TimeWarning::Twice),
        AmbiguousOffset::Gap { .. } => Some(TimeWarning::Never),
    };
    (ambiguous.compatible().ok(), warning)
}

/// The instant of a time that says how far it is from UTC: `2026-07-01T10:00:00+03:00`, `2026-07-01 10:00:00-0500`,
/// `2026-07-01T10:00:00Z`. Before the offset there may be a space, and `UTC` or `GMT` for the `Z`, as PHP has them.
fn time_with_offset(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let (time, offset) = text.rsplit_once(' ')?;
    match offset {
        "Z" | "UTC" | "GMT" => format!("{time}Z").parse().ok(),
        _ if offset.starts_with(['+', '-']) => format!("{time}{offset}").parse().ok(),
        _ => None,
    }
}
