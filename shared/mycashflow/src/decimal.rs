//! Decimal numbers: money, quantities, weights and rates.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

/// The most digits of a number, leading zeros not counted: as many as an order's amounts ever had in this crate.
const MAX_DIGITS: usize = 29;
/// The most digits behind the point. The rest that PHP is left with when it adds up prices, such as
/// `8.8817841970013E-16`, has about thirty.
const MAX_SCALE: usize = 64;

/// A decimal number, exactly as the shop wrote it, without an exponent: `82.6446`, `5.00`, `-0.5`.
///
/// It is kept as its digits. Nothing here computes with money, and a number of PHP such as `8.8817841970013E-16` is
/// outside of what the usual decimal types can hold exactly. Two numbers are equal when they are written alike: 5.0 is
/// not 5.00.
///
/// ```
/// use tilaussilta_mycashflow::Decimal;
///
/// assert_eq!("1.0E-5".parse::<Decimal>()?.as_str(), "0.000010");
/// assert!("12,50".parse::<Decimal>().is_err());
/// # Ok::<(), tilaussilta_mycashflow::DecimalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(SmolStr);

/// Why a text is no [`Decimal`]. Says nothing of the text but its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Something other than digits, with a point and more digits, or an exponent, if need be.
    #[error("not a decimal number such as 82.6446{}", if *has_comma { " (it has a comma)" } else { "" })]
    Malformed {
        /// Whether there is a comma in it, which is the usual reason.
        has_comma: bool,
    },
    /// A number that takes too many digits to be an amount of anything.
    #[error("more than {MAX_DIGITS} digits, or {MAX_SCALE} behind the point")]
    TooLong,
}

impl Decimal {
    /// The number in digits, with a `-` in front if it is negative and a point if there are decimals.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the number is more than zero.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        !self.0.starts_with('-') && self.0.contains(|c: char| matches!(c, '1'..='9'))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if is_plain(text) {
            return Ok(Self(SmolStr::new(text)));
        }
        let malformed = || DecimalError::Malformed { has_comma: text.contains(',') };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(w, f)| (w, Some(f)));
        if !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return Err(malformed());
        }
        let exponent = match exponent {
            None => 0,
            Some(exponent) if !is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)) => {
                return Err(malformed());
            }
            Some(exponent) => exponent.parse::<isize>().map_err(|_| DecimalError::TooLong)?,
        };
        Self::from_parts(mantissa.len() > unsigned.len(), whole, fraction.unwrap_or_default(), exponent)
    }
}

impl Decimal {
    /// The number whose digits are `whole` and `fraction`, with the point moved `exponent` digits to the right.
    fn from_parts(negative: bool, whole: &str, fraction: &str, exponent: isize) -> Result<Self, DecimalError> {
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let scale = isize::try_from(fraction.len()).ok().and_then(|scale| scale.checked_sub(exponent));
        let scale = scale.ok_or(DecimalError::TooLong)?;
        let (zeros, scale) = if scale < 0 { (scale.unsigned_abs(), 0) } else { (0, scale.unsigned_abs()) };
        if digits.is_empty() {
            return if scale > MAX_SCALE { Err(DecimalError::TooLong) } else { Ok(Self::of_digits("", "", scale)) };
        }
        if scale > MAX_SCALE || zeros > MAX_DIGITS || digits.len() + zeros > MAX_DIGITS {
            return Err(DecimalError::TooLong);
        }
        Ok(Self::of_digits(if negative { "-" } else { "" }, &format!("{digits}{:0<zeros$}", ""), scale))
    }

    /// The number of these digits, of which the last `scale` stand behind the point.
    fn of_digits(sign: &str, digits: &str, scale: usize) -> Self {
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let point = if fraction.is_empty() { "" } else { "." };
        Self(SmolStr::from(format!("{sign}{whole}{point}{fraction}")))
    }
}

/// Whether this is how a [`Decimal`] is kept: what nearly every amount is.
fn is_plain(text: &str) -> bool {
    let mut point = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {}
            b'.' if point.is_none() => point = Some(at),
            _ => return false,
        }
    }
    let whole_digits = point.unwrap_or(text.len());
    (1..=MAX_DIGITS).contains(&text.len())
        && whole_digits > 0
        && point != Some(text.len() - 1)
        && (whole_digits == 1 || !text.starts_with('0'))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl From<rust_decimal::Decimal> for Decimal {
    fn from(number: rust_decimal::Decimal) -> Self {
        Self(SmolStr::from(number.to_string()))
    }
}

impl JsonSchema for Decimal {
    fn inline_schema() -> bool {
        rust_decimal::Decimal::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        rust_decimal::Decimal::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        rust_decimal::Decimal::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, DecimalError> {
        text.parse::<Decimal>().map(|number| number.to_string())
    }

    #[test]
    fn a_number_is_kept_as_it_is_written() {
        for text in ["0", "5", "5.00", "-82.6446", "0.10", "1234567890123456789.123456789", "-0.0000000000000000000001"]
        {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        for (text, kept) in [("007", "7"), ("-007.50", "-7.50"), ("00.5", "0.5"), ("-0", "0"), ("-0.00", "0.00")] {
            assert_eq!(read(text).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn an_exponent_moves_the_point() {
        for (text, kept) in [
            ("-1.4210854715202E-14", "-0.000000000000014210854715202"),
            ("8.8817841970013E-16", "0.00000000000000088817841970013"),
            ("5.5511151231258e-17", "0.000000000000000055511151231258"),
            ("1.0E-5", "0.000010"),
            ("1.0E+25", "10000000000000000000000000"),
            ("1.5e3", "1500"),
            ("12.345E1", "123.45"),
            ("-12E0", "-12"),
            ("0E-3", "0.000"),
            ("-0.0E+400", "0"),
            ("1E-64", &format!("0.{:0>64}", 1)),
        ] {
            assert_eq!(read(text).as_deref(), Ok(kept), "{text}");
        }
    }

    #[test]
    fn what_no_amount_needs_is_too_long() {
        for text in [
            "1e400",
            "1E-400",
            "1E-65",
            "0E-65",
            "1e29",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "1e9223372036854775807",
            "1e-9223372036854775808",
            "123456789012345678901234567890",
            "12345678901234567890.1234567890",
        ] {
            assert_eq!(read(text), Err(DecimalError::TooLong), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_number() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "--1",
            "1 000",
            "1_000",
            "0x1",
            "NaN",
            "INF",
            "-INF",
            "€5",
            "1.2.3",
            "1e",
            "1e+",
            "e5",
            "1e5e5",
            "1e1.5",
            "1e--5",
            "-e5",
            "٣",
            "1\u{a0}000",
        ] {
            assert_eq!(read(text), Err(DecimalError::Malformed { has_comma: false }), "{text}");
        }
        assert_eq!(read("1,5"), Err(DecimalError::Malformed { has_comma: true }));
        assert_eq!(read("1,5e3"), Err(DecimalError::Malformed { has_comma: true }));
    }

    #[test]
    fn a_positive_number_is_more_than_zero() {
        let is_positive = |text: &str| text.parse::<Decimal>().unwrap().is_positive();
        assert!(["1", "0.001", "1E-20"].into_iter().all(is_positive));
        assert!(!["0", "0.00", "-0", "-1", "-1E-20"].into_iter().any(is_positive));
    }

    #[test]
    fn the_json_is_a_string() {
        let number: Decimal = "5.00".parse().unwrap();
        assert_eq!(serde_json::to_string(&number).unwrap(), "\"5.00\"");
        assert_eq!(serde_json::from_str::<Decimal>("\"5.00\"").unwrap(), number);
        assert!(serde_json::from_str::<Decimal>("\"5,00\"").is_err());
        assert_eq!(Decimal::from(rust_decimal::Decimal::new(-500, 2)).as_str(), "-5.00");
    }
}
