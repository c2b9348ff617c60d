//! `tilaussilta compare`: the shop against the ledger, both ways.

use std::time::Duration;

use console::{Compare, Comparison};
use jiff::{Timestamp, Zoned};
use ledger::Connection;
use poll::start_second;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{instant, known_connection, say, time_option};

/// Long enough for any shop: a comparison at a terminal is stopped by its person.
const NO_DEADLINE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Ids in a line for a person; `--json` has all.
const SHOWN: usize = 50;

/// `tilaussilta compare`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta compare acme --from 2026-11-01 --to 2026-12-01 --stack tilaussilta\n\n\
                        Ends with 1 when they differ.")]
pub(crate) struct Options {
    /// The shop's name among the connections.
    shop: String,
    /// The first day of orders (Europe/Helsinki), such as 2026-11-01, or a time stamp.
    #[arg(long, value_name = "TIME", value_parser = time_option)]
    from: String,
    /// The first day after them. Without it, up to now.
    #[arg(long, value_name = "TIME", value_parser = time_option)]
    to: Option<String>,
    /// Record what is missing or different in the ledger.
    #[arg(long)]
    record: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let now = Zoned::now();
    // A date is one of the shop's own, as in its orders.
    let second = |text: &str| match start_second(text) {
        Some(second) => Ok(second),
        None => instant(text, &now).map(Timestamp::as_second),
    };
    let from = second(&options.from)?;
    let to = options.to.as_deref().map(second).transpose()?.unwrap_or(i64::MAX);
    if from >= to {
        return Err(Problem("--to is not after --from".to_owned()));
    }
    let deployment = target.find().await?;
    if deployment.retention.is_none() {
        return Err(Problem("a table alone does not tell the connections: name the stack".to_owned()));
    }
    let operator = deployment.operator().await?;
    let connection = known_connection(&options.shop, &operator.all_connections())?;
    let wish = Compare { connection: connection.clone(), made: from..to, record: options.record, within: NO_DEADLINE };
    let found = operator.compare(&wish).await?;
    if options.json {
        say!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        tell(&connection, &found);
    }
    match found.is_settled() {
        true => Ok(()),
        false => Err(Problem(format!("{connection}: the shop and the ledger differ"))),
    }
}

fn tell(connection: &Connection, found: &Comparison) {
    let lines = [
        ("missing in the ledger", &found.missing),
        ("different in the ledger", &found.different),
        ("only in the ledger: the shop does not show them", &found.only_in_the_ledger),
        ("cannot be read", &found.unreadable),
    ];
    say!("{connection}");
    for (what, orders) in lines {
        let ids: Vec<String> = orders.iter().take(SHOWN).map(u64::to_string).collect();
        let more = if orders.len() > SHOWN { ", …" } else { "" };
        let named = if ids.is_empty() { String::new() } else { format!(" (orders {}{more})", ids.join(", ")) };
        say!("{what}: {}{named}", orders.len());
    }
    if !found.unnamed.is_empty() {
        say!("cannot be read, and show no id: {}", found.unnamed.len());
    }
    if found.recorded {
        say!("what was missing or different is recorded now");
    }
}
