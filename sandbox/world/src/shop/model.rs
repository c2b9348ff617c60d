//! What callers hand to the shop and what they read from it.

use std::time::Duration;

use jiff::Timestamp;
use mycashflow::Order;

/// Which of the shop's two lists of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeStream {
    /// By the time orders were made: `created_after_ts`.
    Created,
    /// By the time orders last changed: `updated_after_ts`.
    Updated,
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
pub enum ShopFault {
    /// This status (500, 429, …) with a line of text. The request has no effect.
    Status(u16),
    /// This status with a header `Retry-After` of so many seconds. The request has no effect.
    RetryAfter(u16, u32),
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
    /// `<Orders>` without orders, whose attribute `orders` says that there are some. The request has no effect.
    EmptyPage,
}

/// How the XML of an order is broken, wherever it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// Well-formed XML with a sum of money that is not a number.
    Value,
    /// An unescaped `<`: not XML.
    Syntax,
    /// A byte that is not UTF-8.
    Byte,
    /// This `OrderedAt/@timestamp`, and a text that is no time. The order's place in the streams stays.
    Time(&'static str),
    /// An `id` that is not a number.
    Id,
}

/// Where an order is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// In `changes`, whose attribute `orders` counts it.
    Changes,
    /// In `get` with several numbers.
    Numbers,
    /// In both.
    Everywhere,
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
#[derive(Clone, Debug, PartialEq)]
pub struct ShopResponse {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// The header `Date`: the time handed in, plus the skew. None when the shop's answers have no such header.
    pub date: Option<Timestamp>,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// What arrives of the body: all of it, its first half for [`ShopFault::Cut`], nothing for [`ShopFault::Timeout`].
    pub body: Vec<u8>,
    /// The orders that the shop wrote into `body`, in their order and as they are at the shop: what a simulator needs
    /// to know without reading the body.
    pub orders: Vec<Order>,
    /// The fault that was played. The transport acts out a time-out (never answer) and a cut (break the connection
    /// after `body`); the others already show in the answer.
    pub fault: Option<ShopFault>,
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
