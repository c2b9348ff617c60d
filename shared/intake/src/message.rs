//! A message of the ERP, whose verify code was checked.

use jiff::Timestamp;
use ledger::{
    Connection, ContentHash, DocumentKey, Evidence, Ledger, LedgerError, NewRevision, Rehash, Revision, Source,
};
use manu::{Document, Received, Verified, WebhookType};

use crate::kept::{Bytes, Origin, keep, quarantine};
use crate::{Kept, QuarantineReason, stored_document};

/// The version of the messages' canonical JSON.
const HASH_VERSION: u16 = 1;

/// Content types under which JSON is taken. The vendor names none, and .NET's plain clients send none or a form's.
const CONTENT_TYPES: [&str; 5] =
    ["application/json", "text/json", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"];

/// Records a message of `account`, received at `received_at` at the address of `webhook`.
///
/// # Errors
/// [`LedgerError`] when it is neither in the ledger nor in quarantine. The ERP sends it once, so its sender must be told.
pub async fn record_message(
    ledger: &Ledger,
    account: &str,
    webhook: WebhookType,
    message: &Verified<'_>,
    received_at: Timestamp,
    now: Timestamp,
) -> Result<Kept, LedgerError> {
    let received = match read(message) {
        Ok(received) => received,
        Err(reason) => {
            let bytes = Bytes { body: message.body(), content_type: message.content_type().unwrap_or_default() };
            let of = Origin {
                connection: &Connection::manu(account),
                document: None,
                kind: Some(webhook.slug()),
                source: Source::Push,
            };
            return quarantine(ledger, of, bytes, reason, received_at).await;
        }
    };
    let document = DocumentKey::manu(account, webhook.slug(), received.document.id.as_str());
    record_read(ledger, &Message { document: &document, received: &received, observed_at: received_at }, now).await
}

/// A message that was read.
pub(crate) struct Message<'a> {
    pub(crate) document: &'a DocumentKey,
    pub(crate) received: &'a Received<'a>,
    /// When it was received.
    pub(crate) observed_at: Timestamp,
}

/// Records a message that was read.
pub(crate) async fn record_read(ledger: &Ledger, message: &Message<'_>, now: Timestamp) -> Result<Kept, LedgerError> {
    let Message { document, received, observed_at } = *message;
    let new = NewRevision {
        document,
        source: Source::Push,
        observed_at,
        evidence: Evidence::Message,
        hash: hash(&received.document),
        body: received.body,
        content_type: &received.content_type,
        summary: None,
        now,
    };
    let of_revision = |revision: &Revision| stored_document(revision).ok().map(|document| hash(&document));
    let of_copy = |version| (version == HASH_VERSION).then(|| hash(&received.document));
    keep(ledger, None, &new, &Rehash { of_revision: &of_revision, of_copy: &of_copy }).await
}

fn hash(document: &Document) -> ContentHash {
    ContentHash::in_version(HASH_VERSION, &document.canonical)
}

fn read<'m>(message: &'m Verified<'_>) -> Result<Received<'m>, QuarantineReason> {
    if !is_json_type(message.content_type()) {
        return Err(QuarantineReason::NotJsonType);
    }
    Ok(message.read()?)
}

fn is_json_type(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let media_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media_type.is_empty() || media_type.ends_with("+json") || CONTENT_TYPES.contains(&media_type.as_str())
}
