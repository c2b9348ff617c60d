//! Gaps: what the shop could not serve, written down until it does.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use jiff::Timestamp;

use super::FORMAT;
use crate::item::{Attributes, format, key, ms, n, s};
use crate::transaction::transact_put;
use crate::{Connection, Fenced, Lease, Ledger, LedgerError, Stream};

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
    /// The shop answers for the seconds from `from` (inclusive) to `until` (exclusive), and says itself that it does not
    /// show them whole.
    Unshown {
        /// The stream.
        stream: Stream,
        /// The first second of the stretch.
        from: i64,
        /// The first second after it.
        until: i64,
        /// How many orders it counts there and does not show; none when it says that its answer begins only at `until`.
        missing: Option<u64>,
    },
    /// A page of the created stream was not in the order of time, so that any of the orders made from `from` (inclusive)
    /// to `until` (exclusive) may be missing. They must be asked for by number.
    Unsorted {
        /// The second from which the page was asked for.
        from: i64,
        /// The first second after its latest order.
        until: i64,
        /// The next number to ask for.
        next: u64,
    },
    /// More orders than one answer holds changed in one second of the updated stream. Any order may be one of them, so
    /// every order that was made from second `from` on has yet to be looked at.
    Listing {
        /// The second in which they changed.
        second: i64,
        /// The second of making from which on orders have not been looked at.
        from: i64,
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
            Self::Unshown { from, .. } | Self::Unsorted { from, .. } => Some(*from),
            Self::Listing { second, .. } => Some(*second - 1),
            Self::Order { .. } => None,
        }
    }

    fn sk(&self) -> String {
        match self {
            Self::Window { stream, from, .. } => format!("gap#{}#{from}", stream.as_str()),
            Self::Numbers { stream, second, .. } => format!("gap#{}-numbers#{second}", stream.as_str()),
            Self::Order { order } => format!("gap#order#{order}"),
            Self::Unshown { stream, from, .. } => format!("gap#{}-unshown#{from}", stream.as_str()),
            Self::Unsorted { from, .. } => format!("gap#created-unsorted#{from}"),
            Self::Listing { second, .. } => format!("gap#updated-listing#{second}"),
        }
    }
}

impl Ledger {
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
            GapKind::Unshown { stream, from, until, missing } => {
                item.extend([
                    ("stream".to_owned(), s(stream.as_str())),
                    ("unshown_from".to_owned(), n(from)),
                    ("until".to_owned(), n(until)),
                ]);
                item.extend(missing.map(|missing| ("missing".to_owned(), n(missing))));
            }
            GapKind::Unsorted { from, until, next } => {
                item.extend([
                    ("unsorted_from".to_owned(), n(from)),
                    ("until".to_owned(), n(until)),
                    ("next".to_owned(), n(next)),
                ]);
            }
            GapKind::Listing { second, from } => {
                item.extend([("listing_from".to_owned(), n(from)), ("second".to_owned(), n(second))]);
            }
        }
        item.extend([
            format(FORMAT),
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
}

pub(crate) fn gap_from(attributes: &Attributes<'_>) -> Result<Gap, LedgerError> {
    let stream = || Stream::parse(attributes.string("stream")?).ok_or_else(|| attributes.corrupt("stream"));
    let kind = if let Some(order) = attributes.optional_number("order") {
        GapKind::Order { order }
    } else if let Some(from) = attributes.optional_number("unshown_from") {
        let (until, missing) = (attributes.number("until")?, attributes.optional_number("missing"));
        GapKind::Unshown { stream: stream()?, from, until, missing }
    } else if let Some(from) = attributes.optional_number("unsorted_from") {
        GapKind::Unsorted { from, until: attributes.number("until")?, next: attributes.number("next")? }
    } else if let Some(from) = attributes.optional_number("listing_from") {
        GapKind::Listing { second: attributes.number("second")?, from }
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
