//! `tilaussilta replay`: publishes again, under the ids that the events had before.

use console::{Operator, Replay};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Zoned};
use ledger::{Connection, DocumentKey, Span};
use serde_json::{Value, json};

use super::retry::report_failed;
use crate::Problem;
use crate::deployment::Target;
use crate::output::{document, instant, known_connection, local, say, time_option};

/// What was recorded a moment ago may be under way.
const UNDER_WAY: SignedDuration = SignedDuration::from_mins(15);

/// `tilaussilta replay`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tilaussilta replay mycashflow/acme order/58 --yes --stack tilaussilta\n  \
                        tilaussilta replay --never-published --yes --stack tilaussilta\n  \
                        tilaussilta replay mycashflow/acme --since 2026-11-01 --until 2026-11-02 --stack tilaussilta")]
pub(crate) struct Options {
    /// The connection. Without it, all of them.
    connection: Option<String>,
    /// One document of it: order/58.
    document: Option<String>,
    /// Only revisions of whose publication there is no record. What was recorded before publications were is left out.
    #[arg(long)]
    never_published: bool,
    /// What was recorded from then on: today, yesterday, 90min, 24h, 7d, 2026-11-01 or a time stamp.
    #[arg(long, value_name = "TIME", value_parser = time_option)]
    since: Option<String>,
    /// And before then.
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = time_option)]
    until: String,
    /// Publish. Without --yes, only report how many events it would be.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let all = operator.all_connections();
    let connection = options.connection.as_deref().map(|name| known_connection(name, &all)).transpose()?;
    if let (Some(connection), Some(name)) = (&connection, &options.document) {
        let key = document(&connection.to_string(), name)?;
        return one_document(&operator, key, &options).await;
    }
    let now = Zoned::now();
    let since = match (&options.since, options.never_published) {
        (Some(since), _) => instant(since, &now)?,
        (None, true) => now.timestamp() - SignedDuration::from_hours(24 * 90),
        (None, false) => return Err(Problem("name a document, or a time with --since".to_owned())),
    };
    let mut until = instant(&options.until, &now)?;
    if options.never_published {
        until = until.min(now.timestamp() - UNDER_WAY);
    }
    if since >= until {
        return Err(Problem("the time ends before it begins".to_owned()));
    }
    let span = Span { from: since, until };
    let connections: Vec<Connection> = connection.map_or(all, |connection| vec![connection]);
    let mut failed = Ok(());
    for connection in connections {
        let count = match options.never_published {
            true => operator.ledger.unpublished(&connection, span, operator.now()).await?.len() as u64,
            false => operator.arrivals(Some(&connection), span).await?.len() as u64,
        };
        let (from, to) = (local(span.from), local(span.until));
        if !options.yes || count == 0 {
            let verb = if options.yes { "were published" } else { "would be published (--yes does it)" };
            if options.json {
                say!("{}", json!({ "connection": connection.to_string(), "count": count, "done": false }));
            } else {
                let but = if options.never_published { "; the last 15 minutes do not count" } else { "" };
                say!("{connection}: {count} events of {from} to {to} {verb}{but}");
            }
            continue;
        }
        let bar = progress(count);
        let wish = Replay::Time { connection: connection.clone(), span, unpublished: options.never_published };
        let mut done = operator.replay(&wish, &mut |published| bar.set_position(published)).await?;
        bar.finish_and_clear();
        if options.json {
            tell(&mut done, &connection, None, count);
        } else {
            say!("{connection}: {} of {count} events were published again", done["published"]);
        }
        failed = failed.and(report_failed(&done));
    }
    failed
}

async fn one_document(operator: &Operator, key: DocumentKey, options: &Options) -> Result<(), Problem> {
    let count = operator.ledger.find_document(&key).await?.len();
    if count == 0 {
        return Err(Problem(format!("the ledger has no revision of {key}")));
    }
    if !options.yes {
        let (connection, document) = (key.connection.to_string(), key.name());
        match options.json {
            true => {
                say!("{}", json!({ "connection": connection, "document": document, "count": count, "done": false }))
            }
            false => say!("{key}: {count} events would be published (--yes does it)"),
        }
        return Ok(());
    }
    let mut done = operator.replay(&Replay::Document(key.clone()), &mut |_| {}).await?;
    if options.json {
        tell(&mut done, &key.connection, Some(key.name()), count as u64);
    } else {
        say!("{key}: {} of {count} events were published again", done["published"]);
    }
    report_failed(&done)
}

/// Prints what was published, as JSON.
fn tell(done: &mut Value, connection: &Connection, document: Option<String>, count: u64) {
    done["connection"] = json!(connection.to_string());
    if let Some(document) = document {
        done["document"] = json!(document);
    }
    done["count"] = json!(count);
    done["done"] = json!(true);
    say!("{done}");
}

/// A bar on the error output, where a person sees it.
fn progress(count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}");
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
