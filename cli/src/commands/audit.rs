//! `tilaussilta audit`: what people did.

use serde_json::json;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{local, say, span, table};

/// `tilaussilta audit`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta audit --since 30d --stack tilaussilta")]
pub(crate) struct Options {
    /// From when on: today, yesterday, 24h, 7d, 2026-11-01 or a time stamp.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// Until when.
    #[arg(long, value_name = "TIME", default_value = "now")]
    until: String,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let span = span(&options.since, &options.until)?;
    let ledger = target.find().await?.ledger();
    let mut table = table(&["when", "what", "to what", "by"]);
    let mut count = 0;
    for day in span.days() {
        for line in ledger.audited(day).await? {
            if !(span.from..span.until).contains(&line.at) {
                continue;
            }
            count += 1;
            if options.json {
                say!("{}", json!({ "at": line.at, "what": line.what, "target": line.target, "who": line.who }));
            } else {
                table.add_row([local(line.at), line.what, line.target, line.who]);
            }
        }
    }
    if !options.json {
        match count {
            0 => say!("nobody did anything from {} to {}", local(span.from), local(span.until)),
            _ => say!("{table}"),
        }
    }
    Ok(())
}
