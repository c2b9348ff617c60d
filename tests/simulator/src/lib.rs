//! The deterministic simulator: the functions that ship, against a simulated shop, with faults on every call, on one
//! thread with virtual time.
//!
//! A seed makes a `Plan`, and the plan makes a simulated world: how the shop behaves where its interface is undocumented,
//! the *workload* (who orders what and when), and the *faults* (which calls fail, which runs are killed or frozen). All
//! randomness comes from the thread's generator, which the seed starts. The same seed therefore gives the same world, the
//! jitter of the SDK and of the functions included. After the workload come quiescence (no faults, nothing new) and a
//! comparison of the ledger with the *model* of what is true: the *invariants*.

mod assumptions;
mod deviations;
mod faults;
mod invariants;
mod model;
mod outbound;
mod plan;
mod pushes;
mod runs;
mod simulation;
mod trace;
mod transport;
mod workload;

use std::rc::Rc;

use tokio::task::LocalSet;

use self::assumptions::Side;
pub use self::assumptions::{Assumption, Settings};
pub use self::outbound::{OutboundResult, run_outbound};
use self::plan::Plan;
use self::simulation::Simulation;

/// The result of one simulated world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulationResult {
    /// The invariants that did not hold; empty when all did.
    pub violations: Vec<String>,
    /// The assumptions that were false.
    pub falsehoods: Vec<Assumption>,
    /// What happened, one line each, if that was asked for.
    pub trace: Vec<String>,
    /// How much happened.
    pub size: Size,
}

/// How much happened in a simulated world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Orders made.
    pub orders: usize,
    /// Revisions recorded.
    pub revisions: usize,
    /// Runs of the poller.
    pub runs: usize,
    /// Requests to the shop.
    pub requests: usize,
}

/// Simulates the world of a seed.
///
/// # Panics
/// When the machine refuses a runtime or a database in memory.
pub fn run(seed: u64, settings: &Settings) -> SimulationResult {
    fastrand::seed(seed);
    let plan = Plan::draw(seed, settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let sim = Rc::new(Simulation::new(plan, settings.trace).await);
        runs::schedule(&sim).await;
        sim.spawn_with(runs::quiesce);
        sim.join_all().await;
        invariants::at_quiescence(&sim);
        sim.result()
    })
}

/// Simulates both worlds of a seed, that of the poll and the outbound one; with [`Settings::only`], those that its
/// assumptions concern.
pub fn run_both(seed: u64, settings: &Settings) -> SimulationResult {
    let mut result = SimulationResult::default();
    if settings.concerns(Side::Poll) {
        result = run(seed, settings);
    }
    if settings.concerns(Side::Outbound) {
        let outbound = run_outbound(seed, settings);
        result.violations.extend(outbound.violations.into_iter().map(|violation| format!("outbound: {violation}")));
        result.falsehoods.extend(outbound.falsehoods);
    }
    result
}
