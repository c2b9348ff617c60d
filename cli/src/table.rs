//! Tables that fit the terminal. A number, a time and a header are never broken: where there is no room, columns are left
//! out, and a line below the table says which.

use std::fmt;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Width};

/// The least width of a column of sentences, unless they are shorter.
const SENTENCE_WIDTH: usize = 24;
/// The space on both sides of a cell.
const PADDING: usize = 2;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Times as [`crate::output::local`] prints them, or how long ago they were.
    Time,
    Number,
    /// Names and states. They are broken only where nothing more can be left out.
    Name,
    /// Sentences, broken between words.
    Sentence,
}

/// When a column is left out of a table that is too wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Always,
    /// Unless each row says the same.
    UnlessSame,
    /// Until there is no room; of several columns, that of the highest rank is left out first.
    Rank(u8),
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    header: &'static str,
    content: Content,
    keep: Keep,
}

/// A column of times.
pub(crate) const fn time(header: &'static str) -> Column {
    Column { header, content: Content::Time, keep: Keep::Always }
}

/// A column of numbers and amounts.
pub(crate) const fn number(header: &'static str) -> Column {
    Column { header, content: Content::Number, keep: Keep::Always }
}

/// A column of names, states and other single words.
pub(crate) const fn name(header: &'static str) -> Column {
    Column { header, content: Content::Name, keep: Keep::Always }
}

/// A column of sentences.
pub(crate) const fn sentence(header: &'static str) -> Column {
    Column { header, content: Content::Sentence, keep: Keep::Always }
}

impl Column {
    /// Left out where there is no room and each row says the same.
    pub(crate) const fn unless_same(self) -> Self {
        Self { keep: Keep::UnlessSame, ..self }
    }

    /// Left out where there is no room; of several columns, that of the highest rank first.
    pub(crate) const fn rank(self, rank: u8) -> Self {
        Self { keep: Keep::Rank(rank), ..self }
    }
}

/// Rows of cells below their headers.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// How wide the terminal is, in characters; none where nothing limits the width.
    width: Option<u16>,
    /// The year that a short time leaves out.
    year: i16,
}

/// What of a table is shown.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    /// The columns by their place.
    shown: Vec<usize>,
    /// Columns that are left out because each row says the same.
    same: Vec<usize>,
    /// Columns for which there is no room.
    left_out: Vec<usize>,
    /// Whether times are without seconds, and without the present year.
    has_short_times: bool,
    /// Whether names must be broken too.
    breaks_names: bool,
}

impl Table {
    /// A table without rows, at most `width` characters wide, printed in `year`.
    pub(crate) fn new(columns: &[Column], width: Option<u16>, year: i16) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), width, year }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn add_row<C: Into<Cell>>(&mut self, row: impl IntoIterator<Item = C>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    fn text(&self, row: &[Cell], column: usize, has_short_times: bool) -> String {
        let text = row.get(column).map(Cell::content).unwrap_or_default();
        match has_short_times && self.columns[column].content == Content::Time {
            true => short_time(&text, self.year).map(str::to_owned).unwrap_or(text),
            false => text,
        }
    }

    /// The least width of a column.
    fn least_width(&self, column: usize, has_short_times: bool) -> usize {
        let Column { header, content, .. } = self.columns[column];
        let widest = self.rows.iter().map(|row| self.text(row, column, has_short_times).chars().count()).max();
        let widest = match content {
            Content::Sentence => widest.unwrap_or(0).min(SENTENCE_WIDTH),
            Content::Time | Content::Number | Content::Name => widest.unwrap_or(0),
        };
        widest.max(header.chars().count())
    }

    /// The least width of the whole table: its columns, a space between two of them, and its borders.
    fn needed(&self, layout: &Layout) -> usize {
        let widths = layout.shown.iter().map(|column| self.least_width(*column, layout.has_short_times) + PADDING);
        widths.sum::<usize>() + layout.shown.len().saturating_sub(1) + 2
    }

    /// What each row says in a column, if they say the same.
    fn same(&self, column: usize) -> Option<String> {
        let mut texts = self.rows.iter().map(|row| self.text(row, column, false));
        let first = texts.next()?;
        texts.all(|text| text == first).then_some(first)
    }

    fn layout(&self) -> Layout {
        let mut layout = Layout {
            shown: (0..self.columns.len()).collect(),
            same: Vec::new(),
            left_out: Vec::new(),
            has_short_times: false,
            breaks_names: false,
        };
        let Some(room) = self.width.map(usize::from) else { return layout };
        let is_too_wide = |layout: &Layout| self.needed(layout) > room;
        layout.has_short_times = is_too_wide(&layout);
        while is_too_wide(&layout) {
            let may_go = layout.shown.iter().copied().filter(|column| self.columns[*column].keep != Keep::Always);
            let same = may_go.filter(|column| self.same(*column).is_some());
            let Some(column) = same.max_by_key(|column| self.least_width(*column, true)) else { break };
            layout.shown.retain(|shown| *shown != column);
            layout.same.push(column);
        }
        while is_too_wide(&layout) {
            let ranked = layout.shown.iter().filter_map(|column| match self.columns[*column].keep {
                Keep::Rank(rank) => Some((rank, *column)),
                Keep::Always | Keep::UnlessSame => None,
            });
            let Some((_, column)) = ranked.max() else { break };
            layout.shown.retain(|shown| *shown != column);
            layout.left_out.push(column);
        }
        layout.breaks_names = is_too_wide(&layout);
        layout
    }

    fn drawn(&self, layout: &Layout) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(layout.shown.iter().map(|column| self.columns[*column].header));
        if let Some(width) = self.width {
            table.set_width(width);
        }
        for row in &self.rows {
            let cell = |column: &usize| {
                let is_short = layout.has_short_times && self.columns[*column].content == Content::Time;
                match row.get(*column) {
                    Some(cell) if !is_short => cell.clone(),
                    // A time has no colour that could be lost.
                    _ => Cell::new(self.text(row, *column, layout.has_short_times)),
                }
            };
            table.add_row(layout.shown.iter().map(cell).collect::<Vec<Cell>>());
        }
        for (place, column) in layout.shown.iter().enumerate() {
            let Column { header, content, .. } = self.columns[*column];
            let constraint = match content {
                Content::Time | Content::Number => ColumnConstraint::ContentWidth,
                Content::Name if !layout.breaks_names => ColumnConstraint::ContentWidth,
                Content::Name | Content::Sentence => {
                    let word = header.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
                    ColumnConstraint::LowerBoundary(Width::Fixed(u16::try_from(word + PADDING).unwrap_or(u16::MAX)))
                }
            };
            if let Some(column) = table.column_mut(place) {
                column.set_constraint(constraint);
            }
        }
        table
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = self.layout();
        write!(f, "{}", self.drawn(&layout))?;
        let says = |column: &usize| {
            let text = self.same(*column).filter(|text| !text.is_empty() && text != "–")?;
            Some(format!("{} {text}", self.columns[*column].header))
        };
        let same: Vec<String> = layout.same.iter().filter_map(says).collect();
        if !same.is_empty() {
            write!(f, "\nin each row: {}", same.join(", "))?;
        }
        if !layout.left_out.is_empty() {
            let headers: Vec<&str> = layout.left_out.iter().map(|column| self.columns[*column].header).collect();
            write!(f, "\nno room for: {} (a wider terminal shows it)", headers.join(", "))?;
        }
        Ok(())
    }
}

/// A time such as `2026-11-27 10:30:00` without its seconds, and without the year if that is this one.
fn short_time(text: &str, year: i16) -> Option<&str> {
    if text.len() != "2026-11-27 10:30:00".len() {
        return None;
    }
    match text.split('-').next()?.parse::<i16>().is_ok_and(|of| of == year) {
        true => text.get(5..16),
        false => text.get(..16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(width: u16) -> Table {
        let columns = [
            time("recorded"),
            name("connection").unless_same(),
            name("document"),
            name("status"),
            number("total"),
            name("by").rank(2),
            number("rev").rank(1),
        ];
        let mut table = Table::new(&columns, Some(width), 2026);
        for (id, total, by) in [(58, "1556.02 EUR", "push"), (59, "7.50 EUR", "poll")] {
            let document = format!("order/{id}");
            table.add_row(["2026-11-27 10:30:00", "mycashflow/acme", &document, "Open", total, by, "1"]);
        }
        table
    }

    #[test]
    fn a_wide_terminal_shows_all() {
        let shown = orders(120).to_string();
        assert!(shown.contains("2026-11-27 10:30:00   mycashflow/acme   order/58"), "{shown}");
        assert_eq!(shown.lines().count(), 6, "{shown}");
    }

    #[test]
    fn a_narrow_one_leaves_out_what_each_row_says_and_then_the_least_important() {
        for width in 50..100 {
            let shown = orders(width).to_string();
            for whole in ["recorded", "document", "11-27 10:30", "order/58", "1556.02 EUR"] {
                assert!(shown.contains(whole), "{width}: {whole}: {shown}");
            }
            let rows: Vec<&str> = shown.lines().filter(|line| line.starts_with('│')).collect();
            assert_eq!(rows.len(), 3, "{width}: a row is broken: {shown}");
            assert!(rows.iter().all(|row| row.chars().count() <= usize::from(width)), "{width}: {shown}");
        }
        let shown = orders(70).to_string();
        assert!(shown.contains("in each row: connection mycashflow/acme") && shown.contains("poll"), "{shown}");
        let shown = orders(52).to_string();
        assert!(shown.contains("no room for: by") && !shown.contains("poll"), "{shown}");
    }

    #[test]
    fn a_time_of_another_year_keeps_its_year() {
        assert_eq!(short_time("2026-11-27 10:30:00", 2026), Some("11-27 10:30"));
        assert_eq!(short_time("2025-11-27 10:30:00", 2026), Some("2025-11-27 10:30"));
        assert_eq!(short_time("12 min ago", 2026), None);
    }

    #[test]
    fn sentences_are_broken_between_words() {
        let mut table = Table::new(&[time("when"), sentence("how")], Some(45), 2026);
        table.add_row(["2026-11-27 10:30:00", "the shop POSTed it, and the poll saw it again a minute later"]);
        let shown = table.to_string();
        assert!(shown.contains("11-27 10:30") && shown.contains("POSTed"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 45), "{shown}");
    }
}
