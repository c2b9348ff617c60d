//! Where a backfill begins, as people write it.

use jiff::Timestamp;
use jiff::civil::Date;
use mycashflow::time_zone;

/// The second (Unix) that a date, such as `2024-01-01`, or a time stamp, such as `2024-01-01T10:00:00Z`, means. A date
/// means its first moment in Europe/Helsinki, where the shops are.
pub fn start_second(text: &str) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_second());
    }
    let date: Date = text.parse().ok()?;
    Some(date.to_zoned(time_zone().clone()).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment_in_helsinki() {
        let midnight = 1_704_060_000; // 2023-12-31T22:00:00Z
        assert_eq!(start_second("2024-01-01"), Some(midnight));
        assert_eq!(start_second("2024-01-01T00:00:00+02:00"), Some(midnight));
        assert_eq!(start_second("yesterday"), None);
    }
}
