//! Erasing a person's data before its time.

use jiff::Timestamp;

use crate::delivery::quarantine_pk;
use crate::document::REVISION_PREFIX;
use crate::item::{Attributes, Item, key, ms};
use crate::{DocumentKey, Ledger, LedgerError};

/// Attributes of a quarantine item that hold what was received.
const BYTES: [&str; 2] = ["body", "content_type"];

/// What there was to erase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Revisions of the document.
    pub revisions: usize,
    /// Bodies in the quarantine that belong to the document, and the unassigned ones if they were asked for.
    pub quarantined: usize,
    /// Bodies in the connection's quarantine that cannot be assigned to a document, and which were not
    /// asked for.
    pub unassigned: usize,
}

/// How far an erasure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Whether the bodies in quarantine that cannot be assigned to a document go too.
    pub unassigned: bool,
    /// Only count.
    pub dry_run: bool,
}

impl Ledger {
    /// Erases the contents of a document: its revisions, and the bodies of its connection's quarantine that belong to it.
    ///
    /// What remains holds no personal data and keeps the last state from coming back. The head stays, so whoever brings
    /// that state again brings a duplicate, and the number of a later revision follows the last. A body in quarantine
    /// leaves its hash permanently, so a shop that still shows those bytes does not fill the quarantine again. It may be
    /// broken off and repeated.
    ///
    /// A state that the shop changes later is a new revision, with whatever the shop says then: erase there first. So is an
    /// earlier state, if somebody sends it once more: a message of the ERP, or a POST that was under way for long.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn erase(&self, document: &DocumentKey, erasure: Erasure, now: Timestamp) -> Result<Erased, LedgerError> {
        let mut erased = Erased::default();
        for item in self.query(document.pk(), Some(REVISION_PREFIX)).await? {
            erased.revisions += 1;
            if !erasure.dry_run {
                self.delete(&item).await?;
            }
        }
        let name = document.name();
        for item in self.query(quarantine_pk(&document.connection), None).await? {
            match item.get("document").and_then(|value| value.as_s().ok()) {
                _ if !item.contains_key(BYTES[0]) => {}
                Some(of) if *of != name => {}
                None if !erasure.unassigned => erased.unassigned += 1,
                _ => {
                    erased.quarantined += 1;
                    if !erasure.dry_run {
                        self.empty(item, now).await?;
                    }
                }
            }
        }
        Ok(erased)
    }

    async fn delete(&self, item: &Item) -> Result<(), LedgerError> {
        let attributes = Attributes(item);
        let key = key(attributes.string("pk")?, attributes.string("sk")?);
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        delete.send().await.map(drop).map_err(LedgerError::unavailable("DeleteItem"))
    }

    /// Writes a quarantine item again, without what was received.
    async fn empty(&self, mut item: Item, now: Timestamp) -> Result<(), LedgerError> {
        for name in BYTES {
            item.remove(name);
        }
        // Nothing personal is left that would have to go.
        item.remove("expires_at");
        item.insert("erased_at".to_owned(), ms(now));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(LedgerError::unavailable("PutItem"))
    }
}
