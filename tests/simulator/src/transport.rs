//! The transport to the shop: its faults, and a record of what a run was shown and told.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, Text, Transport, TransportError};
use world::in_process::{SharedShop, lock};
use world::shop::{Breakage, ChangeStream, Charset, Count, Shop, ShopConfig, ShopRequest};

use super::faults::{Faults, ShopFault};
use super::model::Legible;
use super::trace::Trace;

/// How long an answer stays in a cache between the shop and the functions.
const CACHED: Duration = Duration::from_secs(120);

/// An order that an answer showed or told of.
#[derive(Clone, Debug)]
pub(super) struct Mentioned {
    pub(super) order: u64,
    pub(super) status: Text,
    pub(super) legible: Legible,
    pub(super) stream: Option<ChangeStream>,
    pub(super) asked_at: Timestamp,
}

/// What one run was shown and told.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// The orders of each answer that reached the run undamaged, in the order in which the answers came.
    pub(super) shown: Vec<Vec<Mentioned>>,
    /// How many of the answers the run was done with when it asked again: it records a page before it asks for the next.
    pub(super) taken_in: usize,
    /// Orders that an answer counted and did not show.
    pub(super) told: Vec<Mentioned>,
    /// Questions whose answers counted more orders than there are: the stream and the second.
    pub(super) overcounted: BTreeSet<(ChangeStream, i64)>,
    /// How many requests were made.
    pub(super) requests: usize,
    /// How many of them were made while the shop had asked to be left alone.
    pub(super) disobedient: u32,
    alone_until: Option<Timestamp>,
}

/// An answer of the shop, and what it mentions.
#[derive(Clone)]
pub(super) struct Exchange {
    response: HttpResponse,
    shown: Vec<Mentioned>,
    told: Vec<Mentioned>,
    question: Option<(ChangeStream, i64)>,
    overcounts: bool,
}

/// What is shared by the transports of all runs.
pub(super) struct Network {
    pub(super) shop: SharedShop,
    pub(super) config: ShopConfig,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: platform::Clock,
    pub(super) trace: Trace,
    /// Answers that are given again to the same question, where there is a cache.
    pub(super) cache: Option<Mutex<HashMap<String, (Timestamp, Exchange)>>>,
}

/// One run's transport to the shop.
pub(super) struct FaultyTransport {
    pub(super) run: String,
    pub(super) network: Arc<Network>,
    pub(super) pages: Arc<Mutex<Pages>>,
}

impl Transport for FaultyTransport {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let network = &*self.network;
            let asked_at = (network.clock)();
            self.pages().begin(asked_at);
            let fault = network.faults.shop_fault();
            let exchange = match fault {
                Some(ShopFault::NotSent) => Err(TransportError::Connect { source: "nothing listens there".into() }),
                _ => tokio::time::timeout(timeout, network.exchange(&request, asked_at))
                    .await
                    .map_err(|_| TransportError::Timeout),
            };
            let exchange = match fault {
                None => exchange,
                Some(fault) => play(fault, exchange, timeout).await,
            };
            network.trace.note(|| {
                let answer = match &exchange {
                    Ok(Exchange { response, shown, .. }) => {
                        format!("{}, {} orders, {} bytes", response.status, shown.len(), response.body.len())
                    }
                    Err(error) => error.to_string(),
                };
                let fault = fault.map_or(String::new(), |fault| format!("[{fault:?}]"));
                format!("{}: {} -> {answer} {fault}", self.run, question(&request))
            });
            let exchange = exchange?;
            let response = exchange.response.clone();
            self.pages().end((network.clock)(), exchange);
            Ok(response)
        })
    }
}

impl FaultyTransport {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn begin(&mut self, now: Timestamp) {
        self.requests += 1;
        self.taken_in = self.shown.len();
        self.disobedient += u32::from(self.alone_until.is_some_and(|until| now < until));
    }

    fn end(&mut self, now: Timestamp, exchange: Exchange) {
        let Exchange { response, shown, told, question, overcounts } = exchange;
        if let Some(after) = response.retry_after {
            self.alone_until = self.alone_until.max(Some(now + after));
        }
        if response.status == 200 {
            self.shown.push(shown);
            self.told.extend(told);
            if let Some((stream, after)) = question {
                if overcounts {
                    self.overcounted.insert((stream, after));
                } else {
                    self.overcounted.retain(|(of, from)| *of != stream || *from < after);
                }
            }
        }
    }
}

impl Network {
    /// The exchange as it is without a fault.
    async fn exchange(&self, request: &HttpRequest, asked_at: Timestamp) -> Exchange {
        let (there, back) = self.faults.shop_latency();
        tokio::time::sleep(there).await;
        let exchange = match &self.cache {
            Some(cache) if !self.faults.are_over() => {
                let (now, url) = ((self.clock)(), request.url.to_string());
                let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
                cache.retain(|_, (at, _)| now.duration_since(*at).unsigned_abs() < CACHED);
                let answer = || (now, self.answer(request, asked_at));
                cache.entry(url).or_insert_with(answer).1.clone()
            }
            _ => self.answer(request, asked_at),
        };
        tokio::time::sleep(back).await;
        exchange
    }

    fn answer(&self, request: &HttpRequest, asked_at: Timestamp) -> Exchange {
        let (mut shop, now) = (lock(&self.shop), (self.clock)());
        let form = request.form.as_deref();
        let answer = shop.handle(
            now,
            &ShopRequest {
                method: request.method.as_str(),
                path: request.url.path(),
                query: request.url.query().unwrap_or(""),
                content_type: form.map(|_| "application/x-www-form-urlencoded"),
                body: form.unwrap_or("").as_bytes(),
            },
        );
        let question = changes_question(request);
        let mention = |order: &mycashflow::Order, shop: &Shop| Mentioned {
            order: order.id,
            status: order.status.clone().unwrap_or_default(),
            legible: legible(shop.breakage(order.id), self.config.charset),
            stream: question.map(|(stream, _)| stream),
            asked_at,
        };
        let shown: Vec<Mentioned> = answer.orders.iter().map(|order| mention(order, &shop)).collect();
        let mut told = Vec::new();
        let counts = self.config.time_to && matches!(self.config.count, Count::Whole | Count::More(_));
        if let Some((stream, after)) = question.filter(|_| counts && answer.status == 200) {
            let on_the_page: BTreeSet<u64> = shown.iter().map(|shown| shown.order).collect();
            let result = shop.result_of(now, stream, after).into_iter().map(|(_, order)| order);
            let left_out = result.filter(|order| !on_the_page.contains(order));
            told = left_out.filter_map(|order| Some(mention(&shop.visible(order)?, &shop))).collect();
        }
        let overcounts = self.config.time_to && matches!(self.config.count, Count::More(_));
        let response = HttpResponse {
            status: answer.status,
            date: answer.date,
            content_type: Some(answer.content_type.to_owned()),
            retry_after: answer.retry_after,
            location: None,
            body: answer.body.into(),
        };
        Exchange { response, shown, told, question, overcounts }
    }
}

/// The stream and the second that a request for `changes` asks for.
fn changes_question(request: &HttpRequest) -> Option<(ChangeStream, i64)> {
    request.url.query_pairs().find_map(|(name, value)| {
        let stream = match &*name {
            "created_after_ts" => ChangeStream::Created,
            "updated_after_ts" => ChangeStream::Updated,
            _ => return None,
        };
        Some((stream, value.parse().ok()?))
    })
}

/// Whether the functions can read an order whose XML is broken so.
fn legible(breakage: Option<Breakage>, charset: Charset) -> Legible {
    match breakage {
        None => Legible::Yes,
        Some(Breakage::Value | Breakage::Syntax | Breakage::Id) => Legible::No,
        // Any byte is a letter in ISO-8859-1.
        Some(Breakage::Byte) if charset == Charset::Latin1InHeader => Legible::Maybe,
        Some(Breakage::Byte) => Legible::No,
        Some(Breakage::Time(_)) => Legible::Maybe,
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

/// What a fault leaves of an answer. A damaged answer shows nothing and tells of nothing.
async fn play(
    fault: ShopFault,
    exchange: Result<Exchange, TransportError>,
    timeout: Duration,
) -> Result<Exchange, TransportError> {
    let exchange = exchange?;
    let mut response = exchange.response;
    let mut overcounts = false;
    match fault {
        ShopFault::NotSent => {}
        ShopFault::AnswerLost => {
            tokio::time::sleep(timeout).await;
            return Err(TransportError::Timeout);
        }
        ShopFault::Cut => return Err(TransportError::Cut),
        ShopFault::Status(status) => {
            response.status = status;
            response.body = "the shop cannot answer now".into();
        }
        ShopFault::RetryAfter(status, seconds) => {
            response.status = status;
            response.retry_after = Some(Duration::from_secs(seconds));
            response.body = "the shop wants to be left alone".into();
        }
        ShopFault::Html => response.body = "<!doctype html>\n<title>Huoltokatko</title>\n".into(),
        ShopFault::Empty => response.body = "".into(),
        ShopFault::ErrorDocument => response.body = "<error>the shop cannot answer now</error>".into(),
        ShopFault::EmptyPage => {
            response.body = "<Orders time_from=\"0\" time_to=\"0\" orders=\"7\"></Orders>".into();
            overcounts = true;
        }
        ShopFault::Half => response.body.truncate(response.body.len() / 2),
    }
    let question = exchange.question.filter(|_| overcounts);
    Ok(Exchange { response, shown: Vec::new(), told: Vec::new(), question, overcounts })
}
