//! The values in the text of elements and attributes.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, tz};
use rust_decimal::Decimal;

/// A decimal number, exactly as written: digits, with a point and more digits if need be. No exponent, no grouping.
pub(super) fn decimal(text: &str) -> Result<Decimal, String> {
    if let Some(number) = short_decimal(text) {
        return Ok(number);
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        let comma = if text.contains(',') { " (it has a comma)" } else { "" };
        return Err(format!("not a decimal number such as 82.6446{comma}, but {}", shape(text)));
    }
    Decimal::from_str_exact(text).map_err(|_| format!("more than 28 digits, in {}", shape(text)))
}

/// A decimal number without a sign, of so few digits that they fit into 64 bits: what nearly every amount is.
fn short_decimal(text: &str) -> Option<Decimal> {
    if text.len() > 18 {
        return None;
    }
    let mut digits = 0;
    let mut point = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let scale = match point {
        None if text.is_empty() => return None,
        None => 0,
        Some(at) if at == 0 || at + 1 == text.len() => return None,
        Some(at) => text.len() - at - 1,
    };
    Some(Decimal::new(digits, u32::try_from(scale).ok()?))
}

/// A whole number within the bounds of `T`.
pub(super) fn whole<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    let not_whole = || format!("not a whole number of up to {} bits, but {}", size_of::<T>() * 8, shape(text));
    if text.starts_with('+') { Err(not_whole()) } else { text.parse().map_err(|_| not_whole()) }
}

/// `true` or `false`; 1 and 0 mean the same.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(format!("neither true nor false, but {}", shape(text))),
    }
}

/// What may be said of a bad value in a message: its length.
fn shape(text: &str) -> String {
    match text.chars().count() {
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    }
}

/// The shop's time zone. `None` only if the bundled time zone data base lacked it.
static HELSINKI: LazyLock<Option<TimeZone>> = LazyLock::new(|| tz::db().get("Europe/Helsinki").ok());

/// What is odd about a local time, if anything, and the instant it means.
pub(super) type Checked = (Option<Timestamp>, Option<String>);

/// Compares the shop's local time with the instant that came with it.
///
/// The instant is turned into local time, not the other way round: so an hour that the autumn night has twice matches
/// both of its instants, and an hour that the spring night skips matches none.
pub(super) fn check_local_time(instant: Timestamp, local: &str) -> Option<String> {
    let zone = HELSINKI.as_ref()?;
    let Ok(local) = local.parse::<DateTime>() else { return Some(NOT_A_LOCAL_TIME.to_owned()) };
    let expected = zone.to_datetime(instant);
    let difference = local.duration_since(expected).as_secs();
    (difference != 0)
        .then(|| format!("the text is not the timestamp's time in Europe/Helsinki, but {difference:+} seconds away"))
}

/// The instant of a local time without a timestamp. Of the two that an hour of the autumn night can mean, the earlier.
pub(super) fn instant_of_local_time(local: &str) -> Checked {
    let Some(zone) = HELSINKI.as_ref() else { return (None, None) };
    let Ok(local) = local.parse::<DateTime>() else { return (None, Some(NOT_A_LOCAL_TIME.to_owned())) };
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let warning = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Fold { .. } => Some("no timestamp, and the local time occurred twice: the earlier is taken"),
        AmbiguousOffset::Gap { .. } => Some("no timestamp, and the local time never occurred: an hour is skipped"),
    };
    (ambiguous.compatible().ok(), warning.map(str::to_owned))
}

const NOT_A_LOCAL_TIME: &str = "the text is not a local time such as 2012-08-19 21:44:53";
