//! What the functions count, as CloudWatch metrics: one line of Embedded Metric Format on standard output for each event
//! that is worth counting, from which CloudWatch makes the metrics. `docs/metrics.md` describes each.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::Connection;
use metrique_writer_core::format::Format;
use metrique_writer_core::unit::NegativeScale;
use metrique_writer_core::{Entry, EntryWriter, MetricFlags, Observation, Unit, Value, ValueWriter};
use metrique_writer_format_emf::Emf;

/// The one dimension. Every further one would multiply what CloudWatch charges for.
const DIMENSION: &str = "Function";
/// A property of the line, to search the logs by: which shop or account it was.
const CONNECTION: &str = "Connection";

/// The functions, as the value of the dimension `Function`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    /// Takes in a shop's orders.
    MycashflowOrder,
    /// Takes in the ERP's messages.
    ManuListener,
    /// Polls the shops.
    ChangesPoller,
    /// Publishes the revisions.
    EventRelay,
    /// Acts in the shops.
    ShopActions,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::MycashflowOrder, Self::ManuListener, Self::ChangesPoller, Self::EventRelay, Self::ShopActions];

    /// The name of its package, and the value of the dimension.
    pub fn name(self) -> &'static str {
        match self {
            Self::MycashflowOrder => "mycashflow-order",
            Self::ManuListener => "manu-listener",
            Self::ChangesPoller => "changes-poller",
            Self::EventRelay => "event-relay",
            Self::ShopActions => "shop-actions",
        }
    }

    /// What it may count.
    pub fn metrics(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Self::MycashflowOrder => &[Received, Recorded, Duplicate, Stale, Rejected, Quarantined],
            Self::ManuListener => {
                &[Received, Recorded, Duplicate, Rejected, NoCode, WrongCode, Quarantined, ConnectionWarnings]
            }
            Self::ChangesPoller => &[
                PollRuns,
                PollFailures,
                Polled,
                Recorded,
                Stale,
                Quarantined,
                LagSeconds,
                GapsOpen,
                ShopClockOff,
                ConnectionWarnings,
                ConnectionsRefused,
            ],
            Self::EventRelay => &[Published, DeadLettered],
            Self::ShopActions => &[ActionsDone, ActionsRefused, ActionsDelayed],
        }
    }
}

/// What is counted or measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Requests.
    Received,
    /// Requests whose document became a revision; for the poller, revisions.
    Recorded,
    /// Requests whose document the ledger had already.
    Duplicate,
    /// Documents of which the ledger has a newer state.
    Stale,
    /// Requests of which nothing was kept.
    Rejected,
    /// Of the rejected requests, those without a verify code.
    NoCode,
    /// Of the rejected requests, those whose verify code is wrong.
    WrongCode,
    /// Warnings of the connections, each time that they are read or used by the poll.
    ConnectionWarnings,
    /// Runs of the poller that worked with earlier connections, because those of now could not be read.
    ConnectionsRefused,
    /// Requests, or orders of an answer, that could not be read and are in quarantine.
    Quarantined,
    /// Runs of the scheduled poll, one for each shop, the failed ones included.
    PollRuns,
    /// Runs of the scheduled poll that failed.
    PollFailures,
    /// Orders in the shop's answers, repeats included.
    Polled,
    /// How long ago, at the end of a run, a shop was known to be read to its end.
    LagSeconds,
    /// Gaps of a shop that are open at the end of a run.
    GapsOpen,
    /// Runs of the scheduled poll in which a shop's clock was too far from ours to count.
    ShopClockOff,
    /// Events that the bus has taken.
    Published,
    /// Revisions that cannot be published.
    DeadLettered,
    /// Orders on which an action was done.
    ActionsDone,
    /// Orders, or messages, on which an action was refused or its outcome is unknown.
    ActionsRefused,
    /// Orders on which an action was put off: its message comes again.
    ActionsDelayed,
}

impl Metric {
    /// The metric's name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "Received",
            Self::Recorded => "Recorded",
            Self::Duplicate => "Duplicate",
            Self::Stale => "Stale",
            Self::Rejected => "Rejected",
            Self::NoCode => "NoCode",
            Self::WrongCode => "WrongCode",
            Self::ConnectionWarnings => "ConnectionWarnings",
            Self::ConnectionsRefused => "ConnectionsRefused",
            Self::Quarantined => "Quarantined",
            Self::PollRuns => "PollRuns",
            Self::PollFailures => "PollFailures",
            Self::Polled => "Polled",
            Self::LagSeconds => "LagSeconds",
            Self::GapsOpen => "GapsOpen",
            Self::ShopClockOff => "ShopClockOff",
            Self::Published => "Published",
            Self::DeadLettered => "DeadLettered",
            Self::ActionsDone => "ActionsDone",
            Self::ActionsRefused => "ActionsRefused",
            Self::ActionsDelayed => "ActionsDelayed",
        }
    }

    /// The metric's unit in CloudWatch: `Count` or `Seconds`.
    pub fn unit(self) -> Unit {
        match self {
            Self::LagSeconds => Unit::Second(NegativeScale::One),
            _ => Unit::Count,
        }
    }

    /// Whether it tells a state, of which 0 is as good to know as any other. Of a count, 0 is not sent: CloudWatch charges
    /// for a metric only in the hours in which it gets one.
    pub fn is_gauge(self) -> bool {
        matches!(self, Self::LagSeconds | Self::GapsOpen)
    }
}

/// Where the functions count. A clone counts in the same place.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Mutex<Sink>>>);

struct Sink {
    format: Emf,
    output: Box<dyn Write + Send>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Metrics(on)" } else { "Metrics(off)" })
    }
}

impl Metrics {
    /// Counts nothing: for a program whose standard output is not read for metrics.
    pub fn off() -> Self {
        Self(None)
    }

    /// Writes to standard output under the namespace in `METRICS_NAMESPACE`, or nothing when that is not set.
    pub fn from_environment() -> Self {
        match std::env::var("METRICS_NAMESPACE") {
            Ok(namespace) if !namespace.is_empty() => Self::to(namespace, std::io::stdout()),
            _ => Self::off(),
        }
    }

    /// Writes to `output`, a line of JSON for each call of [`record`](Self::record).
    ///
    /// # Example
    /// ```
    /// use tilaussilta_platform::{Function, Metric, Metrics};
    /// let metrics = Metrics::to("Tilaussilta/test", std::io::stderr());
    /// metrics.record(Function::EventRelay, None, &[(Metric::Published, 3)]);
    /// ```
    pub fn to(namespace: impl Into<String>, output: impl Write + Send + 'static) -> Self {
        let format = Emf::builder(namespace.into(), vec![vec![DIMENSION.to_owned()]]).build();
        Self(Some(Arc::new(Mutex::new(Sink { format, output: Box::new(output) }))))
    }

    /// Counts what happened, in one line. Counts of 0 are left out, and with nothing left there is no line.
    ///
    /// A line that cannot be written is lost, with a warning: no message must fail for its metric.
    pub fn record(&self, function: Function, connection: Option<&Connection>, counted: &[(Metric, u64)]) {
        let Some(sink) = &self.0 else { return };
        debug_assert!(
            counted.iter().all(|(metric, _)| function.metrics().contains(metric)),
            "{function:?}: {counted:?}"
        );
        let counted: Vec<_> =
            counted.iter().copied().filter(|(metric, value)| metric.is_gauge() || *value > 0).collect();
        if counted.is_empty() {
            return;
        }
        let line = Line { function, connection: connection.map(Connection::to_string), counted };
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        let Sink { format, output } = &mut *sink;
        // Written at once, so that no line of the log comes into its middle.
        let mut text = Vec::with_capacity(256);
        let formatted = format.format(&line, &mut text).map_err(|error| error.to_string());
        let written = formatted
            .and_then(|()| output.write_all(&text).and_then(|()| output.flush()).map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!(error, "a metric could not be written");
        }
    }
}

/// One line, with the time at which it is written.
struct Line {
    function: Function,
    connection: Option<String>,
    counted: Vec<(Metric, u64)>,
}

impl Entry for Line {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.value(DIMENSION, self.function.name());
        writer.value(CONNECTION, &self.connection);
        for (metric, value) in &self.counted {
            writer.value(metric.name(), &Counted(*metric, *value));
        }
    }
}

struct Counted(Metric, u64);

impl Value for Counted {
    fn write(&self, writer: impl ValueWriter) {
        writer.metric([Observation::Unsigned(self.1)], self.0.unit(), [], MetricFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(record: impl FnOnce(&Metrics)) -> Vec<Json> {
        let captured = Captured::default();
        record(&Metrics::to("Tilaussilta/one", captured.clone()));
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        let mut lines = lines(|metrics| {
            let counted = [(Metric::PollRuns, 1), (Metric::PollFailures, 0), (Metric::LagSeconds, 0)];
            metrics.record(Function::ChangesPoller, Some(&Connection::shop("acme")), &counted);
        });
        assert!(lines[0]["_aws"].as_object_mut().unwrap().remove("Timestamp").unwrap().is_u64());
        assert_eq!(
            lines,
            [json!({
                "_aws": { "CloudWatchMetrics": [{
                    "Namespace": "Tilaussilta/one",
                    "Dimensions": [["Function"]],
                    "Metrics": [{ "Name": "PollRuns", "Unit": "Count" }, { "Name": "LagSeconds", "Unit": "Seconds" }],
                }] },
                "Function": "changes-poller",
                "Connection": "mycashflow/acme",
                "PollRuns": 1,
                "LagSeconds": 0,
            })]
        );
    }

    #[test]
    fn where_nothing_happened_no_line_is_written() {
        let nothing = [(Metric::Published, 0), (Metric::DeadLettered, 0)];
        assert_eq!(lines(|metrics| metrics.record(Function::EventRelay, None, &nothing)), [] as [Json; 0]);
        Metrics::off().record(Function::EventRelay, None, &[(Metric::Published, 1)]);
    }
}
