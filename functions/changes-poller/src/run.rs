//! A run at one shop: the lease, the cursors, and the order of work.

use std::pin::pin;
use std::time::Duration;

use connections::ShopConnection;
use jiff::{SignedDuration, Timestamp};
use ledger::{
    Cursor, DocumentKey, Fenced, Gap, GapKind, Lease, Ledger, LedgerError, ShopState, Source, Stream, with_sources,
};
use mycashflow::{ClientError, ShopClient};
use platform::Clock;
use tokio::time::Instant;

use crate::walk::{PAGE_ORDERS, Walk};
use crate::{CursorReport, PollerDeps, ShopReport, Stopped};

/// How far behind its cursor a run begins, in seconds: orders may become visible later than their time stamps say, and
/// nobody has told whether the bound of a request is inclusive.
pub const OVERLAP_SECONDS: i64 = 600;
/// Kept free before the deadline, for the ledger writes that follow the last answer.
const RESERVE: Duration = Duration::from_secs(5);
/// How long a lease lasts. It is renewed as the run goes on, so that a run which was killed holds up the next one no
/// longer than this; a run that was only slow, and lost it, can move no cursor any more.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How often the lease is looked after while the shop is waited for.
const LEASE_CHECK: Duration = Duration::from_secs(5);

/// Why a run stops before it is done.
#[derive(Debug)]
pub(crate) enum Stop {
    Deadline,
    LeaseLost,
    Shop(ClientError),
    Ledger(LedgerError),
    /// The shop's answers make no sense together, so nothing can be concluded from them.
    Protocol(&'static str),
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Deadline => Self::Deadline,
            error => Self::Shop(error),
        }
    }
}

/// One run at one shop.
pub(crate) struct ShopRun<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) clock: &'a Clock,
    pub(crate) client: ShopClient,
    pub(crate) shop: &'a str,
    pub(crate) source: Source,
    pub(crate) report: ShopReport,
    /// What the ledger keeps about the shop, as this run knows it. A run without the lease keeps its gaps here only.
    pub(crate) state: ShopState,
    /// Nothing is written; what would be is listed.
    pub(crate) dry_run: bool,
    /// The shop's clock at its last answer, Unix seconds.
    pub(crate) shop_time: Option<i64>,
    /// The longest that a page took, from the request to the last append.
    pub(crate) slowest_page: Duration,
    lease: Option<Lease>,
    run: &'a str,
    deadline: Instant,
    progress: Option<&'a crate::Progress>,
    caught_up: Vec<(Stream, Timestamp)>,
    /// Up to where a backfill has come, Unix seconds.
    pub(crate) backfilled_to: Option<i64>,
    /// The window that is walked again just now. The ledger goes on to owe all of it until the walk is done: what the walk
    /// finds to be narrower is kept here only.
    pub(crate) retrying: Option<GapKind>,
    /// Whether a cursor, a gap or a mark is no longer as the run found it.
    has_moved: bool,
}

impl<'a> ShopRun<'a> {
    pub(crate) fn new(
        deps: &'a PollerDeps,
        shop: &'a str,
        connection: &ShopConnection,
        run: &'a str,
        deadline: Instant,
    ) -> Self {
        let client = ShopClient::new(
            connection.url.clone(),
            connection.key.reveal().to_owned(),
            deps.transport.clone(),
            deps.policy.clone(),
            fastrand::u64(..),
        );
        Self {
            ledger: &deps.base.ledger,
            clock: &deps.base.clock,
            client: client.with_deadline(deadline.checked_sub(RESERVE).unwrap_or(deadline)),
            shop,
            source: Source::Poll,
            report: ShopReport { shop: shop.to_owned(), ..ShopReport::default() },
            state: ShopState::default(),
            dry_run: false,
            shop_time: None,
            slowest_page: Duration::ZERO,
            lease: None,
            run,
            deadline,
            progress: deps.progress.as_ref(),
            caught_up: Vec::new(),
            backfilled_to: None,
            retrying: None,
            has_moved: false,
        }
    }

    /// The scheduled poll: both streams from their cursors on, then what earlier runs left behind.
    pub(crate) async fn poll(mut self, start: Option<Timestamp>) -> ShopReport {
        let now = (self.clock)();
        let result = match self.ledger.acquire_lease(self.shop, self.run, now, now + LEASE).await {
            Ok(Some(lease)) => {
                self.lease = Some(lease.clone());
                let result = self.poll_under_lease(start).await;
                if let Err(error) = self.ledger.release_lease(&lease).await {
                    tracing::warn!(%error, shop = self.shop, "the lease could not be released; it ends by its time");
                }
                result
            }
            Ok(None) => {
                self.report.stopped = Stopped::LeaseHeld;
                return self.report;
            }
            Err(error) => Err(error.into()),
        };
        self.finish(result)
    }

    async fn poll_under_lease(&mut self, start: Option<Timestamp>) -> Result<(), Stop> {
        self.state = self.ledger.shop_state(self.shop).await?;
        // A cursor is written before the first question, so that a first run that fails leaves its start behind.
        let first = start.map_or_else(|| (self.clock)().as_second() - OVERLAP_SECONDS, Timestamp::as_second);
        for stream in [Stream::Created, Stream::Updated] {
            if self.state.cursor(stream).is_none() {
                self.advance(stream, first, None).await?;
            }
        }
        for stream in [Stream::Created, Stream::Updated] {
            let start = self.state.cursor(stream).map_or(first - OVERLAP_SECONDS, start_of);
            self.walk(&Walk { stream, start, until: None, live: true }).await?;
            self.caught_up.push((stream, (self.clock)()));
        }
        self.refresh_marked().await?;
        self.work_gaps().await
    }

    /// Reads the created stream from a second on. The live cursors stay where they are.
    pub(crate) async fn backfill(mut self, created_after: i64, dry_run: bool) -> ShopReport {
        self.source = Source::Backfill;
        self.dry_run = dry_run;
        self.backfilled_to = Some(created_after);
        let walk = Walk { stream: Stream::Created, start: created_after, until: None, live: false };
        let mut result = self.walk(&walk).await;
        if result.is_ok() {
            result = self.work_gaps().await;
        }
        if result.is_ok() && !self.state.gaps.is_empty() {
            result = Err(Stop::Protocol("the shop cannot serve a part of its orders: run the backfill again later"));
        }
        // A backfill keeps no gaps: what it owes is found again from before it.
        let owed = self.state.gaps.iter().filter_map(|gap| gap.kind.begins_at()).min();
        self.backfilled_to =
            owed.map_or(self.backfilled_to, |owed| Some(self.backfilled_to.map_or(owed, |to| to.min(owed))));
        if self.state.gaps.iter().any(|gap| gap.kind.begins_at().is_none()) {
            self.backfilled_to = Some(created_after);
        }
        if result.is_ok() {
            self.backfilled_to = None;
        }
        self.finish(result)
    }

    /// Asks for some orders by number.
    pub(crate) async fn refresh(mut self, orders: &[u64]) -> ShopReport {
        self.source = Source::Refresh;
        let result = self.fetch(orders).await.map(|fetched| fetched.refused.is_empty());
        let result = match result {
            Ok(true) => Ok(()),
            Ok(false) => Err(Stop::Protocol("the shop cannot serve some of the orders")),
            Err(stop) => Err(stop),
        };
        self.finish(result)
    }

    /// Asks for the orders of which a POSTed copy may be older or newer than the ledger's last revision.
    async fn refresh_marked(&mut self) -> Result<(), Stop> {
        let marked = std::mem::take(&mut self.state.refreshes);
        for batch in marked.chunks(PAGE_ORDERS) {
            let orders: Vec<u64> = batch.iter().map(|(order, _)| *order).collect();
            // An order that the shop did not show stays marked: clients have seen shops answer 404 to anything.
            let found = self.fetch(&orders).await?.found;
            for (order, marked_at) in batch.iter().filter(|(order, _)| found.contains_key(order)) {
                self.ledger.clear_refresh(&DocumentKey::order(self.shop, *order), *marked_at).await?;
                self.has_moved = true;
            }
        }
        Ok(())
    }

    /// Waits for the shop, and keeps the lease meanwhile: that a shop is slow must not let the next run take it.
    pub(crate) async fn wait_for<T>(&mut self, question: impl Future<Output = T>) -> Result<T, Stop> {
        let mut question = pin!(question);
        loop {
            match self.keep_lease().await {
                // An answer that is under way is worth more than a renewal that failed: there is time for another one.
                Err(Stop::Ledger(error)) => tracing::warn!(%error, shop = self.shop, "the lease could not be renewed"),
                kept => kept?,
            }
            tokio::select! {
                biased;
                answer = &mut question => return Ok(answer),
                () = tokio::time::sleep(LEASE_CHECK) => {}
            }
        }
    }

    /// Renews the lease when half of it is over.
    pub(crate) async fn keep_lease(&mut self) -> Result<(), Stop> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let now = (self.clock)();
        if lease.until > now + LEASE / 2 {
            return Ok(());
        }
        match self.ledger.renew_lease(lease, now + LEASE).await? {
            Some(renewed) => self.lease = Some(renewed),
            None => return Err(Stop::LeaseLost),
        }
        Ok(())
    }

    /// Moves a live cursor, forward or not at all.
    pub(crate) async fn advance(
        &mut self,
        stream: Stream,
        position: i64,
        finished_through: Option<i64>,
    ) -> Result<(), Stop> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let from = self.state.cursor(stream);
        let to = Cursor {
            stream,
            position: from.map_or(position, |from| from.position.max(position)),
            highest_order: from.and_then(|from| from.highest_order).max(self.report.highest_order),
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
        match self.ledger.move_cursor(lease, from, &to).await? {
            Fenced::Written => {}
            Fenced::LeaseLost | Fenced::Changed => return Err(Stop::LeaseLost),
        }
        self.has_moved |= from.is_none_or(|from| from.position < to.position);
        match stream {
            Stream::Created => self.state.created = Some(to),
            Stream::Updated => self.state.updated = Some(to),
        }
        Ok(())
    }

    /// Writes a gap down, before anything goes past it.
    pub(crate) async fn put_gap(&mut self, gap: Gap) -> Result<(), Stop> {
        let is_kept_here = self.retrying.as_ref().is_some_and(|retrying| retrying.is_same_gap(&gap.kind));
        if let (Some(lease), false) = (&self.lease, is_kept_here) {
            match self.ledger.put_gap(lease, &gap).await? {
                Fenced::Written => {}
                Fenced::LeaseLost | Fenced::Changed => return Err(Stop::LeaseLost),
            }
        }
        self.has_moved |= !self.state.gaps.iter().any(|known| known.kind == gap.kind);
        self.state.gaps.retain(|known| !known.kind.is_same_gap(&gap.kind));
        self.state.gaps.push(gap);
        Ok(())
    }

    /// Opens a gap that this run found.
    pub(crate) async fn open_gap(&mut self, kind: GapKind, reason: String) -> Result<(), Stop> {
        tracing::warn!(shop = self.shop, gap = ?kind, reason, "a gap is open");
        self.put_gap(Gap { kind, reason, opened_at: (self.clock)(), tries: 0 }).await
    }

    /// Strikes a filled gap out.
    pub(crate) async fn close_gap(&mut self, kind: &GapKind) -> Result<(), Stop> {
        if let Some(lease) = &self.lease {
            match self.ledger.close_gap(lease, kind).await? {
                Fenced::Written => {}
                Fenced::LeaseLost | Fenced::Changed => return Err(Stop::LeaseLost),
            }
        }
        self.has_moved = true;
        self.state.gaps.retain(|known| !known.kind.is_same_gap(kind));
        Ok(())
    }

    /// Stops the run while there is still time to stop.
    pub(crate) fn check_time(&self) -> Result<(), Stop> {
        let needed = RESERVE + (2 * self.slowest_page).max(Duration::from_secs(1));
        if Instant::now() + needed > self.deadline { Err(Stop::Deadline) } else { Ok(()) }
    }

    /// Tells whoever watches how far the run is.
    pub(crate) fn show_progress(&self) {
        if let Some(progress) = self.progress {
            let at = self.backfilled_to.and_then(|second| Timestamp::from_second(second).ok());
            progress(&ShopReport { resume_from: at.map(|at| at.to_string()), ..self.report.counts() });
        }
    }

    fn finish(mut self, result: Result<(), Stop>) -> ShopReport {
        (self.report.stopped, self.report.failure) = match result {
            Ok(()) => (Stopped::CaughtUp, None),
            // A run that used up its time and moved nothing would be followed by others like it, for ever and in silence.
            Err(Stop::Deadline) if self.lease.is_some() && self.report.pages > 0 && !self.has_moved => {
                (Stopped::Failed, Some("the time was over before anything was done".to_owned()))
            }
            Err(Stop::Deadline) => (Stopped::Deadline, None),
            Err(Stop::LeaseLost) => (Stopped::LeaseLost, None),
            Err(Stop::Shop(error)) => (Stopped::Failed, Some(with_sources(&error))),
            Err(Stop::Ledger(error)) => (Stopped::Failed, Some(with_sources(&error))),
            Err(Stop::Protocol(problem)) => (Stopped::Failed, Some(problem.to_owned())),
        };
        self.report.gaps_open = self.state.gaps.len() as u64;
        self.report.resume_from =
            self.backfilled_to.and_then(|second| Timestamp::from_second(second).ok()).map(|at| at.to_string());
        self.report.created_cursor = self.cursor_report(Stream::Created);
        self.report.updated_cursor = self.cursor_report(Stream::Updated);
        self.report
    }

    fn cursor_report(&self, stream: Stream) -> Option<CursorReport> {
        let position = self.state.cursor(stream)?.position;
        let now = (self.clock)().as_second();
        let known_until = self.caught_up.iter().find(|(caught_up, _)| *caught_up == stream);
        let lag_seconds = now - known_until.map_or(position, |(_, at)| at.as_second());
        Some(CursorReport { position, lag_seconds })
    }
}

/// Where a run begins for a cursor: behind it by the overlap, unless the cursor was moved so long after its second that
/// everything in it was visible by then. Without that exception a run could not get past a stretch that holds more orders
/// within the overlap than it can read in its time.
fn start_of(cursor: &Cursor) -> i64 {
    if cursor.position <= settled_at(cursor.moved_at) { cursor.position - 1 } else { cursor.position - OVERLAP_SECONDS }
}

/// The second, on the shop's clock, up to which everything is visible at an instant of ours, whatever the shop's clock
/// shows and however late its commits are: three overlaps earlier.
pub(crate) fn settled_at(now: Timestamp) -> i64 {
    now.as_second() - 3 * OVERLAP_SECONDS
}
