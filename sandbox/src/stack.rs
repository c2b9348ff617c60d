//! The sandbox's functions and queues, for the console.

use cloud::messaging::{ACTIONS, ACTIONS_DEAD_LETTERS, EVENT_DEAD_LETTERS, Messaging, WEBHOOK_DEAD_LETTERS, WEBHOOKS};
use console::{BoxFuture, Letter, Letters, Queue, Stack, StackFunction};
use serde_json::Value;

use crate::functions::FunctionsThread;

/// The functions and queues of this process.
#[derive(Clone)]
pub struct SandboxStack {
    /// The functions.
    pub functions: FunctionsThread,
    /// The queues.
    pub messaging: Messaging,
}

fn name(queue: Queue) -> &'static str {
    match queue {
        Queue::EventDeadLetters => EVENT_DEAD_LETTERS,
        Queue::ActionDeadLetters => ACTIONS_DEAD_LETTERS,
        Queue::Actions => ACTIONS,
        Queue::WebhookDeadLetters => WEBHOOK_DEAD_LETTERS,
        Queue::Webhooks => WEBHOOKS,
    }
}

impl Stack for SandboxStack {
    fn invoke(&self, function: StackFunction, event: Value) -> BoxFuture<'_, Result<Value, String>> {
        let function = match function {
            StackFunction::Poller => "changes-poller",
            StackFunction::Relay => "event-relay",
            StackFunction::Actions => "shop-actions",
        };
        Box::pin(async move {
            let answer = self.functions.invoke(function, &event.to_string()).await;
            answer.map_err(|error| error.to_string())
        })
    }

    fn read(&self, queue: Queue) -> BoxFuture<'_, Result<Letters, String>> {
        let letters = self.messaging.messages(name(queue)).into_iter().map(|message| Letter {
            receipt: message.id.clone(),
            reason: message.attribute("reason").map(str::to_owned),
            sent_ms: Some(message.sent_at.as_millisecond()),
            id: message.id,
            body: message.body,
        });
        let letters: Vec<Letter> = letters.collect();
        let counted = letters.len() as u64;
        Box::pin(std::future::ready(Ok(Letters { letters, counted })))
    }

    fn count(&self, queue: Queue) -> BoxFuture<'_, Result<u64, String>> {
        let counted = self.messaging.messages(name(queue)).len() as u64;
        Box::pin(std::future::ready(Ok(counted)))
    }

    fn send(&self, queue: Queue, body: String) -> BoxFuture<'_, Result<(), String>> {
        self.messaging.send(name(queue), body);
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove(&self, queue: Queue, letter: Letter) -> BoxFuture<'_, Result<(), String>> {
        self.messaging.remove(name(queue), &letter.receipt);
        Box::pin(std::future::ready(Ok(())))
    }

    fn who(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(std::future::ready(Ok("sandbox/console".to_owned())))
    }
}
