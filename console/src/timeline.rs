//! What became of one document: each thing that happened to it, with its time and cause.

use std::collections::BTreeMap;

use events::{Event, MAX_DETAIL_BYTES};
use jiff::{SignedDuration, Timestamp};
use ledger::{
    ActionLine, DocumentKey, Head, Held, HeldFilter, Publication, QuarantineState, Revision, RevisionKey, Source,
};
use serde::Serialize;
use serde_json::Value;

use crate::problems::DISMISSED;
use crate::web::Language;
use crate::words::Words;
use crate::{Change, Operator, OperatorError, changes};

/// From the first to the last time that the queue hands an action over: eight times, 12 minutes apart. Only after that a
/// try that ended as `later` was the last one.
pub const ACTION_TRIES: SignedDuration = SignedDuration::from_mins(84);

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
    /// The same in Finnish, as far as it is not from outside.
    #[serde(skip)]
    pub finnish_open: Vec<String>,
    /// Its last state; none when that is erased or expired, or was never recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DocumentState>,
}

/// The last state of a document, without personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentState {
    /// The revision's number.
    pub revision: u32,
    /// When the document was last seen in this state, as far as that is written down.
    pub observed_at: Timestamp,
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
}

impl DocumentState {
    fn new(key: &RevisionKey, revision: &Revision, head: Option<&Head>) -> Self {
        let summary = revision.summary.clone().or_else(|| intake::summary_of(key, revision)).unwrap_or_default();
        let head = head.filter(|head| head.revision == key.revision);
        Self {
            revision: key.revision,
            observed_at: head.map_or(revision.observed_at, |head| head.observed_at),
            number: summary.number,
            status: summary.status,
            payment_status: summary.payment_status,
            total: summary.total,
        }
    }

    /// The state as a line for a person: `order 58, Shipped, payment Paid, total 112.40, seen 2 h ago`.
    pub fn line(&self, language: Language, now: Timestamp) -> String {
        let t = |english, finnish| language.of2(english, finnish);
        let mut parts = vec![match &self.number {
            Some(number) => format!("{} {number}", t("order", "tilaus")),
            None => format!("{} {}", t("revision", "versio"), self.revision),
        }];
        parts.extend(self.status.clone());
        parts.extend(self.payment_status.as_ref().map(|status| format!("{} {status}", t("payment", "maksu"))));
        parts.extend(self.total.as_ref().map(|total| format!("{} {total}", t("total", "summa"))));
        let ago = Words::ago(now.duration_since(self.observed_at));
        parts.push(format!("{} {}", t("seen", "nähty"), ago.of(language)));
        parts.join(", ")
    }
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
    /// The same in Finnish, as far as it is not from outside.
    #[serde(skip)]
    pub finnish: String,
}

impl Moment {
    fn new(at: Timestamp, what: &str, detail: Words) -> Self {
        Self { at, what: what.to_owned(), detail: detail.english, finnish: detail.finnish }
    }
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
                let number = key.revision;
                open.push(Words::new(
                    format!("revision {number} cannot be read"),
                    format!("versio {number} ei ole luettavissa"),
                ));
                continue;
            };
            let publication = published.get(key).copied().unwrap_or(Publication::Unknown);
            let (view, content) = view(key, revision, publication, before.as_ref());
            moments.extend(moments_of(revision, &view));
            if publication == Publication::NotRecorded {
                let number = key.revision;
                open.push(Words::new(
                    format!("there is no record that revision {number} was published"),
                    format!("ei ole merkintää, että versio {number} julkaistiin"),
                ));
            }
            before = content.or(before);
            revisions.push(view);
        }
        if revisions.is_empty() && head.is_some() {
            open.push(Words::new(
                "its revisions are erased or expired: only its head is left",
                "sen versiot on poistettu tai vanhentuneet: vain viimeisimmän tiiviste on jäljellä",
            ));
        }
        self.actions_of(document, &mut moments, &mut open).await?;
        self.quarantine_of(document, head.as_ref(), &mut moments, &mut open).await?;
        if moments.is_empty() && head.is_none() {
            return Err(OperatorError::NotFound(format!("the ledger has no {document}")));
        }
        moments.sort_by_key(|moment| moment.at);
        let last = found.last().and_then(|(key, revision)| Some((key, revision.as_ref().ok()?)));
        let state = last.map(|(key, revision)| DocumentState::new(key, revision, head.as_ref()));
        let (open, finnish_open) = open.into_iter().map(|words| (words.english, words.finnish)).unzip();
        Ok(Timeline { document: document.to_string(), moments, revisions, open, finnish_open, state })
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
        open: &mut Vec<Words>,
    ) -> Result<(), OperatorError> {
        let mut dispatches = Vec::new();
        let lines = self.ledger.actions_on(document).await?;
        for line in &lines {
            let cause = line.cause.as_deref();
            let key = cause.and_then(RevisionKey::parse);
            let from = match (&key, cause) {
                (Some(key), _) => Words::new(format!(", by {}", key.document), format!(", pyytäjä {}", key.document)),
                (None, Some(cause)) => Words::new(format!(", by message {cause}"), format!(", viesti {cause}")),
                (None, None) => Words::default(),
            };
            let reason = line.reason.as_deref().map(Words::reason);
            let reason = reason
                .map(|of| Words::new(format!(": {}", of.english), format!(": {}", of.finnish)))
                .unwrap_or_default();
            let mail = match line.mail.filter(|_| line.outcome == "done") {
                Some(true) => Words::new(", a mail was asked for", ", sähköpostia pyydettiin"),
                Some(false) => Words::new(", no mail was asked for", ", sähköpostia ei pyydetty"),
                None => Words::default(),
            };
            let detail = Words::new(
                format!("{}{}{}{}", line.outcome, reason.english, mail.english, from.english),
                format!("{}{}{}{}", Words::name(&line.outcome).finnish, reason.finnish, mail.finnish, from.finnish),
            );
            moments.push(Moment::new(line.at, &line.action, detail));
            if let Some(key) = key.filter(|key| !dispatches.contains(key)) {
                dispatches.push(key);
            }
        }
        for key in dispatches {
            if let Some(revision) = self.ledger.revision(&key).await? {
                let detail = Words::new(
                    format!("{} revision {}", key.document, key.revision),
                    format!("{} versio {}", key.document, key.revision),
                );
                moments.push(Moment::new(revision.recorded_at, "dispatched", detail));
            }
        }
        for line in last_tries(lines, self.now()) {
            let reason = match &line.reason {
                Some(reason) => Words::reason(reason),
                None => Words::new("no reason", "ei syytä"),
            };
            let (action, outcome) = (Words::name(&line.action).finnish, Words::name(&line.outcome).finnish);
            open.push(Words::new(
                format!("{} ended as {}: {}", line.action, line.outcome, reason.english),
                format!("{action} päättyi: {outcome}: {}", reason.finnish),
            ));
        }
        Ok(())
    }

    async fn quarantine_of(
        &self,
        document: &DocumentKey,
        head: Option<&Head>,
        moments: &mut Vec<Moment>,
        open: &mut Vec<Words>,
    ) -> Result<(), OperatorError> {
        for held in self.quarantined_of(document).await? {
            let is_newer = head.is_some_and(|head| held.is_older_than(head));
            let state = match &held.state {
                QuarantineState::Open if is_newer => {
                    Words::new("resolved by a newer state", "uudempi tila korvasi sen")
                }
                QuarantineState::Open => {
                    open.push(Words::new(
                        format!("a body is in quarantine: {}", held.reason),
                        format!("ei luettavissa (talletettu): {}", held.reason),
                    ));
                    Words::new("open", "auki")
                }
                QuarantineState::Resolved { by } => Words::new(format!("resolved: {by}"), format!("korvattu: {by}")),
                QuarantineState::Dismissed { by, why } => {
                    Words::new(format!("dismissed by {by}: {why}"), format!("kuittaaja {by}: {why}"))
                }
            };
            let detail = Words::new(
                format!("{} ({})", held.reason, state.english),
                format!("{} ({})", held.reason, state.finnish),
            );
            moments.push(Moment::new(held.first_seen, "quarantined", detail));
        }
        Ok(())
    }
}

/// Of the tries at actions, oldest first, the last one of each action that has no end. A delivery that was done is done,
/// whatever asked for it; of anything else each cause is one of its own. What is to be tried again by itself is not over.
pub(crate) fn last_tries(lines: Vec<ActionLine>, now: Timestamp) -> Vec<ActionLine> {
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
    let is_over = |line: &ActionLine| match line.outcome.as_str() {
        "later" => now.duration_since(line.at) > ACTION_TRIES,
        outcome => outcome == "unknown",
    };
    last.into_values().filter(is_over).collect()
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
        Source::Push => ("received", Words::new("the vendor sent it", "lähetettiin")),
        Source::Poll => ("found", Words::new("by the poll", "kysely löysi")),
        Source::Refresh => ("found", Words::new("asked for by name", "kysyttiin nimellä")),
        Source::Backfill => ("found", Words::new("by a backfill", "luettiin jälkikäteen")),
    };
    let number = revision.revision;
    let changed: Vec<&str> = view.changes.iter().map(|change| change.path.as_str()).collect();
    let changed = match changed[..] {
        [] => Words::default(),
        _ => {
            let paths = changed.join(", ");
            Words::new(format!(", changed: {paths}"), format!(", muuttui: {paths}"))
        }
    };
    let recorded =
        Words::new(format!("revision {number}{}", changed.english), format!("versio {number}{}", changed.finnish));
    let mut moments =
        vec![Moment::new(revision.observed_at, what, how), Moment::new(revision.recorded_at, "recorded", recorded)];
    moments.extend(view.published_at.map(|at| {
        let published = Words::new(format!("as {}", view.id), format!("tunnus {}", view.id));
        Moment::new(at, "published", published)
    }));
    moments
}
