//! The events of some revisions, with what changed in them since the revisions before.

use std::collections::HashMap;
use std::time::Duration;

use events::{Event, revision_before};
use ledger::{Revision, RevisionKey};

use crate::RelayDeps;

/// How long it may take to read the revisions before those of a batch.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes the events of some revisions; of one that can have none, why.
///
/// What revisions before them are not among them is read in one call for a hundred. Where that fails, their events say
/// that the changes are unknown: an event that comes tells more than one that waits for a table that does not answer
/// (`docs/decisions/0007-what-changed.md`).
pub(crate) async fn events_of(
    deps: &RelayDeps,
    revisions: Vec<(RevisionKey, Result<Revision, String>)>,
) -> Vec<(RevisionKey, Result<Event, String>)> {
    let here: HashMap<&RevisionKey, Option<&Revision>> =
        revisions.iter().map(|(key, revision)| (key, revision.as_ref().ok())).collect();
    let readable = revisions.iter().filter(|(_, revision)| revision.is_ok());
    let wanted = readable.filter_map(|(key, _)| revision_before(key)).filter(|key| !here.contains_key(key));
    let read = read(deps, &wanted.collect::<Vec<_>>()).await;
    let event = |key: &RevisionKey, revision: &Result<Revision, String>| {
        let before = revision_before(key);
        let before = before.and_then(|before| here.get(&before).copied().flatten().or_else(|| read.get(&before)));
        Event::of_revision(key, revision.as_ref().map_err(Clone::clone)?, before, deps.limits.request_bytes)
            .map_err(|error| error.to_string())
    };
    revisions.iter().map(|(key, revision)| (key.clone(), event(key, revision))).collect()
}

/// Reads revisions, as far as the table gives them in time.
async fn read(deps: &RelayDeps, wanted: &[RevisionKey]) -> HashMap<RevisionKey, Revision> {
    let mut found = HashMap::new();
    let outcome = match tokio::time::timeout(READ_TIMEOUT, deps.ledger.revisions_into(&mut found, wanted)).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("the table did not answer in time".to_owned()),
    };
    if let Err(reason) = outcome {
        let unknown = wanted.len() - found.len();
        tracing::warn!(unknown, reason, "revisions before those of a batch could not be read: what changed is unknown");
    }
    found
}
