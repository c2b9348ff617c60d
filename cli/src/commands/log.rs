//! `tilaussilta log`: a connection's delivery log.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ledger::{Delivery, Outcome};
use serde_json::{Value, json};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{connection, local, table};

/// `tilaussilta log`.
#[derive(clap::Args)]
pub(crate) struct Options {
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
    target: Target,
}

pub(crate) async fn run(options: Options) -> Result<(), Problem> {
    let connection = connection(&options.connection)?;
    let ledger = options.target.find().await?.ledger();
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
