//! What a POST of the shop brings. Whether the vendor sends the XML as the body or as a form field is not published
//! (`spec/mycashflow.md`, section 1, "Order push"), so every way is read.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use thiserror::Error;

/// What a POST brings: its document, and the key that came along in its form, if any. The key counts even when the
/// document is missing, for then the POST is authentic and must be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct PushBody<'a> {
    /// The XML, in the encoding that it declares: input for [`read_page`](crate::read_page); or why there is none.
    pub xml: Result<Cow<'a, [u8]>, PushError>,
    /// The form field `key`. A secret.
    pub key: Option<String>,
}

impl fmt::Debug for PushBody<'_> {
    /// Shows neither the key nor the document, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let xml_bytes = self.xml.as_ref().map(|xml| xml.len());
        f.debug_struct("PushBody").field("xml_bytes", &xml_bytes).field("has_key", &self.key.is_some()).finish()
    }
}

/// Why a POST brings no document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PushError {
    /// The content type is neither XML nor a form (HTTP status 415).
    #[error("unsupported content type, expected XML, application/x-www-form-urlencoded or multipart/form-data")]
    UnsupportedMediaType,
    /// The form cannot be read (400).
    #[error("malformed form: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No field of the form holds XML (400).
    #[error("no field of the form holds an XML document")]
    NoDocument,
}

/// Finds the XML document in the body of a POST.
///
/// The body itself is the document under an XML content type, under none, and under `text/plain` and
/// `application/octet-stream`; so it is under `application/x-www-form-urlencoded` when it begins with `<`, since that is
/// the type PHP's cURL gives to a body of any kind. In a form, the document is the field whose value begins with `<`.
/// Bytes are handed on as they came, whatever their encoding.
///
/// ```
/// let push = tilaussilta_mycashflow::push_document(Some("application/x-www-form-urlencoded"), b"xml=%3COrder+id%3D%2258%22%2F%3E");
/// assert_eq!(&*push.xml?, br#"<Order id="58"/>"#);
/// # Ok::<(), tilaussilta_mycashflow::PushError>(())
/// ```
pub fn push_document<'a>(content_type: Option<&str>, body: &'a [u8]) -> PushBody<'a> {
    let content_type = content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" | "text/plain" | "application/octet-stream" | "text/xml" | "application/xml" => raw(body),
        "application/x-www-form-urlencoded" if is_markup(body) => raw(body),
        "application/x-www-form-urlencoded" => from_fields(urlencoded_fields(body)),
        "multipart/form-data" => match multipart_fields(content_type, body) {
            Ok(fields) => from_fields(fields),
            Err(error) => PushBody { xml: Err(error), key: None },
        },
        other if other.ends_with("+xml") => raw(body),
        _ => PushBody { xml: Err(PushError::UnsupportedMediaType), key: None },
    }
}

fn raw(body: &[u8]) -> PushBody<'_> {
    PushBody { xml: Ok(Cow::Borrowed(body)), key: None }
}

/// Whether this begins as XML does, with or without a byte order mark.
fn is_markup(value: &[u8]) -> bool {
    value.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(value).trim_ascii_start().starts_with(b"<")
}

/// A form field's name and value.
type Field = (Vec<u8>, Vec<u8>);

fn from_fields(fields: Vec<Field>) -> PushBody<'static> {
    let (mut xml, mut key) = (Err(PushError::NoDocument), None);
    for (name, value) in fields {
        if name == b"key" {
            // A key that is not UTF-8 is none that could be configured.
            key = key.or_else(|| String::from_utf8(value).ok());
        } else if is_markup(&value) {
            xml = match xml {
                Err(PushError::NoDocument) => Ok(Cow::Owned(value)),
                _ => Err(PushError::Malformed { reason: "more than one field holds an XML document" }),
            };
        }
    }
    PushBody { xml, key }
}

/// The fields of a urlencoded form, as bytes: the usual decoders make text of them and spoil what is not UTF-8.
fn urlencoded_fields(body: &[u8]) -> Vec<Field> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let field = |pair: &[u8]| {
        let name_end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (percent_decode(&pair[..name_end]), percent_decode(pair.get(name_end + 1..).unwrap_or_default()))
    };
    pairs.map(field).collect()
}

/// Decodes `+` and `%XX`; a `%` without two hexadecimal digits stands for itself, as in every browser.
fn percent_decode(text: &[u8]) -> Vec<u8> {
    let hex = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        let digits = rest.as_slice();
        match (byte, hex(digits.first()), hex(digits.get(1))) {
            (b'+', ..) => decoded.push(b' '),
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are at most 255.
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = digits[2..].iter();
            }
            _ => decoded.push(*byte),
        }
    }
    decoded
}

fn multipart_fields(content_type: &str, body: &[u8]) -> Result<Vec<Field>, PushError> {
    let boundary =
        multer::parse_boundary(content_type).map_err(|_| PushError::Malformed { reason: "no multipart boundary" })?;
    let whole = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(body))]);
    let mut multipart = multer::Multipart::new(whole, boundary);
    let read = async {
        let mut fields = Vec::new();
        while let Some(field) = multipart.next_field().await? {
            let name = field.name().unwrap_or_default().as_bytes().to_vec();
            fields.push((name, field.bytes().await?.to_vec()));
        }
        Ok::<_, multer::Error>(fields)
    };
    // All of the body is here, so nothing is ever waited for.
    match read.now_or_never() {
        Some(Ok(fields)) => Ok(fields),
        _ => Err(PushError::Malformed { reason: "not the parts that the boundary announces" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<Order id='58'><City>Sein\u{e4}joki &amp; 100 %</City></Order>";
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=UTF-8");

    fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (headers, value) in parts {
            body.extend_from_slice(format!("--XX\r\nContent-Disposition: form-data; {headers}\r\n\r\n").as_bytes());
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--XX--\r\n");
        body
    }

    #[test]
    fn takes_the_body_for_the_document_under_xml_and_vague_types() {
        let types = [
            None,
            Some(""),
            Some("text/xml"),
            Some("Application/XML; charset=utf-8"),
            Some("application/vnd.x+xml"),
            Some("text/plain"),
            Some("application/octet-stream"),
        ];
        for content_type in types {
            let push = push_document(content_type, XML.as_bytes());
            assert_eq!(push, PushBody { xml: Ok(Cow::Borrowed(XML.as_bytes())), key: None });
        }
    }

    #[test]
    fn takes_a_body_that_is_markup_for_the_document_even_under_a_form_type() {
        for body in [XML.to_owned(), format!("\u{FEFF}{XML}"), format!("\r\n{XML}")] {
            assert_eq!(&*push_document(FORM, body.as_bytes()).xml.unwrap(), body.as_bytes());
        }
    }

    #[test]
    fn finds_the_document_and_the_key_in_a_urlencoded_form() {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("order", "58"), ("key", "jyghji765+&ä"), ("data", XML), ("key", "second")])
            .finish();
        let push = push_document(FORM, form.as_bytes());
        assert_eq!(push, PushBody { xml: Ok(Cow::Owned(XML.into())), key: Some("jyghji765+&ä".to_owned()) });
    }

    #[test]
    fn hands_on_the_bytes_of_a_urlencoded_form_whatever_their_encoding() {
        let push = push_document(FORM, b"a=%3cOrder+n=%22%E4%80%zz%%22%2F%3E");
        assert_eq!(&*push.xml.unwrap(), b"<Order n=\"\xE4\x80%zz%\"/>");
    }

    #[test]
    fn finds_the_document_and_the_key_in_a_multipart_form() {
        let file = b"<?xml version='1.0' encoding='ISO-8859-1'?><Order n='\xE4'/>";
        let body = multipart(&[
            ("name=\"key\"", b"k\xC3\xA4y"),
            ("name=\"order\"; filename=\"o.xml\"", file),
            ("name=\"x\"", b""),
        ]);
        let push = push_document(Some("multipart/form-data; boundary=XX"), &body);
        assert_eq!(push, PushBody { xml: Ok(Cow::Owned(file.to_vec())), key: Some("käy".to_owned()) });
    }

    #[test]
    fn rejects_other_content_types() {
        for content_type in ["application/json", "text/html", "multipart/mixed; boundary=XX", "nonsense"] {
            assert_eq!(push_document(Some(content_type), XML.as_bytes()).xml, Err(PushError::UnsupportedMediaType));
        }
    }

    #[test]
    fn rejects_a_form_without_a_document_or_with_two() {
        let none = push_document(FORM, b"key=abc&order=58");
        assert_eq!(none, PushBody { xml: Err(PushError::NoDocument), key: Some("abc".to_owned()) });
        assert_eq!(push_document(FORM, b"").xml, Err(PushError::NoDocument));
        let two = push_document(FORM, b"a=%3CA%2F%3E&b=%3CB%2F%3E&c=%3CC%2F%3E").xml.unwrap_err();
        insta::assert_snapshot!(two, @"malformed form: more than one field holds an XML document");
    }

    #[test]
    fn rejects_a_broken_multipart_form() {
        let whole = multipart(&[("name=\"xml\"", XML.as_bytes())]);
        insta::assert_snapshot!(push_document(Some("multipart/form-data"), &whole).xml.unwrap_err(), @"malformed form: no multipart boundary");
        let boundary = Some("multipart/form-data; boundary=XX");
        for cut in 0..whole.len() - "--\r\n".len() {
            assert!(push_document(boundary, &whole[..cut]).xml.is_err(), "cut at {cut}");
        }
        insta::assert_snapshot!(push_document(boundary, &whole[..whole.len() - 9]).xml.unwrap_err(), @"malformed form: not the parts that the boundary announces");
        assert!(push_document(boundary, &whole).xml.is_ok());
    }

    #[test]
    fn debug_shows_neither_key_nor_document() {
        let push = push_document(FORM, b"key=secret&x=%3Cpersonal/%3E");
        assert_eq!(format!("{push:?}"), "PushBody { xml_bytes: Ok(11), has_key: true }");
    }
}
