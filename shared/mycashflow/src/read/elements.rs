//! What is inside of an element: its children, its text and its attributes, known and unknown.

use std::borrow::Cow;

use super::fault::{Reason, Stopped};
use super::source::{Event, Source, Tag};
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
pub(super) struct Rest<'a> {
    pub(super) extra: Vec<Extra>,
    /// The path from the owner of `extra` down to the element being read, such as `Documents/`.
    pub(super) prefix: &'static str,
    /// The known elements of which an attribute or an element is in `extra`, each once. So they are few.
    kept: Vec<&'a str>,
}

impl<'a> Rest<'a> {
    /// Whether something of an earlier element of this name is kept. Then another one is a repetition, even if the
    /// earlier one had no value.
    pub(super) fn keeps(&self, name: &str) -> bool {
        work::note(self.kept.len());
        self.kept.contains(&name)
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
    fn keep_of(&mut self, owner: &'a str, what: &str, extra: Extra) {
        self.note(owner);
        self.keep(&format!("{owner}/{what}"), extra);
    }

    fn note(&mut self, known: &'a str) {
        if !self.keeps(known) {
            self.kept.push(known);
        }
    }
}

impl<'a> Source<'a> {
    /// The next element inside the container of `tag`; none at its end. Text among the elements is kept in `rest`.
    #[inline(always)]
    pub(super) fn child(&mut self, tag: &Tag<'a>, rest: &mut Rest<'a>) -> Result<Option<Tag<'a>>, Stopped> {
        let mut stray = Cow::Borrowed("");
        let child = loop {
            match self.inside(tag)? {
                Some(Inside::Element(child)) => break Some(child),
                Some(Inside::Text(text)) if stray.is_empty() && is_space(&text) => {}
                Some(Inside::Text(text)) => join(&mut stray, text),
                None => break None,
            }
        };
        if !stray.is_empty()
            && let text @ Some(_) = non_empty(trim(stray))
        {
            let path = if rest.prefix.is_empty() { format!("{}/text()", tag.name) } else { "text()".to_owned() };
            rest.keep(&path, Extra { text, ..Extra::default() });
        }
        Ok(child)
    }

    /// What comes next inside the element of `tag`; nothing at its end.
    #[inline(always)]
    fn inside(&mut self, tag: &Tag<'a>) -> Result<Option<Inside<'a>>, Stopped> {
        if tag.is_empty {
            return Ok(None);
        }
        match self.next()? {
            Event::Open(child) => Ok(Some(Inside::Element(child))),
            Event::Text(text) => Ok(Some(Inside::Text(text))),
            Event::Close(_) => Ok(None),
            Event::Declaration => Err(self.fault(self.offset(), Reason::StrayDeclaration)),
            Event::End => Err(self.fault(self.offset(), Reason::Unended)),
        }
    }

    /// The text and the named attributes of an element that has no elements of its own.
    ///
    /// Values are trimmed of white space; empty ones are `None`. Other attributes and elements are kept in `rest`.
    pub(super) fn leaf<const N: usize>(
        &mut self,
        tag: &Tag<'a>,
        names: [&str; N],
        rest: &mut Rest<'a>,
    ) -> Result<(Value<'a>, [Value<'a>; N]), Stopped> {
        let attributes = self.attributes(tag, names, rest).map_err(|fault| fault.inside(tag.name))?;
        Ok((self.text(tag, rest)?, attributes))
    }

    /// The text of an element, in however many pieces it comes. Elements inside of it are kept in `rest`.
    #[inline(always)]
    fn text(&mut self, tag: &Tag<'a>, rest: &mut Rest<'a>) -> Result<Value<'a>, Stopped> {
        let mut value = Cow::Borrowed("");
        while let Some(inside) = self.inside(tag).map_err(|fault| fault.inside(tag.name))? {
            match inside {
                Inside::Text(text) => join(&mut value, text),
                Inside::Element(child) => {
                    let element = self.element(&child)?;
                    rest.keep_of(tag.name, child.name, element);
                }
            }
        }
        Ok(present(value))
    }

    /// The named attributes of a tag; the others are kept in `rest` as `ELEMENT/@ATTRIBUTE`.
    #[inline]
    pub(super) fn attributes<const N: usize>(
        &self,
        tag: &Tag<'a>,
        names: [&str; N],
        rest: &mut Rest<'a>,
    ) -> Result<[Value<'a>; N], Stopped> {
        let mut values = [const { None }; N];
        if !tag.has_attributes() {
            return Ok(values);
        }
        let kept_before = rest.extra.len();
        for (name, value) in self.each_attribute(tag) {
            let value = value?;
            match names.iter().position(|known| *known == name) {
                Some(index) => values[index] = present(value),
                None => {
                    let text = non_empty(value);
                    rest.keep_of(tag.name, &format!("@{name}"), Extra { text, ..Extra::default() });
                }
            }
        }
        // The sequence of attributes means nothing, so it must not show in the order either.
        rest.extra[kept_before..].sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(values)
    }

    /// The attributes of a tag, each with its value or why it cannot be read.
    pub(super) fn each_attribute<'s>(
        &'s self,
        tag: &Tag<'a>,
    ) -> impl Iterator<Item = (&'a str, Result<Cow<'a, str>, Stopped>)> + use<'a, 's> {
        let start = tag.start;
        tag.attributes().map(move |attribute| match attribute {
            Ok(attribute) => {
                let name = attribute.key.into_inner();
                let value = attribute_value(&attribute, name);
                (name, value.map_err(|reason| self.fault(start, reason)))
            }
            Err(_) => ("", Err(self.fault(start, Reason::BadAttribute))),
        })
    }

    /// An element that the specification does not name, with all there is inside it.
    fn element(&mut self, tag: &Tag<'a>) -> Result<Extra, Stopped> {
        if tag.name == "Order" {
            return Err(self.fault(tag.start, Reason::NestedOrder));
        }
        if !is_name(tag.name) {
            return Err(self.fault(tag.start, Reason::BadName));
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
    pub(super) fn unknown(&mut self, tag: &Tag<'a>, rest: &mut Rest<'a>) -> Result<(), Stopped> {
        let element = self.element(tag)?;
        rest.keep(tag.name, element);
        Ok(())
    }

    /// Keeps an element that was there before, and warns.
    pub(super) fn repeated(&mut self, tag: &Tag<'a>, rest: &mut Rest<'a>) -> Result<(), Stopped> {
        self.warn(tag.name, "repeated, kept in extra");
        self.unknown(tag, rest)
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
        rest: &mut Rest<'a>,
    ) {
        let kept = Extra { text: Some(text.into()), ..Extra::default() };
        let what = format_args!("{fault}; kept in extra");
        if attribute.is_empty() {
            self.warn(tag.name, what);
            rest.keep(tag.name, kept);
        } else {
            self.warn(&format!("{}/{attribute}", tag.name), what);
            rest.keep_of(tag.name, attribute, kept);
        }
    }
}

/// A value without the white space around it, unless nothing is left.
fn present(value: Cow<'_, str>) -> Value<'_> {
    Some(trim(value)).filter(|value| !value.is_empty())
}
