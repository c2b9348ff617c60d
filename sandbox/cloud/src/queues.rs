//! The queues: what SQS's API does with them.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::messaging::{
    ACTIONS, ACTIONS_DEAD_LETTERS, EVENT_DEAD_LETTERS, MAX_RECEIVES, Message, VISIBILITY, WEBHOOK_DEAD_LETTERS,
    WEBHOOKS, queue_url,
};
use crate::rules::{Refusal, policy_allows};

/// The servers over which SQS spreads a queue. A short poll asks some of them, here one after the other.
const SERVERS: u64 = 2;
/// The queues of the deployment, which are always there.
const DEPLOYED: [&str; 5] = [ACTIONS, ACTIONS_DEAD_LETTERS, EVENT_DEAD_LETTERS, WEBHOOKS, WEBHOOK_DEAD_LETTERS];
/// How long a message stays hidden in a queue that does not say (SQS API reference, `CreateQueue`).
const DEFAULT_VISIBILITY: SignedDuration = SignedDuration::from_secs(30);

#[derive(Default)]
pub(crate) struct Queues {
    messages: BTreeMap<String, VecDeque<Message>>,
    /// The attributes of the queues that somebody created.
    created: BTreeMap<String, Map<String, Value>>,
    numbers: u64,
    short_polls: u64,
}

/// How messages are received.
pub(crate) struct Receiving {
    pub(crate) most: usize,
    pub(crate) hidden: SignedDuration,
    /// The server that is asked; none: all of them.
    pub(crate) server: Option<u64>,
}

impl Queues {
    pub(crate) fn messages(&self, queue: &str) -> Vec<Message> {
        self.messages.get(queue).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn keep(&mut self, queue: &str, wanted: impl FnMut(&Message) -> bool) {
        if let Some(messages) = self.messages.get_mut(queue) {
            messages.retain(wanted);
        }
    }

    pub(crate) fn send(&mut self, queue: &str, body: String, attributes: Map<String, Value>, now: Timestamp) -> String {
        self.numbers += 1;
        let id = format!("{:08x}-0000-4000-9000-000000000000", self.numbers);
        let server = self.numbers % SERVERS;
        let message = Message { id: id.clone(), body, attributes, sent_at: now, visible_at: now, receives: 0, server };
        self.messages.entry(queue.to_owned()).or_default().push_back(message);
        id
    }

    /// Takes visible messages, of one server or of all.
    pub(crate) fn receive(&mut self, queue: &str, how: &Receiving, now: Timestamp) -> Vec<Message> {
        let mut received = Vec::new();
        let mut worn_out = Vec::new();
        if let Some(messages) = self.messages.get_mut(queue) {
            let asked = |message: &Message| how.server.is_none_or(|server| message.server == server);
            for message in messages.iter_mut().filter(|message| message.visible_at <= now && asked(message)) {
                if queue == ACTIONS && message.receives >= MAX_RECEIVES {
                    worn_out.push(message.clone());
                } else if received.len() < how.most {
                    message.receives += 1;
                    message.visible_at = now + how.hidden;
                    received.push(message.clone());
                }
            }
            messages.retain(|message| !worn_out.iter().any(|worn_out| worn_out.id == message.id));
        }
        for message in worn_out {
            self.messages.entry(ACTIONS_DEAD_LETTERS.to_owned()).or_default().push_back(message);
        }
        received
    }

    /// Whether a rule may send to a queue: to those of the deployment, and to one whose policy lets it.
    pub(crate) fn takes_from_rule(&self, queue: &str, rule: &str) -> bool {
        let policy = self.created.get(queue).and_then(|attributes| attributes.get("Policy")?.as_str());
        DEPLOYED.contains(&queue) || policy.is_some_and(|policy| policy_allows(policy, queue, rule))
    }

    /// Answers a request of SQS's API. The error is its kind and message.
    pub(crate) fn answer(&mut self, operation: &str, request: &Value, now: Timestamp) -> Result<Value, Refusal> {
        match operation {
            "CreateQueue" => return self.create(request),
            "ListQueues" => {
                let prefix = request["QueueNamePrefix"].as_str().unwrap_or_default();
                let all = DEPLOYED.into_iter().chain(self.created.keys().map(String::as_str));
                let urls = all.filter(|name| name.starts_with(prefix)).map(queue_url);
                return Ok(json!({ "QueueUrls": urls.collect::<Vec<_>>() }));
            }
            _ => {}
        }
        let queue = request["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        if !DEPLOYED.contains(&queue) && !self.created.contains_key(queue) {
            return Err(("QueueDoesNotExist", "the sandbox has no such queue".to_owned()));
        }
        match operation {
            "DeleteQueue" => {
                self.created.remove(queue);
                self.messages.remove(queue);
                Ok(json!({}))
            }
            "SendMessage" => {
                let text = request["MessageBody"].as_str().unwrap_or_default().to_owned();
                let attributes = request["MessageAttributes"].as_object().cloned().unwrap_or_default();
                Ok(json!({ "MessageId": self.send(queue, text, attributes, now) }))
            }
            "ReceiveMessage" => Ok(self.answer_with_messages(queue, request, now)),
            "GetQueueAttributes" => {
                let (visible, hidden): (Vec<_>, Vec<_>) =
                    self.messages(queue).into_iter().partition(|message| message.visible_at <= now);
                Ok(json!({ "Attributes": {
                    "ApproximateNumberOfMessages": visible.len().to_string(),
                    "ApproximateNumberOfMessagesNotVisible": hidden.len().to_string(),
                } }))
            }
            "ChangeMessageVisibility" => {
                let hidden = SignedDuration::from_secs(request["VisibilityTimeout"].as_i64().unwrap_or(0));
                let messages = self.messages.get_mut(queue).into_iter().flatten();
                for message in messages.filter(|message| message.id == request["ReceiptHandle"]) {
                    message.visible_at = now + hidden;
                }
                Ok(json!({}))
            }
            "DeleteMessage" => {
                self.keep(queue, |message| message.id != request["ReceiptHandle"]);
                Ok(json!({}))
            }
            "DeleteMessageBatch" => {
                let entries = request["Entries"].as_array().cloned().unwrap_or_default();
                self.keep(queue, |message| entries.iter().all(|entry| message.id != entry["ReceiptHandle"]));
                let done: Vec<_> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
                Ok(json!({ "Successful": done, "Failed": [] }))
            }
            other => Err(("UnsupportedOperation", format!("the sandbox does not serve {other}"))),
        }
    }

    fn create(&mut self, request: &Value) -> Result<Value, Refusal> {
        let name = request["QueueName"].as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 80 || !name.chars().all(fits) {
            let why = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
            return Err(("InvalidParameterValue", why.to_owned()));
        }
        let attributes = request["Attributes"].as_object().cloned().unwrap_or_default();
        match self.created.get(name) {
            Some(others) if *others != attributes => {
                Err(("QueueNameExists", "A queue already exists with the same name and a different value".to_owned()))
            }
            _ => {
                self.created.insert(name.to_owned(), attributes);
                Ok(json!({ "QueueUrl": queue_url(name) }))
            }
        }
    }

    fn answer_with_messages(&mut self, queue: &str, request: &Value, now: Timestamp) -> Value {
        let is_short = request["WaitTimeSeconds"].as_i64().unwrap_or(0) == 0;
        let how = Receiving {
            most: request["MaxNumberOfMessages"].as_u64().unwrap_or(1) as usize,
            hidden: request["VisibilityTimeout"]
                .as_i64()
                .map_or_else(|| self.visibility(queue), SignedDuration::from_secs),
            server: is_short.then(|| self.short_poll()),
        };
        let messages = self.receive(queue, &how, now).into_iter().map(|message| {
            json!({
                "MessageId": message.id, "ReceiptHandle": message.id, "Body": message.body,
                "MessageAttributes": message.attributes,
                "Attributes": { "SentTimestamp": message.sent_at.as_millisecond().to_string() },
            })
        });
        json!({ "Messages": messages.collect::<Vec<_>>() })
    }

    fn visibility(&self, queue: &str) -> SignedDuration {
        let Some(attributes) = self.created.get(queue) else { return VISIBILITY };
        let seconds = attributes.get("VisibilityTimeout").and_then(|seconds| seconds.as_str()?.parse().ok());
        seconds.map_or(DEFAULT_VISIBILITY, SignedDuration::from_secs)
    }

    /// The server that the next short poll asks.
    fn short_poll(&mut self) -> u64 {
        self.short_polls += 1;
        self.short_polls % SERVERS
    }
}
