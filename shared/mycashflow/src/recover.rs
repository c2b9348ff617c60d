//! What can still be told of an order that cannot be read: where it ends, its number and its time.

use std::borrow::Cow;

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Where an unreadable order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderEnd {
    /// At its end tag, which has this range.
    EndTag { start: usize, end: usize },
    /// It has no end tag: here the next order begins, or the list of orders ends.
    Before(usize),
}

/// Finds where the order that starts at `start` ends, by its text alone.
///
/// `wrapper` is the element around the order. Comments, CDATA sections and processing instructions are stepped over;
/// when one of them has no end, or there is no end tag at all, the document is cut short and the answer is `None`.
pub(crate) fn order_end(text: &str, start: usize, wrapper: Option<&str>) -> Option<OrderEnd> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    loop {
        at += memchr::memchr(b'<', &bytes[at..])?;
        let rest = &bytes[at..];
        if rest.starts_with(b"<!--") {
            at += 4 + memmem::find(&rest[4..], b"-->")? + 3;
        } else if rest.starts_with(b"<![CDATA[") {
            at += 9 + memmem::find(&rest[9..], b"]]>")? + 3;
        } else if rest.starts_with(b"<?") {
            at += 2 + memmem::find(&rest[2..], b"?>")? + 2;
        } else if let Some(name) = rest.strip_prefix(b"</") {
            if let Some(tag_bytes) = end_tag_bytes(name, "Order") {
                return Some(OrderEnd::EndTag { start: at, end: at + 2 + tag_bytes });
            }
            if wrapper.is_some_and(|wrapper| end_tag_bytes(name, wrapper).is_some()) {
                return Some(OrderEnd::Before(at));
            }
            at += 2;
        } else if is_order_start(text, at) {
            return Some(OrderEnd::Before(at));
        } else {
            at += 1;
        }
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
