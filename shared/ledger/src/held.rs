//! What is in quarantine, without its bytes: for lists and counts.

use jiff::Timestamp;

use crate::delivery::{QUARANTINE_FORMAT, last_seen, quarantine_pk, quarantined_from, state_from};
use crate::item::{Attributes, Item, key, s};
use crate::{Connection, Head, Ledger, LedgerError, QuarantineState, Quarantined, Source};

/// What a list reads of an item. DynamoDB reads whole items all the same, and sends only this.
const PROJECTED: &str =
    "sk, #format, first_seen, last_seen, reason, #document, #state, #source, settled_by, settled_why";

/// What is known of bytes in quarantine, without the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its key in the quarantine: the SHA-256 of the bytes.
    pub id: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When the same bytes were last met: to the hour.
    pub last_seen: Timestamp,
    /// Where and why reading failed.
    pub reason: String,
    /// The document it belongs to, where one could be told.
    pub document: Option<String>,
    /// How it came, where that is known.
    pub source: Option<Source>,
    /// What became of it since.
    pub state: QuarantineState,
}

impl Held {
    /// Whether the document was observed in a newer state since the bytes were last met.
    pub fn is_older_than(&self, head: &Head) -> bool {
        head.observed_at > self.last_seen
    }
}

/// How much of a quarantine is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldFilter<'a> {
    /// Only what is open.
    pub only_open: bool,
    /// Only what belongs to this document: `order/58`.
    pub document: Option<&'a str>,
    /// The most megabytes of the table that are read; none for all there are.
    pub megabytes: Option<usize>,
}

/// What a look at a quarantine saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldList {
    /// First seen first.
    pub held: Vec<Held>,
    /// Whether that is all: otherwise there may be more.
    pub is_all: bool,
}

impl Ledger {
    /// Reads what is in a connection's quarantine without the bytes, and without what was erased.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn held(&self, connection: &Connection, filter: HeldFilter<'_>) -> Result<HeldList, LedgerError> {
        let mut wanted = "attribute_exists(body)".to_owned();
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(quarantine_pk(connection)))
            .projection_expression(PROJECTED)
            .expression_attribute_names("#format", "format")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#source", "source")
            .expression_attribute_names("#document", "document");
        if filter.only_open {
            wanted.push_str(" AND (attribute_not_exists(#state) OR #state = :open)");
            query = query.expression_attribute_values(":open", s(QuarantineState::Open.as_str()));
        }
        if let Some(document) = filter.document {
            wanted.push_str(" AND #document = :document");
            query = query.expression_attribute_values(":document", s(document));
        }
        // A page of an answer is a megabyte of the table, whatever is sent of it.
        let mut pages = query.filter_expression(wanted).into_paginator().send();
        let mut list = HeldList { held: Vec::new(), is_all: false };
        let mut read = 0;
        while filter.megabytes.is_none_or(|most| read < most) {
            let Some(page) = pages.next().await else {
                list.is_all = true;
                break;
            };
            read += 1;
            let page = page.map_err(LedgerError::unavailable("Query"))?;
            for item in page.items() {
                list.held.push(held_from(item)?);
            }
            if page.last_evaluated_key().is_none() {
                list.is_all = true;
                break;
            }
        }
        list.held.sort_by_key(|held| held.first_seen);
        Ok(list)
    }

    /// Reads one body of a quarantine; none when it is not there, or erased.
    ///
    /// # Errors
    /// As [`Ledger::held`].
    pub async fn quarantined_body(
        &self,
        connection: &Connection,
        id: &str,
    ) -> Result<Option<Quarantined>, LedgerError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = get.set_key(Some(key(quarantine_pk(connection), id))).send().await;
        let item = answer.map_err(LedgerError::unavailable("GetItem"))?.item;
        item.filter(|item| item.contains_key("body")).as_ref().map(quarantined_from).transpose()
    }
}

fn held_from(item: &Item) -> Result<Held, LedgerError> {
    let attributes = Attributes::of(item, QUARANTINE_FORMAT)?;
    Ok(Held {
        id: attributes.string("sk")?.to_owned(),
        first_seen: attributes.instant("first_seen")?,
        last_seen: last_seen(&attributes)?,
        reason: attributes.string("reason")?.to_owned(),
        document: attributes.optional_string("document").map(str::to_owned),
        source: attributes.optional_string("source").and_then(Source::parse),
        state: state_from(&attributes),
    })
}
