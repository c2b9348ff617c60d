//! What people did: a line for each act of an operator, and for each look at personal data.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::delivery::utc_date;
use crate::item::{Attributes, Item, expires_at, format, key, ms, s};
use crate::{Ledger, LedgerError};

/// The version of the items' format.
const FORMAT: u32 = 1;

/// One line of the audit log. It holds no personal data but the operator's own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// When.
    pub at: Timestamp,
    /// The AWS identity that did it, an ARN.
    pub who: String,
    /// What was done, in the words of the command: `retry`.
    pub what: String,
    /// To what: `mycashflow/acme/order/58`.
    pub target: String,
}

impl Ledger {
    /// Writes a line of the audit log.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]: what it would say must not be done then.
    pub async fn audit(&self, line: &Audited) -> Result<(), LedgerError> {
        let sk = format!("{:013}#{:016x}", line.at.as_millisecond(), fastrand::u64(..));
        let mut item = key(audit_pk(utc_date(line.at)), sk);
        item.extend([
            format(FORMAT),
            ("at".to_owned(), ms(line.at)),
            ("who".to_owned(), s(&*line.who)),
            ("what".to_owned(), s(&*line.what)),
            ("target".to_owned(), s(&*line.target)),
            ("expires_at".to_owned(), expires_at(line.at, self.retention.revisions)),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(LedgerError::unavailable("PutItem"))
    }

    /// Reads the audit log of one UTC day, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn audited(&self, day: Date) -> Result<Vec<Audited>, LedgerError> {
        self.query(audit_pk(day), None).await?.iter().map(audited_from).collect()
    }
}

fn audit_pk(day: Date) -> String {
    format!("audit#{day}")
}

fn audited_from(item: &Item) -> Result<Audited, LedgerError> {
    let attributes = Attributes::of(item, FORMAT)?;
    let text = |name| attributes.string(name).map(str::to_owned);
    Ok(Audited { at: attributes.instant("at")?, who: text("who")?, what: text("what")?, target: text("target")? })
}
