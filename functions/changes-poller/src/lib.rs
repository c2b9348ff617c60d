//! Finds, on a schedule, the orders that no POST brought, and the changes that no POST brings.
//!
//! The walk itself is the library `poll`. Here an event is read, each shop gets its run, and what the runs report is
//! logged and counted.

mod event;
mod report;

use std::sync::Arc;

use futures_util::StreamExt;
use ledger::{Connection, Part, PollRun};
use mycashflow::{RetryPolicy, Transport};
use platform::{Deps, Function, Metric, is_paused};
use poll::{PollDeps, Run, Shop, ShopReport, Stopped};
use tokio::time::Instant;

pub use event::{EventError, PollRequest};
pub use report::Report;

use crate::report::{lag_seconds, metrics};

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
}

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
pub async fn handle(deps: &PollerDeps, event: &PollRequest, run: &str, deadline: Instant) -> Result<Report, PollError> {
    // A shop may have been added, or a key changed, since the last run.
    deps.base.connections.read_again().await;
    // The poller is the function that runs often and regularly, so its counts are what the alarms watch.
    deps.base.count_warnings(Function::ChangesPoller);
    let is_refused = u64::from(deps.base.connections.is_refused());
    deps.base.metrics.record(Function::ChangesPoller, None, &[(Metric::ConnectionsRefused, is_refused)]);
    let connections = deps.base.connections.current();
    let is_scheduled = matches!(event, PollRequest::Poll { shop: None });
    let is_paused = is_scheduled && is_paused(&deps.base.ledger, Part::Poll).await;
    if is_paused || (is_scheduled && connections.shops.is_empty()) {
        // The schedule works, which is all that the alarm on silence is to know.
        deps.base.metrics.record(Function::ChangesPoller, None, &[(Metric::PollRuns, 1)]);
        return Ok(Report { paused: is_paused, ..Report::default() });
    }
    let named = match event {
        PollRequest::Poll { shop } => shop.as_ref(),
        PollRequest::Backfill { shop, .. } | PollRequest::Refresh { shop, .. } => Some(shop),
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
    let poll_deps = PollDeps {
        ledger: deps.base.ledger.clone(),
        clock: deps.base.clock.clone(),
        transport: deps.transport.clone(),
        policy: deps.policy.clone(),
        progress: None,
    };
    let run = Run { name: run, deadline };
    let runs = polled.into_iter().map(async |(shop, connection)| {
        let asked = Shop { name: shop, url: &connection.url, key: connection.key.reveal() };
        let report = match event {
            PollRequest::Poll { .. } => poll::poll(&poll_deps, &asked, connection.start, &run).await,
            PollRequest::Backfill { created_after, dry_run, .. } => {
                poll::backfill(&poll_deps, &asked, *created_after, *dry_run, &run).await
            }
            PollRequest::Refresh { orders, .. } => poll::refresh(&poll_deps, &asked, orders, &run).await,
        };
        log(&report);
        let is_live = matches!(event, PollRequest::Poll { .. });
        if is_live {
            note(deps, run.name, &report).await;
        }
        deps.base.metrics.record(Function::ChangesPoller, Some(&Connection::shop(shop)), &metrics(&report, is_live));
        report
    });
    let mut shops: Vec<ShopReport> = futures_util::stream::iter(runs).buffer_unordered(SHOPS_AT_ONCE).collect().await;
    shops.sort_by(|a, b| a.shop.cmp(&b.shop));
    Ok(Report { shops, paused: false })
}

/// Writes the run down, for people to see. What it recorded is durable whether that can be written or not.
async fn note(deps: &PollerDeps, run: &str, report: &ShopReport) {
    if report.stopped == Stopped::LeaseHeld {
        return;
    }
    let noted = PollRun {
        at: (deps.base.clock)(),
        run: run.to_owned(),
        stopped: report.stopped.as_str().to_owned(),
        failure: report.failure.clone(),
        pages: report.pages,
        new: report.new,
        updated: report.updated,
        quarantined: report.quarantined,
        gaps_open: report.gaps_open,
        lag_seconds: lag_seconds(report),
    };
    if let Err(error) = deps.base.ledger.note_poll_run(&report.shop, &noted).await {
        tracing::warn!(shop = report.shop, error = error.to_string(), "the run could not be written down");
    }
}

/// The run's one line.
fn log(report: &ShopReport) {
    let cursor = |cursor: Option<poll::CursorReport>| cursor.map(|cursor| cursor.position);
    let lag = |cursor: Option<poll::CursorReport>| cursor.map(|cursor| cursor.lag_seconds);
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                shop = report.shop,
                stopped = report.stopped.as_str(),
                failure = report.failure,
                pages = report.pages,
                orders = report.orders,
                new = report.new,
                updated = report.updated,
                unchanged = report.unchanged,
                stale = report.stale,
                quarantined = report.quarantined,
                reused_ids = report.reused_ids,
                gaps_open = report.gaps_open,
                created_cursor = cursor(report.created_cursor),
                created_lag_seconds = lag(report.created_cursor),
                updated_cursor = cursor(report.updated_cursor),
                updated_lag_seconds = lag(report.updated_cursor),
                missing = report.missing,
                different = report.different,
                resume_from = report.resume_from,
                $message
            )
        };
    }
    if let Some(seconds_ahead) = report.clock_off_seconds {
        tracing::warn!(shop = report.shop, seconds_ahead, "the shop's clock is too far from ours to count");
    }
    match &report.failure {
        Some(_) => line!(error, "the poll of a shop failed"),
        None => line!(info, "polled a shop"),
    }
}
