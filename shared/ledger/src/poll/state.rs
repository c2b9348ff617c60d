//! What the poll of a shop keeps between its runs: cursors, gaps, orders to ask for, and the lease that makes one run
//! at a time the owner of them all.

use std::time::Duration;

use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use jiff::Timestamp;

use crate::append::{cancellation_reasons, transact_put};
use crate::condition::{first_that_did_not_hold, was_made};
use super::gap::gap_from;
use crate::item::{Attributes, Item, expires_at, key, ms, n, s};
use crate::{Connection, DocumentKey, Gap, Ledger, LedgerError};

const LEASE: &str = "lease#poller";
/// How often a write that meets another transaction is tried again.
const WRITE_TRIES: u32 = 5;

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

/// The right to poll a shop, until a time. Whoever holds it may move cursors and open and close gaps; DynamoDB checks
/// that at each such write, so that a run which lost it can do no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The shop's name.
    pub shop: String,
    /// The run, by an id that no other run has.
    pub owner: String,
    /// When another run may take it over.
    pub until: Timestamp,
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

/// What became of a write that only the lease's owner may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// It was made.
    Written,
    /// Another run holds the lease: nothing was written.
    LeaseLost,
    /// The item is not as this run last knew it: nothing was written.
    Changed,
}

impl Ledger {
    /// Reads everything the poll keeps about a shop, in one query.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn shop_state(&self, shop: &str) -> Result<ShopState, LedgerError> {
        let mut state = ShopState::default();
        for item in self.query(Connection::shop(shop).state_pk(), None).await? {
            let attributes = Attributes(&item);
            match attributes.string("sk")?.split_once('#') {
                Some(("cursor", "created")) => state.created = Some(cursor_from(&attributes, Stream::Created)?),
                Some(("cursor", "updated")) => state.updated = Some(cursor_from(&attributes, Stream::Updated)?),
                Some(("gap", _)) => state.gaps.push(gap_from(&attributes)?),
                Some(("refresh", _)) => {
                    state.refreshes.push((attributes.number("order")?, attributes.instant("marked_at")?));
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

    /// Takes the lease of a shop for a run, if nobody holds it or its time is over.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn acquire_lease(
        &self,
        shop: &str,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, LedgerError> {
        let mut item = key(Connection::shop(shop).state_pk(), LEASE);
        item.extend([("owner".to_owned(), s(owner)), ("until".to_owned(), ms(until))]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #until < :now")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", ms(now));
        match self.write(vec![transact_put(put)?]).await? {
            None => Ok(Some(Lease { shop: shop.to_owned(), owner: owner.to_owned(), until })),
            Some(_) => Ok(None),
        }
    }

    /// Makes a lease last longer. None when another run has taken it over, or given it back since.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn renew_lease(&self, lease: &Lease, until: Timestamp) -> Result<Option<Lease>, LedgerError> {
        let mut item = key(Connection::shop(&*lease.shop).state_pk(), LEASE);
        item.extend([("owner".to_owned(), s(&*lease.owner)), ("until".to_owned(), ms(until))]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(&*lease.owner));
        match self.write(vec![transact_put(put)?]).await? {
            None => Ok(Some(Lease { until, ..lease.clone() })),
            Some(_) => Ok(None),
        }
    }

    /// Gives the lease back. Not an error when another run has taken it over.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]; the lease then ends by its time.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(Connection::shop(&*lease.shop).state_pk(), LEASE)))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(&*lease.owner))
            .send()
            .await;
        was_made(answer, "DeleteItem").map(drop)
    }

    /// Moves a cursor from where this run knows it to be (`None`: it does not exist) to where `to` says.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn move_cursor(&self, lease: &Lease, from: Option<&Cursor>, to: &Cursor) -> Result<Fenced, LedgerError> {
        let mut item = key(Connection::shop(&*lease.shop).state_pk(), to.stream.cursor_sk());
        item.extend([
            ("position".to_owned(), n(to.position)),
            ("moved_at".to_owned(), ms(to.moved_at)),
            ("run".to_owned(), s(&*to.run)),
        ]);
        item.extend(to.highest_order.map(|highest| ("highest_order".to_owned(), n(highest))));
        item.extend(to.finished_through.map(|second| ("finished_through".to_owned(), n(second))));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
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

    /// Writes one item under the condition that the lease is still this run's.
    pub(super) async fn write_as_owner(&self, lease: &Lease, write: TransactWriteItem) -> Result<Fenced, LedgerError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key(Connection::shop(&*lease.shop).state_pk(), LEASE)))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(&*lease.owner))
            .build()
            .map_err(|error| LedgerError::Unavailable { operation: "TransactWriteItems", reason: error.to_string() })?;
        match self.write(vec![TransactWriteItem::builder().condition_check(check).build(), write]).await? {
            None => Ok(Fenced::Written),
            Some(0) => Ok(Fenced::LeaseLost),
            Some(_) => Ok(Fenced::Changed),
        }
    }

    /// Writes items in one transaction; gives the first one whose condition did not hold. A transaction that meets
    /// another one is tried again.
    async fn write(&self, items: Vec<TransactWriteItem>) -> Result<Option<usize>, LedgerError> {
        for attempt in 0.. {
            let Err(error) = self.client.transact_write_items().set_transact_items(Some(items.clone())).send().await
            else {
                return Ok(None);
            };
            let reasons = cancellation_reasons(&error).unwrap_or_default();
            if let Some((failed, _)) = first_that_did_not_hold(reasons) {
                return Ok(Some(failed));
            }
            if attempt == WRITE_TRIES || !reasons.iter().any(|reason| reason.code() == Some("TransactionConflict")) {
                return Err(LedgerError::unavailable("TransactWriteItems")(error));
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=20 << attempt))).await;
        }
        Ok(None)
    }

    /// Marks an order for the poll to ask for. Marking it again renews the mark.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn mark_for_refresh(&self, order: &DocumentKey, now: Timestamp) -> Result<(), LedgerError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.refresh_item(order, now)))
            .send()
            .await
            .map(drop)
            .map_err(LedgerError::unavailable("PutItem"))
    }

    /// Takes a mark away after the order was asked for, unless it was renewed meanwhile.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn clear_refresh(&self, order: &DocumentKey, marked_at: Timestamp) -> Result<(), LedgerError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(order.connection.state_pk(), refresh_sk(order))))
            .condition_expression("marked_at = :marked_at")
            .expression_attribute_values(":marked_at", ms(marked_at))
            .send()
            .await;
        was_made(answer, "DeleteItem").map(drop)
    }
}

fn refresh_sk(order: &DocumentKey) -> String {
    format!("refresh#{}", order.id)
}

impl Ledger {
    /// The mark of an order. One that the shop never shows again ends with the delivery log.
    pub(crate) fn refresh_item(&self, order: &DocumentKey, now: Timestamp) -> Item {
        let mut item = key(order.connection.state_pk(), refresh_sk(order));
        item.extend([
            ("order".to_owned(), n(&order.id)),
            ("marked_at".to_owned(), ms(now)),
            ("expires_at".to_owned(), expires_at(now, self.retention.log)),
        ]);
        item
    }
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
