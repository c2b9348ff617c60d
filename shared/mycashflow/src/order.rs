//! The order as this product knows it: what the shop's XML says, under the field names of the vendor's REST API.
//!
//! Serialised, an [`Order`] is the document that is hashed, stored and published. Money and quantities are decimal
//! strings exactly as the shop wrote them, instants are UTC, and whatever the specification does not name is kept in
//! `extra`. Sources: `docs/vendors/mycashflow.md`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::decimal::Decimal;

/// A value as the shop wrote it. Most are short, and a short one needs no memory of its own.
pub type Text = SmolStr;

/// One order of a shop.
///
/// Every field but `id` is optional, because the vendor promises none of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The shop's key of the order (`Order/@id`), which every request names it by.
    pub id: u64,
    /// The number shown to people (`OrderNumber`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_number: Option<Text>,
    /// Which language or market version of the shop took the order (`OrderVersionID`); not a revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<Text>,
    /// When the order was made (`OrderedAt/@timestamp`, Unix seconds; without it, the text read as Helsinki time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The text of `OrderedAt`: the shop's local time, in Europe/Helsinki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at_local: Option<Text>,
    /// `OrderStatus`: `Open`, `Shipped`, `Cancelled`, perhaps others; the vendor publishes no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// `OrderLanguage`, for example `fi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Text>,
    /// What the customer wrote (`Comments`), with the second layer of HTML entities decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<Text>,
    /// The customer's key in the shop (`CustomerInformation/CustomerID`); missing or 0 for guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<Text>,
    /// Who ordered (`CustomerInformation`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_information: Option<Contact>,
    /// Where it goes (`ShippingAddress`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Contact>,
    /// How it is paid. The XML has one payment an order, so none or one here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<Payment>,
    /// How it is sent. The XML has one shipment an order, so none or one here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<Shipment>,
    /// The lines: products, and the fees and coupons that the shop writes among them (see [`Line::kind`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Line>,
    /// `Documents/Receipt`. The address carries an access token: a secret wherever it could be logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_url: Option<Text>,
    /// `Documents/DispatchNote`; a secret like `receipt_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch_note_url: Option<Text>,
    /// `Documents/Invoice`; a secret like `receipt_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_url: Option<Text>,
    /// What the order carried that the specification does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
    /// What looked wrong without making the order unreadable, for example a local time that is not the time stamp's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Order {
    /// What its lines come to, fees and coupons included, rounded to cents. A fee without a price costs nothing. None without
    /// lines, or when a product has neither a total nor a price and a quantity.
    pub fn total(&self) -> Option<Decimal> {
        let number = |value: &Option<Decimal>| value.as_ref()?.as_str().parse::<rust_decimal::Decimal>().ok();
        let of_line = |line: &Line| {
            let total = number(&line.total).or_else(|| number(&line.unit_price)?.checked_mul(number(&line.quantity)?));
            total.or((line.kind != LineKind::Product).then_some(rust_decimal::Decimal::ZERO))
        };
        let totals: Vec<rust_decimal::Decimal> = self.products.iter().map(of_line).collect::<Option<_>>()?;
        let sum = totals.iter().try_fold(rust_decimal::Decimal::ZERO, |sum, total| sum.checked_add(*total))?;
        let rounded = sum.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        (!totals.is_empty()).then(|| rounded.into())
    }
}

/// A person or company with an address: `CustomerInformation` or `ShippingAddress`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// `FirstName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Text>,
    /// `LastName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Text>,
    /// `Company`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<Text>,
    /// `BusinessID`: the VAT code or business id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_code: Option<Text>,
    /// `StreetAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street_address: Option<Text>,
    /// `ZipCode`, also read as `Zipcode` and `Zipcodeph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Text>,
    /// `City`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<Text>,
    /// `Country`, a two-letter code such as `fi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Text>,
    /// `Email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Text>,
    /// `Email/@allowMarketing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_marketing_allowed: Option<bool>,
    /// `Phone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Text>,
    /// `Phone/@allowMarketing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_marketing_allowed: Option<bool>,
    /// `IPAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<Text>,
    /// What the specification does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
}

/// `PaymentMethod`, `PaymentReference` and `PaymentStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// `PaymentMethod/@PaymentID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<Text>,
    /// The text of `PaymentMethod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// `PaymentReference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Text>,
    /// `PaymentStatus`, for example `Paid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
}

/// `ShippingMethod`, `ShippingWeight` and `ShippingPackages`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shipment {
    /// `ShippingMethod/@ShippingID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method_id: Option<Text>,
    /// The text of `ShippingMethod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// `ShippingMethod/@PickUpPointCode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_point_code: Option<Text>,
    /// `ShippingWeight`, in kilograms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Decimal>,
    /// `ShippingPackages`: the number of parcels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parcel_count: Option<u32>,
}

/// What a line of the order stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// Goods.
    #[default]
    Product,
    /// The payment method's fee: `ProductID` says `PAYMENT`, or carries `@PaymentID`.
    Payment,
    /// The shipping fee: `ProductID` says `SHIPPING`, or carries `@ShippingID`.
    Shipping,
    /// A coupon: `ProductID` carries `@CouponCode`.
    Coupon,
}

/// One `Products/Product`: a product, a fee or a coupon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What the line stands for.
    #[serde(rename = "type")]
    pub kind: LineKind,
    /// The text of `ProductID`; for a fee the word the shop writes there, such as `PAYMENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<Text>,
    /// `ProductID/@PaymentID` of a payment fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<Text>,
    /// `ProductID/@ShippingID` of a shipping fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method_id: Option<Text>,
    /// `ProductID/@CouponCode` of a coupon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon_code: Option<Text>,
    /// `Variation/@id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_id: Option<Text>,
    /// The text of `Variation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_name: Option<Text>,
    /// `Code`, also read as `codeph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_code: Option<Text>,
    /// `ProductName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<Text>,
    /// `Quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    /// `UnitPrice`; clients take it to include the tax. A fee line can lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Decimal>,
    /// `UnitPrice/@vat`, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_rate: Option<Decimal>,
    /// `UnitTax`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_tax: Option<Decimal>,
    /// `Total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Decimal>,
    /// `TotalTax`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tax: Option<Decimal>,
    /// `Shipped`: whether the line is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipped: Option<bool>,
    /// `Campaign/CampaignID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<Text>,
    /// `Campaign/NormalUnitPrice`: the price without the campaign, with up to four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normal_unit_price: Option<Decimal>,
    /// `Categories/Category`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Category>,
    /// What the specification does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
}

/// One `Categories/Category` of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// `Category/@id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Text>,
    /// The text of `Category`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
}

/// An element (or attribute) that the specification does not name, kept as it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// The element's name; an unknown attribute of a known element is `ELEMENT/@ATTRIBUTE`.
    pub name: String,
    /// The element's attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The text directly inside it, trimmed of white space at its ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// The elements inside it, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Extra>,
}
