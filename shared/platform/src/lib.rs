//! What every function needs at start: its configuration, the connections with their secrets, the clients, the logs,
//! the metrics, and the HTTP answers.

mod deadline;
mod finnish;
mod http;
mod metrics;
mod pause;
mod receipt;
mod refusal;
mod request;
mod start;

use std::sync::Arc;

use connections::ConnectionStore;
use jiff::Timestamp;
use ledger::Ledger;

pub use deadline::{deadline, invocation_name};
pub use http::{
    Answer, MAX_BODY_BYTES, compression, content_type, header_items, header_values, path, query_values, respond,
};
pub use metrics::{Function, Metric, Metrics};
pub use pause::is_paused;
pub use receipt::{Closing, LOG_TIMEOUT, Receipt};
pub use refusal::{Refusal, Refusals};
pub use request::{ANSWER_RESERVE, request_from_event, serve};
pub use start::{
    OPERATION_TIMEOUT, StartError, Starter, dynamodb_client, http_client, init_logs, log_targets, variable,
};

/// Tells the time. A function passed in, so that a simulation can have its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a function that answers HTTP requests works with.
#[derive(Clone)]
pub struct Deps {
    /// Where everything is recorded.
    pub ledger: Ledger,
    /// Who may send, and with which keys.
    pub connections: Arc<ConnectionStore>,
    /// The time.
    pub clock: Clock,
    /// Where it is counted what happened.
    pub metrics: Metrics,
    /// Where the requests of strangers are counted.
    pub refusals: Refusals,
}

impl Deps {
    /// Counts what the owner should change in the connections, for an alarm. The store logs each warning when it reads
    /// them.
    pub fn count_warnings(&self, function: Function) {
        let warnings = self.connections.current().warnings().len() as u64;
        self.metrics.record(function, None, &[(Metric::ConnectionWarnings, warnings)]);
    }

    /// Reads the connections again, unless they were read within the last minute; answers whether they were.
    pub async fn read_connections_again(&self, function: Function) -> bool {
        let is_read = self.connections.read_again().await;
        if is_read {
            self.count_warnings(function);
        }
        is_read
    }
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}
