//! `tilaussilta show`: a document's revisions.

use ledger::{DocumentKey, Revision};
use serde_json::{Value, json};

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
    /// Print JSON, with the bodies as received.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(options: Options) -> Result<(), Problem> {
    let key = document(&options.connection, &options.document)?;
    let revisions = options.target.find().await?.ledger().revisions(&key).await?;
    if options.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&revisions.iter().map(|one| revision_json(&key, one)).collect::<Vec<_>>())?
        );
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

fn revision_json(key: &DocumentKey, one: &Revision) -> Value {
    json!({
        "id": key.event_id(one.revision),
        "revision": one.revision,
        "source": one.source.as_str(),
        "observed_at": one.observed_at,
        "recorded_at": one.recorded_at,
        "hash": one.hash.to_string(),
        "content_type": one.content_type,
        "body": String::from_utf8_lossy(&one.body),
    })
}
