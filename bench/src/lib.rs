//! What the programs of the benchmarks share: made-up input, the same work done by others, and a digest to compare them.

pub mod contender;
pub mod digest;
pub mod inputs;
pub mod serde_model;
