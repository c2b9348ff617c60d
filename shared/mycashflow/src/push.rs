//! What a POST of the shop brings. Whether the vendor sends the XML as the body or as a form field is not published
//! (`docs/vendors/mycashflow.md`, "Order push"), so every way is read.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::header::CONTENT_TYPE;
use thiserror::Error;

use crate::decode::{charset, names_its_encoding, without_marks};

/// What a POST brings: its document, and the key that came along in its form, if any. The key counts even when the
/// document is missing, for then the POST is authentic and must be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct PushBody<'a> {
    /// The document; or why there is none.
    pub document: Result<PushDocument<'a>, PushError>,
    /// The form field `key`. A secret.
    pub key: Option<String>,
}

/// The XML of a POST by itself: without the form around it, and without the key that came in the form. It can be
/// stored, and read again later by [`push_document`] and [`read_page`](crate::read_page) with its content type.
#[derive(Clone, PartialEq, Eq)]
pub struct PushDocument<'a> {
    /// The XML, as it was received.
    pub bytes: Cow<'a, [u8]>,
    /// Its content type, with the charset that is known of it: that of the POST, or of the document's own field.
    pub content_type: Cow<'a, str>,
}

impl PushDocument<'_> {
    /// Whether the document holds U+FFFD, the sign that some program puts in the place of a letter that it could not
    /// decode. A body that was handed over as text had its letters when it was sent.
    #[must_use]
    pub fn has_lost_letters(&self) -> bool {
        memchr::memmem::find(&self.bytes, "\u{FFFD}".as_bytes()).is_some()
    }
}

impl fmt::Debug for PushDocument<'_> {
    /// Does not show the document, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushDocument").field("bytes", &self.bytes.len()).field("type", &self.content_type).finish()
    }
}

impl fmt::Debug for PushBody<'_> {
    /// Shows neither the key nor the document, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushBody").field("document", &self.document).field("has_key", &self.key.is_some()).finish()
    }
}

/// How a body came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// As the bytes that were sent.
    AsBytes,
    /// As text: whoever handed it over has decoded it, as Lambda does with bodies of a text type. It is UTF-8 now,
    /// whatever it declares.
    AsText,
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
/// use tilaussilta_mycashflow::{Handed, push_document};
///
/// let body = b"key=secret&xml=%3COrder+id%3D%2258%22%2F%3E";
/// let document = push_document(Some("application/x-www-form-urlencoded"), body, Handed::AsBytes).document?;
/// assert_eq!(&*document.bytes, br#"<Order id="58"/>"#);
/// # Ok::<(), tilaussilta_mycashflow::PushError>(())
/// ```
pub fn push_document<'a>(content_type: Option<&'a str>, body: &'a [u8], handed: Handed) -> PushBody<'a> {
    let content_type = content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = handed == Handed::AsText;
    match essence.as_str() {
        "" | "text/plain" | "application/octet-stream" | "text/xml" | "application/xml" => {
            whole(content_type, body, is_text)
        }
        "application/x-www-form-urlencoded" if is_markup(body) => whole(content_type, body, is_text),
        "application/x-www-form-urlencoded" => {
            // What is escaped in it was no text for whoever decoded the body.
            from_fields(urlencoded_fields(body, charset(content_type)), is_text && !body.is_ascii())
        }
        "multipart/form-data" => match multipart_fields(content_type, body) {
            Ok(fields) => from_fields(fields, is_text),
            Err(error) => PushBody { document: Err(error), key: None },
        },
        other if other.ends_with("+xml") => whole(content_type, body, is_text),
        _ => PushBody { document: Err(PushError::UnsupportedMediaType), key: None },
    }
}

/// The whole body as the document.
fn whole<'a>(content_type: &'a str, body: &'a [u8], is_text: bool) -> PushBody<'a> {
    let content_type = match is_text {
        true => Cow::Owned(xml_type(Some("utf-8"))),
        false if content_type.is_empty() => Cow::Borrowed("application/xml"),
        false => Cow::Borrowed(content_type),
    };
    PushBody { document: Ok(PushDocument { bytes: Cow::Borrowed(body), content_type }), key: None }
}

fn xml_type(charset: Option<&str>) -> String {
    charset.map_or_else(|| "application/xml".to_owned(), |charset| format!("application/xml; charset={charset}"))
}

/// Whether this begins as XML does, behind white space and byte order marks at most.
fn is_markup(value: &[u8]) -> bool {
    without_marks(value).starts_with(b"<")
}

/// A field of a form.
struct Field {
    name: Vec<u8>,
    value: Vec<u8>,
    /// The charset that is known of the value.
    charset: Option<String>,
}

fn from_fields(fields: Vec<Field>, is_text: bool) -> PushBody<'static> {
    let (mut document, mut key) = (Err(PushError::NoDocument), None);
    for Field { name, value, charset } in fields {
        if name == b"key" {
            // A key that is not UTF-8 is none that could be configured.
            key = key.or_else(|| String::from_utf8(value).ok());
        } else if is_markup(&value) {
            let charset = if is_text { Some("utf-8") } else { charset.as_deref() };
            document = match document {
                Err(PushError::NoDocument) => {
                    Ok(PushDocument { bytes: Cow::Owned(value), content_type: Cow::Owned(xml_type(charset)) })
                }
                _ => Err(PushError::Malformed { reason: "more than one field holds an XML document" }),
            };
        }
    }
    PushBody { document, key }
}

/// The fields of a urlencoded form, as bytes: the usual decoders make text of them and spoil what is not UTF-8.
///
/// The charset of the form is said by whatever wrapped the document, so it counts only where the document names none.
fn urlencoded_fields(body: &[u8], charset: Option<&str>) -> Vec<Field> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let field = |pair: &[u8]| {
        let name_end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let value = percent_decode(pair.get(name_end + 1..).unwrap_or_default());
        let charset = charset.filter(|_| !names_its_encoding(&value)).map(str::to_owned);
        Field { name: percent_decode(&pair[..name_end]), value, charset }
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
            let charset = field.headers().get(CONTENT_TYPE).and_then(|value| charset(value.to_str().ok()?));
            let charset = charset.map(str::to_owned);
            fields.push(Field { name, value: field.bytes().await?.to_vec(), charset });
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

    fn push<'a>(content_type: Option<&'a str>, body: &'a [u8]) -> PushBody<'a> {
        push_document(content_type, body, Handed::AsBytes)
    }

    fn xml_of<'p>(push: &'p PushBody<'_>) -> &'p [u8] {
        &push.document.as_ref().unwrap().bytes
    }

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
            let push = push(content_type, XML.as_bytes());
            assert_eq!((xml_of(&push), push.key.as_deref()), (XML.as_bytes(), None));
        }
    }

    #[test]
    fn takes_a_body_that_is_markup_for_the_document_even_under_a_form_type() {
        for body in [XML.to_owned(), format!("\u{FEFF}{XML}"), format!("\r\n{XML}")] {
            assert_eq!(xml_of(&push(FORM, body.as_bytes())), body.as_bytes());
        }
    }

    #[test]
    fn finds_the_document_and_the_key_in_a_urlencoded_form() {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("order", "58"), ("key", "jyghji765+&ä"), ("data", XML), ("key", "second")])
            .finish();
        let push = push(FORM, form.as_bytes());
        assert_eq!((xml_of(&push), push.key.as_deref()), (XML.as_bytes(), Some("jyghji765+&ä")));
    }

    #[test]
    fn hands_on_the_bytes_of_a_urlencoded_form_whatever_their_encoding() {
        let push = push(FORM, b"a=%3cOrder+n=%22%E4%80%zz%%22%2F%3E");
        assert_eq!(xml_of(&push), b"<Order n=\"\xE4\x80%zz%\"/>");
    }

    #[test]
    fn finds_the_document_and_the_key_in_a_multipart_form() {
        let file = b"<?xml version='1.0' encoding='ISO-8859-1'?><Order n='\xE4'/>";
        let body = multipart(&[
            ("name=\"key\"", b"k\xC3\xA4y"),
            ("name=\"order\"; filename=\"o.xml\"", file),
            ("name=\"x\"", b""),
        ]);
        let push = push(Some("multipart/form-data; boundary=XX"), &body);
        assert_eq!((xml_of(&push), push.key.as_deref()), (&file[..], Some("käy")));
    }

    #[test]
    fn rejects_other_content_types() {
        for content_type in ["application/json", "text/html", "multipart/mixed; boundary=XX", "nonsense"] {
            assert_eq!(push(Some(content_type), XML.as_bytes()).document, Err(PushError::UnsupportedMediaType));
        }
    }

    #[test]
    fn rejects_a_form_without_a_document_or_with_two() {
        let none = push(FORM, b"key=abc&order=58");
        assert_eq!(none, PushBody { document: Err(PushError::NoDocument), key: Some("abc".to_owned()) });
        assert_eq!(push(FORM, b"").document, Err(PushError::NoDocument));
        let two = push(FORM, b"a=%3CA%2F%3E&b=%3CB%2F%3E&c=%3CC%2F%3E").document.unwrap_err();
        insta::assert_snapshot!(two, @"malformed form: more than one field holds an XML document");
    }

    #[test]
    fn rejects_a_broken_multipart_form() {
        let whole = multipart(&[("name=\"xml\"", XML.as_bytes())]);
        insta::assert_snapshot!(push(Some("multipart/form-data"), &whole).document.unwrap_err(), @"malformed form: no multipart boundary");
        let boundary = Some("multipart/form-data; boundary=XX");
        for cut in 0..whole.len() - "--\r\n".len() {
            assert!(push(boundary, &whole[..cut]).document.is_err(), "cut at {cut}");
        }
        insta::assert_snapshot!(push(boundary, &whole[..whole.len() - 9]).document.unwrap_err(), @"malformed form: not the parts that the boundary announces");
        assert!(push(boundary, &whole).document.is_ok());
    }

    fn type_of(content_type: &str, body: &[u8], handed: Handed) -> String {
        push_document(Some(content_type), body, handed).document.unwrap().content_type.into_owned()
    }

    #[test]
    fn the_document_has_its_own_content_type() {
        let xml = XML.as_bytes();
        assert_eq!(type_of("text/xml; charset=ISO-8859-1", xml, Handed::AsBytes), "text/xml; charset=ISO-8859-1");
        assert_eq!(push(None, xml).document.unwrap().content_type, "application/xml");
        let form = b"key=secret&a=%3COrder%2F%3E";
        let declared = b"a=%3C%3Fxml+version='1.0'+encoding='ISO-8859-1'%3F%3E%3COrder%2F%3E";
        let urlencoded = "application/x-www-form-urlencoded";
        assert_eq!(type_of(urlencoded, form, Handed::AsBytes), "application/xml");
        assert_eq!(
            type_of(&format!("{urlencoded}; charset=latin1"), form, Handed::AsBytes),
            "application/xml; charset=latin1"
        );
        // A framework adds its own charset to a form, whatever the document in it is in.
        assert_eq!(type_of(&format!("{urlencoded}; charset=utf-8"), declared, Handed::AsBytes), "application/xml");
        let body = multipart(&[("name=\"x\"\r\nContent-Type: text/xml; charset=ISO-8859-1", b"<Order n='\xE4'/>")]);
        let multipart = "multipart/form-data; boundary=XX; charset=utf-8";
        assert_eq!(type_of(multipart, &body, Handed::AsBytes), "application/xml; charset=ISO-8859-1");
    }

    #[test]
    fn a_body_that_was_handed_over_as_text_is_utf8_whatever_it_declares() {
        let declared = "<?xml version='1.0' encoding='ISO-8859-1'?><Order id='7'><City>Sein\u{e4}joki</City></Order>";
        let utf8 = "application/xml; charset=utf-8";
        for content_type in ["text/xml; charset=ISO-8859-1", "text/xml", "", "text/plain; charset=windows-1252"] {
            assert_eq!(type_of(content_type, declared.as_bytes(), Handed::AsText), utf8);
        }
        let body = multipart(&[("name=\"x\"\r\nContent-Type: text/xml; charset=ISO-8859-1", declared.as_bytes())]);
        assert_eq!(type_of("multipart/form-data; boundary=XX", &body, Handed::AsText), utf8);
        let urlencoded = "application/x-www-form-urlencoded";
        assert_eq!(type_of(urlencoded, format!("x={declared}").replace('<', "%3C").as_bytes(), Handed::AsText), utf8);
        // What is escaped was no text for whoever decoded the body.
        assert_eq!(type_of(urlencoded, b"x=%3COrder+n='%E4'/%3E", Handed::AsText), "application/xml");
        let document =
            push_document(Some("text/xml; charset=ISO-8859-1"), declared.as_bytes(), Handed::AsText).document;
        let document = document.unwrap();
        let page = crate::read_page(&document.bytes, Some(&document.content_type), &crate::Limits::default()).unwrap();
        assert_eq!(page.entries[0].order.as_ref().unwrap().extra[0].text.as_deref(), Some("Sein\u{e4}joki"));
    }

    #[test]
    fn a_document_tells_of_its_lost_letters() {
        let lost = |body: &[u8]| push(None, body).document.unwrap().has_lost_letters();
        assert!(lost("<City>Sein\u{FFFD}joki</City>".as_bytes()));
        assert!(!lost("<City>Sein\u{e4}joki</City>".as_bytes()) && !lost(b"<City>Sein\xE4joki</City>"));
    }

    #[test]
    fn the_document_is_without_the_key_and_read_again_by_its_type() {
        let form = b"key=secret&xml=%3COrder+id%3D%277%27%3E%3CCity%3ESein%E4joki%3C%2FCity%3E%3C%2FOrder%3E";
        let content_type = Some("application/x-www-form-urlencoded; charset=ISO-8859-1");
        let document = push(content_type, form).document.unwrap();
        assert!(memchr::memmem::find(&document.bytes, b"secret").is_none());
        let again = push(Some(&document.content_type), &document.bytes);
        assert_eq!(again, PushBody { document: Ok(document.clone()), key: None });
    }

    #[test]
    fn debug_shows_neither_key_nor_document() {
        let push = push(FORM, b"key=secret&x=%3Cpersonal/%3E");
        assert_eq!(
            format!("{push:?}"),
            "PushBody { document: Ok(PushDocument { bytes: 11, type: \"application/xml; charset=UTF-8\" }), has_key: true }"
        );
    }
}
