//! What the poll of a shop keeps between its runs: cursors, gaps, orders to ask for, and the lease that makes one run
//! at a time the owner of them all.
//!
//! Only here does the ledger know of orders, their streams and their numbers. To everything else a document is a key
//! and bytes.

mod gap;
mod lease;
mod mark;
mod run;
mod state;

pub use gap::{Gap, GapKind};
pub use lease::{Fenced, Lease};
pub use run::PollRun;
pub use state::{Cursor, ShopState, Stream};

use crate::{Connection, DocumentKey};

/// The version of the format of cursors, gaps, marks and leases.
const FORMAT: u32 = 1;

impl DocumentKey {
    /// A shop's order.
    pub fn order(shop: impl Into<String>, id: u64) -> Self {
        Self { connection: Connection::shop(shop), kind: "order".to_owned(), id: id.to_string() }
    }
}
