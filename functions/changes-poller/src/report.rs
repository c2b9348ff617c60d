//! What an invocation answers, and what of it is counted.

use platform::Metric;
use poll::{ShopReport, Stopped};
use serde::Serialize;

/// An invocation's answer: one report a shop.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Report {
    /// The shops, by name.
    pub shops: Vec<ShopReport>,
    /// Whether an operator has paused the poll, so that no shop was asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

impl Report {
    /// The shops whose run failed, each with why; none when all is well.
    pub fn failures(&self) -> Option<String> {
        let failed: Vec<String> =
            self.shops.iter().filter_map(|shop| Some(format!("{}: {}", shop.shop, shop.failure.as_ref()?))).collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }
}

/// How far a shop lags behind: it is known as far as the stream that is known less far. None when one of them is not known.
pub(crate) fn lag_seconds(report: &ShopReport) -> Option<i64> {
    Some(report.created_cursor?.lag_seconds.max(report.updated_cursor?.lag_seconds))
}

/// What a run adds to the metrics. Only a poll is `live`: a backfill and a refresh move no cursor, and whoever asked for
/// them is told whether they failed.
pub(crate) fn metrics(report: &ShopReport, live: bool) -> Vec<(Metric, u64)> {
    if report.stopped == Stopped::LeaseHeld {
        return Vec::new();
    }
    let mut counted = vec![
        (Metric::Polled, report.orders),
        (Metric::Recorded, report.new + report.updated),
        (Metric::Stale, report.stale),
        (Metric::Quarantined, report.quarantined),
    ];
    if live {
        counted.push((Metric::PollRuns, 1));
        counted.push((Metric::PollFailures, u64::from(report.stopped == Stopped::Failed)));
        counted.push((Metric::ShopClockOff, u64::from(report.clock_off_seconds.is_some())));
        // A run that failed before it knew the shop's state knows neither its lag nor its gaps.
        if let Some(lag_seconds) = lag_seconds(report) {
            counted.push((Metric::LagSeconds, u64::try_from(lag_seconds).unwrap_or_default()));
            counted.push((Metric::GapsOpen, report.gaps_open));
        }
    }
    counted
}
