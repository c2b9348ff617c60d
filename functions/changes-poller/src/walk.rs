//! The walk over a stream of changes: from a start to the present, page by page, with nothing in between.
//!
//! The rules, and what each is for, stand in `docs/decisions/0001-the-cursors.md`.

use std::time::Duration;

use jiff::Timestamp;
use ledger::{GapKind, Stream};
use mycashflow::{Answer, ClientError, Page, ShopClient};
use tokio::time::Instant;

use crate::run::{OVERLAP_SECONDS, ShopRun, Stop, settled_at};

/// A shop answers with at most this many orders (`spec/mycashflow.md`).
pub(crate) const PAGE_ORDERS: usize = 100;
/// Tries of a question that is asked only to find out what the shop can answer, and how long each may take.
const PROBE_ATTEMPTS: u32 = 2;
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the boundary between two pages is looked for before the run gives up loudly.
const BOUNDARY_ROUNDS: u32 = 4;
/// The first step, in seconds, when the next start of the updated stream has to be searched for.
const FIRST_STRIDE_SECONDS: i64 = 64;

/// Which stretch of which stream to walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    pub(crate) stream: Stream,
    /// The first second to ask from.
    pub(crate) start: i64,
    /// Stop once everything up to this second, it included, was seen; without it, walk to the present.
    pub(crate) until: Option<i64>,
    /// Whether the stream's cursor moves along.
    pub(crate) live: bool,
}

/// A page that is in the ledger already.
pub(crate) struct Asked {
    pub(crate) page: Page,
    /// The second it was asked from: later than wished when a window before it cannot be served.
    pub(crate) start: i64,
}

/// What came of the question whether two pages of the updated stream join.
enum Joined {
    /// Nothing lies before this page that was not seen.
    To(Asked),
    /// The first of them ends earlier by now; this is how it is.
    NoLonger(Asked),
}

impl Asked {
    fn is_full(&self) -> bool {
        self.page.entries.len() >= PAGE_ORDERS
    }

    /// Where in this page the other one begins. An order that cannot be read and has no id is known by its text.
    fn position_of_first(&self, other: &Self) -> Option<usize> {
        let first = other.page.entries.first()?;
        self.page.entries.iter().position(|entry| match (entry.id, first.id) {
            (Some(id), Some(first)) => id == first,
            (None, None) => self.page.slice(entry) == other.page.slice(first),
            _ => false,
        })
    }
}

impl ShopRun<'_> {
    pub(crate) async fn walk(&mut self, walk: &Walk) -> Result<(), Stop> {
        match walk.stream {
            Stream::Created => self.walk_created(walk).await,
            Stream::Updated => self.walk_updated(walk).await,
        }
    }

    async fn walk_created(&mut self, walk: &Walk) -> Result<(), Stop> {
        let begun = Instant::now();
        let mut start = walk.start;
        loop {
            let asked = self.ask(Stream::Created, start).await?;
            start = asked.start;
            let last = last_second(&asked)?;
            if !asked.is_full() {
                return match last {
                    Some(last) if walk.live => self.advance(Stream::Created, self.reached(last, begun), None).await,
                    _ => Ok(()),
                };
            }
            let Some(last) = last.filter(|last| *last >= start) else {
                return Err(Stop::Protocol("a full page of the created stream has no times from its start on"));
            };
            if walk.until.is_some_and(|until| last > until) {
                return Ok(());
            }
            start = if last - 1 > start {
                last - 1
            } else {
                self.owe_created_second(last, &asked, walk.live).await?;
                // A page that ends in the second it was asked from shows that the bound is inclusive, so the next second
                // can be asked for. Otherwise the bound may be exclusive, and only this one can.
                if last == start { last + 1 } else { last }
            };
            if walk.live {
                self.advance(Stream::Created, self.reached(last, begun), None).await?;
            } else if self.backfilled_to.is_some() {
                // Only this run knows what it owes, so that is paid before the backfill goes past it.
                self.finish_crowded_seconds().await?;
                self.backfilled_to = Some(start);
            }
        }
    }

    async fn walk_updated(&mut self, walk: &Walk) -> Result<(), Stop> {
        let begun = Instant::now();
        let mut asked = self.ask(Stream::Updated, walk.start).await?;
        let mut stride = FIRST_STRIDE_SECONDS;
        loop {
            if !asked.is_full() {
                let seen_until = self.shop_time.map(|now| now - OVERLAP_SECONDS);
                return match seen_until {
                    Some(seen_until) if walk.live => {
                        self.advance(Stream::Updated, self.reached(seen_until, begun), None).await
                    }
                    _ => Ok(()),
                };
            }
            let start = asked.start;
            asked = self.next_updated(asked, stride, walk.live).await?;
            stride = (asked.start - start).max(1);
            if walk.live {
                self.advance(Stream::Updated, self.reached(asked.start, begun), None).await?;
            }
            if walk.until.is_some_and(|until| asked.start > until) {
                return Ok(());
            }
        }
    }

    /// The page after a full page of the updated stream, whose orders do not tell when they changed: one that begins
    /// inside the last, so that nothing lies between them, or one after a second whose rest is owed.
    async fn next_updated(&mut self, mut last: Asked, stride: i64, live: bool) -> Result<Asked, Stop> {
        let start = last.start;
        let mut outside = None;
        if let Some(time_to) = last.page.time_to.filter(|time_to| *time_to >= start) {
            let guess = (time_to - 1).max(start + 1);
            let next = self.ask(Stream::Updated, guess).await?;
            // Up to `time_to − 1` the last page is complete by the shop's own word; beyond, that has to be shown.
            let is_inside = last.position_of_first(&next).is_some();
            // A window that cannot be served lies between: it owes what the last page did not show, but for its own second.
            if guess < time_to && (is_inside || next.start > guess) {
                return Ok(next);
            }
            if is_inside {
                match self.join(last, next).await? {
                    Joined::To(page) => return Ok(page),
                    Joined::NoLonger(again) => last = again,
                }
            }
            outside = Some(guess);
        }
        for _ in 0..BOUNDARY_ROUNDS {
            let Some(next) = self.search_boundary(&last, outside, stride).await? else {
                self.owe_updated_second(start + 1, live).await?;
                return self.ask(Stream::Updated, start + 1).await;
            };
            outside = Some(next.start);
            match self.join(last, next).await? {
                Joined::To(page) => return Ok(page),
                Joined::NoLonger(again) => last = again,
            }
        }
        Err(Stop::Protocol("the orders change faster than the updated stream can be read"))
    }

    /// Asks for `last` again, now that `next` is known. While it still reaches to where `next` begins, everything up to
    /// there was seen: an order that changed meanwhile only moves to a later time, so `last` ends no earlier than where
    /// `next` began. An answer that is not full any more is the end of the walk, and one that begins later, because a
    /// window is owed, is the page to go on from.
    async fn join(&mut self, last: Asked, next: Asked) -> Result<Joined, Stop> {
        let again = self.ask(Stream::Updated, last.start).await?;
        if again.start > last.start || !again.is_full() {
            return Ok(Joined::To(again));
        }
        Ok(if again.position_of_first(&next).is_some() { Joined::To(next) } else { Joined::NoLonger(again) })
    }

    /// Where a cursor may stand that a walk has brought to `second`: behind by the time the walk has taken, unless the
    /// second is settled. The walk's first page shows what was visible when it was asked for, and commits that become
    /// visible behind the walk must stay within reach of the next one. An order dated in the future takes no cursor there.
    fn reached(&self, second: i64, begun: Instant) -> i64 {
        let elapsed = begun.elapsed();
        let settled = settled_at((self.clock)() - elapsed);
        let second = self.shop_time.map_or(second, |now| second.min(now));
        second.saturating_sub_unsigned(elapsed.as_secs()).max(second.min(settled))
    }

    /// Searches for a later start whose page begins inside `last`; none when even the next second's does not.
    async fn search_boundary(
        &mut self,
        last: &Asked,
        outside: Option<i64>,
        stride: i64,
    ) -> Result<Option<Asked>, Stop> {
        let mut inside = last.start;
        let mut outside = outside.filter(|outside| *outside > inside);
        let mut step = stride;
        let mut found = None;
        loop {
            let probe_at = match outside {
                Some(outside) if outside - inside <= 1 => return Ok(found),
                Some(outside) => (inside + (outside - inside) / 2).min(inside + step),
                None => inside + step,
            };
            let probe = self.ask(Stream::Updated, probe_at).await?;
            match last.position_of_first(&probe) {
                Some(_) if self.shop_time.is_some_and(|now| probe_at > now + 2 * OVERLAP_SECONDS) => {
                    return Err(Stop::Protocol("the shop shows the same changes whatever second it is asked from"));
                }
                Some(position) => {
                    inside = probe_at;
                    step = step.saturating_mul(2);
                    found = Some(probe);
                    if position >= PAGE_ORDERS / 2 {
                        return Ok(found);
                    }
                }
                None => outside = Some(probe_at),
            }
        }
    }

    /// Asks for the changes from a second on and takes the answer into the ledger. Where the shop fails again and again,
    /// the failing window is written down as a gap and the answer is that of the first second after it.
    pub(crate) async fn ask(&mut self, stream: Stream, start: i64) -> Result<Asked, Stop> {
        let start = self.after_open_windows(stream, start);
        self.check_time()?;
        let client = self.client.clone();
        match self.wait_for(client.changes(to_client(stream), start)).await? {
            Ok(answer) => self.take_in(answer, start).await,
            Err(error) if may_be_poison(&error) => {
                self.check_time()?;
                self.isolate(stream, start, error).await
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn take_in(&mut self, answer: Answer, start: i64) -> Result<Asked, Stop> {
        let begun = Instant::now() - answer.elapsed;
        let observed_at = (self.clock)() - answer.elapsed;
        // Without a date the shop's clock is taken to be as slow as the overlap covers.
        let shop_time = answer.date.map_or(observed_at.as_second() - OVERLAP_SECONDS, Timestamp::as_second);
        self.shop_time = Some(shop_time);
        self.report.pages += 1;
        // What was shown is kept first, with the lease or without.
        self.append_page(&answer.page, observed_at).await?;
        self.keep_lease().await?;
        self.slowest_page = self.slowest_page.max(begun.elapsed());
        self.show_progress();
        Ok(Asked { page: answer.page, start })
    }

    /// An open window is not asked for again by the walk itself: the run's work on its gaps does that.
    fn after_open_windows(&self, stream: Stream, start: i64) -> i64 {
        self.state.gaps.iter().fold(start, |start, gap| match gap.kind {
            GapKind::Window { stream: of, from, until, .. } if of == stream && from <= start && start < until => until,
            _ => start,
        })
    }

    /// Finds the first second from which the shop can answer again, and writes the window before it down.
    async fn isolate(&mut self, stream: Stream, start: i64, error: ClientError) -> Result<Asked, Stop> {
        let probes = self.probes();
        // What is known to be served ends the search: of a window that is walked again its own end, else the future.
        let end = match self.retrying {
            Some(GapKind::Window { until, .. }) if until > start => until,
            _ => (self.clock)().as_second() + 2 * OVERLAP_SECONDS,
        };
        let Ok(answer) = self.wait_for(probes.changes(to_client(stream), end)).await? else {
            // Not even an empty page can be had: the shop is down, and nothing is wrong with the window.
            return Err(error.into());
        };
        let mut after = self.take_in(answer, end).await?;
        let (mut bad, mut step) = (start, 1);
        while after.start - bad > 1 {
            if let Err(stop) = self.check_time() {
                // The window is wider than it need be. A later run narrows it; to search it anew each time would end
                // here each time.
                self.open_window(stream, start, bad, &after, &error).await?;
                return Err(stop);
            }
            let probe_at = bad.saturating_add(step).min(bad + (after.start - bad) / 2);
            match self.wait_for(probes.changes(to_client(stream), probe_at)).await? {
                Ok(found) => (after, step) = (self.take_in(found, probe_at).await?, i64::MAX / 4),
                Err(error) if may_be_poison(&error) => (bad, step) = (probe_at, step.saturating_mul(2)),
                Err(error) => return Err(error.into()),
            }
        }
        let client = self.client.clone();
        if let Ok(recovered) = self.wait_for(client.changes(to_client(stream), start)).await? {
            return self.take_in(recovered, start).await;
        }
        self.open_window(stream, start, bad, &after, &error).await?;
        Ok(after)
    }

    /// A client for questions that are asked only to find out what the shop can answer: it does not wait long.
    pub(crate) fn probes(&self) -> ShopClient {
        self.client.with_attempts(PROBE_ATTEMPTS).with_request_timeout(PROBE_TIMEOUT)
    }
}

/// Whether an error can come of what the answer would have held, so that other questions may be answered well.
pub(crate) fn may_be_poison(error: &ClientError) -> bool {
    match error {
        ClientError::Transport(_) | ClientError::NotAnAnswer(_) => true,
        // 429 is no word about the answer: the shop wants to be left alone.
        ClientError::Status { status } => *status >= 500,
        _ => false,
    }
}

pub(crate) fn to_client(stream: Stream) -> mycashflow::Stream {
    match stream {
        Stream::Created => mycashflow::Stream::Created,
        Stream::Updated => mycashflow::Stream::Updated,
    }
}

/// The latest second that an order of the page was made in. A full page must be in the order of time: of one that is
/// not, the last order says nothing about what the next page holds.
fn last_second(asked: &Asked) -> Result<Option<i64>, Stop> {
    let times: Vec<i64> = asked.page.entries.iter().filter_map(|entry| entry.ordered_at).collect();
    if asked.is_full() && !times.is_sorted() {
        return Err(Stop::Protocol("a full page of the created stream is not in the order of time"));
    }
    Ok(times.into_iter().max())
}
