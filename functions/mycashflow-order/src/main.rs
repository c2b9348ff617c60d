//! The Lambda function that takes in a shop's orders: see the library.

use lambda_http::{Error, run, service_fn};
use platform::Starter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let deps = Starter::from_environment()?.deps().await?;
    run(service_fn(|request| async { Ok::<_, Error>(tilaussilta_mycashflow_order::handle(&deps, request).await) }))
        .await
}
