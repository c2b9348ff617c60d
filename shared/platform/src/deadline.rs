//! When an invocation must be over, and what it is called.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_http::Context;
use tokio::time::Instant;

/// When Lambda ends this invocation, on the clock that timers use. Lambda tells it as a time of day.
pub fn deadline(context: &Context) -> Instant {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    Instant::now() + Duration::from_millis(context.deadline.saturating_sub(now_ms))
}

/// A name for this invocation, unlike that of any other: leases and actions are taken in it.
///
/// The request id alone is not enough. Lambda gives an event that it hands over twice, or tries again, the same id, and the
/// two would take each other for themselves.
pub fn invocation_name(context: &Context) -> String {
    format!("{}-{:016x}", context.request_id, fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_handed_over_twice_has_two_names() {
        let mut context = Context::default();
        context.request_id = "a-request".to_owned();
        let names = [invocation_name(&context), invocation_name(&context)];
        assert!(names.iter().all(|name| name.starts_with("a-request-")), "the log says which: {names:?}");
        assert_ne!(names[0], names[1]);
    }
}
