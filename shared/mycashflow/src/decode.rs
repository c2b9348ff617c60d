//! From the bytes of a document to its text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::read::{Place, ReadError, shown};

/// Decodes a document by its byte order mark, its XML declaration or, without either, as UTF-8.
///
/// The byte order mark is not part of the text. ISO-8859-1 is decoded as windows-1252, as browsers do: the two differ
/// only in 0x80 to 0x9F, where ISO-8859-1 has control characters and what shops mean is `€` and typographic quotes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, bom_bytes)) => (encoding, &bytes[bom_bytes..]),
        None => (declared_encoding(bytes)?, bytes),
    };
    if encoding == UTF_8 {
        let invalid = |error: std::str::Utf8Error| ReadError::InvalidUtf8 { at: Place::of(bytes, error.valid_up_to()) };
        std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(invalid)
    } else if encoding == WINDOWS_1252 {
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
        Ok(text)
    } else {
        Err(ReadError::Encoding { name: encoding.name().to_owned() })
    }
}

/// The encoding that the XML declaration names, or UTF-8.
///
/// White space before the declaration, which PHP shops like to send, is not held against it.
fn declared_encoding(bytes: &[u8]) -> Result<&'static Encoding, ReadError> {
    // Two bytes for an ASCII character, one of them zero, are UTF-16 without a byte order mark.
    match bytes {
        [0, _, ..] => return Err(ReadError::Encoding { name: "UTF-16BE".to_owned() }),
        [_, 0, ..] => return Err(ReadError::Encoding { name: "UTF-16LE".to_owned() }),
        _ => {}
    }
    let Some(label) = declared_label(bytes.trim_ascii_start()) else { return Ok(UTF_8) };
    Encoding::for_label(label).ok_or_else(|| ReadError::Encoding { name: shown(&String::from_utf8_lossy(label)) })
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
