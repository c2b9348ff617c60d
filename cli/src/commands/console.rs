//! `tilaussilta console`: the operator's pages, on this machine.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use console::web::{Console, Settings};
use tokio::net::TcpListener;

use crate::Problem;
use crate::deployment::Target;
use crate::output::say;

/// No form is larger.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// `tilaussilta console`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta console --stack tilaussilta")]
pub(crate) struct Options {
    /// The port on 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = 8788)]
    port: u16,
    /// Let the pages act: retry, dismiss, publish again, ask a shop. Without it they only show.
    #[arg(long)]
    allow_actions: bool,
    /// Print the address as JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let listener = TcpListener::bind(("127.0.0.1", options.port))
        .await
        .map_err(|error| Problem(format!("the port {} of 127.0.0.1 cannot be used: {error}", options.port)))?;
    let port = listener.local_addr()?.port();
    let settings = Settings::new(port, options.allow_actions)?;
    let address = format!("http://127.0.0.1:{port}/?token={}", settings.token);
    if options.json {
        say!("{}", serde_json::json!({ "console": address }));
    } else {
        say!("{address}\nis the console: open it in a browser. Ctrl-C ends it.");
    }
    let console = Console::new(operator, settings);
    let app = Router::new().fallback(move |request: Request| {
        let console = console.clone();
        async move { answer(&console, request).await }
    });
    tokio::select! {
        served = axum::serve(listener, app) => Ok(served?),
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}

async fn answer(console: &Console, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // A form that is too large is taken for an empty one, which has no token.
    let body = to_bytes(body, MAX_FORM_BYTES).await.unwrap_or_default();
    console.answer(&parts, &body).await.map(Body::from)
}
