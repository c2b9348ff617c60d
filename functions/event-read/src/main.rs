//! The Lambda function that reads an event again: see the library.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ledger::Ledger;
use platform::Starter;
use serde_json::Value;
use tilaussilta_event_read::{Request, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let ledger = Starter::from_environment()?.ledger()?;
    run(service_fn(|event| answer(&ledger, event))).await
}

async fn answer(ledger: &Ledger, event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(handle(ledger, &Request::read(&event.payload)?).await?)
}
