//! One inbox of what needs a person.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ledger::{
    Connection, DocumentKey, Gap, GapKind, Held, HeldFilter, Part, Pause, QuarantineState, Source, Span, System,
};
use serde::Serialize;
use serde_json::Value;

use crate::poll_fault::PollFault;
use crate::status::UNDER_WAY;
use crate::timeline::last_tries;
use crate::words::Words;
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
    /// [`reason`](Self::reason) in Finnish, as far as it is not from outside.
    #[serde(skip)]
    pub finnish_reason: String,
    /// [`command`](Self::command) in Finnish, where it is more than a command.
    #[serde(skip)]
    pub finnish_command: String,
}

impl Problem {
    /// A problem of a connection, without what not every one has.
    fn new(kind: ProblemKind, connection: &Connection, id: String, reason: Words, command: Words) -> Self {
        Self {
            kind,
            connection: Some(connection.to_string()),
            id,
            document: None,
            since: None,
            tries: None,
            reason: reason.english,
            command: command.english,
            finnish_reason: reason.finnish,
            finnish_command: command.finnish,
        }
    }
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
        let reason = Words::new(fault.to_string(), fault.finnish());
        let command = Words::outside(&format!("tilaussilta polls {}", connection.name));
        let problem = Problem::new(ProblemKind::Poll, connection, format!("{connection}/poll"), reason, command);
        Ok(Some(Problem { since: fault.since(), ..problem }))
    }

    async fn never_published(
        &self,
        connection: &Connection,
        now: Timestamp,
        found: &mut Problems,
    ) -> Result<(), OperatorError> {
        let span = Span { from: now - SignedDuration::from_hours(24 * i64::from(DAYS_BACK)), until: now - UNDER_WAY };
        for arrival in self.ledger.unpublished(connection, span, now).await? {
            let reason = Words::new(
                "there is no record that the event bus took it",
                "ei ole merkintää, että tapahtumaväylä otti sen vastaan",
            );
            let command = Words::outside("tilaussilta replay --never-published");
            let id = arrival.key.event_id();
            found.problems.push(Problem {
                document: Some(arrival.key.document.name()),
                since: Some(arrival.recorded_at),
                ..Problem::new(ProblemKind::NeverPublished, connection, id, reason, command)
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
        for line in last_tries(self.ledger.actions(connection, span).await?, now) {
            let why = Words::reason(line.reason.as_deref().unwrap_or(&line.action));
            let outcome = Words::name(&line.outcome).finnish;
            let reason =
                Words::new(format!("{}: {}", line.outcome, why.english), format!("{outcome}: {}", why.finnish));
            let id = format!("{}/{}", line.document, line.action);
            let command = Words::new(
                format!("look at the order in the shop, then tilaussilta dismiss stuck {id}"),
                format!("katso tilausta kaupassa, sitten tilaussilta dismiss stuck {id}"),
            );
            found.problems.push(Problem {
                document: Some(line.document.name()),
                since: Some(line.at),
                ..Problem::new(ProblemKind::StuckAction, connection, id, reason, command)
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
            let english = reasons.iter().map(|(reason, count)| format!("{count} × {reason}"));
            let finnish = reasons.iter().map(|(reason, count)| format!("{count} × {}", Words::reason(reason).finnish));
            let (english, finnish): (Vec<_>, Vec<_>) = (english.collect(), finnish.collect());
            let reason = Words::new(
                format!("{count} requests were refused: {}", english.join(", ")),
                format!("hylättyjä pyyntöjä: {count} ({})", finnish.join(", ")),
            );
            let command = Words::outside(&format!("tilaussilta log {connection}"));
            let id = format!("{connection}/refused");
            let problem = Problem::new(ProblemKind::WrongKey, connection, id, reason, command);
            found.problems.push(Problem { since: first, ..problem });
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
            let reason = match letter.reason.or(subject.reason) {
                Some(reason) => Words::reason(&reason),
                None => Words::new("no reason is written on it", "siinä ei ole syytä"),
            };
            let command = format!("tilaussilta retry {what}");
            found.problems.push(Problem {
                kind,
                connection: subject.connection,
                document: subject.document,
                since: letter.sent_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
                tries: None,
                reason: reason.english,
                finnish_reason: reason.finnish,
                command: command.clone(),
                finnish_command: command,
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
    let command = Words::new(
        "each poll tries again; tilaussilta backfill reads a time again",
        "jokainen kysely yrittää uudelleen; tilaussilta backfill lukee ajan uudelleen",
    );
    Problem {
        since: Some(gap.opened_at),
        tries: Some(gap.tries),
        ..Problem::new(ProblemKind::Gap, connection, what, Words::reason(&gap.reason), command)
    }
}

fn of_quarantine(connection: &Connection, held: &Held) -> Problem {
    // A shop that sends an order and shows it to the poll brings two copies.
    let (english, finnish) = match held.source {
        Some(Source::Push) => ("pushed copy: ", "lähetetty kappale: "),
        Some(Source::Poll) => ("polled copy: ", "kyselyn kappale: "),
        Some(Source::Refresh) => ("copy asked for by name: ", "nimellä kysytty kappale: "),
        Some(Source::Backfill) => ("copy of a backfill: ", "jälkikäteen luettu kappale: "),
        None => ("", ""),
    };
    let reason = Words::new(format!("{english}{}", held.reason), format!("{finnish}{}", held.reason));
    let command = match (connection.system, held.document.as_deref().and_then(|name| name.strip_prefix("order/"))) {
        (System::Mycashflow, Some(order)) => {
            let refresh = format!("tilaussilta refresh {} {order} --yes", connection.name);
            Words::new(
                format!("correct it in the shop, then {refresh}"),
                format!("korjaa se kaupassa, sitten {refresh}"),
            )
        }
        _ => {
            let retry = format!("tilaussilta retry quarantine {connection} --yes");
            Words::new(
                format!("{retry}, after a reader learned to read it"),
                format!("{retry}, kun uusi versio osaa lukea sen"),
            )
        }
    };
    Problem {
        document: held.document.clone(),
        since: Some(held.first_seen),
        ..Problem::new(ProblemKind::Quarantine, connection, held.id.clone(), reason, command)
    }
}

fn of_pause(pause: &Pause) -> Problem {
    let part = pause.part.as_str();
    let command = format!("tilaussilta resume {part}");
    Problem {
        kind: ProblemKind::Paused,
        connection: None,
        id: part.to_owned(),
        document: None,
        since: Some(pause.since),
        tries: None,
        reason: format!("{part} was paused by {}", pause.who),
        finnish_reason: format!("{}: keskeyttäjä {}", Words::name(part).finnish, pause.who),
        command: command.clone(),
        finnish_command: command,
    }
}
