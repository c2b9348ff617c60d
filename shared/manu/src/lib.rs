//! The Manu Online ERP's webhook protocol: the code that signs a message, the types of message, and the identity of
//! the document inside. Bytes in, values out; nothing here does any input or output.
//!
//! A listener uses it in this order. A message that was not verified cannot be read:
//!
//! ```
//! # use tilaussilta_manu::{Transfer, Unverified};
//! # let body = br#"{"id":4711,"documentNumber":"SO-1001"}"#;
//! # let header = "7e48a4d7d5d21a4fd63b6a9c84b95ca4";
//! let webhook: tilaussilta_manu::WebhookType = "sales-order-activate".parse()?;
//! let message = Unverified::new(body, Some("application/json"), Transfer::Bytes);
//! let message = message.verify([header], ["client-secret-1"])?;
//! let received = message.read()?;
//! assert_eq!(received.document.id.as_str(), "4711");
//! # assert_eq!(webhook, tilaussilta_manu::WebhookType::SalesOrderActivate);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod document;
mod message;
mod verify;
mod webhook;

pub use document::{Document, DocumentError, DocumentId, MAX_DEPTH, MAX_ID_BYTES, read_document};
pub use message::{NotAuthentic, Received, Transfer, Unverified, Verified};
pub use verify::{HEADER, VerifyCode, is_authentic, verify_code};
pub use webhook::{UnknownWebhookType, WebhookType};
