//! When an invocation must be over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_http::Context;
use tokio::time::Instant;

/// When Lambda ends this invocation, on the clock that timers use. Lambda tells it as a time of day.
pub fn deadline(context: &Context) -> Instant {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    Instant::now() + Duration::from_millis(context.deadline.saturating_sub(now_ms))
}
