//! The Lambda function that publishes the ledger's revisions: see the library.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::{Metrics, OPERATION_TIMEOUT, Starter, system_clock, variable};
use serde_json::Value;
use tilaussilta_event_relay::{
    DeadLetters, EventBus, Limits, NOTE_TIMEOUT, PublicationLog, RelayDeps, Request, handle,
};
use tokio::time::Instant;

/// Kept free before Lambda's deadline: for a call that began before, the record of what was published, and the answer that
/// says what was not.
const RESERVE: Duration = OPERATION_TIMEOUT.saturating_add(NOTE_TIMEOUT).saturating_add(Duration::from_secs(2));

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let starter = Starter::from_environment()?;
    let ledger = starter.ledger()?;
    let deps = RelayDeps {
        published: PublicationLog::new(ledger.clone(), system_clock()),
        ledger,
        bus: EventBus::new(aws_sdk_eventbridge::Client::new(starter.config()), variable("EVENT_BUS_NAME")?),
        dead_letters: DeadLetters {
            client: aws_sdk_sqs::Client::new(starter.config()),
            queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
        },
        limits: Limits::default(),
        metrics: Metrics::from_environment(),
    };
    // A bus that is not there, or does not answer yet, is asked for again with each batch, which fails until it answers.
    let _ = deps.bus.verify().await;
    run(service_fn(|event| answer(&deps, event))).await
}

async fn answer(deps: &RelayDeps, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let deadline = platform::deadline(&event.context);
    let deadline = deadline.checked_sub(RESERVE).unwrap_or_else(Instant::now);
    Ok(handle(deps, Request::read(event.payload)?, deadline).await?)
}
