//! One inbox of what needs a person.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan};
use ledger::{Connection, DocumentKey, Gap, GapKind, QuarantineState, Quarantined, Span, System};
use serde::Serialize;
use serde_json::Value;

use crate::status::UNDER_WAY;
use crate::{Operator, OperatorError, Queue};

/// How far back revisions are looked for that were never published, and requests with a wrong key.
const DAYS_BACK: i64 = 2;
/// How far back deliveries are looked for that did not come to an end.
const ACTION_DAYS: i64 = 14;

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A stretch or an order that the shop could not show.
    Gap,
    /// A body that could not be read.
    Quarantine,
    /// An event that could not be published.
    EventDeadLetter,
    /// An action that could not be done.
    ActionDeadLetter,
    /// A revision of whose publication there is no record.
    NeverPublished,
    /// An action whose last try was not the end of it.
    StuckAction,
    /// Requests to a connection that brought no right key or code.
    WrongKey,
}

impl ProblemKind {
    /// The name in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Quarantine => "quarantine",
            Self::EventDeadLetter => "event-dead-letter",
            Self::ActionDeadLetter => "action-dead-letter",
            Self::NeverPublished => "never-published",
            Self::StuckAction => "stuck-action",
            Self::WrongKey => "wrong-key",
        }
    }
}

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// Whose it is, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// By what it is named in `retry` and `dismiss`.
    pub id: String,
    /// The document, where one is known: `order/58`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How often it was tried, where that is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// Why, in words.
    pub reason: String,
    /// The command that mends it.
    pub command: String,
}

/// What needs a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// Oldest first within each kind.
    pub problems: Vec<Problem>,
    /// Why the list may lack something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

impl Operator {
    /// Everything that needs a person. Reading dead letters hides none of them from anybody.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn problems(&self) -> Result<Problems, OperatorError> {
        let now = self.now();
        let mut found = Problems::default();
        for connection in self.all_connections() {
            if connection.system == System::Mycashflow {
                let gaps = self.ledger.shop_state(&connection.name).await?.gaps;
                found.problems.extend(gaps.iter().map(|gap| of_gap(&connection, gap)));
            }
            let held = self.open_quarantine(&connection).await?;
            found.problems.extend(held.iter().map(|held| of_quarantine(&connection, held)));
            self.never_published(&connection, now, &mut found).await?;
            self.stuck_actions(&connection, now, &mut found).await?;
            self.wrong_keys(&connection, now, &mut found).await?;
        }
        self.letters(Queue::EventDeadLetters, ProblemKind::EventDeadLetter, &mut found).await;
        self.letters(Queue::ActionDeadLetters, ProblemKind::ActionDeadLetter, &mut found).await;
        found.problems.sort_by(|a, b| (a.kind, a.since, &a.id).cmp(&(b.kind, b.since, &b.id)));
        Ok(found)
    }

    /// What is in a connection's quarantine and not dealt with. A body whose document was recorded in a newer state has
    /// resolved itself.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn open_quarantine(&self, connection: &Connection) -> Result<Vec<Quarantined>, OperatorError> {
        let mut open = self.ledger.quarantined(connection).await?;
        open.retain(|held| held.state == QuarantineState::Open);
        let key = |held: &Quarantined| DocumentKey::parse(connection.clone(), held.document.as_deref()?);
        let keys: Vec<DocumentKey> = open.iter().filter_map(key).collect();
        let heads = self.ledger.heads(&keys).await?;
        open.retain(|held| {
            let head = key(held).and_then(|key| heads.get(&key));
            head.is_none_or(|head| head.observed_at <= held.first_seen)
        });
        Ok(open)
    }

    async fn never_published(
        &self,
        connection: &Connection,
        now: Timestamp,
        found: &mut Problems,
    ) -> Result<(), OperatorError> {
        let span = Span { from: now - SignedDuration::from_hours(24 * DAYS_BACK), until: now - UNDER_WAY };
        for arrival in self.ledger.unpublished(connection, span, now).await? {
            found.problems.push(Problem {
                kind: ProblemKind::NeverPublished,
                connection: Some(connection.to_string()),
                id: arrival.key.event_id(),
                document: Some(arrival.key.document.name()),
                since: Some(arrival.recorded_at),
                tries: None,
                reason: "there is no record that the event bus took it".to_owned(),
                command: "tilaussilta replay --never-published".to_owned(),
            });
        }
        Ok(())
    }

    async fn stuck_actions(
        &self,
        connection: &Connection,
        now: Timestamp,
        found: &mut Problems,
    ) -> Result<(), OperatorError> {
        let span = Span { from: now - SignedDuration::from_hours(24 * ACTION_DAYS), until: now };
        let mut last = BTreeMap::new();
        for line in self.ledger.actions(connection, span).await? {
            let key = (line.document.name(), line.action.clone());
            // A dispatch that comes again after the delivery is refused for reasons of its own.
            let is_done = |line: &ledger::ActionLine| line.outcome.starts_with("done");
            let tries = last.get(&key).map_or(0, |(_, tries): &(ledger::ActionLine, u32)| *tries);
            match last.get(&key) {
                Some((before, _)) if is_done(before) && !is_done(&line) => {}
                _ => drop(last.insert(key, (line, tries + 1))),
            }
        }
        for ((document, _), (line, tries)) in last {
            if !matches!(line.outcome.as_str(), "later" | "unknown" | "rejected") {
                continue;
            }
            found.problems.push(Problem {
                kind: ProblemKind::StuckAction,
                connection: Some(connection.to_string()),
                id: format!("{}/{}", line.document, line.action),
                document: Some(document.clone()),
                since: Some(line.at),
                tries: Some(tries),
                reason: format!("{}: {}", line.outcome, line.reason.as_deref().unwrap_or(&line.action)),
                command: format!("tilaussilta show {} {document}", connection.name),
            });
        }
        Ok(())
    }

    async fn wrong_keys(
        &self,
        connection: &Connection,
        now: Timestamp,
        found: &mut Problems,
    ) -> Result<(), OperatorError> {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let (mut count, mut first, mut reasons) = (0, None, BTreeMap::new());
        for back in (0..DAYS_BACK).rev() {
            let Ok(day) = today.checked_sub(back.days()) else { continue };
            for refused in self.ledger.refused(connection, day).await? {
                count += refused.count;
                first = first.or(Some(refused.minute));
                *reasons.entry(refused.reason).or_insert(0_u64) += refused.count;
            }
        }
        if count > 0 {
            let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
            found.problems.push(Problem {
                kind: ProblemKind::WrongKey,
                connection: Some(connection.to_string()),
                id: format!("{connection}/refused"),
                document: None,
                since: first,
                tries: None,
                reason: format!("{count} requests were refused: {}", reasons.join(", ")),
                command: format!("tilaussilta log {connection}"),
            });
        }
        Ok(())
    }

    async fn letters(&self, queue: Queue, kind: ProblemKind, found: &mut Problems) {
        let letters = match self.stack.read(queue).await {
            Ok(letters) => letters,
            Err(error) => return found.incomplete.push(format!("{}: {error}", kind.as_str())),
        };
        if letters.is_incomplete() {
            let (seen, counted) = (letters.letters.len(), letters.counted);
            found.incomplete.push(format!("{}: {seen} of about {counted} were shown", kind.as_str()));
        }
        for letter in letters.letters {
            let subject = subject_of(&letter.body);
            let what = if kind == ProblemKind::EventDeadLetter { "events" } else { "actions" };
            found.problems.push(Problem {
                kind,
                connection: subject.connection,
                document: subject.document,
                since: letter.sent_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
                tries: None,
                reason: letter.reason.or(subject.reason).unwrap_or_else(|| "no reason is written on it".to_owned()),
                command: format!("tilaussilta retry {what}"),
                id: letter.id,
            });
        }
    }
}

#[derive(Default)]
struct Subject {
    connection: Option<String>,
    document: Option<String>,
    reason: Option<String>,
}

/// What a dead letter is about, as far as its text says. A message's own texts are not shown: they may be personal.
fn subject_of(body: &str) -> Subject {
    let Ok(json) = serde_json::from_str::<Value>(body) else { return Subject::default() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let id = text(&json["id"]).or_else(|| text(&json["detail"]["id"]));
    if let Some(key) = id.as_deref().and_then(ledger::RevisionKey::parse) {
        let reason = text(&json["reason"]);
        return Subject {
            connection: Some(key.document.connection.to_string()),
            document: Some(key.document.name()),
            reason,
        };
    }
    let order = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    Subject {
        connection: text(&json["shop"]).map(|shop| Connection::shop(shop).to_string()),
        document: order(&json["order"]).or_else(|| order(&json["orders"][0])).map(|order| format!("order/{order}")),
        reason: None,
    }
}

fn of_gap(connection: &Connection, gap: &Gap) -> Problem {
    let at = |second: i64| Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.to_string());
    let what = match &gap.kind {
        GapKind::Window { stream, from, until, .. } => {
            format!("{} stream from {} to {}", stream.as_str(), at(*from), at(*until))
        }
        GapKind::Unshown { stream, from, until, missing: None } => {
            format!("{} stream from {} to {}, not served", stream.as_str(), at(*from), at(*until))
        }
        GapKind::Unshown { stream, from, until, missing: Some(missing) } => {
            format!("{missing} orders of the {} stream from {} to {}", stream.as_str(), at(*from), at(*until))
        }
        GapKind::Unsorted { from, until, .. } => format!("orders made from {} to {}", at(*from), at(*until)),
        GapKind::Numbers { second, next, .. } => format!("orders of {} from number {next} on", at(*second)),
        GapKind::Order { order } => format!("order/{order}"),
        GapKind::Listing { second, .. } => format!("orders changed at {}", at(*second)),
    };
    Problem {
        kind: ProblemKind::Gap,
        connection: Some(connection.to_string()),
        id: what.clone(),
        document: None,
        since: Some(gap.opened_at),
        tries: Some(gap.tries),
        reason: gap.reason.clone(),
        command: "each poll tries again; tilaussilta backfill reads a time again".to_owned(),
    }
}

fn of_quarantine(connection: &Connection, held: &Quarantined) -> Problem {
    Problem {
        kind: ProblemKind::Quarantine,
        connection: Some(connection.to_string()),
        id: held.id.clone(),
        document: held.document.clone(),
        since: Some(held.first_seen),
        tries: None,
        reason: held.reason.clone(),
        command: format!("tilaussilta retry quarantine {connection}"),
    }
}
