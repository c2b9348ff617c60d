//! Every order is looked at again: what a second of the updated stream costs that holds more changes than one answer, or
//! a page of it that is not in the order of time. Any order may have changed there, and an order that changed does not
//! tell when. The created stream is the list of all orders, whatever their numbers.

use ledger::{Gap, GapKind, Stream};

use crate::books::{Books, UnderWay};
use crate::crowded::{close_second, fetch_below, is_settled};
use crate::reader::Reader;
use crate::stop::Stop;
use crate::walk::{Purpose, Walk, walk};

/// Pays what the updated stream owes, once for all its debts.
pub(crate) async fn finish_listings(reader: &mut Reader<'_>, books: &mut Books<'_>) -> Result<(), Stop> {
    let debts: Vec<(Gap, i64, i64)> = books
        .state
        .gaps
        .iter()
        .filter_map(|gap| match gap.kind {
            GapKind::Listing { second, from } => Some((gap.clone(), second, from)),
            // As earlier versions wrote it: over numbers, which says nothing of the times.
            GapKind::Numbers { stream: Stream::Updated, second, .. } => Some((gap.clone(), second, 0)),
            _ => None,
        })
        .collect();
    let (Some(from), Some(until)) =
        (debts.iter().map(|(.., from)| *from).min(), debts.iter().map(|(_, second, _)| *second).max())
    else {
        return Ok(());
    };
    let settled: Vec<bool> = debts.iter().map(|(_, second, _)| is_settled(reader, *second)).collect();
    let counting = debts.iter().zip(&settled).filter(|(_, settled)| **settled).map(|((gap, ..), _)| gap.clone());
    books.listing = Some(UnderWay { settled: counting.collect(), at: from, pages: 0 });
    let listed = list(reader, books, from, until).await;
    let listing = books.listing.take();
    match listed {
        Ok(()) => {}
        // The debts stay, and so does everything else that can be done.
        Err(Stop::Protocol(problem)) => {
            for (mut gap, ..) in debts {
                gap.reason = problem.to_owned();
                gap.tries += 1;
                books.put_gap(&reader.asking.lease, gap).await?;
            }
            return Ok(());
        }
        Err(stop) => {
            if let (Some(listing), true) = (&listing, matches!(stop, Stop::Deadline)) {
                books.note_listed(&reader.asking.lease, listing).await?;
            }
            return Err(stop);
        }
    }
    for ((gap, second, _), settled) in debts.into_iter().zip(settled) {
        close_second(reader, books, &gap.kind, Stream::Updated, second, settled).await?;
    }
    Ok(())
}

async fn list(reader: &mut Reader<'_>, books: &mut Books<'_>, from: i64, until: i64) -> Result<(), Stop> {
    let unserved = |books: &Books<'_>| {
        let gaps = books.state.gaps.iter();
        gaps.filter_map(|gap| match gap.kind {
            GapKind::Unshown { stream: Stream::Created, missing: None, .. } => Some(gap.kind.clone()),
            _ => None,
        })
        .collect::<Vec<_>>()
    };
    let (before, pages) = (unserved(books), reader.report.pages);
    let stretch = Walk { stream: Stream::Created, start: from, until: Some(until), purpose: Purpose::Listing };
    // Other pages of the run may have shown orders that the list does not reach.
    let seen = std::mem::take(&mut reader.seen);
    let walked = walk(reader, books, &stretch).await;
    let lowest = reader.seen.first().copied();
    reader.seen.extend(seen);
    walked?;
    // Orders that are older than the shop lists are asked for by number, as far as that is possible.
    for gap in unserved(books).into_iter().filter(|gap| !before.contains(gap)) {
        let Some(lowest) = lowest else { continue };
        let is_of_this = matches!(gap, GapKind::Unshown { from: first, .. } if first == from);
        if is_of_this && fetch_below(reader, books, lowest, reader.report.pages - pages).await? {
            books.close_gap(&reader.asking.lease, &gap).await?;
        }
    }
    Ok(())
}
