//! The state of a shop's poll, and its cursors.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::Put;
use jiff::Timestamp;

use super::FORMAT;
use super::gap::gap_from;
use crate::item::{Attributes, Item, format, key, ms, n, s};
use crate::transaction::transact_put;
use crate::{Connection, Fenced, Gap, Lease, Ledger, LedgerError};

/// Which of a shop's two lists of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Orders by the time they were made.
    Created,
    /// Orders by the time they last changed.
    Updated,
}

impl Stream {
    /// The name in items and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Created, Self::Updated].into_iter().find(|stream| stream.as_str() == name)
    }

    fn cursor_sk(self) -> String {
        format!("cursor#{}", self.as_str())
    }
}

/// How far a stream has been read: everything up to `position` is in the ledger, in quarantine, or in an open gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stream.
    pub stream: Stream,
    /// Unix seconds, on the shop's clock.
    pub position: i64,
    /// The highest order id the stream has shown.
    pub highest_order: Option<u64>,
    /// Every second up to this one (Unix seconds) that held more orders than one answer was finished by number, late
    /// enough that nothing more can appear in it.
    pub finished_through: Option<i64>,
    /// When it last moved.
    pub moved_at: Timestamp,
    /// The run that moved it.
    pub run: String,
}

/// Everything the poll keeps about a shop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShopState {
    /// The cursor of the created stream; none before the first run.
    pub created: Option<Cursor>,
    /// The cursor of the updated stream.
    pub updated: Option<Cursor>,
    /// What is still owed.
    pub gaps: Vec<Gap>,
    /// Orders of which a POSTed copy may be older or newer than what the ledger holds, with the time each was marked:
    /// the next run asks the shop for them.
    pub refreshes: Vec<(u64, Timestamp)>,
    /// Of these, the orders that the shop has plainly not shown, with how many runs have asked for each in vain.
    pub absent: BTreeMap<u64, u32>,
    /// Those of `refreshes` that an earlier version gave an end, for [`Ledger::keep_refreshes`].
    pub ending_refreshes: Vec<(u64, Timestamp)>,
    /// Who polls.
    pub lease: Option<Lease>,
}

impl ShopState {
    /// The cursor of a stream.
    pub fn cursor(&self, stream: Stream) -> Option<&Cursor> {
        match stream {
            Stream::Created => self.created.as_ref(),
            Stream::Updated => self.updated.as_ref(),
        }
    }
}

impl Ledger {
    /// Reads everything the poll keeps about a shop, in one query.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn shop_state(&self, shop: &str) -> Result<ShopState, LedgerError> {
        let mut state = ShopState::default();
        for item in self.query(Connection::shop(shop).state_pk(), None).await? {
            let attributes = Attributes::of(&item, FORMAT)?;
            match attributes.string("sk")?.split_once('#') {
                Some(("cursor", "created")) => state.created = Some(cursor_from(&attributes, Stream::Created)?),
                Some(("cursor", "updated")) => state.updated = Some(cursor_from(&attributes, Stream::Updated)?),
                Some(("gap", _)) => state.gaps.push(gap_from(&attributes)?),
                Some(("refresh", _)) => {
                    let mark = (attributes.number("order")?, attributes.instant("marked_at")?);
                    state.refreshes.push(mark);
                    state.absent.extend(attributes.optional_number("absent").map(|runs| (mark.0, runs)));
                    if item.contains_key("expires_at") {
                        state.ending_refreshes.push(mark);
                    }
                }
                Some(("lease", _)) => {
                    state.lease = Some(Lease {
                        shop: shop.to_owned(),
                        owner: attributes.string("owner")?.to_owned(),
                        until: attributes.instant("until")?,
                    });
                }
                _ => {}
            }
        }
        Ok(state)
    }

    /// Moves a cursor from where this run knows it to be (`None`: it does not exist) to where `to` says.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn move_cursor(&self, lease: &Lease, from: Option<&Cursor>, to: &Cursor) -> Result<Fenced, LedgerError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(cursor_item(lease, to)));
        let put = match from {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(from) => put
                .condition_expression("#position = :from AND :from <= :to")
                .expression_attribute_names("#position", "position")
                .expression_attribute_values(":from", n(from.position))
                .expression_attribute_values(":to", n(to.position)),
        };
        self.write_as_owner(lease, transact_put(put)?).await
    }

    /// Sets a cursor back from where it was read to stand to where `to` says, so that the stream is walked again from
    /// there. Nothing but an operator's wish does that. The lease keeps a run from moving it at the same time.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn set_cursor_back(&self, lease: &Lease, from: &Cursor, to: &Cursor) -> Result<Fenced, LedgerError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(cursor_item(lease, to)))
            .condition_expression("#position = :from AND :to < :from")
            .expression_attribute_names("#position", "position")
            .expression_attribute_values(":from", n(from.position))
            .expression_attribute_values(":to", n(to.position));
        self.write_as_owner(lease, transact_put(put)?).await
    }
}

fn cursor_item(lease: &Lease, to: &Cursor) -> Item {
    let mut item = key(Connection::shop(&*lease.shop).state_pk(), to.stream.cursor_sk());
    item.extend([
        format(FORMAT),
        ("position".to_owned(), n(to.position)),
        ("moved_at".to_owned(), ms(to.moved_at)),
        ("run".to_owned(), s(&*to.run)),
    ]);
    item.extend(to.highest_order.map(|highest| ("highest_order".to_owned(), n(highest))));
    item.extend(to.finished_through.map(|second| ("finished_through".to_owned(), n(second))));
    item
}

fn cursor_from(attributes: &Attributes<'_>, stream: Stream) -> Result<Cursor, LedgerError> {
    Ok(Cursor {
        stream,
        position: attributes.number("position")?,
        highest_order: attributes.optional_number("highest_order"),
        finished_through: attributes.optional_number("finished_through"),
        moved_at: attributes.instant("moved_at")?,
        run: attributes.string("run")?.to_owned(),
    })
}
