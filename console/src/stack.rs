//! What a deployment has besides its ledger: functions that can be invoked, and queues of dead letters.

use std::pin::Pin;

use serde_json::Value;

/// A future that can be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A function that an operator invokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackFunction {
    /// `changes-poller`.
    Poller,
    /// `event-relay`.
    Relay,
    /// `shop-actions`.
    Actions,
}

/// A queue that an operator reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// The dead letters of `event-relay`.
    EventDeadLetters,
    /// The dead letters of `shop-actions`.
    ActionDeadLetters,
    /// The messages for `shop-actions`.
    Actions,
    /// The dead letters of `event-webhooks`. A deployment that sends none has an empty one.
    WebhookDeadLetters,
    /// The messages for `event-webhooks`.
    Webhooks,
}

/// A message of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its id.
    pub id: String,
    /// By which it is removed, as long as this reading of it counts.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// Why it is there, where that is written on it.
    pub reason: Option<String>,
    /// When it was sent, in milliseconds since the Unix epoch.
    pub sent_ms: Option<i64>,
}

/// What a reading of a queue saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// The messages.
    pub letters: Vec<Letter>,
    /// How many the queue says that it holds: more than were seen where it did not show all of them.
    pub counted: u64,
}

impl Letters {
    /// Whether the queue holds more than it showed.
    pub fn is_incomplete(&self) -> bool {
        self.counted > self.letters.len() as u64
    }
}

/// A deployment's functions and queues.
pub trait Stack: Send + Sync {
    /// Invokes a function and waits for its answer.
    ///
    /// The error says why there is none.
    fn invoke(&self, function: StackFunction, event: Value) -> BoxFuture<'_, Result<Value, String>>;

    /// Reads a queue's messages without hiding them from anybody.
    ///
    /// The error says why it cannot be read.
    fn read(&self, queue: Queue) -> BoxFuture<'_, Result<Letters, String>>;

    /// About how many messages a queue holds, hidden ones too.
    ///
    /// The error says why that cannot be told.
    fn count(&self, queue: Queue) -> BoxFuture<'_, Result<u64, String>>;

    /// Puts a message into a queue.
    ///
    /// The error says why it is not known to be there.
    fn send(&self, queue: Queue, body: String) -> BoxFuture<'_, Result<(), String>>;

    /// Takes a message that was read out of its queue.
    ///
    /// The error says why it may still be there.
    fn remove(&self, queue: Queue, letter: Letter) -> BoxFuture<'_, Result<(), String>>;

    /// Who acts: an AWS identity.
    ///
    /// The error says why that is not known.
    fn who(&self) -> BoxFuture<'_, Result<String, String>>;
}
