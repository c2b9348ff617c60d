//! `tilaussilta erase`: permanently erases a customer's order or another document from the ledger.

use jiff::Timestamp;
use ledger::{Erased, Erasure};
use serde_json::json;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{document, say};

/// `tilaussilta erase`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta erase mycashflow/acme order/58 --yes --stack tilaussilta")]
pub(crate) struct Options {
    /// The connection: mycashflow/NAME or manu/NAME.
    connection: String,
    /// The document: order/58, or sales-order-activate/4711. For a shop's order its number is enough.
    document: String,
    /// Erase. Only the table's point-in-time recovery can bring it back.
    #[arg(long)]
    yes: bool,
    /// Also erase the bodies in the connection's quarantine that belong to no known document.
    #[arg(long)]
    unassigned: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let document = document(&options.connection, &options.document)?;
    let operator = target.find().await?.operator().await?;
    let ledger = &operator.ledger;
    if options.yes {
        operator.audit("erase", &document.to_string()).await?;
    }
    let erasure = Erasure { unassigned: options.unassigned, dry_run: !options.yes };
    let erased = ledger.erase(&document, erasure, Timestamp::now()).await?;
    if erased == Erased::default() && ledger.head(&document).await?.is_none() {
        return Err(Problem(format!("the ledger has no {document}")));
    }
    let Erased { revisions, quarantined, unassigned } = erased;
    if options.json {
        let counts = json!({ "revisions": revisions, "quarantined": quarantined, "unassigned": unassigned });
        say!("{}", json!({ "document": document.to_string(), "erased": options.yes, "counts": counts }));
        return Ok(());
    }
    let verb = if options.yes { "erased" } else { "would be erased (--yes erases)" };
    say!("{document}: {revisions} revisions and {quarantined} bodies in quarantine {verb}");
    if unassigned > 0 {
        say!("{unassigned} more bodies in quarantine belong to no known document: --unassigned includes them");
    }
    if options.yes {
        say!("copies outside of the ledger, and how long they stay: docs/personal-data.md");
    }
    Ok(())
}
