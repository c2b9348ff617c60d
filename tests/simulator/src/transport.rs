//! The transport to the shop: its faults, and a record of every page that a run was shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, Transport, TransportError};
use world::in_process::InProcess;

use super::faults::{Faults, ShopFault};
use super::trace::Trace;

/// A page that reached a run.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) asked_at: Timestamp,
    pub(super) body: Vec<u8>,
}

/// The pages that one run was shown.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// In the order they came.
    pub(super) shown: Vec<Shown>,
    /// How many of them the run was done with when it asked for the next one: it records a page before it asks for the next.
    pub(super) taken_in: usize,
    /// How many requests were made.
    pub(super) requests: usize,
}

/// One run's transport to the shop.
pub(super) struct FaultyTransport {
    pub(super) run: String,
    pub(super) shop: Arc<InProcess>,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: platform::Clock,
    pub(super) trace: Trace,
    pub(super) dated: bool,
    pub(super) pages: Arc<Mutex<Pages>>,
}

impl Transport for FaultyTransport {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let asked_at = (self.clock)();
            let question = question(&request);
            {
                let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
                pages.requests += 1;
                pages.taken_in = pages.shown.len();
            }
            let fault = self.faults.shop_fault();
            let answer = match fault {
                Some(ShopFault::NotSent) => Err(TransportError::Connect { source: "nothing listens there".into() }),
                _ => self.shop.send(request, timeout).await,
            };
            let answer = match fault {
                None => answer,
                Some(fault) => play(fault, answer, timeout).await,
            };
            self.trace.note(|| {
                let answer = match &answer {
                    Ok(answer) => format!("{}, {} bytes", answer.status, answer.body.len()),
                    Err(error) => error.to_string(),
                };
                format!("{}: {question} -> {answer} {}", self.run, fault.map_or(String::new(), |f| format!("[{f:?}]")))
            });
            let mut answer = answer?;
            if !self.dated {
                answer.date = None;
            }
            if answer.status == 200 {
                let shown = Shown { asked_at, body: answer.body.to_vec() };
                self.pages.lock().unwrap_or_else(PoisonError::into_inner).shown.push(shown);
            }
            Ok(answer)
        })
    }
}

/// The question without its key.
fn question(request: &HttpRequest) -> String {
    let of = |name: &str| {
        request.url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    };
    for name in ["created_after_ts", "updated_after_ts", "order"] {
        let values: Vec<String> = of(name);
        if let [value] = &values[..] {
            return format!("{name}={value}");
        }
    }
    let ids: Vec<String> = of("order_ids[]");
    format!("order_ids={}..{} ({})", ids.first().map_or("", |id| id), ids.last().map_or("", |id| id), ids.len())
}

/// What a fault leaves of an answer.
async fn play(
    fault: ShopFault,
    answer: Result<HttpResponse, TransportError>,
    timeout: Duration,
) -> Result<HttpResponse, TransportError> {
    let mut answer = answer?;
    match fault {
        ShopFault::NotSent => {}
        ShopFault::AnswerLost => {
            tokio::time::sleep(timeout).await;
            return Err(TransportError::Timeout);
        }
        ShopFault::Cut => return Err(TransportError::Cut),
        ShopFault::Status(status) => {
            answer.status = status;
            answer.body = "the shop cannot answer now".into();
        }
        ShopFault::Html => answer.body = "<!doctype html>\n<title>Huoltokatko</title>\n".into(),
        ShopFault::Empty => answer.body = "".into(),
        ShopFault::ErrorDocument => answer.body = "<error>the shop cannot answer now</error>".into(),
        ShopFault::Half => answer.body.truncate(answer.body.len() / 2),
    }
    Ok(answer)
}
