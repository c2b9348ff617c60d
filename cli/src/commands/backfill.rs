//! `tilaussilta backfill`: a shop's past into the ledger, with a progress bar.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connections::{ConnectionSource, ConnectionStore};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use ledger::Retention;
use mycashflow::{HttpTransport, RetryPolicy};
use platform::system_clock;
use poll::{PollDeps, Run, Shop, ShopReport, backfill};
use serde_json::json;
use tokio::time::Instant;

use crate::Problem;
use crate::deployment::{Deployment, Target};
use crate::output::{say, shop_day, table};
use crate::table::{name, number};

/// Differences shown to a person; `--json` lists all.
const SHOWN_DIFFERENCES: usize = 20;
/// Long enough for any shop: a backfill at a terminal is stopped by its person.
const NO_DEADLINE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `tilaussilta backfill`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta backfill acme --from 2024-01-01 --stack tilaussilta")]
pub(crate) struct Options {
    /// The shop's name among the connections.
    shop: String,
    /// The first day (Europe/Helsinki), such as 2024-01-01, or a time stamp.
    #[arg(long, value_name = "DATE", value_parser = shop_day)]
    from: i64,
    /// Write nothing, and list the orders that are missing or different.
    #[arg(long)]
    dry_run: bool,
    /// A connections document, with --table. Otherwise the deployment's own is read.
    #[arg(long, value_name = "FILE")]
    connections: Option<PathBuf>,
    /// How long the revisions are kept, in days: the deployment's RevisionRetentionDays. Required with --table.
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u16>,
    /// How long what cannot be read is kept, in days: the deployment's DeliveryLogRetentionDays. Required with --table.
    #[arg(long, value_name = "DAYS")]
    log_retention_days: Option<u16>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Options {
    /// What is written stays as long as what the deployment writes: nothing would shorten its time later.
    fn retention(&self, deployment: &Deployment) -> Result<Retention, Problem> {
        let of = |days: Option<u16>, known: Option<Duration>| {
            match (days, known) {
            (Some(days), _) => Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
            (None, Some(known)) => Ok(known),
            (None, None) if self.dry_run => Ok(Duration::default()),
            (None, None) => Err(Problem(
                "a table alone does not tell how long the deployment keeps what is recorded: name the stack, or say it \
                 with --retention-days and --log-retention-days (its parameters RevisionRetentionDays and \
                 DeliveryLogRetentionDays)"
                    .to_owned(),
            )),
        }
        };
        let known = deployment.retention;
        Ok(Retention {
            revisions: of(self.retention_days, known.map(|known| known.revisions))?,
            log: of(self.log_retention_days, known.map(|known| known.log))?,
        })
    }

    /// The deployment's connections, or those of the document that was named.
    async fn connections(&self, deployment: &Deployment) -> Result<ConnectionStore, Problem> {
        match &self.connections {
            Some(file) => Ok(ConnectionStore::open(ConnectionSource::File(file.clone())).await?),
            None => deployment.connections().await,
        }
    }
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let from = options.from;
    let deployment = target.find().await?;
    let ledger = deployment.ledger_for(options.retention(&deployment)?);
    let connections = options.connections(&deployment).await?.current();
    let connection = connections
        .shops
        .get(&options.shop)
        .ok_or_else(|| Problem(format!("there is no shop {} among the connections", options.shop)))?;
    let shop = Shop { name: &options.shop, url: &connection.url, key: connection.key.reveal() };
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg}  [{elapsed_precise}]")?;
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    let watched = bar.clone();
    let begun = Instant::now();
    // The second that the first page reached: what lies before it may have been empty, and says nothing of the speed.
    let first = OnceLock::new();
    let deps = PollDeps {
        ledger,
        clock: system_clock(),
        transport: Arc::new(HttpTransport::new()?),
        policy: RetryPolicy::default(),
        progress: Some(Arc::new(move |report| watched.set_message(progress(report, &first, begun)))),
    };
    let name = format!("backfill-{:016x}", fastrand::u64(..));
    let run = Run { name: &name, deadline: begun + NO_DEADLINE };
    let report = backfill(&deps, &shop, from, options.dry_run, &run).await;
    bar.finish_and_clear();
    if options.json {
        say!("{}", serde_json::to_string_pretty(&json!({ "shops": [&report] }))?);
    } else {
        print(&report, options.dry_run, begun.elapsed());
    }
    match &report.failure {
        Some(failure) => {
            let shop = &report.shop;
            Err(Problem(format!("{shop}: {failure} (run it again to continue; what is recorded stays)")))
        }
        None => Ok(()),
    }
}

/// Where the backfill is. The shop does not tell how many orders there are, so the end is estimated from the time covered.
fn progress(report: &ShopReport, first: &OnceLock<i64>, begun: Instant) -> String {
    let elapsed = begun.elapsed();
    let rate = report.orders as f64 / elapsed.as_secs_f64().max(0.001);
    let at: Option<Timestamp> = report.resume_from.as_ref().and_then(|at| at.parse().ok());
    let now = Timestamp::now().as_second();
    let begins = |at: Timestamp| if report.pages > 1 { *first.get_or_init(|| at.as_second()) } else { at.as_second() };
    let left = at.map(|at| (at.as_second() - begins(at), now - at.as_second())).filter(|(done, _)| *done > 0).map(
        |(done, left)| {
            let seconds = elapsed.as_secs_f64() * left.max(0) as f64 / done as f64;
            format!(", about {} left", human(Duration::from_secs_f64(seconds.min(1e9))))
        },
    );
    let day = at.map(|at| format!(", at {}", at.strftime("%F"))).unwrap_or_default();
    format!(
        "{} orders in {} pages, {} new, {} updated, {rate:.0} orders/s{day}{}",
        report.orders,
        report.pages,
        report.new,
        report.updated,
        left.unwrap_or_default()
    )
}

fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn print(shop: &ShopReport, dry_run: bool, elapsed: Duration) {
    say!(
        "{}: {} orders in {} pages, {} unchanged, {} quarantined, {}",
        shop.shop,
        shop.orders,
        shop.pages,
        shop.unchanged,
        shop.quarantined,
        human(elapsed)
    );
    if !dry_run {
        say!("{} new, {} updated", shop.new, shop.updated);
        return;
    }
    let missing = shop.differences.iter().filter(|difference| !difference.known).count();
    say!("dry run, nothing written: {missing} missing, {} different", shop.differences.len() - missing);
    if !shop.unreadable.is_empty() {
        let ids: Vec<String> = shop.unreadable.iter().take(SHOWN_DIFFERENCES).map(u64::to_string).collect();
        say!("! of the shop's orders {} cannot be read: {}", shop.unreadable.len(), ids.join(", "));
    }
    if shop.differences.is_empty() {
        return;
    }
    let mut table = table(&[number("order"), name("in the ledger")]);
    for difference in shop.differences.iter().take(SHOWN_DIFFERENCES) {
        let state = if difference.known { "different" } else { "missing" };
        table.add_row([difference.order.to_string(), state.to_owned()]);
    }
    say!("{table}");
    if shop.differences.len() > SHOWN_DIFFERENCES {
        say!("and {} more: --json lists all", shop.differences.len() - SHOWN_DIFFERENCES);
    }
}
