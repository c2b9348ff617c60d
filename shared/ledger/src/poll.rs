//! What the poll of a shop keeps between its runs. Only here does the ledger know of streams, seconds and order
//! numbers; to everything else a document is a key and bytes.

mod gap;
mod state;

pub use gap::{Gap, GapKind};
pub use state::{Cursor, Fenced, Lease, ShopState, Stream};
