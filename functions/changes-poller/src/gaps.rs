//! The debts of earlier runs, and of this one: tried again by every run until they are paid.

use ledger::{Gap, GapKind, Stream};
use mycashflow::ClientError;

use crate::run::{ShopRun, Stop};
use crate::walk::{Asked, PAGE_ORDERS, Walk, may_be_poison, to_client};

impl ShopRun<'_> {
    /// Writes down a window that the shop cannot serve: from `from` to the page `after` it. `bad` is the last second
    /// known to fail.
    pub(crate) async fn open_window(
        &mut self,
        stream: Stream,
        from: i64,
        bad: i64,
        after: &Asked,
        error: &ClientError,
    ) -> Result<(), Stop> {
        // A window that reached into the future would hide orders that are yet to be made.
        let present = self.shop_time.unwrap_or(after.start) + 1;
        let until = after.start.min(present).max(bad + 1);
        let highest = self.state.cursor(stream).and_then(|cursor| cursor.highest_order);
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
        self.open_gap(GapKind::Window { stream, from, until, between }, error.to_string()).await?;
        match stream {
            Stream::Created => Ok(()),
            Stream::Updated => self.owe_updated_second(until, false).await,
        }
    }

    /// Tries every open gap once.
    pub(crate) async fn work_gaps(&mut self) -> Result<(), Stop> {
        self.finish_crowded_seconds().await?;
        for mut gap in self.state.gaps.clone() {
            match gap.kind {
                GapKind::Numbers { .. } => {}
                GapKind::Order { order } if self.fetch(&[order]).await?.found.contains_key(&order) => {
                    self.close_gap(&gap.kind).await?;
                }
                GapKind::Order { .. } => {
                    gap.tries += 1;
                    self.put_gap(gap).await?;
                }
                GapKind::Window { stream, from, until, between } => {
                    self.retry_window(gap, stream, from, until, between).await?;
                }
            }
        }
        // A window that opened may have shown further crowded seconds.
        self.finish_crowded_seconds().await
    }

    /// Walks a window again when some of it can be served now. What cannot is a window again, and a narrower one.
    async fn retry_window(
        &mut self,
        mut gap: Gap,
        stream: Stream,
        from: i64,
        until: i64,
        between: Option<(u64, u64)>,
    ) -> Result<(), Stop> {
        gap.tries += 1;
        if !self.can_serve(stream, from).await? && !self.can_serve(stream, until - 1).await? {
            if let (Stream::Created, Some((after, before))) = (stream, between) {
                // Numbers that follow one another are the only other way to the orders that the window hides. That none
                // is missed is not certain, so the window stays open.
                let hidden: Vec<u64> = (after.saturating_add(1)..before).collect();
                self.fetch(&hidden).await?;
            }
            return self.put_gap(gap).await;
        }
        // The walk must not skip the window that it is to walk. Should it fail, the ledger still has it.
        self.state.gaps.retain(|known| known.kind != gap.kind);
        self.retrying = Some(gap.kind.clone());
        let walked = self.walk(&Walk { stream, start: from, until: Some(until), live: false }).await;
        self.retrying = None;
        if let Err(stop) = walked {
            self.state.gaps.retain(|known| !known.kind.is_same_gap(&gap.kind));
            self.state.gaps.push(gap);
            return Err(stop);
        }
        match self.state.gaps.iter().position(|known| known.kind.is_same_gap(&gap.kind)) {
            Some(narrower) => {
                let kind = self.state.gaps[narrower].kind.clone();
                self.put_gap(Gap { kind, ..gap }).await
            }
            None => self.close_gap(&gap.kind).await,
        }
    }

    /// Whether the shop answers when asked from a second on.
    async fn can_serve(&mut self, stream: Stream, second: i64) -> Result<bool, Stop> {
        self.check_time()?;
        let probes = self.probes();
        match self.wait_for(probes.changes(to_client(stream), second)).await? {
            Ok(answer) => self.take_in(answer, second).await.map(|_| true),
            Err(error) if may_be_poison(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
