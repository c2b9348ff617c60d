//! The document in a message's body: its identity, and a spelling to tell its versions apart by.

use std::borrow::Cow;
use std::fmt;

use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use crate::canonical::{Canonical, TooDeep, canonicalize};

/// How deep arrays and objects may be nested: a document of more levels is refused.
pub const MAX_DEPTH: usize = 64;

/// How long an id may be, in bytes. A document with a longer one is named by its content.
pub const MAX_ID_BYTES: usize = 256;

/// A byte order mark in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What the names of documents without a usable id begin with.
const CONTENT_PREFIX: &str = "sha256-";

/// A document as the ERP sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Which document this is: the same for all its versions.
    pub id: DocumentId,
    /// Which version this is: the document in canonical JSON, which is the same for two bodies exactly when they say the
    /// same.
    ///
    /// Members are sorted by name, white space between values is dropped, strings are written as RFC 8785 writes them.
    /// Numbers stay as they were written (`1`, `1.0` and `1e0` differ), and members of the same name all stay, in their
    /// order. So nothing is lost, whatever a reader makes of it.
    pub canonical: Vec<u8>,
}

impl Document {
    /// The document as it is published: its canonical JSON, with U+FFFD for each half of a surrogate pair.
    ///
    /// Half a pair (`"\ud83d"`) may stand in JSON text (RFC 8259, section 8.2), but it is no text: many readers
    /// refuse it, and a bus that does would never take the document. Nothing else differs from
    /// [`canonical`](Self::canonical), by which versions are told apart. Numbers keep their digits. One that is too large
    /// for a 64-bit float (`1e400`) is valid JSON and stays as it is written; some readers refuse it, and a publisher
    /// whose bus does must be able to leave the document out.
    ///
    /// ```
    /// let document = tilaussilta_manu::read_document(br#"{ "note": "\ud83d", "sum": 1e400 }"#)?;
    /// assert_eq!(document.published_json(), "{\"note\":\"\u{fffd}\",\"sum\":1e400}");
    /// # Ok::<(), tilaussilta_manu::DocumentError>(())
    /// ```
    pub fn published_json(&self) -> Cow<'_, str> {
        // The canonical JSON is made of text, so nothing is lost here.
        match String::from_utf8_lossy(&self.canonical) {
            Cow::Borrowed(json) => replace_half_surrogates(json),
            Cow::Owned(json) => Cow::Owned(replace_half_surrogates(&json).into_owned()),
        }
    }
}

/// The name of a document within its webhook type: never empty, at most [`MAX_ID_BYTES`] long, without control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(String);

impl DocumentId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for DocumentId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a body could not be read. The messages name the place and never repeat the body. Lines and columns count from 1,
/// columns in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Nothing, or nothing but white space.
    #[error("the body is empty, expected a JSON document")]
    Empty,
    /// Bytes that are not UTF-8.
    #[error("the body is not UTF-8 at line {line}, column {column}")]
    NotUtf8 {
        /// The line of the first bad byte.
        line: usize,
        /// The column of the first bad byte.
        column: usize,
    },
    /// A body that was handed over as text and holds U+FFFD, the character that a decoder puts where it could not read
    /// one: letters were lost on the way, and nothing tells which.
    #[error(
        "the body lost letters before it came, the first at line {line}, column {column}: it must be sent as UTF-8"
    )]
    LettersLost {
        /// The line of the first U+FFFD.
        line: usize,
        /// The column of the first U+FFFD.
        column: usize,
    },
    /// Text that is not one JSON value, cut short for example.
    #[error("the body is not JSON at line {line}, column {column}: {reason}")]
    NotJson {
        /// The line where reading stopped.
        line: usize,
        /// The column where reading stopped.
        column: usize,
        /// What was expected there.
        reason: String,
    },
    /// More levels of arrays and objects than [`MAX_DEPTH`].
    #[error("the body is nested deeper than {MAX_DEPTH} levels at line {line}, column {column}")]
    TooDeep {
        /// The line of the first array or object that is too deep.
        line: usize,
        /// The column of the first array or object that is too deep.
        column: usize,
    },
}

/// Reads JSON of any shape that the ERP's API may return, in UTF-8: what the ledger holds. A message that came is read by
/// [`Verified::read`](crate::Verified::read).
///
/// The id is the top-level member `id` (`docs/vendors/manu-online.md`), as a whole number or as a string: `4711` and `"4711"`
/// are the same id. A string is taken as it is, not trimmed: better one document under two names than two under one. If
/// the name stands there twice, the last one counts, as for most JSON readers. A document without a usable id (none, an
/// empty or blank one, one with control characters or over [`MAX_ID_BYTES`], a fraction, an array at the top) is named
/// by its content, `sha256-` and the hash of its canonical JSON in hexadecimal, so that a repeat of it is still
/// recognised. To keep the two kinds apart, an id that itself begins with `sha256-` is not usable either.
///
/// UTF-8 byte order marks before the document are skipped.
///
/// ```
/// let document = tilaussilta_manu::read_document(br#"{ "total": 10.50, "id": "SO-1001" }"#)?;
/// assert_eq!(document.id.as_str(), "SO-1001");
/// assert_eq!(document.canonical, br#"{"id":"SO-1001","total":10.50}"#);
/// # Ok::<(), tilaussilta_manu::DocumentError>(())
/// ```
///
/// # Errors
///
/// [`DocumentError`] for a body that is not JSON, or is nested deeper than [`MAX_DEPTH`].
pub fn read_document(body: &[u8]) -> Result<Document, DocumentError> {
    let mut body = body;
    while let Some(rest) = body.strip_prefix(BYTE_ORDER_MARK) {
        body = rest;
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let (line, column) = position(body, error.valid_up_to());
        DocumentError::NotUtf8 { line, column }
    })?;
    if text.trim_ascii().is_empty() {
        return Err(DocumentError::Empty);
    }
    // This checks the syntax without recursion and without building anything.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error))?;
    let Canonical { json, id } = canonicalize(text, MAX_DEPTH).map_err(|TooDeep { offset }| {
        let (line, column) = position(body, offset);
        DocumentError::TooDeep { line, column }
    })?;
    let id = id.as_deref().and_then(own_id).unwrap_or_else(|| content_id(&json));
    Ok(Document { id, canonical: json })
}

/// The id that the document itself gives, from the canonical JSON of its member `id`; `None` if it is not usable.
fn own_id(json: &[u8]) -> Option<DocumentId> {
    let id = match json.first()? {
        // Half a surrogate pair makes this fail, and such a string is not usable.
        b'"' => serde_json::from_slice::<String>(json).ok()?,
        b'-' | b'0'..=b'9' if json.iter().skip(1).all(u8::is_ascii_digit) => str::from_utf8(json).ok()?.to_owned(),
        _ => return None,
    };
    let usable = id.len() <= MAX_ID_BYTES
        && !id.trim().is_empty()
        && !id.contains(char::is_control)
        && !id.starts_with(CONTENT_PREFIX);
    usable.then_some(DocumentId(id))
}

/// The name of a document that gives none itself.
fn content_id(canonical: &[u8]) -> DocumentId {
    let digest: String = Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect();
    DocumentId(format!("{CONTENT_PREFIX}{digest}"))
}

/// Puts U+FFFD in the place of each half of a surrogate pair in `canonical`, a canonical JSON text.
fn replace_half_surrogates(canonical: &str) -> Cow<'_, str> {
    let mut replaced = String::new();
    // How much of the text has been copied, and from where on an escape sequence is looked for.
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = canonical[from..].find('\\') {
        let at = from + found;
        // The canonical spelling escapes control characters as `\u00..`, and half surrogates as `\ud...`; nothing else
        // begins with `\ud`.
        if canonical[at..].starts_with("\\ud") {
            replaced.push_str(&canonical[copied..at]);
            replaced.push(char::REPLACEMENT_CHARACTER);
            copied = at + "\\ud83d".len();
            from = copied;
        } else {
            // Past the backslash and what it escapes, which may be another backslash.
            from = at + 2;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(canonical);
    }
    replaced.push_str(&canonical[copied..]);
    Cow::Owned(replaced)
}

fn not_json(error: &serde_json::Error) -> DocumentError {
    let (line, column) = (error.line(), error.column());
    // The message of a syntax error is one of a fixed set; the place follows it.
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or_default().to_owned();
    DocumentError::NotJson { line, column, reason }
}

/// The line and column of the byte at `offset`.
pub(crate) fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (1 + before.iter().filter(|byte| **byte == b'\n').count(), 1 + offset - line_start)
}

#[cfg(test)]
mod tests;
