//! The faults of the calls to the shop and to the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloud::embedded::{CallFault, CallPlan, Planner};
use tokio::time::Instant;

use super::assumptions::Assumption;
use super::plan::{Plan, percent, pick};
use super::trace::Trace;

/// Every way in which a shop fails that keeps to the assumptions.
const FAULTS: [ShopFault; 11] = [
    ShopFault::NotSent,
    ShopFault::AnswerLost,
    ShopFault::Cut,
    ShopFault::Status(429),
    ShopFault::Status(500),
    ShopFault::Status(503),
    ShopFault::Status(404),
    ShopFault::Html,
    ShopFault::Empty,
    ShopFault::ErrorDocument,
    ShopFault::Half,
];

/// The faults of a simulated world, until quiescence.
#[derive(Debug)]
pub(super) struct Faults {
    over: AtomicBool,
    begun: Instant,
    outage: Option<(u64, u64)>,
    outage_fault: ShopFault,
    shop_faults: u32,
    /// The ways in which this shop fails.
    kinds: Vec<ShopFault>,
    ledger_faults: u32,
    slow: bool,
}

/// What goes wrong with a request to the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShopFault {
    /// No connection: the request never arrives.
    NotSent,
    /// The request arrives, and its answer never does.
    AnswerLost,
    /// The connection breaks within the answer.
    Cut,
    /// This status and a line of text.
    Status(u16),
    /// The same with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// Status 200 and a page of HTML.
    Html,
    /// Status 200 and nothing.
    Empty,
    /// Status 200 and an `<error>` document.
    ErrorDocument,
    /// Status 200 and `<Orders>` without orders, which counts some.
    EmptyPage,
    /// Status 200, with the second half of the answer missing.
    Half,
}

impl Faults {
    pub(super) fn new(plan: &Plan) -> Arc<Self> {
        let (shop_faults, ledger_faults) = (plan.shop_faults, plan.ledger_faults);
        let outage_fault = pick(&FAULTS);
        let kinds = kinds(plan);
        Arc::new(Self {
            over: AtomicBool::new(false),
            begun: Instant::now(),
            outage: plan.outage,
            outage_fault,
            kinds,
            shop_faults,
            ledger_faults,
            slow: plan.slow,
        })
    }

    /// Ends all faults: quiescence.
    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether the faults have ended.
    pub(super) fn are_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The fault of the next request to the shop.
    pub(super) fn shop_fault(&self) -> Option<ShopFault> {
        if self.are_over() {
            return None;
        }
        let seconds = self.begun.elapsed().as_secs();
        if self.outage.is_some_and(|(from, until)| (from..until).contains(&seconds)) {
            return Some(self.outage_fault);
        }
        percent(self.shop_faults).then(|| pick(&self.kinds))
    }

    /// How long a request to the shop takes there, and its answer back.
    pub(super) fn shop_latency(&self) -> (Duration, Duration) {
        let upper = if self.are_over() {
            400
        } else if self.slow {
            14_000
        } else if percent(4) {
            20_000
        } else {
            400
        };
        (Duration::from_millis(fastrand::u64(1..upper)), Duration::from_millis(fastrand::u64(1..upper)))
    }

    /// Of a thousand calls to the ledger, how many fail now: most of them, for a minute of every half hour.
    fn ledger_fault_rate(&self) -> u32 {
        let burst = self.ledger_faults > 0 && self.begun.elapsed().as_secs() % 1_800 < 60;
        if burst { 700 } else { self.ledger_faults }
    }

    /// Plans the calls to the ledger.
    pub(super) fn planner(self: &Arc<Self>, trace: Trace) -> Planner {
        use CallFault::{AnswerLost, Conflict, Failed, NotSent, Throttled};
        let faults = Arc::clone(self);
        Arc::new(move |operation| {
            let fails = !faults.are_over() && fastrand::u32(0..1_000) < faults.ledger_fault_rate();
            let fault = fails.then(|| pick(&[Throttled, Failed, NotSent, AnswerLost, AnswerLost, Conflict]));
            if let Some(fault) = fault {
                trace.note(|| format!("ledger: {operation}: {fault:?}"));
            }
            CallPlan { latency: Duration::from_millis(fastrand::u64(1..12)), fault }
        })
    }
}

/// The ways in which a shop fails: those that break an assumption are as frequent as all others.
fn kinds(plan: &Plan) -> Vec<ShopFault> {
    let mut kinds = FAULTS.to_vec();
    for falsehood in plan.falsehoods.iter() {
        let odd: &[ShopFault] = match falsehood {
            Assumption::EmptyWithCount => &[ShopFault::EmptyPage],
            Assumption::Firewall => &[ShopFault::Status(403)],
            Assumption::Moved => &[ShopFault::Status(301)],
            Assumption::RetryAfter => &[
                ShopFault::RetryAfter(429, 2),
                ShopFault::RetryAfter(503, 90),
                ShopFault::RetryAfter(429, 3_600),
                ShopFault::RetryAfter(503, 90_000),
            ],
            _ => continue,
        };
        kinds.extend(odd.iter().cycle().take(FAULTS.len()));
    }
    kinds
}
