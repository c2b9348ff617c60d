//! The updated stream, whose orders do not tell when they changed: two pages of it must be shown to join.

use ledger::Stream;
use tokio::time::Instant;

use super::window::ask;
use super::{Walk, follow, future};
use crate::books::Books;
use crate::overlap::OVERLAP_SECONDS;
use crate::reader::{Asked, Reader};
use crate::stop::Stop;

const STREAM: Stream = Stream::Updated;
/// How often the boundary between two pages is looked for before the run gives up loudly.
const BOUNDARY_ROUNDS: u32 = 4;
/// The first step, in seconds, when the next start of the updated stream has to be searched for.
const FIRST_STRIDE_SECONDS: i64 = 64;

/// What came of the question whether two pages of the updated stream join.
enum Joined {
    /// Nothing lies between the last page and this one.
    To(Asked),
    /// The last page is the end by now, or begins later, because a window is owed: this is it.
    Ends(Asked),
    /// The first of them ends earlier by now; this is how it is.
    NoLonger(Asked),
}

pub(super) async fn walk(reader: &mut Reader<'_>, books: &mut Books<'_>, walk: &Walk) -> Result<(), Stop> {
    let begun = Instant::now();
    let mut asked = ask(reader, books, STREAM, walk.start).await?;
    let mut stride = FIRST_STRIDE_SECONDS;
    loop {
        if walk.until.is_some_and(|until| asked.start > until) {
            return Ok(());
        }
        // A short page whose count is more than it shows is not cut: there is nothing behind it.
        if !asked.has_more() || !asked.may_be_cut() {
            let stretch = (asked.start, future(reader));
            books.note_counted(&reader.asking.lease, STREAM, stretch, asked.tail_shortfall()).await?;
            let seen_until = reader.asking.shop_time().map(|now| now - OVERLAP_SECONDS);
            return match seen_until {
                Some(seen_until) if walk.is_live() => follow(reader, books, STREAM, seen_until, begun).await,
                _ => Ok(()),
            };
        }
        let start = asked.start;
        asked = next_updated(reader, books, asked, stride, walk.is_live()).await?;
        stride = (asked.start - start).max(1);
        if walk.is_live() {
            follow(reader, books, STREAM, asked.start, begun).await?;
        }
    }
}

/// Two pages join: notes what the shop's counts say that neither shows, and owes all orders where the pages are not in the
/// order of time, since that says nothing of what lies between.
async fn step(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    last: &Asked,
    next: Asked,
    live: bool,
) -> Result<Asked, Stop> {
    if last.is_disordered_by(&next) {
        // An order that has changed meanwhile stands behind both pages now.
        let again = ask(reader, books, STREAM, last.start).await?;
        if again.start == last.start && again.is_disordered_by(&next) {
            books.owe_listing(&reader.asking.lease, next.start, live).await?;
            return Ok(next);
        }
    }
    let missing = last.shortfall(&next);
    books.note_counted(&reader.asking.lease, STREAM, (last.start, next.start), missing).await?;
    Ok(next)
}

/// The page after a full page of the updated stream, whose orders do not tell when they changed: one that begins
/// inside the last, so that nothing lies between them, or one after a second whose rest is owed.
async fn next_updated(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    mut last: Asked,
    stride: i64,
    live: bool,
) -> Result<Asked, Stop> {
    let start = last.start;
    let mut outside = None;
    if let Some(time_to) = last.page.time_to.filter(|time_to| *time_to >= start) {
        let guess = (time_to - 1).max(start + 1);
        let next = ask(reader, books, STREAM, guess).await?;
        // Up to `time_to − 1` the last page is complete by the shop's own word; beyond, that has to be shown.
        let is_inside = last.position_of_first(&next).is_some();
        // A window that cannot be served lies between: it owes what the last page did not show, but for its own second.
        if guess < time_to && next.start > guess {
            return Ok(next);
        }
        if guess < time_to && is_inside {
            return step(reader, books, &last, next, live).await;
        }
        if is_inside {
            match join(reader, books, &last, next).await? {
                Joined::To(page) => return step(reader, books, &last, page, live).await,
                Joined::Ends(page) => return Ok(page),
                Joined::NoLonger(again) => last = again,
            }
        }
        outside = Some(guess);
    }
    for _ in 0..BOUNDARY_ROUNDS {
        let Some(next) = search_boundary(reader, books, &last, outside, stride).await? else {
            books.owe_listing(&reader.asking.lease, start + 1, live).await?;
            return ask(reader, books, STREAM, start + 1).await;
        };
        outside = Some(next.start);
        match join(reader, books, &last, next).await? {
            Joined::To(page) => return step(reader, books, &last, page, live).await,
            Joined::Ends(page) => return Ok(page),
            Joined::NoLonger(again) => last = again,
        }
    }
    Err(Stop::Protocol("the orders change faster than the updated stream can be read"))
}

/// Asks for `last` again, now that `next` is known. While it still reaches to where `next` begins, everything up to
/// there was seen: an order that changed meanwhile only moves to a later time, so `last` ends no earlier than where
/// `next` began. An answer that is not full any more is the end of the walk, and one that begins later, because a
/// window is owed, is the page to go on from.
async fn join(reader: &mut Reader<'_>, books: &mut Books<'_>, last: &Asked, next: Asked) -> Result<Joined, Stop> {
    let again = ask(reader, books, STREAM, last.start).await?;
    if again.start > last.start || !again.has_more() {
        return Ok(Joined::Ends(again));
    }
    Ok(if again.position_of_first(&next).is_some() { Joined::To(next) } else { Joined::NoLonger(again) })
}

/// Searches for a later start whose page begins inside `last`; none when even the next second's does not.
async fn search_boundary(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
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
        let probe = ask(reader, books, STREAM, probe_at).await?;
        match last.position_of_first(&probe) {
            Some(_) if reader.asking.shop_time().is_some_and(|now| probe_at > now + 2 * OVERLAP_SECONDS) => {
                return Err(Stop::Protocol("the shop shows the same changes whatever second it is asked from"));
            }
            Some(position) => {
                inside = probe_at;
                step = step.saturating_mul(2);
                found = Some(probe);
                if position >= last.len() / 2 {
                    return Ok(found);
                }
            }
            None => outside = Some(probe_at),
        }
    }
}
