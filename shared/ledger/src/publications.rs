//! Publications: which revisions the event bus took, and when. The relay writes one item for many of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::condition::was_made;
use crate::delivery::utc_date;
use crate::item::{Attributes, Item, expires_at, format, key, ms};
use crate::{Arrival, Connection, DocumentKey, Ledger, LedgerError, RevisionKey, Span};

/// The version of the items' format.
const FORMAT: u32 = 1;
/// The bytes of ids in one item: with its keys it then takes one write unit.
const IDS_BYTES: usize = 800;

/// What is known of a revision's publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The bus took it.
    Published {
        /// When the relay wrote that down.
        at: Timestamp,
    },
    /// There is no record of it, and there would be one.
    NotRecorded,
    /// It was recorded before publications were, or their record has expired.
    Unknown,
}

impl Ledger {
    /// Writes down that the bus took revisions. `name` must be unlike that of any other call.
    ///
    /// Many revisions of one connection take one item. Some may be written when it fails.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn note_published(
        &self,
        revisions: &[RevisionKey],
        name: &str,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut by_connection: BTreeMap<&Connection, Vec<String>> = BTreeMap::new();
        for RevisionKey { document, revision } in revisions {
            by_connection.entry(&document.connection).or_default().push(format!("{}/{revision}", document.name()));
        }
        for (connection, ids) in by_connection {
            for (part, ids) in portions(ids).into_iter().enumerate() {
                let sk = format!("{:013}#{name}#{part}", now.as_millisecond());
                let mut item = key(published_pk(connection, utc_date(now)), sk);
                item.extend([
                    format(FORMAT),
                    ("at".to_owned(), ms(now)),
                    ("ids".to_owned(), AttributeValue::Ss(ids)),
                    ("expires_at".to_owned(), expires_at(now, self.retention.log)),
                ]);
                let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
                put.send().await.map_err(LedgerError::unavailable("PutItem"))?;
            }
        }
        Ok(())
    }

    /// Writes down that publications are recorded from now on, unless it stands there already.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn begin_publications(&self, now: Timestamp) -> Result<(), LedgerError> {
        let mut item = since_key();
        item.extend([format(FORMAT), ("at".to_owned(), ms(now))]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        was_made(put.condition_expression("attribute_not_exists(pk)").send().await, "PutItem").map(drop)
    }

    /// Since when publications are recorded; none when they never were.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn publications_since(&self) -> Result<Option<Timestamp>, LedgerError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(since_key())).consistent_read(true);
        let answer = get.send().await.map_err(LedgerError::unavailable("GetItem"))?;
        answer.item().map(|item| Attributes::of(item, FORMAT)?.instant("at")).transpose()
    }

    /// Reads which revisions of a connection the bus took in a time, each with the first time.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn publications(
        &self,
        connection: &Connection,
        span: Span,
    ) -> Result<HashMap<RevisionKey, Timestamp>, LedgerError> {
        let mut published = HashMap::new();
        for day in span.days() {
            for item in self.query(published_pk(connection, day), None).await? {
                let (at, keys) = publication_from(connection, &item)?;
                if (span.from..span.until).contains(&at) {
                    for key in keys {
                        published.entry(key).or_insert(at);
                    }
                }
            }
        }
        Ok(published)
    }

    /// What is known of the publication of some revisions of a connection, each with the time at which it was recorded.
    /// Reads from the earliest of those days on, until all are found.
    ///
    /// # Errors
    /// As [`Ledger::publications`].
    pub async fn published(
        &self,
        connection: &Connection,
        revisions: &[(RevisionKey, Timestamp)],
        now: Timestamp,
    ) -> Result<HashMap<RevisionKey, Publication>, LedgerError> {
        let since = self.publications_since().await?;
        let oldest_kept = self.oldest_publication(now);
        let is_known =
            |recorded_at: Timestamp| since.is_some_and(|since| recorded_at >= since) && recorded_at >= oldest_kept;
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut told = HashMap::new();
        for (revision, recorded_at) in revisions {
            let nothing = if is_known(*recorded_at) { Publication::NotRecorded } else { Publication::Unknown };
            told.insert(revision.clone(), nothing);
            wanted.insert(revision.event_id());
        }
        let Some(from) = revisions.iter().map(|(_, recorded_at)| (*recorded_at).max(oldest_kept)).min() else {
            return Ok(told);
        };
        for day in (Span { from: from.max(since.unwrap_or(now)), until: soon(now) }).days() {
            for item in self.query(published_pk(connection, day), None).await? {
                let (at, keys) = publication_from(connection, &item)?;
                for key in keys {
                    if wanted.remove(&key.event_id()) {
                        told.insert(key, Publication::Published { at });
                    }
                }
            }
            if wanted.is_empty() {
                break;
            }
        }
        Ok(told)
    }

    /// From when on every record is still there: a day after the oldest that may have expired.
    fn oldest_publication(&self, now: Timestamp) -> Timestamp {
        let log = SignedDuration::try_from(self.retention.log).unwrap_or(SignedDuration::MAX);
        let kept = log.saturating_sub(SignedDuration::from_hours(24));
        now.checked_sub(kept).unwrap_or(Timestamp::MIN)
    }

    /// Finds the revisions of a connection that were recorded in a time and of whose publication there is no record. What
    /// was recorded before publications were is not among them.
    ///
    /// The last moments before `now` should be left out: what was recorded then may be under way.
    ///
    /// # Errors
    /// As [`Ledger::publications`].
    pub async fn unpublished(
        &self,
        connection: &Connection,
        span: Span,
        now: Timestamp,
    ) -> Result<Vec<Arrival>, LedgerError> {
        let Some(since) = self.publications_since().await? else { return Ok(Vec::new()) };
        // Of what is older, the records may have expired.
        let from = span.from.max(since).max(self.oldest_publication(now));
        let arrivals = self.arrivals(connection, Span { from, until: span.until }).await?;
        if arrivals.is_empty() {
            return Ok(arrivals);
        }
        let published = self.publications(connection, Span { from, until: soon(now) }).await?;
        Ok(arrivals.into_iter().filter(|arrival| !published.contains_key(&arrival.key)).collect())
    }
}

/// A little later than now: clocks differ.
fn soon(now: Timestamp) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(60)).unwrap_or(now)
}

/// Ids in portions that take one write unit each. A set holds each once.
fn portions(ids: Vec<String>) -> Vec<Vec<String>> {
    let mut portions: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for id in ids.into_iter().collect::<BTreeSet<_>>() {
        bytes += id.len();
        match portions.last_mut().filter(|_| bytes <= IDS_BYTES) {
            Some(last) => last.push(id),
            None => {
                bytes = id.len();
                portions.push(vec![id]);
            }
        }
    }
    portions
}

fn published_pk(connection: &Connection, day: Date) -> String {
    format!("published#{connection}#{day}")
}

fn since_key() -> Item {
    key("published", "since")
}

fn publication_from(connection: &Connection, item: &Item) -> Result<(Timestamp, Vec<RevisionKey>), LedgerError> {
    let attributes = Attributes::of(item, FORMAT)?;
    let ids = item.get("ids").and_then(|ids| ids.as_ss().ok()).ok_or_else(|| attributes.corrupt("ids"))?;
    let key = |id: &String| {
        let (document, revision) = id.rsplit_once('/')?;
        let document = DocumentKey::parse(connection.clone(), document)?;
        Some(RevisionKey { document, revision: revision.parse().ok()? })
    };
    let keys: Option<Vec<RevisionKey>> = ids.iter().map(key).collect();
    Ok((attributes.instant("at")?, keys.ok_or_else(|| attributes.corrupt("ids"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_parted_into_items_of_one_write_unit() {
        let ids: Vec<String> = (0..100).map(|id| format!("order/{id:05}/1")).collect();
        let parts = portions(ids.clone());
        assert_eq!(parts.concat(), ids);
        assert_eq!(parts.len(), 2, "a batch of a hundred takes two items: {parts:?}");
        assert_eq!(portions(vec!["x".repeat(2 * IDS_BYTES), "y".to_owned()]).len(), 2);
        assert!(portions(Vec::new()).is_empty());
    }
}
