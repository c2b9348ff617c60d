//! Posts events to a consumer under development: `sandbox serve --forward` and `tilaussilta listen --forward`.
//!
//! Each event is a task of its own, so one that fails holds up no other. What fails for now is tried again with growing
//! pauses, and given up after [`ATTEMPTS`]: nothing is kept beyond the process. As EventBridge promises no order between
//! two events, none is promised here.

mod attempt;
mod post;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

pub use attempt::{Attempt, Outcome};
pub use post::{HttpPost, Post, SetupError};

/// How often an event is tried.
pub const ATTEMPTS: u32 = 5;
/// The pause after the first attempt. Each later one is twice as long.
pub const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// Posts events. Clones share what is under way.
#[derive(Clone)]
pub struct Forwarder {
    shared: Arc<Shared>,
}

struct Shared {
    post: Box<dyn Post>,
    tell: Box<dyn Fn(&Attempt) + Send + Sync>,
    slots: Semaphore,
    pending: AtomicUsize,
}

impl Forwarder {
    /// Posts by `post`, and tells each attempt.
    pub fn new(post: impl Post, tell: impl Fn(&Attempt) + Send + Sync + 'static) -> Self {
        let (post, tell) = (Box::new(post), Box::new(tell));
        let shared = Shared { post, tell, slots: Semaphore::new(AT_ONCE), pending: AtomicUsize::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Begins to post an event, the JSON of EventBridge, and returns at once.
    pub fn send(&self, event: String) {
        self.shared.pending.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            shared.deliver(event).await;
            shared.pending.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// How many events are neither accepted nor given up.
    pub fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::SeqCst)
    }
}

impl Shared {
    async fn deliver(&self, event: String) {
        let (detail_type, id) = names(&event);
        let mut pause = FIRST_PAUSE;
        for number in 1..=ATTEMPTS {
            let (outcome, latency) = self.try_once(&event).await;
            let again_in = (outcome.is_temporary() && number < ATTEMPTS).then_some(pause);
            let (detail_type, event) = (detail_type.clone(), id.clone());
            (self.tell)(&Attempt { event, detail_type, number, outcome, latency, again_in });
            match again_in {
                Some(pause) => sleep(pause).await,
                None => return,
            }
            pause *= 2;
        }
    }

    /// One request. Its slot is free again during the pause after it.
    async fn try_once(&self, event: &str) -> (Outcome, Duration) {
        let _slot = self.slots.acquire().await;
        let begun = Instant::now();
        let outcome = self.post.post(event.to_owned()).await;
        (outcome, begun.elapsed())
    }
}

/// The detail-type and the revision's id of an event.
pub fn names(event: &str) -> (String, String) {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    (text(&event["detail-type"]), text(&event["detail"]["id"]))
}

#[cfg(test)]
mod tests;
