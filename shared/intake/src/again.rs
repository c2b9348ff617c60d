//! Quarantine, read again by the present reader from the bytes that were kept, under their original time.

use jiff::Timestamp;
use ledger::{Appended, Connection, DocumentKey, Ledger, LedgerError, Quarantined, System};
use manu::{Verified, WebhookType};
use mycashflow::{Handed, Limits, push_document, read_page};

use crate::kept::Kept;
use crate::message::{Message, record_read};
use crate::{OrderCopy, QuarantineReason, record_order};

/// How quarantine is read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// The address at which a message came, where its item does not say so.
    pub webhook: Option<WebhookType>,
    /// A message that is older than its document's head becomes its newest revision all the same.
    pub as_new: bool,
    /// Only say what would become of it.
    pub dry_run: bool,
}

/// What became of a document in quarantine that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadAgain {
    /// It is a revision now, or would be.
    Recorded {
        /// The document.
        document: DocumentKey,
        /// Its number; none in a dry run.
        revision: Option<u32>,
    },
    /// The ledger has the same.
    Duplicate {
        /// The document.
        document: DocumentKey,
    },
    /// The document has a newer state, so this one was kept and not recorded.
    Superseded {
        /// The document.
        document: DocumentKey,
    },
    /// It still cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
}

impl ReadAgain {
    /// Whether it need not be read again.
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Unreadable { .. })
    }
}

/// Reads what the quarantine holds once more, and records what can be read now. Gives what became of each document in it.
///
/// It keeps its original time. Of a document that was observed later than that, nothing is recorded, unless
/// [`Again::as_new`] asks for it.
///
/// # Errors
/// [`LedgerError`] when a document is neither recorded nor known to be older.
pub async fn read_again(
    ledger: &Ledger,
    connection: &Connection,
    held: &Quarantined,
    again: Again,
    now: Timestamp,
) -> Result<Vec<ReadAgain>, LedgerError> {
    if again.as_new && connection.system == System::Mycashflow {
        return Ok(vec![unreadable("the shop says how an order is now: ask for it with tilaussilta refresh")]);
    }
    if held.truncated {
        return Ok(vec![unreadable("only the beginning of the body was kept")]);
    }
    match connection.system {
        System::Mycashflow => orders(ledger, connection, held, again, now).await,
        System::Manu => Ok(vec![message(ledger, connection, held, again, now).await?]),
    }
}

fn unreadable(reason: impl std::fmt::Display) -> ReadAgain {
    ReadAgain::Unreadable { reason: reason.to_string() }
}

async fn orders(
    ledger: &Ledger,
    connection: &Connection,
    held: &Quarantined,
    again: Again,
    now: Timestamp,
) -> Result<Vec<ReadAgain>, LedgerError> {
    let content_type = Some(held.content_type.as_str()).filter(|content_type| !content_type.is_empty());
    let pushed = match push_document(content_type, &held.body, Handed::AsBytes).document {
        Ok(pushed) => pushed,
        Err(error) => return Ok(vec![unreadable(error)]),
    };
    let page = match read_page(&pushed.bytes, Some(&pushed.content_type), &Limits::default()) {
        Ok(page) => page,
        Err(error) => return Ok(vec![unreadable(error)]),
    };
    if page.entries.is_empty() {
        return Ok(vec![unreadable(QuarantineReason::NoOrder)]);
    }
    let mut all = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        let is_lost = entry.id.filter(|_| page.has_lost_letters(entry));
        all.push(match (is_lost, &entry.order) {
            (Some(order), _) => unreadable(QuarantineReason::LettersLost { order }),
            (None, Err(error)) => unreadable(error),
            (None, Ok(order)) => {
                let document = DocumentKey::order(&*connection.name, order.id);
                match older_than_head(ledger, &document, held, again).await? {
                    Some(older) => older,
                    None => {
                        let (slice, seen) = (page.slice(entry), held.last_seen);
                        let copy = OrderCopy::from_quarantine(&connection.name, entry, slice, held.source, seen);
                        order_again(ledger, &document, &copy, now).await?
                    }
                }
            }
        });
    }
    Ok(all)
}

/// What becomes of a document whose head is newer, or of any in a dry run; none when it is to be recorded.
async fn older_than_head(
    ledger: &Ledger,
    document: &DocumentKey,
    held: &Quarantined,
    again: Again,
) -> Result<Option<ReadAgain>, LedgerError> {
    let head = ledger.head(document).await?;
    let document = document.clone();
    Ok(match head {
        Some(head) if held.is_older_than(&head) && !again.as_new => Some(ReadAgain::Superseded { document }),
        _ if again.dry_run => Some(ReadAgain::Recorded { document, revision: None }),
        _ => None,
    })
}

async fn order_again(
    ledger: &Ledger,
    document: &DocumentKey,
    copy: &OrderCopy<'_>,
    now: Timestamp,
) -> Result<ReadAgain, LedgerError> {
    let kept = record_order(ledger, copy, now).await?;
    let made = made(document, kept);
    if !matches!(made, ReadAgain::Unreadable { .. }) {
        // The shop may have changed it since, and says how it is now.
        ledger.mark_for_refresh(document, now).await?;
    }
    Ok(made)
}

fn made(document: &DocumentKey, kept: Kept) -> ReadAgain {
    let document = document.clone();
    match kept {
        Kept::Appended { appended: Appended::Recorded { revision }, .. } => {
            ReadAgain::Recorded { document, revision: Some(revision) }
        }
        Kept::Appended { appended: Appended::Duplicate { .. }, .. } => ReadAgain::Duplicate { document },
        Kept::Appended { appended: Appended::Stale { .. }, .. } => ReadAgain::Superseded { document },
        Kept::Quarantined { reason, .. } | Kept::Nothing { reason } => unreadable(reason),
    }
}

async fn message(
    ledger: &Ledger,
    connection: &Connection,
    held: &Quarantined,
    again: Again,
    now: Timestamp,
) -> Result<ReadAgain, LedgerError> {
    let named = again.webhook.or_else(|| held.kind.as_deref().and_then(|kind| kind.parse().ok()));
    let Some(webhook) = named else {
        return Ok(unreadable("it is not known at which address it came: name the webhook with --webhook"));
    };
    let content_type = Some(held.content_type.as_str()).filter(|content_type| !content_type.is_empty());
    let verified = Verified::from_quarantine(&held.body, content_type);
    let received = match verified.read() {
        Ok(received) => received,
        Err(error) => return Ok(unreadable(error)),
    };
    let document = DocumentKey::manu(&*connection.name, webhook.slug(), received.document.id.as_str());
    if let Some(older) = older_than_head(ledger, &document, held, again).await? {
        return Ok(older);
    }
    let observed_at = if again.as_new { now } else { held.first_seen };
    let message = Message { document: &document, received: &received, observed_at };
    Ok(made(&document, record_read(ledger, &message, now).await?))
}
