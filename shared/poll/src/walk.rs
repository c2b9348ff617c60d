//! The walk over a stretch of a stream: from a start to the present, page by page, with nothing in between.

mod created;
mod updated;
mod window;

use std::time::Duration;

use ledger::Stream;
use tokio::time::Instant;

use crate::books::Books;
use crate::overlap::{latest_position, settled_at};
use crate::reader::Reader;
use crate::stop::Stop;

/// What a stretch is walked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The poll: the stream's cursor moves along.
    Live,
    /// A backfill.
    Backfill,
    /// A stretch that an earlier walk could not show whole.
    Gap,
    /// Every order is looked at.
    Listing,
}

/// Which stretch of which stream to walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    pub(crate) stream: Stream,
    /// The first second to ask from.
    pub(crate) start: i64,
    /// Stop once everything up to this second, it included, was seen; without it, walk to the present.
    pub(crate) until: Option<i64>,
    pub(crate) purpose: Purpose,
}

impl Walk {
    fn is_live(&self) -> bool {
        self.purpose == Purpose::Live
    }
}

/// Walks a stretch of a stream.
pub(crate) async fn walk(reader: &mut Reader<'_>, books: &mut Books<'_>, walk: &Walk) -> Result<(), Stop> {
    match walk.stream {
        Stream::Created => created::walk(reader, books, walk).await,
        Stream::Updated => updated::walk(reader, books, walk).await,
    }
}

/// Moves the cursor of a live walk that began at `begun` and has come to `second`.
async fn follow(
    reader: &Reader<'_>,
    books: &mut Books<'_>,
    stream: Stream,
    second: i64,
    begun: Instant,
) -> Result<(), Stop> {
    let position = reached(reader, second, begun.elapsed());
    books.advance(&reader.asking.lease, stream, position, None, reader.report.highest_order).await
}

/// Where a cursor may stand that a walk has brought to `second`: behind by the time the walk has taken, unless the
/// second is settled. The walk's first page shows what was visible when it was asked for, and commits that become
/// visible behind the walk must stay within reach of the next one. An order dated in the future takes no cursor there.
fn reached(reader: &Reader<'_>, second: i64, elapsed: Duration) -> i64 {
    let settled = settled_at(reader.asking.now() - elapsed);
    let second = reader.asking.shop_time().map_or(second, |now| second.min(now));
    let trailing = second.saturating_sub_unsigned(elapsed.as_secs()).max(second.min(settled));
    trailing.min(latest_position(reader.asking.now()))
}

/// The first second that is surely in the future of the shop's answers so far.
fn future(reader: &Reader<'_>) -> i64 {
    let now = reader.asking.now().as_second();
    reader.asking.shop_time().map_or(now, |shop| shop.max(now)) + 1
}
