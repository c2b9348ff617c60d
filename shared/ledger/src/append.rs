//! The one way into the ledger.

use std::time::Duration;

use aws_sdk_dynamodb::types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use jiff::Timestamp;

use crate::document::{head_from, revision_sk};
use crate::item::{blob, compress, expires_at, key, ms, n, s};
use crate::transaction::{cancellation_reasons, first_that_did_not_hold, transact_put};
use crate::{ContentHash, DocumentKey, Head, Ledger, LedgerError, Source};

/// Transactions tried before a document counts as contended. Every lost race means that another writer got through,
/// so this bounds the patience of one call, not the progress of all.
const APPEND_TRIES: u32 = 24;

/// What is known of when the document was as the copy shows it; it decides which of two different copies is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// We asked, at `observed_at`: the copy is at least as new as that.
    Asked,
    /// The vendor told us: the copy was received at `observed_at`, and may have been on its way for any time since
    /// `since`. Against an answer to a question of ours only `since` counts. Against an earlier told copy the order of
    /// arrival does. Neither is certain, so whenever such a copy differs from the head, the document is also marked to
    /// be asked for (see [`crate::ShopState::refreshes`]).
    Told {
        /// The earliest time the copy can be of: when the document was made.
        since: Timestamp,
    },
    /// Every message counts, in order of arrival: none can be asked for again, so none may be dropped as stale.
    Message,
}

/// A document's copy, to be appended.
#[derive(Clone, Debug)]
pub struct NewRevision<'a> {
    /// The document.
    pub document: &'a DocumentKey,
    /// How it came.
    pub source: Source,
    /// When its state was asked for (poll) or received (push), by our clock.
    pub observed_at: Timestamp,
    /// How sure `observed_at` is.
    pub evidence: Evidence,
    /// The hash of its canonical JSON.
    pub hash: ContentHash,
    /// The bytes as received.
    pub body: &'a [u8],
    /// Their content type.
    pub content_type: &'a str,
    /// Now, for `recorded_at` and the TTL.
    pub now: Timestamp,
}

/// What became of an appended copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is the document's newest revision now.
    Recorded {
        /// Its number, from 1.
        revision: u32,
    },
    /// The document's last revision says the same.
    Duplicate {
        /// That revision's number.
        revision: u32,
    },
    /// It differs, and is older than the document's last revision.
    Stale {
        /// That revision's number.
        revision: u32,
    },
}

impl Appended {
    /// The number of the document's last revision after the call.
    pub fn revision(self) -> u32 {
        match self {
            Self::Recorded { revision } | Self::Duplicate { revision } | Self::Stale { revision } => revision,
        }
    }
}

/// What a copy means for a head.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Append,
    Duplicate,
    Stale,
}

fn verdict(head: &Head, new: &NewRevision<'_>) -> Verdict {
    if head.hash == new.hash {
        return Verdict::Duplicate;
    }
    let newer = match new.evidence {
        Evidence::Message => true,
        Evidence::Told { since } if head.source != Source::Push => since > head.observed_at,
        Evidence::Asked | Evidence::Told { .. } => new.observed_at > head.observed_at,
    };
    if newer { Verdict::Append } else { Verdict::Stale }
}

/// How one transaction ended.
enum Attempt {
    Written,
    /// Another writer was first; the head it left, when DynamoDB sent it along.
    Lost(Option<Head>),
    Conflict,
}

impl Ledger {
    /// Appends a document's copy, unless its last revision says the same or is newer.
    ///
    /// Head and revision are written in one transaction under the condition that the head is as it was read, so that
    /// of any number of writers with the same copy one records it and the others learn that it is a duplicate. A new
    /// document takes one call.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`] when the table cannot be written: the copy may be appended again.
    /// [`LedgerError::TooLarge`] when the body does not fit into an item.
    pub async fn append(&self, new: &NewRevision<'_>) -> Result<Appended, LedgerError> {
        self.append_after(None, new).await
    }

    /// [`Ledger::append`] with the head already read, by [`Ledger::heads`] for example.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_after(&self, head: Option<&Head>, new: &NewRevision<'_>) -> Result<Appended, LedgerError> {
        let body = compress(new.body)?;
        let mut head = head.cloned();
        for attempt in 0..APPEND_TRIES {
            if let Some(head) = &head {
                match verdict(head, new) {
                    Verdict::Append => {}
                    Verdict::Duplicate => return Ok(Appended::Duplicate { revision: head.revision }),
                    Verdict::Stale => {
                        if let Evidence::Told { .. } = new.evidence {
                            self.mark_for_refresh(new.document, new.now).await?;
                        }
                        return Ok(Appended::Stale { revision: head.revision });
                    }
                }
            }
            match self.try_append(head.as_ref(), new, &body).await? {
                Attempt::Written => {
                    return Ok(Appended::Recorded { revision: head.as_ref().map_or(1, |head| head.revision + 1) });
                }
                Attempt::Lost(Some(winner)) => head = Some(winner),
                Attempt::Lost(None) => head = self.head(new.document).await?,
                Attempt::Conflict => {
                    let ceiling_ms = 10_u64 << attempt.min(5);
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=ceiling_ms))).await;
                }
            }
        }
        Err(LedgerError::Contended { tries: APPEND_TRIES })
    }

    async fn try_append(
        &self,
        head: Option<&Head>,
        new: &NewRevision<'_>,
        body: &[u8],
    ) -> Result<Attempt, LedgerError> {
        let revision = head.map_or(1, |head| head.revision + 1);
        let mut request = self
            .client
            .transact_write_items()
            .transact_items(self.put_head(head, revision, new)?)
            .transact_items(self.put_revision(revision, new, body)?);
        if let (Some(_), Evidence::Told { .. }) = (head, new.evidence) {
            let put = Put::builder().table_name(&self.table).set_item(Some(self.refresh_item(new.document, new.now)));
            request = request.transact_items(transact_put(put)?);
        }
        match request.send().await {
            Ok(_) => Ok(Attempt::Written),
            Err(error) => {
                let Some(reasons) = cancellation_reasons(&error) else {
                    return Err(LedgerError::unavailable("TransactWriteItems")(error));
                };
                if let Some((_, lost)) = first_that_did_not_hold(reasons) {
                    return Ok(Attempt::Lost(lost.item().map(head_from).transpose()?));
                }
                let passing = |reason: &CancellationReason| {
                    matches!(
                        reason.code(),
                        Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
                    )
                };
                if reasons.iter().any(passing) {
                    return Ok(Attempt::Conflict);
                }
                Err(LedgerError::unavailable("TransactWriteItems")(error))
            }
        }
    }

    fn put_head(
        &self,
        head: Option<&Head>,
        revision: u32,
        new: &NewRevision<'_>,
    ) -> Result<TransactWriteItem, LedgerError> {
        let mut item = key(new.document.pk(), "head");
        item.extend([
            ("revision".to_owned(), n(revision)),
            ("hash".to_owned(), s(new.hash.to_string())),
            ("observed_at".to_owned(), ms(new.observed_at)),
            ("source".to_owned(), s(new.source.as_str())),
            ("first_seen".to_owned(), ms(head.map_or(new.now, |head| head.first_seen))),
        ]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        transact_put(match head {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(head) => {
                put.condition_expression("revision = :read").expression_attribute_values(":read", n(head.revision))
            }
        })
    }

    fn put_revision(
        &self,
        revision: u32,
        new: &NewRevision<'_>,
        body: &[u8],
    ) -> Result<TransactWriteItem, LedgerError> {
        let mut item = key(new.document.pk(), revision_sk(revision));
        item.extend([
            ("revision".to_owned(), n(revision)),
            ("hash".to_owned(), s(new.hash.to_string())),
            ("source".to_owned(), s(new.source.as_str())),
            ("observed_at".to_owned(), ms(new.observed_at)),
            ("recorded_at".to_owned(), ms(new.now)),
            ("body".to_owned(), blob(body.to_vec())),
            ("content_type".to_owned(), s(new.content_type)),
            ("expires_at".to_owned(), expires_at(new.now, self.retention.revisions)),
        ]);
        transact_put(Put::builder().table_name(&self.table).set_item(Some(item)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn verdict_on(head: (Source, i64), evidence: Evidence, observed_at: i64) -> Verdict {
        let document = DocumentKey::order("acme", 58);
        let head = Head {
            revision: 1,
            hash: ContentHash::of(b"old"),
            observed_at: at(head.1),
            source: head.0,
            first_seen: at(0),
        };
        let new = NewRevision {
            document: &document,
            source: Source::Push,
            observed_at: at(observed_at),
            evidence,
            hash: ContentHash::of(b"new"),
            body: b"",
            content_type: "",
            now: at(observed_at),
        };
        verdict(&head, &new)
    }

    #[test]
    fn an_answer_asked_for_later_is_newer() {
        assert_eq!(verdict_on((Source::Poll, 10), Evidence::Asked, 11), Verdict::Append);
        assert_eq!(verdict_on((Source::Poll, 10), Evidence::Asked, 10), Verdict::Stale);
        assert_eq!(verdict_on((Source::Push, 10), Evidence::Asked, 9), Verdict::Stale);
    }

    #[test]
    fn a_late_post_of_the_first_state_does_not_replace_what_the_poll_saw() {
        let told = Evidence::Told { since: at(5) };
        assert_eq!(verdict_on((Source::Poll, 10), told, 20), Verdict::Stale);
        assert_eq!(verdict_on((Source::Poll, 4), told, 20), Verdict::Append);
    }

    #[test]
    fn between_two_posts_the_later_arrival_is_newer() {
        let told = Evidence::Told { since: at(5) };
        assert_eq!(verdict_on((Source::Push, 10), told, 20), Verdict::Append);
    }

    #[test]
    fn a_message_is_never_stale() {
        assert_eq!(verdict_on((Source::Push, 10), Evidence::Message, 9), Verdict::Append);
    }
}
