//! `tilaussilta quarantine`: what of a connection could not be read.

use ledger::Quarantined;
use serde_json::{Value, json};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{connection, local, table};

/// `tilaussilta quarantine`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The connection: mycashflow/NAME or manu/NAME.
    connection: String,
    /// Print JSON, with the bodies as received.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(options: Options) -> Result<(), Problem> {
    let connection = connection(&options.connection)?;
    let held = options.target.find().await?.ledger().quarantined(&connection).await?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&held.iter().map(quarantined_json).collect::<Vec<_>>())?);
    } else if held.is_empty() {
        println!("nothing of {connection} is in quarantine");
    } else {
        let mut table = table(&["first seen", "document", "bytes", "reason"]);
        for one in &held {
            let document = one.document.as_deref().unwrap_or("not known");
            table.add_row([&local(one.first_seen), document, &one.body.len().to_string(), &one.reason]);
        }
        println!("{table}");
    }
    Ok(())
}

fn quarantined_json(one: &Quarantined) -> Value {
    json!({
        "id": one.id,
        "first_seen": one.first_seen,
        "document": one.document,
        "reason": one.reason,
        "content_type": one.content_type,
        "truncated": one.truncated,
        "body": String::from_utf8_lossy(&one.body),
    })
}
