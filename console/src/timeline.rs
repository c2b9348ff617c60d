//! What became of one document: each thing that happened to it, with its time and cause.

use std::collections::BTreeMap;

use events::{Event, MAX_DETAIL_BYTES};
use jiff::Timestamp;
use ledger::{
    ActionLine, DocumentKey, Head, Held, HeldFilter, Publication, QuarantineState, Revision, RevisionKey, Source,
};
use serde::Serialize;
use serde_json::Value;

use crate::problems::DISMISSED;
use crate::{Change, Operator, OperatorError, changes};

/// A document with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// The document: `mycashflow/acme/order/58`.
    pub document: String,
    /// What happened, oldest first.
    pub moments: Vec<Moment>,
    /// Its revisions, oldest first.
    pub revisions: Vec<RevisionView>,
    /// What is still open about it, a sentence each.
    pub open: Vec<String>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What: `received`, `recorded`, `published`, `dispatched`, `quarantined`, or an action such as `deliver`.
    pub what: String,
    /// How it went, and why. It holds no personal data.
    pub detail: String,
}

/// A revision, and what it changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RevisionView {
    /// Its number.
    pub revision: u32,
    /// The id under which it is published.
    pub id: String,
    /// How it came.
    pub source: &'static str,
    /// When its state was asked for or received.
    pub observed_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When the bus took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// Whether there is a record for and against: `published`, `not recorded` or `unknown`.
    pub publication: &'static str,
    /// The size of its body, in bytes.
    pub size_bytes: usize,
    /// What it changed; empty for the first one.
    pub changes: Vec<Change>,
    /// Why it has no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl Operator {
    /// What became of a document.
    ///
    /// # Errors
    /// [`OperatorError::NotFound`] when the ledger has never had it, otherwise [`OperatorError::Ledger`].
    pub async fn timeline(&self, document: &DocumentKey) -> Result<Timeline, OperatorError> {
        let found = self.ledger.find_document(document).await?;
        let head = self.ledger.head(document).await?;
        let mut moments = Vec::new();
        let mut open = Vec::new();
        let wanted: Vec<(RevisionKey, Timestamp)> = found
            .iter()
            .filter_map(|(key, revision)| Some((key.clone(), revision.as_ref().ok()?.recorded_at)))
            .collect();
        let published = self.ledger.published(&document.connection, &wanted, self.now()).await?;
        let mut revisions = Vec::new();
        let mut before: Option<Value> = None;
        for (key, revision) in &found {
            let Ok(revision) = revision else {
                open.push(format!("revision {} cannot be read", key.revision));
                continue;
            };
            let publication = published.get(key).copied().unwrap_or(Publication::Unknown);
            let (view, content) = view(key, revision, publication, before.as_ref());
            moments.extend(moments_of(revision, &view));
            if publication == Publication::NotRecorded {
                open.push(format!("there is no record that revision {} was published", key.revision));
            }
            before = content.or(before);
            revisions.push(view);
        }
        if revisions.is_empty() && head.is_some() {
            open.push("its revisions are erased or expired: only its head is left".to_owned());
        }
        self.actions_of(document, &mut moments, &mut open).await?;
        self.quarantine_of(document, head.as_ref(), &mut moments, &mut open).await?;
        if moments.is_empty() && head.is_none() {
            return Err(OperatorError::NotFound(format!("the ledger has no {document}")));
        }
        moments.sort_by_key(|moment| moment.at);
        Ok(Timeline { document: document.to_string(), moments, revisions, open })
    }

    /// Whether anything is known of a document: a revision, an action, or a body in quarantine.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn knows(&self, document: &DocumentKey) -> Result<bool, OperatorError> {
        Ok(self.ledger.head(document).await?.is_some()
            || !self.ledger.actions_on(document).await?.is_empty()
            || !self.quarantined_of(document).await?.is_empty())
    }

    async fn quarantined_of(&self, document: &DocumentKey) -> Result<Vec<Held>, OperatorError> {
        let name = document.name();
        let filter = HeldFilter { document: Some(&name), ..HeldFilter::default() };
        Ok(self.ledger.held(&document.connection, filter).await?.held)
    }

    async fn actions_of(
        &self,
        document: &DocumentKey,
        moments: &mut Vec<Moment>,
        open: &mut Vec<String>,
    ) -> Result<(), OperatorError> {
        let mut dispatches = Vec::new();
        let lines = self.ledger.actions_on(document).await?;
        for line in &lines {
            let cause = line.cause.as_deref();
            let key = cause.and_then(RevisionKey::parse);
            let from = match (&key, cause) {
                (Some(key), _) => format!(", by {}", key.document),
                (None, Some(cause)) => format!(", by message {cause}"),
                (None, None) => String::new(),
            };
            let reason = line.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let detail = format!("{}{reason}{from}", line.outcome);
            moments.push(Moment { at: line.at, what: line.action.clone(), detail });
            if let Some(key) = key.filter(|key| !dispatches.contains(key)) {
                dispatches.push(key);
            }
        }
        for key in dispatches {
            if let Some(revision) = self.ledger.revision(&key).await? {
                let detail = format!("{} revision {}", key.document, key.revision);
                moments.push(Moment { at: revision.recorded_at, what: "dispatched".to_owned(), detail });
            }
        }
        for line in last_tries(lines) {
            let reason = line.reason.as_deref().unwrap_or("no reason");
            open.push(format!("{} ended as {}: {reason}", line.action, line.outcome));
        }
        Ok(())
    }

    async fn quarantine_of(
        &self,
        document: &DocumentKey,
        head: Option<&Head>,
        moments: &mut Vec<Moment>,
        open: &mut Vec<String>,
    ) -> Result<(), OperatorError> {
        for held in self.quarantined_of(document).await? {
            let is_newer = head.is_some_and(|head| held.is_older_than(head));
            let state = match &held.state {
                QuarantineState::Open if is_newer => "resolved by a newer state".to_owned(),
                QuarantineState::Open => {
                    open.push(format!("a body is in quarantine: {}", held.reason));
                    "open".to_owned()
                }
                QuarantineState::Resolved { by } => format!("resolved: {by}"),
                QuarantineState::Dismissed { by, why } => format!("dismissed by {by}: {why}"),
            };
            let detail = format!("{} ({state})", held.reason);
            moments.push(Moment { at: held.first_seen, what: "quarantined".to_owned(), detail });
        }
        Ok(())
    }
}

/// Of the tries at actions, oldest first, the last one of each action that has no end. A delivery that was done is done,
/// whatever asked for it; of anything else each cause is one of its own.
pub(crate) fn last_tries(lines: Vec<ActionLine>) -> Vec<ActionLine> {
    let mut last: BTreeMap<(String, String, Option<String>), ActionLine> = BTreeMap::new();
    let is_done = |line: &ActionLine| line.outcome.starts_with("done") || line.outcome == DISMISSED;
    for line in lines {
        let cause = if line.action == "deliver" { None } else { line.cause.clone() };
        let key = (line.document.to_string(), line.action.clone(), cause);
        match last.get(&key) {
            Some(before) if is_done(before) && !is_done(&line) && line.action == "deliver" => {}
            _ => drop(last.insert(key, line)),
        }
    }
    // What was rejected told its sender, or is a dead letter.
    last.into_values().filter(|line| matches!(line.outcome.as_str(), "later" | "unknown")).collect()
}

/// How a revision is shown, and its content as JSON for comparing with the next.
fn view(
    key: &RevisionKey,
    revision: &Revision,
    publication: Publication,
    before: Option<&Value>,
) -> (RevisionView, Option<Value>) {
    let event = Event::of_revision(key, revision, None, MAX_DETAIL_BYTES).map_err(|error| error.to_string());
    let detail =
        event.and_then(|event| serde_json::from_str::<Value>(&event.detail).map_err(|error| error.to_string()));
    let (content, unreadable) = match detail {
        Ok(mut detail) => {
            let content = ["order", "document"].into_iter().find_map(|name| Some(detail.get_mut(name)?.take()));
            (content, None)
        }
        Err(reason) => (None, Some(reason)),
    };
    let changes = before.zip(content.as_ref()).map(|(before, after)| changes(before, after)).unwrap_or_default();
    let (publication, published_at) = match publication {
        Publication::Published { at } => ("published", Some(at)),
        Publication::NotRecorded => ("not recorded", None),
        Publication::Unknown => ("unknown", None),
    };
    let view = RevisionView {
        revision: revision.revision,
        id: key.event_id(),
        source: revision.source.as_str(),
        observed_at: revision.observed_at,
        recorded_at: revision.recorded_at,
        published_at,
        publication,
        size_bytes: revision.body.len(),
        changes,
        unreadable,
    };
    (view, content)
}

fn moments_of(revision: &Revision, view: &RevisionView) -> Vec<Moment> {
    let (what, how) = match revision.source {
        Source::Push => ("received", "the vendor sent it"),
        Source::Poll => ("found", "by the poll"),
        Source::Refresh => ("found", "asked for by name"),
        Source::Backfill => ("found", "by a backfill"),
    };
    let number = revision.revision;
    let changed: Vec<&str> = view.changes.iter().map(|change| change.path.as_str()).collect();
    let changed = match changed[..] {
        [] => String::new(),
        _ => format!(", changed: {}", changed.join(", ")),
    };
    let moment = |at, what: &str, detail| Moment { at, what: what.to_owned(), detail };
    let mut moments = vec![
        moment(revision.observed_at, what, how.to_owned()),
        moment(revision.recorded_at, "recorded", format!("revision {number}{changed}")),
    ];
    moments.extend(view.published_at.map(|at| moment(at, "published", format!("as {}", view.id))));
    moments
}
