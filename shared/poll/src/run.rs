//! The order of work in a run.

use jiff::Timestamp;
use ledger::{DocumentKey, Source, Stream, with_sources};

use crate::append::Appending;
use crate::ask::Asking;
use crate::books::Books;
use crate::gaps::work_gaps;
use crate::lease::HeldLease;
use crate::numbers::fetch;
use crate::overlap::{OVERLAP_SECONDS, start_of};
use crate::reader::Reader;
use crate::stop::Stop;
use crate::walk::{Walk, walk};
use crate::{CursorReport, PAGE_ORDERS, PollDeps, Run, Shop, ShopReport, Stopped};

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
    let result = work.backfill(created_after).await;
    work.finish(result)
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
        let first = start.map_or_else(|| reader.asking.now().as_second() - OVERLAP_SECONDS, Timestamp::as_second);
        for stream in [Stream::Created, Stream::Updated] {
            if books.state.cursor(stream).is_none() {
                books.advance(&reader.asking.lease, stream, first, None, None).await?;
            }
        }
        for stream in [Stream::Created, Stream::Updated] {
            let start = books.state.cursor(stream).map_or(first - OVERLAP_SECONDS, start_of);
            walk(reader, books, &Walk { stream, start, until: None, live: true }).await?;
            self.caught_up.push((stream, reader.asking.now()));
        }
        refresh_marked(reader, books).await?;
        work_gaps(reader, books).await
    }

    async fn backfill(&mut self, created_after: i64) -> Result<(), Stop> {
        let (reader, books) = (&mut self.reader, &mut self.books);
        reader.backfilled_to = Some(created_after);
        let stretch = Walk { stream: Stream::Created, start: created_after, until: None, live: false };
        let mut result = walk(reader, books, &stretch).await;
        if result.is_ok() {
            result = work_gaps(reader, books).await;
        }
        if result.is_ok() && !books.state.gaps.is_empty() {
            result = Err(Stop::Protocol("the shop cannot serve a part of its orders: run the backfill again later"));
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
            Err(Stop::Shop(error)) => (Stopped::Failed, Some(with_sources(&error))),
            Err(Stop::Ledger(error)) => (Stopped::Failed, Some(with_sources(&error))),
            Err(Stop::Protocol(problem)) => (Stopped::Failed, Some(problem.to_owned())),
        };
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
    for batch in marked.chunks(PAGE_ORDERS) {
        let orders: Vec<u64> = batch.iter().map(|(order, _)| *order).collect();
        // An order that the shop did not show stays marked: clients have seen shops answer 404 to anything.
        let found = fetch(reader, &orders).await?.found;
        for (order, marked_at) in batch.iter().filter(|(order, _)| found.contains_key(order)) {
            let document = DocumentKey::order(reader.appending.shop, *order);
            reader.appending.ledger.clear_refresh(&document, *marked_at).await?;
            books.has_moved = true;
        }
    }
    Ok(())
}
