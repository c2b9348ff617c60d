//! The dead-letter queue: which revisions were not published, and why. It holds ids, never documents.

use aws_sdk_sqs::types::Message;
use jiff::Timestamp;
use ledger::{RevisionKey, sdk_reason};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a letter that was taken out stays hidden from others, in seconds: as long as the function may run.
const VISIBILITY_SECONDS: i32 = 120;
/// How long SQS looks for letters, in seconds. It asks all its servers only when it is given time, and without that may
/// say that a queue with letters has none. It stays well below the time-out of an attempt.
const WAIT_SECONDS: i32 = 1;

/// The queue.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// SQS.
    pub client: aws_sdk_sqs::Client,
    /// The queue's URL.
    pub queue_url: String,
}

/// A revision that cannot be published.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// The revision's id.
    pub(crate) id: String,
    /// Why it cannot be published.
    pub(crate) reason: String,
}

impl DeadLetter {
    pub(crate) fn new(key: &RevisionKey, reason: &str) -> Self {
        Self { id: key.event_id(), reason: reason.to_owned() }
    }
}

/// What a letter in the queue is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// One revision: a letter of this function.
    Revision(RevisionKey),
    /// All that was recorded in a time: a letter of Lambda, which gave a batch of the stream up. It says where in the
    /// stream the batch was, and when its records came into it.
    Time(Timestamp, Timestamp),
    /// Neither.
    Unknown,
}

impl Subject {
    pub(crate) fn of(body: &str) -> Self {
        let Ok(json) = serde_json::from_str::<Value>(body) else { return Self::Unknown };
        if let Some(key) = json["id"].as_str().and_then(RevisionKey::parse) {
            return Self::Revision(key);
        }
        let batch = &json["DDBStreamBatchInfo"];
        let arrival = |name: &str| batch[name].as_str()?.parse::<Timestamp>().ok();
        match (arrival("approximateArrivalOfFirstRecord"), arrival("approximateArrivalOfLastRecord")) {
            (Some(first), Some(last)) => Self::Time(first, last),
            _ => Self::Unknown,
        }
    }
}

impl DeadLetters {
    pub(crate) async fn put(&self, letter: &DeadLetter) -> Result<(), String> {
        let body = serde_json::to_string(letter).map_err(|error| error.to_string())?;
        let send = self.client.send_message().queue_url(&self.queue_url).message_body(body);
        send.send().await.map(drop).map_err(|error| sdk_reason(&error))
    }

    /// Takes some letters out of sight; they come back unless they are removed. None means that there are none.
    pub(crate) async fn take(&self) -> Result<Vec<Message>, String> {
        let receive = self.client.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
        let receive = receive.visibility_timeout(VISIBILITY_SECONDS).wait_time_seconds(WAIT_SECONDS);
        let answer = receive.send().await.map_err(|error| sdk_reason(&error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    pub(crate) async fn remove(&self, letter: &Message) -> Result<(), String> {
        let handle = letter.receipt_handle().unwrap_or_default();
        let delete = self.client.delete_message().queue_url(&self.queue_url).receipt_handle(handle);
        delete.send().await.map(drop).map_err(|error| sdk_reason(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_this_function_and_of_lambda_are_understood() {
        let own = r#"{"id":"mycashflow/acme/order/58/2","reason":"the stored body cannot be read: …"}"#;
        assert_eq!(Subject::of(own), Subject::Revision(RevisionKey::parse("mycashflow/acme/order/58/2").unwrap()));
        // After AWS's example of a record that Lambda sends to an on-failure destination of a stream.
        let lambdas = r#"{
            "requestContext": { "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 1 },
            "version": "1.0", "timestamp": "2026-03-02T08:13:44.110Z",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000001573689847184-864758bb",
                "startSequenceNumber": "800000000003126276362", "endSequenceNumber": "800000000003126276362",
                "approximateArrivalOfFirstRecord": "2026-03-02T08:13:19Z",
                "approximateArrivalOfLastRecord": "2026-03-02T08:13:20Z",
                "batchSize": 1, "streamArn": "arn:aws:dynamodb:eu-north-1:123456789012:table/t/stream/2026-03-02T07:00:00.000"
            }
        }"#;
        let at = |text: &str| text.parse().unwrap();
        assert_eq!(Subject::of(lambdas), Subject::Time(at("2026-03-02T08:13:19Z"), at("2026-03-02T08:13:20Z")));
        assert_eq!(Subject::of("{}"), Subject::Unknown);
        assert_eq!(Subject::of("not JSON"), Subject::Unknown);
    }
}
