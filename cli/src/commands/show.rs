//! `tilaussilta show`: a document's revisions.

use std::borrow::Cow;

use events::{Event, MAX_DETAIL_BYTES};
use jiff::Timestamp;
use ledger::{DocumentKey, Revision, RevisionKey};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{document, local, table};

/// `tilaussilta show`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The connection: mycashflow/NAME or manu/NAME.
    connection: String,
    /// The document: order/58, or sales-order-activate/4711. For a shop's order its number is enough.
    document: String,
    /// Print JSON, with the bodies as received and the events as published.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(options: Options) -> Result<(), Problem> {
    let key = document(&options.connection, &options.document)?;
    let revisions = options.target.find().await?.ledger().revisions(&key).await?;
    if options.json {
        let shown: Vec<Shown<'_>> = revisions.iter().map(|one| Shown::new(&key, one)).collect();
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else if !revisions.is_empty() {
        let mut table = table(&["revision", "came by", "observed", "recorded", "content hash", "bytes"]);
        for one in &revisions {
            table.add_row([
                one.revision.to_string(),
                one.source.as_str().to_owned(),
                local(one.observed_at),
                local(one.recorded_at),
                one.hash.to_string().chars().take(12).collect(),
                one.body.len().to_string(),
            ]);
        }
        println!("{key}\n{table}");
    }
    if revisions.is_empty() { Err(Problem(format!("the ledger has no {key}"))) } else { Ok(()) }
}

/// A revision as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    revision: u32,
    source: &'static str,
    observed_at: Timestamp,
    recorded_at: Timestamp,
    hash: String,
    content_type: &'a str,
    body: Cow<'a, str>,
    /// The `detail` of its event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Box<RawValue>>,
    /// Why it has no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(document: &DocumentKey, one: &'a Revision) -> Self {
        let key = RevisionKey { document: document.clone(), revision: one.revision };
        let event = Event::of_revision(&key, one, MAX_DETAIL_BYTES).map_err(|error| error.to_string());
        let event = event.and_then(|event| RawValue::from_string(event.detail).map_err(|error| error.to_string()));
        let (event, unreadable) = match event {
            Ok(detail) => (Some(detail), None),
            Err(reason) => (None, Some(reason)),
        };
        Self {
            id: key.event_id(),
            revision: one.revision,
            source: one.source.as_str(),
            observed_at: one.observed_at,
            recorded_at: one.recorded_at,
            hash: one.hash.to_string(),
            content_type: &one.content_type,
            body: String::from_utf8_lossy(&one.body),
            event,
            unreadable,
        }
    }
}
