//! What can be wrong with a document, and where. No message repeats what the document says: it may be personal data.

use std::fmt;

use thiserror::Error;

use super::fault::Reason;

/// A place in the decoded text of a document. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line; a line ends with a line feed.
    pub line: usize,
    /// The column: how many characters into the line, the first being 1.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset in `text`; an offset behind the end is the end.
    pub(crate) fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            // Every byte but a UTF-8 continuation byte begins a character.
            column: before[line_start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a whole document cannot be read.
///
/// The first five are the failures that a shop answers with status 200 (`docs/vendors/mycashflow.md`): they must
/// never be taken for a page without orders.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// There is nothing but white space.
    #[error("the document is empty")]
    Empty,
    /// An HTML page, such as a login form or an error page.
    #[error("the document is an HTML page, expected XML")]
    Html,
    /// There is an `<error>` element outside of the orders.
    #[error("the document reports an error of the shop")]
    ErrorDocument,
    /// XML, but neither an order nor a list of them.
    #[error("the root element is {root}, with no order in it: expected Order or Orders")]
    NotOrders {
        /// The root element's name, shortened to 40 characters.
        root: String,
    },
    /// An answer to a question for changes that holds no order, does not count 0 of them, and says something else: perhaps
    /// why it shows none.
    #[error("the list of orders is empty, and beside it stands something else, which may tell of an error")]
    Unexplained,
    /// A document type declaration. None is allowed, so that no entity can be declared.
    #[error("document type declaration at {at}: none is allowed")]
    Dtd {
        /// Where it begins.
        at: Place,
    },
    /// Elements are nested deeper than [`Limits::depth`](crate::Limits::depth).
    #[error("elements nested more than {limit} deep at {at}")]
    TooDeep {
        /// Where the first element beyond the limit begins.
        at: Place,
        /// The limit.
        limit: usize,
    },
    /// The document is longer than [`Limits::document_bytes`](crate::Limits::document_bytes).
    #[error("the document has {size_bytes} bytes, more than the limit of {limit_bytes}")]
    TooLarge {
        /// The document's size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The encoding of the document is unknown, or its bytes are no text in it.
    #[error("the encoding is given as {name}, which is unknown or not what the document is in")]
    Encoding {
        /// The encoding's name, shortened to 40 characters.
        name: String,
    },
    /// Around the orders there is text that is, or passes for, UTF-8 and is not. Inside an order it spoils that order only.
    #[error("invalid UTF-8 at {at}")]
    InvalidUtf8 {
        /// Where the first bad byte stands.
        at: Place,
    },
    /// The document is not well-formed XML outside of its orders.
    #[error("malformed XML at {at}: {reason}")]
    Malformed {
        /// Where.
        at: Place,
        /// What is wrong there.
        reason: Reason,
    },
    /// The document ends before its root element does: a cut-off answer, of which nothing may be used.
    #[error("the document is cut short at {at}: its root element has no end")]
    Truncated {
        /// Where it ends, or where the comment, CDATA section or instruction begins that never ends.
        at: Place,
    },
}

/// Why one order of a document cannot be read. The other orders of the document are not affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path} on line {line}: {reason}")]
pub struct OrderError {
    /// The element (or attribute) at fault, for example `Order/Products/Product[2]/UnitPrice`.
    pub path: String,
    /// The line of the document, from 1.
    pub line: usize,
    /// What is wrong, without the value.
    pub reason: Reason,
}

/// A name from the document, cut to what is safe to show in a message.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || "_-.:".contains(c) { c } else { '?' }).collect()
}
