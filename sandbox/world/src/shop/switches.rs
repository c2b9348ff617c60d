//! How a shop behaves where its interface is undocumented: one switch for each assumption of
//! `docs/vendors/assumptions.md` that a shop alone can break.

use jiff::SignedDuration;

use super::PAGE_SIZE;

/// How this shop behaves where its interface is undocumented. The default is what the functions assume.
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
    /// Whether answers have a header `Date`.
    pub dated: bool,
    /// How far the shop's clock is ahead in its `Date` header. Its timestamps keep to the time handed in.
    pub date_skew: SignedDuration,
    /// Whether `send` sends the order as it is now, or as it was when it was made.
    pub send_renders_now: bool,
    /// Whether a new order enters the `updated_after_ts` stream at once, or only when it is first changed.
    pub creation_updates: bool,
    /// The most orders that a `changes` answer holds.
    pub page_size: usize,
    /// What the attribute `orders` says.
    pub count: Count,
    /// How far `time_to` is ahead of the last order's second.
    pub time_to_skew: SignedDuration,
    /// How far back `changes` shows orders; without it, all. `time_from` says where the answer begins.
    pub history: Option<SignedDuration>,
    /// How `changes` chooses and sorts the orders of a page.
    pub sort: Sort,
    /// Whether `get` with several numbers is answered with `<Orders>` without orders.
    pub empty_get: bool,
    /// Bytes before the document.
    pub lead: Lead,
    /// The encoding, and what header and declaration say of it.
    pub charset: Charset,
    /// Whether numbers have an exponent, as PHP may write them.
    pub exponents: bool,
    /// Whether weights and numbers of parcels are text.
    pub odd_side_fields: bool,
    /// Whether `OrderedAt` has no `timestamp`, and a text with an offset.
    pub offset_times: bool,
    /// What becomes of `process`, and what is answered to it.
    pub process: Process,
    /// The status of a delivered order.
    pub shipped: &'static str,
    /// Whether what the shop POSTs holds an element that its answers do not.
    pub two_renderings: bool,
}

impl Default for ShopConfig {
    fn default() -> Self {
        Self {
            key: "simulated-shop-key".to_owned(),
            bound: Bound::Inclusive,
            time_to: true,
            single_wrapped: false,
            dated: true,
            date_skew: SignedDuration::ZERO,
            send_renders_now: true,
            creation_updates: true,
            page_size: PAGE_SIZE,
            count: Count::Whole,
            time_to_skew: SignedDuration::ZERO,
            history: None,
            sort: Sort::Time,
            empty_get: false,
            lead: Lead::Nothing,
            charset: Charset::Utf8,
            exponents: false,
            odd_side_fields: false,
            offset_times: false,
            process: Process::Plain,
            shipped: "Shipped",
            two_renderings: false,
        }
    }
}

/// Whether `changes` includes orders of the very second that was asked for, which is undocumented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `created_after_ts=N` includes second N.
    Inclusive,
    /// `created_after_ts=N` begins at second N + 1.
    Exclusive,
}

/// What the attribute `orders` of a `changes` answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// How many orders the whole result has.
    Whole,
    /// Nothing: there is no such attribute.
    Absent,
    /// How many orders this page has.
    Page,
    /// So many more than the whole result has.
    More(u64),
    /// A text that is no number.
    Text,
}

/// How `changes` chooses and sorts the orders of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The oldest, oldest first.
    Time,
    /// The lowest ids, lowest first.
    Id,
    /// The oldest, newest first.
    Reversed,
    /// The newest, newest first.
    Newest,
}

/// What stands before a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Nothing.
    Nothing,
    /// A byte order mark.
    ByteOrderMark,
    /// A byte order mark, a line break and another byte order mark.
    TwoByteOrderMarks,
    /// White space.
    WhiteSpace,
}

/// How a document is encoded, and what its header and its declaration say of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, and both say so.
    Utf8,
    /// UTF-8, as the header says; the declaration says ISO-8859-1.
    DeclaredLatin1,
    /// ISO-8859-1, as the header says; there is no declaration.
    Latin1InHeader,
}

/// What becomes of `process`, and what is answered to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// It is done, and answered with `<ok/>`.
    Plain,
    /// It is done, and answered with status 200 and this body.
    Done(&'static str),
    /// It is not done, and answered with status 200 and this body.
    NotDone(&'static str),
    /// It is done, and answered with this status.
    Refused(u16),
}

impl Charset {
    /// The header `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Utf8 | Self::DeclaredLatin1 => "application/xml; charset=UTF-8",
            Self::Latin1InHeader => "application/xml; charset=ISO-8859-1",
        }
    }

    /// The XML declaration.
    pub(super) fn declaration(self) -> &'static str {
        match self {
            Self::Utf8 => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            Self::DeclaredLatin1 => "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n",
            Self::Latin1InHeader => "",
        }
    }
}
