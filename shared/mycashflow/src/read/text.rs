//! Characters: references, white space and names.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;

use super::source::{BAD_ATTRIBUTE, UNDECLARED_ENTITY};

/// The value of an attribute, normalised as XML asks for.
pub(super) fn attribute_value<'a>(attribute: &Attribute<'a>, name: &str) -> Result<Cow<'a, str>, &'static str> {
    if !is_name(name) || memchr::memchr(b'<', attribute.value.as_bytes()).is_some() {
        return Err(BAD_ATTRIBUTE);
    }
    // Depth 1: what a reference stands for is not searched for further references.
    attribute.normalized_value_with(XmlVersion::Explicit1_0, 1, html_entity).map_err(|_| UNDECLARED_ENTITY)
}

/// What `&name;` stands for: a character, one of XML's own five entities or, because PHP shops let them slip through,
/// one of HTML's, such as `&auml;`. Documents cannot declare any others.
pub(super) fn resolve(name: &str) -> Option<Cow<'static, str>> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix('x') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16),
            None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse(),
            _ => return None,
        };
        let character = char::from_u32(code.ok()?).filter(|c| *c != '\0')?;
        return Some(Cow::Owned(character.into()));
    }
    html_entity(name).map(Cow::Borrowed)
}

fn html_entity(name: &str) -> Option<&'static str> {
    let entities = &html_escape::NAMED_ENTITIES;
    entities.binary_search_by(|(known, _)| (*known).cmp(name.as_bytes())).ok().map(|index| entities[index].1)
}

/// White space as XML has it; a no-break space is none.
fn is_xml_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether there is nothing but white space.
pub(super) fn is_space(text: &str) -> bool {
    text.bytes().all(|b| is_xml_space(char::from(b)))
}

/// Appends a piece of text; the first piece, mostly the only one, is not copied.
#[inline]
pub(super) fn join<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// Takes the white space off both ends.
pub(super) fn trim(value: Cow<'_, str>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(is_xml_space)),
        Cow::Owned(text) => match text.trim_matches(is_xml_space) {
            trimmed if trimmed.len() == text.len() => Cow::Owned(text),
            trimmed => Cow::Owned(trimmed.to_owned()),
        },
    }
}

/// The value, unless it is empty.
pub(super) fn non_empty(value: Cow<'_, str>) -> Option<String> {
    (!value.is_empty()).then(|| value.into_owned())
}

/// Whether this can be the name of an element or attribute, as far as it matters for writing it again.
pub(super) fn is_name(name: &str) -> bool {
    let is_name_char = |b: u8| b.is_ascii_alphanumeric() || b >= 0x80 || matches!(b, b'_' | b'-' | b'.' | b':');
    let first = name.bytes().next();
    first.is_some_and(|b| !b.is_ascii_digit() && !matches!(b, b'-' | b'.')) && name.bytes().all(is_name_char)
}
