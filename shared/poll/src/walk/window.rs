//! One page of a walk, also where the shop cannot serve it: the window that fails is found, and written down as a gap.

use ledger::{GapKind, Stream};
use mycashflow::ClientError;

use super::future;
use crate::PAGE_ORDERS;
use crate::ask::Patience;
use crate::books::Books;
use crate::overlap::OVERLAP_SECONDS;
use crate::reader::{Asked, Reader};
use crate::stop::{Stop, may_be_poison};

/// How often a question is asked again whose answer counts orders and shows none.
const EMPTY_TRIES: u32 = 3;

/// Asks for the changes from a second on and takes the answer into the ledger. Where the shop fails again and again,
/// the failing window is written down as a gap and the answer is that of the first second after it. So is a stretch that the
/// shop says it does not serve.
pub(super) async fn ask(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    stream: Stream,
    start: i64,
) -> Result<Asked, Stop> {
    let start = books.after_open_windows(stream, start);
    for _ in 0..EMPTY_TRIES {
        reader.asking.check_time()?;
        match reader.changes(stream, start, Patience::Usual).await? {
            Ok(asked) if asked.len() == 0 && asked.tail_shortfall() > Some(0) => {}
            Ok(asked) => return from_where_it_begins(reader, books, stream, asked).await,
            Err(error) if may_be_poison(&error) => {
                reader.asking.check_time()?;
                let asked = isolate(reader, books, stream, start, error).await?;
                return from_where_it_begins(reader, books, stream, asked).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Protocol("the shop counts orders and shows none of them"))
}

/// An answer that says of itself that it begins later than it was asked to leaves a stretch that was not served.
async fn from_where_it_begins(
    reader: &Reader<'_>,
    books: &mut Books<'_>,
    stream: Stream,
    asked: Asked,
) -> Result<Asked, Stop> {
    // An exclusive bound may be told as the second after it.
    let Some(begins) = asked.page.time_from.filter(|begins| *begins > asked.start + 1) else { return Ok(asked) };
    // A second behind an order that it shows is no limit.
    let is_behind = asked.page.entries.iter().any(|entry| entry.ordered_at.is_some_and(|at| at < begins));
    if (stream == Stream::Created && is_behind) || begins > future(reader) {
        return Ok(asked);
    }
    books.note_unshown(&reader.asking.lease, stream, (asked.start, begins), None).await?;
    Ok(Asked { start: begins, ..asked })
}

/// Finds the first second from which the shop can answer again, and writes the window before it down.
async fn isolate(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    stream: Stream,
    start: i64,
    error: ClientError,
) -> Result<Asked, Stop> {
    // What is known to be served ends the search: of a window that is walked again its own end, else the future.
    let end = match books.retrying {
        Some(GapKind::Window { until, .. }) if until > start => until,
        _ => reader.asking.now().as_second() + 2 * OVERLAP_SECONDS,
    };
    let Ok(mut after) = reader.changes(stream, end, Patience::Probe).await? else {
        // Not even an empty page can be had: the shop is down, and nothing is wrong with the window.
        return Err(error.into());
    };
    let (mut bad, mut step) = (start, 1);
    while after.start - bad > 1 {
        if let Err(stop) = reader.asking.check_time() {
            // The window is wider than it need be. A later run narrows it; to search it anew each time would end
            // here each time.
            open_window(reader, books, stream, start, bad, &after, &error).await?;
            return Err(stop);
        }
        let probe_at = bad.saturating_add(step).min(bad + (after.start - bad) / 2);
        match reader.changes(stream, probe_at, Patience::Probe).await? {
            Ok(found) => (after, step) = (found, i64::MAX / 4),
            Err(error) if may_be_poison(&error) => (bad, step) = (probe_at, step.saturating_mul(2)),
            Err(error) => return Err(error.into()),
        }
    }
    if let Ok(recovered) = reader.changes(stream, start, Patience::Usual).await? {
        return Ok(recovered);
    }
    open_window(reader, books, stream, start, bad, &after, &error).await?;
    Ok(after)
}

/// Writes down a window that the shop cannot serve: from `from` to the page `after` it. `bad` is the last second
/// known to fail.
async fn open_window(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    stream: Stream,
    from: i64,
    bad: i64,
    after: &Asked,
    error: &ClientError,
) -> Result<(), Stop> {
    // A window that reached into the future would hide orders that are yet to be made.
    let present = reader.asking.shop_time().unwrap_or(after.start) + 1;
    let until = after.start.min(present).max(bad + 1);
    let highest = books.state.cursor(stream).and_then(|cursor| cursor.highest_order);
    let lowest_after = after.page.entries.iter().filter_map(|entry| entry.id).min();
    // No more orders than one answer holds can stand before the one that spoils it.
    let reach = 2 * PAGE_ORDERS as u64;
    let between = match (highest, lowest_after) {
        (Some(highest), lowest) => {
            let limit = highest.saturating_add(reach);
            Some((highest, lowest.map_or(limit, |lowest| lowest.min(limit))))
        }
        (None, lowest) => lowest.map(|lowest| (lowest.saturating_sub(reach), lowest)),
    };
    books.open_gap(&reader.asking.lease, GapKind::Window { stream, from, until, between }, error.to_string()).await?;
    match stream {
        Stream::Created => Ok(()),
        Stream::Updated => books.owe_listing(&reader.asking.lease, until, false).await,
    }
}
