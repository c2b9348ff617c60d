//! What strangers sent: not logged one by one, as anybody can send a million, but counted by the minute.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::delivery::utc_date;
use crate::item::{Attributes, Item, expires_at, format, key, ms, n, s};
use crate::{Connection, Ledger, LedgerError};

/// The version of the items' format.
const FORMAT: u32 = 1;

/// The requests of strangers that one environment of a function refused within a minute for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRequests {
    /// When the minute began.
    pub minute: Timestamp,
    /// Why they were refused, as a word of `a-z` and `-`; nothing of what was sent.
    pub reason: String,
    /// How many they were.
    pub count: u64,
    /// The environment that counted them: a name unlike any other's.
    pub environment: String,
}

impl Ledger {
    /// Writes how many requests to a connection were refused. There is a partition for them, outside of the connection's
    /// delivery log.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn log_refused(&self, connection: &Connection, refused: &RefusedRequests) -> Result<(), LedgerError> {
        let RefusedRequests { minute, reason, count, environment } = refused;
        let mut item = key(refused_pk(connection, utc_date(*minute)), format!("{minute:.0}#{reason}#{environment}"));
        item.extend([
            format(FORMAT),
            ("minute".to_owned(), ms(*minute)),
            ("reason".to_owned(), s(&**reason)),
            ("count".to_owned(), n(count)),
            ("environment".to_owned(), s(&**environment)),
            ("expires_at".to_owned(), expires_at(*minute, self.retention.log)),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(LedgerError::unavailable("PutItem"))
    }

    /// Reads what was refused of a connection within one UTC day, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn refused(&self, connection: &Connection, date: Date) -> Result<Vec<RefusedRequests>, LedgerError> {
        let items = self.query(refused_pk(connection, date), None).await?;
        items.iter().map(refused_from).collect()
    }
}

fn refused_pk(connection: &Connection, date: Date) -> String {
    format!("refused#{connection}#{date}")
}

fn refused_from(item: &Item) -> Result<RefusedRequests, LedgerError> {
    let attributes = Attributes::of(item, FORMAT)?;
    Ok(RefusedRequests {
        minute: attributes.instant("minute")?,
        reason: attributes.string("reason")?.to_owned(),
        count: attributes.number("count")?,
        environment: attributes.string("environment")?.to_owned(),
    })
}
