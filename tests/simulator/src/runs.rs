//! The schedule of the poller, and what becomes of its runs.

use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use changes_poller::{Event, PollerDeps};
use mycashflow::RetryPolicy;
use poll::{CursorReport, OVERLAP_SECONDS, ShopReport, Stopped};
use tokio::time::Instant;

use super::chronicle::Sighting;
use super::plan::{percent, pick};
use super::wire::{Pages, Wire};
use super::world::World;
use super::{checks, life};

/// The time that Lambda gives a run.
const TIME_LIMIT: Duration = Duration::from_secs(300);
/// Runs after the dust has settled, within which nothing new may be left.
const LAST_RUNS: u32 = 60;

/// What befalls a run.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// Lambda's limit: the run is killed then.
    limit: Duration,
    /// It is killed at an await, the so-manyeth.
    killed_after: Option<u32>,
    /// It freezes at an await, the so-manyeth, for so long; a frozen run is not killed at its limit.
    frozen: Option<(u32, Duration)>,
}

impl Fate {
    fn none() -> Self {
        Self { limit: TIME_LIMIT, killed_after: None, frozen: None }
    }

    fn draw(mishaps: u32) -> Self {
        // Evenly over the orders of magnitude: most runs have few awaits, some have very many.
        let at = || 1 << fastrand::u32(0..10);
        let polls = || fastrand::u32(0..at());
        match fastrand::u32(0..3) {
            _ if !percent(mishaps) => Self::none(),
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

/// The time in which things happen.
pub(super) async fn live(world: &Rc<World>) {
    life::history(world);
    world.send_out(life::live);
    world.send_out(life::bustle);
    let end = Instant::now() + world.plan.length;
    while Instant::now() < end {
        let fate = Fate::draw(world.plan.mishaps);
        world.send_out(|world| async move { drop(run(&world, fate).await) });
        if percent(world.plan.mishaps / 2) {
            let fate = Fate::draw(world.plan.mishaps);
            let pause = Duration::from_millis(fastrand::u64(0..20_000));
            world.send_out(|world| async move {
                tokio::time::sleep(pause).await;
                run(&world, fate).await;
            });
        }
        tokio::time::sleep(world.plan.poll_every).await;
    }
    world.rest().await;
}

/// Lets the dust settle: no faults, nothing new, and runs until there is nothing left to find.
pub(super) async fn settle(world: Rc<World>) {
    world.weather.calm_down();
    world.trace.note(|| "the dust settles".to_owned());
    tokio::time::sleep(Duration::from_secs(OVERLAP_SECONDS.unsigned_abs())).await;
    let mut quiet = 0;
    for _ in 0..LAST_RUNS {
        match run(&world, Fate::none()).await {
            Some(report) if found_nothing(&report) => quiet += 1,
            _ => quiet = 0,
        }
        if quiet == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    world.violation(format!("after {LAST_RUNS} runs without a fault there is still something to find"));
}

fn found_nothing(report: &ShopReport) -> bool {
    let found = report.new + report.updated + report.stale + report.quarantined;
    report.stopped == Stopped::CaughtUp && found == 0
}

/// One run of the poller; its report, unless it was killed.
async fn run(world: &Rc<World>, fate: Fate) -> Option<ShopReport> {
    let name = world.name("run");
    world.trace.note(|| format!("{name}: begins, {fate:?}"));
    let pages: Arc<Mutex<Pages>> = Arc::default();
    let wire = Wire {
        run: name.clone(),
        shop: world.way.clone(),
        weather: world.weather.clone(),
        clock: world.clock.clone(),
        trace: world.trace.clone(),
        dated: world.plan.dated,
        pages: pages.clone(),
    };
    let deps = PollerDeps { base: world.deps.clone(), transport: Arc::new(wire), policy: RetryPolicy::default() };
    let deadline = Instant::now() + fate.limit;
    let event = Event::Poll { shop: None };
    let polling = changes_poller::handle(&deps, &event, &name, deadline);
    let result = match fate.frozen {
        Some((polls, pause)) => Some(freeze(polls, pause, polling).await),
        None => {
            let killed = after_polls(fate.killed_after.unwrap_or(u32::MAX), polling);
            tokio::time::timeout_at(deadline, killed).await.ok().flatten()
        }
    };
    let report = result.map(|answer| answer.expect("an event of a known shop").shops.remove(0));
    world.trace.note(|| match &report {
        Some(report) => format!("{name}: ends, {}", shown(report)),
        None => format!("{name}: killed"),
    });
    remember(world, &pages.lock().unwrap_or_else(PoisonError::into_inner), report.as_ref());
    checks::after_a_run(world, &name);
    report
}

/// Notes what a run was shown and must therefore have kept: the pages it was done with. The last one counts if the run
/// ended by itself for another reason than a failure, which may have been the ledger's.
fn remember(world: &World, pages: &Pages, report: Option<&ShopReport>) {
    let finished = report.is_some_and(|report| report.stopped != Stopped::Failed);
    let kept = if finished { pages.shown.len() } else { pages.taken_in };
    let ended_at = world.now();
    let mut chronicle = world.chronicle.borrow_mut();
    chronicle.runs += 1;
    chronicle.requests += pages.requests;
    for page in &pages.shown[..kept] {
        for (order, hash) in chronicle.read(&page.body).unwrap_or_default() {
            chronicle.sightings.push(Sighting { order, hash, asked_at: page.asked_at, ended_at });
        }
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

/// A future that stands still for a while after so many polls, and then goes on as if nothing had been.
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
