//! The harness of the integration tests: the functions' own code over the embedded DynamoDB, with a clock that tests
//! move and faults that they plan. No sockets, no real time: run tests with `#[tokio::test(start_paused = true)]`.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use lambda::{Clock, ConnectionSource, ConnectionStore, Connections, Deps};
use lambda_http::{Body, Request, Response};
use ledger::{Ledger, Retention};
use sandbox::embedded::{CallFault, CallPlan, Embedded};

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
  "manu": { "acme": { "secrets": ["an older secret", "planted-sälä-secret-5520"] } }
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
}

impl Bench {
    /// A new bench at 2026-03-02T08:00:00Z with [`CONNECTIONS`].
    pub async fn new() -> Self {
        let start = "2026-03-02T08:00:00Z".parse().expect("a time stamp");
        Self::with(start, Connections::parse(CONNECTIONS).expect("valid connections")).await
    }

    /// A new bench at a time with connections.
    pub async fn with(start: Timestamp, connections: Connections) -> Self {
        let embedded = Embedded::in_memory().expect("a database in memory");
        let faults: Arc<Mutex<Vec<(String, CallFault)>>> = Arc::default();
        let planned = faults.clone();
        let client = embedded.client_with(Arc::new(move |operation| {
            let mut planned = planned.lock().unwrap_or_else(PoisonError::into_inner);
            let next = planned.iter().position(|(of, _)| of == operation || of == "*");
            CallPlan { fault: next.map(|index| planned.remove(index).1), ..CallPlan::default() }
        }));
        let looking = embedded.client();
        ledger::create_table(&looking, TABLE).await.expect("a table");
        let connections = ConnectionStore::open(ConnectionSource::Fixed(connections)).await.expect("connections");
        Self {
            embedded,
            ledger: Ledger::new(looking, TABLE, Retention::default()),
            deps: Deps {
                ledger: Ledger::new(client, TABLE, Retention::default()),
                connections: Arc::new(connections),
                clock: virtual_clock(start),
            },
            faults,
        }
    }

    /// Plans a fault for the next `times` calls of an operation (`TransactWriteItems`), or of any (`*`).
    pub fn fail(&self, operation: &str, fault: CallFault, times: usize) {
        let planned = std::iter::repeat_n((operation.to_owned(), fault), times);
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(planned);
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
        items.sort_by_key(|item| (item["pk"]["S"].to_string(), item["sk"]["S"].to_string()));
        items
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.deps.clock)()
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
