//! What becomes of a document: it is in the ledger, or in quarantine.

use jiff::Timestamp;
use ledger::{
    Appended, Connection, DocumentKey, Head, Ledger, LedgerError, NewQuarantined, NewRevision, Rehash, Source, System,
};
use manu::DocumentError;
use mycashflow::{OrderError, PushError, ReadError};

/// Where a received document is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In the ledger: as a new revision, or because the ledger has it, or something newer, already.
    Appended {
        /// The document.
        document: DocumentKey,
        /// What the ledger made of it.
        appended: Appended,
    },
    /// In quarantine, whole.
    Quarantined {
        /// Why.
        reason: QuarantineReason,
        /// Whether it was not there before.
        is_new: bool,
    },
    /// Nowhere: it was empty.
    Nothing {
        /// Why it is no document.
        reason: QuarantineReason,
    },
}

/// Why a document is in quarantine. The text names places, never contents, and may be shown to the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuarantineReason {
    /// A POST in which there is no document.
    #[error(transparent)]
    Push(#[from] PushError),
    /// A POST whose body is compressed.
    #[error("the body is compressed with {encoding}: send it without Content-Encoding")]
    Compressed {
        /// The content coding.
        encoding: &'static str,
    },
    /// A document of a shop that cannot be read as a whole.
    #[error(transparent)]
    Page(#[from] ReadError),
    /// An order that cannot be read.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// An order of a POST that lost letters before it came. It is marked, so that the poll asks the shop for it.
    #[error("order {order} lost letters before it came: the shop is asked for it")]
    LettersLost {
        /// The order's id.
        order: u64,
    },
    /// A document without an order.
    #[error("there is no order in the document")]
    NoOrder,
    /// A POST of more orders than a shop has in any answer.
    #[error("the document holds {count} orders, more than the limit of {limit}")]
    TooManyOrders {
        /// How many it holds.
        count: usize,
        /// How many it may hold.
        limit: usize,
    },
    /// A message under a content type that says it is not JSON.
    #[error("the body must be JSON, with a content type of JSON or none")]
    NotJsonType,
    /// A message that cannot be read.
    #[error(transparent)]
    Message(#[from] DocumentError),
    /// A document that does not fit into an item, even compressed.
    #[error("the body takes {size_bytes} bytes compressed, over the limit of {limit_bytes}")]
    TooLarge {
        /// Compressed size.
        size_bytes: usize,
        /// The most an item may hold of it.
        limit_bytes: usize,
    },
}

/// Appends a copy, or keeps it in quarantine as far as it fits. Every document takes this way.
///
/// `rehash` settles a head that another version of a reader has hashed.
pub(crate) async fn keep(
    ledger: &Ledger,
    head: Option<&Head>,
    new: &NewRevision<'_>,
    rehash: &Rehash<'_>,
) -> Result<Kept, LedgerError> {
    match ledger.append_settling(head, new, rehash).await {
        Ok(appended) => Ok(Kept::Appended { document: new.document.clone(), appended }),
        Err(LedgerError::TooLarge { size_bytes, limit_bytes }) => {
            let bytes = Bytes { body: new.body, content_type: new.content_type };
            let reason = QuarantineReason::TooLarge { size_bytes, limit_bytes };
            let (connection, name) = (&new.document.connection, new.document.name());
            let of = Origin { connection, document: Some(&name), kind: Some(&new.document.kind), source: new.source };
            quarantine(ledger, of, bytes, reason, new.now).await
        }
        Err(error) => Err(error),
    }
}

/// A body with its content type.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) content_type: &'a str,
}

/// Where bytes come from that cannot be read.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) connection: &'a Connection,
    /// The document they belong to, if one can be told.
    pub(crate) document: Option<&'a str>,
    /// The kind of document at whose address they came.
    pub(crate) kind: Option<&'a str>,
    /// How they came.
    pub(crate) source: Source,
}

/// Keeps what cannot be read.
pub(crate) async fn quarantine(
    ledger: &Ledger,
    Origin { connection, document, kind, source }: Origin<'_>,
    Bytes { body, content_type }: Bytes<'_>,
    reason: QuarantineReason,
    now: Timestamp,
) -> Result<Kept, LedgerError> {
    if body.is_empty() {
        return Ok(Kept::Nothing { reason });
    }
    let text = reason.to_string();
    let new = NewQuarantined { body, content_type, reason: &text, document, kind, source: Some(source), now };
    let is_new = ledger.quarantine(connection, &new).await?;
    if is_new {
        match connection.system {
            System::Mycashflow => tracing::warn!(%connection, document, reason = text, "an order is in quarantine"),
            System::Manu => tracing::warn!(%connection, document, reason = text, "a message is in quarantine"),
        }
    }
    Ok(Kept::Quarantined { reason, is_new })
}
