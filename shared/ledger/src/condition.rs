//! Whether a write's condition held. That it did not is an answer, not a failure.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::LedgerError;

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
