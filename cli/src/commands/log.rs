//! `tilaussilta log`: a connection's delivery log, with the counts of the strangers' requests to it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ledger::{Delivery, RefusedRequests};
use serde_json::{Value, json};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{compact, known_connection, local, say, table};
use crate::table::{name, number, sentence, time};

/// `tilaussilta log`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta log manu/acme --days 2 --stack tilaussilta")]
pub(crate) struct Options {
    /// The connection: mycashflow/NAME or manu/NAME. NAME is ? for requests that name none of the connections.
    connection: String,
    /// Also print what was recorded, a duplicate or stale.
    #[arg(long)]
    all: bool,
    /// How many days back, today included (UTC).
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    days: u16,
    /// Print JSON, a line for each delivery, and for each count of refused requests.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let connection = known_connection(&options.connection, &operator.all_connections())?;
    let ledger = &operator.ledger;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut table = table(&[
        time("received"),
        name("outcome"),
        number("status").rank(1),
        name("document"),
        number("bytes").rank(2),
        number("ms").rank(3),
        sentence("reason"),
    ]);
    let mut lines = 0;
    for back in (0..i32::from(options.days)).rev() {
        let day: Date = today.checked_sub(back.days())?;
        let deliveries = ledger.deliveries(&connection, day).await?.into_iter();
        let deliveries = deliveries.filter(|delivery| options.all || !delivery.outcome.is_taken()).map(Line::Delivery);
        let refused = ledger.refused(&connection, day).await?.into_iter().map(Line::Refused);
        let mut of_day: Vec<Line> = deliveries.chain(refused).collect();
        of_day.sort_by_key(Line::at);
        lines += of_day.len();
        for line in &of_day {
            if options.json {
                say!("{}", compact(line.json()));
            } else {
                table.add_row(line.row());
            }
        }
    }
    if !options.json {
        match lines {
            0 if options.all => say!("nothing was received on {connection} in {} days", options.days),
            0 => say!("nothing was refused on {connection} in {} days (--all shows everything)", options.days),
            _ => say!("{table}"),
        }
    }
    Ok(())
}

/// A line of the log.
enum Line {
    Delivery(Delivery),
    Refused(RefusedRequests),
}

impl Line {
    fn at(&self) -> Timestamp {
        match self {
            Self::Delivery(delivery) => delivery.at,
            Self::Refused(refused) => refused.minute,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Delivery(delivery) => delivery_json(delivery),
            Self::Refused(refused) => json!({
                "at": refused.minute,
                "outcome": REFUSED,
                "reason": refused.reason,
                "count": refused.count,
                "environment": refused.environment,
            }),
        }
    }

    fn row(&self) -> [String; 7] {
        match self {
            Self::Delivery(delivery) => delivery_row(delivery),
            Self::Refused(RefusedRequests { minute, reason, count, .. }) => {
                let requests = if *count == 1 { "request" } else { "requests" };
                let text = format!("{count} {requests} of strangers within this minute: {reason}");
                let empty = String::new;
                [local(*minute), REFUSED.to_owned(), empty(), empty(), empty(), empty(), text]
            }
        }
    }
}

/// The outcome of requests that are counted and not logged one by one.
const REFUSED: &str = "refused";

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
