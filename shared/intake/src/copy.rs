//! A copy of an order, with the proof of where it comes from.

use jiff::{SignedDuration, Timestamp};
use ledger::{
    Connection, ContentHash, DocumentKey, Evidence, Head, Ledger, LedgerError, NewRevision, Rehash, Revision, Source,
    Summary,
};
use mycashflow::{Answer, Entry, Order, Page, SLICE_CONTENT_TYPE};

use crate::kept::{Bytes, Origin, keep, quarantine};
use crate::summary::summary;
use crate::{Kept, QuarantineReason, stored_order};

/// The version of the orders' canonical JSON.
const HASH_VERSION: u16 = 1;

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
        let bytes = Bytes { body: page.slice(entry), content_type: SLICE_CONTENT_TYPE };
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
    summary: Summary,
    evidence: Evidence,
}

/// The hash of an order, by the present version of its canonical JSON. A reader that learns an element changes that JSON:
/// then the version goes up, and the earlier ones stay computable, here and in [`hash_in`].
fn hash(order: &Order) -> ContentHash {
    ContentHash::in_version(HASH_VERSION, &order.canonical_json())
}

/// The hash of an order by another version of its canonical JSON; none for a version that is not known.
fn hash_in(order: &Order, version: u16) -> Option<ContentHash> {
    (version == HASH_VERSION).then(|| hash(order))
}

impl<'p> OrderCopy<'p> {
    /// What was kept in quarantine since `observed_at`. Only an answer to a question of ours is as new as that. A POST may
    /// have been on its way for any time since the order was made.
    pub(crate) fn from_quarantine(
        shop: &str,
        entry: &'p Entry,
        slice: &'p [u8],
        source: Option<Source>,
        observed_at: Timestamp,
    ) -> Self {
        let bytes = Bytes { body: slice, content_type: SLICE_CONTENT_TYPE };
        let is_asked = source.is_some_and(|source| source != Source::Push);
        let evidence = |order: &Order| match is_asked {
            true => Evidence::Asked,
            false => Evidence::Told { since: order.created_at.unwrap_or(Timestamp::UNIX_EPOCH).min(observed_at) },
        };
        Self::new(shop, entry, bytes, source.unwrap_or(Source::Push), observed_at, evidence)
    }

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
                hash: hash(order),
                summary: summary(order),
                evidence: evidence(order),
            }),
            Err(error) => Err(error.clone().into()),
        };
        Self { connection: Connection::shop(shop), id: entry.id, read, bytes, source, observed_at }
    }

    /// The copy as one that cannot be read, because letters of it were lost on its way. Without an id it cannot be
    /// asked for, so it stays as it is: unreadable for another reason.
    pub(crate) fn with_lost_letters(mut self) -> Self {
        if let Some(order) = self.id {
            self.read = Err(QuarantineReason::LettersLost { order });
        }
        self
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

    /// What the copy is for the ledger; none if it cannot be read.
    pub(crate) fn revision(&self, now: Timestamp) -> Option<NewRevision<'_>> {
        self.readable().map(|read| self.revision_of(read, now))
    }

    fn revision_of<'r>(&'r self, read: &'r Readable<'p>, now: Timestamp) -> NewRevision<'r> {
        NewRevision {
            document: &read.document,
            source: self.source,
            observed_at: self.observed_at,
            evidence: read.evidence,
            hash: read.hash,
            body: self.bytes.body,
            content_type: self.bytes.content_type,
            summary: Some(&read.summary),
            now,
        }
    }

    /// Whether the copy says what a head says, whichever version of the reader hashed that.
    pub(crate) fn says(&self, head: &Head) -> bool {
        let hashed = self.readable().and_then(|read| hash_in(read.order, head.hash.version()));
        hashed == Some(head.hash)
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
            let of =
                Origin { connection: &copy.connection, document: document.as_deref(), kind: None, source: copy.source };
            return quarantine(ledger, of, copy.bytes, reason, now).await;
        }
    };
    let of_revision = |revision: &Revision| stored_order(&read.document, revision).ok().map(|order| hash(&order));
    let of_copy = |version| hash_in(read.order, version);
    let new = copy.revision_of(read, now);
    keep(ledger, head, &new, &Rehash { of_revision: &of_revision, of_copy: &of_copy }).await
}
