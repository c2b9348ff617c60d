//! Lists of documents by when they arrived.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use ledger::{Arrival, Connection, DocumentKey, Indexed, RevisionKey, Span, Summary};
use serde::Serialize;

use crate::search::Needle;
use crate::{Operator, OperatorError};

/// Bodies read at the same time.
const READS_AT_ONCE: usize = 8;

/// Which documents a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Of one connection; none for all.
    pub connection: Option<Connection>,
    /// Only of this kind: `order`. None for all.
    pub kind: Option<String>,
    /// Only with this status, in any case.
    pub status: Option<String>,
    /// Only whose latest body in the time says this text, in any case: in its values, not in its markup. Of a number and of
    /// a payment reference, spaces count for nothing. It reads the bodies.
    pub search: Option<String>,
}

/// A document in a list: its latest revision in the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderRow {
    /// Whose it is: `mycashflow/acme`.
    pub connection: String,
    /// The document: `order/58`.
    pub document: String,
    /// The latest revision's number.
    pub revision: u32,
    /// When that was recorded.
    pub recorded_at: Timestamp,
    /// How it came.
    pub source: &'static str,
    /// The number that people know it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The status of its payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_status: Option<String>,
    /// Its total, a decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<String>,
    /// How many things looked wrong in it.
    pub warnings: u32,
    /// How many of its revisions arrived in the time.
    pub revisions: u32,
}

impl OrderRow {
    fn new(arrival: Arrival, revisions: u32) -> Self {
        let Arrival { key: RevisionKey { document, revision }, recorded_at, source, summary, .. } = arrival;
        let Summary { number, status, payment_status, total, warnings } = summary;
        Self {
            connection: document.connection.to_string(),
            document: document.name(),
            revision,
            recorded_at,
            source: source.as_str(),
            number,
            status,
            payment_status,
            total,
            warnings,
            revisions,
        }
    }
}

impl Operator {
    /// The documents that arrived in a time, oldest first, each once with its latest revision in it.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn orders(&self, filter: &OrderFilter, span: Span) -> Result<Vec<OrderRow>, OperatorError> {
        let mut latest: HashMap<DocumentKey, (Arrival, u32)> = HashMap::new();
        for arrival in self.arrivals(filter.connection.as_ref(), span).await? {
            let document = arrival.key.document.clone();
            if filter.kind.as_ref().is_some_and(|kind| *kind != document.kind) {
                continue;
            }
            match latest.get_mut(&document) {
                Some((known, count)) => {
                    *count += 1;
                    if known.key.revision < arrival.key.revision {
                        *known = arrival;
                    }
                }
                None => drop(latest.insert(document, (arrival, 1))),
            }
        }
        let wanted = |arrival: &Arrival| match &filter.status {
            None => true,
            Some(status) => {
                arrival.summary.status.as_ref().is_some_and(|of| of.to_lowercase() == status.to_lowercase())
            }
        };
        let mut found: Vec<(Arrival, u32)> = latest.into_values().filter(|(arrival, _)| wanted(arrival)).collect();
        found.sort_by(|(a, _), (b, _)| (a.recorded_at, &a.key.document).cmp(&(b.recorded_at, &b.key.document)));
        if let Some(text) = &filter.search {
            found = self.searched(found, &Needle::new(text)).await?;
        }
        Ok(found.into_iter().map(|(arrival, count)| OrderRow::new(arrival, count)).collect())
    }

    /// The revisions that arrived in a time, oldest first: by the index, or, while that does not hold everything, by a
    /// scan of the table.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn arrivals(&self, connection: Option<&Connection>, span: Span) -> Result<Vec<Arrival>, OperatorError> {
        let connections = connection.map_or_else(|| self.all_connections(), |connection| vec![connection.clone()]);
        let mut all = Vec::new();
        if self.ledger.indexed().await? == Indexed::All {
            for connection in &connections {
                all.extend(self.ledger.arrivals(connection, span).await?);
            }
        } else {
            for connection in &connections {
                let mut after = None;
                loop {
                    let found =
                        self.ledger.find_revisions(Some(connection), span.from, span.until, after.as_ref()).await?;
                    all.extend(found.revisions.into_iter().filter_map(|(key, revision)| {
                        let revision = revision.ok()?;
                        let summary = revision.summary.clone().or_else(|| intake::summary_of(&key, &revision));
                        Some(Arrival {
                            key,
                            recorded_at: revision.recorded_at,
                            observed_at: revision.observed_at,
                            source: revision.source,
                            summary: summary.unwrap_or_default(),
                        })
                    }));
                    match found.next {
                        None => break,
                        next => after = next,
                    }
                }
            }
        }
        all.sort_by_key(|arrival| arrival.recorded_at);
        Ok(all)
    }

    /// The revisions that arrived in a time, by the index alone: what an earlier version recorded may be missing.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn indexed_arrivals(&self, span: Span) -> Result<Vec<Arrival>, OperatorError> {
        let mut all = Vec::new();
        for connection in self.all_connections() {
            all.extend(self.ledger.arrivals(&connection, span).await?);
        }
        all.sort_by_key(|arrival| arrival.recorded_at);
        Ok(all)
    }

    async fn searched(
        &self,
        found: Vec<(Arrival, u32)>,
        needle: &Needle,
    ) -> Result<Vec<(Arrival, u32)>, OperatorError> {
        let reads = found.into_iter().map(async |one| {
            let revision = self.ledger.revision(&one.0.key).await?;
            let is_it = revision.is_some_and(|revision| needle.is_in(&one.0.key.document, &revision));
            Ok::<_, OperatorError>(is_it.then_some(one))
        });
        let kept: Vec<Option<_>> = futures_util::stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await?;
        Ok(kept.into_iter().flatten().collect())
    }
}
