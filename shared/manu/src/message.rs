//! A message that came: unverified at first, and verified after its verify code was checked.
//!
//! Two types, so that no code can take the one for the other: only a [`Verified`] message can be read, and only
//! [`Unverified::verify`] makes one.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{Encoding, UTF_8};

use crate::document::{BYTE_ORDER_MARK, Document, DocumentError, position, read_document};
use crate::verify::{VerifyCode, codes, is_signed};

/// How many byte order marks may stand before a payload without being counted by its verify code: the one of a writer,
/// and one more that its text began with.
const MAX_BYTE_ORDER_MARKS: usize = 2;

/// The content type of a message that names none.
const DEFAULT_CONTENT_TYPE: &str = "application/json";

/// In which form a body was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// As the bytes that the ERP sent.
    Bytes,
    /// As text, and therefore decoded before: as UTF-8, whatever charset the message declares, with U+FFFD for what is
    /// not UTF-8. AWS Lambda hands over JSON and text like this.
    Text,
}

/// A message that anybody may have sent. There is nothing to do with it but to [`verify`](Self::verify) it.
///
/// ```compile_fail,E0599
/// use tilaussilta_manu::{Transfer, Unverified};
/// Unverified::new(b"{}", None, Transfer::Bytes).read();
/// ```
#[derive(Clone, Copy)]
pub struct Unverified<'a> {
    body: &'a [u8],
    content_type: Option<&'a str>,
    transfer: Transfer,
}

/// A message that one of the account's secrets has signed. [`Unverified::verify`] is the only way to one, so whoever
/// holds it has the proof.
///
/// The proof is of the text, and of nothing else: the code binds neither the account, where two have the same secret,
/// nor the webhook's type, nor the time.
///
/// ```compile_fail,E0451
/// fn forge(message: tilaussilta_manu::Unverified<'_>) -> tilaussilta_manu::Verified<'_> {
///     tilaussilta_manu::Verified { message, decoded: None }
/// }
/// ```
#[derive(Clone)]
pub struct Verified<'a> {
    message: Unverified<'a>,
    /// The text, where the charset makes it another than the body as UTF-8.
    decoded: Option<String>,
}

/// The document of a verified message, with what is to be recorded of it. Only [`Verified::read`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<'m> {
    /// The document.
    pub document: Document,
    /// The body in UTF-8, so that [`read_document`] reads the same document from it at any later time: the bytes as they
    /// came if they are UTF-8, or the decoded text. The verify code is the same for both, up to a byte order mark.
    pub body: &'m [u8],
    /// The content type of [`body`](Self::body): the message's own, except that it declares no charset but UTF-8;
    /// `application/json` if the message names none.
    pub content_type: Cow<'m, str>,
}

/// Why a message is not taken for the ERP's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    /// There is no header [`HEADER`](crate::HEADER), or nothing in it has the shape of a code.
    #[error("the verify code is missing")]
    NoCode,
    /// No code is that of the text under one of the secrets.
    #[error("the verify code is wrong")]
    WrongCode,
}

impl<'a> Unverified<'a> {
    /// A message as it came.
    ///
    /// `content_type` is the value of its header `Content-Type`. A body compressed by `Content-Encoding` must be
    /// unpacked before.
    pub fn new(body: &'a [u8], content_type: Option<&'a str>, transfer: Transfer) -> Self {
        Self { body, content_type, transfer }
    }

    /// Checks the verify code.
    ///
    /// `headers` are the values of the header [`HEADER`](crate::HEADER): usually one, several where it was repeated.
    /// Each may be a list of codes joined by commas, and one right code is enough. `secrets` are the account's client
    /// secrets; each is tried, and compared in constant time, and an empty one matches nothing.
    ///
    /// The vendor signs a text and not bytes, so the code also tells how the body is to be decoded. These texts are
    /// tried in this order, each with its byte order marks and without:
    ///
    /// 1. the body in the charset of its byte order mark, or else of `Content-Type`, if it is well-formed in it;
    /// 2. the body in UTF-8, whatever it declares. A body that was handed over as text is only this.
    ///
    /// ```
    /// use tilaussilta_manu::{Transfer, Unverified};
    /// let body = b"{\"note\":\"Sein\xe4joki\"}";
    /// let code = tilaussilta_manu::verify_code(r#"{"note":"Seinäjoki"}"#.as_bytes(), "secret").to_string();
    /// let message = Unverified::new(body, Some("application/json; charset=windows-1252"), Transfer::Bytes);
    /// let message = message.verify([code.as_str()], ["secret"])?;
    /// assert_eq!(message.read()?.body, r#"{"note":"Seinäjoki"}"#.as_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotAuthentic`], after which nothing of the message should be kept. The message can be verified again, with
    /// secrets that were read again for example.
    pub fn verify<'h, 's>(
        &self,
        headers: impl IntoIterator<Item = &'h str>,
        secrets: impl IntoIterator<Item = &'s str>,
    ) -> Result<Verified<'a>, NotAuthentic> {
        let claimed: Vec<VerifyCode> = headers.into_iter().flat_map(codes).collect();
        if claimed.is_empty() {
            return Err(NotAuthentic::NoCode);
        }
        let secrets: Vec<&str> = secrets.into_iter().collect();
        let is_signed = |text: &[u8]| {
            let payloads = std::iter::successors(Some(text), |text| text.strip_prefix(BYTE_ORDER_MARK));
            payloads.take(1 + MAX_BYTE_ORDER_MARKS).any(|text| is_signed(&claimed, text, secrets.iter().copied()))
        };
        let decoded = self.decode();
        if decoded.as_ref().is_some_and(|text| is_signed(text.as_bytes())) {
            return Ok(Verified { message: *self, decoded });
        }
        if is_signed(self.body) {
            return Ok(Verified { message: *self, decoded: None });
        }
        Err(NotAuthentic::WrongCode)
    }

    /// The text that the body is in its own charset; `None` if it is the body as UTF-8, or the body is not well-formed
    /// in that charset.
    fn decode(&self) -> Option<String> {
        if self.transfer == Transfer::Text {
            return None;
        }
        let encoding = match Encoding::for_bom(self.body) {
            Some((encoding, _)) => encoding,
            None => Encoding::for_label_no_replacement(charset(self.content_type?)?.as_bytes())?,
        };
        if encoding == UTF_8 {
            return None;
        }
        match encoding.decode_without_bom_handling_and_without_replacement(self.body)? {
            Cow::Owned(text) => Some(text),
            // Nothing but ASCII, which is the same text in UTF-8.
            Cow::Borrowed(_) => None,
        }
    }
}

impl<'a> Verified<'a> {
    /// A message that was verified when it came, and kept in quarantine since: its bytes and its content type as they
    /// came. Whoever calls it says so; there is no code any more that could prove it.
    pub fn from_quarantine(body: &'a [u8], content_type: Option<&'a str>) -> Self {
        let as_bytes = Unverified::new(body, content_type, Transfer::Bytes);
        let decoded = as_bytes.decode();
        // How the body was handed over is not known. Where it holds U+FFFD, letters may have been lost.
        let is_lost = std::str::from_utf8(body).is_ok_and(|text| text.contains(char::REPLACEMENT_CHARACTER));
        let transfer = if is_lost { Transfer::Text } else { Transfer::Bytes };
        Self { message: Unverified { transfer, ..as_bytes }, decoded }
    }

    /// The body as it came, for the quarantine.
    pub fn body(&self) -> &'a [u8] {
        self.message.body
    }

    /// The content type as it came.
    pub fn content_type(&self) -> Option<&'a str> {
        self.message.content_type
    }

    /// Reads the document.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the text is not JSON or is nested too deep, as for [`read_document`], and
    /// [`DocumentError::LettersLost`] if the body was handed over as text with U+FFFD in it. Such a message is authentic
    /// and belongs in the quarantine.
    pub fn read(&self) -> Result<Received<'_>, DocumentError> {
        let body = match &self.decoded {
            Some(text) => text.as_bytes(),
            None => self.message.body,
        };
        if self.message.transfer == Transfer::Text
            && let Some(offset) = std::str::from_utf8(body).ok().and_then(|text| text.find(char::REPLACEMENT_CHARACTER))
        {
            let (line, column) = position(body, offset);
            return Err(DocumentError::LettersLost { line, column });
        }
        Ok(Received { document: read_document(body)?, body, content_type: self.content_type_in_utf8() })
    }

    /// The content type of the text in UTF-8.
    fn content_type_in_utf8(&self) -> Cow<'a, str> {
        let Some(content_type) = self.message.content_type else { return Cow::Borrowed(DEFAULT_CONTENT_TYPE) };
        match charset(content_type) {
            None => Cow::Borrowed(content_type),
            Some(charset) if Encoding::for_label(charset.as_bytes()) == Some(UTF_8) => Cow::Borrowed(content_type),
            Some(_) => {
                let others = content_type.split(';').filter(|parameter| charset_of(parameter).is_none());
                Cow::Owned(others.chain([" charset=utf-8"]).collect::<Vec<_>>().join(";"))
            }
        }
    }
}

/// The charset that a content type declares; the first, if it declares several.
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(charset_of)
}

/// The charset, if this is the parameter of a content type that declares it.
fn charset_of(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
}

/// Shows no part of the body.
impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, content_type: _, transfer } = self;
        f.debug_struct("Unverified").field("bytes", &body.len()).field("transfer", transfer).finish_non_exhaustive()
    }
}

/// Shows no part of the body.
impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, decoded } = self;
        f.debug_struct("Verified").field("message", message).field("decoded", &decoded.is_some()).finish()
    }
}

#[cfg(test)]
mod tests;
