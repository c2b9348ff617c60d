//! The events of a document, with what every reader of elements needs: text, attributes, places and faults.

use std::borrow::Cow;

use quick_xml::events::Event as XmlEvent;
use quick_xml::events::attributes::Attributes;
use quick_xml::{Error as XmlError, Reader};

use super::text::{attribute_value, is_name, is_space, join, non_empty, resolve, trim};
use crate::order::Extra;

/// Why reading stopped.
pub(super) enum Fault {
    /// The whole document is refused, at this offset.
    Document { offset: usize, refusal: Refusal },
    /// Something is wrong at this offset; inside an order it spoils that order only.
    Local { offset: usize, path: String, reason: Cow<'static, str> },
}

impl Fault {
    /// The fault, as one of the element `name` in the container that it was found in.
    fn inside(self, name: &str) -> Self {
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

impl Tag<'_> {
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
    /// An end tag, by its name.
    Close(&'a str),
    /// Character data, a CDATA section or a resolved reference.
    Text(Cow<'a, str>),
    Declaration,
    /// The end of the text, wherever it comes.
    End,
}

/// One thing inside of an element.
enum Inside<'a> {
    Element(Tag<'a>),
    Text(Cow<'a, str>),
}

/// A trimmed text or attribute; an empty one is none.
pub(super) type Value<'a> = Option<Cow<'a, str>>;

/// What the specification does not name, gathered for one order, contact or line.
#[derive(Default)]
pub(super) struct Rest {
    pub(super) extra: Vec<Extra>,
    /// The path from the owner of `extra` down to the element being read, such as `Documents/`.
    pub(super) prefix: &'static str,
}

impl Rest {
    /// Whether something of an earlier element of this name is kept. Then another one is a repetition, even if the
    /// earlier one had no value.
    pub(super) fn keeps(&self, name: &str) -> bool {
        let of_element = |extra: &Extra| {
            let inside = extra.name.strip_prefix(self.prefix).and_then(|path| path.strip_prefix(name));
            inside.is_some_and(|inside| inside.starts_with('/'))
        };
        self.extra.iter().any(of_element)
    }
}

/// A pull reader over the decoded text.
pub(super) struct Source<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where in `text` the reader was started.
    base: usize,
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
        let mut source = Self {
            text,
            reader: Reader::from_str(""),
            base: 0,
            depth: 0,
            depth_limit,
            path: Vec::new(),
            warnings: Vec::new(),
        };
        source.resume(0, 0);
        source
    }

    /// Starts anew at `offset`, where a `<` stands (or the text begins), with `depth` elements open.
    pub(super) fn resume(&mut self, offset: usize, depth: usize) {
        self.reader = Reader::from_str(&self.text[offset..]);
        // The reader has not seen the start tags before `offset`; the page compares their names itself.
        self.reader.config_mut().allow_unmatched_ends = true;
        self.base = offset;
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
        // The reader counts in u64 for the sake of streams; here it counts within a slice.
        self.base + usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The next event.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Event<'a>, Fault> {
        loop {
            let start = self.offset();
            let (content_bytes, name_bytes, empty) = match self.reader.read_event() {
                Ok(XmlEvent::Start(tag)) => (tag.len(), tag.name().as_ref().len(), false),
                Ok(XmlEvent::Empty(tag)) => (tag.len(), tag.name().as_ref().len(), true),
                Ok(XmlEvent::End(tag)) => {
                    let name_bytes = tag.name().as_ref().len();
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Event::Close(&self.text[start + 2..start + 2 + name_bytes]));
                }
                Ok(XmlEvent::Text(_)) => return Ok(Event::Text(self.character_data(start))),
                Ok(XmlEvent::CData(text)) => return Ok(Event::Text(text.xml10_content())),
                Ok(XmlEvent::GeneralRef(name)) => {
                    return resolve(&name).map(Event::Text).ok_or_else(|| self.fault(start, UNDECLARED_ENTITY));
                }
                Ok(XmlEvent::Comment(_) | XmlEvent::PI(_)) => continue,
                Ok(XmlEvent::Decl(_)) => return Ok(Event::Declaration),
                Ok(XmlEvent::DocType(_)) => return Err(Fault::Document { offset: start, refusal: Refusal::Dtd }),
                Ok(XmlEvent::Eof) => return Ok(Event::End),
                Err(error) => return Err(self.markup_fault(start, &error)),
            };
            let content = &self.text[start + 1..start + 1 + content_bytes];
            if self.depth == self.depth_limit {
                return Err(Fault::Document { offset: start, refusal: Refusal::Depth });
            }
            self.depth += usize::from(!empty);
            return Ok(Event::Open(Tag {
                name: &content[..name_bytes],
                start,
                end: self.offset(),
                content,
                name_bytes,
            }));
        }
    }

    /// The character data from `start` up to where the text has been read, with line ends as XML wants them.
    ///
    /// Taken from the text by its place, which is faster than to move it out of the reader's event.
    fn character_data(&self, start: usize) -> Cow<'a, str> {
        let raw = &self.text[start..self.offset()];
        match memchr::memchr(b'\r', raw.as_bytes()) {
            None => Cow::Borrowed(raw),
            Some(_) => Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n")),
        }
    }

    /// The next element inside the container of `tag`; none at its end. Text among them is kept in `rest`.
    pub(super) fn child(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<Option<Tag<'a>>, Fault> {
        let mut stray = Cow::Borrowed("");
        let child = loop {
            match self.inside(tag)? {
                Some(Inside::Element(child)) => break Some(child),
                Some(Inside::Text(text)) if stray.is_empty() && is_space(&text) => {}
                Some(Inside::Text(text)) => join(&mut stray, text),
                None => break None,
            }
        };
        if let Some(text) = non_empty(trim(stray)) {
            let owner = if rest.prefix.is_empty() { tag.name } else { rest.prefix.trim_end_matches('/') };
            rest.extra.push(Extra { name: format!("{owner}/text()"), text: Some(text), ..Extra::default() });
        }
        Ok(child)
    }

    /// What comes next inside the element of `tag`; nothing at its end.
    #[inline]
    fn inside(&mut self, tag: &Tag<'a>) -> Result<Option<Inside<'a>>, Fault> {
        if tag.is_empty() {
            return Ok(None);
        }
        match self.next()? {
            Event::Open(child) => Ok(Some(Inside::Element(child))),
            Event::Text(text) => Ok(Some(Inside::Text(text))),
            Event::Close(_) => Ok(None),
            Event::Declaration => Err(self.fault(self.offset(), STRAY_DECLARATION)),
            Event::End => Err(self.fault(self.offset(), UNENDED)),
        }
    }

    /// The text and the named attributes of an element that has no elements of its own.
    ///
    /// Values are trimmed of white space; empty ones are `None`. Other attributes and elements are kept in `rest`.
    pub(super) fn leaf<const N: usize>(
        &mut self,
        tag: &Tag<'a>,
        names: [&str; N],
        rest: &mut Rest,
    ) -> Result<(Value<'a>, [Value<'a>; N]), Fault> {
        let attributes = self.attributes(tag, names, rest).map_err(|fault| fault.inside(tag.name))?;
        let mut value = Cow::Borrowed("");
        while let Some(inside) = self.inside(tag).map_err(|fault| fault.inside(tag.name))? {
            match inside {
                Inside::Text(text) => join(&mut value, text),
                Inside::Element(child) => {
                    let element = self.element(&child)?;
                    let name = format!("{}{}/{}", rest.prefix, tag.name, element.name);
                    rest.extra.push(Extra { name, ..element });
                }
            }
        }
        Ok((Some(trim(value)).filter(|value| !value.is_empty()), attributes))
    }

    /// The named attributes of a tag; the others are kept in `rest` as `ELEMENT/@ATTRIBUTE`.
    pub(super) fn attributes<const N: usize>(
        &self,
        tag: &Tag<'a>,
        names: [&str; N],
        rest: &mut Rest,
    ) -> Result<[Value<'a>; N], Fault> {
        let mut values = [const { None }; N];
        let kept_before = rest.extra.len();
        for (name, value) in self.each_attribute(tag) {
            let value = value?;
            match names.iter().position(|known| *known == name) {
                Some(index) => values[index] = Some(trim(value)).filter(|value| !value.is_empty()),
                None => {
                    let name = format!("{}{}/@{name}", rest.prefix, tag.name);
                    rest.extra.push(Extra { name, text: non_empty(value), ..Extra::default() });
                }
            }
        }
        // The sequence of attributes means nothing, so it must not show in the order either.
        rest.extra[kept_before..].sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(values)
    }

    /// The attributes of a tag, each with its value or why it cannot be read.
    fn each_attribute<'s>(
        &'s self,
        tag: &Tag<'a>,
    ) -> impl Iterator<Item = (&'a str, Result<Cow<'a, str>, Fault>)> + use<'a, 's> {
        let (content, start) = (tag.content, tag.start);
        Attributes::new(content, tag.name_bytes).map(move |attribute| match attribute {
            Ok(attribute) => {
                let name = attribute.key.into_inner();
                let value = attribute_value(&attribute, name);
                (name, value.map_err(|reason| self.fault(start, reason)))
            }
            Err(_) => ("", Err(self.fault(start, BAD_ATTRIBUTE))),
        })
    }

    /// An element that the specification does not name, with all there is inside it.
    pub(super) fn element(&mut self, tag: &Tag<'a>) -> Result<Extra, Fault> {
        if tag.name == "Order" {
            // Most likely the end tag of the order before it is missing: the page goes on with the inner one.
            return Err(self.fault(tag.start, "an order inside of an order"));
        }
        if !is_name(tag.name) {
            return Err(self.fault(tag.start, "not the name of an element"));
        }
        let mut element = Extra { name: tag.name.to_owned(), ..Extra::default() };
        for (name, value) in self.each_attribute(tag) {
            element.attributes.insert(name.to_owned(), value?.into_owned());
        }
        let mut text = Cow::Borrowed("");
        while let Some(inside) = self.inside(tag)? {
            match inside {
                Inside::Element(child) => element.children.push(self.element(&child)?),
                Inside::Text(more) => join(&mut text, more),
            }
        }
        element.text = non_empty(trim(text));
        Ok(element)
    }

    /// Keeps an element that the specification does not name.
    pub(super) fn unknown(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<(), Fault> {
        let element = self.element(tag)?;
        let name = format!("{}{}", rest.prefix, element.name);
        rest.extra.push(Extra { name, ..element });
        Ok(())
    }

    /// Keeps an element that was there before, and warns.
    pub(super) fn repeated(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<(), Fault> {
        self.warn(tag.name, "repeated, kept in extra");
        self.unknown(tag, rest)
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
            XmlError::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
                "an end tag that does not match its start tag"
            }
            XmlError::IllFormed(IllFormedError::UnclosedReference) => "an ampersand that begins no reference",
            _ => "not well-formed",
        };
        self.fault(start, reason)
    }
}

/// The reason of a fault where the text ends before the element.
pub(super) const UNENDED: &str = "an element without its end tag";
pub(super) const STRAY_DECLARATION: &str = "an XML declaration inside the document";
pub(super) const UNDECLARED_ENTITY: &str = "a reference to an entity that is not declared";
pub(super) const BAD_ATTRIBUTE: &str = "a malformed or repeated attribute";
