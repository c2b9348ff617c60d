//! What only an operator asks for.

use jiff::Timestamp;
use ledger::{Cursor, Fenced, Ledger, LedgerError, Stream};

use crate::Clock;
use crate::lease::HeldLease;

/// What became of the wish to set a cursor back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBack {
    /// It stands there now, and stood at the second given (Unix) before.
    Done(i64),
    /// It stands at the second given, which is no later: a cursor is never moved forward.
    NotBack(i64),
    /// The shop was never polled, so there is no cursor.
    NoCursor,
    /// A run polls the shop just now.
    Polled,
}

/// Sets a shop's cursor back to a second (Unix), so that the next run walks the stream again from there.
///
/// The lease is taken for it: a run that is under way is not interfered with, and cannot undo it. `name` is unlike that of any
/// run.
///
/// # Errors
/// [`LedgerError::Unavailable`].
pub async fn set_cursor_back(
    ledger: &Ledger,
    clock: &Clock,
    shop: &str,
    stream: Stream,
    to: i64,
    name: &str,
) -> Result<SetBack, LedgerError> {
    let Some(held) = HeldLease::take(ledger, clock, shop, name).await? else { return Ok(SetBack::Polled) };
    let done = set_back(ledger, clock(), &held, shop, stream, to, name).await;
    held.release().await;
    done
}

async fn set_back(
    ledger: &Ledger,
    now: Timestamp,
    held: &HeldLease<'_>,
    shop: &str,
    stream: Stream,
    to: i64,
    name: &str,
) -> Result<SetBack, LedgerError> {
    let state = ledger.shop_state(shop).await?;
    let (Some(from), Some(lease)) = (state.cursor(stream), held.held()) else { return Ok(SetBack::NoCursor) };
    if to >= from.position {
        return Ok(SetBack::NotBack(from.position));
    }
    let target = Cursor {
        position: to,
        // What was finished from there on is finished again: that is what the operator wants to be looked at.
        finished_through: from.finished_through.map(|finished| finished.min(to - 1)),
        moved_at: now,
        run: name.to_owned(),
        ..from.clone()
    };
    Ok(match ledger.set_cursor_back(lease, from, &target).await? {
        Fenced::Written => SetBack::Done(from.position),
        Fenced::LeaseLost | Fenced::Changed => SetBack::Polled,
    })
}
