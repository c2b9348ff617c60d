//! The bare round trips that an invocation contains: repeats recorded calls over one kept connection, with
//! nothing around them, and prints how long each repetition took.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use clap::Parser;
use http::Method;
use serde::Deserialize;

/// A repeated write of the poller may meet its own condition, which is as long a way.
const CONDITION: &[u8] = b"ConditionalCheckFailed";

/// A call as `sandbox serve --counted` keeps it.
#[derive(Deserialize)]
struct Call {
    method: String,
    path: String,
    target: Option<String>,
    content_type: Option<String>,
    body: String,
}

#[derive(Parser)]
struct Options {
    /// The endpoint.
    #[arg(long)]
    url: String,
    /// The certificates to trust, as PEM.
    #[arg(long)]
    roots: std::path::PathBuf,
    /// A document's number in the recorded calls. Each repetition has a number of its own in its place.
    #[arg(long)]
    number: u64,
    /// The number of the first repetition's document.
    #[arg(long)]
    first: u64,
    /// How often to repeat the calls.
    #[arg(long)]
    times: u64,
}

/// Reads the calls as JSON from standard input, and prints milliseconds as JSON.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let calls: Vec<Call> = serde_json::from_str(&text)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&std::fs::read(&options.roots)?)?)
        .tcp_nodelay(true)
        .build()?;
    // The first makes the connection.
    let mut took = Vec::new();
    for turn in 0..=options.times {
        took.push(repeat(&client, &options, &calls, options.first + turn).await?.as_secs_f64() * 1000.0);
    }
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&took[1..])?)?;
    Ok(())
}

async fn repeat(
    client: &reqwest::Client,
    options: &Options,
    calls: &[Call],
    number: u64,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let old = options.number.to_string();
    let mut requests = Vec::with_capacity(calls.len());
    for call in calls {
        let url = format!("{}{}", options.url, call.path);
        let mut request = client.request(Method::from_bytes(call.method.as_bytes())?, url);
        for (name, value) in [("x-amz-target", &call.target), ("content-type", &call.content_type)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        requests.push(request.body(call.body.replace(&old, &number.to_string())).build()?);
    }
    let begun = Instant::now();
    for request in requests {
        let response = client.execute(request).await?;
        let status = response.status();
        let answer = response.bytes().await?;
        if !status.is_success() && !answer.windows(CONDITION.len()).any(|part| part == CONDITION) {
            return Err(format!("a repeated call was answered {status}").into());
        }
    }
    Ok(begun.elapsed())
}
