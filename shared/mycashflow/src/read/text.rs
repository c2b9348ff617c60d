//! Characters: references, white space and names.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;

use super::fault::Reason;
use crate::order::Text;

/// The value of an attribute, normalised as XML asks for. A known name need not be looked at again.
#[inline]
pub(super) fn attribute_value<'a>(
    attribute: Attribute<'a>,
    name: &str,
    is_known: bool,
) -> Result<Cow<'a, str>, Reason> {
    if !(is_known || is_name(name)) {
        return Err(Reason::BadAttribute);
    }
    if attribute.value.bytes().all(|byte| byte >= b' ' && byte != b'&' && byte != b'<') {
        return Ok(attribute.value);
    }
    if attribute.value.contains('<') {
        return Err(Reason::BadAttribute);
    }
    // Depth 1: what a reference stands for is not searched for further references.
    attribute.normalized_value_with(XmlVersion::Explicit1_0, 1, html_entity).map_err(|_| Reason::UndeclaredEntity)
}

/// What `&name;` stands for: a character, one of XML's own five entities or, because PHP shops let them slip through,
/// one of HTML's, such as `&auml;`. Documents cannot declare any others.
pub(super) fn resolve(name: &str) -> Option<Cow<'static, str>> {
    match (name, name.strip_prefix('#')) {
        // First the few that are in every order: the table of HTML's is a long one.
        ("amp", _) => Some(Cow::Borrowed("&")),
        ("lt", _) => Some(Cow::Borrowed("<")),
        ("gt", _) => Some(Cow::Borrowed(">")),
        ("quot", _) => Some(Cow::Borrowed("\"")),
        (_, Some(number)) => numbered(number).map(|character| Cow::Owned(character.into())),
        _ => html_entity(name).map(Cow::Borrowed),
    }
}

/// The character of a number, which is hexadecimal behind an `x`.
fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix('x') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16),
        None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse(),
        _ => return None,
    };
    char::from_u32(code.ok()?).filter(|c| *c != '\0')
}

fn html_entity(name: &str) -> Option<&'static str> {
    let entities = &html_escape::NAMED_ENTITIES;
    entities.binary_search_by(|(known, _)| (*known).cmp(name.as_bytes())).ok().map(|index| entities[index].1)
}

/// White space as XML has it; a no-break space is none.
pub(super) fn is_xml_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether there is nothing but white space.
pub(super) fn is_space(text: &str) -> bool {
    text.bytes().all(|byte| is_xml_space(char::from(byte)))
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
#[inline]
pub(super) fn trim_str(text: &str) -> &str {
    // Mostly there is none, which the bytes at the ends tell sooner than the characters.
    let may_be_space = |byte: Option<&u8>| byte.is_some_and(|b| *b <= b' ');
    if may_be_space(text.as_bytes().first()) || may_be_space(text.as_bytes().last()) {
        text.trim_matches(is_xml_space)
    } else {
        text
    }
}

/// Takes the white space off both ends, and does not copy the value if there is none.
#[inline]
pub(super) fn trim(value: Cow<'_, str>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(trim_str(text)),
        Cow::Owned(text) => match trim_str(&text) {
            trimmed if trimmed.len() == text.len() => Cow::Owned(text),
            trimmed => Cow::Owned(trimmed.to_owned()),
        },
    }
}

/// The value, unless it is empty.
pub(super) fn non_empty(value: Cow<'_, str>) -> Option<Text> {
    (!value.is_empty()).then(|| value.into())
}

/// Whether this can be the name of an element or attribute, as far as it matters for writing it again.
pub(super) fn is_name(name: &str) -> bool {
    let is_name_char = |b: u8| b.is_ascii_alphanumeric() || b >= 0x80 || matches!(b, b'_' | b'-' | b'.' | b':');
    let first = name.bytes().next();
    first.is_some_and(|b| !b.is_ascii_digit() && !matches!(b, b'-' | b'.')) && name.bytes().all(is_name_char)
}
