//! `sandbox serve --forward`: every published event to a consumer under development.

use std::io::Write;
use std::path::{Path, PathBuf};

use cloud::messaging::Messaging;
use forward::{Attempt, Forwarder, HttpPost};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use url::Url;

use super::Problem;

/// Where events are posted to.
#[derive(clap::Args)]
pub(crate) struct ForwardSwitches {
    /// Post every event that is published to this address, as a rule's target gets it.
    #[arg(long, value_name = "URL")]
    forward: Option<Url>,
    /// Post the events of this file first: lines of JSON, as --events and `tilaussilta listen --json` write them.
    #[arg(long, value_name = "FILE", requires = "forward")]
    replay: Option<PathBuf>,
}

/// Events that are about to be posted.
pub(crate) struct Forwarding {
    forwarder: Forwarder,
    replayed: Vec<String>,
    published: UnboundedReceiver<String>,
}

impl ForwardSwitches {
    /// What is posted from now on, and what is posted before that.
    pub(crate) fn prepare(&self, messaging: &Messaging, json: bool) -> Result<Option<Forwarding>, Problem> {
        let Some(url) = self.forward.clone() else { return Ok(None) };
        let replayed = self.replay.as_deref().map(read_events).transpose()?.unwrap_or_default();
        let forwarder = Forwarder::new(HttpPost::new(url)?, move |attempt| tell(attempt, json));
        Ok(Some(Forwarding { forwarder, replayed, published: messaging.listen() }))
    }
}

impl Forwarding {
    /// Posts without end, beside everything else.
    pub(crate) fn start(mut self) {
        tokio::spawn(async move {
            self.replayed.drain(..).for_each(|event| self.forwarder.send(event));
            while let Some(event) = self.published.recv().await {
                self.forwarder.send(event);
            }
        });
    }
}

/// The lines of a file, each an event.
fn read_events(path: &Path) -> Result<Vec<String>, Problem> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Problem(format!("{name} cannot be read: {error}")))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let events = lines.map(|(index, line)| match serde_json::from_str::<Map<String, Value>>(line) {
        Ok(event) if event.contains_key("detail-type") && event.contains_key("detail") => Ok(line.to_owned()),
        _ => Err(Problem(format!("{name}, line {}: not an event as JSON", index + 1))),
    });
    events.collect()
}

/// Tells an attempt. That nobody reads it is no reason to end.
fn tell(attempt: &Attempt, json: bool) {
    let mut out = std::io::stdout().lock();
    let _ = if json {
        let line = json!({
            "event": attempt.event, "detail_type": attempt.detail_type, "attempt": attempt.number,
            "answer": attempt.outcome.to_string(), "accepted": attempt.outcome.is_accepted(),
            "latency_ms": attempt.latency.as_millis() as u64,
            "again_in_ms": attempt.again_in.map(|pause| pause.as_millis() as u64),
        });
        writeln!(out, "{line}")
    } else {
        let time = Timestamp::now().to_zoned(TimeZone::system()).strftime("%T").to_string();
        writeln!(out, "{time}  {attempt}")
    };
}
