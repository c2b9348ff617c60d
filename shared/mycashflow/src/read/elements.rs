//! What is inside of an element: its children, its text and its attributes, known and unknown.

use std::borrow::Cow;

use quick_xml::events::Event as XmlEvent;

use super::fault::{Reason, Stopped};
use super::source::{Markup, Raw, Source, Tag};
use super::text::{attribute_value, is_name, is_space, join, non_empty, trim};
use super::value::ValueFault;
use crate::order::Extra;
use crate::work;

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
    /// The known elements of which an attribute or an element is in `extra`, each once. So they are few.
    kept: Vec<String>,
}

impl Rest {
    /// Whether something of an earlier element of this name is kept. Then another one is a repetition, even if the
    /// earlier one had no value.
    pub(super) fn keeps(&self, name: &str) -> bool {
        work::note(self.kept.len());
        self.kept.iter().any(|kept| kept == name)
    }

    /// Keeps something under its path from the element being read. What is in a container such as `Documents` is kept
    /// of that, too.
    pub(super) fn keep(&mut self, path: &str, extra: Extra) {
        if let Some(container) = self.prefix.strip_suffix('/') {
            self.note(container);
        }
        self.extra.push(Extra { name: format!("{}{path}", self.prefix), ..extra });
    }

    /// Keeps something of the known element `owner`: `what` is `@ATTRIBUTE` or the name of an element in it.
    fn keep_of(&mut self, owner: &str, what: &str, extra: Extra) {
        self.note(owner);
        self.keep(&format!("{owner}/{what}"), extra);
    }

    fn note(&mut self, known: &str) {
        if !self.keeps(known) {
            self.kept.push(known.to_owned());
        }
    }
}

impl<'a> Source<'a> {
    /// The next element inside the container of `tag`; none at its end. Text among the elements is kept in `rest`.
    #[inline(always)]
    pub(super) fn child(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<Option<Tag<'a>>, Stopped> {
        if tag.is_empty {
            return Ok(None);
        }
        loop {
            let (start, event) = self.raw();
            return match event {
                Ok(XmlEvent::Start(child)) => self.opened(start, child).map(Some),
                Ok(XmlEvent::Text(text)) if is_space(&text) => continue,
                Ok(XmlEvent::End(end)) => {
                    drop(end);
                    self.closed();
                    Ok(None)
                }
                other => self.child_after_text(tag, start, other, rest),
            };
        }
    }

    /// The same where anything but a start tag and white space stands in front of it. This is the event found there.
    #[inline(never)]
    fn child_after_text(
        &mut self,
        tag: &Tag<'a>,
        start: usize,
        event: Raw<'a>,
        rest: &mut Rest,
    ) -> Result<Option<Tag<'a>>, Stopped> {
        let mut stray = Cow::Borrowed("");
        let mut next = match self.told(start, event)? {
            Some(event) => self.inside_of(event)?,
            None => self.inside(tag)?,
        };
        let child = loop {
            match next {
                Some(Inside::Element(child)) => break Some(child),
                Some(Inside::Text(text)) if stray.is_empty() && is_space(&text) => {}
                Some(Inside::Text(text)) => join(&mut stray, text),
                None => break None,
            }
            next = self.inside(tag)?;
        };
        if let text @ Some(_) = non_empty(trim(stray)) {
            let path = if rest.prefix.is_empty() { format!("{}/text()", tag.name()) } else { "text()".to_owned() };
            rest.keep(&path, Extra { text, ..Extra::default() });
        }
        Ok(child)
    }

    /// What comes next inside the element of `tag`; nothing at its end.
    fn inside(&mut self, tag: &Tag<'a>) -> Result<Option<Inside<'a>>, Stopped> {
        if tag.is_empty {
            return Ok(None);
        }
        let event = self.next()?;
        self.inside_of(event)
    }

    /// What an event is inside of an element. That an end tag is its own, quick-xml has seen.
    fn inside_of(&self, event: Markup<'a>) -> Result<Option<Inside<'a>>, Stopped> {
        match event {
            Markup::Open(child) => Ok(Some(Inside::Element(child))),
            Markup::Text(text) => Ok(Some(Inside::Text(text))),
            Markup::Close(_) => Ok(None),
            Markup::Declaration => Err(self.fault(self.offset(), Reason::StrayDeclaration)),
            Markup::End => Err(self.fault(self.offset(), Reason::Unended)),
        }
    }

    /// The text and the named attributes of an element that has no elements of its own.
    ///
    /// Values are trimmed of white space; empty ones are `None`. Other attributes and elements are kept in `rest`.
    #[inline]
    pub(super) fn leaf<'t, const N: usize>(
        &mut self,
        tag: &'t Tag<'a>,
        names: [&str; N],
        rest: &mut Rest,
    ) -> Result<(Value<'a>, [Value<'t>; N]), Stopped> {
        let attributes = self.attributes(tag, names, rest).map_err(|fault| fault.inside(tag.name()))?;
        Ok((self.text(tag, tag.name(), rest)?, attributes))
    }

    /// The text of an element that the specification has no attributes for either, under a name that may be another
    /// spelling of its own.
    #[inline(always)]
    pub(super) fn text_as(&mut self, tag: &Tag<'a>, name: &str, rest: &mut Rest) -> Result<Value<'a>, Stopped> {
        if tag.has_attributes() {
            let [] = self.some_attributes(tag, name, [], rest).map_err(|fault| fault.inside(name))?;
        }
        self.text(tag, name, rest)
    }

    /// The text of an element. Mostly it is in one piece, which is not copied.
    #[inline(always)]
    fn text(&mut self, tag: &Tag<'a>, name: &str, rest: &mut Rest) -> Result<Value<'a>, Stopped> {
        if tag.is_empty {
            return Ok(None);
        }
        let (start, event) = self.raw();
        let text = match event {
            Ok(XmlEvent::Text(text)) if !self.has_carriage_returns => text.into_inner(),
            other => return self.mixed_text((tag, name), Cow::Borrowed(""), (start, other), rest),
        };
        match self.raw() {
            (_, Ok(XmlEvent::End(end))) => {
                drop(end);
                self.closed();
                Ok(present(text))
            }
            other => self.mixed_text((tag, name), text, other, rest),
        }
    }

    /// The text of an element, in however many pieces it comes: behind what was read of it, this is the next event.
    /// Elements inside of it are kept in `rest`.
    #[inline(never)]
    fn mixed_text(
        &mut self,
        (tag, name): (&Tag<'a>, &str),
        mut value: Cow<'a, str>,
        (start, event): (usize, Raw<'a>),
        rest: &mut Rest,
    ) -> Result<Value<'a>, Stopped> {
        let inside = |stopped: Stopped| stopped.inside(name);
        let mut next = match self.told(start, event).map_err(inside)? {
            Some(event) => self.inside_of(event).map_err(inside)?,
            None => self.inside(tag).map_err(inside)?,
        };
        loop {
            match next {
                Some(Inside::Text(text)) => join(&mut value, text),
                Some(Inside::Element(child)) => {
                    let element = self.element(&child, child.name())?;
                    rest.keep_of(name, child.name(), element);
                }
                None => return Ok(present(value)),
            }
            next = self.inside(tag).map_err(inside)?;
        }
    }

    /// The named attributes of a tag; the others are kept in `rest` as `ELEMENT/@ATTRIBUTE`.
    #[inline]
    pub(super) fn attributes<'t, const N: usize>(
        &self,
        tag: &'t Tag<'a>,
        names: [&str; N],
        rest: &mut Rest,
    ) -> Result<[Value<'t>; N], Stopped> {
        if tag.has_attributes() { self.some_attributes(tag, tag.name(), names, rest) } else { Ok([const { None }; N]) }
    }

    fn some_attributes<'t, const N: usize>(
        &self,
        tag: &'t Tag<'a>,
        owner: &str,
        names: [&str; N],
        rest: &mut Rest,
    ) -> Result<[Value<'t>; N], Stopped> {
        let mut values = [const { None }; N];
        let mut seen = [false; N];
        let kept_before = rest.extra.len();
        for attribute in tag.attributes() {
            let Ok(attribute) = attribute else { return Err(self.fault(tag.start, Reason::BadAttribute)) };
            let name = attribute.key.into_inner();
            let known = names.iter().position(|known| *known == name);
            let value = attribute_value(attribute, name, known.is_some());
            let value = value.map_err(|reason| self.fault(tag.start, reason))?;
            match known {
                Some(index) if seen[index] => return Err(self.fault(tag.start, Reason::BadAttribute)),
                Some(index) => (values[index], seen[index]) = (present(value), true),
                None => {
                    let text = non_empty(value);
                    rest.keep_of(owner, &format!("@{name}"), Extra { text, ..Extra::default() });
                }
            }
        }
        if rest.extra.len() == kept_before {
            return Ok(values);
        }
        // The sequence of attributes means nothing, so it must not show in the order either.
        let kept = &mut rest.extra[kept_before..];
        kept.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if kept.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(self.fault(tag.start, Reason::BadAttribute));
        }
        Ok(values)
    }

    /// The attributes of a tag, each with its value or why it cannot be read.
    pub(super) fn each_attribute<'t>(
        &self,
        tag: &'t Tag<'a>,
    ) -> impl Iterator<Item = (&'t str, Result<Cow<'t, str>, Stopped>)> {
        tag.attributes().map(|attribute| match attribute {
            Ok(attribute) => {
                let name = attribute.key.into_inner();
                let value = attribute_value(attribute, name, false);
                (name, value.map_err(|reason| self.fault(tag.start, reason)))
            }
            Err(_) => ("", Err(self.fault(tag.start, Reason::BadAttribute))),
        })
    }

    /// An element that the specification does not name, with all there is inside it. `name` is its name, or what
    /// that is another spelling of.
    fn element(&mut self, tag: &Tag<'a>, name: &str) -> Result<Extra, Stopped> {
        if name == "Order" {
            return Err(self.fault(tag.start, Reason::NestedOrder));
        }
        if !is_name(name) {
            return Err(self.fault(tag.start, Reason::BadName));
        }
        let mut element = Extra { name: name.to_owned(), ..Extra::default() };
        for (name, value) in self.each_attribute(tag) {
            if element.attributes.insert(name.to_owned(), value?.into_owned()).is_some() {
                return Err(self.fault(tag.start, Reason::BadAttribute));
            }
        }
        let mut text = Cow::Borrowed("");
        while let Some(inside) = self.inside(tag)? {
            match inside {
                Inside::Element(child) => element.children.push(self.element(&child, child.name())?),
                Inside::Text(more) => join(&mut text, more),
            }
        }
        element.text = non_empty(trim(text));
        Ok(element)
    }

    /// Keeps an element that the specification does not name.
    pub(super) fn unknown(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<(), Stopped> {
        let element = self.element(tag, tag.name())?;
        rest.keep(tag.name(), element);
        Ok(())
    }

    /// Keeps an element that was there before, perhaps in another spelling of its name, and warns.
    pub(super) fn repeated(&mut self, tag: &Tag<'a>, name: &str, rest: &mut Rest) -> Result<(), Stopped> {
        self.warn(name, "repeated, kept in extra");
        let element = self.element(tag, name)?;
        rest.keep(name, element);
        Ok(())
    }

    /// Keeps the text of a known element or attribute whose value cannot be read, and warns. `attribute` is `@NAME`, or
    /// empty for the element itself.
    #[cold]
    pub(super) fn unreadable(
        &mut self,
        tag: &Tag<'a>,
        attribute: &str,
        text: &str,
        fault: ValueFault,
        rest: &mut Rest,
    ) {
        let kept = Extra { text: Some(text.into()), ..Extra::default() };
        let what = format_args!("{fault}; kept in extra");
        if attribute.is_empty() {
            self.warn(tag.name(), what);
            rest.keep(tag.name(), kept);
        } else {
            self.warn(&format!("{}/{attribute}", tag.name()), what);
            rest.keep_of(tag.name(), attribute, kept);
        }
    }
}

/// A value without the white space around it, unless nothing is left.
#[inline]
fn present(value: Cow<'_, str>) -> Value<'_> {
    // Mostly there is no white space around it, which the bytes at its ends tell.
    match value.as_bytes() {
        [] => None,
        [first, .., last] if *first > b' ' && *last > b' ' => Some(value),
        _ => Some(trim(value)).filter(|value| !value.is_empty()),
    }
}
