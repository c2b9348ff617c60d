//! What a failed call of the AWS SDK may tell a log.

use std::error::Error;
use std::fmt::Debug;

// Every service's crate exports these two, which are the same.
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Why a call failed: the service's error code, or what kept the call from it. The SDK's own display of an error can
/// print requests and answers, which hold what must not be logged.
pub fn sdk_reason<E, R>(error: &SdkError<E, R>) -> String
where
    E: Error + ProvideErrorMetadata + 'static,
    R: Debug + 'static,
{
    if let Some(service) = error.as_service_error() {
        return service.code().unwrap_or("an error without a code").to_owned();
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        reason = format!("{reason}: {inner}");
        source = inner.source();
    }
    reason
}
