//! What can go wrong with the table, as the rest of the product sees it.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failed ledger call.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The table could not be read or written after the SDK's own retries. Nothing is known to be written; the same
    /// call may be made again.
    #[error("the ledger's table cannot be reached or refuses: {operation}: {reason}")]
    Unavailable {
        /// The DynamoDB operation.
        operation: &'static str,
        /// DynamoDB's error code, or what kept the call from it; never an item's contents.
        reason: String,
    },
    /// Other writers changed the document at every try.
    #[error("the document is contended: gave up after {tries} tries")]
    Contended {
        /// How many transactions were tried.
        tries: u32,
    },
    /// The compressed body does not fit into an item.
    #[error("the body takes {size_bytes} bytes compressed, over the limit of {limit_bytes}")]
    TooLarge {
        /// Compressed size.
        size_bytes: usize,
        /// The most an item may hold of it.
        limit_bytes: usize,
    },
    /// The body could not be compressed, which takes a machine out of memory.
    #[error("the body cannot be compressed")]
    Compress(#[source] std::io::Error),
    /// An item is not as this product writes it.
    #[error("item {item} of the ledger: attribute {attribute} is missing or malformed")]
    Corrupt {
        /// The item's sort key.
        item: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// A later version wrote the item, in a format that this one does not know. It is not guessed at.
    #[error(
        "item {item} of the ledger has format {format}, and this version reads formats up to {readable}: deploy the version \
         that wrote it, or a later one"
    )]
    NewerFormat {
        /// The item's sort key.
        item: String,
        /// The item's format.
        format: u32,
        /// The latest format of such items that this version reads.
        readable: u32,
    },
}

impl LedgerError {
    /// Whether it is about one item that cannot be read, however often it is tried.
    pub fn is_of_item(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::NewerFormat { .. })
    }

    pub(crate) fn unavailable<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        move |error| Self::Unavailable { operation, reason: sdk_reason(&error) }
    }
}

/// Why a call of the AWS SDK failed: the service's error code, or what kept the call from it. The SDK's own display of an
/// error can print requests and answers, which hold what must not be logged.
pub fn sdk_reason<E, R>(error: &SdkError<E, R>) -> String
where
    E: Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    if let Some(service) = error.as_service_error() {
        return service.code().unwrap_or("an error without a code").to_owned();
    }
    with_sources(error)
}

/// An error's text, followed by those of its sources.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
