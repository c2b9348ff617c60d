//! The debts of earlier runs, and of this one: tried again by every run until they are paid.

use ledger::{Gap, GapKind, Stream};

use crate::ask::Patience;
use crate::books::Books;
use crate::crowded::finish_numbers;
use crate::listing::finish_listings;
use crate::numbers::fetch;
use crate::reader::Reader;
use crate::stop::{Stop, may_be_poison};
use crate::walk::{Purpose, Walk, walk};

/// Stretches that the shop does not show whole, tried again in one run: those first that were tried least.
const UNSHOWN_PER_RUN: usize = 10;

/// Tries the open gaps once: of the stretches that were not shown whole, the ones that were tried least, and none that this
/// run has found.
pub(crate) async fn work_gaps(reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
    finish_crowded(reader, books).await?;
    let mut gaps = books.state.gaps.clone();
    gaps.sort_by_key(|gap| gap.tries);
    let mut unshown = 0;
    for mut gap in gaps {
        match gap.kind {
            GapKind::Numbers { .. } | GapKind::Unsorted { .. } | GapKind::Listing { .. } => {}
            GapKind::Order { order } if fetch(reader, &[order]).await?.found.contains_key(&order) => {
                books.close_gap(&reader.asking.lease, &gap.kind).await?;
            }
            GapKind::Order { .. } => {
                gap.tries += 1;
                books.put_gap(&reader.asking.lease, gap).await?;
            }
            GapKind::Window { stream, from, until, between } => {
                retry_window(reader, books, gap, stream, from, until, between).await?;
            }
            GapKind::Unshown { stream, from, until, missing } if unshown < UNSHOWN_PER_RUN && !books.is_new(&gap) => {
                unshown += 1;
                retry_unshown(reader, books, gap, stream, (from, until), missing).await?;
            }
            GapKind::Unshown { .. } => {}
        }
    }
    // A window that opened may have shown further crowded seconds.
    finish_crowded(reader, books).await
}

async fn finish_crowded(reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
    finish_numbers(reader, books).await?;
    finish_listings(reader, books).await
}

/// Walks a window again when some of it can be served now. What cannot is a window again, and a narrower one.
async fn retry_window(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    mut gap: Gap,
    stream: Stream,
    from: i64,
    until: i64,
    between: Option<(u64, u64)>,
) -> Result<(), Stop> {
    gap.tries += 1;
    if !can_serve(reader, stream, from).await? && !can_serve(reader, stream, until - 1).await? {
        if let (Stream::Created, Some((after, before))) = (stream, between) {
            // Numbers that follow one another are the only other way to the orders that the window hides. That none
            // is missed is not certain, so the window stays open.
            let hidden: Vec<u64> = (after.saturating_add(1)..before).collect();
            fetch(reader, &hidden).await?;
        }
        return books.put_gap(&reader.asking.lease, gap).await;
    }
    // The walk must not skip the window that it is to walk. Should it fail, the ledger still has it.
    books.state.gaps.retain(|known| known.kind != gap.kind);
    if let Err(stop) = walk_again(reader, books, &gap, stream, (from, until)).await {
        books.state.gaps.retain(|known| !known.kind.is_same_gap(&gap.kind));
        books.state.gaps.push(gap);
        return if stop.ends_run() { Err(stop) } else { Ok(()) };
    }
    match books.state.gaps.iter().position(|known| known.kind.is_same_gap(&gap.kind)) {
        Some(narrower) => {
            let kind = books.state.gaps[narrower].kind.clone();
            books.put_gap(&reader.asking.lease, Gap { kind, ..gap }).await
        }
        None => books.close_gap(&reader.asking.lease, &gap.kind).await,
    }
}

/// Walks a stretch again that the shop did not show whole, and closes the gap when it says no longer that it does not.
async fn retry_unshown(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    mut gap: Gap,
    stream: Stream,
    (from, until): (i64, i64),
    missing: Option<u64>,
) -> Result<(), Stop> {
    gap.tries += 1;
    books.still_unshown = 0;
    // To walk the stretch takes two questions, and to search through the numbers of its crowded seconds up to thousands:
    // that is done at ever longer intervals.
    books.is_search_due = gap.tries.is_power_of_two();
    if books.is_search_due {
        // A search that outlasts the run is not begun anew by the next one.
        books.put_gap(&reader.asking.lease, gap.clone()).await?;
    }
    let mut walked = walk_again(reader, books, &gap, stream, (from, until)).await;
    if walked.is_ok() && books.is_search_due {
        books.retrying = Some(gap.kind.clone());
        walked = finish_numbers(reader, books).await;
        books.retrying = None;
    }
    match walked {
        Ok(()) if books.still_unshown == 0 => return books.close_gap(&reader.asking.lease, &gap.kind).await,
        Ok(()) => {
            let missing = missing.map(|_| books.still_unshown);
            gap.kind = GapKind::Unshown { stream, from, until, missing };
        }
        Err(stop) if stop.ends_run() => return Err(stop),
        Err(_) => {}
    }
    books.put_gap(&reader.asking.lease, gap).await
}

async fn walk_again(
    reader: &mut Reader<'_>,
    books: &mut Books<'_>,
    gap: &Gap,
    stream: Stream,
    (from, until): (i64, i64),
) -> Result<(), Stop> {
    books.retrying = Some(gap.kind.clone());
    let stretch = Walk { stream, start: from, until: Some(until), purpose: Purpose::Gap };
    let walked = walk(reader, books, &stretch).await;
    books.retrying = None;
    walked
}

/// Whether the shop answers when asked from a second on.
async fn can_serve(reader: &mut Reader<'_>, stream: Stream, second: i64) -> Result<bool, Stop> {
    reader.asking.check_time()?;
    match reader.changes(stream, second, Patience::Probe).await? {
        Ok(_) => Ok(true),
        Err(error) if may_be_poison(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
