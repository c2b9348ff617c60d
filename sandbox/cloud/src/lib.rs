//! AWS on this machine: a real DynamoDB engine, an event bus, queues and the mappings that Lambda makes of them. What is
//! asked of it can be metered, made to fail by plan, and served behind TLS.

mod bus;
pub mod embedded;
pub mod mappings;
pub mod messaging;
mod meter;
mod queues;
pub mod reads;
mod rules;
pub mod tls;

use std::sync::Arc;

use jiff::Timestamp;

pub use meter::{Call, Cloud, Metering, Seen};

/// Tells the time. A function passed in, so that a simulation can have its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
