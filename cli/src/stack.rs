//! A deployment's functions and queues, through AWS's own APIs.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use console::{BoxFuture, Letter, Letters, Queue, Stack, StackFunction};
use ledger::sdk_reason;
use serde_json::Value;

/// The most messages that one call takes (SQS API reference, `ReceiveMessage`).
const MESSAGES_A_CALL: i32 = 10;
/// Calls in a row that show nothing new, after which a queue counts as read.
const CALLS_IN_VAIN: u32 = 3;
/// The most calls for one queue.
const MOST_CALLS: u32 = 200;
/// How long SQS looks for messages, in seconds. It asks all its servers only when it is given time.
const WAIT_SECONDS: i32 = 1;

/// What a deployment's functions, queues and bus are called; none where only its table is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) poller: Option<String>,
    pub(crate) relay: Option<String>,
    pub(crate) actions: Option<String>,
    pub(crate) event_dead_letters: Option<String>,
    pub(crate) action_dead_letters: Option<String>,
    pub(crate) actions_queue: Option<String>,
    pub(crate) webhook_dead_letters: Option<String>,
    pub(crate) webhooks_queue: Option<String>,
    pub(crate) bus: Option<String>,
}

/// A deployment's functions and queues.
pub(crate) struct AwsStack {
    names: Names,
    lambda: aws_sdk_lambda::Client,
    sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    /// Who acts on a running sandbox, which knows no identities.
    sandbox_user: Option<String>,
}

impl AwsStack {
    pub(crate) fn new(config: &SdkConfig, names: Names, is_sandbox: bool) -> Self {
        let user = || std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
        Self {
            names,
            lambda: aws_sdk_lambda::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            sts: aws_sdk_sts::Client::new(config),
            sandbox_user: is_sandbox.then(|| format!("sandbox/{}", user())),
        }
    }

    fn url(&self, queue: Queue) -> Result<String, String> {
        let url = match queue {
            Queue::EventDeadLetters => &self.names.event_dead_letters,
            Queue::ActionDeadLetters => &self.names.action_dead_letters,
            Queue::Actions => &self.names.actions_queue,
            Queue::WebhookDeadLetters => &self.names.webhook_dead_letters,
            Queue::Webhooks => &self.names.webhooks_queue,
        };
        url.clone().ok_or_else(|| "a table alone does not tell the queues: name the stack".to_owned())
    }

    /// Whether a queue is there. Only a stack that sends webhooks has their queues.
    fn has(&self, queue: Queue) -> bool {
        queue != Queue::WebhookDeadLetters || self.names.webhook_dead_letters.is_some() || self.names.relay.is_none()
    }

    async fn counted(&self, url: &str) -> Result<u64, String> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let answer = asked.send().await.map_err(|error| sdk_reason(&error))?;
        let attributes = answer.attributes.unwrap_or_default();
        Ok(names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum())
    }
}

impl Stack for AwsStack {
    fn invoke(&self, function: StackFunction, event: Value) -> BoxFuture<'_, Result<Value, String>> {
        Box::pin(async move {
            let name = match function {
                StackFunction::Poller => &self.names.poller,
                StackFunction::Relay => &self.names.relay,
                StackFunction::Actions => &self.names.actions,
            };
            let name = name.as_deref().ok_or("a table alone does not tell the functions: name the stack")?;
            let payload = Blob::new(event.to_string());
            let answer = self.lambda.invoke().function_name(name).payload(payload).send().await;
            let answer = answer.map_err(|error| format!("the function {name}: {}", sdk_reason(&error)))?;
            let bytes = answer.payload().map(AsRef::as_ref).unwrap_or_default();
            let json: Value = serde_json::from_slice(bytes).unwrap_or_default();
            match answer.function_error() {
                None => Ok(json),
                Some(_) => {
                    let reason = json["errorMessage"].as_str().unwrap_or("it failed without a message");
                    Err(format!("the function {name}: {reason}"))
                }
            }
        })
    }

    fn read(&self, queue: Queue) -> BoxFuture<'_, Result<Letters, String>> {
        Box::pin(async move {
            if !self.has(queue) {
                return Ok(Letters::default());
            }
            let url = self.url(queue)?;
            let counted = self.counted(&url).await?;
            let mut found: BTreeMap<String, Letter> = BTreeMap::new();
            let mut in_vain = 0;
            for _ in 0..MOST_CALLS {
                if in_vain == CALLS_IN_VAIN || (found.len() as u64 >= counted && (counted == 0 || in_vain > 0)) {
                    break;
                }
                let received = self
                    .sqs
                    .receive_message()
                    .queue_url(&url)
                    .max_number_of_messages(MESSAGES_A_CALL)
                    // Seen again at once by whoever looks next: a look hides nothing.
                    .visibility_timeout(0)
                    .wait_time_seconds(WAIT_SECONDS)
                    .message_attribute_names("All")
                    .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                    .send()
                    .await
                    .map_err(|error| sdk_reason(&error))?;
                let before = found.len();
                // Only the receipt of the last reading counts.
                found.extend(received.messages().iter().map(letter));
                in_vain = if found.len() > before { 0 } else { in_vain + 1 };
            }
            let letters: Vec<Letter> = found.into_values().collect();
            Ok(Letters { counted: counted.max(letters.len() as u64), letters })
        })
    }

    fn count(&self, queue: Queue) -> BoxFuture<'_, Result<u64, String>> {
        Box::pin(async move {
            match self.has(queue) {
                true => self.counted(&self.url(queue)?).await,
                false => Ok(0),
            }
        })
    }

    fn send(&self, queue: Queue, body: String) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let send = self.sqs.send_message().queue_url(self.url(queue)?).message_body(body);
            send.send().await.map(drop).map_err(|error| sdk_reason(&error))
        })
    }

    fn remove(&self, queue: Queue, letter: Letter) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let delete = self.sqs.delete_message().queue_url(self.url(queue)?).receipt_handle(letter.receipt);
            delete.send().await.map(drop).map_err(|error| sdk_reason(&error))
        })
    }

    fn who(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            if let Some(user) = &self.sandbox_user {
                return Ok(user.clone());
            }
            let answer = self.sts.get_caller_identity().send().await;
            let answer = answer.map_err(|error| format!("it is not known who you are: {}", sdk_reason(&error)))?;
            answer.arn.ok_or_else(|| "it is not known who you are: AWS names no identity".to_owned())
        })
    }
}

fn letter(message: &Message) -> (String, Letter) {
    let id = message.message_id().unwrap_or_default().to_owned();
    let reason = message.message_attributes().and_then(|all| all.get("reason")?.string_value());
    let sent = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
    let letter = Letter {
        id: id.clone(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        reason: reason.map(str::to_owned),
        sent_ms: sent.and_then(|sent| sent.parse().ok()),
    };
    (id, letter)
}
