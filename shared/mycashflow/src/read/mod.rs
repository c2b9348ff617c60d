//! From a document of the shop to its orders.

mod elements;
mod error;
mod order;
mod source;
mod text;
mod value;

use std::ops::Range;

use self::elements::Rest;
pub(crate) use self::error::shown;
pub use self::error::{OrderError, Place, ReadError};
use self::source::{Event, Fault, Refusal, Source, Tag};
use crate::decode::decode;
use crate::order::Order;
use crate::recover::{self, OrderEnd};

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
    /// The whole document, decoded, without its byte order mark.
    pub text: String,
    /// `Orders/@time_from`, in Unix seconds.
    pub time_from: Option<i64>,
    /// `Orders/@time_to`, in Unix seconds.
    pub time_to: Option<i64>,
    /// `Orders/@orders`: the number of orders in the whole result, of which a page shows at most 100.
    pub total: Option<u64>,
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
}

impl Page {
    /// The text of one of this page's orders.
    #[must_use]
    pub fn slice(&self, entry: &Entry) -> &str {
        self.text.get(entry.range.clone()).unwrap_or_default()
    }
}

/// Reads a whole answer of the shop, or the body of a POST: `<Order>`, `<Orders>` or another element around orders.
///
/// An order that cannot be read is an [`Entry`] with an error and leaves the others as they are, whether one of its
/// values is wrong or its XML is broken. The elements and attributes are those of `spec/mycashflow.md`, section 1; what
/// is not named there is kept in the order's `extra`.
///
/// ```
/// use tilaussilta_mycashflow::{Limits, read_page};
///
/// let page = read_page(b"<Orders time_to='1345401893'><Order id='58'/></Orders>", &Limits::default())?;
/// assert_eq!(page.time_to, Some(1345401893));
/// assert_eq!(page.entries[0].id, Some(58));
/// # Ok::<(), tilaussilta_mycashflow::ReadError>(())
/// ```
///
/// # Errors
/// When the document as a whole is no answer with orders, or may not be complete: see [`ReadError`].
pub fn read_page(bytes: &[u8], limits: &Limits) -> Result<Page, ReadError> {
    if bytes.len() > limits.document_bytes {
        return Err(ReadError::TooLarge { size_bytes: bytes.len(), limit_bytes: limits.document_bytes });
    }
    let text = decode(bytes)?;
    if text.trim().is_empty() {
        return Err(ReadError::Empty);
    }
    let mut page = Page { text: text.into_owned(), time_from: None, time_to: None, total: None, entries: Vec::new() };
    let text = std::mem::take(&mut page.text);
    Walk::new(&text, limits).run(&mut page)?;
    page.text = text;
    Ok(page)
}

/// The way through the elements around the orders.
struct Walk<'a> {
    text: &'a str,
    depth_limit: usize,
    source: Source<'a>,
    /// The elements now open around the orders, from the root down.
    open: Vec<&'a str>,
    root: Option<&'a str>,
    /// Whether an `<Orders>` was seen: then no orders is an answer.
    listed: bool,
    /// An offset, and the line it is on.
    counted: (usize, usize),
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, limits: &Limits) -> Self {
        let source = Source::new(text, limits.depth);
        Self { text, depth_limit: limits.depth, source, open: Vec::new(), root: None, listed: false, counted: (0, 1) }
    }

    fn run(mut self, page: &mut Page) -> Result<(), ReadError> {
        if self.text.starts_with('\u{FEFF}') {
            return Err(self.malformed(0, "a second byte order mark"));
        }
        loop {
            let start = self.source.offset();
            let event = match self.source.next() {
                Ok(event) => event,
                // An order whose very start tag is broken. Only as the root is it the end of the document.
                Err(Fault::Local { offset, reason, .. })
                    if self.root.is_some() && recover::is_order_start(self.text, offset) =>
                {
                    let end = self.skip_unreadable(offset)?;
                    page.entries.push(self.unreadable(offset..end, (offset, "Order".to_owned(), reason.into_owned())));
                    continue;
                }
                Err(fault) => return Err(self.refuse(fault)),
            };
            match event {
                Event::Open(tag) => self.open(&tag, page)?,
                Event::Close { name, .. } if self.open.pop() == Some(name) => {}
                Event::Close { start, .. } => return Err(self.malformed(start, source::MISMATCH)),
                Event::Text(text) => self.text(start, &text)?,
                Event::Declaration if self.root.is_none() => {}
                Event::Declaration => return Err(self.malformed(start, source::STRAY_DECLARATION)),
                Event::End => break,
            }
        }
        match self.root {
            Some(root) if self.open.is_empty() => {
                if self.listed || !page.entries.is_empty() {
                    Ok(())
                } else {
                    Err(ReadError::NotOrders { root: shown(root) })
                }
            }
            _ => Err(ReadError::Truncated { at: self.place(self.text.len()) }),
        }
    }

    fn open(&mut self, tag: &Tag<'a>, page: &mut Page) -> Result<(), ReadError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.malformed(tag.start, "an element after the root element"));
        }
        self.root.get_or_insert(tag.name);
        match tag.name {
            "Order" => {
                let entry = self.entry(tag)?;
                page.entries.push(entry);
                return Ok(());
            }
            "Orders" if !self.listed => {
                self.listed = true;
                self.span(tag, page)?;
            }
            name if name.eq_ignore_ascii_case("error") => return Err(ReadError::ErrorDocument),
            name if name.eq_ignore_ascii_case("html") => return Err(ReadError::Html),
            _ => {}
        }
        if !tag.is_empty() {
            self.open.push(tag.name);
        }
        Ok(())
    }

    fn span(&self, tag: &Tag<'a>, page: &mut Page) -> Result<(), ReadError> {
        let names = ["time_from", "time_to", "orders"];
        let attributes = self.source.attributes(tag, names, &mut Rest::default());
        let [from, to, total] = attributes.map_err(|fault| self.refuse(fault))?;
        let not_whole = |_| self.malformed(tag.start, "an attribute of Orders that is not a whole number");
        page.time_from = from.map(|seconds| value::whole(&seconds)).transpose().map_err(not_whole)?;
        page.time_to = to.map(|seconds| value::whole(&seconds)).transpose().map_err(not_whole)?;
        page.total = total.map(|count| value::whole(&count)).transpose().map_err(not_whole)?;
        Ok(())
    }

    /// Text is fine in an element nobody knows, but not around the root element, nor between the orders of a list.
    fn text(&self, start: usize, text: &str) -> Result<(), ReadError> {
        if text::is_space(text) {
            return Ok(());
        }
        let rest = &self.text[start..];
        let start = start + rest.len() - rest.trim_ascii_start().len();
        match self.open.last() {
            None => Err(self.malformed(start, "text outside of the root element")),
            Some(&"Orders") => Err(self.malformed(start, "text between the orders")),
            Some(_) => Ok(()),
        }
    }

    /// Reads one order; of one that cannot be read, finds the end, the key and the time.
    fn entry(&mut self, tag: &Tag<'a>) -> Result<Entry, ReadError> {
        let fault = match order::order(&mut self.source, tag) {
            Ok(order) => {
                let ordered_at = order.created_at.map(jiff::Timestamp::as_second);
                let range = tag.start..self.source.offset();
                return Ok(Entry { range, id: Some(order.id), ordered_at, order: Ok(order) });
            }
            Err(Fault::Local { offset, path, reason }) => (offset, path, reason.into_owned()),
            Err(refused) => return Err(self.refuse(refused)),
        };
        let end = if tag.is_whole_element() { self.source.offset() } else { self.skip_unreadable(tag.start)? };
        Ok(self.unreadable(tag.start..end, fault))
    }

    /// Goes on behind the unreadable order that starts at `start`; returns where that is.
    fn skip_unreadable(&mut self, start: usize) -> Result<usize, ReadError> {
        let depth = self.open.len();
        match recover::order_end(self.text, start, self.open.last().copied()) {
            Some(OrderEnd::EndTag { start, end }) => {
                self.source.resume(start, depth + 1);
                self.source.next().map_err(|fault| self.refuse(fault))?;
                Ok(end)
            }
            Some(OrderEnd::Before(next)) => {
                self.source.resume(next, depth);
                Ok(next)
            }
            None => Err(ReadError::Truncated { at: self.place(self.text.len()) }),
        }
    }

    fn unreadable(&mut self, range: Range<usize>, (offset, path, reason): (usize, String, String)) -> Entry {
        let (id, ordered_at) = recover::identify(&self.text[range.clone()]);
        let line = self.line(range.start, offset);
        Entry { range, order: Err(OrderError { path, line, reason }), id, ordered_at }
    }

    /// The line of `offset`, a place in the order that starts at `start`.
    fn line(&mut self, start: usize, offset: usize) -> usize {
        // Lines are counted on from the unreadable order before, or a page full of them would take quadratic time.
        let count =
            |range: Range<usize>| self.text.as_bytes().get(range).map_or(0, |t| memchr::memchr_iter(b'\n', t).count());
        let line = self.counted.1 + count(self.counted.0..start);
        self.counted = (start, line);
        line + count(start..offset)
    }

    fn place(&self, offset: usize) -> Place {
        Place::of(self.text.as_bytes(), offset)
    }

    fn malformed(&self, offset: usize, reason: &str) -> ReadError {
        ReadError::Malformed { at: self.place(offset), reason: reason.to_owned() }
    }

    /// What a fault outside of the orders, or one too grave for one order, means for the document.
    fn refuse(&self, fault: Fault) -> ReadError {
        match fault {
            Fault::Document { offset, refusal: Refusal::Dtd } if is_html_doctype(&self.text[offset..]) => {
                ReadError::Html
            }
            Fault::Document { offset, refusal: Refusal::Dtd } => ReadError::Dtd { at: self.place(offset) },
            Fault::Document { offset, refusal: Refusal::Depth } => {
                ReadError::TooDeep { at: self.place(offset), limit: self.depth_limit }
            }
            Fault::Document { offset, refusal: Refusal::CutShort } => ReadError::Truncated { at: self.place(offset) },
            Fault::Local { reason, .. } if reason == source::UNENDED => {
                ReadError::Truncated { at: self.place(self.text.len()) }
            }
            Fault::Local { offset, reason, .. } => self.malformed(offset, &reason),
        }
    }
}

fn is_html_doctype(text: &str) -> bool {
    let Some((doctype, rest)) = text.split_at_checked("<!doctype".len()) else { return false };
    let name = rest.trim_start().split_at_checked("html".len());
    doctype.eq_ignore_ascii_case("<!doctype") && name.is_some_and(|(name, _)| name.eq_ignore_ascii_case("html"))
}

#[cfg(test)]
mod tests;
