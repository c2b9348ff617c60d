//! The created stream, whose orders tell their place in it.

use ledger::Stream;
use tokio::time::Instant;

use super::window::ask;
use super::{Walk, follow};
use crate::books::Books;
use crate::crowded::{finish_crowded_seconds, owe_created_second};
use crate::reader::{Asked, Reader};
use crate::stop::Stop;

pub(super) async fn walk(reader: &mut Reader<'_>, books: &mut Books<'_>, walk: &Walk) -> Result<(), Stop> {
    let begun = Instant::now();
    let mut start = walk.start;
    loop {
        let asked = ask(reader, books, Stream::Created, start).await?;
        start = asked.start;
        let last = last_second(&asked)?;
        if !asked.is_full() {
            return match last {
                Some(last) if walk.live => follow(reader, books, Stream::Created, last, begun).await,
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
            owe_created_second(reader, books, last, &asked, walk.live).await?;
            // A page that ends in the second it was asked from shows that the bound is inclusive, so the next second
            // can be asked for. Otherwise the bound may be exclusive, and only this one can.
            if last == start { last + 1 } else { last }
        };
        if walk.live {
            follow(reader, books, Stream::Created, last, begun).await?;
        } else if reader.backfilled_to.is_some() {
            // Only this run knows what it owes, so that is paid before the backfill goes past it.
            finish_crowded_seconds(reader, books).await?;
            reader.backfilled_to = Some(start);
        }
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
