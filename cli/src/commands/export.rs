//! `tilaussilta export`: orders and their lines as tables.

mod file;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use console::{Operator, OrderFilter, OrderRow, spreadsheet_safe};
use futures_util::StreamExt;
use intake::stored_order;
use ledger::{Connection, DocumentKey, RevisionKey, Span};
use serde_json::{Value, json};

use self::file::{Export, Place, Wish};
use crate::Problem;
use crate::deployment::Target;
use crate::output::{known_connection, span, time_option};

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
/// Bodies read at the same time.
const READS_AT_ONCE: usize = 8;

/// `tilaussilta export`.
#[derive(clap::Args)]
#[command(
    after_help = "Example: tilaussilta export acme --from 2026-11-01 --to 2026-12-01 --csv --output november.csv --resume --stack tilaussilta"
)]
pub(crate) struct Options {
    /// The shop's name among the connections.
    shop: String,
    /// From when on, by the time of recording: today, yesterday, 90min, 24h, 7d, 2026-11-01 or a time stamp.
    #[arg(long, value_name = "TIME", value_parser = time_option)]
    from: String,
    /// Until when.
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = time_option)]
    to: String,
    /// A table with a row for each line of an order.
    #[arg(long, conflicts_with = "jsonl", required_unless_present = "jsonl")]
    csv: bool,
    /// A line of JSON for each order.
    #[arg(long)]
    jsonl: bool,
    /// Write into this file, with a cursor beside it (FILE.cursor) until it is complete. Without it, to standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Continue an export into the file that was broken off. Begins one when there is none.
    #[arg(long, requires = "output")]
    resume: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let span = span(&options.from, &options.to)?;
    let operator = target.find().await?.operator().await?;
    let connection = known_connection(&options.shop, &operator.all_connections())?;
    let source = Source { operator, connection, csv: options.csv };
    let unreadable = match &options.output {
        None => source.to_standard_output(span).await?,
        Some(path) => source.to_file(path, span, &options).await?,
    };
    match unreadable {
        0 => Ok(()),
        count => Err(Problem(format!("{count} orders cannot be read, or are erased, and are not in it"))),
    }
}

/// What is exported, and how.
struct Source {
    operator: Operator,
    connection: Connection,
    csv: bool,
}

impl Source {
    async fn to_standard_output(&self, span: Span) -> Result<u64, Problem> {
        let rows = self.rows(span).await?;
        quietly(io::stdout().lock().write_all(&self.head()?))?;
        let mut unreadable = 0;
        let mut texts = std::pin::pin!(self.texts(&rows));
        while let Some((_, text)) = texts.next().await {
            match text? {
                Some(text) => quietly(io::stdout().lock().write_all(&text))?,
                None => unreadable += 1,
            }
        }
        quietly(io::stdout().lock().flush())?;
        Ok(unreadable)
    }

    async fn to_file(&self, path: &Path, span: Span, options: &Options) -> Result<u64, Problem> {
        let (from, to) = (options.from.clone(), options.to.clone());
        let wish = Wish { connection: self.connection.to_string(), from, to, csv: self.csv };
        let resumed = if options.resume { Export::resume(path, &wish)? } else { None };
        let mut export = match resumed {
            Some(export) => export,
            None => Export::begin(path, wish, (span.from, span.until), &self.head()?)?,
        };
        let mut rows = self.rows(Span { from: export.cursor.since, until: export.cursor.until }).await?;
        if let Some(after) = export.cursor.after.clone() {
            let before = rows.len();
            rows.retain(|row| place(row) > after);
            check_unchanged(export.cursor.orders, (before - rows.len()) as u64)?;
        }
        let mut texts = std::pin::pin!(self.texts(&rows));
        while let Some((row, text)) = texts.next().await {
            export.add(place(row), text?.as_deref())?;
        }
        Ok(export.end()?.unreadable)
    }

    /// The orders of a time, oldest first.
    async fn rows(&self, span: Span) -> Result<Vec<OrderRow>, Problem> {
        self.operator.audit("export", &format!("{}, {} to {}", self.connection, span.from, span.until)).await?;
        let filter = OrderFilter {
            connection: Some(self.connection.clone()),
            kind: Some("order".to_owned()),
            ..OrderFilter::default()
        };
        let mut rows = self.operator.orders(&filter, span).await?;
        rows.sort_by_cached_key(place);
        Ok(rows)
    }

    /// What stands before the first order.
    fn head(&self) -> Result<Vec<u8>, Problem> {
        if self.csv { csv_text([COLUMNS.map(str::to_owned)]) } else { Ok(Vec::new()) }
    }

    /// The text of each order, in the order of the rows; none of one that cannot be read, or is erased.
    fn texts<'a>(
        &'a self,
        rows: &'a [OrderRow],
    ) -> impl futures_util::Stream<Item = (&'a OrderRow, Result<Option<Vec<u8>>, Problem>)> {
        futures_util::stream::iter(rows).map(async |row| (row, self.text(row).await)).buffered(READS_AT_ONCE)
    }

    async fn text(&self, row: &OrderRow) -> Result<Option<Vec<u8>>, Problem> {
        let Some(document) = DocumentKey::parse(self.connection.clone(), &row.document) else { return Ok(None) };
        let key = RevisionKey { document, revision: row.revision };
        let Some(revision) = self.operator.ledger.revision(&key).await? else { return Ok(None) };
        let Ok(order) = stored_order(&key.document, &revision) else { return Ok(None) };
        let order = serde_json::to_value(&order)?;
        let connection = self.connection.to_string();
        Ok(Some(match self.csv {
            true => csv_text(lines_of(&connection, row.total.as_deref(), &order))?,
            false => format!("{}\n", json!({ "connection": connection, "order": order })).into_bytes(),
        }))
    }
}

fn place(row: &OrderRow) -> Place {
    Place { recorded_at: row.recorded_at, document: row.document.clone() }
}

/// The orders up to the cursor are the same as before, but for those that are erased or expired since.
fn check_unchanged(written: u64, listed: u64) -> Result<(), Problem> {
    if listed > written {
        let more = listed - written;
        return Err(Problem(format!(
            "{more} orders appeared in the part that is written already (tilaussilta index adds such): begin anew"
        )));
    }
    if listed < written {
        eprintln!("! {} orders of the part that is written already are erased or expired by now", written - listed);
    }
    Ok(())
}

/// Whoever reads the output may stop at any time.
fn quietly(written: io::Result<()>) -> Result<(), Problem> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

fn csv_text(rows: impl IntoIterator<Item = [String; COLUMNS.len()]>) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(|error| Problem(error.to_string()))
}

/// A row for each line of an order. An order without lines has one empty one.
fn lines_of(connection: &str, total: Option<&str>, order: &Value) -> Vec<[String; COLUMNS.len()]> {
    let empty = [Value::Null];
    let lines = order["products"].as_array().filter(|lines| !lines.is_empty());
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |(place, line): (usize, &Value)| {
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
        row.map(|field| spreadsheet_safe(&field).into_owned())
    };
    lines.map_or(&empty[..], Vec::as_slice).iter().enumerate().map(row).collect()
}
