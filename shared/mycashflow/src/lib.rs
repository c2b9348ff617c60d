//! The MyCashflow shop's protocol: orders, the XML they travel in, the requests a shop answers and the client that
//! sends them. Bytes in, values out; nothing here knows of AWS.

mod canonical;
mod client;
mod decimal;
mod decode;
mod order;
mod push;
mod read;
mod recover;
mod request;
mod schema;
mod shop;
mod transport;
mod work;
#[cfg(any(test, feature = "write"))]
mod write;

pub use client::{Answer, ClientError, RetryPolicy, ShopClient};
pub use decimal::{Decimal, DecimalError};
pub use order::{Category, Contact, Extra, Line, LineKind, Order, Payment, Shipment, Text};
pub use push::{Handed, PushBody, PushDocument, PushError, push_document};
pub use read::{Characters, Entry, Limits, OrderError, Page, Place, ReadError, Reason, ValueFault, read_page};
pub use request::{HttpRequest, Request, Stream};
pub use schema::order_schema;
pub use shop::{PAGE_ORDERS, SLICE_CONTENT_TYPE, TIME_ZONE, time_zone};
pub use transport::{BoxFuture, HttpResponse, HttpTransport, MAX_BODY_BYTES, Transport, TransportError};
#[cfg(any(test, feature = "write"))]
pub use write::{SpanAttributes, write_order, write_orders};
