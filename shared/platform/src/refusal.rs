//! Requests of strangers: refused, and counted.
//!
//! Anybody can send a million of them. So each takes a line of metrics and nothing else: it is answered without a word to
//! the ledger, which a genuine request may be waiting for. Of each minute, reason and connection one entry is written to
//! the ledger, in the background, when the minute is over. Lambda freezes an environment between requests, so the entry
//! of its last minute may come late or never; the metric is written before the answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use jiff::Timestamp;
use ledger::{Connection, Ledger, RefusedRequests};

use crate::Metric;

/// Why a request is not known to be a vendor's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// There is no such address.
    NoSuchAddress,
    /// Its method is not POST.
    Method,
    /// Its body is too large to be looked into.
    TooLarge,
    /// Its body is compressed, so that its code cannot be checked.
    Compressed,
    /// It brings no key.
    NoKey,
    /// Its keys are wrong.
    WrongKey,
    /// It brings no verify code.
    NoCode,
    /// Its verify code is wrong.
    WrongCode,
    /// Its verify code is right, but its address has not the account's key.
    WrongToken,
}

impl Refusal {
    /// The name in logs and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchAddress => "no-such-address",
            Self::Method => "method",
            Self::TooLarge => "too-large",
            Self::Compressed => "compressed",
            Self::NoKey => "no-key",
            Self::WrongKey => "wrong-key",
            Self::NoCode => "no-code",
            Self::WrongCode => "wrong-code",
            Self::WrongToken => "wrong-token",
        }
    }

    /// The status of its answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoSuchAddress => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoKey | Self::WrongKey | Self::NoCode | Self::WrongCode | Self::WrongToken => {
                StatusCode::UNAUTHORIZED
            }
        }
    }

    /// What it is counted as, beside [`Metric::Rejected`].
    pub(crate) fn metric(self) -> Option<Metric> {
        match self {
            Self::NoCode => Some(Metric::NoCode),
            Self::WrongCode => Some(Metric::WrongCode),
            _ => None,
        }
    }
}

/// The refused requests of an environment that are not in the ledger yet. A clone counts in the same place.
#[derive(Clone)]
pub struct Refusals(Arc<Mutex<Counted>>);

struct Counted {
    /// The name of this environment, unlike any other's.
    environment: String,
    /// The minute that is counted now.
    minute: Timestamp,
    counts: BTreeMap<(Connection, Refusal), u64>,
}

impl Default for Refusals {
    fn default() -> Self {
        let environment = format!("{:016x}", fastrand::u64(..));
        Self(Arc::new(Mutex::new(Counted { environment, minute: Timestamp::UNIX_EPOCH, counts: BTreeMap::new() })))
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusals")
    }
}

impl Refusals {
    /// Counts a request that was refused at `now`, and writes what earlier minutes left in the background.
    pub(crate) fn count(&self, ledger: &Ledger, connection: &Connection, refusal: Refusal, now: Timestamp) {
        self.write_earlier(ledger, now);
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.counts.entry((connection.clone(), refusal)).or_default() += 1;
    }

    /// Writes what was counted before the minute of `now` to the ledger, in the background. Must be called within a
    /// runtime.
    pub(crate) fn write_earlier(&self, ledger: &Ledger, now: Timestamp) {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner).take_earlier(now);
        if !entries.is_empty() {
            tokio::spawn(write(ledger.clone(), entries));
        }
    }
}

impl Counted {
    fn take_earlier(&mut self, now: Timestamp) -> Vec<(Connection, RefusedRequests)> {
        let begun = minute(now);
        if begun == self.minute {
            return Vec::new();
        }
        let minute = std::mem::replace(&mut self.minute, begun);
        let entry = |((connection, refusal), count): ((Connection, Refusal), u64)| {
            let (reason, environment) = (refusal.as_str().to_owned(), self.environment.clone());
            (connection, RefusedRequests { minute, reason, count, environment })
        };
        std::mem::take(&mut self.counts).into_iter().map(entry).collect()
    }
}

/// The minute in which an instant lies.
fn minute(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(Timestamp::UNIX_EPOCH)
}

async fn write(ledger: Ledger, entries: Vec<(Connection, RefusedRequests)>) {
    for (connection, refused) in entries {
        let RefusedRequests { minute, reason, count, .. } = &refused;
        tracing::info!(%connection, reason, count, %minute, "refused unauthenticated requests");
        if let Err(error) = ledger.log_refused(&connection, &refused).await {
            tracing::warn!(%error, %connection, "the number of refused requests could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_begins_with_its_second_0() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(minute(at("2026-03-02T08:00:59.999Z")), at("2026-03-02T08:00:00Z"));
        assert_eq!(minute(at("2026-03-02T08:01:00Z")), at("2026-03-02T08:01:00Z"));
    }
}
