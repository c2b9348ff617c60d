//! The Lambda function that carries actions back to the shops: see the library.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use mycashflow::{HttpTransport, RetryPolicy};
use platform::{Starter, variable};
use serde_json::Value;
use tilaussilta_shop_actions::{ActionsDeps, handle};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let starter = Starter::from_environment()?;
    let deps = ActionsDeps {
        base: starter.deps().await?,
        transport: Arc::new(HttpTransport::new()?),
        policy: RetryPolicy::default(),
        queues: aws_sdk_sqs::Client::new(starter.config()),
        dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
    };
    run(service_fn(|event| act(&deps, event))).await
}

async fn act(deps: &ActionsDeps, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let remaining = Duration::from_millis(event.context.deadline.saturating_sub(now_ms));
    Ok(handle(deps, event.payload, &event.context.request_id, Instant::now() + remaining).await)
}
