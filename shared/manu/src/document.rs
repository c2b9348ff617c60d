//! The document in a message's body: its identity, and a spelling to tell its versions apart by.

use std::fmt;

use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use crate::canonical::{Canonical, TooDeep, canonicalize};

/// How deep arrays and objects may be nested: a document of more levels is refused.
pub const MAX_DEPTH: usize = 64;

/// How long an id may be, in bytes. A document with a longer one is named by its content.
pub const MAX_ID_BYTES: usize = 256;

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

/// Reads the body of a message: JSON of any shape that the ERP's API may return.
///
/// The id is the top-level member `id` (`spec/manu-online.md`), as a whole number or as a string: `4711` and `"4711"`
/// are the same id. A string is taken as it is, not trimmed: better one document under two names than two under one. If
/// the name stands there twice, the last one counts, as for most JSON readers. A document without a usable id (none, an
/// empty or blank one, one with control characters or over [`MAX_ID_BYTES`], a fraction, an array at the top) is named
/// by its content, `sha256-` and the hash of its canonical JSON in hexadecimal, so that a repeat of it is still
/// recognised. To keep the two kinds apart, an id that itself begins with `sha256-` is not usable either.
///
/// A UTF-8 byte order mark before the document is skipped.
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
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
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

fn not_json(error: &serde_json::Error) -> DocumentError {
    let (line, column) = (error.line(), error.column());
    // The message of a syntax error is one of a fixed set; the place follows it.
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or_default().to_owned();
    DocumentError::NotJson { line, column, reason }
}

/// The line and column of the byte at `offset`.
fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (1 + before.iter().filter(|byte| **byte == b'\n').count(), 1 + offset - line_start)
}

#[cfg(test)]
mod tests;
