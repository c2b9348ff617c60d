//! How far behind its cursor a run begins, and when a second is settled.

use jiff::Timestamp;
use ledger::Cursor;

/// How far behind its cursor a run begins, in seconds: orders may become visible later than their time stamps say, and
/// whether the bound of a question is inclusive is unknown.
pub const OVERLAP_SECONDS: i64 = 600;

/// Where a run begins for a cursor: behind it by the overlap, unless the cursor was moved so long after its second that
/// everything in it was visible by then. Without that exception a run could not get past a stretch that holds more orders
/// within the overlap than it can read in its time.
///
/// A cursor that stands later than it may, by the hand of an earlier version, counts as standing where it may.
pub(crate) fn start_of(cursor: &Cursor, now: Timestamp) -> i64 {
    let position = cursor.position.min(latest_position(now));
    if position <= settled_at(cursor.moved_at) { position - 1 } else { position - OVERLAP_SECONDS }
}

/// The latest second at which a cursor may stand: our own clock less the overlap, whatever the shop's clock and its orders
/// say.
pub(crate) fn latest_position(now: Timestamp) -> i64 {
    now.as_second() - OVERLAP_SECONDS
}

/// The second, on the shop's clock, up to which everything is visible at an instant of ours, whatever the shop's clock
/// shows and however late its commits are: three overlaps earlier.
pub(crate) fn settled_at(now: Timestamp) -> i64 {
    now.as_second() - 3 * OVERLAP_SECONDS
}
