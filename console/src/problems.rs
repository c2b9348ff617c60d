//! One inbox of what needs a person.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ledger::{Connection, DocumentKey, Gap, GapKind, Held, HeldFilter, Part, Pause, QuarantineState, Span, System};
use serde::Serialize;
use serde_json::Value;

use crate::poll_fault::PollFault;
use crate::status::UNDER_WAY;
use crate::timeline::last_tries;
use crate::{Operator, OperatorError, Queue};

/// How far back revisions are looked for that were never published, and requests with a wrong key.
const DAYS_BACK: i32 = 2;
/// How far back deliveries are looked for that did not come to an end.
const ACTION_DAYS: i64 = 14;

/// The outcome of an action of which a person said that it needs nothing more.
pub(crate) const DISMISSED: &str = "dismissed";

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
    /// An event that an endpoint did not accept.
    WebhookDeadLetter,
    /// A revision of whose publication there is no record.
    NeverPublished,
    /// An action whose last try was not the end of it.
    StuckAction,
    /// Requests to a connection that brought no right key or code.
    WrongKey,
    /// A poll that failed or is missing.
    Poll,
    /// A part that is paused.
    Paused,
}

impl ProblemKind {
    /// The name in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Quarantine => "quarantine",
            Self::EventDeadLetter => "event-dead-letter",
            Self::ActionDeadLetter => "action-dead-letter",
            Self::WebhookDeadLetter => "webhook-dead-letter",
            Self::NeverPublished => "never-published",
            Self::StuckAction => "stuck-action",
            Self::WrongKey => "wrong-key",
            Self::Poll => "poll",
            Self::Paused => "paused",
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
        let pauses = self.ledger.pauses().await?;
        found.problems.extend(pauses.iter().map(of_pause));
        let polls = !pauses.iter().any(|pause| pause.part == Part::Poll);
        for connection in self.all_connections() {
            if connection.system == System::Mycashflow {
                if polls {
                    found.problems.extend(self.poll_problem(&connection, now).await?);
                }
                let gaps = self.ledger.shop_state(&connection.name).await?.gaps;
                found.problems.extend(gaps.iter().map(|gap| of_gap(&connection, gap)));
            }
            let held = self.open_quarantine(&connection).await?;
            found.problems.extend(held.iter().map(|held| of_quarantine(&connection, held)));
            self.never_published(&connection, now, &mut found).await?;
            self.stuck_actions(&connection, now, &mut found).await?;
            self.wrong_keys(&connection, &mut found).await?;
        }
        self.letters(Queue::EventDeadLetters, ProblemKind::EventDeadLetter, &mut found).await;
        self.letters(Queue::ActionDeadLetters, ProblemKind::ActionDeadLetter, &mut found).await;
        self.letters(Queue::WebhookDeadLetters, ProblemKind::WebhookDeadLetter, &mut found).await;
        found.problems.sort_by(|a, b| (a.kind, a.since, &a.id).cmp(&(b.kind, b.since, &b.id)));
        Ok(found)
    }

    /// What is in a connection's quarantine and not dealt with, without the bodies. One whose document was recorded in a newer
    /// state has resolved itself.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn open_quarantine(&self, connection: &Connection) -> Result<Vec<Held>, OperatorError> {
        let all = HeldFilter { only_open: true, ..HeldFilter::default() };
        let open = self.ledger.held(connection, all).await?.held;
        self.still_open(connection, open).await
    }

    /// Of what is in quarantine, what no newer state of its document has resolved.
    pub(crate) async fn still_open(
        &self,
        connection: &Connection,
        mut open: Vec<Held>,
    ) -> Result<Vec<Held>, OperatorError> {
        open.retain(|held| held.state == QuarantineState::Open);
        let key = |held: &Held| DocumentKey::parse(connection.clone(), held.document.as_deref()?);
        let keys: Vec<DocumentKey> = open.iter().filter_map(key).collect();
        let heads = self.ledger.heads(&keys).await?;
        open.retain(|held| {
            let head = key(held).and_then(|key| heads.get(&key));
            !head.is_some_and(|head| held.is_older_than(head))
        });
        Ok(open)
    }

    /// What is wrong with the last run of a shop's poll.
    async fn poll_problem(&self, connection: &Connection, now: Timestamp) -> Result<Option<Problem>, OperatorError> {
        let run = self.last_poll(&connection.name).await?;
        let Some(fault) = PollFault::of(run.as_ref(), now) else { return Ok(None) };
        Ok(Some(Problem {
            kind: ProblemKind::Poll,
            connection: Some(connection.to_string()),
            id: format!("{connection}/poll"),
            document: None,
            since: fault.since(),
            tries: None,
            reason: fault.to_string(),
            command: format!("tilaussilta polls {}", connection.name),
        }))
    }

    async fn never_published(
        &self,
        connection: &Connection,
        now: Timestamp,
        found: &mut Problems,
    ) -> Result<(), OperatorError> {
        let span = Span { from: now - SignedDuration::from_hours(24 * i64::from(DAYS_BACK)), until: now - UNDER_WAY };
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
        for line in last_tries(self.ledger.actions(connection, span).await?) {
            let document = line.document.name();
            found.problems.push(Problem {
                kind: ProblemKind::StuckAction,
                connection: Some(connection.to_string()),
                id: format!("{}/{}", line.document, line.action),
                document: Some(document),
                since: Some(line.at),
                tries: None,
                reason: format!("{}: {}", line.outcome, line.reason.as_deref().unwrap_or(&line.action)),
                command: format!(
                    "look at the order in the shop, then tilaussilta dismiss stuck {}/{}",
                    line.document, line.action
                ),
            });
        }
        Ok(())
    }

    async fn wrong_keys(&self, connection: &Connection, found: &mut Problems) -> Result<(), OperatorError> {
        let (mut count, mut first, mut reasons) = (0, None, BTreeMap::new());
        for day in self.days_back(DAYS_BACK).into_iter().rev() {
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
            let what = match kind {
                ProblemKind::EventDeadLetter => "events",
                ProblemKind::WebhookDeadLetter => "webhooks",
                _ => "actions",
            };
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
    let id = text(&json["id"]).or_else(|| text(&json["event"]["detail"]["id"]));
    let id = id.filter(|id| id.contains('/')).or_else(|| text(&json["detail"]["id"]));
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

fn of_quarantine(connection: &Connection, held: &Held) -> Problem {
    Problem {
        kind: ProblemKind::Quarantine,
        connection: Some(connection.to_string()),
        id: held.id.clone(),
        document: held.document.clone(),
        since: Some(held.first_seen),
        tries: None,
        reason: held.reason.clone(),
        command: match (connection.system, held.document.as_deref().and_then(|name| name.strip_prefix("order/"))) {
            (System::Mycashflow, Some(order)) => {
                format!("correct it in the shop, then tilaussilta refresh {} {order} --yes", connection.name)
            }
            _ => format!("tilaussilta retry quarantine {connection} --yes, after a reader learned to read it"),
        },
    }
}

fn of_pause(pause: &Pause) -> Problem {
    let part = pause.part.as_str();
    Problem {
        kind: ProblemKind::Paused,
        connection: None,
        id: part.to_owned(),
        document: None,
        since: Some(pause.since),
        tries: None,
        reason: format!("{part} was paused by {}", pause.who),
        command: format!("tilaussilta resume {part}"),
    }
}
