//! `tilaussilta audit`: what people did.

use serde_json::json;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{local, say, table, with_local_times};
use crate::period::Period;
use crate::table::{name, sentence, time};

/// `tilaussilta audit`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta audit --since 30d --stack tilaussilta")]
pub(crate) struct Options {
    #[command(flatten)]
    period: Period,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let span = options.period.span()?;
    let ledger = target.find().await?.ledger();
    let mut table = table(&[time("when"), name("what"), sentence("to what"), sentence("by").unless_same()]);
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
                table.add_row([local(line.at), line.what, with_local_times(&line.target), line.who]);
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
