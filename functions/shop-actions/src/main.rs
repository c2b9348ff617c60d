//! The Lambda function that carries actions back to the shops: see the library.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use mycashflow::{HttpTransport, RetryPolicy};
use platform::{Starter, variable};
use serde_json::Value;
use tilaussilta_shop_actions::{ActionsDeps, handle};

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
    let deadline = platform::deadline(&event.context);
    Ok(handle(deps, event.payload, &platform::invocation_name(&event.context), deadline).await)
}
