//! How far behind its cursor a run begins, and when a second is settled.

use jiff::Timestamp;
use ledger::Cursor;

/// How far behind its cursor a run begins, in seconds: orders may become visible later than their time stamps say, and
/// whether the bound of a question is inclusive is unknown.
pub const OVERLAP_SECONDS: i64 = 600;

/// Where a run begins for a cursor: behind it by the overlap, unless the cursor was moved so long after its second that
/// everything in it was visible by then. Without that exception a run could not get past a stretch that holds more orders
/// within the overlap than it can read in its time.
pub(crate) fn start_of(cursor: &Cursor) -> i64 {
    if cursor.position <= settled_at(cursor.moved_at) { cursor.position - 1 } else { cursor.position - OVERLAP_SECONDS }
}

/// The second, on the shop's clock, up to which everything is visible at an instant of ours, whatever the shop's clock
/// shows and however late its commits are: three overlaps earlier.
pub(crate) fn settled_at(now: Timestamp) -> i64 {
    now.as_second() - 3 * OVERLAP_SECONDS
}
