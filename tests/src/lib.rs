//! The harness of the integration tests: the functions' own code over the embedded DynamoDB, with a clock that tests
//! move and faults that they plan. No sockets, no real time: run tests with `#[tokio::test(start_paused = true)]`.

pub mod consumer;
pub mod programs;
mod shop_bench;
mod wire;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud::embedded::{CallFault, CallPlan, Embedded};
use connections::{ConnectionSource, ConnectionStore, Connections};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lambda_http::{Body, Request, Response};
use ledger::{
    Connection, ContentHash, Delivery, DeliveryOutcome, DocumentKey, Evidence, Ledger, NewRevision, Retention, Source,
};
use platform::{Clock, Deps, Metrics, Refusals};

pub use shop_bench::{ShopBench, shop_config};
pub use wire::{Trouble, Wire};

/// The namespace of the metrics in tests.
pub const METRICS_NAMESPACE: &str = "Tilaussilta/test";
/// The table's name in tests.
pub const TABLE: &str = "tilaussilta";
/// The shop's API key in [`CONNECTIONS`].
pub const SHOP_KEY: &str = "planted-shop-key-7731";
/// A push key of the shop in [`CONNECTIONS`].
pub const PUSH_KEY: &str = "planted push+key&ä";
/// The ERP's client secret in [`CONNECTIONS`].
pub const MANU_SECRET: &str = "planted-sälä-secret-5520";
/// One shop and one account, both named `acme`. The shop is at `http://acme.invalid`.
pub const CONNECTIONS: &str = r#"{
  "shops": { "acme": { "url": "http://acme.invalid", "key": "planted-shop-key-7731",
                       "push_keys": ["planted push+key&ä"], "start": "2026-03-01" } },
  "manu": { "acme": { "secrets": ["an older secret", "planted-sälä-secret-5520"], "language": "en" } }
}"#;

/// A clock that follows tokio's, from a given instant on: paused with it, and moved with it.
pub fn virtual_clock(start: Timestamp) -> Clock {
    let begun = tokio::time::Instant::now();
    Arc::new(move || start + begun.elapsed())
}

/// A database, a ledger on it, and what the functions need.
pub struct Bench {
    /// The engine.
    pub embedded: Embedded,
    /// A ledger whose calls meet no faults, to look at what the functions did.
    pub ledger: Ledger,
    /// What the functions work with; their calls meet the planned faults.
    pub deps: Deps,
    faults: Arc<Mutex<Vec<(String, CallFault)>>>,
    calls: Arc<AtomicU64>,
    counted: Captured,
}

/// What was written to a clone of this.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// All of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Bench {
    /// A new bench at 2026-03-02T08:00:00Z with [`CONNECTIONS`].
    pub async fn new() -> Self {
        let start = "2026-03-02T08:00:00Z".parse().expect("a time stamp");
        Self::with(start, Connections::parse(CONNECTIONS).expect("valid connections")).await
    }

    /// A new bench at a time with connections.
    pub async fn with(start: Timestamp, connections: Connections) -> Self {
        Self::over(Embedded::in_memory().expect("a database in memory"), start, connections).await
    }

    /// A bench over a database, which may hold a ledger already.
    pub async fn over(embedded: Embedded, start: Timestamp, connections: Connections) -> Self {
        let faults: Arc<Mutex<Vec<(String, CallFault)>>> = Arc::default();
        let planned = faults.clone();
        let calls: Arc<AtomicU64> = Arc::default();
        let counted_calls = calls.clone();
        let rng = Mutex::new(fastrand::Rng::with_seed(1));
        let client = platform::dynamodb_client(&embedded.config_with(Arc::new(move |operation| {
            counted_calls.fetch_add(1, Ordering::Relaxed);
            let mut planned = planned.lock().unwrap_or_else(PoisonError::into_inner);
            let next = planned.iter().position(|(of, _)| of == operation || of == "*");
            // Without a little time that differs between calls, writers that race would take turns.
            let latency_ms = rng.lock().unwrap_or_else(PoisonError::into_inner).u64(1..=9);
            CallPlan { latency: Duration::from_millis(latency_ms), fault: next.map(|index| planned.remove(index).1) }
        })));
        let looking = platform::dynamodb_client(&embedded.config());
        let counted = Captured::default();
        ledger::create_table(&looking, TABLE).await.expect("a table");
        let connections = ConnectionStore::open(ConnectionSource::Fixed(connections)).await.expect("connections");
        Self {
            embedded,
            ledger: Ledger::new(looking, TABLE, Retention::default()),
            deps: Deps {
                ledger: Ledger::new(client, TABLE, Retention::default()),
                connections: Arc::new(connections),
                clock: virtual_clock(start),
                metrics: Metrics::to(METRICS_NAMESPACE, counted.clone()),
                refusals: Refusals::default(),
            },
            faults,
            calls,
            counted,
        }
    }

    /// Plans a fault for the next `times` calls of an operation (`TransactWriteItems`), or of any (`*`).
    pub fn fail(&self, operation: &str, fault: CallFault, times: usize) {
        let planned = std::iter::repeat_n((operation.to_owned(), fault), times);
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(planned);
    }

    /// How many calls the functions have made to the table.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Forgets the planned faults that no call has met.
    pub fn heal(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Every item of the table, as DynamoDB's JSON, in the order of their keys.
    pub fn items(&self) -> Vec<serde_json::Value> {
        let (status, json) = self.embedded.answer("Scan", &format!(r#"{{"TableName":"{TABLE}"}}"#));
        assert_eq!(status, 200, "{json}");
        let answer: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert!(answer.get("LastEvaluatedKey").is_none(), "the table is larger than one scan");
        let mut items = answer["Items"].as_array().cloned().unwrap_or_default();
        // What a new table says of its index.
        items.retain(|item| item["pk"]["S"] != "arrivals");
        items.sort_by_key(|item| (item["pk"]["S"].to_string(), item["sk"]["S"].to_string()));
        items
    }

    /// The keys of every item but the logs', each as `pk sk`: what a test expects the ledger to hold.
    pub fn kept(&self) -> Vec<String> {
        let items = self.items().into_iter().filter_map(|item| {
            let (pk, sk) = (item["pk"]["S"].as_str()?, item["sk"]["S"].as_str()?);
            let is_log = ["log#", "refused#", "polls#"].iter().any(|log| pk.starts_with(log));
            (!is_log && !sk.starts_with("action#")).then(|| format!("{pk} {sk}"))
        });
        items.collect()
    }

    /// Today's delivery log of a connection, oldest first.
    pub async fn log(&self, connection: &Connection) -> Vec<Delivery> {
        let today = self.now().to_zoned(TimeZone::UTC).date();
        self.ledger.deliveries(connection, today).await.expect("the delivery log")
    }

    /// Asserts that a request of a genuine sender was turned away with `status` and left nothing in the ledger but one line in the log of
    /// `connection`.
    pub async fn assert_rejected(&self, connection: &Connection, status: u16) {
        assert_eq!(self.kept(), [""; 0], "nothing but the log line may be kept");
        let lines: Vec<_> = self.log(connection).await.iter().map(|line| (line.outcome, line.status)).collect();
        assert_eq!(lines, [(DeliveryOutcome::Rejected, status)]);
        assert_eq!(self.items().len(), 1, "the one line stands in the log of {connection}");
    }

    /// Asserts that one request of a stranger was refused and left nothing in the ledger; and that its count is there, for
    /// `reason` in the log of `connection`, when the next minute's first request has come.
    pub async fn assert_refused(&self, connection: &Connection, reason: &str) {
        assert_eq!(self.items(), [] as [serde_json::Value; 0], "a stranger writes nothing");
        for counted in ["\"Received\":1,\"Rejected\":1", &format!("\"Connection\":\"{connection}\"")] {
            assert!(self.counted().contains(counted), "{}", self.counted());
        }
        let minute = self.now();
        tokio::time::advance(Duration::from_secs(60)).await;
        self.order(post("/", &[], "")).await;
        // The entry is written in the background.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let refused = self.refused(connection).await;
        assert_eq!(refused, [(minute, reason.to_owned(), 1)]);
        assert_eq!(self.items().len(), 1, "the one entry is of {connection}");
    }

    /// The refused requests of today in the log of a connection: the minute, the reason and how many.
    pub async fn refused(&self, connection: &Connection) -> Vec<(Timestamp, String, u64)> {
        let today = self.now().to_zoned(TimeZone::UTC).date();
        let refused = self.ledger.refused(connection, today).await.expect("the refused requests");
        refused.into_iter().map(|refused| (refused.minute, refused.reason, refused.count)).collect()
    }

    /// Hands a request to `mycashflow-order`; gives the answer's status and text.
    pub async fn order(&self, request: Request) -> (u16, String) {
        text(&mycashflow_order::handle(&self.deps, request).await)
    }

    /// Hands a request to `manu-listener`; gives the answer's status and text.
    pub async fn manu(&self, request: Request) -> (u16, String) {
        text(&manu_listener::handle(&self.deps, request).await)
    }

    /// The lines that the functions would have written to standard output for CloudWatch.
    pub fn counted(&self) -> String {
        self.counted.text()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.deps.clock)()
    }
}

/// A document as somebody sent it: told for certain, received and recorded now.
pub fn message<'a>(document: &'a DocumentKey, body: &'a [u8], now: Timestamp) -> NewRevision<'a> {
    NewRevision {
        summary: None,
        document,
        source: Source::Push,
        observed_at: now,
        evidence: Evidence::Message,
        hash: ContentHash::of(body),
        body,
        content_type: "",
        now,
    }
}

/// A POST as the functions get it.
pub fn post(path_and_query: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Request {
    let mut request = http::Request::post(format!("https://function.invalid{path_and_query}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::Binary(body.into())).expect("a request")
}

/// An answer's status and text.
pub fn text(response: &Response<Body>) -> (u16, String) {
    (response.status().as_u16(), String::from_utf8_lossy(response.body().as_ref()).trim_end().to_owned())
}

/// The same as text: what a function URL takes for text, it hands over decoded.
pub fn as_text(request: Request) -> Request {
    request.map(|body| Body::Text(String::from_utf8_lossy(body.as_ref()).into_owned()))
}

/// A POST to `/manu/acme/WEBHOOK`, signed with [`MANU_SECRET`].
pub fn signed(webhook: &str, body: &str) -> Request {
    let code = manu::verify_code(body.as_bytes(), MANU_SECRET).to_string();
    post(&format!("/manu/acme/{webhook}"), &[(manu::HEADER, &code)], body)
}
