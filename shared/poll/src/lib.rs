//! The walk over a shop's two streams of changes: from their cursors to the present, with nothing in between.
//!
//! [`poll`] takes a shop's lease and walks both streams (`docs/decisions/0001-the-cursors.md` has the rules of the
//! cursors, and why each). Nothing is passed over: what cannot be read goes to quarantine, what the shop cannot serve is
//! written down as a gap and tried again by every run. [`backfill`] is the same walk with its own start, and
//! [`refresh`] asks for orders by number; neither touches the live cursors.
//!
//! In layers, each of which knows only those before it:
//!
//! | module | what it does |
//! | --- | --- |
//! | `overlap` | how far behind its cursor a run begins, and when a second is settled |
//! | `lease` | one run at a time, and the lease kept while the shop is waited for |
//! | `ask` | one question to the shop, in time before the deadline |
//! | `append` | a page into the ledger |
//! | `reader` | a question, and its answer into the ledger |
//! | `books` | cursors and gaps, moved under the lease |
//! | `numbers`, `crowded` | orders by number, and what is left of a second that holds more of them than an answer |
//! | `walk` | a stretch of a stream, page by page |
//! | `listing` | all orders, where the updated stream cannot show which have changed |
//! | `gaps` | the debts of earlier runs |
//! | `run` | the order of work |
//! | `operator` | what only an operator asks for: a cursor set back |

mod append;
mod ask;
mod books;
mod crowded;
mod gaps;
mod lease;
mod listing;
mod numbers;
mod operator;
mod overlap;
mod reader;
mod report;
mod run;
mod start;
mod stop;
mod walk;

use std::sync::Arc;

use jiff::Timestamp;
use ledger::Ledger;
use mycashflow::{PAGE_ORDERS, RetryPolicy, Transport};
use tokio::time::Instant;
use url::Url;

pub use operator::{SetBack, set_cursor_back};
pub use overlap::OVERLAP_SECONDS;
pub use report::{CursorReport, Difference, MAX_DIFFERENCES, ShopReport, Stopped};
pub use run::{Compared, backfill, compare, look_for, poll, refresh};
pub use start::start_second;

/// Tells the time. A function passed in, so that a simulation can have its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What is shown the report of a run after every page, for people who watch.
pub type Progress = Arc<dyn Fn(&ShopReport) + Send + Sync>;

/// What every run works with.
#[derive(Clone)]
pub struct PollDeps {
    /// Where everything is recorded.
    pub ledger: Ledger,
    /// The time.
    pub clock: Clock,
    /// How shops are reached.
    pub transport: Arc<dyn Transport>,
    /// How patiently.
    pub policy: RetryPolicy,
    /// Shown the report after every page.
    pub progress: Option<Progress>,
}

/// A shop, and how it is asked.
#[derive(Clone, Copy)]
pub struct Shop<'a> {
    /// Its name among the connections.
    pub name: &'a str,
    /// Its address, without the path of the Webhooks extension.
    pub url: &'a Url,
    /// Its API key.
    pub key: &'a str,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Its name, unlike that of any other run: the lease is taken in it.
    pub name: &'a str,
    /// When it must be over. It stops by itself before that.
    pub deadline: Instant,
}
