//! From the bytes of a document to its text.

use std::ops::Range;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A document that was decoded: its text, with U+FFFD for every sequence of bytes that is no character.
pub(crate) struct Decoded<'b> {
    /// The document without the byte order marks in front of it.
    pub(crate) text: String,
    /// The bytes that `text` was made of.
    bytes: &'b [u8],
    /// Where the bytes are no characters, in the order of the document. Only UTF-8 has any.
    invalid: Vec<Invalid>,
}

/// Bytes that are no character.
struct Invalid {
    /// Where in the text the U+FFFD stands.
    text: usize,
    /// Where in the bytes what is wrong ends.
    bytes_end: usize,
}

impl Decoded<'_> {
    /// The first place of a range of the text where the bytes are no character.
    pub(crate) fn first_invalid(&self, range: &Range<usize>) -> Option<usize> {
        let next = self.invalid.partition_point(|invalid| invalid.text < range.start);
        self.invalid.get(next).map(|invalid| invalid.text).filter(|at| *at < range.end)
    }

    /// Whether all of the bytes are characters.
    pub(crate) fn is_valid(&self) -> bool {
        self.invalid.is_empty()
    }

    /// The bytes of a range of the text.
    pub(crate) fn bytes_of(&self, range: &Range<usize>) -> &[u8] {
        let offset = |at: usize| match self.invalid.partition_point(|invalid| invalid.text < at).checked_sub(1) {
            None => at,
            Some(before) => {
                let before = &self.invalid[before];
                before.bytes_end + at - (before.text + char::REPLACEMENT_CHARACTER.len_utf8())
            }
        };
        self.bytes.get(offset(range.start)..offset(range.end)).unwrap_or_default()
    }
}

/// Decodes a document by its byte order mark, the charset of its content type, its XML declaration or, without any of
/// them, as UTF-8: the sequence of RFC 7303, section 3.
///
/// ISO-8859-1 is decoded as windows-1252, as browsers do: the two differ only in 0x80 to 0x9F, where ISO-8859-1 has
/// control characters and what shops mean is `€` and typographic quotes.
///
/// # Errors
/// The name of the encoding, if it is unknown, or if it is neither UTF-8 nor windows-1252 and the bytes are not all text
/// in it.
pub(crate) fn decode<'b>(bytes: &'b [u8], content_type: Option<&str>) -> Result<Decoded<'b>, String> {
    let marks_end = byte_order_marks_end(bytes);
    let bytes = &bytes[marks_end..];
    let encoding = if marks_end > 0 { UTF_8 } else { encoding(bytes, content_type)? };
    if encoding == UTF_8 {
        return Ok(decode_utf8(bytes));
    }
    let (text, has_errors) = encoding.decode_with_bom_removal(bytes);
    match has_errors {
        true => Err(encoding.name().to_owned()),
        false => Ok(Decoded { text: text.into_owned(), bytes, invalid: Vec::new() }),
    }
}

/// Where the last of the byte order marks ends that stand in front of the document, with or without white space.
///
/// A program that is put together of several files sends the mark of each of them.
fn byte_order_marks_end(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(rest) = bytes[end..].trim_ascii_start().strip_prefix(BYTE_ORDER_MARK) {
        end = bytes.len() - rest.len();
    }
    end
}

/// The document without white space and byte order marks in front of it.
pub(crate) fn without_marks(bytes: &[u8]) -> &[u8] {
    bytes[byte_order_marks_end(bytes)..].trim_ascii_start()
}

fn decode_utf8(bytes: &[u8]) -> Decoded<'_> {
    if let Some(text) = UTF_8.decode_without_bom_handling_and_without_replacement(bytes) {
        return Decoded { text: text.into_owned(), bytes, invalid: Vec::new() };
    }
    let mut text = String::with_capacity(bytes.len());
    let mut invalid = Vec::new();
    let mut bytes_end = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        bytes_end += chunk.valid().len() + chunk.invalid().len();
        if !chunk.invalid().is_empty() {
            invalid.push(Invalid { text: text.len(), bytes_end });
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Decoded { text, bytes, invalid }
}

/// The encoding of a document without a byte order mark of UTF-8.
///
/// Programs name encodings that their documents are not in: .NET writes `utf-16` into any text, and US-ASCII is the
/// default of many servers. So a name that the document itself proves wrong tells nothing.
fn encoding(bytes: &[u8], content_type: Option<&str>) -> Result<&'static Encoding, String> {
    // Two bytes for an ASCII character, one of them zero, are UTF-16 without a byte order mark.
    match (Encoding::for_bom(bytes), bytes) {
        (Some((encoding, _)), _) => return Ok(encoding),
        (None, [0, _, ..]) => return Ok(UTF_16BE),
        (None, [_, 0, ..]) => return Ok(UTF_16LE),
        _ => {}
    }
    if let Some(encoding) = content_type.and_then(charset).and_then(|name| named(name.as_bytes())) {
        return Ok(encoding);
    }
    let Some(label) = declared_label(bytes.trim_ascii_start()) else { return Ok(UTF_8) };
    match named(label) {
        Some(encoding) => Ok(encoding),
        None if std::str::from_utf8(bytes).is_ok() => Ok(UTF_8),
        None if is_ascii(label) => Ok(WINDOWS_1252),
        None => Err(String::from_utf8_lossy(label).into_owned()),
    }
}

/// The encoding of a name, where ASCII is what it looks like. An unknown name tells nothing, and neither does US-ASCII: of
/// every other letter, the document itself tells more.
fn named(label: &[u8]) -> Option<&'static Encoding> {
    let is_possible = |encoding: &&Encoding| !is_ascii(label) && ![UTF_16BE, UTF_16LE].contains(encoding);
    Encoding::for_label_no_replacement(label).filter(is_possible)
}

fn is_ascii(label: &[u8]) -> bool {
    [b"us-ascii".as_slice(), b"ascii"].iter().any(|name| label.trim_ascii().eq_ignore_ascii_case(name))
}

/// The parameter `charset` of a content type.
pub(crate) fn charset(content_type: &str) -> Option<&str> {
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']).trim())
    });
    charset.filter(|charset| !charset.is_empty())
}

/// Whether the document itself says which encoding it is in.
pub(crate) fn names_its_encoding(bytes: &[u8]) -> bool {
    byte_order_marks_end(bytes) > 0
        || Encoding::for_bom(bytes).is_some()
        || declared_label(bytes.trim_ascii_start()).is_some()
}

/// The value of `encoding="…"` in an XML declaration.
fn declared_label(document: &[u8]) -> Option<&[u8]> {
    let declaration = document.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memchr::memmem::find(declaration, b"?>")?];
    let name_end = memchr::memmem::find(declaration, b"encoding")? + b"encoding".len();
    let value = declaration[name_end..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    Some(&value[..memchr::memchr(*quote, value)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_charset_of_a_content_type() {
        for content_type in [
            "text/xml; charset=utf-8",
            "text/xml;CHARSET = \"utf-8\"",
            "text/xml; a=b; charset='utf-8' ;c",
            "; charset=utf-8; charset=latin1",
        ] {
            assert_eq!(charset(content_type), Some("utf-8"), "{content_type}");
        }
        for content_type in ["", "text/xml", "text/xml; charset", "text/xml; charset=", "charset=utf-8"] {
            assert_eq!(charset(content_type), None, "{content_type}");
        }
    }

    #[test]
    fn bytes_are_found_by_the_place_of_their_text() {
        let bytes = b"\xEF\xBB\xBFa\xFFb\xE2\x82c\xC3\xA4\xF0\x9F\x98d";
        let decoded = decode(bytes, None).unwrap();
        assert_eq!(decoded.text, "a\u{FFFD}b\u{FFFD}c\u{e4}\u{FFFD}d");
        let at = |letter: &str| decoded.text.find(letter).unwrap();
        assert_eq!(decoded.bytes_of(&(0..decoded.text.len())), &bytes[3..]);
        assert_eq!(decoded.bytes_of(&(at("b")..at("d"))), b"b\xE2\x82c\xC3\xA4\xF0\x9F\x98");
        assert_eq!(decoded.bytes_of(&(at("c")..at("\u{e4}"))), b"c");
        assert_eq!(decoded.first_invalid(&(0..1)), None);
        assert_eq!(decoded.first_invalid(&(0..2)), Some(1));
        assert_eq!(decoded.first_invalid(&(at("c")..at("d"))), Some(at("d") - 3));
        assert_eq!(decoded.first_invalid(&(at("d")..at("d") + 1)), None);
    }
}
