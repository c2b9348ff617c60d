//! `tilaussilta problems`: one inbox of what needs a person.

use std::process::ExitCode;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{Tone, local, say, toned, with_local_times};

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
    for one in &found.problems {
        let id = with_local_times(one.document.as_deref().unwrap_or(&one.id));
        let whose = one.connection.as_deref().unwrap_or_default();
        let since = one.since.map(|at| format!(", since {}", local(at))).unwrap_or_default();
        let tries = one.tries.map(|tries| format!(", tried {tries} times")).unwrap_or_default();
        say!("{}  {whose} {id}{since}{tries}", toned(one.kind.as_str(), Tone::Bad));
        say!("    {}", with_local_times(&one.reason));
        say!("    → {}", toned(&target.in_commands(&one.command), Tone::Good));
    }
    for line in &found.incomplete {
        say!("! the list may lack something: {line}");
    }
    if is_well {
        say!("Nothing needs a person.");
    }
    Ok(code)
}
