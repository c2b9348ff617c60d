//! `tilaussilta actions`: what was asked to be done in the shops, by what, and what came of it.

use ledger::{ActionLine, System};
use serde_json::json;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{Tone, cell, compact, document, known_connection, local, say, table};
use crate::period::Period;
use crate::table::{name, sentence, time};

/// `tilaussilta actions`.
#[derive(clap::Args)]
#[command(mut_arg("since", |since| since.default_value("14d")))]
#[command(after_help = "Examples:\n  tilaussilta actions --dispatch 4711 --stack tilaussilta\n  \
                        tilaussilta actions acme --order 58 --stack tilaussilta")]
pub(crate) struct Options {
    /// The shop. Without it, all of them.
    shop: Option<String>,
    /// Only of this order.
    #[arg(long, value_name = "NUMBER")]
    order: Option<u64>,
    /// Only what this dispatch of the ERP asked for.
    #[arg(long, value_name = "ID")]
    dispatch: Option<String>,
    #[command(flatten)]
    period: Period,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let span = options.period.span()?;
    let operator = target.find().await?.operator().await?;
    let all = operator.all_connections();
    let shops = match &options.shop {
        Some(name) => vec![known_connection(name, &all)?],
        None => all.into_iter().filter(|connection| connection.system == System::Mycashflow).collect(),
    };
    let mut lines = Vec::new();
    for shop in &shops {
        lines.extend(match options.order {
            Some(order) => operator.ledger.actions_on(&document(&shop.to_string(), &order.to_string())?).await?,
            None => operator.ledger.actions(shop, span).await?,
        });
    }
    let is_of = |line: &ActionLine, dispatch: &str| {
        let key = line.cause.as_deref().and_then(ledger::RevisionKey::parse);
        key.is_some_and(|key| key.document.id == dispatch)
    };
    lines.retain(|line| options.dispatch.as_deref().is_none_or(|dispatch| is_of(line, dispatch)));
    lines.sort_by_key(|line| line.at);
    if options.json {
        for line in &lines {
            say!("{}", compact(as_json(line)));
        }
        return Ok(());
    }
    if lines.is_empty() {
        match &options.dispatch {
            Some(dispatch) => say!("in this time nothing was done for a dispatch {dispatch}"),
            None => say!("in this time nothing was asked to be done"),
        }
        return Ok(());
    }
    let mut table = table(&[
        time("when"),
        name("connection").unless_same(),
        name("document"),
        name("action"),
        name("outcome"),
        sentence("reason"),
        name("asked for by").rank(1),
    ]);
    for line in &lines {
        let tone = if line.outcome.starts_with("done") { Tone::Good } else { Tone::Bad };
        table.add_row([
            cell(local(line.at), Tone::Plain),
            cell(&line.document.connection, Tone::Faint),
            cell(line.document.name(), Tone::Plain),
            cell(&line.action, Tone::Plain),
            cell(&line.outcome, tone),
            cell(line.reason.as_deref().unwrap_or_default(), Tone::Plain),
            cell(line.cause.as_deref().unwrap_or_default(), Tone::Faint),
        ]);
    }
    say!("{table}");
    Ok(())
}

fn as_json(line: &ActionLine) -> serde_json::Value {
    json!({
        "at": line.at,
        "document": line.document.to_string(),
        "action": line.action,
        "outcome": line.outcome,
        "reason": line.reason,
        "cause": line.cause,
    })
}
