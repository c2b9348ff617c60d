//! How each connection stands, at a glance.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ledger::{Connection, HeldFilter, Indexed, PollRun, Span, System};
use serde::Serialize;

use crate::poll_fault::PollFault;
use crate::words::Words;
use crate::{Operator, OperatorError, Queue};

/// How many days back the last delivery and the last run are looked for.
pub(crate) const DAYS_BACK: i32 = 7;
/// What was recorded this long ago, and no longer, is looked for among the publications.
const PUBLISHED_WITHIN: SignedDuration = SignedDuration::from_hours(6);
/// What was recorded a moment ago may be under way.
pub(crate) const UNDER_WAY: SignedDuration = SignedDuration::from_mins(15);
/// The most megabytes of a connection's quarantine that are looked at, and the most bodies that are counted of them.
const QUARANTINE_MEGABYTES: usize = 8;
const QUARANTINE_COUNTED: usize = 1000;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_dead_letters: Option<u64>,
    /// Dead letters of actions; none when they cannot be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_dead_letters: Option<u64>,
    /// Events that endpoints did not accept; none when that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_dead_letters: Option<u64>,
    /// Whether the index of arrivals holds everything.
    pub is_indexed: bool,
    /// What a person should look at.
    pub attention: Vec<Attention>,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attention {
    /// A sentence, with the command that tells more.
    pub text: String,
    /// The same in Finnish.
    #[serde(skip)]
    pub finnish: String,
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
    /// Revisions recorded today: in the day of the machine that asks, as in `orders --since today`.
    pub arrivals_today: u64,
    /// Gaps that are open.
    pub gaps_open: usize,
    /// Bodies in quarantine that nobody has dealt with.
    pub quarantined: usize,
    /// Whether there may be more of them: only so many are counted.
    #[serde(skip_serializing_if = "is_false")]
    pub quarantined_at_least: bool,
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
        let count = async |queue| self.stack.count(queue).await.ok();
        let mut status = Status {
            at: now,
            connections,
            paused: paused.collect(),
            event_dead_letters: count(Queue::EventDeadLetters).await,
            action_dead_letters: count(Queue::ActionDeadLetters).await,
            webhook_dead_letters: count(Queue::WebhookDeadLetters).await,
            is_indexed: self.ledger.indexed().await? == Indexed::All,
            attention: Vec::new(),
        };
        status.attention = attention(&status);
        Ok(status)
    }

    /// The last run of a shop's poll, within a week.
    pub(crate) async fn last_poll(&self, shop: &str) -> Result<Option<PollStatus>, OperatorError> {
        for day in self.days_back(DAYS_BACK) {
            if let Some(run) = self.ledger.last_poll_run(shop, day).await? {
                return Ok(Some(run.into()));
            }
        }
        Ok(None)
    }

    /// How many bodies of a connection are in quarantine and not dealt with, and whether there may be more of them.
    async fn counted_quarantine(&self, connection: &Connection) -> Result<(usize, bool), OperatorError> {
        let filter = HeldFilter { only_open: true, megabytes: Some(QUARANTINE_MEGABYTES), document: None };
        let mut list = self.ledger.held(connection, filter).await?;
        let is_cut = list.held.len() > QUARANTINE_COUNTED;
        list.held.truncate(QUARANTINE_COUNTED);
        let open = self.still_open(connection, list.held).await?.len();
        Ok((open, is_cut || !list.is_all))
    }

    async fn connection_status(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<ConnectionStatus, OperatorError> {
        let mut last_push = None;
        for day in self.days_back(DAYS_BACK) {
            if let Some(delivery) = self.ledger.last_delivery(connection, day).await? {
                last_push = Some(delivery.at);
                break;
            }
        }
        let mut last_poll = None;
        let mut gaps_open = 0;
        if connection.system == System::Mycashflow {
            last_poll = self.last_poll(&connection.name).await?;
            gaps_open = self.ledger.shop_state(&connection.name).await?.gaps.len();
        }
        let (quarantined, quarantined_at_least) = self.counted_quarantine(connection).await?;
        let today = start_of_day(now, TimeZone::system());
        let since = now - PUBLISHED_WITHIN;
        let recent = Span { from: since, until: (now - UNDER_WAY).max(since) };
        Ok(ConnectionStatus {
            connection: connection.to_string(),
            last_push,
            last_poll,
            arrivals_today: self.ledger.count_arrivals(connection, Span { from: today, until: now }).await?,
            gaps_open,
            quarantined,
            quarantined_at_least,
            unpublished: self.ledger.unpublished(connection, recent, now).await?.len(),
        })
    }
}

/// When the day of a time zone began.
fn start_of_day(now: Timestamp, zone: TimeZone) -> Timestamp {
    now.to_zoned(zone).start_of_day().map_or(now, |start| start.timestamp())
}

/// What a pause that lasts would lose, in both languages.
fn loss_of(part: &str) -> (&'static str, &'static str) {
    match part {
        "relay" => {
            (": after 6 hours a revision becomes a dead letter", ": kuuden tunnin jälkeen versio jää julkaisematta")
        }
        "actions" => {
            (": after 84 minutes a message becomes a dead letter", ": 84 minuutin jälkeen viesti jää käsittelemättä")
        }
        _ => ("", ""),
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a person should look at.
fn attention(status: &Status) -> Vec<Attention> {
    let mut all = Vec::new();
    let mut tell = |text: String, finnish: String| all.push(Attention { text, finnish });
    let polls = !status.paused.iter().any(|paused| paused.part == "poll");
    for one in &status.connections {
        let name = &one.connection;
        let is_shop = name.starts_with("mycashflow/");
        if is_shop
            && polls
            && let Some(fault) = PollFault::of(one.last_poll.as_ref(), status.at)
        {
            let more = "(tilaussilta polls)";
            tell(format!("{name}: {fault} {more}"), format!("{name}: {} {more}", fault.finnish()));
        }
        let counted = [
            (one.gaps_open, ["1 gap is open", "gaps are open"], ["1 aukko on auki", "aukkoa on auki"]),
            (
                one.quarantined,
                ["1 body is in quarantine", "bodies are in quarantine"],
                ["1 viesti on karanteenissa", "viestiä on karanteenissa"],
            ),
            (
                one.unpublished,
                ["1 revision has no record of its publication", "revisions have no record of their publication"],
                ["1 version julkaisusta ei ole merkintää", "version julkaisusta ei ole merkintää"],
            ),
        ];
        for (count, english, finnish) in counted {
            let of = |words: [&str; 2]| match count {
                1 => words[0].to_owned(),
                count => format!("{count} {}", words[1]),
            };
            if count > 0 {
                let more = "(tilaussilta problems)";
                tell(format!("{name}: {} {more}", of(english)), format!("{name}: {} {more}", of(finnish)));
            }
        }
        if one.quarantined_at_least {
            tell(
                format!("{name}: the quarantine holds more than is counted here (tilaussilta problems)"),
                format!("{name}: karanteenissa on enemmän kuin tässä lasketaan (tilaussilta problems)"),
            );
        }
    }
    let letters = [
        (status.event_dead_letters, "events", "tapahtumia"),
        (status.action_dead_letters, "actions", "toimia"),
        (status.webhook_dead_letters, "webhooks", "webhookeja"),
    ];
    for (count, of, finnish) in letters {
        match count {
            Some(0) => {}
            Some(count) => tell(
                format!("dead letters of {of}: {count} (tilaussilta problems)"),
                format!("käsittelemättä jääneitä {finnish}: {count} (tilaussilta problems)"),
            ),
            None => tell(
                format!("the dead letters of {of} cannot be counted"),
                format!("käsittelemättä jääneitä {finnish} ei voi laskea"),
            ),
        }
    }
    for PausedPart { part, since, .. } in &status.paused {
        let (loss, finnish) = loss_of(part);
        let paused = Words::name(part).finnish;
        tell(
            format!("{part} is paused since {since}{loss} (tilaussilta resume {part})"),
            format!("{paused} on keskeytetty {since} alkaen{finnish} (tilaussilta resume {part})"),
        );
    }
    if !status.is_indexed {
        tell(
            "lists may lack what an earlier version recorded (tilaussilta index)".to_owned(),
            "luetteloista voi puuttua aiemman version kirjaamaa (tilaussilta index)".to_owned(),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_is_the_day_of_the_zone_and_not_of_utc() {
        let now: Timestamp = "2026-11-26T22:30:00Z".parse().unwrap();
        let begins = |zone: TimeZone| start_of_day(now, zone).to_string();
        assert_eq!(begins(mycashflow::time_zone().clone()), "2026-11-26T22:00:00Z");
        assert_eq!(begins(TimeZone::UTC), "2026-11-26T00:00:00Z");
    }
}
