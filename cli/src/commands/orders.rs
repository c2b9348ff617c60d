//! `tilaussilta orders`: what arrived in a time.

use console::{OrderFilter, OrderRow};
use jiff::Zoned;
use ledger::Span;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{Tone, cell, instant, known_connection, local, say, table};

/// `tilaussilta orders`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tilaussilta orders --since yesterday --until today --stack tilaussilta\n  \
                        tilaussilta orders --since 7d --search 'RF18 5390 0754 7034' --stack tilaussilta")]
pub(crate) struct Options {
    /// The connection: mycashflow/NAME or manu/NAME. Without it, all of them.
    connection: Option<String>,
    /// From when on, by the time of recording: today, yesterday, 24h, 7d, 2026-11-01 or a time stamp.
    #[arg(long, value_name = "TIME", default_value = "today")]
    since: String,
    /// Until when.
    #[arg(long, value_name = "TIME", default_value = "now")]
    until: String,
    /// Only with this status, such as Open.
    #[arg(long)]
    status: Option<String>,
    /// Only whose body holds this text: a name, an e-mail address, a payment reference. Reads the bodies of the time, and
    /// leaves a line in the audit log.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Also documents that are no orders.
    #[arg(long)]
    all: bool,
    /// Print CSV, for a spreadsheet.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON, a line for each.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let now = Zoned::now();
    let span = Span { from: instant(&options.since, &now)?, until: instant(&options.until, &now)? };
    let operator = target.find().await?.operator().await?;
    let all = operator.all_connections();
    let connection = options.connection.as_deref().map(|name| known_connection(name, &all)).transpose()?;
    let is_message = connection.as_ref().is_some_and(|connection| connection.system == ledger::System::Manu);
    if options.search.is_some() {
        let of = connection.as_ref().map_or_else(|| "all connections".to_owned(), ToString::to_string);
        operator.audit("search", &format!("{of}, {} to {}", span.from, span.until)).await?;
    }
    let filter = OrderFilter {
        connection,
        kind: (!options.all && !is_message).then(|| "order".to_owned()),
        status: options.status,
        search: options.search,
    };
    let rows = operator.orders(&filter, span).await?;
    if options.csv {
        return print_csv(&rows);
    }
    if options.json {
        for row in &rows {
            say!("{}", serde_json::to_string(row)?);
        }
        return Ok(());
    }
    if rows.is_empty() {
        say!("nothing arrived from {} to {}", local(span.from), local(span.until));
        return Ok(());
    }
    let mut table =
        table(&["recorded", "connection", "document", "number", "status", "payment", "total", "by", "rev", "!"]);
    for row in &rows {
        let text = |text: &Option<String>| cell(text.as_deref().unwrap_or("–"), Tone::Plain);
        let warnings = if row.warnings > 0 { row.warnings.to_string() } else { String::new() };
        table.add_row([
            cell(local(row.recorded_at), Tone::Plain),
            cell(&row.connection, Tone::Faint),
            cell(&row.document, Tone::Plain),
            text(&row.number),
            text(&row.status),
            text(&row.payment_status),
            text(&row.total),
            cell(row.source, Tone::Faint),
            cell(row.revision, Tone::Faint),
            cell(warnings, Tone::Bad),
        ]);
    }
    say!("{table}");
    say!("{} documents, {} revisions", rows.len(), rows.iter().map(|row| row.revisions).sum::<u32>());
    Ok(())
}

fn print_csv(rows: &[OrderRow]) -> Result<(), Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "recorded_at",
        "connection",
        "document",
        "revision",
        "number",
        "status",
        "payment_status",
        "total",
        "source",
        "warnings",
    ])?;
    for row in rows {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        writer.write_record([
            row.recorded_at.to_string(),
            row.connection.clone(),
            row.document.clone(),
            row.revision.to_string(),
            text(&row.number),
            text(&row.status),
            text(&row.payment_status),
            text(&row.total),
            row.source.to_owned(),
            row.warnings.to_string(),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| Problem(error.to_string()))?;
    say!("{}", String::from_utf8_lossy(&bytes).trim_end());
    Ok(())
}
