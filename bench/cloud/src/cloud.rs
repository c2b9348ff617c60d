//! What the make-believe cloud answers, and what it counts of what it was asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::{Json, http::header};
use bench_cloud::Call;
use http::StatusCode;
use sandbox::embedded::Embedded;
use sandbox::messaging::Messaging;
use sandbox::world::World;
use serde::Serialize;
use serde_json::{Value, json};

/// No request of a function or a peer is larger.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// DynamoDB, Secrets Manager, EventBridge, SQS and the shops, on one port as an SDK's endpoint.
pub(crate) struct Cloud {
    pub(crate) embedded: Embedded,
    pub(crate) messaging: Messaging,
    pub(crate) world: World,
    /// The text of every secret: the connections document.
    pub(crate) secret: String,
    /// Whether DynamoDB is asked what each call consumes. It costs time, so only where nothing is timed.
    pub(crate) metered: bool,
    /// How long AWS takes for each call beyond what this machine does.
    pub(crate) delay: Duration,
    pub(crate) seen: Mutex<Seen>,
}

/// What was asked since [`Cloud::take_seen`] was called last.
#[derive(Default, Serialize)]
pub(crate) struct Seen {
    /// How often each operation of AWS and of the shops was called, and what it consumed.
    operations: BTreeMap<String, Operation>,
    /// The calls themselves, while they are recorded.
    calls: Vec<Call>,
    #[serde(skip)]
    recording: bool,
}

#[derive(Default, Serialize)]
struct Operation {
    calls: u64,
    /// What DynamoDB says that it consumed, when metered: write units of a write, read units of a read.
    units: f64,
}

impl Cloud {
    /// Answers a request to AWS, to a shop, or for [`Seen`].
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let body = String::from_utf8_lossy(&body);
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let call = Call {
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            target: text("x-amz-target"),
            content_type: text("content-type"),
            body: body.into_owned(),
        };
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
        if path == "/seen" {
            return Json(self.take_seen(query == "record")).into_response();
        }
        match &call.target {
            Some(target) => {
                if !self.delay.is_zero() {
                    tokio::time::sleep(self.delay).await;
                }
                let (operation, units, response) = self.aws(target, &call.body);
                self.note(&operation, units, call);
                response
            }
            None => {
                let content_type = call.content_type.as_deref();
                let answer = self.world.answer(&call.method, path, query, content_type, call.body.as_bytes());
                let Some(answer) = answer else { return StatusCode::NOT_FOUND.into_response() };
                self.note("a request to the shop", 0.0, call);
                let date = httpdate::fmt_http_date(answer.date.into());
                let head = [(header::CONTENT_TYPE, answer.content_type.to_owned()), (header::DATE, date)];
                (status(answer.status), head, answer.body).into_response()
            }
        }
    }

    /// The operation, the units it consumed, and the answer.
    fn aws(&self, target: &str, body: &str) -> (String, f64, Response) {
        let (service, operation) = target.rsplit_once('.').unwrap_or_default();
        let ((code, answer), version) = match service {
            "secretsmanager" => {
                ((200, json!({ "Name": "connections", "SecretString": self.secret }).to_string()), "1.1")
            }
            "AWSEvents" => (self.messaging.answer(operation, body), "1.1"),
            "AmazonSQS" => (self.messaging.answer(operation, body), "1.0"),
            _ => (self.dynamodb(operation, body), "1.0"),
        };
        let units = if self.metered { consumed(&answer) } else { 0.0 };
        let head = [(header::CONTENT_TYPE, format!("application/x-amz-json-{version}"))];
        (operation.to_owned(), units, (status(code), head, answer).into_response())
    }

    /// The embedded engine keeps every transaction's token for ten minutes and becomes slower with their number. AWS
    /// does not, so the token is left out: nobody here repeats a transaction.
    fn dynamodb(&self, operation: &str, body: &str) -> (u16, String) {
        let change = self.metered || operation == "TransactWriteItems";
        let Some(mut request) = change.then(|| serde_json::from_str::<Value>(body).ok()).flatten() else {
            return self.embedded.answer(operation, body);
        };
        if let Value::Object(request) = &mut request {
            request.remove("ClientRequestToken");
            if self.metered {
                request.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
            }
        }
        self.embedded.answer(operation, &request.to_string())
    }

    fn note(&self, operation: &str, units: f64, call: Call) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = seen.operations.entry(operation.to_owned()).or_default();
        counted.calls += 1;
        counted.units += units;
        if seen.recording {
            seen.calls.push(call);
        }
    }

    fn take_seen(&self, recording: bool) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, Seen { recording, ..Seen::default() })
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The units in an answer's `ConsumedCapacity`, which is one object or a list of them.
fn consumed(answer: &str) -> f64 {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let units = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or(0.0);
    match &answer["ConsumedCapacity"] {
        Value::Array(all) => all.iter().map(units).sum(),
        one => units(one),
    }
}
