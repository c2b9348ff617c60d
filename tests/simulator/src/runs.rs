//! The schedule of the poller and the faults of its runs.

use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use changes_poller::{Event, OVERLAP_SECONDS, PollerDeps, ShopReport, Stopped};
use mycashflow::RetryPolicy;
use tokio::time::Instant;

use super::model::Observation;
use super::plan::{percent, pick};
use super::simulation::Simulation;
use super::transport::{FaultyTransport, Pages};
use super::{invariants, workload};

/// The time that Lambda gives a run.
const TIME_LIMIT: Duration = Duration::from_secs(300);
/// The most runs that quiescence may take until a run finds nothing.
const LAST_RUNS: u32 = 60;

/// The fault of a run.
#[derive(Clone, Copy, Debug)]
struct RunFault {
    /// Lambda's limit: the run is killed then.
    limit: Duration,
    /// It is killed at an await, the so-manyeth.
    killed_after: Option<u32>,
    /// It freezes at an await, the so-manyeth, for so long; a frozen run is not killed at its limit.
    frozen: Option<(u32, Duration)>,
}

impl RunFault {
    fn none() -> Self {
        Self { limit: TIME_LIMIT, killed_after: None, frozen: None }
    }

    fn draw(run_faults: u32) -> Self {
        // Evenly over the orders of magnitude: most runs have few awaits, some have very many.
        let at = || 1 << fastrand::u32(0..10);
        let polls = || fastrand::u32(0..at());
        match fastrand::u32(0..3) {
            _ if !percent(run_faults) => Self::none(),
            0 => Self { limit: Duration::from_secs(fastrand::u64(6..60)), ..Self::none() },
            1 => Self { killed_after: Some(polls()), ..Self::none() },
            _ => {
                let pause = Duration::from_secs(fastrand::u64(1..900));
                Self {
                    limit: pick(&[Duration::from_secs(20), TIME_LIMIT]),
                    frozen: Some((polls(), pause)),
                    killed_after: None,
                }
            }
        }
    }
}

/// The workload, with a run of the poller at every interval.
pub(super) async fn run(sim: &Rc<Simulation>) {
    workload::history(sim);
    sim.spawn_with(workload::run);
    sim.spawn_with(workload::churn);
    let end = Instant::now() + sim.plan.length;
    while Instant::now() < end {
        let fault = RunFault::draw(sim.plan.run_faults);
        sim.spawn_with(|sim| async move { drop(run(&sim, fault).await) });
        if percent(sim.plan.run_faults / 2) {
            let fault = RunFault::draw(sim.plan.run_faults);
            let pause = Duration::from_millis(fastrand::u64(0..20_000));
            sim.spawn_with(|sim| async move {
                tokio::time::sleep(pause).await;
                run(&sim, fault).await;
            });
        }
        tokio::time::sleep(sim.plan.poll_every).await;
    }
    sim.join_all().await;
}

/// Quiescence: no faults, nothing new, and runs until one finds nothing.
pub(super) async fn quiesce(sim: Rc<Simulation>) {
    sim.faults.stop();
    sim.trace.note(|| "quiescence begins".to_owned());
    tokio::time::sleep(Duration::from_secs(OVERLAP_SECONDS.unsigned_abs())).await;
    let mut quiet = 0;
    for _ in 0..LAST_RUNS {
        match run(&sim, RunFault::none()).await {
            Some(report) if found_nothing(&report) => quiet += 1,
            _ => quiet = 0,
        }
        if quiet == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    sim.violation(format!("after {LAST_RUNS} runs without a fault there is still something to find"));
}

fn found_nothing(report: &ShopReport) -> bool {
    let found = report.new + report.updated + report.stale + report.quarantined;
    report.stopped == Stopped::CaughtUp && found == 0
}

/// One run of the poller; its report, unless it was killed.
async fn run(sim: &Rc<Simulation>, fault: RunFault) -> Option<ShopReport> {
    let name = sim.name("run");
    sim.trace.note(|| format!("{name}: begins, {fault:?}"));
    let pages: Arc<Mutex<Pages>> = Arc::default();
    let wire = FaultyTransport {
        run: name.clone(),
        shop: sim.way.clone(),
        faults: sim.faults.clone(),
        clock: sim.clock.clone(),
        trace: sim.trace.clone(),
        dated: sim.plan.dated,
        pages: pages.clone(),
    };
    let deps = PollerDeps {
        base: sim.deps.clone(),
        transport: Arc::new(wire),
        policy: RetryPolicy::default(),
        progress: None,
    };
    let deadline = Instant::now() + fault.limit;
    let event = Event::Poll { shop: None };
    let polling = changes_poller::handle(&deps, &event, &name, deadline);
    let result = match fault.frozen {
        Some((polls, pause)) => Some(freeze(polls, pause, polling).await),
        None => {
            let killed = after_polls(fault.killed_after.unwrap_or(u32::MAX), polling);
            tokio::time::timeout_at(deadline, killed).await.ok().flatten()
        }
    };
    let report = result.map(|answer| answer.expect("an event of a known shop").shops.remove(0));
    sim.trace.note(|| match &report {
        Some(report) => format!("{name}: ends, {}", shown(report)),
        None => format!("{name}: killed"),
    });
    remember(sim, &pages.lock().unwrap_or_else(PoisonError::into_inner), report.as_ref());
    invariants::after_a_run(sim, &name);
    report
}

/// Notes what a run was shown and must therefore have kept: the pages it was done with. The last one counts if the run
/// ended by itself for another reason than a failure, which may have been the ledger's.
fn remember(sim: &Simulation, pages: &Pages, report: Option<&ShopReport>) {
    let finished = report.is_some_and(|report| report.stopped != Stopped::Failed);
    let kept = if finished { pages.shown.len() } else { pages.taken_in };
    let ended_at = sim.now();
    let mut model = sim.model.borrow_mut();
    model.runs += 1;
    model.requests += pages.requests;
    for page in &pages.shown[..kept] {
        for (order, hash) in model.read(&page.body).unwrap_or_default() {
            model.observations.push(Observation { order, hash, asked_at: page.asked_at, ended_at });
        }
    }
}

fn shown(report: &ShopReport) -> String {
    let position = |cursor: Option<changes_poller::CursorReport>| cursor.map_or(0, |cursor| cursor.position);
    format!(
        "{:?}: {} pages, {} orders, {} new, {} updated, {} unchanged, {} stale, {} quarantined, {} gaps, at {} and {}{}",
        report.stopped,
        report.pages,
        report.orders,
        report.new,
        report.updated,
        report.unchanged,
        report.stale,
        report.quarantined,
        report.gaps_open,
        position(report.created_cursor),
        position(report.updated_cursor),
        report.failure.as_ref().map_or(String::new(), |failure| format!(": {failure}")),
    )
}

/// A future's output, unless it takes more polls than this: then it is dropped where it stands, as a killed process is.
pub(super) async fn after_polls<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// A future that stands still for a while after so many polls, and then continues.
async fn freeze<F: Future>(polls: u32, pause: Duration, future: F) -> F::Output {
    let mut future = pin!(future);
    match after_polls(polls, future.as_mut()).await {
        Some(output) => output,
        None => {
            tokio::time::sleep(pause).await;
            future.await
        }
    }
}
