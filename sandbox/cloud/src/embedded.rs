//! The embedded DynamoDB: a real engine behind the SDK's real client, in this process.
//!
//! The SDK serialises its requests, signs them and reads the answers as it does against AWS; only the wire is missing.
//! What the wire can do to a call (delay it, lose its answer, turn it away) is a [`CallPlan`], so that tests can inject
//! it at every call without sockets or real time.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedAsyncSleep, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use dynoxide::errors::DynoxideError;
use dynoxide::{Database, ImportOptions, Result as EngineResult};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reads::Reads;

/// An embedded DynamoDB, in memory or in a file. Clones share the data.
#[derive(Clone)]
pub struct Embedded {
    database: Database,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallPlan {
    /// How long the call takes.
    pub latency: Duration,
    /// What goes wrong with it.
    pub fault: Option<CallFault>,
}

/// What a client of an endpoint on this machine is made from, over plain HTTP.
pub fn remote_config(endpoint: &str) -> aws_config::SdkConfig {
    sdk_config(endpoint, aws_smithy_http_client::Builder::new().build_http())
}

/// What a client is made from whose calls `answer` gets: the operation and its JSON; it gives the status and the answer's
/// JSON.
pub fn answered_config(answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> aws_config::SdkConfig {
    wired_config(answer, Arc::new(|_| CallPlan::default()))
}

/// What every client of this machine's endpoints is made from, with credentials that none of them looks at.
fn sdk_config(endpoint: &str, http: impl HttpClient + 'static) -> aws_config::SdkConfig {
    aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "sandbox", "sandbox", None, None, "sandbox",
        )))
        .http_client(http)
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}

/// What a client is made from whose calls `answer` gets: the operation and its JSON; it gives the status and the
/// answer's JSON. Each call meets its plan on the way.
pub(crate) fn wired_config(
    answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    planner: Planner,
) -> aws_config::SdkConfig {
    let connector = SharedHttpConnector::new(Connector { answer: Arc::new(answer), planner });
    sdk_config("http://embedded.invalid", http_client_fn(move |_, _| connector.clone()))
}

/// What can go wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// `ThrottlingException`; nothing is done.
    Throttled,
    /// Status 500; nothing is done.
    Failed,
    /// The connection fails before the request arrives.
    NotSent,
    /// The call is done, and its answer is lost.
    AnswerLost,
    /// A transaction is cancelled for a conflict; nothing is done. Other calls are throttled.
    Conflict,
    /// A transaction is cancelled because one of its parts was throttled; nothing is done. Other calls are throttled.
    PartThrottled,
    /// The same, by the table's limit and not the account's.
    PartOverLimit,
}

impl CallFault {
    /// The code of the reason for which a transaction is cancelled (DynamoDB API reference, `CancellationReason`).
    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Conflict => Some("TransactionConflict"),
            Self::PartThrottled => Some("ThrottlingError"),
            Self::PartOverLimit => Some("ProvisionedThroughputExceeded"),
            Self::Throttled | Self::Failed | Self::NotSent | Self::AnswerLost => None,
        }
    }
}

/// Decides what happens to each call, by its operation (`PutItem`).
pub type Planner = Arc<dyn Fn(&str) -> CallPlan + Send + Sync>;

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}

impl Embedded {
    /// A database that lives as long as this value and its clones.
    ///
    /// # Errors
    /// When SQLite cannot open a database in memory.
    pub fn in_memory() -> EngineResult<Self> {
        Ok(Self { database: Database::memory()? })
    }

    /// A database in a file, made when there is none. What was acknowledged survives a killed process.
    ///
    /// # Errors
    /// When the file cannot be opened or is no such database.
    pub fn in_file(path: &Path) -> EngineResult<Self> {
        let database = Database::new(&path.to_string_lossy())?;
        // For each record of a stream the engine looks for the highest sequence number among all that there ever were. Without
        // an index on what it compares, 100,000 orders would take hours.
        rusqlite::Connection::open(path)?.execute_batch(
            "CREATE INDEX IF NOT EXISTS stream_positions
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
        )?;
        Ok(Self { database })
    }

    /// What the SDK's client of it is made from.
    pub fn config(&self) -> aws_config::SdkConfig {
        self.config_with(Arc::new(|_| CallPlan::default()))
    }

    /// What the SDK's client of it is made from, with a plan for every call.
    pub fn config_with(&self, planner: Planner) -> aws_config::SdkConfig {
        let engine = self.clone();
        wired_config(move |operation, body| engine.answer(operation, body), planner)
    }

    /// What the SDK's client of it is made from, with its reads counted.
    pub fn counted_config(&self, reads: &Reads) -> aws_config::SdkConfig {
        let reads = reads.clone();
        let note = move |operation: &str, request: &str, answer: &str| reads.note(operation, request, answer);
        self.watched_config(note, Arc::new(|_| CallPlan::default()))
    }

    /// What the SDK's client of it is made from, with a plan for every call. `watch` gets each call that was done: the
    /// operation, its JSON and the answer's.
    pub fn watched_config(
        &self,
        watch: impl Fn(&str, &str, &str) + Send + Sync + 'static,
        planner: Planner,
    ) -> aws_config::SdkConfig {
        let engine = self.clone();
        let answer = move |operation: &str, body: &str| {
            let answer = engine.answer(operation, body);
            watch(operation, body, &answer.1);
            answer
        };
        wired_config(answer, planner)
    }

    /// Puts items into a table, each in DynamoDB's JSON, faster than any call does and without a record in its stream: for
    /// tests that need a large ledger.
    ///
    /// # Errors
    /// When an item is none, or there is no such table. Then none of them is in it.
    pub fn fill(&self, table: &str, items: Vec<serde_json::Value>) -> EngineResult<()> {
        let refused = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
        let items = items.into_iter().map(serde_json::from_value).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        self.database.import_items(table, items, ImportOptions::default()).map(drop)
    }

    /// Answers one request of the DynamoDB API: the operation and its JSON. Gives the status and the answer's JSON.
    pub fn answer(&self, operation: &str, body: &str) -> (u16, String) {
        match self.run(operation, body) {
            Ok(json) => (200, json),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    fn run(&self, operation: &str, body: &str) -> EngineResult<String> {
        let db = &self.database;
        match operation {
            "CreateTable" => run(body, |request| db.create_table(request)),
            "DescribeTable" => run(body, |request| db.describe_table(request)),
            "UpdateTable" => run(body, |request| db.update_table(request)),
            "DeleteTable" => run(body, |request| db.delete_table(request)),
            "ListTables" => run(body, |request| db.list_tables(request)),
            "UpdateTimeToLive" => run(body, |request| db.update_time_to_live(request)),
            "DescribeTimeToLive" => run(body, |request| db.describe_time_to_live(request)),
            "GetItem" => run(body, |request| db.get_item(request)),
            "PutItem" => run(body, |request| db.put_item(request)),
            "UpdateItem" => run(body, |request| db.update_item(request)),
            "DeleteItem" => run(body, |request| db.delete_item(request)),
            "BatchGetItem" => run(body, |request| db.batch_get_item(request)),
            "BatchWriteItem" => run(body, |request| db.batch_write_item(request)),
            "Query" => run(body, |request| db.query(request)),
            "Scan" => run(body, |request| db.scan(request)),
            "TransactWriteItems" => run(body, |request| db.transact_write_items(request)),
            "TransactGetItems" => run(body, |request| db.transact_get_items(request)),
            "ListStreams" => run(body, |request| db.list_streams(request)),
            "DescribeStream" => run(body, |request| db.describe_stream(request)),
            "GetShardIterator" => run(body, |request| db.get_shard_iterator(request)),
            "GetRecords" => run(body, |request| db.get_records(request)),
            other => Err(DynoxideError::ValidationException(format!("the sandbox does not serve {other}"))),
        }
    }
}

fn run<Q: DeserializeOwned, A: Serialize>(body: &str, call: impl FnOnce(Q) -> EngineResult<A>) -> EngineResult<String> {
    let refused = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let request = serde_json::from_str(body).map_err(refused)?;
    serde_json::to_string(&call(request)?).map_err(refused)
}

/// Answers an operation's JSON with a status and JSON.
type Answerer = dyn Fn(&str, &str) -> (u16, String) + Send + Sync;

/// The wire that is not there.
struct Connector {
    answer: Arc<Answerer>,
    planner: Planner,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let plan = (self.planner)(&operation);
        let answer = Arc::clone(&self.answer);
        HttpConnectorFuture::new(async move {
            if !plan.latency.is_zero() {
                tokio::time::sleep(plan.latency).await;
            }
            let refused = |kind: &str| format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}"}}"#);
            let (status, json) = match plan.fault {
                Some(CallFault::NotSent) => return Err(ConnectorError::io("the connection was refused".into())),
                Some(CallFault::Failed) => (500, refused("InternalServerError")),
                Some(fault) if operation == "TransactWriteItems" && fault.reason().is_some() => {
                    (400, cancelled(&body, fault.reason().unwrap_or_default()))
                }
                Some(
                    CallFault::Throttled | CallFault::Conflict | CallFault::PartThrottled | CallFault::PartOverLimit,
                ) => (400, refused("ThrottlingException")),
                None | Some(CallFault::AnswerLost) => answer(&operation, &body),
            };
            if plan.fault == Some(CallFault::AnswerLost) {
                return Err(ConnectorError::io("the connection was reset".into()));
            }
            let status = status.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(json));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        })
    }
}

/// The answer to a transaction that is cancelled for a reason: every item's, the first one's that reason.
fn cancelled(body: &str, reason: &str) -> String {
    let request: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let items = request["TransactItems"].as_array().map_or(1, Vec::len);
    let reasons: Vec<_> = (0..items)
        .map(|index| match index {
            0 => serde_json::json!({ "Code": reason, "Message": "it passes" }),
            _ => serde_json::json!({ "Code": "None" }),
        })
        .collect();
    serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{reason}]"),
        "CancellationReasons": reasons,
    })
    .to_string()
}
