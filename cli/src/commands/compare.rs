//! `tilaussilta compare`: the shop against the ledger, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use console::OrderFilter;
use intake::stored_order;
use jiff::{Timestamp, Zoned};
use ledger::{Connection, DocumentKey, RevisionKey, Span};
use mycashflow::{HttpTransport, RetryPolicy, ShopClient};
use platform::system_clock;
use poll::{PollDeps, Run, Shop, backfill, refresh, start_second};
use serde::Serialize;
use tokio::time::Instant;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{instant, known_connection, say};

/// Orders asked for by number in one question: an answer holds a hundred.
const NUMBERS: usize = 98;
/// Long enough for any shop: a comparison at a terminal is stopped by its person.
const NO_DEADLINE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `tilaussilta compare`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta compare acme --from 2026-11-01 --to 2026-12-01 --stack tilaussilta\n\n\
                        Ends with 1 when they differ.")]
pub(crate) struct Options {
    /// The shop's name among the connections.
    shop: String,
    /// The first day of orders (Europe/Helsinki), such as 2026-11-01, or a time stamp.
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The first day after them. Without it, up to now.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Record what is missing or different in the ledger.
    #[arg(long)]
    record: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// In what the shop and the ledger differ, by the orders' ids.
#[derive(Debug, Default, Serialize)]
struct Differences {
    /// The ledger does not have them.
    missing: BTreeSet<u64>,
    /// The ledger has another state of them.
    different: BTreeSet<u64>,
    /// The shop does not show them any more.
    only_in_the_ledger: BTreeSet<u64>,
    /// The shop's answer, or the ledger's copy, cannot be read.
    unreadable: BTreeSet<u64>,
    /// Whether they were recorded.
    recorded: bool,
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
    let operator = deployment.operator().await?;
    let connection = known_connection(&options.shop, &operator.all_connections())?;
    let Some(retention) = deployment.retention else {
        return Err(Problem("a table alone does not tell the connections: name the stack".to_owned()));
    };
    let shop = operator.connections.shops.get(&connection.name);
    let shop = shop.ok_or_else(|| Problem(format!("{connection} is no shop")))?;
    if options.record {
        operator.audit("compare", &format!("{connection} from {}", options.from)).await?;
    }
    let transport = Arc::new(HttpTransport::new()?);
    let ledger = deployment.ledger_for(retention);
    let deps = PollDeps {
        ledger: ledger.clone(),
        clock: system_clock(),
        transport: transport.clone(),
        policy: RetryPolicy::default(),
        progress: None,
    };
    let asked = Shop { name: &connection.name, url: &shop.url, key: shop.key.reveal() };
    let name = format!("compare-{:016x}", fastrand::u64(..));
    let run = Run { name: &name, deadline: Instant::now() + NO_DEADLINE };
    let report = backfill(&deps, &asked, from, true, &run).await;
    if let Some(failure) = &report.failure {
        return Err(Problem(format!("{connection}: {failure}")));
    }
    let made = made_between(&operator, &connection, from, to).await?;
    let mut found = Differences { unreadable: made.unreadable, ..Differences::default() };
    found.unreadable.extend(report.unreadable.iter().copied());
    let is_wanted = |made_at: Option<i64>| made_at.is_none_or(|at| (from..to).contains(&at));
    for difference in report.differences.iter().filter(|difference| is_wanted(difference.made_at)) {
        match difference.known {
            true => found.different.insert(difference.order),
            false => found.missing.insert(difference.order),
        };
    }
    let client = ShopClient::new(
        shop.url.clone(),
        shop.key.reveal().to_owned(),
        transport,
        RetryPolicy::default(),
        fastrand::u64(..),
    );
    let ids: Vec<u64> = made.orders.into_keys().collect();
    for portion in ids.chunks(NUMBERS) {
        let shown: BTreeSet<u64> =
            client.get(portion).await?.page.entries.iter().filter_map(|entry| entry.id).collect();
        found.only_in_the_ledger.extend(portion.iter().filter(|id| !shown.contains(id)));
    }
    let wanted: Vec<u64> = found.missing.union(&found.different).copied().collect();
    for portion in wanted.chunks(NUMBERS).filter(|_| options.record) {
        let run = Run { name: &name, deadline: Instant::now() + NO_DEADLINE };
        if let Some(failure) = refresh(&deps, &asked, portion, &run).await.failure {
            return Err(Problem(format!("{connection}: {failure}")));
        }
        found.recorded = true;
    }
    tell(&connection, &found, options.json)
}

/// The orders of the ledger that were made in a time.
#[derive(Default)]
struct Made {
    orders: BTreeMap<u64, Timestamp>,
    unreadable: BTreeSet<u64>,
}

async fn made_between(
    operator: &console::Operator,
    connection: &Connection,
    from: i64,
    to: i64,
) -> Result<Made, Problem> {
    let filter =
        OrderFilter { connection: Some(connection.clone()), kind: Some("order".to_owned()), ..OrderFilter::default() };
    let span = Span { from: Timestamp::from_second(from)?, until: operator.now() };
    let mut made = Made::default();
    for row in operator.orders(&filter, span).await? {
        let Some(document) = DocumentKey::parse(connection.clone(), &row.document) else { continue };
        let Ok(id) = document.id.parse::<u64>() else { continue };
        let key = RevisionKey { document, revision: row.revision };
        let Some(revision) = operator.ledger.revision(&key).await? else { continue };
        match stored_order(&key.document, &revision).map(|order| order.created_at) {
            Ok(Some(at)) if (from..to).contains(&at.as_second()) => drop(made.orders.insert(id, at)),
            Ok(_) => {}
            Err(_) => drop(made.unreadable.insert(id)),
        }
    }
    Ok(made)
}

fn tell(connection: &Connection, found: &Differences, json: bool) -> Result<(), Problem> {
    let lines = [
        ("missing in the ledger", &found.missing),
        ("different in the ledger", &found.different),
        ("only in the ledger: the shop does not show them", &found.only_in_the_ledger),
        ("cannot be read", &found.unreadable),
    ];
    if json {
        say!("{}", serde_json::to_string_pretty(found)?);
    } else {
        say!("{connection}");
        for (what, orders) in lines {
            let ids: Vec<String> = orders.iter().take(50).map(u64::to_string).collect();
            let more = if orders.len() > 50 { ", …" } else { "" };
            let named = if ids.is_empty() { String::new() } else { format!(" (orders {}{more})", ids.join(", ")) };
            say!("{what}: {}{named}", orders.len());
        }
        if found.recorded {
            say!("what was missing or different is recorded now");
        }
    }
    let is_same = found.missing.is_empty() && found.different.is_empty();
    if !(is_same || found.recorded) || !found.only_in_the_ledger.is_empty() || !found.unreadable.is_empty() {
        return Err(Problem(format!("{connection}: the shop and the ledger differ")));
    }
    Ok(())
}
