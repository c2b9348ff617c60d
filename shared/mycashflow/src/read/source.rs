//! The events of a document, with what every reader of elements needs: tags, text, places and faults.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::errors::{IllFormedError, SyntaxError};
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesStart, Event as XmlEvent};
use quick_xml::{Error as XmlError, Reader};

use super::fault::{Fault, Reason, Refusal, Stopped};
use super::text::resolve;
use crate::work;

/// A start tag or an empty-element tag.
pub(super) struct Tag<'a> {
    /// The tag as quick-xml has it.
    tag: BytesStart<'a>,
    /// The offset of its `<`.
    pub(super) start: usize,
    /// Whether the tag is the whole element: `<name/>`.
    pub(super) is_empty: bool,
}

impl<'a> Tag<'a> {
    pub(super) fn name(&self) -> &str {
        self.tag.name().into_inner()
    }

    /// Whether there is anything behind the name.
    pub(super) fn has_attributes(&self) -> bool {
        self.tag.len() != self.name().len()
    }

    /// The attributes, as quick-xml has them.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        let mut attributes = self.tag.attributes();
        // Whoever reads them sees which of them is repeated, and has no need to remember them all twice.
        attributes.with_checks(false);
        attributes
    }

    /// Whether there is a `<` inside the tag, which XML does not allow: a missing quote may have swallowed what follows.
    pub(super) fn has_markup_inside(&self) -> bool {
        memchr::memchr(b'<', self.tag.as_bytes()).is_some()
    }
}

/// One event of the document. Comments and processing instructions are not reported.
pub(super) enum Markup<'a> {
    Open(Tag<'a>),
    Close(&'a str),
    /// Character data, a CDATA section or a resolved reference.
    Text(Cow<'a, str>),
    Declaration,
    /// The end of the text, wherever it comes.
    End,
}

/// An event as quick-xml has it.
pub(super) type Raw<'a> = Result<XmlEvent<'a>, XmlError>;

/// A pull reader over the decoded text: the events of quick-xml, which alone judges what is XML, with their places.
pub(super) struct Source<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where in `text` the reader began: it counts from there.
    base: usize,
    /// Where the part of `text` ends that the reader may see.
    end: usize,
    /// Whether there are line ends in `text` that are to be changed as XML asks for.
    pub(super) has_carriage_returns: bool,
    /// The number of elements now open.
    depth: usize,
    depth_limit: usize,
    /// The containers now open, from the order down, each with its number among its siblings (0: the only one).
    path: Vec<(&'static str, usize)>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Source<'a> {
    /// A source of the events of `text`, which must not begin with a byte order mark: a reader takes that off.
    pub(super) fn new(text: &'a str, depth_limit: usize) -> Self {
        let has_carriage_returns = memchr::memchr(b'\r', text.as_bytes()).is_some();
        let (base, end, depth) = (0, text.len(), 0);
        let (path, warnings) = (Vec::new(), Vec::new());
        Self { text, reader: reader_of(text), base, end, has_carriage_returns, depth, depth_limit, path, warnings }
    }

    /// Continues at `offset`, where a `<` stands, with `depth` elements open.
    pub(super) fn resume(&mut self, offset: usize, depth: usize) {
        self.reader = reader_of(&self.text[offset..]);
        self.base = offset;
        self.end = self.text.len();
        self.depth = depth;
    }

    /// Lets the reader see the text up to `end` and no further.
    pub(super) fn show_until(&mut self, end: usize) {
        *self.reader.get_mut() = self.text.as_bytes().get(self.offset()..end).unwrap_or_default();
        self.end = end;
    }

    /// Begins an order: paths start from here.
    pub(super) fn begin_order(&mut self) {
        self.path.clear();
        self.warnings.clear();
        self.enter("Order", 0);
    }

    /// How far the text has been read.
    pub(super) fn offset(&self) -> usize {
        // The reader counts in u64 for the sake of streams; here it counts within a slice.
        self.base + usize::try_from(self.reader.buffer_position()).unwrap_or(self.text.len())
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<Markup<'a>, Stopped> {
        loop {
            let (start, event) = self.raw();
            if let Some(event) = self.told(start, event)? {
                return Ok(event);
            }
        }
    }

    /// The next event as quick-xml has it, and where it begins.
    #[inline(always)]
    pub(super) fn raw(&mut self) -> (usize, Raw<'a>) {
        let start = self.offset();
        let event = self.reader.read_event();
        work::note(self.offset() - start);
        (start, event)
    }

    /// What an event of quick-xml is to the reader of elements: nothing if it is a comment or an instruction.
    pub(super) fn told(&mut self, start: usize, event: Raw<'a>) -> Result<Option<Markup<'a>>, Stopped> {
        Ok(Some(match event {
            Ok(XmlEvent::Start(tag)) => Markup::Open(self.opened(start, tag)?),
            Ok(XmlEvent::Empty(tag)) => Markup::Open(self.tag(start, tag, true)?),
            Ok(XmlEvent::Text(text)) => Markup::Text(text.xml10_content()),
            Ok(XmlEvent::CData(text)) => Markup::Text(text.xml10_content()),
            Ok(XmlEvent::GeneralRef(name)) => match resolve(&name) {
                Some(text) => Markup::Text(text),
                None => return Err(self.fault(start, Reason::UndeclaredEntity)),
            },
            Ok(XmlEvent::End(tag)) => {
                self.closed();
                Markup::Close(self.slice(start + "</".len(), tag.name().as_ref().len()))
            }
            Ok(XmlEvent::Comment(_) | XmlEvent::PI(_)) => return Ok(None),
            Ok(XmlEvent::Decl(_)) => Markup::Declaration,
            Ok(XmlEvent::DocType(_)) => return Err(refused(start, Refusal::Dtd)),
            Ok(XmlEvent::Eof) => Markup::End,
            Err(error) => return Err(self.markup_fault(start, &error)),
        }))
    }

    /// Counts an element as open.
    #[inline(always)]
    pub(super) fn opened(&mut self, start: usize, tag: BytesStart<'a>) -> Result<Tag<'a>, Stopped> {
        let tag = self.tag(start, tag, false)?;
        self.depth += 1;
        Ok(tag)
    }

    /// Counts an element as closed.
    #[inline(always)]
    pub(super) fn closed(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    #[inline(always)]
    fn tag(&self, start: usize, tag: BytesStart<'a>, is_empty: bool) -> Result<Tag<'a>, Stopped> {
        if self.depth == self.depth_limit {
            return Err(refused(start, Refusal::Depth));
        }
        Ok(Tag { tag, start, is_empty })
    }

    /// What the reader found at `start`, as a part of the text. The reader's own is bound to its event.
    #[inline(always)]
    fn slice(&self, start: usize, bytes: usize) -> &'a str {
        self.text.get(start..start + bytes).unwrap_or_default()
    }

    /// Goes into a container; `number` tells it from its siblings, 0 if it has none.
    pub(super) fn enter(&mut self, name: &'static str, number: usize) {
        self.path.push((name, number));
    }

    /// Leaves the container entered last.
    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    /// A fault of the container being read.
    #[cold]
    pub(super) fn fault(&self, offset: usize, reason: Reason) -> Stopped {
        Box::new(Fault::Local { offset, path: self.path_to(""), reason })
    }

    /// A fault of `leaf` (`Total`, `Variation/@id`) in the container being read.
    #[cold]
    pub(super) fn value_fault(&self, tag: &Tag<'a>, leaf: &str, reason: impl Into<Reason>) -> Stopped {
        Box::new(Fault::Local { offset: tag.start, path: self.path_to(leaf), reason: reason.into() })
    }

    /// Notes what is odd about `leaf` in the container being read.
    #[cold]
    pub(super) fn warn(&mut self, leaf: &str, what: impl std::fmt::Display) {
        let path = self.path_to(leaf);
        self.warnings.push(format!("{path}: {what}"));
    }

    fn path_to(&self, leaf: &str) -> String {
        let mut path = String::new();
        for (name, number) in &self.path {
            path.push_str(name);
            if *number > 0 {
                path.push_str(&format!("[{number}]"));
            }
            path.push('/');
        }
        path.push_str(leaf);
        path.truncate(path.trim_end_matches('/').len());
        path
    }

    #[cold]
    fn markup_fault(&self, start: usize, error: &XmlError) -> Stopped {
        let reason = match error {
            XmlError::Syntax(SyntaxError::UnclosedDoctype)
            | XmlError::IllFormed(IllFormedError::MissingDoctypeName) => return refused(start, Refusal::Dtd),
            XmlError::Syntax(
                SyntaxError::UnclosedComment
                | SyntaxError::UnclosedCData
                | SyntaxError::UnclosedPI
                | SyntaxError::UnclosedXmlDecl,
            ) => return refused(start, Refusal::CutShort),
            XmlError::Syntax(_) if !self.has_tag_end(start..self.end) => Reason::Unended,
            XmlError::Syntax(SyntaxError::InvalidBangMarkup) => Reason::BadMarkup,
            XmlError::Syntax(_) => Reason::UnendedTag,
            XmlError::IllFormed(IllFormedError::UnclosedReference) => Reason::LoneAmpersand,
            XmlError::IllFormed(IllFormedError::MismatchedEndTag { .. }) => Reason::Mismatch,
            _ => Reason::NotWellFormed,
        };
        self.fault(start, reason)
    }

    fn has_tag_end(&self, range: Range<usize>) -> bool {
        self.text.as_bytes().get(range).is_some_and(|rest| memchr::memchr(b'>', rest).is_some())
    }
}

#[cold]
fn refused(offset: usize, refusal: Refusal) -> Stopped {
    Box::new(Fault::Document { offset, refusal })
}

fn reader_of(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    // A reader that begins in the middle has not seen the start tags of the elements around it: whether their end tags
    // match is for the one who reads them to see. Of all others, this reader does.
    reader.config_mut().allow_unmatched_ends = true;
    reader
}
