//! `tilaussilta orders`: what arrived in a time.

use console::{Operator, OrderFilter, OrderRow, spreadsheet_safe};
use ledger::{Connection, Span};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{Tone, cell, known_connection, local, say, table};
use crate::period::Period;
use crate::table::{name, number, time};

/// `tilaussilta orders`.
#[derive(clap::Args)]
#[command(mut_arg("since", |since| since.default_value("today")))]
#[command(after_help = "Examples:\n  tilaussilta orders --since yesterday --until today --stack tilaussilta\n  \
                        tilaussilta orders --since 7d --search 'RF18 5390 0754 7034' --stack tilaussilta")]
pub(crate) struct Options {
    /// The connection: mycashflow/NAME or manu/NAME. Without it, all of them.
    connection: Option<String>,
    #[command(flatten)]
    period: Period,
    /// Only with this status, such as Open.
    #[arg(long)]
    status: Option<String>,
    /// Only what says this text in its values: a name, an e-mail address, a payment reference. Reads the bodies of the
    /// time, and leaves a line in the audit log.
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
    let span = options.period.span()?;
    let operator = target.find().await?.operator().await?;
    let all = operator.all_connections();
    let connection = options.connection.as_deref().map(|name| known_connection(name, &all)).transpose()?;
    let is_message = connection.as_ref().is_some_and(|connection| connection.system == ledger::System::Manu);
    if options.search.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(Problem("--search needs a text".to_owned()));
    }
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
    let unread = unread(&operator, filter.connection.as_ref(), span).await?;
    if rows.is_empty() {
        let what = if filter.status.is_some() || filter.search.is_some() { "no such order" } else { "nothing" };
        say!("{what} arrived from {} to {}", local(span.from), local(span.until));
        return tell_unread(unread, target);
    }
    let mut table = table(&[
        time("recorded"),
        name("connection").unless_same(),
        name("document"),
        number("number").rank(2),
        name("status"),
        name("payment").rank(1),
        number("total"),
        name("by").rank(4),
        number("rev").rank(3),
        number("!").unless_same(),
    ]);
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
    say!("documents: {}, revisions: {}", rows.len(), rows.iter().map(|row| row.revisions).sum::<u32>());
    tell_unread(unread, target)
}

/// How many bodies of a time are in quarantine: what they say is in no list.
async fn unread(operator: &Operator, connection: Option<&Connection>, span: Span) -> Result<usize, Problem> {
    let connections = connection.map_or_else(|| operator.all_connections(), |connection| vec![connection.clone()]);
    let mut count = 0;
    for connection in connections {
        let held = operator.open_quarantine(&connection).await?;
        count += held.iter().filter(|held| (span.from..span.until).contains(&held.first_seen)).count();
    }
    Ok(count)
}

fn tell_unread(count: usize, target: &Target) -> Result<(), Problem> {
    if count > 0 {
        let more = target.in_commands("tilaussilta problems");
        say!("! not in the list, because they could not be read: {count} ({more})");
    }
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
        writer.write_record(
            [
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
            ]
            .map(|field| spreadsheet_safe(&field).into_owned()),
        )?;
    }
    let bytes = writer.into_inner().map_err(|error| Problem(error.to_string()))?;
    say!("{}", String::from_utf8_lossy(&bytes).trim_end());
    Ok(())
}
