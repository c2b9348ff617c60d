//! A copy of an order, with the proof of where it comes from.

use jiff::{SignedDuration, Timestamp};
use ledger::{Connection, ContentHash, DocumentKey, Evidence, Head, Ledger, LedgerError, NewRevision, Source};
use mycashflow::{Answer, Entry, Order, Page};

use crate::kept::{Bytes, keep, quarantine};
use crate::{Kept, QuarantineReason};

/// The content type of an order that was cut out of a document.
pub(crate) const SLICE_CONTENT_TYPE: &str = "application/xml; charset=utf-8";

/// The proof that orders come from a shop's answer to our own question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    shop: &'a str,
    source: Source,
    observed_at: Timestamp,
}

impl<'a> Asked<'a> {
    /// An answer of `shop` that has just come, at `now`. It shows the shop as it was when it was asked, or later.
    /// `source` says why it was asked.
    pub fn by(answer: &Answer, shop: &'a str, source: Source, now: Timestamp) -> Self {
        let elapsed = SignedDuration::try_from(answer.elapsed).unwrap_or_default();
        Self { shop, source, observed_at: now - elapsed }
    }

    /// When the shop was asked, by our clock.
    pub fn observed_at(&self) -> Timestamp {
        self.observed_at
    }

    /// The orders of the answer's page, readable or not.
    pub fn copies<'p>(&self, page: &'p Page) -> Vec<OrderCopy<'p>> {
        page.entries.iter().map(|entry| self.copy(page, entry)).collect()
    }

    /// One order of the answer's page.
    pub fn copy<'p>(&self, page: &'p Page, entry: &'p Entry) -> OrderCopy<'p> {
        let bytes = Bytes { body: page.slice(entry).as_bytes(), content_type: SLICE_CONTENT_TYPE };
        let evidence = |_: &Order| Evidence::Asked;
        OrderCopy::new(self.shop, entry, bytes, self.source, self.observed_at, evidence)
    }
}

/// A copy of an order on its way into the ledger. Only [`Asked`] and [`Pushed`](crate::Pushed) make one, so whoever holds
/// it knows where it comes from.
///
/// ```compile_fail,E0451
/// fn forge(copy: tilaussilta_intake::OrderCopy<'_>) -> tilaussilta_intake::OrderCopy<'_> {
///     tilaussilta_intake::OrderCopy { id: Some(58), ..copy }
/// }
/// ```
pub struct OrderCopy<'p> {
    connection: Connection,
    id: Option<u64>,
    read: Result<Readable<'p>, QuarantineReason>,
    bytes: Bytes<'p>,
    source: Source,
    observed_at: Timestamp,
}

/// What a readable copy says.
pub(crate) struct Readable<'p> {
    pub(crate) order: &'p Order,
    pub(crate) document: DocumentKey,
    pub(crate) hash: ContentHash,
    evidence: Evidence,
}

impl<'p> OrderCopy<'p> {
    pub(crate) fn new(
        shop: &str,
        entry: &'p Entry,
        bytes: Bytes<'p>,
        source: Source,
        observed_at: Timestamp,
        evidence: impl FnOnce(&Order) -> Evidence,
    ) -> Self {
        let read = match &entry.order {
            Ok(order) => Ok(Readable {
                order,
                document: DocumentKey::order(shop, order.id),
                hash: ContentHash::of(&order.canonical_json()),
                evidence: evidence(order),
            }),
            Err(error) => Err(error.clone().into()),
        };
        Self { connection: Connection::shop(shop), id: entry.id, read, bytes, source, observed_at }
    }

    /// The order's id; of an unreadable order, if it shows one.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// The order, if it can be read.
    pub fn order(&self) -> Option<&'p Order> {
        self.readable().map(|read| read.order)
    }

    pub(crate) fn readable(&self) -> Option<&Readable<'p>> {
        self.read.as_ref().ok()
    }
}

/// Records one copy of an order.
///
/// # Errors
/// [`LedgerError`] when it is neither in the ledger nor in quarantine, so that it must be recorded again.
pub async fn record_order(ledger: &Ledger, copy: &OrderCopy<'_>, now: Timestamp) -> Result<Kept, LedgerError> {
    record_order_after(ledger, None, copy, now).await
}

/// [`record_order`] with the order's head already read.
///
/// # Errors
/// As [`record_order`].
pub async fn record_order_after(
    ledger: &Ledger,
    head: Option<&Head>,
    copy: &OrderCopy<'_>,
    now: Timestamp,
) -> Result<Kept, LedgerError> {
    let read = match &copy.read {
        Ok(read) => read,
        Err(reason) => {
            let document = copy.id.map(|id| DocumentKey::order(&*copy.connection.name, id).name());
            let reason = reason.clone();
            return quarantine(ledger, &copy.connection, document.as_deref(), copy.bytes, reason, now).await;
        }
    };
    let new = NewRevision {
        document: &read.document,
        source: copy.source,
        observed_at: copy.observed_at,
        evidence: read.evidence,
        hash: read.hash,
        body: copy.bytes.body,
        content_type: copy.bytes.content_type,
        now,
    };
    keep(ledger, head, &new).await
}
