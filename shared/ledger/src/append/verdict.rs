//! What a copy means for a head: whether it says the same, and if not, which of the two is newer.

use super::{Evidence, NewRevision};
use crate::{Head, Source};

/// Whether a copy says the same as the head's revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sameness {
    Same,
    Different,
    /// The hashes are of different versions, and nothing that is left can be hashed in the same one.
    Unknown,
}

/// What a copy means for a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the newest revision.
    Append,
    /// It is a message that was received before the head's: a revision, and not the newest.
    AppendBefore,
    /// The head's revision says the same.
    Duplicate,
    /// It is no revision: older, or not comparable.
    Stale {
        /// Whether that is uncertain, so that the document must be asked for again.
        is_doubtful: bool,
    },
}

pub(super) fn verdict(head: &Head, new: &NewRevision<'_>, sameness: Sameness) -> Verdict {
    let is_later = head.is_before(new);
    match (sameness, new.evidence) {
        (Sameness::Same, _) => Verdict::Duplicate,
        (_, Evidence::Message) if new.observed_at.as_millisecond() < head.observed_at.as_millisecond() => {
            Verdict::AppendBefore
        }
        (_, Evidence::Message) => Verdict::Append,
        // It may be an erased state, which must not come back, or a change, which must not be lost. A reader that knows
        // the head's version tells, when the document is asked for again.
        (Sameness::Unknown, _) => Verdict::Stale { is_doubtful: true },
        (Sameness::Different, Evidence::Asked) if is_later => Verdict::Append,
        (Sameness::Different, Evidence::Asked) => Verdict::Stale { is_doubtful: false },
        (Sameness::Different, Evidence::Told { since }) => {
            let is_newer = if head.source == Source::Push { is_later } else { since > head.observed_at };
            if is_newer { Verdict::Append } else { Verdict::Stale { is_doubtful: true } }
        }
    }
}

impl Head {
    /// Whether appending a copy would neither write anything nor find a difference: the head has the same hash, and its
    /// time need not move. To check a page against [`crate::Ledger::heads`] in one go: only the copies of which this is
    /// not true need [`crate::Ledger::append_settling`].
    pub fn agrees_with(&self, new: &NewRevision<'_>) -> bool {
        self.hash == new.hash && self.after_same(new).is_none()
    }

    /// The head as it has to be written after a copy that says the same; none when nothing changes.
    pub(super) fn after_same(&self, new: &NewRevision<'_>) -> Option<Self> {
        let mut head = self.clone();
        // Never back to an earlier version: while two versions run, each would undo what the other settled.
        if new.hash.version() > self.hash.version() {
            head.hash = new.hash;
        }
        if self.has_to_move(new) {
            head.observed_at = new.observed_at;
            head.source = new.source;
            head.is_confirmed = true;
        }
        (head != *self).then_some(head)
    }

    /// Whether the head's time has to move because a copy says the same later.
    ///
    /// Without that, a slow answer of a time in between, with a state that has passed since, would count as newer. The
    /// overlap of the poll shows every change several times, so the first answer that confirms a revision moves the
    /// time, and no later one: one write unit for each change. A copy that could not be read makes the next answer the first
    /// one again.
    fn has_to_move(&self, new: &NewRevision<'_>) -> bool {
        self.is_before(new)
            && match new.evidence {
                Evidence::Asked => !self.is_confirmed,
                Evidence::Message => true,
                Evidence::Told { .. } => false,
            }
    }

    fn is_before(&self, new: &NewRevision<'_>) -> bool {
        self.observed_at.as_millisecond() < new.observed_at.as_millisecond()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{ContentHash, DocumentKey};

    const TOLD: Evidence = Evidence::Told { since: Timestamp::constant(5, 0) };
    const STALE: Verdict = Verdict::Stale { is_doubtful: false };
    const DOUBTFUL: Verdict = Verdict::Stale { is_doubtful: true };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn head(source: Source, observed: i64) -> Head {
        Head {
            revision: 1,
            hash: ContentHash::of(b"old"),
            observed_at: at(observed),
            source,
            first_seen: at(0),
            is_confirmed: false,
        }
    }

    fn with_copy<T>(evidence: Evidence, observed: i64, look: impl FnOnce(&NewRevision<'_>) -> T) -> T {
        look(&NewRevision {
            document: &DocumentKey::order("acme", 58),
            source: Source::Refresh,
            observed_at: at(observed),
            evidence,
            hash: ContentHash::of(b"new"),
            body: b"",
            content_type: "",
            summary: None,
            now: at(observed),
        })
    }

    fn verdict_on(of: (Source, i64), evidence: Evidence, observed: i64) -> Verdict {
        with_copy(evidence, observed, |new| verdict(&head(of.0, of.1), new, Sameness::Different))
    }

    #[test]
    fn an_answer_asked_for_later_is_newer() {
        assert_eq!(verdict_on((Source::Poll, 10), Evidence::Asked, 11), Verdict::Append);
        assert_eq!(verdict_on((Source::Poll, 10), Evidence::Asked, 10), STALE);
        assert_eq!(verdict_on((Source::Push, 10), Evidence::Asked, 9), STALE);
    }

    #[test]
    fn a_late_post_of_the_first_state_does_not_replace_what_the_poll_saw() {
        assert_eq!(verdict_on((Source::Poll, 10), TOLD, 20), DOUBTFUL);
        assert_eq!(verdict_on((Source::Poll, 4), TOLD, 20), Verdict::Append);
    }

    #[test]
    fn between_two_posts_the_later_arrival_is_newer() {
        assert_eq!(verdict_on((Source::Push, 10), TOLD, 20), Verdict::Append);
        assert_eq!(verdict_on((Source::Push, 10), TOLD, 9), DOUBTFUL);
    }

    #[test]
    fn a_message_is_never_stale_and_the_later_received_is_the_newest() {
        assert_eq!(verdict_on((Source::Push, 10), Evidence::Message, 11), Verdict::Append);
        assert_eq!(verdict_on((Source::Push, 10), Evidence::Message, 10), Verdict::Append);
        assert_eq!(verdict_on((Source::Push, 10), Evidence::Message, 9), Verdict::AppendBefore);
    }

    #[test]
    fn a_copy_that_cannot_be_compared_is_asked_for_again_unless_it_is_a_message() {
        let unknown =
            |evidence| with_copy(evidence, 20, |new| verdict(&head(Source::Poll, 10), new, Sameness::Unknown));
        assert_eq!((unknown(Evidence::Asked), unknown(TOLD)), (DOUBTFUL, DOUBTFUL));
        assert_eq!(unknown(Evidence::Message), Verdict::Append);
    }

    #[test]
    fn the_first_answer_that_confirms_a_revision_moves_its_time_and_no_later_one() {
        let head = head(Source::Push, 10);
        let moved = with_copy(Evidence::Asked, 20, |new| head.after_same(new)).unwrap();
        assert_eq!((moved.observed_at, moved.source, moved.revision), (at(20), Source::Refresh, 1));
        assert_eq!(with_copy(Evidence::Asked, 30, |new| moved.after_same(new)), None);
        assert_eq!(with_copy(Evidence::Asked, 10, |new| head.after_same(new)), None, "it is not later");
        assert_eq!(with_copy(TOLD, 20, |new| head.after_same(new)), None, "a POST may be older than it looks");
    }
}
