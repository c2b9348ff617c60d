//! What a client's calls read: how many calls, and how many items the database looks at for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// Counts reads. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Reads(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    items: AtomicU64,
}

impl Reads {
    /// The calls and the items since the last time.
    pub fn take(&self) -> (u64, u64) {
        (self.0.calls.swap(0, Ordering::Relaxed), self.0.items.swap(0, Ordering::Relaxed))
    }

    /// Counts a call by its answer. A query and a scan look at more items than they give, where they filter.
    pub(crate) fn note(&self, operation: &str, request: &str, answer: &str) {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let items = match operation {
            "GetItem" => 1,
            "Query" | "Scan" => json(answer)["ScannedCount"].as_u64().unwrap_or(0),
            "BatchGetItem" => {
                let tables = json(request)["RequestItems"].as_object().cloned().unwrap_or_default();
                tables.values().filter_map(|table| table["Keys"].as_array()).map(|keys| keys.len() as u64).sum()
            }
            _ => 0,
        };
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.0.items.fetch_add(items, Ordering::Relaxed);
    }
}
