//! Orders by number: what is left of a second that holds more orders than one answer does.

use std::collections::HashMap;

use jiff::Timestamp;
use ledger::{DocumentKey, Gap, GapKind, Stream};
use mycashflow::ClientError;

use crate::run::{OVERLAP_SECONDS, ShopRun, Stop};
use crate::walk::{Asked, PAGE_ORDERS, may_be_poison, to_client};

/// Numbers without an order, asked for in a row, that end an upward search: three answers' worth.
const EMPTY_ANSWERS: u32 = 3;
/// Answers between two notes of how far a search by number has come.
const ANSWERS_PER_NOTE: u32 = 25;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What a request by number brought.
#[derive(Default)]
pub(crate) struct Fetched {
    /// When each order was made, Unix seconds, where the order tells.
    pub(crate) found: HashMap<u64, Option<i64>>,
    /// Orders that the shop cannot serve.
    pub(crate) refused: Vec<u64>,
}

impl ShopRun<'_> {
    /// Notes that the rest of a second of the created stream must be asked for by number.
    pub(crate) async fn owe_created_second(&mut self, second: i64, asked: &Asked, live: bool) -> Result<(), Stop> {
        let in_second = asked.page.entries.iter().filter(|entry| entry.ordered_at == Some(second));
        let Some(lowest) = in_second.filter_map(|entry| entry.id).min() else {
            return Err(Stop::Protocol("a crowded second has no order with a number"));
        };
        let kind = GapKind::Numbers { stream: Stream::Created, second, next: lowest, last: None };
        if self.is_finished(Stream::Created, second, live) || self.is_owed(&kind) {
            return Ok(());
        }
        // Numbers need not rise within a second: first downwards, until an answer holds none of it.
        let mut below = lowest;
        loop {
            let from = below.saturating_sub(PAGE_ORDERS as u64 - 1).max(1);
            let ids: Vec<u64> = (from..below).chain([lowest]).collect();
            let fetched = self.fetch(&ids).await?;
            if fetched.found.is_empty() && !fetched.refused.contains(&lowest) {
                return Err(Stop::Protocol("an answer by number lacks an order that there is"));
            }
            self.owe_refused(&fetched.refused).await?;
            if from == 1 || !fetched.found.iter().any(|(id, made_at)| *id != lowest && *made_at == Some(second)) {
                break;
            }
            below = from;
        }
        self.owe_second(Stream::Created, second, lowest, None, live).await
    }

    /// Whether a second was finished for good. A window that was passed over hides crowded seconds from the walk that
    /// finished the ones behind it, so what a window's own walk meets is never finished.
    fn is_finished(&self, stream: Stream, second: i64, live: bool) -> bool {
        let finished = self.state.cursor(stream).and_then(|cursor| cursor.finished_through);
        live && finished.is_some_and(|finished| second <= finished)
    }

    /// Whether a crowded second is owed already, for the same orders.
    fn is_owed(&self, kind: &GapKind) -> bool {
        let GapKind::Numbers { last, .. } = kind else { return false };
        self.state.gaps.iter().any(|gap| {
            gap.kind.is_same_gap(kind) && matches!(gap.kind, GapKind::Numbers { last: known, .. } if known >= *last)
        })
    }

    /// Notes that every order the ledger knows must be asked for by number, since one of them may have changed in a
    /// second that the updated stream could not show whole.
    pub(crate) async fn owe_updated_second(&mut self, second: i64, live: bool) -> Result<(), Stop> {
        let known = [&self.state.created, &self.state.updated];
        let highest = known.into_iter().flatten().filter_map(|cursor| cursor.highest_order).max();
        match highest.max(self.report.highest_order) {
            Some(highest) => self.owe_second(Stream::Updated, second, 1, Some(highest), live).await,
            None => Ok(()),
        }
    }

    async fn owe_second(
        &mut self,
        stream: Stream,
        second: i64,
        next: u64,
        last: Option<u64>,
        live: bool,
    ) -> Result<(), Stop> {
        // What is owed already goes on where it stands, but for orders that it did not know of.
        let kind = GapKind::Numbers { stream, second, next, last };
        if self.is_finished(stream, second, live) || self.is_owed(&kind) {
            return Ok(());
        }
        self.open_gap(kind, "more orders in one second than one answer holds".to_owned()).await
    }

    /// Finishes what crowded seconds of both streams still owe.
    pub(crate) async fn finish_crowded_seconds(&mut self) -> Result<(), Stop> {
        let owed = |run: &Self, of: Stream| -> Vec<Gap> {
            let gaps = run.state.gaps.iter();
            gaps.filter(|gap| matches!(gap.kind, GapKind::Numbers { stream, .. } if stream == of)).cloned().collect()
        };
        for mut gap in owed(self, Stream::Created) {
            match self.finish_created(gap.clone()).await {
                // A search that makes no sense keeps no other debt from being paid.
                Err(Stop::Protocol(problem)) => {
                    gap.reason = problem.to_owned();
                    gap.tries += 1;
                    self.put_gap(gap).await?;
                }
                other => other?,
            }
        }
        let updated = owed(self, Stream::Updated);
        self.finish_updated(updated).await
    }

    /// Asks upwards from a number until an order of a later second, or until there are no more.
    async fn finish_created(&mut self, mut gap: Gap) -> Result<(), Stop> {
        let GapKind::Numbers { second, mut next, .. } = gap.kind else { return Ok(()) };
        let settled = self.is_settled(second);
        // This order is known to exist, so an answer without any order is no answer. It is also where a later run goes on, since
        // nothing is known of the number that comes next.
        let mut anchor = next;
        let (mut empty, mut answers) = (0, 0);
        while empty < EMPTY_ANSWERS {
            let end = next.saturating_add(PAGE_ORDERS as u64 - 1);
            let ids: Vec<u64> = std::iter::once(anchor).chain(next..end).collect();
            let fetched = match self.fetch(&ids).await {
                Ok(fetched) => fetched,
                Err(stop) => {
                    if settled {
                        set_next(&mut gap, anchor);
                        self.put_gap(gap).await?;
                    }
                    return Err(stop);
                }
            };
            if fetched.found.is_empty() {
                return Err(Stop::Protocol("the shop serves none of the orders asked for by number"));
            }
            let new = || fetched.found.iter().filter(|(id, _)| **id != anchor);
            // A number that the shop refuses may have an order, so it does not count as one without.
            let has_order = new().next().is_some() || fetched.refused.iter().any(|id| *id != anchor);
            empty = if has_order { 0 } else { empty + 1 };
            // Numbers and seconds need not rise together: only a whole answer of later orders is the end.
            let is_later = |made_at: &Option<i64>| made_at.is_some_and(|made_at| made_at > second);
            let beyond = new().next().is_some() && new().all(|(_, made_at)| is_later(made_at));
            anchor = fetched.found.keys().copied().max().unwrap_or(anchor);
            next = end;
            self.owe_refused(&fetched.refused).await?;
            if beyond {
                break;
            }
            answers += 1;
            if settled && answers % ANSWERS_PER_NOTE == 0 {
                set_next(&mut gap, anchor);
                self.put_gap(gap.clone()).await?;
            }
        }
        self.close_second(&gap.kind, Stream::Created, second, settled).await
    }

    /// Asks for every order that the ledger knows, once for all the seconds that owe it.
    async fn finish_updated(&mut self, gaps: Vec<Gap>) -> Result<(), Stop> {
        let numbers = |gap: &Gap| match gap.kind {
            GapKind::Numbers { second, next, last, .. } => Some((second, next, last.unwrap_or(next))),
            _ => None,
        };
        let Some(mut next) = gaps.iter().filter_map(numbers).map(|(_, next, _)| next).min() else { return Ok(()) };
        let last = gaps.iter().filter_map(numbers).map(|(_, _, last)| last).max().unwrap_or(next);
        let settled: Vec<Gap> = {
            let settled = |gap: &&Gap| numbers(gap).is_some_and(|(second, ..)| self.is_settled(second));
            gaps.iter().filter(settled).cloned().collect()
        };
        let mut answers = 0;
        while next <= last {
            let end = last.min(next.saturating_add(PAGE_ORDERS as u64 - 1));
            if let Err(stop) = self.fetch_known(next, end).await {
                self.note_progress(&settled, next).await?;
                return Err(stop);
            }
            next = end + 1;
            answers += 1;
            if answers % ANSWERS_PER_NOTE == 0 {
                self.note_progress(&settled, next).await?;
            }
        }
        for gap in &gaps {
            if let Some((second, ..)) = numbers(gap) {
                self.close_second(&gap.kind, Stream::Updated, second, settled.contains(gap)).await?;
            }
        }
        Ok(())
    }

    async fn fetch_known(&mut self, first: u64, last: u64) -> Result<(), Stop> {
        self.check_time()?;
        self.keep_lease().await?;
        let documents: Vec<DocumentKey> = (first..=last).map(|id| DocumentKey::order(self.shop, id)).collect();
        let heads = self.ledger.heads(&documents).await?;
        let known: Vec<u64> =
            (first..=last).zip(&documents).filter(|(_, key)| heads.contains_key(key)).map(|(id, _)| id).collect();
        if known.is_empty() {
            return Ok(());
        }
        let fetched = self.fetch(&known).await?;
        self.owe_refused(&fetched.refused).await
    }

    async fn note_progress(&mut self, gaps: &[Gap], at: u64) -> Result<(), Stop> {
        for gap in gaps {
            let mut gap = gap.clone();
            if matches!(gap.kind, GapKind::Numbers { next, .. } if next < at) {
                set_next(&mut gap, at);
                self.put_gap(gap).await?;
            }
        }
        Ok(())
    }

    /// Whether everything in a second is visible by now, even if the shop's clock is ahead. Only then can what was asked
    /// for count for good: of an earlier search no progress is kept, and the runs whose overlap reaches the second
    /// search it again.
    fn is_settled(&self, second: i64) -> bool {
        self.shop_time.is_some_and(|now| second + 2 * OVERLAP_SECONDS <= now)
    }

    /// Strikes a finished second out; a settled one is never looked at again.
    async fn close_second(&mut self, kind: &GapKind, stream: Stream, second: i64, settled: bool) -> Result<(), Stop> {
        if let (true, Some(cursor)) = (settled, self.state.cursor(stream)) {
            let position = cursor.position;
            self.advance(stream, position, Some(second)).await?;
        }
        self.close_gap(kind).await
    }

    /// Notes orders that the shop cannot serve, each as a gap of its own.
    pub(crate) async fn owe_refused(&mut self, refused: &[u64]) -> Result<(), Stop> {
        for order in refused {
            let kind = GapKind::Order { order: *order };
            if !self.state.gaps.iter().any(|gap| gap.kind == kind) {
                self.open_gap(kind, "the shop answers with an error for this order".to_owned()).await?;
            }
        }
        Ok(())
    }

    /// Asks for orders by number and takes them into the ledger. Where the shop fails, halves are asked for, down to the
    /// single order.
    pub(crate) async fn fetch(&mut self, orders: &[u64]) -> Result<Fetched, Stop> {
        let mut fetched = Fetched::default();
        let mut open: Vec<&[u64]> = orders.chunks(PAGE_ORDERS).rev().collect();
        let mut halving = false;
        while let Some(batch) = open.pop() {
            self.check_time()?;
            let client = if halving { self.probes() } else { self.client.clone() };
            match self.wait_for(client.get(batch)).await? {
                Ok(answer) => {
                    let observed_at = (self.clock)() - answer.elapsed;
                    self.shop_time = answer.date.map(Timestamp::as_second).or(self.shop_time);
                    self.report.pages += 1;
                    self.append_page(&answer.page, observed_at).await?;
                    self.keep_lease().await?;
                    let ids = answer.page.entries.iter().filter_map(|entry| Some((entry.id?, entry.ordered_at)));
                    fetched.found.extend(ids);
                    self.show_progress();
                }
                // The shop says in its own way that there is no such order, or none of them.
                Err(ClientError::Status { status: 404 | 410 }) if batch.len() == 1 => {}
                Err(error) if may_be_poison(&error) || matches!(error, ClientError::Status { status: 404 | 410 }) => {
                    if !halving {
                        self.check_alive(error).await?;
                        halving = true;
                    }
                    match batch {
                        [order] => fetched.refused.push(*order),
                        _ => {
                            let (first, second) = batch.split_at(batch.len() / 2);
                            open.extend([second, first]);
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(fetched)
    }

    /// Whether the shop answers at all: an empty page of the future can be spoilt by no order.
    async fn check_alive(&mut self, error: ClientError) -> Result<(), Stop> {
        let future = (self.clock)().as_second() + DAY_SECONDS;
        let probes = self.probes();
        match self.wait_for(probes.changes(to_client(Stream::Created), future)).await? {
            Ok(_) => Ok(()),
            Err(_) => Err(error.into()),
        }
    }
}

fn set_next(gap: &mut Gap, to: u64) {
    if let GapKind::Numbers { next, .. } = &mut gap.kind {
        *next = to;
    }
}
