//! What is known of each of the last days: what arrived, what of it was published, what could not be read.
//!
//! No day is called complete: nobody has asked the shop whether the ledger has everything of it. What is not known is said
//! to be so.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use ledger::{Arrival, Connection, Held, HeldFilter, Indexed, Publication, QuarantineState, RevisionKey, Span, System};
use mycashflow::time_zone;
use serde::Serialize;

use crate::status::UNDER_WAY;
use crate::{Operator, OperatorError};

/// The most megabytes of a quarantine that are looked at.
const QUARANTINE_MEGABYTES: usize = 16;

/// What is known of a connection's last days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// The connection: `mycashflow/acme`.
    pub connection: String,
    /// The days of the shop's time zone, oldest first; the last one is today.
    pub days: Vec<DayStatus>,
    /// Whether the index of arrivals holds everything: otherwise days may show fewer than came.
    pub is_indexed: bool,
}

/// What is known of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayStatus {
    /// The day, in the shop's time zone.
    pub day: Date,
    /// Revisions recorded that day, by how they came: `push`, `poll`, `refresh`, `backfill`.
    pub arrivals: BTreeMap<&'static str, u32>,
    /// Of those, the ones of which there is a record that the bus took them.
    pub published: u32,
    /// Of those, the ones of which there would be such a record, and is none.
    pub never_published: u32,
    /// Of those, the ones of which nothing is known: they are too old or too new.
    pub publication_not_known: u32,
    /// Bodies that went to quarantine that day; none when there are too many to look at.
    pub quarantined: Option<u32>,
    /// Of those, the ones that nobody has dealt with.
    pub quarantine_open: Option<u32>,
    /// Gaps that were written down that day and are still open.
    pub gaps_open: u32,
    /// Whether the shop was asked that day.
    pub poll: PollKnowledge,
}

/// Whether a shop was asked on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PollKnowledge {
    /// It is no shop: it cannot be asked.
    CannotBeAsked,
    /// No run of the poll is known to have ended that day.
    NotAsked,
    /// The last run of the day failed.
    Failed,
    /// The last run of the day came to its end.
    Asked,
}

impl DayStatus {
    /// Whether something of the day waits for a person.
    pub fn is_open(&self) -> bool {
        self.never_published > 0 || self.quarantine_open.unwrap_or(0) > 0 || self.gaps_open > 0
    }

    fn new(day: Date, poll: PollKnowledge, quarantine_is_known: bool) -> Self {
        let none = quarantine_is_known.then_some(0);
        Self {
            day,
            arrivals: BTreeMap::new(),
            published: 0,
            never_published: 0,
            publication_not_known: 0,
            quarantined: none,
            quarantine_open: none,
            gaps_open: 0,
            poll,
        }
    }
}

impl Operator {
    /// What is known of a connection's last days, today included. It reads what those days hold, whatever else the ledger
    /// does.
    ///
    /// # Errors
    /// [`OperatorError::Ledger`].
    pub async fn completeness(&self, connection: &Connection, days: u8) -> Result<Completeness, OperatorError> {
        let now = self.now();
        let today = day_of(now);
        let dates: Vec<Date> =
            (0..i32::from(days)).rev().filter_map(|back| today.checked_sub(back.days()).ok()).collect();
        let from = dates.first().map_or(now, |first| start_of(*first));
        let filter = HeldFilter { megabytes: Some(QUARANTINE_MEGABYTES), ..HeldFilter::default() };
        let list = self.ledger.held(connection, filter).await?;
        let mut of: BTreeMap<Date, DayStatus> = BTreeMap::new();
        for day in dates {
            of.insert(day, DayStatus::new(day, self.polled_on(connection, day).await?, list.is_all));
        }
        let arrivals =
            self.ledger.arrivals(connection, Span { from, until: now + SignedDuration::from_secs(1) }).await?;
        self.count_arrivals_by_day(connection, &arrivals, now, &mut of).await?;
        if list.is_all {
            self.count_quarantine_by_day(connection, list.held, &mut of).await?;
        }
        if connection.system == System::Mycashflow {
            for gap in self.ledger.shop_state(&connection.name).await?.gaps {
                of.entry(day_of(gap.opened_at)).and_modify(|day| day.gaps_open += 1);
            }
        }
        let is_indexed = self.ledger.indexed().await? == Indexed::All;
        Ok(Completeness { connection: connection.to_string(), days: of.into_values().collect(), is_indexed })
    }

    async fn polled_on(&self, connection: &Connection, day: Date) -> Result<PollKnowledge, OperatorError> {
        if connection.system != System::Mycashflow {
            return Ok(PollKnowledge::CannotBeAsked);
        }
        let next = day.tomorrow().unwrap_or(day);
        let span = Span { from: start_of(day), until: start_of(next) };
        Ok(match self.ledger.last_poll_run_in(&connection.name, span).await? {
            None => PollKnowledge::NotAsked,
            Some(run) if run.failure.is_some() => PollKnowledge::Failed,
            Some(_) => PollKnowledge::Asked,
        })
    }

    async fn count_arrivals_by_day(
        &self,
        connection: &Connection,
        arrivals: &[Arrival],
        now: Timestamp,
        of: &mut BTreeMap<Date, DayStatus>,
    ) -> Result<(), OperatorError> {
        let keys: Vec<(RevisionKey, Timestamp)> =
            arrivals.iter().map(|arrival| (arrival.key.clone(), arrival.recorded_at)).collect();
        let published = self.ledger.published(connection, &keys, now).await?;
        for arrival in arrivals {
            let Some(day) = of.get_mut(&day_of(arrival.recorded_at)) else { continue };
            *day.arrivals.entry(arrival.source.as_str()).or_default() += 1;
            let is_under_way = now.duration_since(arrival.recorded_at) < UNDER_WAY;
            match published.get(&arrival.key) {
                Some(Publication::Published { .. }) => day.published += 1,
                Some(Publication::NotRecorded) if !is_under_way => day.never_published += 1,
                Some(Publication::NotRecorded | Publication::Unknown) | None => day.publication_not_known += 1,
            }
        }
        Ok(())
    }

    async fn count_quarantine_by_day(
        &self,
        connection: &Connection,
        held: Vec<Held>,
        of: &mut BTreeMap<Date, DayStatus>,
    ) -> Result<(), OperatorError> {
        for one in &held {
            of.entry(day_of(one.first_seen)).and_modify(|day| *day.quarantined.get_or_insert(0) += 1);
        }
        let open = held.into_iter().filter(|held| held.state == QuarantineState::Open).collect();
        for one in self.still_open(connection, open).await? {
            of.entry(day_of(one.first_seen)).and_modify(|day| *day.quarantine_open.get_or_insert(0) += 1);
        }
        Ok(())
    }
}

/// The shop's day of an instant.
fn day_of(at: Timestamp) -> Date {
    at.to_zoned(time_zone().clone()).date()
}

fn start_of(day: Date) -> Timestamp {
    day.to_zoned(time_zone().clone()).map_or(Timestamp::UNIX_EPOCH, |start| start.timestamp())
}
