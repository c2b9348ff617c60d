//! What the poll of a shop keeps between its runs: cursors, gaps, orders to ask for, and the lease that makes one run
//! at a time the owner of them all.

use std::time::Duration;

use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem};
use jiff::Timestamp;

use crate::append::{cancellation_reasons, transact_put};
use crate::item::{Attributes, Item, expires_at, key, ms, n, s};
use crate::{Connection, DocumentKey, Ledger, LedgerError};

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

    fn parse(name: &str) -> Option<Self> {
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

/// A stretch of a stream that the shop could not serve: a debt, kept until it is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What is missing.
    pub kind: GapKind,
    /// Why, for people.
    pub reason: String,
    /// When it was first written down.
    pub opened_at: Timestamp,
    /// How many runs have tried to close it.
    pub tries: u32,
}

/// What a gap stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// The shop answers `changes` with an error for every start from `from` (inclusive) to `until` (exclusive), Unix
    /// seconds.
    Window {
        /// The stream.
        stream: Stream,
        /// The first second that cannot be asked from.
        from: i64,
        /// The first later second that can.
        until: i64,
        /// The highest order id seen before the window, and the lowest one in the page after it: what the window of the
        /// created stream hides lies between them.
        between: Option<(u64, u64)>,
    },
    /// More orders than one answer holds share `second`, and the rest must be asked for by number.
    Numbers {
        /// The stream.
        stream: Stream,
        /// The second they share, Unix seconds.
        second: i64,
        /// The next number to ask for.
        next: u64,
        /// The last number to ask for; without it, upwards until an order of a later second.
        last: Option<u64>,
    },
    /// The shop answers with an error whenever this order is asked for.
    Order {
        /// Its id.
        order: u64,
    },
}

impl GapKind {
    /// Whether both name the same debt, however far it is paid.
    pub fn is_same_gap(&self, other: &Self) -> bool {
        self.sk() == other.sk()
    }

    /// The first second of what is missing, where it is a stretch of time.
    pub fn begins_at(&self) -> Option<i64> {
        match self {
            Self::Window { from, .. } => Some(*from),
            Self::Numbers { second, .. } => Some(*second - 1),
            Self::Order { .. } => None,
        }
    }

    fn sk(&self) -> String {
        match self {
            Self::Window { stream, from, .. } => format!("gap#{}#{from}", stream.as_str()),
            Self::Numbers { stream, second, .. } => format!("gap#{}-numbers#{second}", stream.as_str()),
            Self::Order { order } => format!("gap#order#{order}"),
        }
    }
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
        match answer {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(LedgerError::unavailable("DeleteItem")(error)),
        }
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

    /// Writes a gap down, or that it was tried again.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn put_gap(&self, lease: &Lease, gap: &Gap) -> Result<Fenced, LedgerError> {
        let mut item = key(Connection::shop(&*lease.shop).state_pk(), gap.kind.sk());
        match &gap.kind {
            GapKind::Window { stream, from, until, between } => {
                item.extend([
                    ("stream".to_owned(), s(stream.as_str())),
                    ("from".to_owned(), n(from)),
                    ("until".to_owned(), n(until)),
                ]);
                if let Some((after, before)) = between {
                    item.extend([("after".to_owned(), n(after)), ("before".to_owned(), n(before))]);
                }
            }
            GapKind::Numbers { stream, second, next, last } => {
                item.extend([
                    ("stream".to_owned(), s(stream.as_str())),
                    ("second".to_owned(), n(second)),
                    ("next".to_owned(), n(next)),
                ]);
                item.extend(last.map(|last| ("last".to_owned(), n(last))));
            }
            GapKind::Order { order } => item.extend([("order".to_owned(), n(order))]),
        }
        item.extend([
            ("reason".to_owned(), s(&*gap.reason)),
            ("opened_at".to_owned(), ms(gap.opened_at)),
            ("tries".to_owned(), n(gap.tries)),
        ]);
        self.write_as_owner(lease, transact_put(Put::builder().table_name(&self.table).set_item(Some(item)))?).await
    }

    /// Strikes a gap out that has been filled.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn close_gap(&self, lease: &Lease, gap: &GapKind) -> Result<Fenced, LedgerError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(Connection::shop(&*lease.shop).state_pk(), gap.sk())))
            .build()
            .map_err(|error| LedgerError::Unavailable { operation: "TransactWriteItems", reason: error.to_string() })?;
        self.write_as_owner(lease, TransactWriteItem::builder().delete(delete).build()).await
    }

    /// Writes one item under the condition that the lease is still this run's.
    async fn write_as_owner(&self, lease: &Lease, write: TransactWriteItem) -> Result<Fenced, LedgerError> {
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
            let is = |code: &'static str| move |reason: &CancellationReason| reason.code() == Some(code);
            if let Some(failed) = reasons.iter().position(is("ConditionalCheckFailed")) {
                return Ok(Some(failed));
            }
            if attempt == WRITE_TRIES || !reasons.iter().any(is("TransactionConflict")) {
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
        match answer {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(LedgerError::unavailable("DeleteItem")(error)),
        }
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

fn gap_from(attributes: &Attributes<'_>) -> Result<Gap, LedgerError> {
    let stream = || Stream::parse(attributes.string("stream")?).ok_or_else(|| attributes.corrupt("stream"));
    let kind = if let Some(order) = attributes.optional_number("order") {
        GapKind::Order { order }
    } else if let Some(second) = attributes.optional_number("second") {
        let (next, last) = (attributes.number("next")?, attributes.optional_number("last"));
        GapKind::Numbers { stream: stream()?, second, next, last }
    } else {
        let between = attributes.optional_number("after").zip(attributes.optional_number("before"));
        let (from, until) = (attributes.number("from")?, attributes.number("until")?);
        GapKind::Window { stream: stream()?, from, until, between }
    };
    Ok(Gap {
        kind,
        reason: attributes.string("reason")?.to_owned(),
        opened_at: attributes.instant("opened_at")?,
        tries: attributes.number("tries")?,
    })
}
