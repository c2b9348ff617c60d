//! One question to the shop: in time before the deadline, with the lease kept, and with a note of the shop's clock.

use std::time::Duration;

use jiff::Timestamp;
use ledger::Stream;
use mycashflow::{Answer, ClientError, ShopClient};
use tokio::time::Instant;

use crate::lease::HeldLease;
use crate::overlap::OVERLAP_SECONDS;
use crate::stop::Stop;
use crate::{Clock, PollDeps, Shop};

/// Kept free before the deadline, for the ledger writes that follow the last answer.
const RESERVE: Duration = Duration::from_secs(5);
/// Tries of a question that is asked only to find out what the shop can answer, and how long each may take.
const PROBE_ATTEMPTS: u32 = 2;
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How far the shop's clock may be from ours to count.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As the retry policy says.
    Usual,
    /// Not long: the question is asked only to find out what the shop can answer.
    Probe,
}

/// The way to ask a shop.
pub(crate) struct Asking<'a> {
    pub(crate) lease: HeldLease<'a>,
    client: ShopClient,
    clock: &'a Clock,
    deadline: Instant,
    /// The shop's clock at its last answer, Unix seconds.
    shop_time: Option<i64>,
    /// By how many seconds the shop's clock was off, when that was too much for it to count.
    clock_off: Option<i64>,
    /// The longest that a page took, from the request to the last append.
    slowest_page: Duration,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(deps: &'a PollDeps, shop: &Shop<'_>, lease: HeldLease<'a>, deadline: Instant) -> Self {
        let client = ShopClient::new(
            shop.url.clone(),
            shop.key.to_owned(),
            deps.transport.clone(),
            deps.policy.clone(),
            fastrand::u64(..),
        );
        Self {
            lease,
            client: client.with_deadline(deadline.checked_sub(RESERVE).unwrap_or(deadline)),
            clock: &deps.clock,
            deadline,
            shop_time: None,
            clock_off: None,
            slowest_page: Duration::ZERO,
        }
    }

    /// Asks for the changes of a stream from a second on. The outer error ends the run, the inner one is the shop's.
    pub(crate) async fn changes(
        &mut self,
        stream: Stream,
        start: i64,
        patience: Patience,
    ) -> Result<Result<Answer, ClientError>, Stop> {
        let client = self.client(patience);
        let answer = self.lease.while_waiting(client.changes(to_client(stream), start)).await?;
        if let Ok(answer) = &answer {
            // Without a date the shop's clock is taken to be as slow as the overlap covers.
            let asked_at = self.asked_at(answer).as_second();
            self.shop_time = Some(self.date_of(answer).unwrap_or(asked_at - OVERLAP_SECONDS));
        }
        Ok(answer)
    }

    /// Asks for orders by number, at most a page of them.
    pub(crate) async fn get(
        &mut self,
        orders: &[u64],
        patience: Patience,
    ) -> Result<Result<Answer, ClientError>, Stop> {
        let client = self.client(patience);
        let answer = self.lease.while_waiting(client.get(orders)).await?;
        if let Ok(answer) = &answer {
            self.shop_time = self.date_of(answer).or(self.shop_time);
        }
        Ok(answer)
    }

    /// The answer's `Date`, if it is near enough to our clock to be believed. One that is further off counts as absent.
    fn date_of(&mut self, answer: &Answer) -> Option<i64> {
        let date = answer.date?.as_second();
        // The shop wrote it at some time between the question and now.
        let (earliest, latest) = (self.asked_at(answer).as_second(), self.now().as_second());
        let off = date - date.clamp(earliest, latest);
        if off.abs() <= CLOCK_TOLERANCE_SECONDS {
            return Some(date);
        }
        self.clock_off = Some(off);
        None
    }

    /// By how many seconds the shop's clock was ahead of ours (or behind, if negative), when an answer's `Date` was too far
    /// off to count.
    pub(crate) fn clock_off(&self) -> Option<i64> {
        self.clock_off
    }

    /// When an answer that has just come was asked for, by our clock: the shop is shown as it was then, or later.
    fn asked_at(&self, answer: &Answer) -> Timestamp {
        self.now() - answer.elapsed
    }

    /// Our clock.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The shop's clock at its last answer, Unix seconds.
    pub(crate) fn shop_time(&self) -> Option<i64> {
        self.shop_time
    }

    /// Notes how long a page took.
    pub(crate) fn took(&mut self, elapsed: Duration) {
        self.slowest_page = self.slowest_page.max(elapsed);
    }

    /// Stops the run while there is still time to stop.
    pub(crate) fn check_time(&self) -> Result<(), Stop> {
        let needed = RESERVE + (2 * self.slowest_page).max(Duration::from_secs(1));
        if Instant::now() + needed > self.deadline { Err(Stop::Deadline) } else { Ok(()) }
    }

    fn client(&self, patience: Patience) -> ShopClient {
        match patience {
            Patience::Usual => self.client.clone(),
            Patience::Probe => self.client.with_attempts(PROBE_ATTEMPTS).with_request_timeout(PROBE_TIMEOUT),
        }
    }
}

fn to_client(stream: Stream) -> mycashflow::Stream {
    match stream {
        Stream::Created => mycashflow::Stream::Created,
        Stream::Updated => mycashflow::Stream::Updated,
    }
}
