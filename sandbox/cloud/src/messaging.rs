//! The event bus and the queues: as much of EventBridge and SQS as the functions and people call here, in memory.
//!
//! Both answer the SDK's real requests. What `PutEvents` takes goes to the bus's rules, and is kept for tests or written
//! to a file, a line of JSON for each event, in the form in which EventBridge hands it to a rule's target. An event's
//! detail keeps its text, so that no number loses a digit. Nothing outlives the process: see [`crate::mappings`] for what
//! makes up for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::Clock;
use crate::bus::{PublishedEvent, bus_name, detail_of, entry_bytes};
use crate::embedded::{CallPlan, Planner, wired_config};

/// The name of the bus.
pub const BUS: &str = "tilaussilta";
/// The queue of messages for `shop-actions`.
pub const ACTIONS: &str = "tilaussilta-actions";
/// Where goes what `shop-actions` cannot do.
pub const ACTIONS_DEAD_LETTERS: &str = "tilaussilta-actions-dead-letters";
/// Where goes what `event-relay` cannot publish.
pub const EVENT_DEAD_LETTERS: &str = "tilaussilta-event-dead-letters";

/// How long a message that was received stays hidden, as in `template.yaml`.
pub const VISIBILITY: SignedDuration = SignedDuration::from_secs(720);
/// How often a message is received before SQS itself moves it to the dead letters, as in `template.yaml`.
pub const MAX_RECEIVES: u32 = 8;
/// What the entries of a request may take, by the AWS Compute Blog's "More room to build" (2026-01-29).
const MAX_REQUEST_BYTES: usize = 1024 * 1024;
/// The servers over which SQS spreads a queue. A short poll asks some of them, here one after the other.
const SERVERS: u64 = 2;

/// The bus and the queues. Clones share them.
#[derive(Clone)]
pub struct Messaging {
    state: Arc<Mutex<State>>,
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
    refuse: Option<Refuse>,
    request_limit_bytes: Option<usize>,
    request_refusal: Option<&'static str>,
    queues: BTreeMap<String, VecDeque<Message>>,
    numbers: u64,
    short_polls: u64,
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
    visible_at: Timestamp,
    receives: u32,
    server: u64,
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
        Self { state: Arc::new(Mutex::new(state)), clock }
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
        self.lock().queues.get(queue).into_iter().flatten().cloned().collect()
    }

    /// Puts a message into a queue.
    pub fn send(&self, queue: &str, body: impl Into<String>) {
        let now = (self.clock)();
        self.lock().send(queue, body.into(), Map::new(), now);
    }

    /// Takes a message out of a queue.
    pub fn remove(&self, queue: &str, id: &str) {
        if let Some(messages) = self.lock().queues.get_mut(queue) {
            messages.retain(|message| message.id != id);
        }
    }

    /// What Lambda would hand to a function from a queue: up to `most` visible messages as an SQS event.
    pub fn receive_event(&self, queue: &str, most: usize) -> Option<Value> {
        let messages = self.receive(queue, most, VISIBILITY, None);
        let records = messages.iter().map(|message| {
            json!({
                "messageId": message.id, "receiptHandle": message.id, "body": message.body,
                "attributes": { "ApproximateReceiveCount": message.receives.to_string() },
                "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-north-1",
                "eventSourceARN": format!("arn:aws:sqs:eu-north-1:000000000000:{queue}"),
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
        if let Some(messages) = self.lock().queues.get_mut(queue) {
            messages.retain(|message| !done.contains(&message.id.as_str()));
        }
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
        if operation.ends_with("EventBus") {
            return self.lock().answer_of_a_bus(operation, bus_name(&request["Name"]));
        }
        let queue = request["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default().to_owned();
        match operation {
            "PutEvents" => self.put_events(&request),
            _ if !operation.starts_with("GetQueueUrl") && !KNOWN_QUEUES.contains(&queue.as_str()) => {
                refused("QueueDoesNotExist", "the sandbox has no such queue")
            }
            "SendMessage" => {
                let text = request["MessageBody"].as_str().unwrap_or_default().to_owned();
                let attributes = request["MessageAttributes"].as_object().cloned().unwrap_or_default();
                let now = (self.clock)();
                let id = self.lock().send(&queue, text, attributes, now);
                (200, json!({ "MessageId": id }).to_string())
            }
            "ReceiveMessage" => {
                let most = request["MaxNumberOfMessages"].as_u64().unwrap_or(1) as usize;
                let hidden = request["VisibilityTimeout"].as_i64().map_or(VISIBILITY, SignedDuration::from_secs);
                let server = (request["WaitTimeSeconds"].as_i64().unwrap_or(0) == 0).then(|| self.lock().short_poll());
                let messages = self.receive(&queue, most, hidden, server).into_iter().map(|message| {
                    json!({
                        "MessageId": message.id, "ReceiptHandle": message.id, "Body": message.body,
                        "MessageAttributes": message.attributes,
                        "Attributes": { "SentTimestamp": message.sent_at.as_millisecond().to_string() },
                    })
                });
                (200, json!({ "Messages": messages.collect::<Vec<_>>() }).to_string())
            }
            "GetQueueAttributes" => {
                let now = (self.clock)();
                let (visible, hidden): (Vec<_>, Vec<_>) =
                    self.messages(&queue).into_iter().partition(|message| message.visible_at <= now);
                let attributes = json!({
                    "ApproximateNumberOfMessages": visible.len().to_string(),
                    "ApproximateNumberOfMessagesNotVisible": hidden.len().to_string(),
                });
                (200, json!({ "Attributes": attributes }).to_string())
            }
            "DeleteMessage" => {
                self.remove(&queue, request["ReceiptHandle"].as_str().unwrap_or_default());
                (200, "{}".to_owned())
            }
            other => refused("UnsupportedOperation", &format!("the sandbox does not serve {other}")),
        }
    }

    fn put_events(&self, request: &Value) -> (u16, String) {
        let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let now = (self.clock)();
        let mut state = self.lock();
        if let Some(code) = state.request_refusal {
            return refused(code, "refused by the sandbox");
        }
        let limit = state.request_limit_bytes.unwrap_or(MAX_REQUEST_BYTES);
        if entries.is_empty() || entries.len() > 10 || entries.iter().map(entry_bytes).sum::<usize>() > limit {
            return refused("ValidationException", "1 to 10 entries, and no more in all than the bus takes");
        }
        let results: Vec<Value> = entries.iter().map(|entry| state.publish(entry, now)).collect();
        let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
        (200, json!({ "FailedEntryCount": failed, "Entries": results }).to_string())
    }

    /// Takes visible messages, of one server or of all.
    fn receive(&self, queue: &str, most: usize, hidden: SignedDuration, server: Option<u64>) -> Vec<Message> {
        let now = (self.clock)();
        let mut state = self.lock();
        let mut received = Vec::new();
        let mut worn_out = Vec::new();
        if let Some(messages) = state.queues.get_mut(queue) {
            let asked = |message: &Message| server.is_none_or(|server| message.server == server);
            for message in messages.iter_mut().filter(|message| message.visible_at <= now && asked(message)) {
                if queue == ACTIONS && message.receives >= MAX_RECEIVES {
                    worn_out.push(message.clone());
                } else if received.len() < most {
                    message.receives += 1;
                    message.visible_at = now + hidden;
                    received.push(message.clone());
                }
            }
            messages.retain(|message| !worn_out.iter().any(|worn_out| worn_out.id == message.id));
        }
        for message in worn_out {
            state.queues.entry(ACTIONS_DEAD_LETTERS.to_owned()).or_default().push_back(message);
        }
        received
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queues that there are.
const KNOWN_QUEUES: [&str; 3] = [ACTIONS, ACTIONS_DEAD_LETTERS, EVENT_DEAD_LETTERS];

impl State {
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
        if !self.buses.contains(bus_name(&entry["EventBusName"])) {
            return json!({ "EventId": id });
        }
        let time = entry["Time"].as_f64().and_then(|second| Timestamp::from_second(second as i64).ok()).unwrap_or(now);
        let event = PublishedEvent::new(&id, source, detail_type, time, &detail);
        let Ok(event) = serde_json::to_string(&event) else {
            return failed("InternalFailure");
        };
        // The rule of `template.yaml` that has a consumer: an activated dispatch goes to the actions. Nothing is replayed
        // here.
        if source == "tilaussilta.manu" && detail_type == "sales-dispatch-activate" {
            self.send(ACTIONS, event.clone(), Map::new(), now);
        }
        match &mut self.file {
            // A line that cannot be written is not an event that was not published; whoever reads the file sees it.
            Some(file) => drop(writeln!(file, "{event}")),
            None => self.events.push(event),
        }
        json!({ "EventId": id })
    }

    /// Answers `DescribeEventBus`, `CreateEventBus` and `DeleteEventBus`.
    fn answer_of_a_bus(&mut self, operation: &str, name: &str) -> (u16, String) {
        let arn = format!("arn:aws:events:eu-north-1:000000000000:event-bus/{name}");
        match operation {
            "DescribeEventBus" if !self.buses.contains(name) => {
                refused("ResourceNotFoundException", &format!("Event bus {name} does not exist."))
            }
            "DescribeEventBus" => (200, json!({ "Arn": arn, "Name": name }).to_string()),
            "CreateEventBus" if !self.buses.insert(name.to_owned()) => {
                refused("ResourceAlreadyExistsException", &format!("Event bus {name} already exists."))
            }
            "CreateEventBus" => (200, json!({ "EventBusArn": arn }).to_string()),
            // A bus that is not there is deleted without an error.
            "DeleteEventBus" => {
                self.buses.remove(name);
                (200, "{}".to_owned())
            }
            other => refused("UnsupportedOperation", &format!("the sandbox does not serve {other}")),
        }
    }

    /// The server that the next short poll asks.
    fn short_poll(&mut self) -> u64 {
        self.short_polls += 1;
        self.short_polls % SERVERS
    }

    fn send(&mut self, queue: &str, body: String, attributes: Map<String, Value>, now: Timestamp) -> String {
        self.numbers += 1;
        let id = format!("{:08x}-0000-4000-9000-000000000000", self.numbers);
        let server = self.numbers % SERVERS;
        let message = Message { id: id.clone(), body, attributes, sent_at: now, visible_at: now, receives: 0, server };
        self.queues.entry(queue.to_owned()).or_default().push_back(message);
        id
    }
}

/// The URL of a queue. The SDK sends its calls to its endpoint, so only the last part is ever read.
pub fn queue_url(queue: &str) -> String {
    format!("http://embedded.invalid/000000000000/{queue}")
}

fn refused(kind: &str, message: &str) -> (u16, String) {
    (400, json!({ "__type": kind, "message": message }).to_string())
}
