//! What the programs of the benchmarks share: made-up input, the same work done by others, and a digest to compare them.

pub mod contender;
pub mod digest;
pub mod inputs;
pub mod serde_model;

#[allow(dead_code, unreachable_pub, reason = "the sandbox's generator of orders, without the sandbox's dependencies")]
#[path = "../../sandbox/src/orders.rs"]
mod orders;
