//! The created stream, whose orders tell their place in it.

use ledger::{GapKind, Stream};
use tokio::time::Instant;

use super::window::ask;
use super::{Purpose, Walk, follow, future};
use crate::books::Books;
use crate::crowded::{expect, finish_numbers, owe_numbers};
use crate::overlap::OVERLAP_SECONDS;
use crate::reader::{Asked, Reader};
use crate::stop::Stop;

const STREAM: Stream = Stream::Created;

pub(super) async fn walk(reader: &mut Reader<'_>, books: &mut Books<'_>, walk: &Walk) -> Result<(), Stop> {
    let begun = Instant::now();
    let mut asked = ask(reader, books, STREAM, walk.start).await?;
    loop {
        let times = Times::of(&asked, future(reader) + OVERLAP_SECONDS);
        let Some(last) = times.last.filter(|_| asked.has_more()) else {
            if asked.has_more() && !times.is_of_the_future {
                return Err(Stop::Protocol("a page of the created stream that is not the last has no times"));
            }
            return end(reader, books, walk, &asked, times.last, begun).await;
        };
        let start = asked.start;
        let is_step = last - 1 > start;
        if !is_step && times.is_sorted && !asked.may_be_cut() {
            return end(reader, books, walk, &asked, Some(last), begun).await;
        }
        let owed = owe(reader, books, walk, &asked, &times, last).await?;
        // A page that is as long as pages get and in order shows all of its stretch. What another one does not show is
        // known only when the next page has been asked for, so the cursor waits.
        let is_whole = asked.is_full() && !owed;
        if is_whole {
            keep_up(reader, books, walk, last, begun).await?;
        }
        let is_end = walk.until.is_some_and(|until| last > until);
        // A stretch that is walked again to see whether it is shown now is done only when it was counted.
        if is_end && is_whole && !books.is_counting_again() {
            return Ok(());
        }
        // A page that ends in the second it was asked from shows that the bound is inclusive, so the next second can be
        // asked for. Otherwise the bound may be exclusive, and only this one can.
        let next_start = match is_step {
            true => last - 1,
            false if last <= start => start + 1,
            false => last,
        };
        let until = walk.until.filter(|_| is_end && !owed);
        let next_start = until.map_or(next_start, |until| until.clamp(start + 1, next_start));
        let next = ask(reader, books, STREAM, next_start).await?;
        if next.start == next_start {
            account(reader, books, &asked, &next, owed.then_some(last)).await?;
        } else if owed {
            // What lies between was not counted, so no count ends the search.
            books.expected.remove(&last);
        }
        if !is_whole {
            keep_up(reader, books, walk, last, begun).await?;
        }
        if is_end {
            return Ok(());
        }
        if matches!(walk.purpose, Purpose::Backfill | Purpose::Listing) {
            let is_kept = walk.purpose == Purpose::Listing && reader.asking.lease.held().is_some();
            if !is_kept {
                // Only this run knows what it owes, so that is paid before the walk goes past it.
                finish_numbers(reader, books).await?;
            }
            books.listed(&reader.asking.lease, next_start).await?;
        }
        if walk.purpose == Purpose::Backfill {
            reader.backfilled_to = Some(next_start);
        }
        asked = next;
    }
}

/// Notes what a page leaves to be asked for by number: what lies behind one that is not in the order of time, or the rest of
/// a crowded second. Answers whether there is any.
async fn owe(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    walk: &Walk,
    asked: &Asked,
    times: &Times,
    last: i64,
) -> Result<bool, Stop> {
    if !times.is_sorted {
        owe_numbers(reader, books, (asked.start.min(last), last), asked, false).await?;
    } else if last - 1 <= asked.start {
        owe_numbers(reader, books, (last, last), asked, walk.is_live()).await?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Notes what the shop's counts say that neither of two pages shows. Where it is owed by number, under the second `owed`,
/// the search for it is told how much there is to find.
async fn account(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    asked: &Asked,
    next: &Asked,
    owed: Option<i64>,
) -> Result<(), Stop> {
    let Some(mut missing) = asked.shortfall(next) else {
        owed.and_then(|second| books.expected.remove(&second));
        return books.note_counted(&reader.asking.lease, STREAM, (asked.start, next.start), None).await;
    };
    if owed.is_some() || books.is_counting_again() {
        // An order that appears between the two questions makes up for one that the shop does not show. Where the count ends
        // a search or closes a gap it must not be too small; one that is too large costs a search.
        let again = ask(reader, books, STREAM, asked.start).await?;
        missing += again.page.total.unwrap_or(0).saturating_sub(asked.page.total.unwrap_or(0));
    }
    if missing == 0 {
        return Ok(());
    }
    match (owed, &books.retrying) {
        // What an earlier search found of them is known as little as where the others are.
        (Some(_), Some(GapKind::Unshown { missing: known, .. })) if books.is_walked_without_search() => {
            books.still_unshown += missing.min(known.unwrap_or(missing));
            Ok(())
        }
        (Some(second), _) => {
            let stretch = (asked.start, next.start.max(second + 1));
            let (stretch, missing) = expect(books, second, stretch, missing, [asked, next]);
            if books.is_counting_again() || !books.is_searched(second) {
                return Ok(());
            }
            // Written down before the cursor passes: a run that ends before the search forgets what was counted.
            books.note_unshown(&reader.asking.lease, STREAM, stretch, Some(missing)).await
        }
        (None, _) => books.note_unshown(&reader.asking.lease, STREAM, (asked.start, next.start), Some(missing)).await,
    }
}

/// The last page was read.
async fn end(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    walk: &Walk,
    asked: &Asked,
    last: Option<i64>,
    begun: Instant,
) -> Result<(), Stop> {
    let stretch = (asked.start, future(reader));
    books.note_counted(&reader.asking.lease, STREAM, stretch, asked.tail_shortfall()).await?;
    if walk.purpose == Purpose::Listing {
        finish_numbers(reader, books).await?;
    }
    match last {
        Some(last) => keep_up(reader, books, walk, last, begun).await,
        None => Ok(()),
    }
}

async fn keep_up(
    reader: &Reader<'_>,
    books: &mut Books<'_>,
    walk: &Walk,
    last: i64,
    begun: Instant,
) -> Result<(), Stop> {
    if walk.is_live() { follow(reader, books, STREAM, last, begun).await } else { Ok(()) }
}

/// What the orders of a page say of their times.
struct Times {
    /// The latest second that is not in the future.
    last: Option<i64>,
    /// Whether they are in the order of time. Of a page that is not, the last order says nothing about what follows.
    is_sorted: bool,
    /// Whether all of them are in the future.
    is_of_the_future: bool,
}

impl Times {
    /// Reads them from the readable orders. The others count where they can do no harm: on a page that has no readable
    /// one, or on one that shows all there is and is in the order of time with them.
    fn of(asked: &Asked, future: i64) -> Self {
        let entries = &asked.page.entries;
        let readable = entries.iter().filter(|entry| entry.order.is_ok()).filter_map(|entry| entry.ordered_at);
        let mut times: Vec<i64> = readable.collect();
        let all: Vec<i64> = entries.iter().filter_map(|entry| entry.ordered_at).collect();
        if times.is_empty() || (!asked.has_more() && all.is_sorted()) {
            times = all;
        }
        let is_sorted = times.is_sorted();
        let last = times.iter().copied().filter(|time| *time < future).max();
        Self { last, is_sorted, is_of_the_future: last.is_none() && !times.is_empty() }
    }
}
