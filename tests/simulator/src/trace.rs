//! What happened, in virtual time, for whoever replays a seed.

use std::sync::{Arc, Mutex, PoisonError};

use platform::Clock;

/// A trace, or the place where none is kept. Clones write into the same.
#[derive(Clone)]
pub(super) struct Trace {
    clock: Clock,
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Trace {
    pub(super) fn new(clock: Clock, kept: bool) -> Self {
        Self { clock, lines: kept.then(Arc::default) }
    }

    /// Adds a line, if a trace is kept.
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let line = format!("{:.3} {}", (self.clock)(), line());
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines
            .as_ref()
            .map(|lines| lines.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }
}
