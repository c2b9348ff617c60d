//! The lease of a shop, which makes one run at a time the owner of what the poll keeps.

use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use jiff::Timestamp;

use super::FORMAT;
use crate::condition::was_made;
use crate::item::{format, key, ms, s};
use crate::transaction::transact_put;
use crate::{Connection, Ledger, LedgerError};

const LEASE: &str = "lease#poller";

/// The right to poll a shop, until a time. Whoever holds it may move cursors and open and close gaps; DynamoDB checks
/// that at each such write, so that a run which lost it can do no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The shop's name.
    pub shop: String,
    /// The run, by an id that no other run has.
    pub owner: String,
    /// When another run may take it over.
    pub until: Timestamp,
}

/// What became of a write that only the lease's owner may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// It was made.
    Written,
    /// Another run holds the lease: nothing was written.
    LeaseLost,
    /// The item is not as this run last knew it: nothing was written.
    Changed,
}

impl Ledger {
    /// Takes the lease of a shop for a run, if no run holds it, or its time is over.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn acquire_lease(
        &self,
        shop: &str,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, LedgerError> {
        let mut item = key(Connection::shop(shop).state_pk(), LEASE);
        item.extend([format(FORMAT), ("owner".to_owned(), s(owner)), ("until".to_owned(), ms(until))]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #until < :now")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", ms(now));
        match self.write(vec![transact_put(put)?]).await? {
            None => Ok(Some(Lease { shop: shop.to_owned(), owner: owner.to_owned(), until })),
            Some(_) => Ok(None),
        }
    }

    /// Makes a lease last longer. None when another run has taken it over, or given it back since.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn renew_lease(&self, lease: &Lease, until: Timestamp) -> Result<Option<Lease>, LedgerError> {
        let mut item = key(Connection::shop(&*lease.shop).state_pk(), LEASE);
        item.extend([format(FORMAT), ("owner".to_owned(), s(&*lease.owner)), ("until".to_owned(), ms(until))]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(&*lease.owner));
        match self.write(vec![transact_put(put)?]).await? {
            None => Ok(Some(Lease { until, ..lease.clone() })),
            Some(_) => Ok(None),
        }
    }

    /// Gives the lease back. Not an error when another run has taken it over.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`]; the lease then ends by its time.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(Connection::shop(&*lease.shop).state_pk(), LEASE)))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(&*lease.owner))
            .send()
            .await;
        was_made(answer, "DeleteItem").map(drop)
    }

    /// Writes one item under the condition that the lease is still this run's.
    pub(super) async fn write_as_owner(&self, lease: &Lease, write: TransactWriteItem) -> Result<Fenced, LedgerError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key(Connection::shop(&*lease.shop).state_pk(), LEASE)))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(&*lease.owner))
            .build()
            .map_err(|error| LedgerError::Unavailable { operation: "TransactWriteItems", reason: error.to_string() })?;
        match self.write(vec![TransactWriteItem::builder().condition_check(check).build(), write]).await? {
            None => Ok(Fenced::Written),
            Some(0) => Ok(Fenced::LeaseLost),
            Some(_) => Ok(Fenced::Changed),
        }
    }
}
