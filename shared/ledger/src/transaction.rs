//! Transactions: their parts, and why one was cancelled.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use crate::{Ledger, LedgerError};

/// How often a transaction that was cancelled for a passing reason is tried again.
const WRITE_TRIES: u32 = 5;

impl Ledger {
    /// Writes items in one transaction; gives the first one whose condition did not hold. A transaction that was cancelled
    /// for a passing reason is tried again.
    pub(crate) async fn write(&self, items: Vec<TransactWriteItem>) -> Result<Option<usize>, LedgerError> {
        for attempt in 0.. {
            let Err(error) = self.client.transact_write_items().set_transact_items(Some(items.clone())).send().await
            else {
                return Ok(None);
            };
            let reasons = cancellation_reasons(&error).unwrap_or_default();
            if let Some((failed, _)) = first_that_did_not_hold(reasons) {
                return Ok(Some(failed));
            }
            if attempt == WRITE_TRIES || !is_passing(reasons) {
                return Err(LedgerError::unavailable("TransactWriteItems")(error));
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=20 << attempt))).await;
        }
        Ok(None)
    }
}

/// A put as a part of a transaction.
pub(crate) fn transact_put(put: PutBuilder) -> Result<TransactWriteItem, LedgerError> {
    let put = put
        .build()
        .map_err(|error| LedgerError::Unavailable { operation: "TransactWriteItems", reason: error.to_string() })?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Why DynamoDB cancelled a transaction; none when the call failed for another reason.
pub(crate) fn cancellation_reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

/// Of a cancelled transaction: the first of its parts whose condition did not hold, and its place among them.
pub(crate) fn first_that_did_not_hold(reasons: &[CancellationReason]) -> Option<(usize, &CancellationReason)> {
    reasons.iter().enumerate().find(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
}

/// Whether a cancelled transaction may be tried again as it is: it met another one, or a part of it was throttled. The SDK
/// tries neither again, because it looks at the error alone and not at the reasons in it.
pub(crate) fn is_passing(reasons: &[CancellationReason]) -> bool {
    const PASSING: [&str; 3] = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    reasons.iter().any(|reason| reason.code().is_some_and(|code| PASSING.contains(&code)))
}
