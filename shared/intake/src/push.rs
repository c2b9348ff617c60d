//! An order that a shop POSTed: unverified at first, and pushed after its key was checked.

use std::fmt;

use jiff::Timestamp;
use ledger::{Connection, Evidence, Ledger, LedgerError, Source};
use mycashflow::{Limits, Order, Page, PushBody, push_document, read_page};
use subtle::{Choice, ConstantTimeEq};

use crate::copy::SLICE_CONTENT_TYPE;
use crate::kept::{Bytes, quarantine};
use crate::{Kept, OrderCopy, QuarantineReason, record_order};

/// The most orders in one POST. The shop sends one; its largest answer elsewhere holds this many.
pub const MAX_PUSHED_ORDERS: usize = 100;

/// A POST that anybody may have sent. There is nothing to do with it but to [`verify`](Self::verify) it.
pub struct UnverifiedPush<'a> {
    body: &'a [u8],
    content_type: Option<&'a str>,
    found: PushBody<'a>,
}

/// A POST with one of the shop's keys. [`UnverifiedPush::verify`] is the only way to one, so whoever holds it has the
/// proof.
///
/// ```compile_fail,E0451
/// fn forge<'a>(post: &'a tilaussilta_intake::UnverifiedPush<'a>) -> tilaussilta_intake::Pushed<'a> {
///     tilaussilta_intake::Pushed { shop: "acme", post }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Pushed<'a> {
    shop: &'a str,
    post: &'a UnverifiedPush<'a>,
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
    pub fn new(body: &'a [u8], content_type: Option<&'a str>) -> Self {
        Self { body, content_type, found: push_document(content_type, body) }
    }

    /// Checks the key of `shop`.
    ///
    /// `presented` are the keys that came beside the body, in its address or its headers; a key in the body's form is
    /// known already. One that is right is enough. `valid` are the shop's keys; each is compared with each, in constant
    /// time, and an empty one is no key.
    ///
    /// ```
    /// use tilaussilta_intake::{NotAuthentic, UnverifiedPush};
    /// let post = UnverifiedPush::new(b"<Order id='58'/>", Some("text/xml"));
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
        presented.extend(self.found.key.as_deref());
        presented.retain(|key| !key.is_empty());
        if presented.is_empty() {
            return Err(NotAuthentic::NoKey);
        }
        let mut is_right = Choice::from(0);
        for valid in valid {
            for presented in &presented {
                is_right |= valid.as_bytes().ct_eq(presented.as_bytes());
            }
        }
        if bool::from(is_right) { Ok(Pushed { shop, post: self }) } else { Err(NotAuthentic::WrongKey) }
    }
}

/// Shows no part of the body, and no key.
impl fmt::Debug for UnverifiedPush<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedPush").field("bytes", &self.body.len()).field("found", &self.found).finish()
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
        // A body with one order is kept as it was received; of several, each keeps its own part.
        let whole = Bytes { body: self.post.body, content_type: self.post.content_type.unwrap_or("application/xml") };
        let is_one = page.entries.len() == 1;
        let since = |order: &Order| Evidence::Told {
            since: order.created_at.unwrap_or(Timestamp::UNIX_EPOCH).min(received_at),
        };
        let copy = |entry| {
            let slice = Bytes { body: page.slice(entry).as_bytes(), content_type: SLICE_CONTENT_TYPE };
            OrderCopy::new(self.shop, entry, if is_one { whole } else { slice }, Source::Push, received_at, since)
        };
        page.entries.iter().map(copy).collect()
    }

    async fn quarantine(
        &self,
        ledger: &Ledger,
        reason: QuarantineReason,
        received_at: Timestamp,
    ) -> Result<Kept, LedgerError> {
        let whole = Bytes { body: self.post.body, content_type: self.post.content_type.unwrap_or_default() };
        quarantine(ledger, &Connection::shop(self.shop), None, whole, reason, received_at).await
    }
}

/// Records the orders of a POST, received at `received_at`; gives what became of each. Of a POST in which there is no
/// order to be read, it gives what became of the whole.
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
        kept.push(record_order(ledger, &copy, now).await);
    }
    kept
}

/// Reads the document of a POST.
fn read(pushed: &Pushed<'_>) -> Result<Page, QuarantineReason> {
    let xml = pushed.post.found.xml.as_ref().map_err(Clone::clone)?;
    let page = read_page(xml, &Limits::default())?;
    match page.entries.len() {
        0 => Err(QuarantineReason::NoOrder),
        count if count > MAX_PUSHED_ORDERS => Err(QuarantineReason::TooManyOrders { count, limit: MAX_PUSHED_ORDERS }),
        _ => Ok(page),
    }
}
