//! When an event is sent again.

use std::time::Duration;

/// The pause after the first try. Each later one is three times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause, also where an endpoint asks for more. SQS hides a message for at most 12 hours.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 60 * 60);
/// From this age on, a try is the last one.
pub const LAST_TRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause after a try: it grows with the tries, and the last one ends when the message is a day old.
pub fn pause(receives: u32, age: Duration, asked_for: Duration) -> Duration {
    let factor = 3_u32.checked_pow(receives.saturating_sub(1)).unwrap_or(u32::MAX);
    let grown = FIRST_PAUSE.saturating_mul(factor).max(asked_for).min(LONGEST_PAUSE);
    let left = LAST_TRY_AFTER.saturating_sub(age) + Duration::from_secs(1);
    grown.min(left).max(FIRST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_fill_a_day() {
        let (mut age, mut tries) = (Duration::ZERO, 1);
        let mut pauses = Vec::new();
        while age < LAST_TRY_AFTER {
            let next = pause(tries, age, Duration::ZERO);
            pauses.push(next.as_secs());
            age += next;
            tries += 1;
        }
        assert_eq!(pauses[..7], [10, 30, 90, 270, 810, 2430, 7200]);
        assert!((15..25).contains(&tries), "{tries} tries");
        assert!(age < LAST_TRY_AFTER + FIRST_PAUSE * 2, "the last try is at the end of the day: {age:?}");
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_pause_but_not_for_any() {
        assert_eq!(pause(1, Duration::ZERO, Duration::from_secs(600)).as_secs(), 600);
        assert_eq!(pause(1, Duration::ZERO, Duration::from_secs(1_000_000)), LONGEST_PAUSE);
        assert_eq!(pause(4_000_000, Duration::ZERO, Duration::ZERO), LONGEST_PAUSE);
    }
}
