//! Revisions as they leave the ledger: read from the table's stream, one by one, or found again by time.
//!
//! The stream of the table is the outbox: what a transaction appended is in it, exactly once, without a write of its own.
//! DynamoDB promises the order of the records of one item only, and each revision is an item of its own.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::document::{REVISION_PREFIX, revision_from, revision_sk};
use crate::item::{Item, key, ms, s};
use crate::{Connection, DocumentKey, Ledger, LedgerError, Revision};

/// Which revision of which document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RevisionKey {
    /// The document.
    pub document: DocumentKey,
    /// The revision's number, from 1.
    pub revision: u32,
}

impl RevisionKey {
    /// Reads the keys of an item of the table; none when the item is not a revision.
    pub fn of_item(item: &Item) -> Option<Self> {
        let document = DocumentKey::from_pk(item.get("pk")?.as_s().ok()?)?;
        let revision = item.get("sk")?.as_s().ok()?.strip_prefix(REVISION_PREFIX)?.parse().ok()?;
        Some(Self { document, revision })
    }

    /// Reads an id as it is published: `mycashflow/SHOP/order/58/1`.
    pub fn parse(id: &str) -> Option<Self> {
        let (document, revision) = id.rsplit_once('/')?;
        Some(Self { document: DocumentKey::parse_full(document)?, revision: revision.parse().ok()? })
    }

    /// The id under which the revision is published.
    pub fn event_id(&self) -> String {
        self.document.event_id(self.revision)
    }
}

/// Some of the revisions that a search over time found.
#[derive(Clone, Debug, Default)]
pub struct FoundRevisions {
    /// The revisions, those of one document together and oldest first; with each, what is wrong with its item, if
    /// something is.
    pub revisions: Vec<(RevisionKey, Result<Revision, String>)>,
    /// Where to go on; none at the end.
    pub next: Option<ScanPosition>,
}

/// Where a search over the table stands: the key of the last item that it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPosition {
    /// The item's partition key.
    pub pk: String,
    /// The item's sort key.
    pub sk: String,
}

impl ScanPosition {
    /// The position of a revision.
    pub fn of(revision: &RevisionKey) -> Self {
        Self { pk: revision.document.pk(), sk: revision_sk(revision.revision) }
    }
}

impl Ledger {
    /// Reads an item of the table's stream as a revision.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] for an item that this product did not write.
    pub fn revision_of_item(item: &Item) -> Result<Revision, LedgerError> {
        revision_from(item)
    }

    /// Reads one revision; none when it was never recorded, or has expired.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn revision(&self, wanted: &RevisionKey) -> Result<Option<Revision>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(wanted.document.pk(), revision_sk(wanted.revision))))
            .consistent_read(true)
            .send()
            .await
            .map_err(LedgerError::unavailable("GetItem"))?;
        answer.item().map(revision_from).transpose()
    }

    /// Finds a document's revisions, oldest first; with each, what is wrong with its item, if something is.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn find_document(
        &self,
        document: &DocumentKey,
    ) -> Result<Vec<(RevisionKey, Result<Revision, String>)>, LedgerError> {
        let items = self.query(document.pk(), Some(REVISION_PREFIX)).await?;
        Ok(items.iter().filter_map(found).collect())
    }

    /// Finds a connection's revisions (without one, all) by when they were recorded: from `from` on, and before `until`.
    ///
    /// For what [`Ledger::arrivals`] does not have: all connections at once, and revisions of versions without that index.
    /// One call reads one megabyte of the table, whatever is in it, and answers what of it fits: often nothing, with a
    /// position to go on from. Each call is billed for what it reads, 128 read units, and not for what it finds.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn find_revisions(
        &self,
        connection: Option<&Connection>,
        from: Timestamp,
        until: Timestamp,
        after: Option<&ScanPosition>,
    ) -> Result<FoundRevisions, LedgerError> {
        const FILTER: &str = "begins_with(sk, :revision) AND recorded_at >= :from AND recorded_at < :until";
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .set_exclusive_start_key(after.map(|after| key(&*after.pk, &*after.sk)));
        let scan = match connection {
            None => scan.filter_expression(FILTER),
            Some(connection) => scan
                .filter_expression(format!("begins_with(pk, :connection) AND {FILTER}"))
                .expression_attribute_values(":connection", s(format!("{}#", connection.state_pk()))),
        };
        let answer = scan
            .expression_attribute_values(":revision", s(REVISION_PREFIX))
            .expression_attribute_values(":from", ms(from))
            .expression_attribute_values(":until", ms(until))
            .send()
            .await
            .map_err(LedgerError::unavailable("Scan"))?;
        let revisions = answer.items().iter().filter_map(found);
        let text =
            |item: &Item, name: &str| item.get(name).and_then(|value: &AttributeValue| value.as_s().ok().cloned());
        let next = answer
            .last_evaluated_key()
            .and_then(|last| Some(ScanPosition { pk: text(last, "pk")?, sk: text(last, "sk")? }));
        Ok(FoundRevisions { revisions: revisions.collect(), next })
    }
}

/// An item as a search finds it; none when it is no revision.
fn found(item: &Item) -> Option<(RevisionKey, Result<Revision, String>)> {
    Some((RevisionKey::of_item(item)?, revision_from(item).map_err(|error| error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_known_by_its_items_keys_and_by_its_id() {
        for document in [DocumentKey::order("acme", 58), DocumentKey::manu("acme", "item-save", "SO#1/ä")] {
            let wanted = RevisionKey { document, revision: 12 };
            let item = key(wanted.document.pk(), revision_sk(12));
            assert_eq!(RevisionKey::of_item(&item), Some(wanted.clone()));
            assert_eq!(RevisionKey::parse(&wanted.event_id()), Some(wanted));
        }
        assert_eq!(RevisionKey::of_item(&key("mycashflow#acme#order#58", "head")), None);
        assert_eq!(RevisionKey::of_item(&key("mycashflow#acme", "rev#00000001")), None);
        assert_eq!(RevisionKey::parse("mycashflow/acme/order/58"), None);
    }
}
