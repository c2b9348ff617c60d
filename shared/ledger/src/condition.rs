//! Whether a write's condition held. That it did not is an answer, not a failure.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;

use crate::LedgerError;
use crate::item::Item;

/// Whether a write was made, given what its call came to; it was not when its condition did not hold.
pub(crate) fn was_made<T, E, R>(answer: Result<T, SdkError<E, R>>, operation: &'static str) -> Result<bool, LedgerError>
where
    E: Error + ProvideErrorMetadata + 'static,
    R: Debug + 'static,
{
    match answer {
        Ok(_) => Ok(true),
        Err(error) if did_not_hold(&error) => Ok(false),
        Err(error) => Err(LedgerError::unavailable(operation)(error)),
    }
}

fn did_not_hold<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().is_some_and(|error| error.code() == Some("ConditionalCheckFailedException"))
}

/// Of a put whose condition did not hold: the item that it met, when DynamoDB sent it along.
pub(crate) fn met_item<R>(error: &SdkError<PutItemError, R>) -> Option<Option<&Item>> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(failed) => Some(failed.item()),
        _ => None,
    }
}
