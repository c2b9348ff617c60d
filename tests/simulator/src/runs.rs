//! The schedule of the poller and the faults of its runs.

use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use changes_poller::{PollRequest, PollerDeps};
use mycashflow::RetryPolicy;
use poll::{CursorReport, OVERLAP_SECONDS, ShopReport, Stopped};
use tokio::time::Instant;

use super::assumptions::Assumption;
use super::model::Observation;
use super::plan::{Plan, percent, pick};
use super::simulation::{SHOP, START_BEFORE, Simulation};
use super::transport::{FaultyTransport, Mentioned, Pages};
use super::{deviations, invariants, workload};

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

    fn draw(plan: &Plan) -> Self {
        // Evenly over the orders of magnitude: most runs have few awaits, some have very many.
        let at = || 1 << fastrand::u32(0..10);
        let polls = || fastrand::u32(0..at());
        match fastrand::u32(0..3) {
            _ if !percent(plan.run_faults) => Self::none(),
            0 => Self { limit: Duration::from_secs(fastrand::u64(6..60)), ..Self::none() },
            1 => Self { killed_after: Some(polls()), ..Self::none() },
            _ => {
                // An answer that waits longer than the overlap arrives when no other question shows its time again.
                let slow = plan.falsehoods.contains(Assumption::SlowAnswers);
                let pause = Duration::from_secs(fastrand::u64(if slow { 600..3_000 } else { 1..900 }));
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
pub(super) async fn schedule(sim: &Rc<Simulation>) {
    workload::history(sim);
    sim.spawn_with(workload::run);
    sim.spawn_with(workload::churn);
    sim.spawn_with(deviations::change_clock);
    let end = Instant::now() + sim.plan.length;
    while Instant::now() < end {
        let fault = RunFault::draw(&sim.plan);
        sim.spawn_with(|sim| async move { drop(poll(&sim, fault).await) });
        if percent(sim.plan.run_faults / 2) {
            let fault = RunFault::draw(&sim.plan);
            let pause = Duration::from_millis(fastrand::u64(0..20_000));
            sim.spawn_with(|sim| async move {
                tokio::time::sleep(pause).await;
                poll(&sim, fault).await;
            });
        }
        tokio::time::sleep(sim.plan.poll_every).await;
    }
    sim.join_all().await;
}

/// Quiescence: no faults, nothing new, and runs until some in a row find nothing.
pub(super) async fn quiesce(sim: Rc<Simulation>) {
    sim.faults.stop();
    deviations::stop(&sim);
    sim.trace.note(|| "quiescence begins".to_owned());
    tokio::time::sleep(Duration::from_secs(OVERLAP_SECONDS.unsigned_abs())).await;
    let mut quiet = 0;
    // That the shop no longer has an order is believed after several runs.
    let enough = if sim.model.borrow().deleted.is_empty() { 2 } else { 4 };
    for _ in 0..LAST_RUNS {
        match poll(&sim, RunFault::none()).await {
            Some(report) if found_nothing(&sim, &report) => quiet += 1,
            _ => quiet = 0,
        }
        if quiet == enough {
            return backfill(&sim).await;
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    sim.violation(format!("after {LAST_RUNS} runs without a fault there is still something to find"));
}

/// Whether a run found nothing new. One that fails may be the last one only where something is rightly owed.
fn found_nothing(sim: &Simulation, report: &ShopReport) -> bool {
    let found = report.new + report.updated + report.stale + report.quarantined;
    let may_fail = sim.plan.falsehoods.may_stay_owed();
    found == 0 && (report.stopped == Stopped::CaughtUp || (may_fail && report.stopped == Stopped::Failed))
}

/// A backfill of a shop that does not go back so far must say so.
async fn backfill(sim: &Rc<Simulation>) {
    if !sim.plan.falsehoods.contains(Assumption::SixtyDays) {
        return;
    }
    let created_after = (sim.plan.begin - START_BEFORE).as_second();
    let event = PollRequest::Backfill { shop: SHOP.to_owned(), created_after, dry_run: false };
    let report = invoke(sim, &event, RunFault::none()).await;
    if report.is_some_and(|report| report.failure.is_none() && report.gaps_open == 0) {
        sim.violation("a backfill from before the shop's history ends as if it were whole".to_owned());
    }
}

/// One scheduled run of the poller; its report, unless it was killed.
async fn poll(sim: &Rc<Simulation>, fault: RunFault) -> Option<ShopReport> {
    invoke(sim, &PollRequest::Poll { shop: None }, fault).await
}

/// One invocation of the poller; its report, unless it was killed.
async fn invoke(sim: &Rc<Simulation>, event: &PollRequest, fault: RunFault) -> Option<ShopReport> {
    let name = sim.name("run");
    sim.trace.note(|| format!("{name}: begins, {fault:?}"));
    let pages: Arc<Mutex<Pages>> = Arc::default();
    let transport = FaultyTransport { run: name.clone(), network: sim.network.clone(), pages: pages.clone() };
    let deps = PollerDeps { base: sim.deps.clone(), transport: Arc::new(transport), policy: RetryPolicy::default() };
    let deadline = Instant::now() + fault.limit;
    let polling = changes_poller::handle(&deps, event, &name, deadline);
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
    let pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
    remember(sim, &pages, report.as_ref());
    let polled = report.as_ref().filter(|_| matches!(event, PollRequest::Poll { .. }));
    invariants::after_a_run(sim, &name, &pages, polled);
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
    for shown in pages.shown[..kept].iter().flatten() {
        let Mentioned { order, status, legible, asked_at, .. } = shown.clone();
        model.observations.push(Observation { order, status, legible, asked_at, ended_at });
    }
}

fn shown(report: &ShopReport) -> String {
    let position = |cursor: Option<CursorReport>| cursor.map_or(0, |cursor| cursor.position);
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
