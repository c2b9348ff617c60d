//! What the poll keeps between its runs, as this run knows it: cursors and gaps, moved under the lease.

use ledger::{Cursor, Fenced, Gap, GapKind, Ledger, ShopState, Stream};

use crate::Clock;
use crate::lease::HeldLease;
use crate::stop::Stop;

/// Cursors and gaps. A run without the lease keeps its gaps here only.
pub(crate) struct Books<'a> {
    pub(crate) state: ShopState,
    /// The window that is walked again just now. The ledger continues to owe all of it until the walk is done: what the
    /// walk finds to be narrower is kept here only.
    pub(crate) retrying: Option<GapKind>,
    /// Whether a cursor, a gap or a mark is no longer as the run found it.
    pub(crate) has_moved: bool,
    ledger: &'a Ledger,
    clock: &'a Clock,
    shop: &'a str,
    run: &'a str,
}

impl<'a> Books<'a> {
    pub(crate) fn new(ledger: &'a Ledger, clock: &'a Clock, shop: &'a str, run: &'a str) -> Self {
        Self { state: ShopState::default(), retrying: None, has_moved: false, ledger, clock, shop, run }
    }

    /// Reads what earlier runs left behind.
    pub(crate) async fn open(&mut self) -> Result<(), Stop> {
        self.state = self.ledger.shop_state(self.shop).await?;
        Ok(())
    }

    /// Moves a live cursor, forward or not at all. `highest` is the highest order id that the run has seen.
    pub(crate) async fn advance(
        &mut self,
        lease: &HeldLease<'_>,
        stream: Stream,
        position: i64,
        finished_through: Option<i64>,
        highest: Option<u64>,
    ) -> Result<(), Stop> {
        let Some(lease) = lease.held() else { return Ok(()) };
        let from = self.state.cursor(stream);
        let to = Cursor {
            stream,
            position: from.map_or(position, |from| from.position.max(position)),
            highest_order: from.and_then(|from| from.highest_order).max(highest),
            finished_through: from.and_then(|from| from.finished_through).max(finished_through),
            // The time of a cursor that only learns something else stays: it tells when its position was reached.
            moved_at: from.filter(|from| position < from.position).map_or_else(|| (self.clock)(), |from| from.moved_at),
            run: self.run.to_owned(),
        };
        let same = |from: &Cursor| {
            (from.position, from.highest_order, from.finished_through)
                == (to.position, to.highest_order, to.finished_through)
        };
        if from.is_some_and(same) {
            return Ok(());
        }
        written(self.ledger.move_cursor(lease, from, &to).await?)?;
        self.has_moved |= from.is_none_or(|from| from.position < to.position);
        match stream {
            Stream::Created => self.state.created = Some(to),
            Stream::Updated => self.state.updated = Some(to),
        }
        Ok(())
    }

    /// Writes a gap down, before anything goes past it.
    pub(crate) async fn put_gap(&mut self, lease: &HeldLease<'_>, gap: Gap) -> Result<(), Stop> {
        let is_kept_here = self.retrying.as_ref().is_some_and(|retrying| retrying.is_same_gap(&gap.kind));
        if let (Some(lease), false) = (lease.held(), is_kept_here) {
            written(self.ledger.put_gap(lease, &gap).await?)?;
        }
        self.has_moved |= !self.state.gaps.iter().any(|known| known.kind == gap.kind);
        self.state.gaps.retain(|known| !known.kind.is_same_gap(&gap.kind));
        self.state.gaps.push(gap);
        Ok(())
    }

    /// Opens a gap that this run found.
    pub(crate) async fn open_gap(&mut self, lease: &HeldLease<'_>, kind: GapKind, reason: String) -> Result<(), Stop> {
        tracing::warn!(shop = self.shop, gap = ?kind, reason, "a gap is open");
        self.put_gap(lease, Gap { kind, reason, opened_at: (self.clock)(), tries: 0 }).await
    }

    /// Strikes a filled gap out.
    pub(crate) async fn close_gap(&mut self, lease: &HeldLease<'_>, kind: &GapKind) -> Result<(), Stop> {
        if let Some(lease) = lease.held() {
            written(self.ledger.close_gap(lease, kind).await?)?;
        }
        self.has_moved = true;
        self.state.gaps.retain(|known| !known.kind.is_same_gap(kind));
        Ok(())
    }

    /// Where the walk asks instead of `start`: an open window is not asked for again by the walk itself, since the run's
    /// work on its gaps does that.
    pub(crate) fn after_open_windows(&self, stream: Stream, start: i64) -> i64 {
        self.state.gaps.iter().fold(start, |start, gap| match gap.kind {
            GapKind::Window { stream: of, from, until, .. } if of == stream && from <= start && start < until => until,
            _ => start,
        })
    }
}

/// A write that another run's lease prevented ends the run; so does one over something that another run has changed.
fn written(fenced: Fenced) -> Result<(), Stop> {
    match fenced {
        Fenced::Written => Ok(()),
        Fenced::LeaseLost | Fenced::Changed => Err(Stop::LeaseLost),
    }
}
