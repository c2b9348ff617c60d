//! The transaction that writes a head and its revisions.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use jiff::{SignedDuration, Timestamp};

use super::{Evidence, NewRevision};
use crate::arrivals::{ARRIVED, RECORDED_AT, SUMMARY, arrived};
use crate::condition::met_item;
use crate::document::{head_from, head_item, revision_sk};
use crate::item::{blob, compress, expires_at, key, ms, n, s};
use crate::transaction::{cancellation_reasons, first_that_did_not_hold, is_passing, transact_put};
use crate::{ContentHash, DocumentKey, Head, Ledger, LedgerError, Revision, Source, Summary};

/// An answer that took longer from the question to here is uncertain when it differs from the head: what came and went
/// meanwhile may have left no trace. Answers arrive within a second or two.
const SLOW_ANSWER: SignedDuration = SignedDuration::from_secs(10);

/// How one write ended.
pub(super) enum Attempt {
    Written,
    /// Another writer was first; the head it left, when DynamoDB sent it along.
    Lost(Option<Head>),
    Conflict,
}

/// A revision to be written.
struct Record<'a> {
    revision: u32,
    hash: ContentHash,
    source: Source,
    observed_at: Timestamp,
    /// Compressed.
    body: &'a [u8],
    content_type: &'a str,
    summary: Option<&'a Summary>,
}

impl Ledger {
    /// Writes a copy as the document's newest revision.
    pub(super) async fn try_append(&self, head: Option<&Head>, new: &NewRevision<'_>) -> Result<Attempt, LedgerError> {
        // Only here: most copies say what the ledger has.
        let body = compress(new.body)?;
        let record = self.record_of(new, next(head), &body);
        let newest = Head {
            revision: record.revision,
            hash: new.hash,
            observed_at: new.observed_at,
            source: new.source,
            first_seen: head.map_or(new.now, |head| head.first_seen),
            is_confirmed: false,
        };
        self.transact(head, &newest, new, &[record]).await
    }

    /// Writes a message as a revision, and the newest one after it once more: it was received before that.
    pub(super) async fn try_append_before(
        &self,
        head: &Head,
        newest: &Revision,
        new: &NewRevision<'_>,
    ) -> Result<Attempt, LedgerError> {
        let body = compress(new.body)?;
        let earlier = self.record_of(new, next(Some(head)), &body);
        let revision = earlier.revision + 1;
        let newest_body = compress(&newest.body)?;
        let later = Record {
            revision,
            hash: newest.hash,
            source: newest.source,
            observed_at: head.observed_at,
            body: &newest_body,
            content_type: &newest.content_type,
            summary: newest.summary.as_ref(),
        };
        let after = Head { revision, ..head.clone() };
        self.transact(Some(head), &after, new, &[earlier, later]).await
    }

    /// Writes a head whose revision stays the same, unless another writer was faster.
    pub(super) async fn try_note(
        &self,
        document: &DocumentKey,
        head: &Head,
        after: &Head,
    ) -> Result<Attempt, LedgerError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(head_item(document, after)))
            .condition_expression(AS_READ)
            .expression_attribute_values(":revision", n(head.revision))
            .expression_attribute_values(":observed_at", ms(head.observed_at))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Attempt::Written),
            // Another writer's transaction is under way.
            Err(error) if error.code() == Some("TransactionConflictException") => Ok(Attempt::Conflict),
            Err(error) => match met_item(&error) {
                Some(met) => Ok(Attempt::Lost(met.map(head_from).transpose()?)),
                None => Err(LedgerError::unavailable("PutItem")(error)),
            },
        }
    }

    fn record_of<'a>(&self, new: &NewRevision<'a>, revision: u32, body: &'a [u8]) -> Record<'a> {
        Record {
            revision,
            hash: new.hash,
            source: new.source,
            observed_at: new.observed_at,
            body,
            content_type: new.content_type,
            summary: new.summary,
        }
    }

    async fn transact(
        &self,
        before: Option<&Head>,
        after: &Head,
        new: &NewRevision<'_>,
        records: &[Record<'_>],
    ) -> Result<Attempt, LedgerError> {
        let head = Put::builder().table_name(&self.table).set_item(Some(head_item(new.document, after)));
        let mut parts = vec![transact_put(as_read(head, before))?];
        for record in records {
            parts.push(self.put_record(new, record)?);
        }
        if before.is_some() && is_doubtful(new) {
            let mark = self.refresh_item(new.document, new.now);
            parts.push(transact_put(Put::builder().table_name(&self.table).set_item(Some(mark)))?);
        }
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(parts)).send().await else {
            return Ok(Attempt::Written);
        };
        let Some(reasons) = cancellation_reasons(&error) else {
            return Err(LedgerError::unavailable("TransactWriteItems")(error));
        };
        if let Some((_, lost)) = first_that_did_not_hold(reasons) {
            return Ok(Attempt::Lost(lost.item().map(head_from).transpose()?));
        }
        if is_passing(reasons) {
            return Ok(Attempt::Conflict);
        }
        Err(LedgerError::unavailable("TransactWriteItems")(error))
    }

    fn put_record(&self, new: &NewRevision<'_>, record: &Record<'_>) -> Result<TransactWriteItem, LedgerError> {
        let mut item = key(new.document.pk(), revision_sk(record.revision));
        item.extend([
            ("revision".to_owned(), n(record.revision)),
            ("hash".to_owned(), s(record.hash.to_string())),
            ("hash_version".to_owned(), n(record.hash.version())),
            ("source".to_owned(), s(record.source.as_str())),
            ("observed_at".to_owned(), ms(record.observed_at)),
            (RECORDED_AT.to_owned(), ms(new.now)),
            (ARRIVED.to_owned(), arrived(&new.document.connection, new.now)),
            ("body".to_owned(), blob(record.body.to_vec())),
            ("content_type".to_owned(), s(record.content_type)),
            ("expires_at".to_owned(), expires_at(new.now, self.retention.revisions)),
        ]);
        item.extend(record.summary.and_then(Summary::attribute).map(|summary| (SUMMARY.to_owned(), summary)));
        transact_put(Put::builder().table_name(&self.table).set_item(Some(item)))
    }
}

/// The number of the revision after a head.
pub(super) fn next(head: Option<&Head>) -> u32 {
    head.map_or(1, |head| head.revision + 1)
}

/// The condition that a head is as it was read. Its time may have moved without a new revision, which decides what is
/// newer.
const AS_READ: &str = "revision = :revision AND observed_at = :observed_at";

fn as_read(put: PutBuilder, head: Option<&Head>) -> PutBuilder {
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match head {
        None => put.condition_expression("attribute_not_exists(pk)"),
        Some(head) => put
            .condition_expression(AS_READ)
            .expression_attribute_values(":revision", n(head.revision))
            .expression_attribute_values(":observed_at", ms(head.observed_at)),
    }
}

/// Whether a copy that differs from the head is newer for certain.
fn is_doubtful(new: &NewRevision<'_>) -> bool {
    match new.evidence {
        Evidence::Told { .. } => true,
        Evidence::Asked => new.now.duration_since(new.observed_at) > SLOW_ANSWER,
        Evidence::Message => false,
    }
}
