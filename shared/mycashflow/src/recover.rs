//! What can still be told of an order that cannot be read: where it ends, its number and its time.

use std::borrow::Cow;

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::decode::Decoded;
use crate::work;

/// Where an unreadable order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderEnd {
    /// At its end tag, which has this range.
    EndTag { start: usize, end: usize },
    /// It has no end tag: here the next order begins, or the list of orders ends.
    Before(usize),
}

impl OrderEnd {
    /// Where the order ends.
    pub(crate) fn offset(self) -> usize {
        match self {
            Self::EndTag { end, .. } | Self::Before(end) => end,
        }
    }
}

/// What tags are no tags in, by how it begins and ends.
const SECTIONS: [(&[u8], &[u8]); 3] = [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")];

/// Finds the ends of a document's orders, by its text alone. What was found is kept, so that to look for one order's end
/// after the other is work in proportion to the document.
pub(crate) struct OrderEnds<'a> {
    document: &'a Decoded<'a>,
    /// For each of the sections: from where on its end was looked for last, and where that is.
    closings: [Option<(usize, usize)>; SECTIONS.len()],
    /// The start that was asked for last, and the answer.
    last: Option<(usize, Option<OrderEnd>)>,
}

impl<'a> OrderEnds<'a> {
    pub(crate) fn new(document: &'a Decoded<'a>) -> Self {
        Self { document, closings: [None; SECTIONS.len()], last: None }
    }

    /// Where the order ends that begins at `start`, or that `start` is in.
    ///
    /// `wrapper` is the element around the order. Comments, CDATA sections and processing instructions are stepped over;
    /// when one of them has no end, or there is no end tag at all, the document is cut short and the answer is `None`.
    /// One with bytes in it that are no text is not stepped over: it may be its end that they have spoiled.
    pub(crate) fn order_end(&mut self, start: usize, wrapper: Option<&str>) -> Option<OrderEnd> {
        if let Some((asked, found)) = self.last
            && asked == start
        {
            return found;
        }
        let found = self.look_for_end(start, wrapper);
        work::note(found.map_or(self.document.text.len(), OrderEnd::offset) - start);
        self.last = Some((start, found));
        found
    }

    fn look_for_end(&mut self, start: usize, wrapper: Option<&str>) -> Option<OrderEnd> {
        let text = self.document.text.as_str();
        let mut at = start;
        loop {
            at += memchr::memchr(b'<', text.as_bytes().get(at..)?)?;
            let rest = &text.as_bytes()[at..];
            if let Some(kind) = SECTIONS.iter().position(|(opening, _)| rest.starts_with(opening)) {
                let inside = at + SECTIONS[kind].0.len();
                let end = self.section_end(kind, inside);
                at = match end {
                    _ if self.document.first_invalid(&(at..end.unwrap_or(text.len()))).is_some() => inside,
                    Some(end) => end,
                    None => return None,
                };
            } else if let Some(name) = rest.strip_prefix(b"</") {
                if let Some(tag_bytes) = end_tag_bytes(name, "Order") {
                    return Some(OrderEnd::EndTag { start: at, end: at + 2 + tag_bytes });
                }
                if wrapper.is_some_and(|wrapper| end_tag_bytes(name, wrapper).is_some()) {
                    return Some(OrderEnd::Before(at));
                }
                at += 2;
            } else if at > start && is_order_start(text, at) {
                return Some(OrderEnd::Before(at));
            } else {
                at += 1;
            }
        }
    }

    /// Where a section ends, of which `inside` is a place.
    fn section_end(&mut self, kind: usize, inside: usize) -> Option<usize> {
        let (_, closing) = SECTIONS[kind];
        let bytes = self.document.text.as_bytes();
        let end = match self.closings[kind] {
            Some((from, end)) if from <= inside && inside <= end => end,
            _ => {
                let found = memmem::find(&bytes[inside..], closing).map_or(bytes.len(), |found| inside + found);
                work::note(found - inside);
                self.closings[kind] = Some((inside, found));
                found
            }
        };
        (end < bytes.len()).then(|| end + closing.len())
    }
}

/// The length of `NAME>`, with white space allowed before the `>`, if `rest` begins with it.
fn end_tag_bytes(rest: &[u8], name: &str) -> Option<usize> {
    let after_name = rest.strip_prefix(name.as_bytes())?;
    let close = after_name.trim_ascii_start();
    close.starts_with(b">").then(|| rest.len() - close.len() + 1)
}

/// Whether `<Order` stands at `at`, and not a longer name such as `<OrderNumber`.
pub(crate) fn is_order_start(text: &str, at: usize) -> bool {
    text.as_bytes()
        .get(at..)
        .and_then(|rest| rest.strip_prefix(b"<Order"))
        .and_then(<[u8]>::first)
        .is_some_and(|next| next.is_ascii_whitespace() || matches!(next, b'>' | b'/'))
}

/// The order's `id` and `OrderedAt/@timestamp` (Unix seconds), as far as its text shows them.
pub(crate) fn identify(order: &str) -> (Option<u64>, Option<i64>) {
    let ordered_at = memmem::find(order.as_bytes(), b"<OrderedAt").map_or("", |at| &order[at..]);
    (
        attribute(order, "id").and_then(|id| id.parse().ok()),
        attribute(ordered_at, "timestamp").and_then(|s| s.parse().ok()),
    )
}

/// An attribute of the start tag that `text` begins with.
fn attribute(text: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(text);
    let (Ok(Event::Start(tag)) | Ok(Event::Empty(tag))) = reader.read_event() else { return None };
    // Bound to the tag, so the value is copied.
    let value = tag.try_get_attribute(name).ok()??.value;
    Some(Cow::into_owned(value).trim().to_owned())
}
