//! `tilaussilta polls`: the runs of the poll.

use ledger::{Connection, PollRun, System};
use serde_json::json;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{Tone, cell, compact, known_connection, local, say, table};
use crate::period::Period;
use crate::table::{name, number, sentence, time};

/// `tilaussilta polls`.
#[derive(clap::Args)]
#[command(mut_arg("since", |since| since.default_value("24h")))]
#[command(after_help = "Example: tilaussilta polls acme --since yesterday --failed --stack tilaussilta")]
pub(crate) struct Options {
    /// The shop. Without it, all of them.
    shop: Option<String>,
    #[command(flatten)]
    period: Period,
    /// Only runs that failed or found something.
    #[arg(long)]
    busy: bool,
    /// Only runs that failed.
    #[arg(long)]
    failed: bool,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let span = options.period.span()?;
    let operator = target.find().await?.operator().await?;
    let all = operator.all_connections();
    let shops: Vec<Connection> = match &options.shop {
        Some(name) => vec![known_connection(name, &all)?],
        None => all.into_iter().filter(|connection| connection.system == System::Mycashflow).collect(),
    };
    let mut table = table(&[
        time("ended"),
        name("shop").unless_same(),
        name("stopped"),
        number("pages").rank(2),
        number("new"),
        number("updated"),
        number("quarantined").unless_same(),
        number("gaps").unless_same(),
        number("lag").rank(1),
        sentence("failure"),
    ]);
    let mut shown = 0;
    for shop in &shops {
        for day in span.days() {
            for run in operator.ledger.poll_runs(&shop.name, day).await? {
                let found = run.new + run.updated + run.quarantined > 0;
                let is_wanted = (run.failure.is_some() || !options.failed)
                    && (found || run.failure.is_some() || !options.busy)
                    && (span.from..span.until).contains(&run.at);
                if !is_wanted {
                    continue;
                }
                shown += 1;
                if options.json {
                    say!("{}", compact(as_json(shop, &run)));
                } else {
                    table.add_row(row(shop, run));
                }
            }
        }
    }
    if !options.json {
        match shown {
            0 => {
                let what = if options.failed { "no run failed" } else { "no run" };
                say!("{what} from {} to {}", local(span.from), local(span.until));
            }
            _ => say!("{table}"),
        }
    }
    Ok(())
}

fn row(shop: &Connection, run: PollRun) -> [comfy_table::Cell; 10] {
    let tone = if run.failure.is_some() { Tone::Bad } else { Tone::Plain };
    [
        cell(local(run.at), Tone::Plain),
        cell(&shop.name, Tone::Faint),
        cell(run.stopped, tone),
        cell(run.pages, Tone::Faint),
        cell(run.new, Tone::Plain),
        cell(run.updated, Tone::Plain),
        cell(run.quarantined, if run.quarantined > 0 { Tone::Bad } else { Tone::Faint }),
        cell(run.gaps_open, if run.gaps_open > 0 { Tone::Bad } else { Tone::Faint }),
        cell(run.lag_seconds.map(|lag| format!("{lag} s")).unwrap_or_default(), Tone::Plain),
        cell(run.failure.unwrap_or_default(), tone),
    ]
}

fn as_json(shop: &Connection, run: &PollRun) -> serde_json::Value {
    json!({
        "shop": shop.name,
        "at": run.at,
        "stopped": run.stopped,
        "failure": run.failure,
        "pages": run.pages,
        "new": run.new,
        "updated": run.updated,
        "quarantined": run.quarantined,
        "gaps_open": run.gaps_open,
        "lag_seconds": run.lag_seconds,
    })
}
