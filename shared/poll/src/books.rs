//! What the poll keeps between its runs, as this run knows it: cursors and gaps, moved under the lease.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use ledger::{Cursor, Fenced, Gap, GapKind, Ledger, ShopState, Stream};

use crate::Clock;
use crate::lease::HeldLease;
use crate::overlap::latest_position;
use crate::stop::Stop;

/// Pages between two notes of how far a listing has come.
const PAGES_PER_NOTE: u32 = 25;

/// What the shop's counts say that the search by number for a debt of the created stream has yet to find.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// What was counted of which stretch between two questions.
    pub(crate) parts: HashMap<(i64, i64), u64>,
    /// The stretch of time that the orders were made in, from (inclusive) and until (exclusive).
    pub(crate) from: i64,
    pub(crate) until: i64,
    /// How many the pages did not show.
    pub(crate) missing: u64,
    /// Those that they did.
    pub(crate) shown: HashSet<u64>,
}

/// A listing of all orders that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    /// The debts of which the progress counts, since their seconds are settled.
    pub(crate) settled: Vec<Gap>,
    /// The second of making from which on orders have not been looked at.
    pub(crate) at: i64,
    /// Pages since the progress was last noted.
    pub(crate) pages: u32,
}

/// Cursors and gaps. A run without the lease keeps its gaps here only.
pub(crate) struct Books<'a> {
    pub(crate) state: ShopState,
    /// The window, or the stretch that was not shown whole, that is walked again just now. The ledger continues to owe all
    /// of it until the walk is done: what the walk finds to be narrower is kept here only.
    pub(crate) retrying: Option<GapKind>,
    /// Whether a cursor, a gap or a mark is no longer as the run found it.
    pub(crate) has_moved: bool,
    /// What is expected of the search for a debt of the created stream, by its second.
    pub(crate) expected: HashMap<i64, Expected>,
    /// The orders, with the seconds they were made in, that were found below the first of a page, by the second that the
    /// search upwards is for.
    pub(crate) found_below: HashMap<i64, Vec<(u64, i64)>>,
    /// How much of the stretch that is walked again the shop still says that it does not show.
    pub(crate) still_unshown: u64,
    /// Whether the orders of a crowded second are searched for anew in the stretch that is walked again.
    pub(crate) is_search_due: bool,
    /// The listing that is under way.
    pub(crate) listing: Option<UnderWay>,
    ledger: &'a Ledger,
    clock: &'a Clock,
    shop: &'a str,
    run: &'a str,
    begun: Timestamp,
}

impl<'a> Books<'a> {
    pub(crate) fn new(ledger: &'a Ledger, clock: &'a Clock, shop: &'a str, run: &'a str) -> Self {
        Self {
            state: ShopState::default(),
            retrying: None,
            has_moved: false,
            expected: HashMap::new(),
            found_below: HashMap::new(),
            still_unshown: 0,
            is_search_due: false,
            listing: None,
            ledger,
            clock,
            shop,
            run,
            begun: clock(),
        }
    }

    /// Whether this run found a gap itself: to look for what the shop has just not shown can wait for the next run.
    pub(crate) fn is_new(&self, gap: &Gap) -> bool {
        gap.opened_at >= self.begun
    }

    /// Reads what earlier runs left behind.
    pub(crate) async fn open(&mut self) -> Result<(), Stop> {
        self.state = self.ledger.shop_state(self.shop).await?;
        Ok(self.ledger.keep_refreshes(self.shop, &self.state.ending_refreshes).await?)
    }

    /// The highest order id that earlier runs have seen.
    pub(crate) fn highest_order(&self) -> Option<u64> {
        let cursors = [&self.state.created, &self.state.updated];
        cursors.into_iter().flatten().filter_map(|cursor| cursor.highest_order).max()
    }

    /// Moves a live cursor, forward or not at all, and never later than our own clock less the overlap. `highest` is the highest order id that the run has seen.
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
        let position = position.min(latest_position((self.clock)()));
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

    /// Notes that the shop says itself that it does not show a stretch whole: `missing` orders of it, or all of it.
    ///
    /// A stretch that is known to be unshown is not noted a second time, although every run that passes it finds it again:
    /// those that touch are one gap, but for the stretch that a listing does not reach.
    pub(crate) async fn note_unshown(
        &mut self,
        lease: &HeldLease<'_>,
        stream: Stream,
        (from, until): (i64, i64),
        missing: Option<u64>,
    ) -> Result<(), Stop> {
        if until <= from || missing == Some(0) {
            return Ok(());
        }
        let is_of_retried = |kind: &GapKind| {
            matches!(*kind, GapKind::Unshown { stream: of, from: first, until: end, .. }
                if of == stream && from < end && first < until)
        };
        if self.retrying.as_ref().is_some_and(is_of_retried) {
            self.still_unshown += missing.unwrap_or(1);
            return Ok(());
        }
        let touching = self.state.gaps.iter().find_map(|gap| match gap.kind {
            GapKind::Unshown { stream: of, from: first, until: end, missing: known }
                if of == stream
                    && known.is_some() == missing.is_some()
                    && (first <= until && from <= end)
                    // A listing asks for its own by number, which pays nothing of what an earlier run left.
                    && (self.listing.is_none() || first == from) =>
            {
                Some((gap.clone(), first, end, known))
            }
            _ => None,
        });
        let Some((gap, first, end, known)) = touching else {
            let kind = GapKind::Unshown { stream, from, until, missing };
            let reason = match missing {
                Some(missing) => format!("the shop counts {missing} more orders than it shows"),
                None => "the shop says that its answer begins later than it was asked to".to_owned(),
            };
            return self.open_gap(lease, kind, reason).await;
        };
        let kind =
            GapKind::Unshown { stream, from: first.min(from), until: end.max(until), missing: known.max(missing) };
        if kind == gap.kind {
            return Ok(());
        }
        self.put_gap(lease, Gap { kind: kind.clone(), ..gap.clone() }).await?;
        if !kind.is_same_gap(&gap.kind) {
            self.close_gap(lease, &gap.kind).await?;
        }
        Ok(())
    }

    /// Whether orders of a second of the created stream are still to be searched for by number.
    pub(crate) fn is_searched(&self, second: i64) -> bool {
        self.state.gaps.iter().any(|gap| match gap.kind {
            GapKind::Numbers { stream: Stream::Created, second: of, .. } => of == second,
            GapKind::Unsorted { from, until, .. } => (from..until).contains(&second),
            _ => false,
        })
    }

    /// A search has found all that the shop counted in a stretch: what this run noted of it is owed no longer. Where the note
    /// became part of an earlier gap, that is counted again as a whole.
    pub(crate) async fn has_shown(
        &mut self,
        lease: &HeldLease<'_>,
        stream: Stream,
        (from, until): (i64, i64),
    ) -> Result<(), Stop> {
        let is_of_stretch = |kind: &GapKind| {
            matches!(*kind, GapKind::Unshown { stream: of, from: first, until: end, missing: Some(_) }
                if (of, first, end) == (stream, from, until))
        };
        let noted = self.state.gaps.iter().find(|gap| self.is_new(gap) && is_of_stretch(&gap.kind));
        match noted.map(|gap| gap.kind.clone()) {
            Some(kind) => self.close_gap(lease, &kind).await,
            None => Ok(()),
        }
    }

    /// Notes that every order must be looked at again, since any may have changed in a second of the updated stream.
    pub(crate) async fn owe_listing(&mut self, lease: &HeldLease<'_>, second: i64, live: bool) -> Result<(), Stop> {
        let kind = GapKind::Listing { second, from: 0 };
        if self.is_finished(Stream::Updated, second, live)
            || self.state.gaps.iter().any(|gap| gap.kind.is_same_gap(&kind))
        {
            return Ok(());
        }
        self.open_gap(lease, kind, "more changes than one answer shows".to_owned()).await
    }

    /// Writes down how far a listing has come, in the debts of which that counts.
    pub(crate) async fn note_listed(&mut self, lease: &HeldLease<'_>, listing: &UnderWay) -> Result<(), Stop> {
        for gap in &listing.settled {
            let mut gap = gap.clone();
            match &mut gap.kind {
                GapKind::Listing { from, .. } if *from < listing.at => *from = listing.at,
                _ => continue,
            }
            self.put_gap(lease, gap).await?;
        }
        Ok(())
    }

    /// A listing of all orders has come to a second.
    pub(crate) async fn listed(&mut self, lease: &HeldLease<'_>, second: i64) -> Result<(), Stop> {
        let Some(mut listing) = self.listing.take() else { return Ok(()) };
        (listing.at, listing.pages) = (second, listing.pages + 1);
        if listing.pages >= PAGES_PER_NOTE {
            listing.pages = 0;
            self.note_listed(lease, &listing).await?;
        }
        self.listing = Some(listing);
        Ok(())
    }

    /// Whether a second was finished permanently. A window that was passed over hides crowded seconds from the walk that
    /// finished the ones behind it, so what a window's own walk meets is never finished.
    pub(crate) fn is_finished(&self, stream: Stream, second: i64, live: bool) -> bool {
        let finished = self.state.cursor(stream).and_then(|cursor| cursor.finished_through);
        live && finished.is_some_and(|finished| second <= finished)
    }

    /// Notes how many orders of a stretch the shop counts and does not show. Where it counts nothing, what it did not show
    /// before of a stretch that is walked again is still owed.
    pub(crate) async fn note_counted(
        &mut self,
        lease: &HeldLease<'_>,
        stream: Stream,
        stretch: (i64, i64),
        missing: Option<u64>,
    ) -> Result<(), Stop> {
        if missing.is_some() {
            return self.note_unshown(lease, stream, stretch, missing).await;
        }
        if let Some(GapKind::Unshown { missing: Some(known), .. }) = self.retrying {
            self.still_unshown += known;
        }
        Ok(())
    }

    /// Whether a stretch is walked again that was not shown whole.
    pub(crate) fn is_counting_again(&self) -> bool {
        matches!(self.retrying, Some(GapKind::Unshown { .. }))
    }

    /// Whether a stretch is walked again of which the crowded seconds are not searched this time.
    pub(crate) fn is_walked_without_search(&self) -> bool {
        self.is_counting_again() && !self.is_search_due
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
