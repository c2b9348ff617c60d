//! How commands name and print things.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::{Connection, DocumentKey};

use crate::Problem;

/// The document that a person names: by kind and id, or an order by its number alone.
pub(crate) fn document(of: &str, name: &str) -> Result<DocumentKey, Problem> {
    let name = match name.parse::<u64>() {
        Ok(order) => format!("order/{order}"),
        Err(_) => name.to_owned(),
    };
    DocumentKey::parse(connection(of)?, &name)
        .ok_or_else(|| Problem("name the document as KIND/ID, for example order/58".to_owned()))
}

/// The connection that a person names.
pub(crate) fn connection(text: &str) -> Result<Connection, Problem> {
    Connection::parse(text).ok_or_else(|| Problem("name the connection as mycashflow/NAME or manu/NAME".to_owned()))
}

/// An empty table.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

/// An instant as the reader's clock shows it.
pub(crate) fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%F %T").to_string()
}
