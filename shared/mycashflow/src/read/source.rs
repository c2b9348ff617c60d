//! The events of a document, with what every reader of elements needs: tags, text, places and faults.

use std::borrow::Cow;

use quick_xml::events::Event as XmlEvent;
use quick_xml::events::attributes::Attributes;
use quick_xml::{Error as XmlError, Reader};

use super::text::{is_space_byte, resolve};

/// Why reading stopped.
pub(super) enum Fault {
    /// The whole document is refused, at this offset.
    Document { offset: usize, refusal: Refusal },
    /// Something is wrong at this offset; inside an order it spoils that order only.
    Local { offset: usize, path: String, reason: Cow<'static, str> },
}

impl Fault {
    /// The fault, as one of the element `name` in the container that it was found in.
    pub(super) fn inside(self, name: &str) -> Self {
        match self {
            Self::Local { offset, path, reason } => Self::Local { offset, path: format!("{path}/{name}"), reason },
            document => document,
        }
    }
}

/// What a document is refused for, wherever it stands.
pub(super) enum Refusal {
    /// A document type declaration.
    Dtd,
    /// Nesting beyond the limit.
    Depth,
    /// A comment, CDATA section or processing instruction without an end.
    CutShort,
}

/// A start tag or an empty-element tag.
#[derive(Clone, Copy)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    /// The offset of its `<`.
    pub(super) start: usize,
    /// The offset behind its `>`.
    end: usize,
    /// What stands between `<` and `>` or `/>`: the name, then the attributes.
    content: &'a str,
    /// Where in `content` the attributes begin.
    name_bytes: usize,
}

impl<'a> Tag<'a> {
    /// The name as it is written, where `name` may be another spelling of it.
    pub(super) fn own_name(&self) -> &'a str {
        &self.content[..self.name_bytes]
    }

    /// Whether there is anything behind the name.
    pub(super) fn has_attributes(&self) -> bool {
        self.content.len() != self.name_bytes
    }

    /// The attributes, as quick-xml has them.
    pub(super) fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.content, self.name_bytes)
    }

    /// The only attribute, if the tag has one and its value stands for itself.
    pub(super) fn only_attribute(&self) -> Option<(&'a str, &'a str)> {
        let attribute = self.content[self.name_bytes..].strip_prefix(' ')?;
        let name = &attribute[..attribute.bytes().position(|b| !b.is_ascii_alphabetic())?];
        let value = attribute[name.len()..].strip_prefix("=\"")?.strip_suffix('"')?;
        let is_plain = |b: u8| b >= b' ' && !matches!(b, b'"' | b'<' | b'&');
        (!name.is_empty() && value.bytes().all(is_plain)).then_some((name, value))
    }

    /// The same tag under the name that it is another spelling of.
    pub(super) fn spelled(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Whether the tag is the whole element: `<name/>`.
    pub(super) fn is_empty(&self) -> bool {
        // Computed, because a flag makes the tag slower to move than all its other fields together.
        self.end - self.start > "<".len() + self.content.len() + ">".len()
    }

    /// Whether nothing but this tag belongs to the element. A `<` inside the tag raises doubts: a missing quote may have
    /// swallowed what follows.
    pub(super) fn is_whole_element(&self) -> bool {
        self.is_empty() && !self.content.contains('<')
    }
}

/// One event of the document. Comments and processing instructions are not reported.
pub(super) enum Event<'a> {
    Open(Tag<'a>),
    /// An end tag, and the offset of its `<`.
    Close {
        name: &'a str,
        start: usize,
    },
    /// Character data, a CDATA section or a resolved reference.
    Text(Cow<'a, str>),
    Declaration,
    /// The end of the text, wherever it comes.
    End,
}

/// A pull reader over the decoded text.
///
/// What orders are made of, it finds by itself: tags, text, and references. Everything else (comments, CDATA sections,
/// instructions, and whatever is wrong) it leaves to quick-xml, one event at a time. So the common case is a few
/// searches for a byte, and there is one judge of what is well-formed.
pub(super) struct Source<'a> {
    text: &'a str,
    /// How far `text` has been read: always at a character's start.
    at: usize,
    /// The number of elements now open.
    depth: usize,
    depth_limit: usize,
    /// The containers now open, from the order down, each with its number among its siblings (0: the only one).
    path: Vec<(&'static str, usize)>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Source<'a> {
    /// A source of the events of `text`, which must not begin with a byte order mark.
    pub(super) fn new(text: &'a str, depth_limit: usize) -> Self {
        Self { text, at: 0, depth: 0, depth_limit, path: Vec::new(), warnings: Vec::new() }
    }

    /// Goes on at `offset`, where a `<` stands, with `depth` elements open.
    pub(super) fn resume(&mut self, offset: usize, depth: usize) {
        self.at = offset;
        self.depth = depth;
    }

    /// Begins an order: paths start from here.
    pub(super) fn begin_order(&mut self) {
        self.path.clear();
        self.warnings.clear();
        self.enter("Order", 0);
    }

    /// How far the text has been read.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next event. An end tag is reported whichever element it ends.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Event<'a>, Fault> {
        loop {
            let event = match self.text.as_bytes()[self.at..] {
                [] => return Ok(Event::End),
                [b'<', b'/', ..] => self.end_tag(),
                [b'<', ..] => match self.start_tag() {
                    Some(tag) => return self.opened(tag),
                    None => None,
                },
                [b'&', ..] => self.reference(),
                _ => Some(self.character_data()),
            };
            if let Some(event) = event {
                return Ok(event);
            }
            if let Some(event) = self.next_of_quick_xml()? {
                return Ok(event);
            }
        }
    }

    /// The tag that begins here, if there is nothing unusual about it.
    #[inline(always)]
    fn start_tag(&mut self) -> Option<Tag<'a>> {
        let start = self.at;
        let content = self.text[start..].strip_prefix('<')?;
        let bytes = content.as_bytes();
        if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
            return None;
        }
        let name_bytes = name_end(bytes)?;
        let close = match bytes[name_bytes] {
            b'>' => name_bytes,
            b'/' if bytes.get(name_bytes + 1) == Some(&b'>') => name_bytes + 1,
            b'/' | b'\'' | b'"' => return None,
            _ => name_bytes + tag_end(&bytes[name_bytes..])?,
        };
        let content_bytes = if bytes[close - 1] == b'/' { close - 1 } else { close };
        let content = &content[..content_bytes];
        self.at = start + "<".len() + close + ">".len();
        Some(Tag { name: &content[..name_bytes], start, end: self.at, content, name_bytes })
    }

    /// The tag that comes next, behind white space at most, if there is nothing unusual about it. White space between
    /// elements comes to nothing.
    #[inline(always)]
    pub(super) fn next_plain_tag(&mut self) -> Option<Tag<'a>> {
        self.at += self.text.as_bytes()[self.at..].iter().take_while(|b| is_space_byte(**b)).count();
        if self.depth == self.depth_limit {
            return None;
        }
        let tag = self.start_tag()?;
        self.depth += usize::from(!tag.is_empty());
        Some(tag)
    }

    /// The text of an element, if that and the end tag are all that is left of it. Most elements are like this.
    #[inline]
    pub(super) fn plain_text(&mut self, tag: &Tag<'a>) -> Option<&'a str> {
        if tag.is_empty() {
            return None;
        }
        let bytes = &self.text.as_bytes()[self.at..];
        let text_bytes = memchr::memchr3(b'<', b'&', b'\r', bytes)?;
        let name = tag.own_name();
        bytes[text_bytes..].strip_prefix(b"</")?.strip_prefix(name.as_bytes())?.strip_prefix(b">")?;
        let text = &self.text[self.at..self.at + text_bytes];
        self.closed(self.at + text_bytes, name, ">".len());
        Some(text)
    }

    /// Counts the element as open.
    #[inline]
    fn opened(&mut self, tag: Tag<'a>) -> Result<Event<'a>, Fault> {
        if self.depth == self.depth_limit {
            return Err(Fault::Document { offset: tag.start, refusal: Refusal::Depth });
        }
        self.depth += usize::from(!tag.is_empty());
        Ok(Event::Open(tag))
    }

    /// The end tag that begins here, if there is nothing in it but a name.
    #[inline]
    fn end_tag(&mut self) -> Option<Event<'a>> {
        let start = self.at;
        let content = &self.text[start + "</".len()..];
        let name_bytes = content.bytes().position(ends_name)?;
        (content.as_bytes()[name_bytes] == b'>').then(|| self.closed(start, &content[..name_bytes], 1))
    }

    /// Counts an element as closed: its end tag begins at `start`, and ends `more_bytes` behind its name.
    #[inline]
    fn closed(&mut self, start: usize, name: &'a str, more_bytes: usize) -> Event<'a> {
        self.at = start + "</".len() + name.len() + more_bytes;
        self.depth = self.depth.saturating_sub(1);
        Event::Close { name, start }
    }

    /// What the reference that begins here stands for, if anything.
    fn reference(&mut self) -> Option<Event<'a>> {
        let rest = &self.text[self.at + "&".len()..];
        let name_bytes = rest.bytes().position(|b| matches!(b, b';' | b'&' | b'<'))?;
        let resolved = if rest.as_bytes()[name_bytes] == b';' { resolve(&rest[..name_bytes]) } else { None }?;
        self.at += "&".len() + name_bytes + ";".len();
        Some(Event::Text(resolved))
    }

    /// The character data that begins here, with line ends as XML wants them.
    #[inline]
    fn character_data(&mut self) -> Event<'a> {
        let rest = &self.text[self.at..];
        let raw = &rest[..memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len())];
        self.at += raw.len();
        Event::Text(match memchr::memchr(b'\r', raw.as_bytes()) {
            None => Cow::Borrowed(raw),
            Some(_) => Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n")),
        })
    }

    /// The event that begins here, as quick-xml has it: what is rare, and what is wrong. Of a comment or a processing
    /// instruction there is nothing to tell.
    #[cold]
    fn next_of_quick_xml(&mut self) -> Result<Option<Event<'a>>, Fault> {
        let start = self.at;
        let rest = &self.text[start..];
        let mut reader = Reader::from_str(rest);
        // This reader has seen no start tag; whether names match is for the one who reads the element to see.
        reader.config_mut().allow_unmatched_ends = true;
        let event = reader.read_event();
        // The reader counts in u64 for the sake of streams; here it counts within a slice.
        let event_bytes = usize::try_from(reader.buffer_position()).unwrap_or(rest.len());
        self.at += event_bytes;
        let (content_bytes, name_bytes) = match event {
            Ok(XmlEvent::Start(tag) | XmlEvent::Empty(tag)) => (tag.len(), tag.name().as_ref().len()),
            Ok(XmlEvent::End(tag)) => {
                let name = &rest["</".len()..][..tag.name().as_ref().len()];
                return Ok(Some(self.closed(start, name, event_bytes - "</".len() - name.len())));
            }
            Ok(XmlEvent::Text(text)) => return Ok(Some(Event::Text(text.xml10_content()))),
            Ok(XmlEvent::CData(text)) => return Ok(Some(Event::Text(text.xml10_content()))),
            Ok(XmlEvent::GeneralRef(_)) => return Err(self.fault(start, UNDECLARED_ENTITY)),
            Ok(XmlEvent::Comment(_) | XmlEvent::PI(_)) => return Ok(None),
            Ok(XmlEvent::Decl(_)) => return Ok(Some(Event::Declaration)),
            Ok(XmlEvent::DocType(_)) => return Err(Fault::Document { offset: start, refusal: Refusal::Dtd }),
            Ok(XmlEvent::Eof) => return Ok(Some(Event::End)),
            Err(error) => return Err(self.markup_fault(start, &error)),
        };
        let content = &rest["<".len()..][..content_bytes];
        self.opened(Tag { name: &content[..name_bytes], start, end: self.at, content, name_bytes }).map(Some)
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
    pub(super) fn fault(&self, offset: usize, reason: &'static str) -> Fault {
        Fault::Local { offset, path: self.path_to(""), reason: Cow::Borrowed(reason) }
    }

    /// A fault of `leaf` (`Total`, `Variation/@id`) in the container being read.
    pub(super) fn value_fault(&self, tag: &Tag<'a>, leaf: &str, reason: impl Into<Cow<'static, str>>) -> Fault {
        Fault::Local { offset: tag.start, path: self.path_to(leaf), reason: reason.into() }
    }

    /// Notes what is odd about `leaf` in the container being read.
    pub(super) fn warn(&mut self, leaf: &str, what: &str) {
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

    fn markup_fault(&self, start: usize, error: &XmlError) -> Fault {
        use quick_xml::errors::{IllFormedError, SyntaxError};
        let reason = match error {
            XmlError::Syntax(SyntaxError::UnclosedDoctype)
            | XmlError::IllFormed(IllFormedError::MissingDoctypeName) => {
                return Fault::Document { offset: start, refusal: Refusal::Dtd };
            }
            XmlError::Syntax(
                SyntaxError::UnclosedComment
                | SyntaxError::UnclosedCData
                | SyntaxError::UnclosedPI
                | SyntaxError::UnclosedXmlDecl,
            ) => return Fault::Document { offset: start, refusal: Refusal::CutShort },
            XmlError::Syntax(_) if memchr::memchr(b'>', &self.text.as_bytes()[start..]).is_none() => UNENDED,
            XmlError::Syntax(SyntaxError::InvalidBangMarkup) => "neither a comment nor a CDATA section after <!",
            XmlError::Syntax(_) => "a tag without its end",
            XmlError::IllFormed(IllFormedError::UnclosedReference) => "an ampersand that begins no reference",
            _ => "not well-formed",
        };
        self.fault(start, reason)
    }
}

/// Whether a tag's name ends before this byte.
#[inline]
fn ends_name(byte: u8) -> bool {
    // A table is quicker to ask than eight questions.
    const ENDS: [bool; 256] = {
        let mut ends = [false; 256];
        let mut rest: &[u8] = b">/ \t\r\n'\"";
        while let [byte, more @ ..] = rest {
            ends[*byte as usize] = true;
            rest = more;
        }
        ends
    };
    ENDS[usize::from(byte)]
}

/// Where a tag's name ends.
#[inline]
fn name_end(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let mut at = 0;
    // Eight bytes at a time: whatever ends a name is less than any letter, and few other characters of names are.
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*eight);
        let less = word.wrapping_sub(EACH * u64::from(b'A')) & !word & (EACH * 0x80);
        if less == 0 {
            at += 8;
            continue;
        }
        at += less.trailing_zeros() as usize / 8;
        if ends_name(bytes[at]) {
            return Some(at);
        }
        at += 1;
    }
    bytes[at..].iter().position(|b| ends_name(*b)).map(|more| at + more)
}

/// Where the `>` is that ends a tag: the first one outside of quotes.
#[inline]
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|b| matches!(b, b'>' | b'"' | b'\''))?;
        match bytes[at] {
            b'>' => return Some(at),
            quote => at += 2 + bytes[at + 1..].iter().position(|b| *b == quote)?,
        }
    }
}

/// The reason of a fault where the text ends before the element.
pub(super) const UNENDED: &str = "an element without its end tag";
pub(super) const STRAY_DECLARATION: &str = "an XML declaration inside the document";
pub(super) const MISMATCH: &str = "an end tag that does not match its start tag";
pub(super) const UNDECLARED_ENTITY: &str = "a reference to an entity that is not declared";
pub(super) const BAD_ATTRIBUTE: &str = "a malformed or repeated attribute";
