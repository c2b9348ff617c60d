//! What an operator has paused. It stands in the ledger, so no deployment ends it.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::condition::was_made;
use crate::item::{Attributes, Item, format, key, ms, s};
use crate::{Ledger, LedgerError};

/// The version of the items' format.
const FORMAT: u32 = 1;
const CONTROL: &str = "control";

/// A part of the product that can be paused by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The scheduled poll.
    Poll,
    /// The publishing of revisions.
    Relay,
    /// The actions at the shops.
    Actions,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Relay, Self::Actions];

    /// The name in items and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Relay => "relay",
            Self::Actions => "actions",
        }
    }
}

/// That a part is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Which part.
    pub part: Part,
    /// Since when.
    pub since: Timestamp,
    /// By which AWS identity.
    pub who: String,
}

impl Ledger {
    /// Writes down that a part is paused. It stays so until [`Ledger::resume`]; a pause that is on keeps its beginning.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn pause(&self, pause: &Pause) -> Result<(), LedgerError> {
        let mut item = key(CONTROL, pause.part.as_str());
        item.extend([
            format(FORMAT),
            ("paused".to_owned(), AttributeValue::Bool(true)),
            ("since".to_owned(), ms(pause.since)),
            ("who".to_owned(), s(&*pause.who)),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        was_made(put.condition_expression("attribute_not_exists(pk)").send().await, "PutItem").map(drop)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn resume(&self, part: Part) -> Result<(), LedgerError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key(CONTROL, part.as_str())));
        delete.send().await.map(drop).map_err(LedgerError::unavailable("DeleteItem"))
    }

    /// Which parts are paused.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn pauses(&self) -> Result<Vec<Pause>, LedgerError> {
        self.query(CONTROL.to_owned(), None).await?.iter().filter_map(|item| pause_from(item).transpose()).collect()
    }

    /// Whether a part is paused, and since when.
    ///
    /// # Errors
    /// As [`Ledger::pauses`].
    pub async fn paused(&self, part: Part) -> Result<Option<Pause>, LedgerError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(CONTROL, part.as_str())));
        let answer = get.send().await.map_err(LedgerError::unavailable("GetItem"))?;
        answer.item().map_or(Ok(None), pause_from)
    }
}

fn pause_from(item: &Item) -> Result<Option<Pause>, LedgerError> {
    let attributes = Attributes::of(item, FORMAT)?;
    let name = attributes.string("sk")?;
    let Some(part) = Part::ALL.into_iter().find(|part| part.as_str() == name) else { return Ok(None) };
    Ok(Some(Pause { part, since: attributes.instant("since")?, who: attributes.string("who")?.to_owned() }))
}
