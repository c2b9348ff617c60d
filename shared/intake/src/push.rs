//! An order that a shop POSTed: unverified at first, and pushed after its key was checked.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use ledger::{Connection, DocumentKey, Evidence, Ledger, LedgerError, Source};
use memchr::memmem;
use mycashflow::{Handed, Limits, Order, Page, PushBody, PushDocument, SLICE_CONTENT_TYPE, push_document, read_page};
use subtle::{Choice, ConstantTimeEq};

use crate::kept::{Bytes, Origin, quarantine};
use crate::{Kept, OrderCopy, QuarantineReason, record_order};

/// The most orders in one POST. The shop sends one; its largest answer elsewhere holds this many.
pub const MAX_PUSHED_ORDERS: usize = 100;

/// What stands in quarantine in place of a key.
const HIDDEN_KEY: &[u8] = b"***";

/// A POST that anybody may have sent. There is nothing to do with it but to [`verify`](Self::verify) it.
pub struct UnverifiedPush<'a> {
    body: &'a [u8],
    content_type: Option<&'a str>,
    handed: Handed,
    document: Result<PushDocument<'a>, QuarantineReason>,
    /// The key that came in the body's form.
    key: Option<String>,
}

/// A POST with one of the shop's keys. [`UnverifiedPush::verify`] is the only way to one, so whoever holds it has the
/// proof.
///
/// ```compile_fail,E0451
/// fn forge<'a>(post: &'a tilaussilta_intake::UnverifiedPush<'a>) -> tilaussilta_intake::Pushed<'a> {
///     tilaussilta_intake::Pushed { shop: "acme", post, keys: Vec::new() }
/// }
/// ```
#[derive(Clone)]
pub struct Pushed<'a> {
    shop: &'a str,
    post: &'a UnverifiedPush<'a>,
    /// The shop's keys, one of which came along.
    keys: Vec<String>,
}

/// Why a POST is not taken for the shop's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    /// It brings no key, neither beside the body nor in it.
    #[error("the key is missing")]
    NoKey,
    /// None of its keys is the shop's.
    #[error("the key is wrong")]
    WrongKey,
}

impl<'a> UnverifiedPush<'a> {
    /// A POST as it came. Its body is looked into for a document, and for a key in a form beside that.
    pub fn new(body: &'a [u8], content_type: Option<&'a str>, handed: Handed) -> Self {
        let PushBody { document, key } = push_document(content_type, body, handed);
        Self { body, content_type, handed, document: document.map_err(QuarantineReason::Push), key }
    }

    /// A POST whose body is compressed. It is not looked into.
    pub fn compressed(body: &'a [u8], content_type: Option<&'a str>, encoding: &'static str) -> Self {
        let document = Err(QuarantineReason::Compressed { encoding });
        Self { body, content_type, handed: Handed::AsBytes, document, key: None }
    }

    /// What is kept of the POST: its document, or the whole body where there is none. A key is never kept.
    fn kept(&self) -> (Cow<'_, [u8]>, &str) {
        match &self.document {
            Ok(document) => (Cow::Borrowed(&document.bytes), &document.content_type),
            Err(_) => (self.without_key(), self.content_type.unwrap_or_default()),
        }
    }

    /// The body without the key that came in its form.
    fn without_key(&self) -> Cow<'_, [u8]> {
        let Some(key) = self.key.as_deref().filter(|key| !key.is_empty()) else { return Cow::Borrowed(self.body) };
        if self.content_type.is_some_and(|content_type| content_type.trim_start().starts_with("multipart/")) {
            // In a multipart form a value stands as it is.
            return Cow::Owned(replace(self.body, key.as_bytes(), HIDDEN_KEY));
        }
        let is_key = |pair: &[u8]| form_urlencoded::parse(pair).any(|(name, _)| name.eq_ignore_ascii_case("key"));
        let others = self.body.split(|byte| *byte == b'&').filter(|pair| !is_key(pair));
        Cow::Owned(others.collect::<Vec<_>>().join(&b'&'))
    }

    /// Whether letters were lost before the body came: whoever handed it over as text has decoded it, and put U+FFFD where
    /// it could not.
    fn has_lost_letters(&self) -> bool {
        self.handed == Handed::AsText && memmem::find(self.body, "\u{FFFD}".as_bytes()).is_some()
    }

    /// Checks the key of `shop`.
    ///
    /// `presented` are the keys that came beside the body, in its address or its headers; a key in the body's form is
    /// known already. One that is right is enough. `valid` are the shop's keys; each is compared with each, in constant
    /// time, and an empty one is no key.
    ///
    /// ```
    /// use tilaussilta_intake::{NotAuthentic, UnverifiedPush};
    /// use mycashflow::Handed;
    /// let post = UnverifiedPush::new(b"<Order id='58'/>", Some("text/xml"), Handed::AsBytes);
    /// assert!(post.verify("acme", ["the key"], ["the key"]).is_ok());
    /// assert_eq!(post.verify("acme", ["another"], ["the key"]).err(), Some(NotAuthentic::WrongKey));
    /// assert_eq!(post.verify("acme", [], ["the key"]).err(), Some(NotAuthentic::NoKey));
    /// ```
    ///
    /// # Errors
    /// [`NotAuthentic`], after which nothing of the POST should be kept. It can be verified again, with keys that were
    /// read again for example.
    pub fn verify<'k, 'v>(
        &'a self,
        shop: &'a str,
        presented: impl IntoIterator<Item = &'k str>,
        valid: impl IntoIterator<Item = &'v str>,
    ) -> Result<Pushed<'a>, NotAuthentic> {
        let mut presented: Vec<&str> = presented.into_iter().collect::<Vec<&'k str>>();
        presented.extend(self.key.as_deref());
        presented.retain(|key| !key.is_empty());
        if presented.is_empty() {
            return Err(NotAuthentic::NoKey);
        }
        let keys: Vec<String> = valid.into_iter().map(str::to_owned).collect();
        let mut is_right = Choice::from(0);
        for valid in &keys {
            for presented in &presented {
                is_right |= valid.as_bytes().ct_eq(presented.as_bytes());
            }
        }
        if bool::from(is_right) { Ok(Pushed { shop, post: self, keys }) } else { Err(NotAuthentic::WrongKey) }
    }
}

/// Shows no part of the body, and no key.
impl fmt::Debug for UnverifiedPush<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, content_type: _, handed, document, key } = self;
        f.debug_struct("UnverifiedPush")
            .field("bytes", &body.len())
            .field("handed", handed)
            .field("document", document)
            .field("has_key", &key.is_some())
            .finish_non_exhaustive()
    }
}

/// Shows no part of the body, and no key.
impl fmt::Debug for Pushed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushed").field("shop", &self.shop).field("post", self.post).finish()
    }
}

impl<'a> Pushed<'a> {
    /// The shop whose key came along.
    pub fn shop(&self) -> &'a str {
        self.shop
    }

    /// The orders of the POST, whose document was read as `page`.
    fn copies<'p>(&self, page: &'p Page, received_at: Timestamp) -> Vec<OrderCopy<'p>>
    where
        'a: 'p,
    {
        // A document with one order is kept as it was received; of several orders, each keeps its own part.
        let whole = match &self.post.document {
            Ok(document) if page.entries.len() == 1 => {
                Some(Bytes { body: &document.bytes, content_type: &document.content_type })
            }
            _ => None,
        };
        let since = |order: &Order| Evidence::Told {
            since: order.created_at.unwrap_or(Timestamp::UNIX_EPOCH).min(received_at),
        };
        let has_lost_letters = self.post.has_lost_letters();
        let copy = |entry| {
            let slice = Bytes { body: page.slice(entry), content_type: SLICE_CONTENT_TYPE };
            let bytes = whole.unwrap_or(slice);
            let copy = OrderCopy::new(self.shop, entry, bytes, Source::Push, received_at, since);
            if has_lost_letters && page.has_lost_letters(entry) { copy.with_lost_letters() } else { copy }
        };
        page.entries.iter().map(copy).collect()
    }

    async fn quarantine(
        &self,
        ledger: &Ledger,
        reason: QuarantineReason,
        received_at: Timestamp,
    ) -> Result<Kept, LedgerError> {
        let (mut body, content_type) = self.post.kept();
        // Where no form or no document can be read, the key can stand anywhere.
        for key in self.keys.iter().filter(|key| !key.is_empty()) {
            let escaped: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
            let without = replace(&body, key.as_bytes(), HIDDEN_KEY);
            body = Cow::Owned(replace(&without, escaped.as_bytes(), HIDDEN_KEY));
        }
        let kept = Bytes { body: &body, content_type };
        let of = Origin { connection: &Connection::shop(self.shop), document: None, kind: None, source: Source::Push };
        quarantine(ledger, of, kept, reason, received_at).await
    }
}

/// Records the orders of a POST, received at `received_at`; gives what became of each. Of a POST in which there is no
/// order to be read, it gives what became of the whole.
///
/// An order that lost letters on its way is kept in quarantine, and marked: the poll can ask the shop for it.
///
/// Each error says that an order, or the whole, is neither in the ledger nor in quarantine.
pub async fn record_push(
    ledger: &Ledger,
    pushed: &Pushed<'_>,
    received_at: Timestamp,
    now: Timestamp,
) -> Vec<Result<Kept, LedgerError>> {
    let page = match read(pushed) {
        Ok(page) => page,
        Err(reason) => return vec![pushed.quarantine(ledger, reason, received_at).await],
    };
    let mut kept = Vec::with_capacity(page.entries.len());
    for copy in pushed.copies(&page, received_at) {
        kept.push(record_copy(ledger, pushed.shop, &copy, now).await);
    }
    kept
}

async fn record_copy(ledger: &Ledger, shop: &str, copy: &OrderCopy<'_>, now: Timestamp) -> Result<Kept, LedgerError> {
    let kept = record_order(ledger, copy, now).await?;
    if let Kept::Quarantined { reason: QuarantineReason::LettersLost { order }, .. } = &kept {
        ledger.mark_for_refresh(&DocumentKey::order(shop, *order), now).await?;
    }
    Ok(kept)
}

/// Reads the document of a POST.
fn read(pushed: &Pushed<'_>) -> Result<Page, QuarantineReason> {
    let document = pushed.post.document.as_ref().map_err(Clone::clone)?;
    let page = read_page(&document.bytes, Some(&document.content_type), &Limits::default())?;
    match page.entries.len() {
        0 => Err(QuarantineReason::NoOrder),
        count if count > MAX_PUSHED_ORDERS => Err(QuarantineReason::TooManyOrders { count, limit: MAX_PUSHED_ORDERS }),
        _ => Ok(page),
    }
}

/// `text` with `new` in place of each `old`, which is not empty.
fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut from = 0;
    for at in memmem::find_iter(text, old) {
        replaced.extend_from_slice(&text[from..at]);
        replaced.extend_from_slice(new);
        from = at + old.len();
    }
    replaced.extend_from_slice(&text[from..]);
    replaced
}
