//! What callers hand to the shop and what they read from it.

use jiff::{SignedDuration, Timestamp};

/// Whether `changes` includes orders of the very second that was asked for, which is undocumented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `created_after_ts=N` includes second N.
    Inclusive,
    /// `created_after_ts=N` begins at second N + 1.
    Exclusive,
}

/// How this shop behaves where the specification leaves it open.
#[derive(Clone, Debug)]
pub struct ShopConfig {
    /// The shop's API key, expected in the parameter `key`.
    pub key: String,
    /// Whether the second asked for belongs to the answer.
    pub bound: Bound,
    /// Whether `<Orders>` of a `changes` answer carries `time_from`, `time_to` and `orders`, or no attributes at all.
    pub time_to: bool,
    /// Whether a single order stands under `<Orders>` too, as one client sees it.
    pub single_wrapped: bool,
    /// How far the shop's clock is ahead in its `Date` header. Its time stamps keep to the time handed in.
    pub date_skew: SignedDuration,
    /// Whether `send` sends the order as it is now, or as it was when it was made.
    pub send_renders_now: bool,
    /// Whether a new order enters the `updated_after_ts` stream at once, or only when it is first changed.
    pub creation_updates: bool,
}

impl Default for ShopConfig {
    /// An inclusive bound, span attributes, the root `<Order>` for one order, the right time, the present state sent
    /// again, and new orders in both streams.
    fn default() -> Self {
        Self {
            key: "make-believe-key".to_owned(),
            bound: Bound::Inclusive,
            time_to: true,
            single_wrapped: false,
            date_skew: SignedDuration::ZERO,
            send_renders_now: true,
            creation_updates: true,
        }
    }
}

/// How an order came into the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A customer ordered: the shop POSTs the order to the configured address.
    Web,
    /// The MyCashflow API made it: no POST, so that only a poll sees it.
    Api,
}

/// What goes wrong with a request, as clients have seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status (500, 429, …) with a line of text. The request has no effect.
    Status(u16),
    /// The request takes effect, but no answer comes.
    Timeout,
    /// The request takes effect, but the connection breaks in the middle of the answer.
    Cut,
    /// An HTML page with status 200. The request has no effect.
    Html,
    /// An empty body with status 200. The request has no effect.
    Empty,
    /// An `<error>` document with status 200. The request has no effect.
    ErrorDocument,
}

/// How the XML of an order is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// Well-formed XML with a weight that is not a number.
    Value,
    /// An unescaped `<`: not XML.
    Syntax,
}

/// A request to the shop, without anything of the transport.
#[derive(Clone, Copy)]
pub struct ShopRequest<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// For example `/webhooks/changes`.
    pub path: &'a str,
    /// What follows the question mark, still encoded; empty when there is none.
    pub query: &'a str,
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The body as sent.
    pub body: &'a [u8],
}

/// The shop's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopResponse {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// The header `Date`: the time handed in, plus the skew.
    pub date: Timestamp,
    /// What arrives of the body: all of it, its first half for [`Fault::Cut`], nothing for [`Fault::Timeout`].
    pub body: Vec<u8>,
    /// The fault that was played. The transport acts out a time-out (never answer) and a cut (break the connection
    /// after `body`); the others already show in the answer.
    pub fault: Option<Fault>,
}

/// A POST that the shop makes to the configured address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingPost {
    /// The order it brings.
    pub order: u64,
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// The order's XML document. Raw XML is an assumption: the body is undocumented.
    pub body: Vec<u8>,
}

/// Why a customer was mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// `deliver` with `send_email=1`.
    DeliveryConfirmation,
    /// `add_comment` with `public_message=1`.
    Comment,
}

/// A mail to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The order it is about.
    pub order: u64,
    /// Why it was sent.
    pub kind: MailKind,
    /// When.
    pub at: Timestamp,
}

/// A comment added to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its text.
    pub message: String,
    /// Whether the customer sees it.
    pub public: bool,
    /// When it was added.
    pub at: Timestamp,
}

/// How many requests came, by action; those that met a fault count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLog {
    /// `GET get`.
    pub get: u64,
    /// `GET changes`.
    pub changes: u64,
    /// `GET send`.
    pub send: u64,
    /// `POST process` with `action=deliver`.
    pub deliver: u64,
    /// `POST process` with `action=add_comment`.
    pub add_comment: u64,
    /// Requests with a wrong key, an unknown action or a wrong method.
    pub refused: u64,
    /// How many of all these met a fault.
    pub faults: u64,
}
