//! How each connection stands, at a glance.

use jiff::{SignedDuration, Timestamp, ToSpan};
use ledger::{Connection, Indexed, PollRun, Span, System};
use serde::Serialize;

use crate::{Operator, OperatorError, Queue};

/// How many days back the last delivery and the last run are looked for.
const DAYS_BACK: i32 = 7;
/// What was recorded this long ago, and no longer, is looked for among the publications.
const PUBLISHED_WITHIN: SignedDuration = SignedDuration::from_hours(6);
/// What was recorded a moment ago may be under way.
pub(crate) const UNDER_WAY: SignedDuration = SignedDuration::from_mins(15);
/// Without a run for this long, the poll is silent.
const SILENT: SignedDuration = SignedDuration::from_mins(30);

/// How a deployment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// When it was looked at.
    pub at: Timestamp,
    /// The connections, by name.
    pub connections: Vec<ConnectionStatus>,
    /// What is paused.
    pub paused: Vec<PausedPart>,
    /// Dead letters of events; none when they cannot be counted.
    pub event_dead_letters: Option<u64>,
    /// Dead letters of actions; none when they cannot be counted.
    pub action_dead_letters: Option<u64>,
    /// Whether the index of arrivals holds everything.
    pub is_indexed: bool,
    /// What a person should look at, a sentence each.
    pub attention: Vec<String>,
}

/// A part that an operator has paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PausedPart {
    /// `poll`, `relay` or `actions`.
    pub part: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// By which AWS identity.
    pub who: String,
}

/// How one connection stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionStatus {
    /// Its name: `mycashflow/acme`.
    pub connection: String,
    /// When something was last sent to us, within a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push: Option<Timestamp>,
    /// The last run of the poll, within a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_poll: Option<PollStatus>,
    /// Revisions recorded today (UTC).
    pub arrivals_today: u64,
    /// Gaps that are open.
    pub gaps_open: usize,
    /// Bodies in quarantine that nobody has dealt with.
    pub quarantined: usize,
    /// Revisions of the last hours of whose publication there is no record.
    pub unpublished: usize,
}

/// A run of the poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PollStatus {
    /// When it ended.
    pub at: Timestamp,
    /// Why it stopped.
    pub stopped: String,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How far the shop lagged behind, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
}

impl From<PollRun> for PollStatus {
    fn from(run: PollRun) -> Self {
        Self { at: run.at, stopped: run.stopped, failure: run.failure, lag_seconds: run.lag_seconds }
    }
}

impl Operator {
    /// How everything stands. It takes a bounded number of reads, whatever the ledger holds.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn status(&self) -> Result<Status, OperatorError> {
        let now = self.now();
        let mut connections = Vec::new();
        for connection in self.all_connections() {
            connections.push(self.connection_status(&connection, now).await?);
        }
        let paused = self.ledger.pauses().await?.into_iter();
        let paused = paused.map(|pause| PausedPart { part: pause.part.as_str(), since: pause.since, who: pause.who });
        let count = async |queue| self.stack.read(queue).await.ok().map(|letters| letters.counted);
        let mut status = Status {
            at: now,
            connections,
            paused: paused.collect(),
            event_dead_letters: count(Queue::EventDeadLetters).await,
            action_dead_letters: count(Queue::ActionDeadLetters).await,
            is_indexed: self.ledger.indexed().await? == Indexed::All,
            attention: Vec::new(),
        };
        status.attention = attention(&status);
        Ok(status)
    }

    async fn connection_status(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<ConnectionStatus, OperatorError> {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let days: Vec<_> = (0..DAYS_BACK).filter_map(|back| today.checked_sub(back.days()).ok()).collect();
        let mut last_push = None;
        for day in &days {
            if let Some(delivery) = self.ledger.last_delivery(connection, *day).await? {
                last_push = Some(delivery.at);
                break;
            }
        }
        let mut last_poll = None;
        let mut gaps_open = 0;
        if connection.system == System::Mycashflow {
            for day in &days {
                if let Some(run) = self.ledger.last_poll_run(&connection.name, *day).await? {
                    last_poll = Some(run.into());
                    break;
                }
            }
            gaps_open = self.ledger.shop_state(&connection.name).await?.gaps.len();
        }
        let start = today.to_zoned(jiff::tz::TimeZone::UTC).map_or(now, |start| start.timestamp());
        let since = now - PUBLISHED_WITHIN;
        let recent = Span { from: since, until: (now - UNDER_WAY).max(since) };
        Ok(ConnectionStatus {
            connection: connection.to_string(),
            last_push,
            last_poll,
            arrivals_today: self.ledger.count_arrivals(connection, Span { from: start, until: now }).await?,
            gaps_open,
            quarantined: self.open_quarantine(connection).await?.len(),
            unpublished: self.ledger.unpublished(connection, recent, now).await?.len(),
        })
    }
}

/// What a person should look at.
fn attention(status: &Status) -> Vec<String> {
    let mut all = Vec::new();
    let polls = !status.paused.iter().any(|paused| paused.part == "poll");
    for one in &status.connections {
        let name = &one.connection;
        let shop = name.strip_prefix("mycashflow/");
        match (&one.last_poll, shop) {
            (Some(run), _) if run.failure.is_some() => {
                let failure = run.failure.as_deref().unwrap_or_default();
                all.push(format!("{name}: the last poll failed: {failure} (tilaussilta polls)"));
            }
            (Some(run), _) if polls && status.at.duration_since(run.at) > SILENT => {
                all.push(format!("{name}: no poll has ended since {}: is the schedule on?", run.at));
            }
            (None, Some(_)) if polls => all.push(format!("{name}: no poll has ended within {DAYS_BACK} days")),
            _ => {}
        }
        let counted = [
            (one.gaps_open, "gaps are open"),
            (one.quarantined, "bodies are in quarantine"),
            (one.unpublished, "revisions have no record of their publication"),
        ];
        all.extend(counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| {
            format!("{name}: {count} {what} (tilaussilta problems)")
        }));
    }
    let letters = [(status.event_dead_letters, "events"), (status.action_dead_letters, "actions")];
    for (count, of) in letters {
        match count {
            Some(0) => {}
            Some(count) => all.push(format!("{count} dead letters of {of} (tilaussilta problems)")),
            None => all.push(format!("the dead letters of {of} cannot be counted")),
        }
    }
    for paused in &status.paused {
        let part = paused.part;
        all.push(format!("{part} is paused since {} (tilaussilta resume {part})", paused.since));
    }
    if !status.is_indexed {
        all.push("lists may lack what an earlier version recorded (tilaussilta index)".to_owned());
    }
    all
}
