//! What the make-believe cloud records, and the bare client repeats.

use serde::{Deserialize, Serialize};

/// A call of AWS or of a shop.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The header `X-Amz-Target`, of a call to AWS.
    pub target: Option<String>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}
