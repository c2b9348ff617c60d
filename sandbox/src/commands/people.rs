//! What people ask of a ledger: `sign`, `show`, `log` and `quarantine`.

use std::io::Read;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ledger::{Connection, Delivery, DocumentKey, Outcome, Quarantined, Revision};
use serde_json::{Value, json};

use super::{Problem, Store};

/// `sandbox sign`.
#[derive(clap::Args)]
pub(crate) struct SignOptions {
    /// The client secret of the private application.
    #[arg(long)]
    secret: String,
}

/// `sandbox show`.
#[derive(clap::Args)]
pub(crate) struct ShowOptions {
    /// The connection: mycashflow/NAME or manu/NAME.
    connection: String,
    /// The document: order/58, or sales-order-activate/4711. For a shop's order its number is enough.
    document: String,
    /// Print JSON, with the bodies as received.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: Store,
}

/// `sandbox log`.
#[derive(clap::Args)]
pub(crate) struct LogOptions {
    /// The connection: mycashflow/NAME or manu/NAME.
    connection: String,
    /// Print what was recorded too, not only what was not.
    #[arg(long)]
    all: bool,
    /// How many days back, today included (UTC).
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    days: u16,
    /// Print JSON, a line for each delivery.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: Store,
}

/// `sandbox quarantine`.
#[derive(clap::Args)]
pub(crate) struct QuarantineOptions {
    /// The connection: mycashflow/NAME or manu/NAME.
    connection: String,
    /// Print JSON, with the bodies as received.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: Store,
}

pub(crate) fn sign(options: &SignOptions) -> Result<(), Problem> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    println!("{}", manu::verify_code(&body, &options.secret));
    Ok(())
}

pub(crate) async fn show(options: ShowOptions) -> Result<(), Problem> {
    let key = document(&options.connection, &options.document)?;
    let revisions = options.store.open().await?.revisions(&key).await?;
    if options.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&revisions.iter().map(|one| revision_json(&key, one)).collect::<Vec<_>>())?
        );
    } else if !revisions.is_empty() {
        let mut table = table(&["revision", "came by", "observed", "recorded", "content hash", "bytes"]);
        for one in &revisions {
            table.add_row([
                one.revision.to_string(),
                one.source.as_str().to_owned(),
                local(one.observed_at),
                local(one.recorded_at),
                one.hash.to_string().chars().take(12).collect(),
                one.body.len().to_string(),
            ]);
        }
        println!("{key}\n{table}");
    }
    if revisions.is_empty() { Err(Problem(format!("the ledger has no {key}"))) } else { Ok(()) }
}

pub(crate) async fn log(options: LogOptions) -> Result<(), Problem> {
    let connection = connection(&options.connection)?;
    let ledger = options.store.open().await?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut table = table(&["received", "outcome", "status", "document", "bytes", "ms", "reason"]);
    let mut lines = 0;
    for back in (0..i32::from(options.days)).rev() {
        let day: Date = today.checked_sub(back.days())?;
        for delivery in ledger.deliveries(&connection, day).await? {
            let well = matches!(delivery.outcome, Outcome::Recorded | Outcome::Duplicate | Outcome::Stale);
            if well && !options.all {
                continue;
            }
            lines += 1;
            if options.json {
                println!("{}", delivery_json(&delivery));
            } else {
                table.add_row(delivery_row(&delivery));
            }
        }
    }
    if !options.json {
        match lines {
            0 if options.all => println!("nothing was received on {connection} in {} days", options.days),
            0 => println!("nothing was refused on {connection} in {} days (--all shows everything)", options.days),
            _ => println!("{table}"),
        }
    }
    Ok(())
}

pub(crate) async fn quarantine(options: QuarantineOptions) -> Result<(), Problem> {
    let connection = connection(&options.connection)?;
    let held = options.store.open().await?.quarantined(&connection).await?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&held.iter().map(quarantined_json).collect::<Vec<_>>())?);
    } else if held.is_empty() {
        println!("nothing of {connection} is in quarantine");
    } else {
        let mut table = table(&["first seen", "document", "bytes", "reason"]);
        for one in &held {
            let document = one.document.as_deref().unwrap_or("not known");
            table.add_row([&local(one.first_seen), document, &one.body.len().to_string(), &one.reason]);
        }
        println!("{table}");
    }
    Ok(())
}

/// The document that a person names: by kind and id, or an order by its number alone.
pub(crate) fn document(of: &str, name: &str) -> Result<DocumentKey, Problem> {
    let name = match name.parse::<u64>() {
        Ok(order) => format!("order/{order}"),
        Err(_) => name.to_owned(),
    };
    DocumentKey::parse(connection(of)?, &name)
        .ok_or_else(|| Problem("name the document as KIND/ID, for example order/58".to_owned()))
}

fn connection(text: &str) -> Result<Connection, Problem> {
    Connection::parse(text).ok_or_else(|| Problem("name the connection as mycashflow/NAME or manu/NAME".to_owned()))
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

/// An instant as the reader's clock shows it.
fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%F %T").to_string()
}

fn revision_json(key: &DocumentKey, one: &Revision) -> Value {
    json!({
        "id": key.event_id(one.revision),
        "revision": one.revision,
        "source": one.source.as_str(),
        "observed_at": one.observed_at,
        "recorded_at": one.recorded_at,
        "hash": one.hash.to_string(),
        "content_type": one.content_type,
        "body": String::from_utf8_lossy(&one.body),
    })
}

fn quarantined_json(one: &Quarantined) -> Value {
    json!({
        "id": one.id,
        "first_seen": one.first_seen,
        "document": one.document,
        "reason": one.reason,
        "content_type": one.content_type,
        "truncated": one.truncated,
        "body": String::from_utf8_lossy(&one.body),
    })
}

fn delivery_json(delivery: &Delivery) -> Value {
    json!({
        "at": delivery.at,
        "request_id": delivery.request_id,
        "outcome": delivery.outcome.as_str(),
        "status": delivery.status,
        "reason": delivery.reason,
        "document": delivery.document.as_ref().map(|(document, _)| document),
        "revision": delivery.document.as_ref().map(|(_, revision)| revision),
        "size_bytes": delivery.size_bytes,
        "duration_ms": delivery.duration.as_millis() as u64,
    })
}

fn delivery_row(delivery: &Delivery) -> [String; 7] {
    let document = delivery.document.as_ref();
    [
        local(delivery.at),
        delivery.outcome.as_str().to_owned(),
        delivery.status.to_string(),
        document.map(|(name, revision)| format!("{name} rev {revision}")).unwrap_or_default(),
        delivery.size_bytes.to_string(),
        delivery.duration.as_millis().to_string(),
        delivery.reason.clone().unwrap_or_default(),
    ]
}
