//! What every function needs at start: its configuration, the connections with their secrets, the clients, the logs,
//! the metrics, and the HTTP answers.

mod deadline;
mod http;
mod metrics;
mod receipt;
mod start;

use std::sync::Arc;

use connections::ConnectionStore;
use jiff::Timestamp;
use ledger::Ledger;

pub use deadline::deadline;
pub use http::{Answer, MAX_BODY_BYTES, content_type, header_values, path, respond};
pub use metrics::{Function, Metric, Metrics};
pub use receipt::{Closing, Receipt};
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
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}
