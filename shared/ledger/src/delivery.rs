//! The delivery log and the quarantine: what came, what became of it, and the bytes that could not be read.

use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::condition::met_item;
use crate::item::{Attributes, Item, blob, compress, expires_at, format, key, ms, n, s};
use crate::{Connection, ContentHash, DocumentKey, Head, Ledger, LedgerError, Source};

/// The version of the format of the delivery log's lines.
const LINE_FORMAT: u32 = 1;
/// The version of the quarantine's format. The first one is not written: a body can fill its write unit to the last byte.
pub(crate) const QUARANTINE_FORMAT: u32 = 1;

/// How often it is written that the same bytes were met again.
const SEEN_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryOutcome {
    /// A new revision.
    Recorded,
    /// The last revision said the same.
    Duplicate,
    /// Different from the last revision, and older.
    Stale,
    /// Authentic and unreadable: kept whole in quarantine.
    Quarantined,
    /// Not authentic, or not a request of the interface: nothing of it was kept.
    Rejected,
}

impl DeliveryOutcome {
    /// Whether the ledger has what was sent: as a new revision, or because it knew it.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Recorded | Self::Duplicate | Self::Stale)
    }

    /// The name in items, answers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Quarantined => "quarantined",
            Self::Rejected => "rejected",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Recorded, Self::Duplicate, Self::Stale, Self::Quarantined, Self::Rejected]
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }
}

/// One line of the delivery log. It holds no secret and no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it was received.
    pub at: Timestamp,
    /// The request's id, unique among those of the same millisecond.
    pub request_id: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// The HTTP status answered.
    pub status: u16,
    /// Why, when it was not simply recorded; the text the sender got.
    pub reason: Option<String>,
    /// The document and its last revision, when one could be told: `order/58`.
    pub document: Option<(String, u32)>,
    /// Size of the body as received.
    pub size_bytes: u64,
    /// From receipt to the answer, but for the writing of this line.
    pub duration: Duration,
}

/// Bytes to be kept although they could not be read.
#[derive(Clone, Copy, Debug)]
pub struct NewQuarantined<'a> {
    /// The bytes, whole.
    pub body: &'a [u8],
    /// Their content type.
    pub content_type: &'a str,
    /// Where and why reading failed; names places, never contents.
    pub reason: &'a str,
    /// The document they belong to, where one could be told, as `order/58`.
    pub document: Option<&'a str>,
    /// The kind of document at whose address they came, where that is known: `sales-order-activate`.
    pub kind: Option<&'a str>,
    /// How they came, where that is known.
    pub source: Option<Source>,
    /// Now.
    pub now: Timestamp,
}

/// What the quarantine holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its key in the quarantine: the SHA-256 of the bytes.
    pub id: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// Where and why reading failed.
    pub reason: String,
    /// The document it belongs to, where one could be told.
    pub document: Option<String>,
    /// The bytes.
    pub body: Vec<u8>,
    /// Their content type.
    pub content_type: String,
    /// Whether the bytes were too many for an item, and only their beginning is kept.
    pub truncated: bool,
    /// The kind of document at whose address they came, where that is known.
    pub kind: Option<String>,
    /// How they came, where that is known.
    pub source: Option<Source>,
    /// When the same bytes were last met: to the hour.
    pub last_seen: Timestamp,
    /// What became of them since.
    pub state: QuarantineState,
}

impl Quarantined {
    /// Whether the document was observed in a newer state since the bytes were last met.
    pub fn is_older_than(&self, head: &Head) -> bool {
        head.observed_at > self.last_seen
    }
}

/// What became of bytes in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuarantineState {
    /// Nothing yet.
    Open,
    /// They were read after all, or a newer state of their document was recorded.
    Resolved {
        /// How: the id of a revision, or a word.
        by: String,
    },
    /// A person said that they are not needed.
    Dismissed {
        /// Which AWS identity.
        by: String,
        /// Why.
        why: String,
    },
}

impl QuarantineState {
    /// The name in items and answers.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved { .. } => "resolved",
            Self::Dismissed { .. } => "dismissed",
        }
    }
}

impl Ledger {
    /// Writes a line of the delivery log.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn log_delivery(&self, connection: &Connection, delivery: &Delivery) -> Result<(), LedgerError> {
        let mut item =
            key(log_pk(connection, utc_date(delivery.at)), format!("{:.3}#{}", delivery.at, delivery.request_id));
        item.extend([
            format(LINE_FORMAT),
            ("at".to_owned(), ms(delivery.at)),
            ("request_id".to_owned(), s(&*delivery.request_id)),
            ("outcome".to_owned(), s(delivery.outcome.as_str())),
            ("status".to_owned(), n(delivery.status)),
            ("size_bytes".to_owned(), n(delivery.size_bytes)),
            ("duration_ms".to_owned(), n(delivery.duration.as_millis())),
            ("expires_at".to_owned(), expires_at(delivery.at, self.retention.log)),
        ]);
        item.extend(delivery.reason.as_deref().map(|reason| ("reason".to_owned(), s(reason))));
        if let Some((document, revision)) = &delivery.document {
            item.insert("document".to_owned(), s(&**document));
            item.insert("revision".to_owned(), n(revision));
        }
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(LedgerError::unavailable("PutItem"))
    }

    /// Reads the delivery log of a connection for one UTC day, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn deliveries(&self, connection: &Connection, date: Date) -> Result<Vec<Delivery>, LedgerError> {
        let items = self.query(log_pk(connection, date), None).await?;
        items.iter().map(delivery_from).collect()
    }

    /// The last line of a connection's delivery log on a UTC day.
    ///
    /// # Errors
    /// As [`Ledger::deliveries`].
    pub async fn last_delivery(&self, connection: &Connection, day: Date) -> Result<Option<Delivery>, LedgerError> {
        self.last_of(log_pk(connection, day)).await?.as_ref().map(delivery_from).transpose()
    }

    /// Keeps bytes that are authentic and unreadable. The key is their hash, so that a page polled again and again
    /// fills no quarantine; answers whether they were new. The next readable copy of their document moves its head's time
    /// once, even if it says the same as the last revision: that resolves them.
    ///
    /// Bytes that take more than an item holds even when compressed are cut, and marked so.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn quarantine(&self, connection: &Connection, new: &NewQuarantined<'_>) -> Result<bool, LedgerError> {
        let mut kept = new.body;
        let compressed = loop {
            match compress(kept) {
                Err(LedgerError::TooLarge { .. }) => kept = &kept[..kept.len() / 2],
                other => break other?,
            }
        };
        let mut item = key(quarantine_pk(connection), ContentHash::of(new.body).to_string());
        item.extend([
            ("first_seen".to_owned(), ms(new.now)),
            ("reason".to_owned(), s(new.reason)),
            ("body".to_owned(), blob(compressed)),
            ("content_type".to_owned(), s(new.content_type)),
            ("expires_at".to_owned(), expires_at(new.now, self.retention.log)),
        ]);
        item.extend(new.document.map(|document| ("document".to_owned(), s(document))));
        item.extend(new.kind.map(|kind| ("kind".to_owned(), s(kind))));
        item.extend(new.source.map(|source| ("source".to_owned(), s(source.as_str()))));
        if kept.len() < new.body.len() {
            item.insert("truncated".to_owned(), aws_sdk_dynamodb::types::AttributeValue::Bool(true));
        }
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let is_new = match answer {
            Ok(_) => true,
            Err(error) => match met_item(&error) {
                Some(Some(known)) => self.seen_again(known.clone(), new.now).await?,
                Some(None) => false,
                None => return Err(LedgerError::unavailable("PutItem")(error)),
            },
        };
        if let Some(document) = new.document.and_then(|name| DocumentKey::parse(connection.clone(), name)) {
            self.await_confirmation(&document).await?;
        }
        Ok(is_new)
    }

    /// Notes that bytes in quarantine were met again; answers whether they had been resolved, and are open again. It is
    /// written once an hour at most: the poll shows the same bytes again and again.
    async fn seen_again(&self, mut item: Item, now: Timestamp) -> Result<bool, LedgerError> {
        let attributes = match Attributes::of(&item, QUARANTINE_FORMAT) {
            // The bytes are kept, by a later version: what it wrote of them stays as it is.
            Err(LedgerError::NewerFormat { .. }) => return Ok(false),
            other => other?,
        };
        let last_seen = last_seen(&attributes)?;
        let is_resolved = attributes.optional_string("state") == Some("resolved");
        if !item.contains_key("body") || (!is_resolved && now.duration_since(last_seen) < SEEN_EVERY) {
            return Ok(false);
        }
        item.insert("last_seen".to_owned(), ms(now));
        if is_resolved {
            item.remove("state");
        }
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(|_| is_resolved).map_err(LedgerError::unavailable("PutItem"))
    }

    /// Reads a connection's quarantine, first seen first, without what was erased.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn quarantined(&self, connection: &Connection) -> Result<Vec<Quarantined>, LedgerError> {
        let items = self.query(quarantine_pk(connection), None).await?;
        let held = items.iter().filter(|item| item.contains_key("body"));
        let mut all = held.map(quarantined_from).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|quarantined| quarantined.first_seen);
        Ok(all)
    }
}

fn log_pk(connection: &Connection, date: Date) -> String {
    format!("log#{connection}#{date}")
}

pub(crate) fn quarantine_pk(connection: &Connection) -> String {
    format!("quarantine#{connection}")
}

pub(crate) fn utc_date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn delivery_from(item: &Item) -> Result<Delivery, LedgerError> {
    let attributes = Attributes::of(item, LINE_FORMAT)?;
    let document = attributes.optional_string("document").map(str::to_owned);
    Ok(Delivery {
        at: attributes.instant("at")?,
        request_id: attributes.string("request_id")?.to_owned(),
        outcome: DeliveryOutcome::parse(attributes.string("outcome")?).ok_or_else(|| attributes.corrupt("outcome"))?,
        status: attributes.number("status")?,
        reason: attributes.optional_string("reason").map(str::to_owned),
        document: document.zip(attributes.optional_number("revision")),
        size_bytes: attributes.number("size_bytes")?,
        duration: Duration::from_millis(attributes.number("duration_ms")?),
    })
}

pub(crate) fn quarantined_from(item: &Item) -> Result<Quarantined, LedgerError> {
    let attributes = Attributes::of(item, QUARANTINE_FORMAT)?;
    Ok(Quarantined {
        id: attributes.string("sk")?.to_owned(),
        first_seen: attributes.instant("first_seen")?,
        reason: attributes.string("reason")?.to_owned(),
        document: attributes.optional_string("document").map(str::to_owned),
        body: attributes.body("body")?,
        content_type: attributes.string("content_type")?.to_owned(),
        truncated: attributes.flag("truncated"),
        kind: attributes.optional_string("kind").map(str::to_owned),
        source: attributes.optional_string("source").and_then(Source::parse),
        last_seen: last_seen(&attributes)?,
        state: state_from(&attributes),
    })
}

/// When bytes in quarantine were last met; an earlier version wrote only when they were first.
pub(crate) fn last_seen(attributes: &Attributes<'_>) -> Result<Timestamp, LedgerError> {
    attributes.instant("last_seen").or_else(|_| attributes.instant("first_seen"))
}

pub(crate) fn state_from(attributes: &Attributes<'_>) -> QuarantineState {
    let text = |name| attributes.optional_string(name).unwrap_or_default().to_owned();
    match attributes.optional_string("state") {
        Some("resolved") => QuarantineState::Resolved { by: text("settled_by") },
        Some("dismissed") => QuarantineState::Dismissed { by: text("settled_by"), why: text("settled_why") },
        // Items of earlier versions have no state.
        _ => QuarantineState::Open,
    }
}
