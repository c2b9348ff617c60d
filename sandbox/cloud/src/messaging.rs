//! The event bus and the queues: as much of EventBridge and SQS as the functions and people call here, in memory.
//!
//! Both answer the SDK's real requests. What `PutEvents` takes goes to the bus's rules, and is kept for tests or written
//! to a file, a line of JSON for each event, in the form in which EventBridge hands it to a rule's target. An event's
//! detail keeps its text, so that no number loses a digit. Nothing outlives the process: see [`crate::mappings`] for what
//! makes up for it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::Clock;
use crate::bus::{PublishedEvent, bus_name, detail_of, entry_bytes};
use crate::embedded::{CallPlan, Planner, wired_config};
use crate::queues::{Queues, Receiving};
use crate::rules::{Refusal, Rules, bus_arn, queue_arn};

/// The name of the bus.
pub const BUS: &str = "tilaussilta";
/// The queue of messages for `shop-actions`.
pub const ACTIONS: &str = "tilaussilta-actions";
/// Where goes what `shop-actions` cannot do.
pub const ACTIONS_DEAD_LETTERS: &str = "tilaussilta-actions-dead-letters";
/// Where goes what `event-relay` cannot publish.
pub const EVENT_DEAD_LETTERS: &str = "tilaussilta-event-dead-letters";
/// The queue of events for endpoints outside AWS. No rule leads to it here.
pub const WEBHOOKS: &str = "tilaussilta-webhooks";
/// Where goes what no endpoint accepts.
pub const WEBHOOK_DEAD_LETTERS: &str = "tilaussilta-webhook-dead-letters";

/// How long a message that was received stays hidden, as in `template.yaml`.
pub const VISIBILITY: SignedDuration = SignedDuration::from_secs(720);
/// How often a message is received before SQS itself moves it to the dead letters, as in `template.yaml`.
pub const MAX_RECEIVES: u32 = 8;
/// What the entries of a request may take, by the AWS Compute Blog's "More room to build" (2026-01-29).
const MAX_REQUEST_BYTES: usize = 1024 * 1024;
/// The longest that SQS looks for messages in one call (SQS API reference, `ReceiveMessage`).
const MAX_WAIT: Duration = Duration::from_secs(20);

/// The bus and the queues. Clones share them.
#[derive(Clone)]
pub struct Messaging {
    state: Arc<Mutex<State>>,
    /// Told whenever something was sent.
    sent: Arc<Notify>,
    clock: Clock,
}

/// Decides whether the bus refuses an entry: the error code, if it does.
type Refuse = Box<dyn FnMut(&Value) -> Option<&'static str> + Send>;

#[derive(Default)]
struct State {
    /// The names of the buses that there are.
    buses: BTreeSet<String>,
    /// The published events' JSON.
    events: Vec<String>,
    file: Option<File>,
    listeners: Vec<mpsc::UnboundedSender<String>>,
    refuse: Option<Refuse>,
    request_limit_bytes: Option<usize>,
    request_refusal: Option<&'static str>,
    rules: Rules,
    queues: Queues,
    numbers: u64,
}

/// A message in a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Its text.
    pub body: String,
    /// Its attributes, as SQS's JSON.
    pub attributes: Map<String, Value>,
    /// When it was sent.
    pub sent_at: Timestamp,
    pub(crate) visible_at: Timestamp,
    pub(crate) receives: u32,
    pub(crate) server: u64,
}

impl Message {
    /// How often it was received.
    pub fn receives(&self) -> u32 {
        self.receives
    }

    /// A text attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?["StringValue"].as_str()
    }
}

impl Messaging {
    /// A bus without events, which it will keep, and empty queues.
    pub fn new(clock: Clock) -> Self {
        let state = State { buses: [BUS.to_owned()].into(), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), sent: Arc::default(), clock }
    }

    /// The JSON of every event that is published from now on.
    pub fn listen(&self) -> mpsc::UnboundedReceiver<String> {
        let (listener, events) = mpsc::unbounded_channel();
        self.lock().listeners.push(listener);
        events
    }

    /// Appends every published event to a file instead of keeping it.
    pub fn write_events_to(&self, file: File) {
        self.lock().file = Some(file);
    }

    /// Lets `refuse` decide over every entry from now on.
    pub fn refuse(&self, refuse: impl FnMut(&Value) -> Option<&'static str> + Send + 'static) {
        self.lock().refuse = Some(Box::new(refuse));
    }

    /// Refuses every request whose entries take more than this, as EventBridge counts them.
    pub fn limit_requests(&self, bytes: usize) {
        self.lock().request_limit_bytes = Some(bytes);
    }

    /// Refuses every request to the bus as a whole, with this error code.
    pub fn refuse_requests(&self, code: &'static str) {
        self.lock().request_refusal = Some(code);
    }

    /// Refuses nothing any more that the real bus takes.
    pub fn heal(&self) {
        let mut state = self.lock();
        (state.refuse, state.request_limit_bytes, state.request_refusal) = (None, None, None);
    }

    /// The events published so far, unless they go to a file. Numbers that `f64` cannot hold lose digits here: see
    /// [`Self::event_texts`].
    pub fn events(&self) -> Vec<Value> {
        self.lock().events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
    }

    /// The JSON of the events published so far, unless they go to a file.
    pub fn event_texts(&self) -> Vec<String> {
        self.lock().events.clone()
    }

    /// The messages in a queue, hidden ones too.
    pub fn messages(&self, queue: &str) -> Vec<Message> {
        self.lock().queues.messages(queue)
    }

    /// Puts a message into a queue.
    pub fn send(&self, queue: &str, body: impl Into<String>) {
        let now = (self.clock)();
        self.lock().queues.send(queue, body.into(), Map::new(), now);
        self.sent.notify_waiters();
    }

    /// Takes a message out of a queue.
    pub fn remove(&self, queue: &str, id: &str) {
        self.lock().queues.keep(queue, |message| message.id != id);
    }

    /// What Lambda would hand to a function from a queue: up to `most` visible messages as an SQS event.
    pub fn receive_event(&self, queue: &str, most: usize) -> Option<Value> {
        let how = Receiving { most, hidden: VISIBILITY, server: None };
        let messages = self.lock().queues.receive(queue, &how, (self.clock)());
        let records = messages.iter().map(|message| {
            json!({
                "messageId": message.id, "receiptHandle": message.id, "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.receives.to_string(),
                    "SentTimestamp": message.sent_at.as_millisecond().to_string(),
                },
                "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-north-1",
                "eventSourceARN": queue_arn(queue),
            })
        });
        (!messages.is_empty()).then(|| json!({ "Records": records.collect::<Vec<_>>() }))
    }

    /// Removes an event's messages, but for those that the function's answer reports as failed.
    pub fn settle(&self, queue: &str, event: &Value, answer: &Value) {
        let failed: Vec<&Value> =
            answer["batchItemFailures"].as_array().into_iter().flatten().map(|one| &one["itemIdentifier"]).collect();
        let records = event["Records"].as_array().into_iter().flatten().map(|record| &record["messageId"]);
        let done: Vec<&str> = records.filter(|id| !failed.contains(id)).filter_map(Value::as_str).collect();
        self.lock().queues.keep(queue, |message| !done.contains(&message.id.as_str()));
    }

    /// A client of EventBridge.
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        self.eventbridge_with(Arc::new(|_| CallPlan::default()))
    }

    /// A client of EventBridge, with a plan for every call.
    pub fn eventbridge_with(&self, planner: Planner) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config(planner))
    }

    /// A client of SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        self.sqs_with(Arc::new(|_| CallPlan::default()))
    }

    /// A client of SQS, with a plan for every call.
    pub fn sqs_with(&self, planner: Planner) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config(planner))
    }

    fn config(&self, planner: Planner) -> aws_config::SdkConfig {
        let messaging = self.clone();
        wired_config(move |operation, body| messaging.answer(operation, body), planner)
    }

    /// Answers one request of EventBridge or SQS: the operation and its JSON. Gives the status and the answer's JSON.
    pub fn answer(&self, operation: &str, body: &str) -> (u16, String) {
        let Ok(request) = serde_json::from_str::<Value>(body) else {
            return refused("SerializationException", "the request is not JSON");
        };
        let now = (self.clock)();
        let answered = match operation {
            "PutEvents" => self.lock().put_events(&request, now),
            _ if operation.ends_with("EventBus") => self.lock().answer_of_a_bus(operation, bus_name(&request["Name"])),
            "PutRule" | "DeleteRule" | "ListRules" | "PutTargets" | "RemoveTargets" => {
                self.lock().answer_of_a_rule(operation, &request)
            }
            _ => self.lock().queues.answer(operation, &request, now),
        };
        if matches!(operation, "PutEvents" | "SendMessage") {
            self.sent.notify_waiters();
        }
        match answered {
            Ok(json) => (200, json.to_string()),
            Err((kind, message)) => refused(kind, &message),
        }
    }

    /// As [`Self::answer`], but a `ReceiveMessage` that may wait does so until there is a message.
    pub async fn answer_in_time(&self, operation: &str, body: &str) -> (u16, String) {
        let until = Instant::now() + wait_of(operation, body);
        loop {
            let sent = self.sent.notified();
            tokio::pin!(sent);
            // From here on, whatever is sent is noticed.
            sent.as_mut().enable();
            let answer = self.answer(operation, body);
            let is_empty = answer.1 == r#"{"Messages":[]}"#;
            if !is_empty || timeout_at(until, sent).await.is_err() {
                return answer;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put_events(&mut self, request: &Value, now: Timestamp) -> Result<Value, Refusal> {
        let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(code) = self.request_refusal {
            return Err((code, "refused by the sandbox".to_owned()));
        }
        let limit = self.request_limit_bytes.unwrap_or(MAX_REQUEST_BYTES);
        if entries.is_empty() || entries.len() > 10 || entries.iter().map(entry_bytes).sum::<usize>() > limit {
            let why = "1 to 10 entries, and no more in all than the bus takes";
            return Err(("ValidationException", why.to_owned()));
        }
        let results: Vec<Value> = entries.iter().map(|entry| self.publish(entry, now)).collect();
        let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }

    fn publish(&mut self, entry: &Value, now: Timestamp) -> Value {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let failed = |code: &str| json!({ "ErrorCode": code, "ErrorMessage": "refused by the sandbox" });
        if let Some(code) = self.refuse.as_mut().and_then(|refuse| refuse(entry)) {
            return failed(code);
        }
        let Some(detail) = detail_of(text("Detail")) else {
            return failed("MalformedDetail");
        };
        let (source, detail_type) = (text("Source"), text("DetailType"));
        if source.is_empty() || detail_type.is_empty() {
            return failed("InvalidArgument");
        }
        self.numbers += 1;
        let id = format!("{:08x}-0000-4000-8000-000000000000", self.numbers);
        // So does AWS: the answer is that of a published event (aws/aws-cli#9186).
        let bus = bus_name(&entry["EventBusName"]);
        if !self.buses.contains(bus) {
            return json!({ "EventId": id });
        }
        let time = entry["Time"].as_f64().and_then(|second| Timestamp::from_second(second as i64).ok()).unwrap_or(now);
        let event = PublishedEvent::new(&id, source, detail_type, time, &detail);
        let Ok(event) = serde_json::to_string(&event) else {
            return failed("InternalFailure");
        };
        let described = json!({ "source": source, "detail-type": detail_type, "account": "000000000000" });
        for (rule, queue) in self.rules.targets_of(bus, described, detail.get()) {
            if self.queues.takes_from_rule(&queue, &rule) {
                self.queues.send(&queue, event.clone(), Map::new(), now);
            }
        }
        self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
        match &mut self.file {
            // A line that cannot be written is not an event that was not published; whoever reads the file sees it.
            Some(file) => drop(writeln!(file, "{event}")),
            None => self.events.push(event),
        }
        json!({ "EventId": id })
    }

    /// Answers `DescribeEventBus`, `CreateEventBus` and `DeleteEventBus`.
    fn answer_of_a_bus(&mut self, operation: &str, name: &str) -> Result<Value, Refusal> {
        match operation {
            "DescribeEventBus" => {
                self.require_bus(name)?;
                Ok(json!({ "Arn": bus_arn(name), "Name": name }))
            }
            "CreateEventBus" if !self.buses.insert(name.to_owned()) => {
                Err(("ResourceAlreadyExistsException", format!("Event bus {name} already exists.")))
            }
            "CreateEventBus" => Ok(json!({ "EventBusArn": bus_arn(name) })),
            // A bus that is not there is deleted without an error.
            "DeleteEventBus" => {
                self.buses.remove(name);
                Ok(json!({}))
            }
            other => Err(("UnsupportedOperation", format!("the sandbox does not serve {other}"))),
        }
    }

    fn answer_of_a_rule(&mut self, operation: &str, request: &Value) -> Result<Value, Refusal> {
        let bus = bus_name(&request["EventBusName"]);
        self.require_bus(bus)?;
        self.rules.answer(operation, bus, request)
    }

    fn require_bus(&self, name: &str) -> Result<(), Refusal> {
        match self.buses.contains(name) {
            true => Ok(()),
            false => Err(("ResourceNotFoundException", format!("Event bus {name} does not exist."))),
        }
    }
}

/// How long a call may wait for messages.
fn wait_of(operation: &str, body: &str) -> Duration {
    if operation != "ReceiveMessage" {
        return Duration::ZERO;
    }
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    Duration::from_secs(request["WaitTimeSeconds"].as_u64().unwrap_or(0)).min(MAX_WAIT)
}

/// The URL of a queue. The SDK sends its calls to its endpoint, so only the last part is ever read.
pub fn queue_url(queue: &str) -> String {
    format!("http://embedded.invalid/000000000000/{queue}")
}

fn refused(kind: &str, message: &str) -> (u16, String) {
    (400, json!({ "__type": kind, "message": message }).to_string())
}
