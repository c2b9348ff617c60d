//! `tilaussilta problems`: one inbox of what needs a person.

use std::process::ExitCode;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{Tone, cell, local, say, table};

/// `tilaussilta problems`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta problems --stack tilaussilta\n\nEnds with 1 when there are any.")]
pub(crate) struct Options {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<ExitCode, Problem> {
    let found = target.find().await?.operator().await?.problems().await?;
    let is_well = found.problems.is_empty() && found.incomplete.is_empty();
    let code = if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if options.json {
        say!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(code);
    }
    if !found.problems.is_empty() {
        let mut table = table(&["what", "whose", "which", "since", "tries", "reason", "mended by"]);
        for one in &found.problems {
            let id = one.document.clone().unwrap_or_else(|| one.id.chars().take(24).collect());
            table.add_row([
                cell(one.kind.as_str(), Tone::Bad),
                cell(one.connection.as_deref().unwrap_or("–"), Tone::Plain),
                cell(id, Tone::Plain),
                cell(one.since.map(local).unwrap_or_default(), Tone::Plain),
                cell(one.tries.map(|tries| tries.to_string()).unwrap_or_default(), Tone::Faint),
                cell(&one.reason, Tone::Plain),
                cell(&one.command, Tone::Good),
            ]);
        }
        say!("{table}");
    }
    for line in &found.incomplete {
        say!("! the list may lack something: {line}");
    }
    if is_well {
        say!("Nothing needs a person.");
    }
    Ok(code)
}
