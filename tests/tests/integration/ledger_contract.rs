//! What the ledger promises, as functions over any [`ledger::Ledger`]: run here against the embedded engine, whose
//! calls take a little time that differs between them.

/// Makes a test of each fact, on a table of its own.
macro_rules! holds_on_the_embedded_engine {
    ($($fact:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(start_paused = true)]
            async fn $fact() {
                super::$fact(&tilaussilta_tests::Bench::new().await.deps.ledger).await;
            })+
        }
    };
}

mod age;
mod append;
mod erasure;
mod poll_state;
mod records;
mod versions;

use jiff::Timestamp;
use ledger::{ContentHash, DocumentKey, Evidence, NewRevision, Source};

/// A second of the tests' day.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_438_400 + second).unwrap()
}

/// A polled copy of a document, as it was at a second of the day.
fn copy<'a>(document: &'a DocumentKey, body: &'a str, observed: i64) -> NewRevision<'a> {
    NewRevision {
        summary: None,
        document,
        source: Source::Poll,
        observed_at: at(observed),
        evidence: Evidence::Asked,
        hash: ContentHash::of(body.as_bytes()),
        body: body.as_bytes(),
        content_type: "application/xml",
        now: at(observed + 1),
    }
}
