//! What became of actions at the shop: a line for each try at each order, found by the order and by time.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::arrivals::{ARRIVED, RECORDED_AT, SUMMARY};
use crate::delivery::utc_date;
use crate::item::{Attributes, Item, expires_at, format, key, ms, s};
use crate::{Connection, DocumentKey, Ledger, LedgerError, Span};

/// The version of the items' format.
const FORMAT: u32 = 1;
/// How a line says whether a delivery asked for a mail.
const MAIL_ASKED: &str = "asked";
const MAIL_NOT_ASKED: &str = "not asked";
/// How the sort key of every line begins.
pub(crate) const ACTION_PREFIX: &str = "action#";

/// One try at an action on one order. It holds no personal data: neither a comment nor a tracking code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionLine {
    /// When the try ended.
    pub at: Timestamp,
    /// The order.
    pub document: DocumentKey,
    /// What was to be done: `deliver`.
    pub action: String,
    /// What came of it: `done`, `later`, `unknown`.
    pub outcome: String,
    /// Why, or how.
    pub reason: Option<String>,
    /// What asked for it: the id of a dispatch's event, or of a message.
    pub cause: Option<String>,
    /// Of a delivery, whether it asked for a mail to the customer; none when that is not known.
    pub mail: Option<bool>,
}

impl Ledger {
    /// Writes a line of the action log, under the order.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn log_action(&self, line: &ActionLine) -> Result<(), LedgerError> {
        let sk = format!("{ACTION_PREFIX}{:013}#{:08x}", line.at.as_millisecond(), fastrand::u32(..));
        let mut item = key(line.document.pk(), sk);
        let texts = [
            ("action", Some(&line.action)),
            ("outcome", Some(&line.outcome)),
            ("reason", line.reason.as_ref()),
            ("cause", line.cause.as_ref()),
        ];
        let mail = line.mail.map(|is_asked| match is_asked {
            true => MAIL_ASKED.to_owned(),
            false => MAIL_NOT_ASKED.to_owned(),
        });
        let texts = texts.into_iter().chain([("mail", mail.as_ref())]);
        let summary: HashMap<String, AttributeValue> =
            texts.filter_map(|(name, text)| Some((name.to_owned(), s(text?.as_str())))).collect();
        item.extend([
            format(FORMAT),
            (ARRIVED.to_owned(), s(actions_pk(&line.document.connection, utc_date(line.at)))),
            (RECORDED_AT.to_owned(), ms(line.at)),
            (SUMMARY.to_owned(), AttributeValue::M(summary)),
            ("expires_at".to_owned(), expires_at(line.at, self.retention.actions())),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(LedgerError::unavailable("PutItem"))
    }

    /// Reads what was tried at a connection in a time, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn actions(&self, connection: &Connection, span: Span) -> Result<Vec<ActionLine>, LedgerError> {
        let items = self.query_days(span, |day| actions_pk(connection, day)).await?;
        items.iter().map(line_from).collect()
    }

    /// Reads what was tried at an order, oldest first.
    ///
    /// # Errors
    /// As [`Ledger::actions`].
    pub async fn actions_on(&self, document: &DocumentKey) -> Result<Vec<ActionLine>, LedgerError> {
        self.query(document.pk(), Some(ACTION_PREFIX)).await?.iter().map(line_from).collect()
    }
}

/// The partition of the index: no connection's own, as its name has a space.
fn actions_pk(connection: &Connection, day: jiff::civil::Date) -> String {
    format!("actions {connection}#{day}")
}

fn line_from(item: &Item) -> Result<ActionLine, LedgerError> {
    let attributes = Attributes::of(item, FORMAT)?;
    let document = DocumentKey::from_pk(attributes.string("pk")?).ok_or_else(|| attributes.corrupt("pk"))?;
    let summary = item.get(SUMMARY).and_then(|summary| summary.as_m().ok());
    let texts = Attributes(summary.ok_or_else(|| attributes.corrupt(SUMMARY))?);
    Ok(ActionLine {
        at: attributes.instant(RECORDED_AT)?,
        document,
        action: texts.string("action")?.to_owned(),
        outcome: texts.string("outcome")?.to_owned(),
        reason: texts.optional_string("reason").map(str::to_owned),
        cause: texts.optional_string("cause").map(str::to_owned),
        // Lines of earlier versions do not say it.
        mail: texts.optional_string("mail").map(|mail| mail == MAIL_ASKED),
    })
}
