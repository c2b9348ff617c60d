//! The Lambda function that polls the shops: see the library.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use mycashflow::{HttpTransport, RetryPolicy};
use platform::Starter;
use serde_json::Value;
use tilaussilta_changes_poller::{PollRequest, PollerDeps, Report, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let deps = PollerDeps {
        base: Starter::from_environment()?.deps().await?,
        transport: Arc::new(HttpTransport::new()?),
        policy: RetryPolicy::default(),
    };
    run(service_fn(|event| poll(&deps, event))).await
}

/// A run in which a shop failed is a failed invocation, so that Lambda's error metric counts it; what the run did for
/// the others stays done.
async fn poll(deps: &PollerDeps, event: LambdaEvent<Value>) -> Result<Report, Error> {
    let asked = PollRequest::read(&event.payload)?;
    let deadline = platform::deadline(&event.context);
    let report = handle(deps, &asked, &platform::invocation_name(&event.context), deadline).await?;
    match report.failures() {
        Some(failures) => Err(failures.into()),
        None => Ok(report),
    }
}
