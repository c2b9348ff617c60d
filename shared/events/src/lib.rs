//! The event of a revision: what is published of it on the bus, and the JSON Schemas of that.
//!
//! The events are a contract with their consumers, see `docs/events.md`: field names stay, and fields may be added.

mod changes;
mod detail;
mod event;
mod read;
mod schema;
mod since;

pub use changes::{Change, changes};
pub use detail::SCHEMA_VERSION;
pub use event::{Event, MAX_DETAIL_BYTES, NoEvent, ORDER_CREATED, ORDER_UPDATED};
pub use read::{Reading, read_event};
pub use schema::{request_schema, schemas, strict_schemas};
pub use since::revision_before;
