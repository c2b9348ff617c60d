//! The one way into the ledger.

mod verdict;
mod write;

use std::time::Duration;

use jiff::Timestamp;

use crate::{ContentHash, DocumentKey, Head, Ledger, LedgerError, Revision, RevisionKey, Source, Summary};
use verdict::{Sameness, Verdict, verdict};
use write::{Attempt, next};

/// Transactions tried before a document counts as contended. Every lost race means that another writer got through,
/// so this bounds the patience of one call, not the progress of all.
const APPEND_TRIES: u32 = 24;

/// What is known of when the document was as the copy shows it; it decides which of two different copies is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// We asked, at `observed_at`: the copy is at least as new as that. When it differs from the head and was long on
    /// its way, the document is also marked to be asked for.
    Asked,
    /// The vendor told us: the copy was received at `observed_at`, and may have been on its way for any time since
    /// `since`. Against an answer to a question of ours only `since` counts. Against an earlier told copy the order of
    /// arrival does. Neither is certain, so whenever such a copy differs from the head, the document is also marked to
    /// be asked for (see [`crate::ShopState::refreshes`]).
    Told {
        /// The earliest time the copy can be of: when the document was made.
        since: Timestamp,
    },
    /// Every message counts: none can be asked for again, so none may be dropped as stale. The one received last is the
    /// newest revision, in whatever order messages of the same moment are recorded: one that is recorded late is
    /// followed by the newest once more.
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
    /// What a list shows of it.
    pub summary: Option<&'a Summary>,
    /// Now, for `recorded_at` and the TTL.
    pub now: Timestamp,
}

/// What became of an appended copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is a revision now: the document's newest, unless a message that was received later was faster.
    Recorded {
        /// Its number, from 1.
        revision: u32,
    },
    /// The document's last revision says the same.
    Duplicate {
        /// That revision's number.
        revision: u32,
    },
    /// It differs, and is older than the document's last revision, or cannot be compared with it.
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

/// How a document is hashed in another version than its copy's hash has. It is needed where the head was written by
/// another version of the reader, which is no reason for a revision.
#[derive(Clone, Copy)]
pub struct Rehash<'a> {
    /// The hash of a recorded revision, in the version of the copy's own hash: what today's reader makes of its body.
    /// None when it cannot read it.
    pub of_revision: &'a (dyn Fn(&Revision) -> Option<ContentHash> + Sync),
    /// The hash of the copy in another version, for when the revision's body is erased or expired. None for a version
    /// that is not known.
    pub of_copy: &'a (dyn Fn(u16) -> Option<ContentHash> + Sync),
}

impl Ledger {
    /// Appends a document's copy, unless its last revision says the same or is newer.
    ///
    /// Head and revision are written in one transaction under the condition that the head is as it was read, so that
    /// of any number of writers with the same copy one records it and the others learn that it is a duplicate. A new
    /// document takes one call.
    ///
    /// The first answer of ours that says the same as the head moves the head's time, which publishes nothing. A head
    /// whose hash has another version than the copy's cannot be compared here: [`Ledger::append_settling`] can.
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
        self.append_with(head, new, None).await
    }

    /// [`Ledger::append_after`] that settles a head of another version of the hash: by hashing the last revision's body
    /// anew, or, where that is erased or expired, by the copy's hash in the head's version. When it says the same, the
    /// head takes the copy's hash, once.
    ///
    /// Where neither can be had, a message is appended. A copy that can be asked for again counts as stale, and the
    /// document is marked to be asked for.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_settling(
        &self,
        head: Option<&Head>,
        new: &NewRevision<'_>,
        rehash: &Rehash<'_>,
    ) -> Result<Appended, LedgerError> {
        self.append_with(head, new, Some(rehash)).await
    }

    async fn append_with(
        &self,
        head: Option<&Head>,
        new: &NewRevision<'_>,
        rehash: Option<&Rehash<'_>>,
    ) -> Result<Appended, LedgerError> {
        let mut head = head.cloned();
        for attempt in 0..APPEND_TRIES {
            let (written, appended) = self.step(head.as_ref(), new, rehash).await?;
            match written {
                Attempt::Written => return Ok(appended),
                Attempt::Lost(winner) => {
                    if let Some(ours) = self.recorded_before(new, appended).await? {
                        return Ok(ours);
                    }
                    head = match winner {
                        Some(winner) => Some(winner),
                        None => self.head(new.document).await?,
                    };
                }
                Attempt::Conflict => {
                    let ceiling_ms = 10_u64 << attempt.min(5);
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=ceiling_ms))).await;
                }
            }
        }
        Err(LedgerError::Contended { tries: APPEND_TRIES })
    }

    /// Lets the next answer of ours move the time of a document's head, even if it says the same as the last revision.
    /// It is needed when a copy came that cannot be read: only a later time of the head shows that this is over.
    pub(crate) async fn await_confirmation(&self, document: &DocumentKey) -> Result<(), LedgerError> {
        let Some(head) = self.head(document).await?.filter(|head| head.is_confirmed) else { return Ok(()) };
        let after = Head { is_confirmed: false, ..head.clone() };
        // A writer that was faster has written a later state or time itself.
        self.try_note(document, &head, &after).await.map(drop)
    }

    /// Does what a copy means for the head that is known; gives how the write ended, and what became of the copy if it
    /// was made.
    async fn step(
        &self,
        head: Option<&Head>,
        new: &NewRevision<'_>,
        rehash: Option<&Rehash<'_>>,
    ) -> Result<(Attempt, Appended), LedgerError> {
        let recorded = Appended::Recorded { revision: next(head) };
        let Some(head) = head else { return Ok((self.try_append(None, new).await?, recorded)) };
        let revision = head.revision;
        match verdict(head, new, self.sameness(head, new, rehash).await?) {
            Verdict::Append => Ok((self.try_append(Some(head), new).await?, recorded)),
            Verdict::AppendBefore => {
                let written = match self.revision(&RevisionKey { document: new.document.clone(), revision }).await? {
                    Some(newest) => self.try_append_before(head, &newest, new).await?,
                    // What the later message said is erased or expired, so it cannot be said again.
                    None => self.try_append(Some(head), new).await?,
                };
                Ok((written, recorded))
            }
            Verdict::Duplicate => {
                let written = match head.after_same(new) {
                    Some(after) => self.try_note(new.document, head, &after).await?,
                    None => Attempt::Written,
                };
                Ok((written, Appended::Duplicate { revision }))
            }
            Verdict::Stale { is_doubtful } => {
                if is_doubtful {
                    self.mark_for_refresh(new.document, new.now).await?;
                }
                Ok((Attempt::Written, Appended::Stale { revision }))
            }
        }
    }

    /// Whether a copy says the same as the head's revision.
    async fn sameness(
        &self,
        head: &Head,
        new: &NewRevision<'_>,
        rehash: Option<&Rehash<'_>>,
    ) -> Result<Sameness, LedgerError> {
        let compared = |ours: ContentHash, theirs: ContentHash| match ours == theirs {
            true => Sameness::Same,
            false => Sameness::Different,
        };
        if head.hash.version() == new.hash.version() {
            return Ok(compared(new.hash, head.hash));
        }
        let Some(rehash) = rehash else { return Ok(Sameness::Unknown) };
        let last = RevisionKey { document: new.document.clone(), revision: head.revision };
        let recorded = self.revision(&last).await?.and_then(|revision| (rehash.of_revision)(&revision));
        if let Some(recorded) = recorded.filter(|recorded| recorded.version() == new.hash.version()) {
            return Ok(compared(new.hash, recorded));
        }
        let earlier = (rehash.of_copy)(head.hash.version());
        let earlier = earlier.filter(|earlier| earlier.version() == head.hash.version());
        Ok(earlier.map_or(Sameness::Unknown, |earlier| compared(earlier, head.hash)))
    }

    /// Whether a message is the revision that this call tried to write: the answer to the write may have been lost, and
    /// another message recorded since.
    async fn recorded_before(
        &self,
        new: &NewRevision<'_>,
        appended: Appended,
    ) -> Result<Option<Appended>, LedgerError> {
        let (Evidence::Message, Appended::Recorded { revision }) = (new.evidence, appended) else { return Ok(None) };
        let tried = self.revision(&RevisionKey { document: new.document.clone(), revision }).await?;
        let is_ours = |tried: &Revision| {
            (tried.hash, tried.observed_at.as_millisecond(), tried.recorded_at.as_millisecond())
                == (new.hash, new.observed_at.as_millisecond(), new.now.as_millisecond())
        };
        Ok(tried.as_ref().is_some_and(is_ours).then_some(appended))
    }
}
