//! The order of work in a run.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::Timestamp;
use ledger::{DocumentKey, Source, Stream};

use crate::append::Appending;
use crate::ask::Asking;
use crate::books::Books;
use crate::gaps::work_gaps;
use crate::lease::HeldLease;
use crate::numbers::{fetch, fetch_with};
use crate::overlap::{OVERLAP_SECONDS, latest_position, start_of};
use crate::reader::Reader;
use crate::stop::Stop;
use crate::walk::{Purpose, Walk, walk};
use crate::{CursorReport, PAGE_ORDERS, PollDeps, Run, Shop, ShopReport, Stopped};

/// In so many runs the shop must plainly not show a marked order before it counts as gone.
const ABSENT_RUNS: u32 = 4;
/// The most marked orders of one run of which that is found out.
const ABSENT_PER_RUN: usize = PAGE_ORDERS - 1;

/// Polls a shop: both streams from their cursors on, then what earlier runs left behind. `start` is where the poll of a
/// shop begins that was never polled; without it, at the present less the overlap.
///
/// A failure is told in the report, and what was done before it stays done.
pub async fn poll(deps: &PollDeps, shop: &Shop<'_>, start: Option<Timestamp>, run: &Run<'_>) -> ShopReport {
    let held = HeldLease::take(&deps.ledger, &deps.clock, shop.name, run.name).await;
    let (lease, refused) = match held {
        Ok(Some(lease)) => (lease, None),
        Ok(None) => {
            return ShopReport { shop: shop.name.to_owned(), stopped: Stopped::LeaseHeld, ..ShopReport::default() };
        }
        Err(error) => (HeldLease::none(&deps.ledger, &deps.clock), Some(error)),
    };
    let mut work = Work::new(deps, shop, run, lease, Source::Poll, false);
    let result = match refused {
        Some(error) => Err(error.into()),
        None => work.poll(start).await,
    };
    work.reader.asking.lease.release().await;
    work.finish(result)
}

/// Reads the created stream from a second (Unix) on. The live cursors stay where they are. With `dry_run` nothing is
/// written, and the report lists what would be.
pub async fn backfill(
    deps: &PollDeps,
    shop: &Shop<'_>,
    created_after: i64,
    dry_run: bool,
    run: &Run<'_>,
) -> ShopReport {
    let lease = HeldLease::none(&deps.ledger, &deps.clock);
    let mut work = Work::new(deps, shop, run, lease, Source::Backfill, dry_run);
    let result = work.backfill(created_after, None).await;
    work.finish(result)
}

/// What a comparison saw of a shop.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// What a dry run of a backfill tells: which orders the ledger lacks or has in another state, and which cannot be read.
    pub report: ShopReport,
    /// The orders that the shop showed, by id.
    pub seen: BTreeSet<u64>,
}

/// Compares the orders that a shop shows with the ledger: those made from a second (Unix) on and before another one. The
/// shop's answers overlap, so some that were made outside of that time are in the report too. Nothing is written.
pub async fn compare(deps: &PollDeps, shop: &Shop<'_>, made: &Range<i64>, run: &Run<'_>) -> Compared {
    let mut work = Work::dry(deps, shop, run);
    // One second earlier: the bound of the question may be exclusive.
    let until = (made.end < i64::MAX).then(|| made.end - 1);
    let result = work.backfill(made.start - 1, until).await;
    let seen = std::mem::take(&mut work.reader.seen);
    Compared { report: work.finish(result), seen }
}

/// Asks a shop for orders by number, without writing anything. `anchor` is an order that it has: by that, an answer that is
/// not whole is told from one that lacks what is gone. [`Compared::seen`] has those that the shop shows, and the report's
/// `unreadable` those that it cannot serve.
pub async fn look_for(
    deps: &PollDeps,
    shop: &Shop<'_>,
    orders: &BTreeSet<u64>,
    anchor: Option<u64>,
    run: &Run<'_>,
) -> Compared {
    let mut work = Work::dry(deps, shop, run);
    let mut result = Ok(());
    let orders: Vec<u64> = orders.iter().copied().collect();
    for portion in orders.chunks(PAGE_ORDERS - 1) {
        match fetch_with(&mut work.reader, portion, anchor.as_slice()).await {
            Ok(fetched) => work.reader.report.unreadable.extend(fetched.refused),
            Err(stop) => {
                result = Err(stop);
                break;
            }
        }
    }
    let seen = std::mem::take(&mut work.reader.seen);
    Compared { report: work.finish(result), seen }
}

/// Asks for some orders by number.
pub async fn refresh(deps: &PollDeps, shop: &Shop<'_>, orders: &[u64], run: &Run<'_>) -> ShopReport {
    let lease = HeldLease::none(&deps.ledger, &deps.clock);
    let mut work = Work::new(deps, shop, run, lease, Source::Refresh, false);
    let result = match fetch(&mut work.reader, orders).await {
        Ok(fetched) if fetched.refused.is_empty() => Ok(()),
        Ok(_) => Err(Stop::Protocol("the shop cannot serve some of the orders")),
        Err(stop) => Err(stop),
    };
    work.finish(result)
}

/// A run's work, and what it has come to.
struct Work<'a> {
    reader: Reader<'a>,
    books: Books<'a>,
    /// When each stream was read to its end.
    caught_up: Vec<(Stream, Timestamp)>,
}

impl<'a> Work<'a> {
    /// Work that writes nothing.
    fn dry(deps: &'a PollDeps, shop: &Shop<'a>, run: &Run<'a>) -> Self {
        let lease = HeldLease::none(&deps.ledger, &deps.clock);
        Self::new(deps, shop, run, lease, Source::Backfill, true)
    }

    fn new(
        deps: &'a PollDeps,
        shop: &Shop<'a>,
        run: &Run<'a>,
        lease: HeldLease<'a>,
        source: Source,
        dry_run: bool,
    ) -> Self {
        let (ledger, clock, shop_name) = (&deps.ledger, &deps.clock, shop.name);
        let asking = Asking::new(deps, shop, lease, run.deadline);
        let appending = Appending { ledger, clock, shop: shop_name, source, dry_run };
        Self {
            reader: Reader::new(asking, appending, deps.progress.as_ref()),
            books: Books::new(ledger, clock, shop_name, run.name),
            caught_up: Vec::new(),
        }
    }

    async fn poll(&mut self, start: Option<Timestamp>) -> Result<(), Stop> {
        let (reader, books) = (&mut self.reader, &mut self.books);
        books.open().await?;
        // A cursor is written before the first question, so that a first run that fails leaves its start behind.
        let first = start.map_or_else(|| latest_position(reader.asking.now()), Timestamp::as_second);
        for stream in [Stream::Created, Stream::Updated] {
            if books.state.cursor(stream).is_none() {
                books.advance(&reader.asking.lease, stream, first, None, None).await?;
            }
        }
        let mut failed = None;
        for stream in [Stream::Created, Stream::Updated] {
            let now = reader.asking.now();
            let start = books.state.cursor(stream).map_or(first - OVERLAP_SECONDS, |cursor| start_of(cursor, now));
            match walk(reader, books, &Walk { stream, start, until: None, purpose: Purpose::Live }).await {
                Ok(()) => self.caught_up.push((stream, reader.asking.now())),
                Err(stop) if stop.ends_run() => return Err(failed.unwrap_or(stop)),
                // One stream never holds up the other.
                Err(stop) => failed = failed.or(Some(stop)),
            }
        }
        if let Some(stop @ Stop::Shop(_)) = failed {
            return Err(stop);
        }
        refresh_marked(reader, books).await?;
        work_gaps(reader, books).await?;
        failed.map_or(Ok(()), Err)
    }

    /// Walks the created stream from a second on, to the present or until everything up to `until` was seen.
    async fn backfill(&mut self, created_after: i64, until: Option<i64>) -> Result<(), Stop> {
        let (reader, books) = (&mut self.reader, &mut self.books);
        reader.backfilled_to = Some(created_after);
        let stretch = Walk { stream: Stream::Created, start: created_after, until, purpose: Purpose::Backfill };
        let mut result = walk(reader, books, &stretch).await;
        if result.is_ok() {
            result = work_gaps(reader, books).await;
        }
        if result.is_ok()
            && let Some(gap) = books.state.gaps.iter().min_by_key(|gap| gap.kind.begins_at())
        {
            let from = gap.kind.begins_at().and_then(|second| Timestamp::from_second(second).ok());
            let from = from.map_or(String::new(), |from| format!(", first from {from}"));
            let (count, reason) = (books.state.gaps.len(), &gap.reason);
            result = Err(Stop::Incomplete(format!("{count} parts of the orders are missing{from}: {reason}")));
        }
        // A backfill keeps no gaps: what it owes is found again from before it.
        let gaps = &books.state.gaps;
        let owed = gaps.iter().filter_map(|gap| gap.kind.begins_at()).min();
        reader.backfilled_to = match (&result, owed, reader.backfilled_to) {
            (Ok(()), ..) => None,
            _ if gaps.iter().any(|gap| gap.kind.begins_at().is_none()) => Some(created_after),
            (_, Some(owed), Some(to)) => Some(to.min(owed)),
            (_, owed, to) => to.or(owed),
        };
        result
    }

    fn finish(mut self, result: Result<(), Stop>) -> ShopReport {
        let report = &mut self.reader.report;
        let is_live = self.reader.asking.lease.held().is_some();
        (report.stopped, report.failure) = match result {
            Ok(()) => (Stopped::CaughtUp, None),
            // A run that used up its time and moved nothing would be followed by others like it, forever and in silence.
            Err(Stop::Deadline) if is_live && report.pages > 0 && !self.books.has_moved => {
                (Stopped::Failed, Some("the run reached its deadline without making progress".to_owned()))
            }
            Err(Stop::Deadline) => (Stopped::Deadline, None),
            Err(Stop::LeaseLost) => (Stopped::LeaseLost, None),
            Err(stop) => (Stopped::Failed, stop.failure()),
        };
        report.clock_off_seconds = self.reader.asking.clock_off();
        report.gaps_open = self.books.state.gaps.len() as u64;
        let resume_from = self.reader.backfilled_to.and_then(|second| Timestamp::from_second(second).ok());
        report.resume_from = resume_from.map(|at| at.to_string());
        self.reader.report.created_cursor = self.cursor_report(Stream::Created);
        self.reader.report.updated_cursor = self.cursor_report(Stream::Updated);
        self.reader.report
    }

    fn cursor_report(&self, stream: Stream) -> Option<CursorReport> {
        let position = self.books.state.cursor(stream)?.position;
        let known_until = self.caught_up.iter().find(|(caught_up, _)| *caught_up == stream);
        let known_until = known_until.map_or(position, |(_, at)| at.as_second());
        Some(CursorReport { position, lag_seconds: self.reader.asking.now().as_second() - known_until })
    }
}

/// Asks for the orders of which a POSTed copy may be older or newer than the ledger's last revision.
async fn refresh_marked(reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
    let marked = std::mem::take(&mut books.state.refreshes);
    let mut absent = Vec::new();
    for batch in marked.chunks(PAGE_ORDERS) {
        let orders: Vec<u64> = batch.iter().map(|(order, _)| *order).collect();
        let fetched = fetch(reader, &orders).await?;
        for (order, marked_at) in batch {
            if fetched.found.contains_key(order) {
                clear_mark(reader, *order, *marked_at).await?;
                books.has_moved = true;
            } else if !fetched.tells_of(*order) && !reader.seen.contains(order) {
                absent.push((*order, *marked_at));
            }
        }
    }
    settle_absent(reader, books, &absent).await
}

/// Orders that the shop did not show keep their marks: clients have seen shops answer 404 to anything. Only where the
/// answer shows another order, and not this one, in several runs, does the shop no longer have it.
async fn settle_absent(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    absent: &[(u64, Timestamp)],
) -> Result<(), Stop> {
    let absent = &absent[..absent.len().min(ABSENT_PER_RUN)];
    let Some(anchor) = reader.seen.last().copied().filter(|_| !absent.is_empty()) else { return Ok(()) };
    let mut asked: Vec<u64> = absent.iter().map(|(order, _)| *order).collect();
    asked.push(anchor);
    let fetched = fetch(reader, &asked).await?;
    if !fetched.found.contains_key(&anchor) {
        return Ok(());
    }
    for (order, marked_at) in absent.iter().filter(|(order, _)| !fetched.tells_of(*order)) {
        let runs = books.state.absent.get(order).copied().unwrap_or_default() + 1;
        if runs >= ABSENT_RUNS {
            let shop = reader.appending.shop;
            tracing::warn!(shop, order, "the shop no longer has a marked order: it is not asked for again");
            clear_mark(reader, *order, *marked_at).await?;
        } else {
            let document = DocumentKey::order(reader.appending.shop, *order);
            reader.appending.ledger.note_absent(&document, *marked_at, runs).await?;
        }
    }
    Ok(())
}

async fn clear_mark(reader: &Reader<'_>, order: u64, marked_at: Timestamp) -> Result<(), Stop> {
    let document = DocumentKey::order(reader.appending.shop, order);
    Ok(reader.appending.ledger.clear_refresh(&document, marked_at).await?)
}
