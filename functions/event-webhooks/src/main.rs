//! The Lambda function that sends events to endpoints outside AWS: see the library.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::{Starter, system_clock, variable};
use tilaussilta_event_webhooks::{Breaker, HttpSender, WebhooksDeps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let starter = Starter::from_environment()?;
    let deps = WebhooksDeps {
        connections: Arc::new(starter.connections().await?),
        clock: system_clock(),
        sender: Arc::new(HttpSender::new()?),
        queues: aws_sdk_sqs::Client::new(starter.config()),
        queue_url: variable("WEBHOOKS_QUEUE_URL")?,
        dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
        breaker: Breaker::default(),
    };
    run(service_fn(|event| send(&deps, event))).await
}

async fn send(deps: &WebhooksDeps, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    Ok(handle(deps, event.payload).await)
}
