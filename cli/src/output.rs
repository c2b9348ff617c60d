//! How commands name and print things.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use comfy_table::{Attribute, Cell, Color};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use ledger::{Connection, DocumentKey, Span};
use poll::start_second;
use serde_json::Value;

use crate::Problem;
use crate::table::{Column, Table};

/// Prints a line to standard output. Ends the program quietly when nobody reads it any more, as in `| head`.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print_line(format_args!($($text)*)) };
}
pub(crate) use say;

/// See [`say`].
pub(crate) fn print_line(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}") {
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        eprintln!("tilaussilta: standard output cannot be written: {error}");
        std::process::exit(1);
    }
}

/// An object without the fields that say nothing.
pub(crate) fn compact(mut object: Value) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

/// Whether a person sees colours: at a terminal that shows them, unless `NO_COLOR` is set.
pub(crate) fn is_coloured() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// What a cell means to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Faint,
}

/// A cell of a table, in the colour of its meaning.
pub(crate) fn cell(text: impl fmt::Display, tone: Tone) -> Cell {
    let cell = Cell::new(text);
    match tone {
        _ if !is_coloured() => cell,
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Bad => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        Tone::Faint => cell.fg(Color::DarkGrey),
    }
}

/// A text in the colour of its meaning.
pub(crate) fn toned(text: &str, tone: Tone) -> String {
    let code = match tone {
        _ if !is_coloured() => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Faint => "90",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
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

/// The connection that a person names: in full, or a shop by its name alone.
pub(crate) fn connection(text: &str) -> Result<Connection, Problem> {
    match text.contains('/') {
        true => Connection::parse(text),
        false => Some(Connection::shop(text)).filter(|_| !text.is_empty()),
    }
    .ok_or_else(|| Problem("name the connection as mycashflow/NAME or manu/NAME".to_owned()))
}

/// The connection that a person names, if it is one of those that there are. Where they cannot be listed, any will do.
pub(crate) fn known_connection(text: &str, all: &[Connection]) -> Result<Connection, Problem> {
    let named = connection(text)?;
    if all.is_empty() || named.name == "?" || all.contains(&named) {
        return Ok(named);
    }
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    Err(Problem(format!("there is no connection {named}: there are {}", names.join(", "))))
}

/// An empty table, as wide as the terminal.
pub(crate) fn table(columns: &[Column]) -> Table {
    let columns_wide = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<u16>().ok());
    Table::new(columns, columns_wide.or_else(|| comfy_table::Table::new().width()), Zoned::now().year())
}

/// An instant as the reader's clock shows it.
pub(crate) fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%F %T").to_string()
}

/// A text whose time stamps (`2026-11-27T08:30:00.123Z`) are as the reader's clock shows them.
pub(crate) fn with_local_times(text: &str) -> String {
    let word = |word: &str| {
        let stamp = word.trim_start_matches('(').trim_end_matches([',', ';', ':', ')', '.']);
        match stamp.parse::<Timestamp>() {
            Ok(at) => word.replace(stamp, &local(at)),
            Err(_) => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// How long ago an instant was, in a word.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds} s ago"),
        120..=7199 => format!("{} min ago", seconds / 60),
        7200..=172_799 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// The forms of a time that [`instant`] reads.
const TIME_FORMS: &str = "give now, today, yesterday, 90min, 24h, 7d, a day such as 2026-11-01, or a time stamp such as \
                          2026-11-01T08:00:00Z";

/// Lets an option through whose text is a time, as clap's `value_parser`: another text ends the program with 2.
pub(crate) fn time_option(text: &str) -> Result<String, String> {
    match instant(text, &Zoned::now()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(TIME_FORMS.to_owned()),
    }
}

/// Reads an option that is a day of the shop's, or a time stamp, as clap's `value_parser`: another text ends the program
/// with 2. Gives its first second (Unix time).
pub(crate) fn shop_day(text: &str) -> Result<i64, String> {
    start_second(text)
        .ok_or_else(|| "give a day such as 2026-11-01, or a time stamp such as 2026-11-01T08:00:00Z".to_owned())
}

/// The time from one instant to another that a person names.
pub(crate) fn span(from: &str, until: &str) -> Result<Span, Problem> {
    let now = Zoned::now();
    let span = Span { from: instant(from, &now)?, until: instant(until, &now)? };
    match span.from < span.until {
        true => Ok(span),
        false => Err(Problem(format!("the time ends ({}) before it begins ({})", local(span.until), local(span.from)))),
    }
}

/// The instant that a person names, on their own clock: `now`, `today`, `yesterday`, `90min`, `2 h`, `7d`, a date, or a
/// time stamp.
pub(crate) fn instant(text: &str, now: &Zoned) -> Result<Timestamp, Problem> {
    let zone = now.time_zone().clone();
    let start = |day: Date| day.to_zoned(zone.clone()).map(|start| start.timestamp());
    let text = text.trim();
    let found = match text {
        "now" => Some(now.timestamp()),
        "today" => start(now.date()).ok(),
        "yesterday" => now.date().yesterday().ok().and_then(|day| start(day).ok()),
        _ => {
            let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
            let hours = match unit.trim() {
                "min" | "m" => Some(0),
                "h" => Some(1),
                "d" => Some(24),
                _ => None,
            };
            match (number.parse::<i64>(), hours) {
                (Ok(count), Some(0)) => now.timestamp().checked_sub(SignedDuration::from_mins(count)).ok(),
                (Ok(count), Some(24)) => now.checked_sub(count.days()).ok().map(|then| then.timestamp()),
                (Ok(count), Some(_)) => now.timestamp().checked_sub(SignedDuration::from_hours(count)).ok(),
                _ => text.parse::<Timestamp>().ok().or_else(|| start(text.parse::<Date>().ok()?).ok()),
            }
        }
    };
    found.ok_or_else(|| Problem(format!("{text:?} is no time: {TIME_FORMS}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_that_people_write() {
        let now: Zoned = "2026-11-27T10:30:00+02:00[Europe/Helsinki]".parse().unwrap();
        let read = |text: &str| instant(text, &now).map(|at| at.to_string()).map_err(|problem| problem.0);
        assert_eq!(read("yesterday").unwrap(), "2026-11-25T22:00:00Z");
        assert_eq!(read("today").unwrap(), "2026-11-26T22:00:00Z");
        assert_eq!(read("2026-11-01").unwrap(), "2026-10-31T22:00:00Z");
        assert_eq!(read("24h").unwrap(), "2026-11-26T08:30:00Z");
        assert_eq!(read("7d").unwrap(), "2026-11-20T08:30:00Z");
        assert_eq!(read("2026-11-01T00:00:00Z").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(read("90min").unwrap(), "2026-11-27T07:00:00Z");
        assert!(read("soon").unwrap_err().contains("is no time"));
        assert!(read("13pm").unwrap_err().contains("90min"));
    }

    #[test]
    fn time_stamps_in_a_text_become_local() {
        let stamp = "2026-11-27T08:30:00.123456789Z";
        let shown = local(stamp.parse().unwrap());
        let text = format!("all connections, {stamp} to {stamp}: lost (tilaussilta polls)");
        let expected = format!("all connections, {shown} to {shown}: lost (tilaussilta polls)");
        assert_eq!(with_local_times(&text), expected);
        assert_eq!(with_local_times("order/58  of 7d."), "order/58  of 7d.");
    }

    #[test]
    fn a_mistyped_connection_lists_those_there_are() {
        let all = [Connection::shop("acme"), Connection::manu("acme")];
        assert!(known_connection("mycashflow/acme", &all).is_ok());
        assert_eq!(known_connection("acme", &all).unwrap(), Connection::shop("acme"));
        let problem = known_connection("mycashflow/amce", &all).unwrap_err();
        assert_eq!(problem.0, "there is no connection mycashflow/amce: there are mycashflow/acme, manu/acme");
    }
}
