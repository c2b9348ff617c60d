//! The connections: which shops and ERP accounts there are, their keys and secrets, and where they are read from.

mod document;
mod store;

pub use document::{
    Bridge, Connections, ConnectionsError, ConnectionsWarning, EventPattern, Language, ManuConnection, OrderIs, Secret,
    ShopConnection, WebhookEndpoint,
};
pub use store::{ConnectionSource, ConnectionStore, StoreError};
