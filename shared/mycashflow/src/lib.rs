//! The MyCashflow shop's protocol: orders, the XML they travel in, the requests a shop answers and the client that
//! sends them. Bytes in, values out; nothing here knows of AWS.

mod client;
mod decode;
mod order;
mod push;
mod read;
mod recover;
mod request;
mod schema;
mod transport;
mod write;

pub use client::{Answer, ClientError, RetryPolicy, ShopClient};
pub use order::{Category, Contact, Extra, Line, LineKind, Order, Payment, Shipment, Text};
pub use push::{PushBody, PushError, push_document};
pub use read::{Entry, Limits, OrderError, Page, Place, ReadError, read_page};
pub use request::{HttpRequest, Request, Stream};
pub use schema::order_schema;
pub use transport::{BoxFuture, HttpResponse, HttpTransport, MAX_BODY_BYTES, Transport, TransportError};
pub use write::{SpanAttributes, write_order, write_orders};
