//! The services of AWS at one endpoint, and what is counted of what they are asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embedded::Embedded;
use crate::messaging::Messaging;

/// DynamoDB, EventBridge, SQS and Secrets Manager, told apart by the header `X-Amz-Target`. Clones share all of it.
#[derive(Clone)]
pub struct Cloud {
    /// DynamoDB.
    pub embedded: Embedded,
    /// The bus and the queues.
    pub messaging: Messaging,
    /// Gives the text of every secret, read at each call: the connections document. None: there is no secret.
    pub secret: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// What is counted.
    pub metering: Metering,
    /// What was asked so far.
    pub seen: Arc<Mutex<Seen>>,
}

/// What a cloud counts, and how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metering {
    /// Whether calls are counted at all.
    pub counted: bool,
    /// Whether DynamoDB is asked what each call consumes. It costs time, so only where nothing is timed.
    pub units: bool,
    /// How long AWS takes for each call beyond what this machine does.
    pub delay: Duration,
}

/// A call of AWS or of a shop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The header `X-Amz-Target`, of a call to AWS.
    pub target: Option<String>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}

/// What was asked since [`Cloud::take_seen`] was called last.
#[derive(Debug, Default, Serialize)]
pub struct Seen {
    /// How often each operation of AWS and of the shops was called, and what it consumed.
    operations: BTreeMap<String, Operation>,
    /// The calls themselves, while they are recorded.
    calls: Vec<Call>,
    #[serde(skip)]
    recording: bool,
}

#[derive(Debug, Default, Serialize)]
struct Operation {
    calls: u64,
    /// What DynamoDB says that it consumed, when metered: write units of a write, read units of a read.
    units: f64,
}

impl Cloud {
    /// A cloud that counts nothing and takes no time of its own.
    pub fn new(
        embedded: Embedded,
        messaging: Messaging,
        secret: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::default();
        Self { embedded, messaging, secret: Arc::new(secret), metering: Metering::default(), seen }
    }

    /// Answers a call of AWS: the status, the answer's JSON, and the version of its protocol.
    pub async fn answer(&self, call: Call) -> (u16, String, &'static str) {
        if !self.metering.delay.is_zero() {
            tokio::time::sleep(self.metering.delay).await;
        }
        let target = call.target.clone().unwrap_or_default();
        let (service, operation) = target.rsplit_once('.').unwrap_or_default();
        let ((status, json), version) = match service {
            "secretsmanager" => (self.secrets_manager(operation), "1.1"),
            "AWSEvents" => (self.messaging.answer(operation, &call.body), "1.1"),
            "AmazonSQS" => (self.messaging.answer_in_time(operation, &call.body).await, "1.0"),
            _ => (self.dynamodb(operation, &call.body), "1.0"),
        };
        let units = if self.metering.units { consumed(&json) } else { 0.0 };
        self.note(operation, units, call);
        (status, json, version)
    }

    /// Counts a call that another part of this machine answered.
    pub fn note(&self, operation: &str, units: f64, call: Call) {
        if !self.metering.counted {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = seen.operations.entry(operation.to_owned()).or_default();
        counted.calls += 1;
        counted.units += units;
        if seen.recording {
            seen.calls.push(call);
        }
    }

    /// What was asked since the last time; from now on, the calls themselves are kept if `recording`.
    pub fn take_seen(&self, recording: bool) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, Seen { recording, ..Seen::default() })
    }

    fn secrets_manager(&self, operation: &str) -> (u16, String) {
        let refused = |kind: &str, message: &str| (400, json!({ "__type": kind, "message": message }).to_string());
        match ((self.secret)(), operation) {
            (Some(secret), "GetSecretValue") => {
                (200, json!({ "Name": "connections", "SecretString": secret }).to_string())
            }
            (None, "GetSecretValue") => refused("ResourceNotFoundException", "the sandbox has no secret"),
            (_, other) => refused("InvalidRequestException", &format!("the sandbox does not serve {other}")),
        }
    }

    /// The embedded engine keeps every transaction's token for ten minutes and becomes slower with their number. AWS
    /// does not, so the token of a counted call is left out: no transaction is repeated while calls are counted.
    fn dynamodb(&self, operation: &str, body: &str) -> (u16, String) {
        let change = self.metering.units || self.metering.counted && operation == "TransactWriteItems";
        let Some(mut request) = change.then(|| serde_json::from_str::<Value>(body).ok()).flatten() else {
            return self.embedded.answer(operation, body);
        };
        if let Value::Object(request) = &mut request {
            request.remove("ClientRequestToken");
            if self.metering.units {
                request.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
            }
        }
        self.embedded.answer(operation, &request.to_string())
    }
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
