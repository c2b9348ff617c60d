//! The way through the elements around the orders, from one order to the next.

use std::ops::Range;

use super::error::{OrderError, Place, ReadError, shown};
use super::fault::{Fault, Reason, Refusal};
use super::source::{Markup, Source, Tag};
use super::{Entry, Page, order, text, value};
use crate::decode::Decoded;
use crate::recover::{self, OrderEnd, OrderEnds};
use crate::work;

/// The walk over a document.
pub(super) struct Walk<'a> {
    document: &'a Decoded<'a>,
    text: &'a str,
    depth_limit: usize,
    source: Source<'a>,
    ends: OrderEnds<'a>,
    /// The elements now open around the orders, from the root down.
    open: Vec<String>,
    root: Option<String>,
    /// Whether an `<Orders>` was seen: then no orders is an answer.
    listed: bool,
    /// How many elements were opened that are neither an order nor a list of them.
    others: usize,
    /// Whether one of them is not around the list, or says something.
    has_others: bool,
    /// Whether an order was broken, or will be for a byte that is no character. From then on the end of each order is looked
    /// for before it is read, so that whatever is broken in it is never read further than to there. Otherwise each of many
    /// broken orders could be read to the end of the document.
    careful: bool,
    /// Up to here, no order is to be expected of which a bad byte has spoiled the start tag.
    looked_until: usize,
    /// An offset, and the line it is on.
    counted: (usize, usize),
}

impl<'a> Walk<'a> {
    pub(super) fn new(document: &'a Decoded<'a>, depth_limit: usize) -> Self {
        let text = document.text.as_str();
        let source = Source::new(text, depth_limit);
        let (open, root, listed, careful) = (Vec::new(), None, false, !document.is_valid());
        let (looked_until, counted) = (0, (0, 1));
        Self {
            document,
            text,
            depth_limit,
            source,
            ends: OrderEnds::new(document),
            open,
            root,
            listed,
            others: 0,
            has_others: false,
            careful,
            looked_until,
            counted,
        }
    }

    pub(super) fn run(mut self, page: &mut Page) -> Result<(), ReadError> {
        loop {
            let start = self.source.offset();
            if let Some(range) = self.order_without_start(start) {
                self.skip_unreadable(start)?;
                let offset = range.start;
                page.entries.push(self.unreadable(range, offset, "Order".to_owned(), Reason::InvalidUtf8));
                continue;
            }
            if self.careful {
                let end = self.visible_end(start);
                self.source.show_until(end);
            }
            let event = match self.source.next() {
                Ok(event) => event,
                // An order whose very start tag is broken. Only as the root is it the end of the document.
                Err(stopped) => match *stopped {
                    Fault::Local { offset, reason, .. }
                        if self.root.is_some() && recover::is_order_start(self.text, offset) =>
                    {
                        let end = self.skip_unreadable(offset)?;
                        page.entries.push(self.unreadable(offset..end, offset, "Order".to_owned(), reason));
                        continue;
                    }
                    Fault::Local { offset, reason: Reason::Mismatch, .. } if self.closes_undecoded(offset) => {
                        self.open.pop();
                        continue;
                    }
                    fault => return Err(self.refuse(fault)),
                },
            };
            match event {
                Markup::Open(tag) => self.open(&tag, page)?,
                Markup::Close(name) if self.open.pop().as_deref() == Some(name) => {}
                Markup::Close(_) => return Err(self.malformed(start, Reason::Mismatch)),
                Markup::Text(text) => self.text(start, &text)?,
                Markup::Declaration if self.root.is_none() => {}
                Markup::Declaration => return Err(self.malformed(start, Reason::StrayDeclaration)),
                Markup::End => break,
            }
        }
        page.has_others = self.has_others;
        match &self.root {
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

    /// How far the source may look from `start` on: to the end of the order that begins there, if one does.
    fn visible_end(&mut self, start: usize) -> usize {
        let end = if recover::is_order_start(self.text, start) { self.order_end(start) } else { None };
        end.map_or(self.text.len(), OrderEnd::offset)
    }

    fn order_end(&mut self, start: usize) -> Option<OrderEnd> {
        self.ends.order_end(start, self.open.last().map(String::as_str))
    }

    /// The order that begins at `start`, or behind white space there, if a bad byte has spoiled its start tag.
    fn order_without_start(&mut self, start: usize) -> Option<Range<usize>> {
        let (text, document) = (self.text, self.document);
        if document.is_valid() || self.root.is_none() || start < self.looked_until {
            return None;
        }
        if recover::is_order_start(text, start) {
            return None;
        }
        let end = self.order_end(start);
        self.looked_until = end.map_or(text.len(), OrderEnd::offset);
        let Some(OrderEnd::EndTag { end, .. }) = end else { return None };
        let start = start + text[start..].len() - text[start..].trim_ascii_start().len();
        document.first_invalid(&(start..end)).map(|_| start..end)
    }

    /// Whether an end tag at `offset` is that of the element now open, but for bad bytes in one of the two.
    fn closes_undecoded(&self, offset: usize) -> bool {
        let end = offset + self.text[offset..].find('>').unwrap_or_default();
        let is_undecoded = |name: &String| name.contains(char::REPLACEMENT_CHARACTER);
        !self.document.is_valid()
            && (self.document.first_invalid(&(offset..end)).is_some() || self.open.last().is_some_and(is_undecoded))
    }

    fn open(&mut self, tag: &Tag<'a>, page: &mut Page) -> Result<(), ReadError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.malformed(tag.start, Reason::SecondRoot));
        }
        self.root.get_or_insert_with(|| tag.name().to_owned());
        match tag.name() {
            "Order" => {
                let entry = self.entry(tag)?;
                page.entries.push(entry);
                return Ok(());
            }
            // A quote that is missing here has made a part of this tag of the orders that follow.
            _ if tag.has_markup_inside() => return Err(self.malformed(tag.start, Reason::BadAttribute)),
            "Orders" if !self.listed => {
                self.listed = true;
                self.has_others |= self.others > self.open.len();
                self.span(tag, page);
            }
            "Orders" => {}
            name if name.eq_ignore_ascii_case("error") => return Err(ReadError::ErrorDocument),
            name if name.eq_ignore_ascii_case("html") => return Err(ReadError::Html),
            _ => {
                self.others += 1;
                self.has_others |= self.listed;
            }
        }
        if !tag.is_empty {
            self.open.push(tag.name().to_owned());
        }
        Ok(())
    }

    /// Reads the attributes of the list. They say how complete it is; that they cannot be read is no reason to refuse it.
    fn span(&mut self, tag: &Tag<'a>, page: &mut Page) {
        let mut tells_of_error = false;
        for (name, value) in self.source.each_attribute(tag) {
            let Ok(value) = value else {
                page.warnings.push("Orders: an attribute that cannot be read".to_owned());
                continue;
            };
            let value = text::trim(value);
            let read = match name {
                _ if value.is_empty() => continue,
                "time_from" => value::second(&value).map(|seconds| page.time_from = Some(seconds)),
                "time_to" => value::second(&value).map(|seconds| page.time_to = Some(seconds)),
                "orders" => value::count(&value).map(|count| page.total = Some(count)),
                _ => {
                    tells_of_error |= name.to_ascii_lowercase().contains("error");
                    continue;
                }
            };
            if let Err(fault) = read {
                page.warnings.push(format!("Orders/@{name}: {fault}"));
            }
        }
        self.has_others |= tells_of_error;
    }

    /// Text is fine in an unknown element, but not around the root element, nor between the orders of a list.
    fn text(&mut self, start: usize, text: &str) -> Result<(), ReadError> {
        let reason = match self.open.last().map(String::as_str) {
            _ if text::is_space(text) => return Ok(()),
            None => Reason::TextOutside,
            Some("Orders") => Reason::TextBetweenOrders,
            Some(_) => {
                self.has_others = true;
                return Ok(());
            }
        };
        // A byte that is no character, between two orders, is of no order; and programs that are put together of several
        // files send a byte order mark in front of each.
        let nothing_but = |other: char| text.chars().all(|c| text::is_xml_space(c) || c == other);
        let end = self.source.offset();
        match self.document.first_invalid(&(start..end)) {
            Some(_) if self.root.is_some() && nothing_but(char::REPLACEMENT_CHARACTER) => Ok(()),
            Some(invalid) => Err(ReadError::InvalidUtf8 { at: self.place(invalid) }),
            None if self.root.is_none() && nothing_but('\u{FEFF}') => Ok(()),
            None => {
                let rest = &self.text[start..];
                Err(self.malformed(start + rest.len() - rest.trim_ascii_start().len(), reason))
            }
        }
    }

    /// Reads one order; of one that cannot be read, finds the end, the key and the time.
    fn entry(&mut self, tag: &Tag<'a>) -> Result<Entry, ReadError> {
        let (offset, path, reason) = match order::order(&mut self.source, tag) {
            Ok(order) => {
                let range = tag.start..self.source.offset();
                if let Some(invalid) = self.document.first_invalid(&range) {
                    return Ok(self.unreadable(range, invalid, "Order".to_owned(), Reason::InvalidUtf8));
                }
                let ordered_at = order.created_at.map(jiff::Timestamp::as_second);
                return Ok(Entry { range, id: Some(order.id), ordered_at, order: Ok(order), undecoded: None });
            }
            Err(stopped) => match *stopped {
                Fault::Local { offset, path, reason } => (offset, path, reason),
                // The end of a comment or the like was not found, because of a bad byte in it.
                Fault::Document { offset, refusal: Refusal::CutShort } if self.is_undecoded(tag.start) => {
                    (offset, "Order".to_owned(), Reason::InvalidUtf8)
                }
                refused @ Fault::Document { .. } => return Err(self.refuse(refused)),
            },
        };
        let is_whole = tag.is_empty && !tag.has_markup_inside();
        let end = if is_whole { self.source.offset() } else { self.skip_unreadable(tag.start)? };
        Ok(self.unreadable(tag.start..end, offset, path, reason))
    }

    /// Whether there is a bad byte in the order that begins at `start`.
    fn is_undecoded(&mut self, start: usize) -> bool {
        let end = self.order_end(start).map_or(self.text.len(), OrderEnd::offset);
        self.document.first_invalid(&(start..end)).is_some()
    }

    /// Continues behind the unreadable order that starts at `start`; returns where that is.
    fn skip_unreadable(&mut self, start: usize) -> Result<usize, ReadError> {
        self.careful = true;
        let depth = self.open.len();
        match self.order_end(start) {
            Some(OrderEnd::EndTag { start, end }) => {
                self.source.resume(start, depth + 1);
                self.source.next().map_err(|stopped| self.refuse(*stopped))?;
                Ok(end)
            }
            Some(OrderEnd::Before(next)) => {
                self.source.resume(next, depth);
                Ok(next)
            }
            None => Err(ReadError::Truncated { at: self.place(self.text.len()) }),
        }
    }

    fn unreadable(&mut self, range: Range<usize>, offset: usize, path: String, reason: Reason) -> Entry {
        let (id, ordered_at) = recover::identify(&self.text[range.clone()]);
        let line = self.line(range.start, offset);
        work::note(range.len());
        let undecoded =
            self.document.first_invalid(&range).map(|_| self.document.bytes_of(&range).to_vec().into_boxed_slice());
        Entry { range, order: Err(OrderError { path, line, reason }), id, ordered_at, undecoded }
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

    fn malformed(&self, offset: usize, reason: Reason) -> ReadError {
        ReadError::Malformed { at: self.place(offset), reason }
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
            Fault::Local { reason: Reason::Unended, .. } => ReadError::Truncated { at: self.place(self.text.len()) },
            Fault::Local { offset, reason, .. } => self.malformed(offset, reason),
        }
    }
}

fn is_html_doctype(text: &str) -> bool {
    let Some((doctype, rest)) = text.split_at_checked("<!doctype".len()) else { return false };
    let name = rest.trim_start().split_at_checked("html".len());
    doctype.eq_ignore_ascii_case("<!doctype") && name.is_some_and(|(name, _)| name.eq_ignore_ascii_case("html"))
}
