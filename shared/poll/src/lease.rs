//! One run at a time: the lease, kept for as long as the run lasts.

use std::pin::pin;
use std::time::Duration;

use jiff::SignedDuration;
use ledger::{Lease, Ledger, LedgerError};

use crate::Clock;
use crate::stop::Stop;

/// How long a lease lasts. It is renewed as the run continues, so that a run which was killed holds up the next one no
/// longer than this; a run that was only slow, and lost it, can move no cursor any more.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How often the lease is looked after while the shop is waited for.
const LEASE_CHECK: Duration = Duration::from_secs(5);

/// A run's lease, or the place of one that a run without the live cursors does not need.
pub(crate) struct HeldLease<'a> {
    ledger: &'a Ledger,
    clock: &'a Clock,
    lease: Option<Lease>,
}

impl<'a> HeldLease<'a> {
    /// For a run that moves no cursor and keeps no gap.
    pub(crate) fn none(ledger: &'a Ledger, clock: &'a Clock) -> Self {
        Self { ledger, clock, lease: None }
    }

    /// Takes the lease of a shop; none when another run has it.
    pub(crate) async fn take(
        ledger: &'a Ledger,
        clock: &'a Clock,
        shop: &str,
        run: &str,
    ) -> Result<Option<Self>, LedgerError> {
        let now = clock();
        let lease = ledger.acquire_lease(shop, run, now, now + LEASE).await?;
        Ok(lease.map(|lease| Self { ledger, clock, lease: Some(lease) }))
    }

    /// Gives it back.
    pub(crate) async fn release(&self) {
        let Some(lease) = &self.lease else { return };
        if let Err(error) = self.ledger.release_lease(lease).await {
            tracing::warn!(%error, shop = lease.shop, "the lease could not be released; it expires by itself");
        }
    }

    /// The lease, to write with.
    pub(crate) fn held(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Renews it when half of it is over.
    pub(crate) async fn keep(&mut self) -> Result<(), Stop> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let now = (self.clock)();
        if lease.until > now + LEASE / 2 {
            return Ok(());
        }
        match self.ledger.renew_lease(lease, now + LEASE).await? {
            Some(renewed) => self.lease = Some(renewed),
            None => return Err(Stop::LeaseLost),
        }
        Ok(())
    }

    /// Waits for the shop, and keeps the lease meanwhile: that a shop is slow must not let the next run take it.
    pub(crate) async fn while_waiting<T>(&mut self, question: impl Future<Output = T>) -> Result<T, Stop> {
        let mut question = pin!(question);
        loop {
            match self.keep().await {
                // An answer that is under way is worth more than a renewal that failed: there is time for another one.
                Err(Stop::Ledger(error)) => tracing::warn!(%error, "the lease could not be renewed"),
                kept => kept?,
            }
            tokio::select! {
                biased;
                answer = &mut question => return Ok(answer),
                () = tokio::time::sleep(LEASE_CHECK) => {}
            }
        }
    }
}
