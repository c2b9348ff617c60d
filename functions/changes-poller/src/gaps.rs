//! The debts of earlier runs, and of this one: tried again by every run until they are paid.

use ledger::{Gap, GapKind, Stream};
use mycashflow::ClientError;

use crate::run::{ShopRun, Stop};
use crate::walk::{Asked, PAGE_ORDERS, Walk};

impl ShopRun<'_> {
    /// Writes down a window that the shop cannot serve, and asks by number for what it may hide.
    pub(crate) async fn open_window(
        &mut self,
        stream: Stream,
        from: i64,
        after: &Asked,
        error: &ClientError,
    ) -> Result<(), Stop> {
        let highest = self.state.cursor(stream).and_then(|cursor| cursor.highest_order);
        let lowest_after = after.page.entries.iter().filter_map(|entry| entry.id).min();
        // No more orders than one answer holds can stand before the one that spoils it.
        let between = highest.map(|highest| {
            let limit = highest + 2 * PAGE_ORDERS as u64;
            (highest, lowest_after.map_or(limit, |lowest| lowest.min(limit)))
        });
        let kind = GapKind::Window { stream, from, until: after.start, between };
        self.open_gap(kind, error.to_string()).await?;
        match stream {
            Stream::Created => Ok(()),
            Stream::Updated => self.owe_updated_second(after.start).await,
        }
    }

    /// Tries every open gap once.
    pub(crate) async fn work_gaps(&mut self) -> Result<(), Stop> {
        self.finish_crowded_seconds().await?;
        let gaps: Vec<Gap> = self.state.gaps.clone();
        for mut gap in gaps {
            let closed = match gap.kind {
                GapKind::Numbers { .. } => continue,
                GapKind::Order { order } => self.fetch(&[order]).await?.found.contains_key(&order),
                GapKind::Window { stream, from, until, between } => self.retry_window(stream, from, until, between).await?,
            };
            if closed {
                self.close_gap(&gap.kind).await?;
            } else {
                gap.tries += 1;
                self.put_gap(gap).await?;
            }
        }
        // A window that opened may have shown further crowded seconds.
        self.finish_crowded_seconds().await
    }

    /// Walks a window again; answers whether it was served whole.
    async fn retry_window(
        &mut self,
        stream: Stream,
        from: i64,
        until: i64,
        between: Option<(u64, u64)>,
    ) -> Result<bool, Stop> {
        match self.walk(&Walk { stream, start: from, until: Some(until), live: false }).await {
            Ok(()) => return Ok(true),
            Err(Stop::Shop(_)) => {}
            Err(stop) => return Err(stop),
        }
        if let (Stream::Created, Some((after, before))) = (stream, between) {
            // Numbers that follow one another are the only other way to the orders that the window hides. That none is
            // missed is not certain, so the window stays open.
            let hidden: Vec<u64> = (after + 1..before).collect();
            self.fetch(&hidden).await?;
        }
        Ok(false)
    }
}
