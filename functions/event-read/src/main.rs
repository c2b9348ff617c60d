//! The Lambda function that reads an event again: see the library.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::Starter;
use serde_json::Value;
use tilaussilta_event_read::answer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let ledger = Starter::from_environment()?.ledger()?;
    let ledger = &ledger;
    let answer = |event: LambdaEvent<Value>| async move { Ok::<_, Error>(answer(ledger, &event.payload).await?) };
    run(service_fn(answer)).await
}
