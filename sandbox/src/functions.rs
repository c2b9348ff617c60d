//! The functions' own code, reached as Lambda reaches it: by an HTTP request, or by an event.

use std::sync::Arc;
use std::time::Duration;

use changes_poller::{PollRequest, PollerDeps};
use cloud::mappings::Invoke;
use event_relay::{DeadLetters, EventBus, Limits, PublicationLog, RelayDeps, Request as RelayRequest};
use event_webhooks::{Breaker, HttpSender, WebhooksDeps};
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shop_actions::ActionsDeps;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::Instant;

use cloud::messaging::{
    ACTIONS_DEAD_LETTERS, BUS, EVENT_DEAD_LETTERS, Messaging, WEBHOOK_DEAD_LETTERS, WEBHOOKS, queue_url,
};

/// The time that `event-relay` and `shop-actions` get, as in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The time a run of the poller gets, as in `template.yaml`.
const POLLER_TIMEOUT: Duration = Duration::from_secs(300);

/// The functions over one ledger.
#[derive(Clone)]
pub struct Functions {
    /// What the poller works with; the two that speak HTTP take its base.
    pub deps: PollerDeps,
    /// What `event-relay` works with.
    pub relay: RelayDeps,
    /// What `shop-actions` works with.
    pub actions: ActionsDeps,
}

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no function of that name.
    #[error(
        "there is no function of that name: mycashflow-order, manu-listener, changes-poller, event-relay, event-read, \
         event-webhooks or \
         shop-actions"
    )]
    UnknownFunction,
    /// The event is not one of the function's.
    #[error("the event is not one of the function's: {0}")]
    Event(String),
    /// The function failed.
    #[error("{0}")]
    Failed(String),
}

impl Functions {
    /// The functions with a bus and queues.
    pub fn new(deps: PollerDeps, messaging: &Messaging) -> Self {
        let dead_letters = DeadLetters { client: messaging.sqs(), queue_url: queue_url(EVENT_DEAD_LETTERS) };
        let relay = RelayDeps {
            ledger: deps.base.ledger.clone(),
            bus: EventBus::new(messaging.eventbridge(), BUS),
            dead_letters,
            published: PublicationLog::new(deps.base.ledger.clone(), deps.base.clock.clone()),
            limits: Limits::default(),
            metrics: deps.base.metrics.clone(),
        };
        let actions = ActionsDeps {
            base: deps.base.clone(),
            transport: deps.transport.clone(),
            policy: deps.policy.clone(),
            queues: messaging.sqs(),
            dead_letter_queue_url: queue_url(ACTIONS_DEAD_LETTERS),
        };
        Self { deps, relay, actions }
    }

    /// Answers a request to one of the two functions that have an address; none for any other path.
    pub async fn http(&self, request: Request) -> Option<Response<Body>> {
        let path = request.uri().path();
        if path.starts_with("/mycashflow/") {
            Some(mycashflow_order::handle(&self.deps.base, request).await)
        } else if path.starts_with("/manu/") {
            Some(manu_listener::handle(&self.deps.base, request).await)
        } else {
            None
        }
    }

    /// Runs a function on an event, as `aws lambda invoke` does. The functions that speak HTTP take a function URL's
    /// event and answer in its format.
    ///
    /// # Errors
    /// [`InvokeError`], also when a shop failed in a run of the poller.
    pub async fn invoke(&self, function: &str, event: &str) -> Result<Value, InvokeError> {
        match function {
            "changes-poller" => self.poll(event).await,
            "mycashflow-order" => Ok(answer_json(&mycashflow_order::handle(&self.deps.base, request(event)?).await)),
            "manu-listener" => Ok(answer_json(&manu_listener::handle(&self.deps.base, request(event)?).await)),
            "event-relay" => {
                let request = RelayRequest::read(json_event(event)?);
                let request = request.map_err(|error| InvokeError::Event(error.to_string()))?;
                let answer = event_relay::handle(&self.relay, request, Instant::now() + TIMEOUT).await;
                answer.map_err(|error| InvokeError::Failed(error.to_string()))
            }
            "event-read" => {
                let answer = event_read::answer(&self.deps.base.ledger, &json_event(event)?).await;
                answer.map_err(|error| InvokeError::Failed(error.to_string()))
            }
            "shop-actions" => {
                let invocation = format!("sandbox-{:016x}", fastrand::u64(..));
                Ok(shop_actions::handle(&self.actions, json_event(event)?, &invocation, Instant::now() + TIMEOUT).await)
            }
            "event-webhooks" => self.send_webhooks(event).await,
            _ => Err(InvokeError::UnknownFunction),
        }
    }

    /// Runs `event-webhooks`. It is made here, because nothing here leads to it by itself.
    async fn send_webhooks(&self, event: &str) -> Result<Value, InvokeError> {
        let failed = |error: &dyn std::error::Error| InvokeError::Failed(error.to_string());
        let deps = WebhooksDeps {
            connections: self.deps.base.connections.clone(),
            clock: self.deps.base.clock.clone(),
            sender: Arc::new(HttpSender::new().map_err(|error| failed(&error))?),
            queues: self.actions.queues.clone(),
            queue_url: queue_url(WEBHOOKS),
            dead_letter_queue_url: queue_url(WEBHOOK_DEAD_LETTERS),
            breaker: Breaker::default(),
        };
        let event = serde_json::from_str(event).map_err(|error| InvokeError::Event(error.to_string()))?;
        let answer = event_webhooks::handle(&deps, event).await;
        serde_json::to_value(answer).map_err(|error| failed(&error))
    }

    async fn poll(&self, event: &str) -> Result<Value, InvokeError> {
        let event = PollRequest::read(&json_event(event)?).map_err(|error| InvokeError::Event(error.to_string()))?;
        let run = format!("sandbox-{:016x}", fastrand::u64(..));
        let report = changes_poller::handle(&self.deps, &event, &run, Instant::now() + POLLER_TIMEOUT)
            .await
            .map_err(|error| InvokeError::Failed(error.to_string()))?;
        match report.failures() {
            Some(failures) => Err(InvokeError::Failed(failures)),
            None => serde_json::to_value(&report).map_err(|error| InvokeError::Failed(error.to_string())),
        }
    }
}

/// The functions on a thread of their own, with a runtime of one thread as each of them has in Lambda.
#[derive(Clone)]
pub struct FunctionsThread {
    jobs: mpsc::UnboundedSender<Job>,
}

enum Job {
    Http(Box<Request>, oneshot::Sender<Option<Response<Body>>>),
    Invoke(String, String, oneshot::Sender<Result<Value, InvokeError>>),
}

impl Invoke for FunctionsThread {
    type Error = InvokeError;

    async fn invoke(&self, function: &str, event: &str) -> Result<Value, InvokeError> {
        Self::invoke(self, function, event).await
    }
}

impl FunctionsThread {
    /// Starts the thread. It ends when the last clone of this value is dropped.
    ///
    /// # Errors
    /// When the runtime cannot be made.
    pub fn start(functions: Functions) -> std::io::Result<Self> {
        let (jobs, mut next) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("functions".to_owned()).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                while let Some(job) = next.recv().await {
                    let functions = functions.clone();
                    // Who asked may be gone by the time of the answer, which is then not needed.
                    tokio::task::spawn_local(async move {
                        match job {
                            Job::Http(request, answer) => drop(answer.send(functions.http(*request).await)),
                            Job::Invoke(name, event, answer) => {
                                drop(answer.send(functions.invoke(&name, &event).await))
                            }
                        }
                    });
                }
            });
        })?;
        Ok(Self { jobs })
    }

    /// [`Functions::http`] on the thread.
    pub async fn http(&self, request: Request) -> Option<Response<Body>> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Http(Box::new(request), answer)).ok()?;
        answered.await.ok().flatten()
    }

    /// [`Functions::invoke`] on the thread.
    ///
    /// # Errors
    /// As [`Functions::invoke`]; also when the function panicked.
    pub async fn invoke(&self, function: &str, event: &str) -> Result<Value, InvokeError> {
        let (answer, answered) = oneshot::channel();
        let gone = || InvokeError::Failed("the function panicked".to_owned());
        self.jobs.send(Job::Invoke(function.to_owned(), event.to_owned(), answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn json_event(event: &str) -> Result<Value, InvokeError> {
    serde_json::from_str(event).map_err(|error| InvokeError::Event(error.to_string()))
}

fn request(event: &str) -> Result<Request, InvokeError> {
    platform::request_from_event(event).map_err(|error| InvokeError::Event(error.to_string()))
}

fn answer_json(response: &Response<Body>) -> Value {
    let headers: serde_json::Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    json!({
        "statusCode": response.status().as_u16(),
        "headers": headers,
        "body": String::from_utf8_lossy(response.body().as_ref()),
        "isBase64Encoded": false,
    })
}
