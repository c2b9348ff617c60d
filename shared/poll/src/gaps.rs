//! The debts of earlier runs, and of this one: tried again by every run until they are paid.

use ledger::{Gap, GapKind, Stream};

use crate::ask::{Patience, may_be_poison};
use crate::books::Books;
use crate::crowded::finish_crowded_seconds;
use crate::numbers::fetch;
use crate::reader::Reader;
use crate::stop::Stop;
use crate::walk::{Walk, walk};

/// Tries every open gap once.
pub(crate) async fn work_gaps(reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
    finish_crowded_seconds(reader, books).await?;
    for mut gap in books.state.gaps.clone() {
        match gap.kind {
            GapKind::Numbers { .. } => {}
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
        }
    }
    // A window that opened may have shown further crowded seconds.
    finish_crowded_seconds(reader, books).await
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
    books.retrying = Some(gap.kind.clone());
    let walked = walk(reader, books, &Walk { stream, start: from, until: Some(until), live: false }).await;
    books.retrying = None;
    if let Err(stop) = walked {
        books.state.gaps.retain(|known| !known.kind.is_same_gap(&gap.kind));
        books.state.gaps.push(gap);
        return Err(stop);
    }
    match books.state.gaps.iter().position(|known| known.kind.is_same_gap(&gap.kind)) {
        Some(narrower) => {
            let kind = books.state.gaps[narrower].kind.clone();
            books.put_gap(&reader.asking.lease, Gap { kind, ..gap }).await
        }
        None => books.close_gap(&reader.asking.lease, &gap.kind).await,
    }
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
