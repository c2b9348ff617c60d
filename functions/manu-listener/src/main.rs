//! The Lambda function that takes in the ERP's webhooks: see the library.

use lambda_http::Error;
use platform::{Function, Starter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::init_logs();
    let deps = Starter::from_environment()?.deps().await?;
    deps.count_warnings(Function::ManuListener);
    platform::serve(|request| tilaussilta_manu_listener::handle(&deps, request)).await
}
