//! The events of Tilaussilta, as a rule's target receives them. Generated from their schemas: see `types/README.md` of the
//! project. Do not edit.
//!
//! ```
//! use tilaussilta_event_types::{Event, OrderUpdated};
//!
//! # let json = include_str!("../../../shared/events/examples/order.updated/whole.json");
//! let event: Event<OrderUpdated> = serde_json::from_str(json)?;
//! assert_eq!(event.detail_type, "order.updated");
//! assert_eq!(event.detail.id, "mycashflow/acme/order/58/2");
//! # Ok::<_, serde_json::Error>(())
//! ```
//!
//! Fields that were added since are passed over. For numbers of more digits than `f64` holds, switch on serde_json's
//! feature `arbitrary_precision`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a line of the order stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// Goods.
    Product,
    /// The payment method's fee: `ProductID` says `PAYMENT`, or carries `@PaymentID`.
    Payment,
    /// The shipping fee: `ProductID` says `SHIPPING`, or carries `@ShippingID`.
    Shipping,
    /// A coupon: `ProductID` carries `@CouponCode`.
    Coupon,
}

/// How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for
/// by name (`refresh`), or found by a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// `push`.
    Push,
    /// `poll`.
    Poll,
    /// `refresh`.
    Refresh,
    /// `backfill`.
    Backfill,
}

/// One `Categories/Category` of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// `Category/@id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text of `Category`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How to read a whole event: by invoking a function of the deployment, which may only read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimCheck {
    /// The function's name in the deployment; the stack's output `EventReadName` has its name in the
    /// account.
    pub function: String,
    /// What to invoke it with.
    pub payload: ReadRequest,
}

/// A person or company with an address: `CustomerInformation` or `ShippingAddress`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// `City`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// `Company`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// `Country`, a two-letter code such as `fi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// `Email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `Email/@allowMarketing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_marketing_allowed: Option<bool>,
    /// What the specification does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
    /// `FirstName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// `IPAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// `LastName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// `Phone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// `Phone/@allowMarketing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_marketing_allowed: Option<bool>,
    /// `ZipCode`, also read as `Zipcode` and `Zipcodeph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// `StreetAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    /// `BusinessID`: the VAT code or business id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_code: Option<String>,
}

/// An element (or attribute) that the specification does not name, kept as it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extra {
    /// The element's attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The elements inside it, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Extra>,
    /// The element's name; an unknown attribute of a known element is `ELEMENT/@ATTRIBUTE`.
    pub name: String,
    /// The text directly inside it, trimmed of white space at its ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One `Products/Product`: a product, a fee or a coupon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// `Campaign/CampaignID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<String>,
    /// `Categories/Category`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Category>,
    /// `ProductID/@CouponCode` of a coupon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon_code: Option<String>,
    /// What the specification does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
    /// `Campaign/NormalUnitPrice`: the price without the campaign, with up to four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normal_unit_price: Option<String>,
    /// `ProductID/@PaymentID` of a payment fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<String>,
    /// `Code`, also read as `codeph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_code: Option<String>,
    /// The text of `ProductID`; for a fee the word the shop writes there, such as `PAYMENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    /// `ProductName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// `Quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// `Shipped`: whether the line is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipped: Option<bool>,
    /// `ProductID/@ShippingID` of a shipping fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method_id: Option<String>,
    /// `Total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<String>,
    /// `TotalTax`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tax: Option<String>,
    /// What the line stands for.
    #[serde(rename = "type")]
    pub kind: LineKind,
    /// `UnitPrice`; clients take it to include the tax. A fee line can lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<String>,
    /// `UnitTax`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_tax: Option<String>,
    /// `Variation/@id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_id: Option<String>,
    /// The text of `Variation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_name: Option<String>,
    /// `UnitPrice/@vat`, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_rate: Option<String>,
}

/// One order of a shop. Every field but `id` is optional, because the vendor promises none of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// What the customer wrote (`Comments`), with the second layer of HTML entities decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<String>,
    /// When the order was made (`OrderedAt/@timestamp`, Unix seconds; without it, the text read as
    /// Helsinki time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The text of `OrderedAt`: the shop's local time, in Europe/Helsinki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at_local: Option<String>,
    /// The customer's key in the shop (`CustomerInformation/CustomerID`); missing or 0 for guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// Who ordered (`CustomerInformation`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_information: Option<Contact>,
    /// `Documents/DispatchNote`; a secret like `receipt_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch_note_url: Option<String>,
    /// What the order carried that the specification does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
    /// The shop's key of the order (`Order/@id`), which every request names it by.
    pub id: u64,
    /// `Documents/Invoice`; a secret like `receipt_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_url: Option<String>,
    /// `OrderLanguage`, for example `fi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The number shown to people (`OrderNumber`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_number: Option<String>,
    /// How it is paid. The XML has one payment an order, so none or one here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<Payment>,
    /// The lines: products, and the fees and coupons that the shop writes among them (see
    /// `Line::kind`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Line>,
    /// `Documents/Receipt`. The address carries an access token: a secret wherever it could be
    /// logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_url: Option<String>,
    /// How it is sent. The XML has one shipment an order, so none or one here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<Shipment>,
    /// Where it goes (`ShippingAddress`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Contact>,
    /// `OrderStatus`: `Open`, `Shipped`, `Cancelled`, perhaps others; the vendor publishes no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Which language or market version of the shop took the order (`OrderVersionID`); not a
    /// revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// What looked wrong without making the order unreadable, for example a local time that is not
    /// the time stamp's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// `PaymentMethod`, `PaymentReference` and `PaymentStatus`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// The text of `PaymentMethod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `PaymentMethod/@PaymentID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<String>,
    /// `PaymentReference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// `PaymentStatus`, for example `Paid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// What `event-read` is invoked with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadRequest {
    /// The `id` of an event.
    pub read: String,
}

/// `ShippingMethod`, `ShippingWeight` and `ShippingPackages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shipment {
    /// The text of `ShippingMethod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `ShippingPackages`: the number of parcels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parcel_count: Option<u32>,
    /// `ShippingMethod/@PickUpPointCode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_point_code: Option<String>,
    /// `ShippingMethod/@ShippingID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method_id: Option<String>,
    /// `ShippingWeight`, in kilograms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
}

/// The detail of an event of detail-type order.created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderCreated {
    /// How to read the whole event; absent when `truncated` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_check: Option<ClaimCheck>,
    /// The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
    pub connection: String,
    /// The id of the revision, the same however often it is published: drop repeats by it.
    pub id: String,
    /// When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
    pub observed_at: String,
    /// The order; absent when `truncated` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked
    /// for by name (`refresh`), or found by a backfill.
    pub origin: Origin,
    /// When it was written to the ledger.
    pub recorded_at: String,
    /// The number of the revision among those of its document, from 1.
    pub revision: u32,
    /// The version of the form. It stays as long as fields are only added.
    pub schema_version: u32,
    /// Whether the event would be too large with the document, so that it is left out.
    pub truncated: bool,
}

/// What stood in the revision before, of the fields by which rules choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// The `status` of its first payment that has one; null when none had.
    pub payment_status: Option<String>,
    /// Whether all its products were shipped: of the lines of type `product` that say so. Null when
    /// none did.
    pub shipped: Option<bool>,
    /// The order's `status`; null when it had none.
    pub status: Option<String>,
}

/// The detail of an event of detail-type order.updated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderUpdated {
    /// The places in which the order differs from the revision before: `status`,
    /// `payments[0].status`. With many, only the order's own fields that hold them. Null when the
    /// revision before is gone or cannot be read: then it is unknown.
    pub changes: Option<Vec<String>>,
    /// How to read the whole event; absent when `truncated` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_check: Option<ClaimCheck>,
    /// The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
    pub connection: String,
    /// The id of the revision, the same however often it is published: drop repeats by it.
    pub id: String,
    /// When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
    pub observed_at: String,
    /// The order; absent when `truncated` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked
    /// for by name (`refresh`), or found by a backfill.
    pub origin: Origin,
    /// What stood in the revision before; null when `changes` is.
    pub previous: Option<Previous>,
    /// When it was written to the ledger.
    pub recorded_at: String,
    /// The number of the revision among those of its document, from 1.
    pub revision: u32,
    /// The version of the form. It stays as long as fields are only added.
    pub schema_version: u32,
    /// Whether the event would be too large with the document, so that it is left out.
    pub truncated: bool,
}

/// The detail of an event of the ERP: its detail-type is the webhook's slug.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentReceived {
    /// How to read the whole event; absent when `truncated` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_check: Option<ClaimCheck>,
    /// The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
    pub connection: String,
    /// The ERP's own JSON, its numbers as they were written; absent when `truncated` is true. The
    /// vendor publishes no field names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
    /// The id of the revision, the same however often it is published: drop repeats by it.
    pub id: String,
    /// When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
    pub observed_at: String,
    /// How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked
    /// for by name (`refresh`), or found by a backfill.
    pub origin: Origin,
    /// When it was written to the ledger.
    pub recorded_at: String,
    /// The number of the revision among those of its document, from 1.
    pub revision: u32,
    /// The version of the form. It stays as long as fields are only added.
    pub schema_version: u32,
    /// Whether the event would be too large with the document, so that it is left out.
    pub truncated: bool,
}

/// What the bus delivers to a rule's target. `Detail` is [`OrderCreated`], [`OrderUpdated`] or [`DocumentReceived`], as
/// `detail_type` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event<Detail> {
    /// The version of EventBridge's envelope.
    pub version: String,
    /// EventBridge's own id, another one whenever the event is published: drop repeats by the detail's `id`.
    pub id: String,
    /// What kind of event it is: `order.created`, `order.updated`, or the slug of a webhook of the ERP.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// `tilaussilta.mycashflow` or `tilaussilta.manu`.
    pub source: String,
    /// The AWS account of the bus.
    pub account: String,
    /// When the revision was recorded.
    pub time: String,
    /// The AWS region of the bus.
    pub region: String,
    /// Empty.
    pub resources: Vec<String>,
    /// What happened.
    pub detail: Detail,
}
