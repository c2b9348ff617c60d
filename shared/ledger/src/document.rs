//! Reading documents: their heads and revisions.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::hash::FIRST_VERSION;
use crate::item::{Attributes, Item, format, key, ms, n, s};
use crate::{ContentHash, DocumentKey, Ledger, LedgerError, RevisionKey, Summary};

/// The version of the heads' format.
const HEAD_FORMAT: u32 = 1;
/// The version of the revisions' format. The first one is not written: a body can fill its write unit to the last byte.
pub(crate) const REVISION_FORMAT: u32 = 1;

/// How a revision reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The vendor sent it.
    Push,
    /// The scheduled poll found it.
    Poll,
    /// It was asked for by name.
    Refresh,
    /// A backfill found it.
    Backfill,
}

impl Source {
    /// The name in items, logs and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
            Self::Refresh => "refresh",
            Self::Backfill => "backfill",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Push, Self::Poll, Self::Refresh, Self::Backfill].into_iter().find(|source| source.as_str() == name)
    }
}

/// What is known of a document without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last revision's number.
    pub revision: u32,
    /// The last revision's hash. It may be of a later version than the one in the revision's item.
    pub hash: ContentHash,
    /// The last revision's time of observation, or the later time at which it was confirmed.
    pub observed_at: Timestamp,
    /// How the state was seen at that time.
    pub source: Source,
    /// When the first revision was recorded.
    pub first_seen: Timestamp,
    /// Whether a later copy that said the same has moved `observed_at`, and none came since that could not be read.
    pub is_confirmed: bool,
}

/// A recorded revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number, from 1.
    pub revision: u32,
    /// How it came.
    pub source: Source,
    /// When its state was asked for or received.
    pub observed_at: Timestamp,
    /// When it was written here.
    pub recorded_at: Timestamp,
    /// The hash of its canonical JSON.
    pub hash: ContentHash,
    /// The bytes as received.
    pub body: Vec<u8>,
    /// Their content type.
    pub content_type: String,
    /// What a list shows of it; none for one that a version without lists has written.
    pub summary: Option<Summary>,
}

impl Ledger {
    /// Reads one document's head; none when the document was never recorded.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn head(&self, document: &DocumentKey) -> Result<Option<Head>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(document.pk(), "head")))
            .consistent_read(true)
            .send()
            .await
            .map_err(LedgerError::unavailable("GetItem"))?;
        answer.item().map(head_from).transpose()
    }

    /// Reads many documents' heads, a hundred with each call. The reads are strongly consistent: an older head could
    /// make a shop's return to an earlier state look like a duplicate.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn heads(&self, documents: &[DocumentKey]) -> Result<HashMap<DocumentKey, Head>, LedgerError> {
        let mut heads = HashMap::with_capacity(documents.len());
        let by_pk: HashMap<String, &DocumentKey> = documents.iter().map(|document| (document.pk(), document)).collect();
        let keys = by_pk.keys().map(|pk| key(pk, "head")).collect();
        self.batch_get(keys, |item| {
            if let Some(document) = by_pk.get(Attributes(item).string("pk")?) {
                heads.insert((*document).clone(), head_from(item)?);
            }
            Ok(())
        })
        .await?;
        Ok(heads)
    }

    /// Reads single revisions into `found`, a hundred with each call, and strongly consistent. One that is not there, or
    /// that this product did not write, is left out.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]. What was read until then is in `found`.
    pub async fn revisions_into(
        &self,
        found: &mut HashMap<RevisionKey, Revision>,
        wanted: &[RevisionKey],
    ) -> Result<(), LedgerError> {
        let distinct: HashSet<&RevisionKey> = wanted.iter().collect();
        let keys = distinct.iter().map(|wanted| key(wanted.document.pk(), revision_sk(wanted.revision))).collect();
        self.batch_get(keys, |item| {
            if let (Some(key), Ok(revision)) = (RevisionKey::of_item(item), revision_from(item)) {
                found.insert(key, revision);
            }
            Ok(())
        })
        .await
    }

    /// Reads a document's revisions, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn revisions(&self, document: &DocumentKey) -> Result<Vec<Revision>, LedgerError> {
        let items = self.query(document.pk(), Some(REVISION_PREFIX)).await?;
        items.iter().map(revision_from).collect()
    }
}

pub(crate) fn head_from(item: &Item) -> Result<Head, LedgerError> {
    let attributes = Attributes::of(item, HEAD_FORMAT)?;
    Ok(Head {
        revision: attributes.number("revision")?,
        hash: hash_from(&attributes)?,
        observed_at: attributes.instant("observed_at")?,
        source: Source::parse(attributes.string("source")?).ok_or_else(|| attributes.corrupt("source"))?,
        first_seen: attributes.instant("first_seen")?,
        is_confirmed: attributes.flag("confirmed"),
    })
}

pub(crate) fn head_item(document: &DocumentKey, head: &Head) -> Item {
    let mut item = key(document.pk(), "head");
    item.extend([
        format(HEAD_FORMAT),
        ("revision".to_owned(), n(head.revision)),
        ("hash".to_owned(), s(head.hash.to_string())),
        ("hash_version".to_owned(), n(head.hash.version())),
        ("observed_at".to_owned(), ms(head.observed_at)),
        ("source".to_owned(), s(head.source.as_str())),
        ("first_seen".to_owned(), ms(head.first_seen)),
    ]);
    if head.is_confirmed {
        item.insert("confirmed".to_owned(), AttributeValue::Bool(true));
    }
    item
}

/// The hash of a head or a revision. Items without a version were written before there was one.
fn hash_from(attributes: &Attributes<'_>) -> Result<ContentHash, LedgerError> {
    let version = match attributes.0.contains_key("hash_version") {
        true => attributes.number("hash_version")?,
        false => FIRST_VERSION,
    };
    ContentHash::parse(version, attributes.string("hash")?).ok_or_else(|| attributes.corrupt("hash"))
}

pub(crate) fn revision_from(item: &Item) -> Result<Revision, LedgerError> {
    let attributes = Attributes::of(item, REVISION_FORMAT)?;
    Ok(Revision {
        revision: attributes.number("revision")?,
        source: Source::parse(attributes.string("source")?).ok_or_else(|| attributes.corrupt("source"))?,
        observed_at: attributes.instant("observed_at")?,
        recorded_at: attributes.instant("recorded_at")?,
        hash: hash_from(&attributes)?,
        body: attributes.body("body")?,
        content_type: attributes.string("content_type")?.to_owned(),
        summary: Summary::of(item),
    })
}

/// How the sort key of every revision begins.
pub(crate) const REVISION_PREFIX: &str = "rev#";

pub(crate) fn revision_sk(revision: u32) -> String {
    format!("{REVISION_PREFIX}{revision:08}")
}
