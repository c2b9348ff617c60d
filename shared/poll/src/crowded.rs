//! What the pages of the created stream do not show: the rest of a second that holds more orders than an answer, and
//! what lies behind a page that is not in the order of time. Both are found by number.

use std::collections::HashSet;

use ledger::{Gap, GapKind, Stream};

use crate::PAGE_ORDERS;
use crate::books::{Books, Expected};
use crate::numbers::{Fetched, fetch_with, owe_refused};
use crate::overlap::OVERLAP_SECONDS;
use crate::reader::{Asked, Reader};
use crate::stop::Stop;

/// Answers without an order, in a row, that end a search above the highest number that is known; more where the numbers lie
/// far apart, or the shop counts more orders than were found.
const EMPTY_ANSWERS: u64 = 3;
/// Answers without an order, in a row, after which a hole in the numbers is measured; more where the numbers lie far apart.
const HOLE_ANSWERS: u64 = 2;
/// A hole below the highest known number is asked through when it takes no more answers than this, or than have brought
/// orders so far: then it costs no more than the orders that there are. Otherwise the search leaps to the next order that
/// is known.
const DENSE_ANSWERS: u64 = 20;
/// Answers between two notes of how far a search by number has come.
const ANSWERS_PER_NOTE: u32 = 25;
/// Numbers in a question, beside the orders that are known to exist.
const NUMBERS: u64 = PAGE_ORDERS as u64 - 2;

/// Notes that the orders made from second `from` to `second` that a page did not show must be asked for by number.
pub(crate) async fn owe_numbers(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    (from, second): (i64, i64),
    asked: &Asked,
    live: bool,
) -> Result<(), Stop> {
    let is_within = |made_at: Option<i64>| made_at.is_some_and(|made_at| (from..=second).contains(&made_at));
    let within = asked.page.entries.iter().filter(|entry| is_within(entry.ordered_at));
    let Some(lowest) = within.filter_map(|entry| entry.id).min() else {
        return Err(Stop::Protocol("a crowded second has no order with a number"));
    };
    let kind = if from == second {
        GapKind::Numbers { stream: Stream::Created, second, next: lowest, last: None }
    } else {
        let known = books.state.gaps.iter().find_map(|gap| match gap.kind {
            GapKind::Unsorted { from: of, until, next } if of == from => Some((until, next)),
            _ => None,
        });
        let (until, next) =
            known.map_or((second + 1, lowest), |(until, next)| (until.max(second + 1), next.min(lowest)));
        GapKind::Unsorted { from, until, next }
    };
    // What is owed already continues where it stands, but for a page that reaches further.
    let is_owed = books.state.gaps.iter().any(|gap| {
        let reaches = match gap.kind {
            GapKind::Unsorted { until, next, .. } => until > second && next <= lowest,
            _ => true,
        };
        reaches && gap.kind.is_same_gap(&kind)
    });
    let is_known = books.is_walked_without_search() || books.is_finished(Stream::Created, second, live);
    if is_owed || is_known {
        return Ok(());
    }
    // Numbers need not rise with the seconds: first downwards, until an answer holds none of them.
    let mut below = lowest;
    while below > 1 {
        let first = below.saturating_sub(NUMBERS).max(1);
        let ids: Vec<u64> = (first..below).collect();
        let fetched = fetch_with(reader, &ids, &[lowest]).await?;
        owe_refused(reader, books, &fetched.refused).await?;
        let found =
            fetched.found.iter().filter_map(|(id, made_at)| Some((*id, made_at.filter(|at| is_within(Some(*at)))?)));
        let found: Vec<(u64, i64)> = found.filter(|(id, _)| *id != lowest).collect();
        if found.is_empty() {
            break;
        }
        books.found_below.entry(second).or_default().extend(found);
        below = first;
    }
    books.open_gap(&reader.asking.lease, kind, "more orders than one answer shows".to_owned()).await
}

/// Pays what crowded seconds of the created stream owe.
pub(crate) async fn finish_numbers(reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
    let of_created =
        |gap: &&Gap| matches!(gap.kind, GapKind::Numbers { stream: Stream::Created, .. } | GapKind::Unsorted { .. });
    let owed: Vec<Gap> = books.state.gaps.iter().filter(of_created).cloned().collect();
    for mut gap in owed {
        match finish(reader, books, gap.clone()).await {
            // A search that makes no sense keeps no other debt from being paid.
            Err(Stop::Protocol(problem)) => {
                // As far as it came before.
                gap = books.state.gaps.iter().find(|kept| kept.kind.is_same_gap(&gap.kind)).cloned().unwrap_or(gap);
                gap.reason = problem.to_owned();
                gap.tries += 1;
                books.put_gap(&reader.asking.lease, gap).await?;
            }
            other => other?,
        }
    }
    Ok(())
}

/// A search upwards through the numbers.
struct Search {
    second: i64,
    /// This order is known to exist. It is also where a later run continues, since nothing is known of the number that
    /// comes next.
    anchor: u64,
    next: u64,
    /// Below this number a hole ends nothing.
    top: u64,
    expected: Option<Expected>,
    /// Answers without an order, in a row, that are usual among these numbers.
    patience: u64,
    /// Answers without an order, in a row.
    empty: u64,
    /// Answers with orders.
    fruitful: u64,
}

/// Asks upwards from a number to the highest that is known, and on until an order of a later second, or until there are no
/// more, or until as many were found as the shop counts.
async fn finish(reader: &mut Reader<'_>, books: &mut Books<'_>, mut gap: Gap) -> Result<(), Stop> {
    let (second, next, last) = match gap.kind {
        GapKind::Numbers { second, next, last, .. } => (second, next, last),
        GapKind::Unsorted { until, next, .. } => (until - 1, next, None),
        _ => return Ok(()),
    };
    let settled = is_settled(reader, second);
    let known = [Some(next), last, books.highest_order(), reader.report.highest_order];
    let top = known.into_iter().flatten().max().unwrap_or(next);
    let expected = books.expected.remove(&second);
    let patience = (2 * usual_hole(reader, next) / NUMBERS).clamp(HOLE_ANSWERS, DENSE_ANSWERS);
    let mut search = Search { second, anchor: next, next, top, expected, patience, empty: 0, fruitful: 0 };
    let mut answers = 0;
    loop {
        match search.step(reader, books).await {
            Ok(true) => break,
            Ok(false) => {}
            Err(stop) => {
                if settled {
                    set_next(&mut gap, search.anchor);
                    books.put_gap(&reader.asking.lease, gap).await?;
                }
                books.expected.extend(search.expected.map(|expected| (second, expected)));
                return Err(stop);
            }
        }
        answers += 1;
        if settled && answers % ANSWERS_PER_NOTE == 0 {
            set_next(&mut gap, search.anchor);
            books.put_gap(&reader.asking.lease, gap.clone()).await?;
        }
    }
    if let Some(expected) = search.expected {
        let stretch = (expected.from, expected.until);
        match expected.missing {
            0 => books.has_shown(&reader.asking.lease, Stream::Created, stretch).await?,
            missing => books.note_unshown(&reader.asking.lease, Stream::Created, stretch, Some(missing)).await?,
        }
    }
    match gap.kind {
        GapKind::Numbers { .. } => close_second(reader, books, &gap.kind, Stream::Created, second, settled).await,
        _ => books.close_gap(&reader.asking.lease, &gap.kind).await,
    }
}

/// How far the ids that pages showed from `first` on lie apart from one another: half of them lie closer together.
fn usual_hole(reader: &Reader<'_>, first: u64) -> u64 {
    let ids: Vec<u64> = reader.seen.range(first..).take(PAGE_ORDERS).copied().collect();
    let mut holes: Vec<u64> = ids.windows(2).map(|pair| pair[1] - pair[0]).collect();
    holes.sort_unstable();
    holes.get(holes.len() / 2).copied().unwrap_or_default().min(DENSE_ANSWERS * NUMBERS)
}

impl Search {
    /// One question; answers whether the search is over.
    async fn step(&mut self, reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<bool, Stop> {
        if self.expected.as_ref().is_some_and(|expected| expected.missing == 0) {
            return Ok(true);
        }
        let is_above = self.next > self.top || self.next == u64::MAX;
        // While the shop counts more orders than were found, the search goes further before it ends.
        let enough = if self.expected.is_some() { DENSE_ANSWERS } else { EMPTY_ANSWERS.max(self.patience) };
        if is_above && self.empty >= enough {
            return Ok(true);
        }
        if !is_above
            && self.empty >= self.patience
            && (self.top - self.next) / NUMBERS > DENSE_ANSWERS.max(self.fruitful)
        {
            self.leap(reader, books).await?;
        }
        let end = self.next.saturating_add(NUMBERS);
        let end = if is_above { end } else { end.min(self.top.saturating_add(1)) };
        let ids: Vec<u64> = (self.next..end).collect();
        let highest = reader.seen.last().copied().filter(|highest| *highest > self.anchor);
        let anchors: Vec<u64> = [Some(self.anchor), highest].into_iter().flatten().collect();
        let fetched = fetch_with(reader, &ids, &anchors).await?;
        owe_refused(reader, books, &fetched.refused).await?;
        self.count(&fetched);
        let new = || fetched.found.iter().filter(|(id, _)| ids.contains(id) && !anchors.contains(id));
        // A number that the shop refuses may have an order, so it does not count as one without.
        let has_order = new().next().is_some() || fetched.refused.iter().any(|id| ids.contains(id));
        self.empty = if has_order { 0 } else { self.empty + 1 };
        self.fruitful += u64::from(has_order);
        // Numbers and seconds need not rise together: only a whole answer of later orders is the end.
        let is_later = |made_at: &Option<i64>| made_at.is_some_and(|made_at| made_at > self.second);
        let is_beyond = new().next().is_some() && new().all(|(_, made_at)| is_later(made_at));
        self.anchor = new().map(|(id, _)| *id).max().unwrap_or(self.anchor).max(self.anchor);
        self.next = end;
        Ok(is_above && is_beyond)
    }

    /// Goes to the next order above a hole that is known, and down from it to where its neighbours begin.
    async fn leap(&mut self, reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
        let Some(known) = reader.seen.range(self.next..=self.top).next().copied() else {
            self.next = self.top;
            self.empty = 0;
            return Ok(());
        };
        let mut first = known;
        while first > self.next {
            let below = first.saturating_sub(NUMBERS).max(self.next);
            let ids: Vec<u64> = (below..first).collect();
            let fetched = fetch_with(reader, &ids, &[known]).await?;
            owe_refused(reader, books, &fetched.refused).await?;
            self.count(&fetched);
            first = below;
            if !ids.iter().any(|id| fetched.tells_of(*id)) {
                break;
            }
        }
        (self.next, self.anchor, self.empty) = (known, self.anchor.max(known), 0);
        Ok(())
    }

    /// Counts what was found of what is expected.
    fn count(&mut self, fetched: &Fetched) {
        let Some(expected) = &mut self.expected else { return };
        for (id, made_at) in &fetched.found {
            let is_within = made_at.is_some_and(|made_at| (expected.from..expected.until).contains(&made_at));
            if is_within && expected.shown.insert(*id) {
                expected.missing = expected.missing.saturating_sub(1);
            }
        }
    }
}

/// What the shop's counts say of a stretch whose rest is asked for by number. `missing` orders of it were not shown.
/// Answers the stretch of all that is expected of that search, and how many orders it has to find.
pub(crate) fn expect(
    books: &mut Books<'_>,
    second: i64,
    (from, until): (i64, i64),
    missing: u64,
    pages: [&Asked; 2],
) -> ((i64, i64), u64) {
    let shown: HashSet<u64> = pages.iter().flat_map(|asked| &asked.page.entries).filter_map(|entry| entry.id).collect();
    let expected = books.expected.entry(second).or_default();
    // Two questions may show parts of one second. A second walk over the same part counts the same orders.
    let known = expected.parts.entry((pages[0].start, pages[1].start)).or_default();
    expected.missing += missing.saturating_sub(*known);
    *known = missing.max(*known);
    (expected.from, expected.until) = match expected.until {
        0 => (from, until),
        _ => (expected.from.min(from), expected.until.max(until)),
    };
    expected.shown.extend(shown);
    for (id, made_at) in books.found_below.remove(&second).unwrap_or_default() {
        if (expected.from..expected.until).contains(&made_at) && expected.shown.insert(id) {
            expected.missing = expected.missing.saturating_sub(1);
        }
    }
    ((expected.from, expected.until), expected.missing)
}

/// Whether everything in a second is visible by now, even if the shop's clock is ahead. Only then can what was asked
/// for count permanently: of an earlier search no progress is kept, and the runs whose overlap reaches the second
/// search it again.
pub(crate) fn is_settled(reader: &Reader<'_>, second: i64) -> bool {
    reader.asking.shop_time().is_some_and(|now| second + 2 * OVERLAP_SECONDS <= now)
}

/// Strikes a finished second out; a settled one is never looked at again.
pub(crate) async fn close_second(
    reader: &Reader<'_>,
    books: &mut Books<'_>,
    kind: &GapKind,
    stream: Stream,
    second: i64,
    settled: bool,
) -> Result<(), Stop> {
    if let (true, Some(cursor)) = (settled, books.state.cursor(stream)) {
        let position = cursor.position;
        let highest = reader.report.highest_order;
        books.advance(&reader.asking.lease, stream, position, Some(second), highest).await?;
    }
    books.close_gap(&reader.asking.lease, kind).await
}

fn set_next(gap: &mut Gap, to: u64) {
    if let GapKind::Numbers { next, .. } | GapKind::Unsorted { next, .. } = &mut gap.kind {
        *next = to;
    }
}

/// Asks for every number from 1 to below `lowest`, an order that is known to exist, if that takes no more than `answers`
/// answers. Answers whether it was done.
pub(crate) async fn fetch_below(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    lowest: u64,
    answers: u64,
) -> Result<bool, Stop> {
    if lowest / NUMBERS > answers.max(DENSE_ANSWERS) {
        return Ok(false);
    }
    let mut next = 1;
    while next < lowest {
        let end = (next + NUMBERS).min(lowest);
        let ids: Vec<u64> = (next..end).collect();
        let fetched = fetch_with(reader, &ids, &[lowest]).await?;
        owe_refused(reader, books, &fetched.refused).await?;
        next = end;
    }
    Ok(true)
}
