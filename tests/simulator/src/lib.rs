//! The deterministic simulator: a shop, its customers, the functions that ship and everything that can go wrong between
//! them, on one thread with virtual time.
//!
//! A seed makes a `Plan`, and with it a world: how the shop behaves where nobody knows, who orders what and when,
//! which calls fail, which runs are killed or freeze. All chance is drawn from the thread's generator, which the seed
//! starts, so the same seed plays the same world again, the jitter of the SDK and of the functions included. At the end
//! the dust settles, and what the ledger holds is compared with what the shop knows (`checks`).

mod checks;
mod chronicle;
mod life;
mod plan;
mod posts;
mod runs;
mod trace;
mod ways_out;
mod weather;
mod wire;
mod world;

use std::rc::Rc;

use tokio::task::LocalSet;

use self::plan::Plan;
pub use self::ways_out::{WaysOut, ways_out};
use self::world::World;

/// What came of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was found to be wrong; nothing when all is well.
    pub violations: Vec<String>,
    /// What happened, one line each, if that was asked for.
    pub trace: Vec<String>,
    /// What it took, for people who wonder what a world is made of.
    pub size: Size,
}

/// How much happened in a world.
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

/// Plays the world of a seed, and tells what is wrong with it.
///
/// # Panics
/// When the machine refuses a runtime or a database in memory.
pub fn run(seed: u64, trace: bool) -> Outcome {
    fastrand::seed(seed);
    let plan = Plan::draw();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let world = Rc::new(World::new(plan, trace).await);
        runs::live(&world).await;
        world.send_out(runs::settle);
        world.rest().await;
        checks::at_the_end(&world);
        world.outcome()
    })
}
