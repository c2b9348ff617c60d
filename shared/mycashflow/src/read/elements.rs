//! What is inside of an element: its children, its text and its attributes, known and unknown.

use std::borrow::Cow;

use super::source::{BAD_ATTRIBUTE, Event, Fault, MISMATCH, STRAY_DECLARATION, Source, Tag, UNENDED};
use super::text::{attribute_value, is_name, is_space, join, non_empty, trim, trim_str};
use crate::order::Extra;

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

impl<'a> Source<'a> {
    /// Whether another element is inside the container of `tag`; then it is put into `child`. Text among elements is kept
    /// in `rest`.
    ///
    /// A tag that is returned is moved through memory in larger pieces than it was written in, for which a processor
    /// has to wait each time.
    #[inline(always)]
    pub(super) fn child(&mut self, tag: &Tag<'a>, child: &mut Tag<'a>, rest: &mut Rest) -> Result<bool, Fault> {
        if !tag.is_empty()
            && let Some(found) = self.next_plain_tag()
        {
            *child = found;
            return Ok(true);
        }
        let found = self.child_after_text(tag, rest)?;
        if let Some(found) = found {
            *child = found;
        }
        Ok(found.is_some())
    }

    /// The same of a child with anything unusual about it, and of the end.
    fn child_after_text(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<Option<Tag<'a>>, Fault> {
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
    #[inline(always)]
    fn inside(&mut self, tag: &Tag<'a>) -> Result<Option<Inside<'a>>, Fault> {
        if tag.is_empty() {
            return Ok(None);
        }
        match self.next()? {
            Event::Open(child) => Ok(Some(Inside::Element(child))),
            Event::Text(text) => Ok(Some(Inside::Text(text))),
            Event::Close { name, .. } if name == tag.own_name() => Ok(None),
            Event::Close { start, .. } => Err(self.fault(start, MISMATCH)),
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
        if let Some(text) = self.plain_text(tag) {
            return Ok((present_str(text), attributes));
        }
        Ok((self.mixed_text(tag, rest)?, attributes))
    }

    /// The text of an element that has no attributes of its own either, as `leaf` has it.
    ///
    /// What `leaf` returns goes through memory, a plain text from here does not: a page is a tenth faster to read.
    #[inline(always)]
    pub(super) fn text(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<Value<'a>, Fault> {
        if !tag.has_attributes()
            && let Some(text) = self.plain_text(tag)
        {
            return Ok(present_str(text));
        }
        Ok(self.leaf(tag, [], rest)?.0)
    }

    /// The text of an element, in however many pieces it comes.
    fn mixed_text(&mut self, tag: &Tag<'a>, rest: &mut Rest) -> Result<Value<'a>, Fault> {
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
        Ok(present(value))
    }

    /// The named attributes of a tag; the others are kept in `rest` as `ELEMENT/@ATTRIBUTE`.
    pub(super) fn attributes<const N: usize>(
        &self,
        tag: &Tag<'a>,
        names: [&str; N],
        rest: &mut Rest,
    ) -> Result<[Value<'a>; N], Fault> {
        let mut values = [const { None }; N];
        if !tag.has_attributes() {
            return Ok(values);
        }
        if let Some((name, value)) = tag.only_attribute()
            && let Some(index) = names.iter().position(|known| *known == name)
        {
            values[index] = present_str(value);
            return Ok(values);
        }
        let kept_before = rest.extra.len();
        for (name, value) in self.each_attribute(tag) {
            let value = value?;
            match names.iter().position(|known| *known == name) {
                Some(index) => values[index] = present(value),
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
        let start = tag.start;
        tag.attributes().map(move |attribute| match attribute {
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
}

/// A value without the white space around it, unless nothing is left.
fn present(value: Cow<'_, str>) -> Value<'_> {
    Some(trim(value)).filter(|value| !value.is_empty())
}

/// The same of a value that stands in the text as it is.
#[inline]
fn present_str(value: &str) -> Value<'_> {
    let value = trim_str(value);
    (!value.is_empty()).then_some(Cow::Borrowed(value))
}
