//! What the client writes to the log. The only test of its binary, because the log's levels belong to the process.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tilaussilta_mycashflow::{
    BoxFuture, HttpRequest, HttpResponse, RetryPolicy, ShopClient, Transport, TransportError,
};
use url::Url;

type Outcome = Result<HttpResponse, TransportError>;

/// A transport that answers as it was told.
struct Script(Mutex<VecDeque<Outcome>>);

impl Transport for Script {
    fn send(&self, _: HttpRequest, _: Duration) -> BoxFuture<'_, Outcome> {
        let outcome = self.0.lock().unwrap().pop_front().unwrap();
        Box::pin(async move { outcome })
    }
}

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn answer(status: u16, body: &'static str) -> Outcome {
    Ok(HttpResponse { status, date: None, content_type: None, retry_after: None, location: None, body: body.into() })
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_attempts_and_their_outcome_and_nothing_that_was_said() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let outcomes = [
        answer(500, "Huoltokatko"),
        Err(TransportError::Cut),
        answer(200, "<error>Virhe</error>"),
        answer(200, "<Order id='58'><Comments>hei</Comments></Order>"),
        answer(403, "Kielletty"),
    ];
    let transport = Arc::new(Script(Mutex::new(outcomes.into())));
    let base = Url::parse("https://acme.mycashflow.fi").unwrap();
    let client = ShopClient::new(base, "hunter2".to_owned(), transport, RetryPolicy::default(), 1);
    assert_eq!(client.get(&[58]).await.unwrap().attempts, 4);
    client.add_comment(58, "hei Aino", true).await.unwrap_err();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "the shop answered attempt=1 status=500 duration_ms=0",
        "attempt=2 duration_ms=0 error=the connection ended before the answer did",
        "attempt=3 pause_ms=",
        "the shop answered attempt=4 status=200",
        "the shop answered attempt=1 status=403",
    ] {
        assert!(log.contains(expected), "{expected} is not in {log}");
    }
    for secret in ["hunter2", "key=", "acme", "/webhooks", "Huoltokatko", "Virhe", "Order", "hei", "Kielletty", "Aino"]
    {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
