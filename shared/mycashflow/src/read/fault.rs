//! What can be wrong inside of a document. No message repeats what the document says: it may be personal data.

use thiserror::Error;

use super::value::ValueFault;

/// What is wrong at one place of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// The text ends before the element does.
    #[error("an element without its end tag")]
    Unended,
    /// A tag has no end of its own.
    #[error("a tag without its end")]
    UnendedTag,
    /// An end tag of another element than the one that is open.
    #[error("an end tag that does not match its start tag")]
    Mismatch,
    /// A `<?xml …?>` that is not the first thing of the document.
    #[error("an XML declaration inside the document")]
    StrayDeclaration,
    /// `&name;` where `name` is neither XML's nor HTML's.
    #[error("a reference to an entity that is not declared")]
    UndeclaredEntity,
    /// A `&` without a `;` behind it.
    #[error("an ampersand that begins no reference")]
    LoneAmpersand,
    /// An attribute that is not `name="value"`, or that the tag has twice.
    #[error("a malformed or repeated attribute")]
    BadAttribute,
    /// `<!` and something else than a comment or a CDATA section.
    #[error("neither a comment nor a CDATA section after <!")]
    BadMarkup,
    /// Anything else that is not XML.
    #[error("not well-formed")]
    NotWellFormed,
    /// Most likely the end tag of the order before it is missing: the page continues with the inner one.
    #[error("an order inside of an order")]
    NestedOrder,
    /// A name that XML does not allow.
    #[error("not the name of an element")]
    BadName,
    /// Bytes that are not UTF-8.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// Text around the root element.
    #[error("text outside of the root element")]
    TextOutside,
    /// Text in a list, beside its orders.
    #[error("text between the orders")]
    TextBetweenOrders,
    /// A document with two root elements.
    #[error("an element after the root element")]
    SecondRoot,
    /// An attribute without which there is no order.
    #[error("missing")]
    Missing,
    /// A value of the wrong kind.
    #[error(transparent)]
    Value(#[from] ValueFault),
}

/// Why reading stopped. It is rare, so it is in a box: results are then no larger than what is read.
pub(super) type Stopped = Box<Fault>;

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Fault {
    /// The whole document is refused, at this offset.
    Document { offset: usize, refusal: Refusal },
    /// Something is wrong at this offset; inside an order it spoils that order only.
    Local { offset: usize, path: String, reason: Reason },
}

impl Fault {
    /// The fault, as one of the element `name` in the container that it was found in.
    #[cold]
    pub(super) fn inside(mut self: Box<Self>, name: &str) -> Stopped {
        if let Self::Local { path, .. } = &mut *self {
            path.push('/');
            path.push_str(name);
        }
        self
    }
}

/// What a document is refused for, wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A document type declaration.
    Dtd,
    /// Nesting beyond the limit.
    Depth,
    /// A comment, CDATA section or processing instruction without an end.
    CutShort,
}
