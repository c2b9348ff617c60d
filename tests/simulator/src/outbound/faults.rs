//! The faults of an outbound world: of the calls of AWS, of the requests to the shop, of the functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloud::embedded::{CallFault, CallPlan, Planner};
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, Transport, TransportError};
use world::in_process::{InProcess, SharedShop, lock};
use world::shop::Process;

use crate::assumptions::{Assumption, FalseAssumptions};
use crate::plan::{percent, pick};

/// Which faults a world has, and how often.
pub(super) struct Faults {
    over: AtomicBool,
    /// Of a thousand calls of AWS services.
    calls: u32,
    /// Of a hundred requests to the shop.
    requests: u32,
    /// Of a hundred entries of a `PutEvents`.
    pub(super) entries: u32,
    /// Of a hundred invocations, how many are killed.
    kills: u32,
}

impl Faults {
    pub(super) fn draw() -> Arc<Self> {
        Arc::new(Self {
            over: AtomicBool::new(false),
            calls: pick(&[0, 20, 120, 300]),
            requests: pick(&[0, 10, 40]),
            entries: pick(&[0, 5, 40]),
            kills: pick(&[0, 20, 50]),
        })
    }

    /// Ends all faults.
    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether the faults have ended.
    pub(super) fn are_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Plans the calls of AWS services.
    pub(super) fn planner(self: &Arc<Self>) -> Planner {
        use CallFault::{AnswerLost, Failed, NotSent, Throttled};
        let faults = self.clone();
        Arc::new(move |_| {
            let fails = !faults.are_over() && fastrand::u32(0..1_000) < faults.calls;
            let fault = fails.then(|| pick(&[Throttled, Failed, NotSent, AnswerLost, AnswerLost]));
            CallPlan { latency: Duration::from_millis(fastrand::u64(1..20)), fault }
        })
    }

    /// The await at which an invocation is killed.
    pub(super) fn killed_after(&self) -> u32 {
        let killed = !self.are_over() && percent(self.kills);
        if killed { fastrand::u32(0..1 << fastrand::u32(0..9)) } else { u32::MAX }
    }
}

/// The transport to the shop, with its faults.
pub(super) struct FaultyTransport {
    pub(super) network: Arc<InProcess>,
    pub(super) shop: SharedShop,
    /// What becomes of `process`: one of these for each request.
    pub(super) processes: Vec<Process>,
    pub(super) faults: Arc<Faults>,
}

/// What can become of `process` in a world.
pub(super) fn processes(falsehoods: &FalseAssumptions) -> Vec<Process> {
    let mut processes = vec![Process::Plain];
    for falsehood in falsehoods.iter() {
        let odd: &[Process] = match falsehood {
            Assumption::FalseSuccess => &[
                Process::NotDone(
                    "<br />\n<b>Fatal error</b>:  Call to a member function send() on null in x.php:12<br />\n",
                ),
                Process::NotDone(r#"{"status":"error","message":"The order could not be delivered"}"#),
                Process::NotDone("<?xml version=\"1.0\"?><errors><item>permission denied</item></errors>"),
                Process::NotDone("false"),
            ],
            Assumption::DoneAndRefused => &[Process::Refused(500), Process::Refused(409), Process::Refused(404)],
            Assumption::OddAnswers => {
                &[Process::Done("1"), Process::Done("OK"), Process::Done("{}"), Process::Done("")]
            }
            _ => continue,
        };
        processes.extend(odd);
    }
    processes
}

impl Transport for FaultyTransport {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let process = pick(&self.processes);
            lock(&self.shop).configure(|config| config.process = process);
            let refused = |status| HttpResponse {
                status,
                date: None,
                content_type: None,
                retry_after: None,
                location: None,
                body: "the shop cannot answer now".into(),
            };
            let fails = !self.faults.are_over() && percent(self.faults.requests);
            match fastrand::u32(0..6) {
                _ if !fails => self.network.send(request, timeout).await,
                0 => Err(TransportError::Connect { source: "nothing listens there".into() }),
                1 => Ok(refused(429)),
                2 => Ok(refused(500)),
                3 => {
                    drop(self.network.send(request, timeout).await);
                    Ok(refused(502))
                }
                4 => {
                    drop(self.network.send(request, timeout).await);
                    Err(TransportError::Cut)
                }
                // The client gives up; the request arrives up to a minute later.
                _ => {
                    let (shop, delay) = (self.network.clone(), Duration::from_millis(fastrand::u64(0..60_000)));
                    tokio::task::spawn_local(async move {
                        tokio::time::sleep(delay).await;
                        drop(shop.send(request, timeout).await);
                    });
                    Err(TransportError::Timeout)
                }
            }
        })
    }
}
