//! Arrivals: what was recorded, by connection and UTC day, through the table's one index. Lists and time ranges read it,
//! so nothing scans the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures_util::{StreamExt, TryStreamExt};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::condition::was_made;
use crate::delivery::utc_date;
use crate::document::{REVISION_PREFIX, revision_from};
use crate::item::{Attributes, Item, format, key, ms, n, s};
use crate::{Connection, Ledger, LedgerError, Revision, RevisionKey, Source};

/// The version of the format of the index's state.
const FORMAT: u32 = 1;

/// The name of the index.
pub const ARRIVALS_INDEX: &str = "arrivals";
/// The index's partition key: the connection and the UTC day.
pub(crate) const ARRIVED: &str = "arrived";
/// The index's sort key: when it was recorded, in milliseconds.
pub(crate) const RECORDED_AT: &str = "recorded_at";
/// What else the index holds of an item.
pub(crate) const PROJECTED: [&str; 3] = ["source", "observed_at", SUMMARY];
pub(crate) const SUMMARY: &str = "summary";

/// Days that are read at the same time.
const DAYS_AT_ONCE: usize = 16;
/// Revisions from before the index that are written at the same time.
const WRITES_AT_ONCE: usize = 8;

/// What a list shows of a revision. Nothing in it is personal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number that people know the document by.
    pub number: Option<String>,
    /// Its status.
    pub status: Option<String>,
    /// The status of its payment.
    pub payment_status: Option<String>,
    /// Its total, a decimal, with the currency where that is known.
    pub total: Option<String>,
    /// How many things looked wrong in it without making it unreadable.
    pub warnings: u32,
}

/// A revision as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which revision.
    pub key: RevisionKey,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When its state was asked for or received.
    pub observed_at: Timestamp,
    /// How it came.
    pub source: Source,
    /// What it says.
    pub summary: Summary,
}

/// A span of time: from the first instant on, and before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
}

impl Span {
    /// Its UTC days, first to last.
    pub fn days(self) -> Vec<Date> {
        let mut days = Vec::new();
        if self.from >= self.until {
            return days;
        }
        let last = utc_date(self.until - 1.millisecond());
        let mut day = utc_date(self.from);
        while day <= last {
            days.push(day);
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        days
    }
}

/// How far the index reaches back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// Every revision is in it.
    All,
    /// Revisions of versions without the index may be missing: [`Ledger::index_revisions`] puts them in.
    Partly,
}

/// What a step of [`Ledger::index_revisions`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStep {
    /// Revisions that it put into the index.
    pub indexed: u64,
    /// Whether that was the last of them.
    pub is_done: bool,
}

pub(crate) fn arrived(connection: &Connection, at: Timestamp) -> AttributeValue {
    s(arrivals_pk(connection, utc_date(at)))
}

pub(crate) fn arrivals_pk(connection: &Connection, day: Date) -> String {
    format!("{connection}#{day}")
}

impl Summary {
    pub(crate) fn attribute(&self) -> Option<AttributeValue> {
        let texts = [
            ("number", &self.number),
            ("status", &self.status),
            ("payment_status", &self.payment_status),
            ("total", &self.total),
        ];
        let mut map: HashMap<String, AttributeValue> =
            texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), s(text.as_deref()?)))).collect();
        if self.warnings > 0 {
            map.insert("warnings".to_owned(), n(self.warnings));
        }
        (!map.is_empty()).then_some(AttributeValue::M(map))
    }

    pub(crate) fn of(item: &Item) -> Option<Self> {
        let attributes = Attributes(item.get(SUMMARY)?.as_m().ok()?);
        let text = |name| attributes.optional_string(name).map(str::to_owned);
        Some(Self {
            number: text("number"),
            status: text("status"),
            payment_status: text("payment_status"),
            total: text("total"),
            warnings: attributes.optional_number("warnings").unwrap_or_default(),
        })
    }
}

impl Ledger {
    /// Finds a connection's revisions by when they were recorded, oldest first. One question a day and megabyte.
    ///
    /// An index follows its table within a moment: what was recorded just now may be missing. What was recorded by a
    /// version without the index is there only when [`Ledger::indexed`] says so.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn arrivals(&self, connection: &Connection, span: Span) -> Result<Vec<Arrival>, LedgerError> {
        let items = self.query_days(span, |day| arrivals_pk(connection, day)).await?;
        items.iter().filter_map(|item| arrival_from(item).transpose()).collect()
    }

    /// The latest arrival of a connection on a UTC day.
    ///
    /// # Errors
    /// As [`Ledger::arrivals`].
    pub async fn latest_arrival(&self, connection: &Connection, day: Date) -> Result<Option<Arrival>, LedgerError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(ARRIVALS_INDEX)
            .key_condition_expression("#day = :day")
            .expression_attribute_names("#day", ARRIVED)
            .expression_attribute_values(":day", s(arrivals_pk(connection, day)))
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(LedgerError::unavailable("Query"))?;
        answer.items().first().map_or(Ok(None), arrival_from)
    }

    /// Counts the arrivals of a connection in a time.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn count_arrivals(&self, connection: &Connection, span: Span) -> Result<u64, LedgerError> {
        let mut count = 0;
        for day in span.days() {
            let mut pages =
                self.index_query(arrivals_pk(connection, day), span).select(Select::Count).into_paginator().send();
            while let Some(page) = pages.next().await {
                count += u64::from(page.map_err(LedgerError::unavailable("Query"))?.count().unsigned_abs());
            }
        }
        Ok(count)
    }

    /// How far the index reaches back.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn indexed(&self) -> Result<Indexed, LedgerError> {
        let state = self.index_state().await?;
        let is_done = match &state {
            Some(item) => Attributes::of(item, FORMAT)?.flag("done"),
            None => false,
        };
        Ok(if is_done { Indexed::All } else { Indexed::Partly })
    }

    /// Writes down that a new table's index holds everything.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn note_indexed(&self) -> Result<(), LedgerError> {
        self.put_index_state(Item::from([("done".to_owned(), AttributeValue::Bool(true))])).await
    }

    /// Puts revisions of versions without the index into it: those that one megabyte of the table holds. The place is
    /// kept in the table, so that it may be broken off and called again until it is done.
    ///
    /// `summarize` says what a list shows of a revision. Only the index's attributes are written, to items that are
    /// still there: neither the body nor the time at which it expires changes, and nothing is published.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn index_revisions(
        &self,
        summarize: &(dyn Fn(&RevisionKey, &Revision) -> Option<Summary> + Sync),
    ) -> Result<IndexStep, LedgerError> {
        let state = self.index_state().await?.unwrap_or_default();
        let attributes = Attributes::of(&state, FORMAT)?;
        if attributes.flag("done") {
            return Ok(IndexStep { indexed: 0, is_done: true });
        }
        let at = attributes.optional_string("next_pk").zip(attributes.optional_string("next_sk"));
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .set_exclusive_start_key(at.map(|(pk, sk)| key(pk, sk)))
            .filter_expression("begins_with(sk, :revision) AND attribute_not_exists(#arrived)")
            .expression_attribute_names("#arrived", ARRIVED)
            .expression_attribute_values(":revision", s(REVISION_PREFIX))
            .send()
            .await
            .map_err(LedgerError::unavailable("Scan"))?;
        let writes = answer.items().iter().map(async |item| match RevisionKey::of_item(item) {
            Some(key) => self.index_one(&key, item, summarize).await,
            None => Ok(false),
        });
        let written: Vec<bool> = futures_util::stream::iter(writes).buffered(WRITES_AT_ONCE).try_collect().await?;
        let mut after = Item::new();
        match answer.last_evaluated_key() {
            None => drop(after.insert("done".to_owned(), AttributeValue::Bool(true))),
            Some(last) => after.extend(
                [("pk", "next_pk"), ("sk", "next_sk")]
                    .into_iter()
                    .filter_map(|(from, to)| Some((to.to_owned(), last.get(from)?.clone()))),
            ),
        }
        let is_done = after.contains_key("done");
        self.put_index_state(after).await?;
        Ok(IndexStep { indexed: written.into_iter().map(u64::from).sum(), is_done })
    }

    async fn index_one(
        &self,
        revision: &RevisionKey,
        item: &Item,
        summarize: &(dyn Fn(&RevisionKey, &Revision) -> Option<Summary> + Sync),
    ) -> Result<bool, LedgerError> {
        let attributes = Attributes(item);
        let recorded_at = attributes.instant(RECORDED_AT)?;
        // A body that cannot be read has no summary, and is in the list all the same.
        let read = revision_from(item).ok();
        let summary = read.and_then(|read| summarize(revision, &read)?.attribute());
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(attributes.string("pk")?, attributes.string("sk")?)))
            // An item that expired meanwhile must not be made anew: it would be published.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#arrived", ARRIVED)
            .expression_attribute_values(":arrived", arrived(&revision.document.connection, recorded_at));
        let update = match summary {
            None => update.update_expression("SET #arrived = :arrived"),
            Some(summary) => update
                .update_expression("SET #arrived = :arrived, #summary = :summary")
                .expression_attribute_names("#summary", SUMMARY)
                .expression_attribute_values(":summary", summary),
        };
        was_made(update.send().await, "UpdateItem")
    }

    async fn index_state(&self) -> Result<Option<Item>, LedgerError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(index_state_key())).consistent_read(true);
        get.send().await.map(|answer| answer.item).map_err(LedgerError::unavailable("GetItem"))
    }

    async fn put_index_state(&self, mut state: Item) -> Result<(), LedgerError> {
        state.extend(index_state_key());
        state.extend([format(FORMAT)]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(state));
        put.send().await.map(drop).map_err(LedgerError::unavailable("PutItem"))
    }

    /// Reads the days of a time, each from its partition of the index, oldest first.
    pub(crate) async fn query_days(&self, span: Span, pk: impl Fn(Date) -> String) -> Result<Vec<Item>, LedgerError> {
        let days = span.days().into_iter().map(|day| self.query_index(pk(day), span));
        let items: Vec<Vec<Item>> = futures_util::stream::iter(days).buffered(DAYS_AT_ONCE).try_collect().await?;
        Ok(items.into_iter().flatten().collect())
    }

    /// Reads a partition of the index within a time, oldest first.
    async fn query_index(&self, pk: String, span: Span) -> Result<Vec<Item>, LedgerError> {
        let items = self.index_query(pk, span).into_paginator().items().send();
        items.collect::<Result<_, _>>().await.map_err(LedgerError::unavailable("Query"))
    }

    fn index_query(&self, pk: String, span: Span) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(ARRIVALS_INDEX)
            .key_condition_expression("#day = :day AND #at BETWEEN :from AND :last")
            .expression_attribute_names("#day", ARRIVED)
            .expression_attribute_names("#at", RECORDED_AT)
            .expression_attribute_values(":day", s(pk))
            .expression_attribute_values(":from", ms(span.from))
            .expression_attribute_values(":last", ms(span.until - 1.millisecond()))
    }
}

fn index_state_key() -> Item {
    key("arrivals", "state")
}

/// An item of the index as an arrival; none for one that is no revision.
fn arrival_from(item: &Item) -> Result<Option<Arrival>, LedgerError> {
    let Some(key) = RevisionKey::of_item(item) else { return Ok(None) };
    let attributes = Attributes(item);
    Ok(Some(Arrival {
        key,
        recorded_at: attributes.instant(RECORDED_AT)?,
        observed_at: attributes.instant("observed_at")?,
        source: Source::parse(attributes.string("source")?).ok_or_else(|| attributes.corrupt("source"))?,
        summary: Summary::of(item).unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_days_that_it_touches() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let days = |from, until| Span { from: at(from), until: at(until) }.days().len();
        assert_eq!(days("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"), 1);
        assert_eq!(days("2026-03-01T23:59:59Z", "2026-03-02T00:00:01Z"), 2);
        assert_eq!(days("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"), 0);
    }
}
