//! From a document of the shop to its orders.

mod elements;
mod error;
mod fault;
mod order;
mod source;
mod text;
mod value;
mod walk;

use std::ops::Range;

use self::error::shown;
pub use self::error::{OrderError, Place, ReadError};
pub use self::fault::Reason;
pub use self::value::{Characters, ValueFault};
use self::walk::Walk;
use crate::decode::decode;
use crate::order::Order;

/// How much a document may ask of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest document, in bytes as received.
    pub document_bytes: usize,
    /// The deepest nesting of elements; the root element is at depth 1.
    pub depth: usize,
}

impl Default for Limits {
    /// 32 MiB, 32 elements deep: a page of 100 orders takes about 400 KB, and its elements go 6 deep.
    fn default() -> Self {
        Self { document_bytes: 32 << 20, depth: 32 }
    }
}

/// A document of the shop: an order, or a list of them with the span that it covers.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The whole document, decoded, without its byte order mark. U+FFFD stands for what could not be decoded.
    pub text: String,
    /// `Orders/@time_from`, in Unix seconds.
    pub time_from: Option<i64>,
    /// `Orders/@time_to`, in Unix seconds.
    pub time_to: Option<i64>,
    /// `Orders/@orders`: the number of orders in the whole result, of which a page shows at most 100.
    pub total: Option<u64>,
    /// What looked wrong around the orders without making the page unreadable: an attribute of `Orders` that is not the
    /// number that it should be, and is `None` above.
    pub warnings: Vec<String>,
    /// Whether the document says something beside its list of orders: an element that is not around it, text in one, or an
    /// attribute of the list that tells of an error.
    pub has_others: bool,
    /// The orders, in the order of the document.
    pub entries: Vec<Entry>,
}

/// One order of a [`Page`].
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the order stands in [`Page::text`], from `<Order` to the end of `</Order>`.
    pub range: Range<usize>,
    /// The order, or why it cannot be read.
    pub order: Result<Order, OrderError>,
    /// The order's key (`Order/@id`); of an unreadable order, if its start tag shows one.
    pub id: Option<u64>,
    /// When the order was made, in Unix seconds; of an unreadable order, if it shows an `OrderedAt/@timestamp`.
    pub ordered_at: Option<i64>,
    /// The bytes of an order that could not be decoded, as they were received.
    undecoded: Option<Box<[u8]>>,
}

impl Page {
    /// One of this page's orders by itself, in UTF-8; its type is [`SLICE_CONTENT_TYPE`](crate::SLICE_CONTENT_TYPE).
    ///
    /// Of an order that is not the UTF-8 that it should be, these are the bytes as they were received.
    #[must_use]
    pub fn slice<'p>(&'p self, entry: &'p Entry) -> &'p [u8] {
        match &entry.undecoded {
            Some(bytes) => bytes,
            None => self.text.as_bytes().get(entry.range.clone()).unwrap_or_default(),
        }
    }

    /// Whether the order holds U+FFFD, the sign that some program puts in the place of a letter that it could not
    /// decode. Where a body was handed over as text, the letter was lost on the way; in an answer of the shop, the shop
    /// itself lost it.
    #[must_use]
    pub fn has_lost_letters(&self, entry: &Entry) -> bool {
        self.text.get(entry.range.clone()).is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER))
    }
}

/// Reads a whole answer of the shop, or the body of a POST: `<Order>`, `<Orders>` or another element around orders.
///
/// `content_type` is the `Content-Type` that came with it: its charset goes before the encoding that the XML declaration
/// names, and a byte order mark goes before both (RFC 7303).
///
/// An order that cannot be read is an [`Entry`] with an error and leaves the others as they are, whether one of its
/// values is wrong, its XML is broken or its bytes are no text. An order is unreadable only when its id, its XML, or its
/// money and quantities are: what cannot be read of its weight, its parcels, its times, its VAT rates and its flags is
/// kept as text in `extra`, with a warning. The elements and attributes are those of `docs/vendors/mycashflow.md`; what
/// is not named there is kept in the order's `extra`.
///
/// ```
/// use tilaussilta_mycashflow::{Limits, read_page};
///
/// let answer = b"<Orders time_to='1345401893'><Order id='58'/></Orders>";
/// let page = read_page(answer, Some("text/xml; charset=UTF-8"), &Limits::default())?;
/// assert_eq!(page.time_to, Some(1345401893));
/// assert_eq!(page.entries[0].id, Some(58));
/// # Ok::<(), tilaussilta_mycashflow::ReadError>(())
/// ```
///
/// # Errors
/// When the document as a whole is no answer with orders, or may not be complete: see [`ReadError`].
pub fn read_page(bytes: &[u8], content_type: Option<&str>, limits: &Limits) -> Result<Page, ReadError> {
    if bytes.len() > limits.document_bytes {
        return Err(ReadError::TooLarge { size_bytes: bytes.len(), limit_bytes: limits.document_bytes });
    }
    let document = decode(bytes, content_type).map_err(|name| ReadError::Encoding { name: shown(&name) })?;
    if document.text.trim().is_empty() {
        return Err(ReadError::Empty);
    }
    let (time_from, time_to, total) = (None, None, None);
    let (warnings, entries) = (Vec::new(), Vec::new());
    let mut page = Page { text: String::new(), time_from, time_to, total, warnings, has_others: false, entries };
    Walk::new(&document, limits.depth).run(&mut page)?;
    page.text = document.text;
    Ok(page)
}

#[cfg(test)]
mod tests;
