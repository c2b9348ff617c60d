//! Finds, on a schedule, the orders that no POST brought, and the changes that no POST brings.
//!
//! A run takes a shop's lease and walks its two streams of changes from their cursors to the present (`docs/decisions/`
//! has the rules of the cursors, and why each). Nothing is passed over: what cannot be read goes to quarantine, what
//! cannot be served is written down as a gap and tried again by every run.

mod crowded;
mod event;
mod gaps;
mod page;
mod report;
mod run;
mod walk;

use std::sync::Arc;

use futures_util::StreamExt;
use ledger::Connection;
use mycashflow::{RetryPolicy, Transport};
use platform::{Deps, Function};
use tokio::time::Instant;

pub use event::{Event, EventError};
pub use report::{CursorReport, Difference, MAX_DIFFERENCES, Report, ShopReport, Stopped};
pub use run::OVERLAP_SECONDS;

use crate::run::ShopRun;

/// Shops polled at the same time.
const SHOPS_AT_ONCE: usize = 4;

/// What the poller works with.
#[derive(Clone)]
pub struct PollerDeps {
    /// The ledger, the connections, the time.
    pub base: Deps,
    /// How shops are reached.
    pub transport: Arc<dyn Transport>,
    /// How patiently.
    pub policy: RetryPolicy,
    /// Shown a shop's report after every page, for people who watch.
    pub progress: Option<Progress>,
}

/// What is shown the report of a run that goes on.
pub type Progress = Arc<dyn Fn(&ShopReport) + Send + Sync>;

/// Why a run could not even begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PollError {
    /// The event names a shop that is not configured.
    #[error("there is no shop {0} among the connections")]
    UnknownShop(String),
    /// The event was not understood.
    #[error(transparent)]
    Event(#[from] EventError),
}

/// Does what the event asks, for one shop or for all, and stops in time before `deadline`.
///
/// `run` names this run, and must be unlike that of any other: the leases are taken in its name. A shop that fails does
/// not stop the others; [`Report::failures`] tells.
///
/// # Errors
/// [`PollError`] when the event names no shop that there is.
pub async fn handle(deps: &PollerDeps, event: &Event, run: &str, deadline: Instant) -> Result<Report, PollError> {
    // A shop may have been added, or a key changed, since the last run.
    deps.base.connections.read_again().await;
    let connections = deps.base.connections.current();
    let named = match event {
        Event::Poll { shop } => shop.as_ref(),
        Event::Backfill { shop, .. } | Event::Refresh { shop, .. } => Some(shop),
    };
    if let Some(unknown) = named.filter(|shop| !connections.shops.contains_key(*shop)) {
        return Err(PollError::UnknownShop(unknown.clone()));
    }
    let mut polled: Vec<_> =
        connections.shops.iter().filter(|(shop, _)| named.is_none_or(|named| named == *shop)).collect();
    if !polled.is_empty() {
        // Any shop may be the first, so that none starves behind others whose time is never enough.
        let first = fastrand::usize(..polled.len());
        polled.rotate_left(first);
    }
    let runs = polled.into_iter().map(async |(shop, connection)| {
        let run = ShopRun::new(deps, shop, connection, run, deadline);
        let report = match event {
            Event::Poll { .. } => run.poll(connection.start).await,
            Event::Backfill { created_after, dry_run, .. } => run.backfill(*created_after, *dry_run).await,
            Event::Refresh { orders, .. } => run.refresh(orders).await,
        };
        log(&report);
        let is_live = matches!(event, Event::Poll { .. });
        deps.base.metrics.record(Function::ChangesPoller, Some(&Connection::shop(shop)), &report.metrics(is_live));
        report
    });
    let mut shops: Vec<ShopReport> = futures_util::stream::iter(runs).buffer_unordered(SHOPS_AT_ONCE).collect().await;
    shops.sort_by(|a, b| a.shop.cmp(&b.shop));
    Ok(Report { shops })
}

/// The run's one line.
fn log(report: &ShopReport) {
    let json = serde_json::to_string(&report.counts()).unwrap_or_default();
    match &report.failure {
        Some(failure) => tracing::error!(shop = report.shop, failure, report = json, "poll"),
        None => tracing::info!(shop = report.shop, report = json, "poll"),
    }
}
