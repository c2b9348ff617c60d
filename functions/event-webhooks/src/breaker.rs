//! Which endpoints failed a moment ago, so that one which does not answer does not take the function's time from others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an endpoint that failed is left alone by this environment of the function.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// The endpoints that failed. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Breaker(Arc<Mutex<HashMap<String, Instant>>>);

impl Breaker {
    /// Whether an endpoint is left alone.
    pub(crate) fn is_open(&self, endpoint: &str) -> bool {
        self.lock().get(endpoint).is_some_and(|failed| failed.elapsed() < LEFT_ALONE)
    }

    /// An endpoint has failed.
    pub(crate) fn open(&self, endpoint: &str) {
        self.lock().insert(endpoint.to_owned(), Instant::now());
    }

    /// An endpoint works.
    pub(crate) fn close(&self, endpoint: &str) {
        self.lock().remove(endpoint);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
