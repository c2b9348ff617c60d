//! What Lambda does between the services and the functions: it reads the table's stream for `event-relay`, and the queue
//! for `shop-actions`, hands over what it finds, and again what a function reports as failed.
//!
//! The queues are in memory and the database is not. So the place in the stream is only written down when the queue is
//! empty: a process that is killed reads what was under way once more, and the events' ids and the actions' records keep
//! that from being done twice.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::embedded::Embedded;
use crate::messaging::{ACTIONS, Messaging};

/// Records in a batch of the stream, as in `template.yaml`.
pub const STREAM_BATCH: usize = 100;
/// Messages in a batch of the queue, as in `template.yaml`.
pub const QUEUE_BATCH: usize = 1;

/// Reads a table's stream as Lambda's event source mapping does, with the filter of `template.yaml`.
#[derive(Clone, Debug)]
pub struct StreamReader {
    embedded: Embedded,
    table: String,
    /// The stream's ARN and its shard's id, once they are known.
    shard: Option<(Value, Value)>,
    /// The sequence number of the last record that was dealt with.
    pub position: Option<String>,
}

impl StreamReader {
    /// A reader from a place on, or from the beginning.
    pub fn new(embedded: Embedded, table: impl Into<String>, position: Option<String>) -> Self {
        Self { embedded, table: table.into(), shard: None, position }
    }

    /// The next batch for the function, as its event, and the place after it. Records that the filter drops are passed.
    pub fn next_batch(&mut self, most: usize) -> Option<(Value, String)> {
        loop {
            let records = self.records(most)?;
            let last = sequence_number(records.last()?).to_owned();
            let wanted: Vec<Value> = records.into_iter().filter(passes_filter).collect();
            if !wanted.is_empty() {
                return Some((json!({ "Records": wanted }), last));
            }
            self.position = Some(last);
        }
    }

    /// Moves on after a function's answer: past the batch, or to the lowest record that it reports as failed. Answers
    /// whether the whole batch is dealt with.
    pub fn settle(&mut self, batch: &Value, last: String, answer: &Value) -> bool {
        let failures = answer["batchItemFailures"].as_array().into_iter().flatten();
        let lowest = failures.filter_map(|failure| failure["itemIdentifier"].as_str()).min();
        let Some(lowest) = lowest else {
            self.position = Some(last);
            return true;
        };
        let records = batch["Records"].as_array().into_iter().flatten().map(sequence_number);
        if let Some(before) = records.take_while(|number| *number < lowest).last() {
            self.position = Some(before.to_owned());
        }
        false
    }

    fn call(&self, operation: &str, request: &Value) -> Option<Value> {
        let (status, json) = self.embedded.answer(operation, &request.to_string());
        (status == 200).then(|| serde_json::from_str(&json).ok()).flatten()
    }

    /// The ARN of the table's stream, and its only shard.
    fn shard(&mut self) -> Option<(Value, Value)> {
        if self.shard.is_none() {
            let streams = self.call("ListStreams", &json!({ "TableName": self.table }))?;
            let arn = &streams["Streams"][0]["StreamArn"];
            let stream = self.call("DescribeStream", &json!({ "StreamArn": arn }))?;
            self.shard = Some((arn.clone(), stream["StreamDescription"]["Shards"][0]["ShardId"].clone()));
        }
        self.shard.clone()
    }

    fn records(&mut self, most: usize) -> Option<Vec<Value>> {
        let (arn, shard) = self.shard()?;
        let mut request = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        if let Some(position) = &self.position {
            request["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            request["SequenceNumber"] = json!(position);
        }
        let iterator = self.call("GetShardIterator", &request)?;
        let mut answer =
            self.call("GetRecords", &json!({ "ShardIterator": iterator["ShardIterator"], "Limit": most }))?;
        match answer["Records"].take() {
            Value::Array(records) => Some(records),
            _ => None,
        }
    }
}

/// Sequence numbers have one length here, so that their order as text is their order.
fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

fn passes_filter(record: &Value) -> bool {
    let sk = record["dynamodb"]["Keys"]["sk"]["S"].as_str().unwrap_or_default();
    record["eventName"] == "INSERT" && sk.starts_with("rev#")
}

/// Invokes a function by its name with an event, and gives its answer, or what kept it from answering.
pub trait Invoke {
    /// Why an invocation failed.
    type Error;

    /// Invokes `function`.
    fn invoke(&self, function: &str, event: &str) -> impl Future<Output = Result<Value, Self::Error>> + Send;
}

/// The two mappings of a sandbox that serves.
pub struct Mappings<F> {
    reader: StreamReader,
    messaging: Messaging,
    functions: F,
    checkpoint: PathBuf,
    written: Option<String>,
}

impl<F: Invoke> Mappings<F> {
    /// Mappings that go on from the place in the file `checkpoint`, if there is one.
    pub fn new(embedded: Embedded, table: &str, messaging: Messaging, functions: F, checkpoint: PathBuf) -> Self {
        let written = std::fs::read_to_string(&checkpoint).ok().filter(|text| !text.is_empty());
        let reader = StreamReader::new(embedded, table, written.clone());
        Self { reader, messaging, functions, checkpoint, written }
    }

    /// Hands over everything that there is to hand over now.
    ///
    /// # Errors
    /// When a function fails as a whole; the next call tries again.
    pub async fn run_once(&mut self) -> Result<(), F::Error> {
        while let Some((batch, last)) = self.reader.next_batch(STREAM_BATCH) {
            let answer = self.functions.invoke("event-relay", &batch.to_string()).await?;
            if !self.reader.settle(&batch, last, &answer) {
                break;
            }
        }
        while let Some(event) = self.messaging.receive_event(ACTIONS, QUEUE_BATCH) {
            let answer = self.functions.invoke("shop-actions", &event.to_string()).await?;
            self.messaging.settle(ACTIONS, &event, &answer);
        }
        if self.reader.position != self.written && self.messaging.messages(ACTIONS).is_empty() {
            // A place that cannot be written costs work after a restart, and nothing else.
            if std::fs::write(&self.checkpoint, self.reader.position.as_deref().unwrap_or_default()).is_ok() {
                self.written.clone_from(&self.reader.position);
            }
        }
        Ok(())
    }
}
