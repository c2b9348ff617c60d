//! A message of the ERP, whose verify code was checked.

use jiff::Timestamp;
use ledger::{Connection, ContentHash, DocumentKey, Evidence, Ledger, LedgerError, NewRevision, Source};
use manu::{Received, Verified, WebhookType};

use crate::kept::{Bytes, keep, quarantine};
use crate::{Kept, QuarantineReason};

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
            return quarantine(ledger, &Connection::manu(account), None, bytes, reason, received_at).await;
        }
    };
    let document = DocumentKey::manu(account, webhook.slug(), received.document.id.as_str());
    let new = NewRevision {
        document: &document,
        source: Source::Push,
        observed_at: received_at,
        evidence: Evidence::Message,
        hash: ContentHash::of(&received.document.canonical),
        body: received.body,
        content_type: &received.content_type,
        now,
    };
    keep(ledger, None, &new).await
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
