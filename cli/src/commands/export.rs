//! `tilaussilta export`: orders and their lines as tables.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use console::{OrderFilter, spreadsheet_safe};
use intake::stored_order;
use ledger::{DocumentKey, RevisionKey};
use serde_json::{Value, json};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{known_connection, span};

/// The columns of a line of an order.
const COLUMNS: [&str; 15] = [
    "connection",
    "order",
    "number",
    "created_at",
    "status",
    "payment_status",
    "order_total",
    "line",
    "type",
    "product_code",
    "product_name",
    "quantity",
    "unit_price",
    "vat_rate",
    "line_total",
];

/// `tilaussilta export`.
#[derive(clap::Args)]
#[command(
    after_help = "Example: tilaussilta export acme --from 2026-11-01 --to 2026-12-01 --csv --output november.csv --stack tilaussilta"
)]
pub(crate) struct Options {
    /// The shop's name among the connections.
    shop: String,
    /// From when on, by the time of recording: today, yesterday, 7d, 2026-11-01 or a time stamp.
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until when.
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    /// A table with a row for each line of an order.
    #[arg(long, conflicts_with = "jsonl", required_unless_present = "jsonl")]
    csv: bool,
    /// A line of JSON for each order.
    #[arg(long)]
    jsonl: bool,
    /// Write into this file. Without it, to standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let span = span(&options.from, &options.to)?;
    let operator = target.find().await?.operator().await?;
    let connection = known_connection(&options.shop, &operator.all_connections())?;
    operator.audit("export", &format!("{connection}, {} to {}", span.from, span.until)).await?;
    let filter =
        OrderFilter { connection: Some(connection.clone()), kind: Some("order".to_owned()), ..OrderFilter::default() };
    let rows = operator.orders(&filter, span).await?;
    let out: Box<dyn Write> = match &options.output {
        None => Box::new(io::stdout().lock()),
        Some(path) => {
            let file = File::create(path);
            Box::new(file.map_err(|error| Problem(format!("{} cannot be written: {error}", path.display())))?)
        }
    };
    let mut writer =
        if options.csv { Format::Csv(Box::new(csv::Writer::from_writer(out))) } else { Format::Lines(out) };
    if let Format::Csv(writer) = &mut writer {
        quietly(writer.write_record(COLUMNS).map_err(io::Error::from))?;
    }
    let mut unreadable = 0;
    for row in rows {
        let Some(document) = DocumentKey::parse(connection.clone(), &row.document) else { continue };
        let key = RevisionKey { document, revision: row.revision };
        let Some(revision) = operator.ledger.revision(&key).await? else {
            unreadable += 1;
            continue;
        };
        let Ok(order) = stored_order(&key.document, &revision) else {
            unreadable += 1;
            continue;
        };
        let order = serde_json::to_value(&order)?;
        quietly(writer.write(&connection.to_string(), row.total.as_deref(), &order))?;
    }
    quietly(match &mut writer {
        Format::Csv(writer) => writer.flush(),
        Format::Lines(out) => out.flush(),
    })?;
    match unreadable {
        0 => Ok(()),
        count => Err(Problem(format!("{count} orders cannot be read, or are erased, and are not in it"))),
    }
}

/// Whoever reads the output may stop at any time.
fn quietly(written: io::Result<()>) -> Result<(), Problem> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

enum Format {
    Csv(Box<csv::Writer<Box<dyn Write>>>),
    Lines(Box<dyn Write>),
}

impl Format {
    fn write(&mut self, connection: &str, total: Option<&str>, order: &Value) -> io::Result<()> {
        match self {
            Self::Lines(out) => writeln!(out, "{}", json!({ "connection": connection, "order": order })),
            Self::Csv(writer) => {
                // An order without lines has one empty one.
                let empty = [Value::Null];
                let lines = order["products"].as_array().filter(|lines| !lines.is_empty());
                for (place, line) in lines.map_or(&empty[..], Vec::as_slice).iter().enumerate() {
                    let text = |value: &Value| match value {
                        Value::Null => String::new(),
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    let row = [
                        connection.to_owned(),
                        text(&order["id"]),
                        text(&order["order_number"]),
                        text(&order["created_at"]),
                        text(&order["status"]),
                        text(&order["payments"][0]["status"]),
                        total.unwrap_or_default().to_owned(),
                        (place + 1).to_string(),
                        text(&line["type"]),
                        text(&line["product_code"]),
                        text(&line["product_name"]),
                        text(&line["quantity"]),
                        text(&line["unit_price"]),
                        text(&line["vat_rate"]),
                        text(&line["total"]),
                    ];
                    let row = row.map(|field| spreadsheet_safe(&field).into_owned());
                    writer.write_record(row).map_err(io::Error::from)?;
                }
                Ok(())
            }
        }
    }
}
