//! What is left of a second that holds more orders than one answer does.

use ledger::{DocumentKey, Gap, GapKind, Stream};

use crate::PAGE_ORDERS;
use crate::books::Books;
use crate::numbers::{fetch, owe_refused};
use crate::overlap::OVERLAP_SECONDS;
use crate::reader::{Asked, Reader};
use crate::stop::Stop;

/// Numbers without an order, asked for in a row, that end an upward search: three answers' worth.
const EMPTY_ANSWERS: u32 = 3;
/// Answers between two notes of how far a search by number has come.
const ANSWERS_PER_NOTE: u32 = 25;

/// Notes that the rest of a second of the created stream must be asked for by number.
pub(crate) async fn owe_created_second(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    second: i64,
    asked: &Asked,
    live: bool,
) -> Result<(), Stop> {
    let in_second = asked.page.entries.iter().filter(|entry| entry.ordered_at == Some(second));
    let Some(lowest) = in_second.filter_map(|entry| entry.id).min() else {
        return Err(Stop::Protocol("a crowded second has no order with a number"));
    };
    let kind = GapKind::Numbers { stream: Stream::Created, second, next: lowest, last: None };
    if is_finished(books, Stream::Created, second, live) || is_owed(books, &kind) {
        return Ok(());
    }
    // Numbers need not rise within a second: first downwards, until an answer holds none of it.
    let mut below = lowest;
    loop {
        let from = below.saturating_sub(PAGE_ORDERS as u64 - 1).max(1);
        let ids: Vec<u64> = (from..below).chain([lowest]).collect();
        let fetched = fetch(reader, &ids).await?;
        if fetched.found.is_empty() && !fetched.refused.contains(&lowest) {
            return Err(Stop::Protocol("an answer by number lacks an order that there is"));
        }
        owe_refused(reader, books, &fetched.refused).await?;
        if from == 1 || !fetched.found.iter().any(|(id, made_at)| *id != lowest && *made_at == Some(second)) {
            break;
        }
        below = from;
    }
    owe_second(reader, books, Stream::Created, second, lowest, None, live).await
}

/// Whether a second was finished for good. A window that was passed over hides crowded seconds from the walk that
/// finished the ones behind it, so what a window's own walk meets is never finished.
fn is_finished(books: &Books<'_>, stream: Stream, second: i64, live: bool) -> bool {
    let finished = books.state.cursor(stream).and_then(|cursor| cursor.finished_through);
    live && finished.is_some_and(|finished| second <= finished)
}

/// Whether a crowded second is owed already, for the same orders.
fn is_owed(books: &Books<'_>, kind: &GapKind) -> bool {
    let GapKind::Numbers { last, .. } = kind else { return false };
    books.state.gaps.iter().any(|gap| {
        gap.kind.is_same_gap(kind) && matches!(gap.kind, GapKind::Numbers { last: known, .. } if known >= *last)
    })
}

/// Notes that every order the ledger knows must be asked for by number, since one of them may have changed in a
/// second that the updated stream could not show whole.
pub(crate) async fn owe_updated_second(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    second: i64,
    live: bool,
) -> Result<(), Stop> {
    let known = [&books.state.created, &books.state.updated];
    let highest = known.into_iter().flatten().filter_map(|cursor| cursor.highest_order).max();
    match highest.max(reader.report.highest_order) {
        Some(highest) => owe_second(reader, books, Stream::Updated, second, 1, Some(highest), live).await,
        None => Ok(()),
    }
}

async fn owe_second(
    reader: &Reader<'_>,
    books: &mut Books<'_>,
    stream: Stream,
    second: i64,
    next: u64,
    last: Option<u64>,
    live: bool,
) -> Result<(), Stop> {
    // What is owed already goes on where it stands, but for orders that it did not know of.
    let kind = GapKind::Numbers { stream, second, next, last };
    if is_finished(books, stream, second, live) || is_owed(books, &kind) {
        return Ok(());
    }
    books.open_gap(&reader.asking.lease, kind, "more orders in one second than one answer holds".to_owned()).await
}

/// Finishes what crowded seconds of both streams still owe.
pub(crate) async fn finish_crowded_seconds(reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
    let owed = |books: &Books<'_>, of: Stream| -> Vec<Gap> {
        let gaps = books.state.gaps.iter();
        gaps.filter(|gap| matches!(gap.kind, GapKind::Numbers { stream, .. } if stream == of)).cloned().collect()
    };
    for mut gap in owed(books, Stream::Created) {
        match finish_created(reader, books, gap.clone()).await {
            // A search that makes no sense keeps no other debt from being paid.
            Err(Stop::Protocol(problem)) => {
                gap.reason = problem.to_owned();
                gap.tries += 1;
                books.put_gap(&reader.asking.lease, gap).await?;
            }
            other => other?,
        }
    }
    let updated = owed(books, Stream::Updated);
    finish_updated(reader, books, updated).await
}

/// Asks upwards from a number until an order of a later second, or until there are no more.
async fn finish_created(reader: &mut Reader<'_>, books: &mut Books<'_>, mut gap: Gap) -> Result<(), Stop> {
    let GapKind::Numbers { second, mut next, .. } = gap.kind else { return Ok(()) };
    let settled = is_settled(reader, second);
    // This order is known to exist, so an answer without any order is no answer. It is also where a later run goes on, since
    // nothing is known of the number that comes next.
    let mut anchor = next;
    let (mut empty, mut answers) = (0, 0);
    while empty < EMPTY_ANSWERS {
        let end = next.saturating_add(PAGE_ORDERS as u64 - 1);
        let ids: Vec<u64> = std::iter::once(anchor).chain(next..end).collect();
        let fetched = match fetch(reader, &ids).await {
            Ok(fetched) => fetched,
            Err(stop) => {
                if settled {
                    set_next(&mut gap, anchor);
                    books.put_gap(&reader.asking.lease, gap).await?;
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
        owe_refused(reader, books, &fetched.refused).await?;
        if beyond {
            break;
        }
        answers += 1;
        if settled && answers % ANSWERS_PER_NOTE == 0 {
            set_next(&mut gap, anchor);
            books.put_gap(&reader.asking.lease, gap.clone()).await?;
        }
    }
    close_second(reader, books, &gap.kind, Stream::Created, second, settled).await
}

/// Asks for every order that the ledger knows, once for all the seconds that owe it.
async fn finish_updated(reader: &mut Reader<'_>, books: &mut Books<'_>, gaps: Vec<Gap>) -> Result<(), Stop> {
    let numbers = |gap: &Gap| match gap.kind {
        GapKind::Numbers { second, next, last, .. } => Some((second, next, last.unwrap_or(next))),
        _ => None,
    };
    let Some(mut next) = gaps.iter().filter_map(numbers).map(|(_, next, _)| next).min() else { return Ok(()) };
    let last = gaps.iter().filter_map(numbers).map(|(_, _, last)| last).max().unwrap_or(next);
    let settled: Vec<Gap> = {
        let settled = |gap: &&Gap| numbers(gap).is_some_and(|(second, ..)| is_settled(reader, second));
        gaps.iter().filter(settled).cloned().collect()
    };
    let mut answers = 0;
    while next <= last {
        let end = last.min(next.saturating_add(PAGE_ORDERS as u64 - 1));
        if let Err(stop) = fetch_known(reader, books, next, end).await {
            note_progress(reader, books, &settled, next).await?;
            return Err(stop);
        }
        next = end + 1;
        answers += 1;
        if answers % ANSWERS_PER_NOTE == 0 {
            note_progress(reader, books, &settled, next).await?;
        }
    }
    for gap in &gaps {
        if let Some((second, ..)) = numbers(gap) {
            close_second(reader, books, &gap.kind, Stream::Updated, second, settled.contains(gap)).await?;
        }
    }
    Ok(())
}

async fn fetch_known(reader: &mut Reader<'_>, books: &mut Books<'_>, first: u64, last: u64) -> Result<(), Stop> {
    reader.asking.check_time()?;
    reader.asking.lease.keep().await?;
    let documents: Vec<DocumentKey> = (first..=last).map(|id| DocumentKey::order(reader.appending.shop, id)).collect();
    let heads = reader.appending.ledger.heads(&documents).await?;
    let known: Vec<u64> =
        (first..=last).zip(&documents).filter(|(_, key)| heads.contains_key(key)).map(|(id, _)| id).collect();
    if known.is_empty() {
        return Ok(());
    }
    let fetched = fetch(reader, &known).await?;
    owe_refused(reader, books, &fetched.refused).await
}

async fn note_progress(reader: &Reader<'_>, books: &mut Books<'_>, gaps: &[Gap], at: u64) -> Result<(), Stop> {
    for gap in gaps {
        let mut gap = gap.clone();
        if matches!(gap.kind, GapKind::Numbers { next, .. } if next < at) {
            set_next(&mut gap, at);
            books.put_gap(&reader.asking.lease, gap).await?;
        }
    }
    Ok(())
}

/// Whether everything in a second is visible by now, even if the shop's clock is ahead. Only then can what was asked
/// for count for good: of an earlier search no progress is kept, and the runs whose overlap reaches the second
/// search it again.
fn is_settled(reader: &Reader<'_>, second: i64) -> bool {
    reader.asking.shop_time().is_some_and(|now| second + 2 * OVERLAP_SECONDS <= now)
}

/// Strikes a finished second out; a settled one is never looked at again.
async fn close_second(
    reader: &Reader<'_>,
    books: &mut Books<'_>,
    kind: &GapKind,
    stream: Stream,
    second: i64,
    settled: bool,
) -> Result<(), Stop> {
    if let (true, Some(cursor)) = (settled, books.state.cursor(stream)) {
        let position = cursor.position;
        books.advance(&reader.asking.lease, stream, position, Some(second), reader.report.highest_order).await?;
    }
    books.close_gap(&reader.asking.lease, kind).await
}

fn set_next(gap: &mut Gap, to: u64) {
    if let GapKind::Numbers { next, .. } = &mut gap.kind {
        *next = to;
    }
}
