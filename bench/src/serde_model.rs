//! The same orders as types that serde derives a reader for, over quick-xml: what one would write without a reader of
//! one's own. It reads the same values, and promises none of what `mycashflow` does beyond that.

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::contender::Failure;
use crate::digest::Values;

/// `Orders`.
#[derive(Deserialize)]
pub struct Orders {
    #[serde(default, rename = "Order")]
    orders: Vec<Order>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Order {
    #[serde(rename = "@id")]
    id: u64,
    order_number: Option<String>,
    #[serde(rename = "OrderVersionID")]
    order_version_id: Option<String>,
    ordered_at: Option<OrderedAt>,
    order_status: Option<String>,
    order_language: Option<String>,
    comments: Option<String>,
    payment_method: Option<PaymentMethod>,
    payment_reference: Option<String>,
    payment_status: Option<String>,
    shipping_method: Option<ShippingMethod>,
    #[serde(default, with = "rust_decimal::serde::str_option")]
    shipping_weight: Option<Decimal>,
    shipping_packages: Option<u32>,
    documents: Option<Documents>,
    customer_information: Option<Contact>,
    shipping_address: Option<Contact>,
    products: Option<Products>,
}

#[derive(Deserialize)]
struct OrderedAt {
    #[serde(rename = "@timestamp")]
    timestamp: i64,
    #[serde(rename = "$text")]
    local: Option<String>,
}

#[derive(Deserialize)]
struct PaymentMethod {
    #[serde(rename = "@PaymentID")]
    id: Option<String>,
    #[serde(rename = "$text")]
    name: Option<String>,
}

#[derive(Deserialize)]
struct ShippingMethod {
    #[serde(rename = "@ShippingID")]
    id: Option<String>,
    #[serde(rename = "@PickUpPointCode")]
    pickup_point: Option<String>,
    #[serde(rename = "$text")]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Documents {
    receipt: Option<String>,
    dispatch_note: Option<String>,
    invoice: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contact {
    #[serde(rename = "CustomerID")]
    customer_id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    company: Option<String>,
    #[serde(rename = "BusinessID")]
    business_id: Option<String>,
    street_address: Option<String>,
    #[serde(alias = "Zipcodeph")]
    zip_code: Option<String>,
    city: Option<String>,
    country: Option<String>,
    email: Option<Address>,
    phone: Option<Address>,
    #[serde(rename = "IPAddress")]
    ip_address: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "@allowMarketing")]
    allow_marketing: Option<bool>,
    #[serde(rename = "$text")]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Products {
    #[serde(default, rename = "Product")]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    #[serde(rename = "ProductID")]
    product_id: Option<ProductId>,
    product_name: Option<String>,
    variation: Option<Named>,
    #[serde(alias = "codeph")]
    code: Option<String>,
    unit_price: Option<UnitPrice>,
    #[serde(default, with = "rust_decimal::serde::str_option")]
    unit_tax: Option<Decimal>,
    #[serde(default, with = "rust_decimal::serde::str_option")]
    quantity: Option<Decimal>,
    #[serde(default, with = "rust_decimal::serde::str_option")]
    total: Option<Decimal>,
    #[serde(default, with = "rust_decimal::serde::str_option")]
    total_tax: Option<Decimal>,
    shipped: Option<bool>,
    campaign: Option<Campaign>,
    categories: Option<Categories>,
}

#[derive(Deserialize)]
struct ProductId {
    #[serde(rename = "@PaymentID")]
    payment: Option<String>,
    #[serde(rename = "@ShippingID")]
    shipping: Option<String>,
    #[serde(rename = "@CouponCode")]
    coupon: Option<String>,
    #[serde(rename = "$text")]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "@id")]
    id: Option<String>,
    #[serde(rename = "$text")]
    name: Option<String>,
}

#[derive(Deserialize)]
struct UnitPrice {
    #[serde(rename = "@vat", default, with = "rust_decimal::serde::str_option")]
    vat: Option<Decimal>,
    #[serde(rename = "$text", default, with = "rust_decimal::serde::str_option")]
    price: Option<Decimal>,
}

#[derive(Deserialize)]
struct Campaign {
    #[serde(rename = "CampaignID")]
    id: Option<String>,
    #[serde(rename = "NormalUnitPrice", default, with = "rust_decimal::serde::str_option")]
    normal_unit_price: Option<Decimal>,
}

#[derive(Deserialize)]
struct Categories {
    #[serde(default, rename = "Category")]
    categories: Vec<Named>,
}

/// Reads a document in UTF-8 whose root element is `Orders`, and decodes the second layer of entities of the comments.
///
/// # Errors
/// When it is not UTF-8, or a value or the XML is wrong anywhere.
pub fn read(bytes: &[u8]) -> Result<Orders, Failure> {
    // Not `from_reader`, which copies every event.
    let mut page: Orders = quick_xml::de::from_str(std::str::from_utf8(bytes)?)?;
    for comments in page.orders.iter_mut().filter_map(|order| order.comments.as_mut()) {
        if let std::borrow::Cow::Owned(decoded) = html_escape::decode_html_entities(comments) {
            *comments = decoded;
        }
    }
    Ok(page)
}

/// The digest of what was read: see [`crate::digest`].
pub fn digest(page: &Orders) -> String {
    let mut values = Values::default();
    page.orders.iter().for_each(|order| add_order(&mut values, order));
    values.finish()
}

fn add_order(values: &mut Values, order: &Order) {
    values.add("id", Some(order.id));
    values.add("number", order.order_number.as_ref());
    values.add("version", order.order_version_id.as_ref());
    values.add("made_at", order.ordered_at.as_ref().map(|at| at.timestamp));
    values.add("made_at_local", order.ordered_at.as_ref().and_then(|at| at.local.as_ref()));
    values.add("status", order.order_status.as_ref());
    values.add("language", order.order_language.as_ref());
    values.add("comments", order.comments.as_ref());
    values.add("payment.id", order.payment_method.as_ref().and_then(|method| method.id.as_ref()));
    values.add("payment.name", order.payment_method.as_ref().and_then(|method| method.name.as_ref()));
    values.add("payment.reference", order.payment_reference.as_ref());
    values.add("payment.status", order.payment_status.as_ref());
    values.add("shipping.id", order.shipping_method.as_ref().and_then(|method| method.id.as_ref()));
    values.add("shipping.point", order.shipping_method.as_ref().and_then(|method| method.pickup_point.as_ref()));
    values.add("shipping.name", order.shipping_method.as_ref().and_then(|method| method.name.as_ref()));
    values.add("shipping.weight", order.shipping_weight);
    values.add("shipping.parcels", order.shipping_packages);
    if let Some(documents) = &order.documents {
        values.add("receipt", documents.receipt.as_ref());
        values.add("dispatch_note", documents.dispatch_note.as_ref());
        values.add("invoice", documents.invoice.as_ref());
    }
    values.add("customer.id", order.customer_information.as_ref().and_then(|customer| customer.customer_id.as_ref()));
    add_contact(values, "customer", order.customer_information.as_ref());
    add_contact(values, "address", order.shipping_address.as_ref());
    order.products.iter().flat_map(|products| &products.lines).for_each(|line| add_line(values, line));
}

fn add_contact(values: &mut Values, owner: &str, contact: Option<&Contact>) {
    let Some(contact) = contact else { return };
    let email = contact.email.as_ref();
    let phone = contact.phone.as_ref();
    let texts = [
        ("first_name", contact.first_name.as_ref()),
        ("last_name", contact.last_name.as_ref()),
        ("company", contact.company.as_ref()),
        ("business_id", contact.business_id.as_ref()),
        ("street", contact.street_address.as_ref()),
        ("zip", contact.zip_code.as_ref()),
        ("city", contact.city.as_ref()),
        ("country", contact.country.as_ref()),
        ("email", email.and_then(|email| email.text.as_ref())),
        ("phone", phone.and_then(|phone| phone.text.as_ref())),
        ("ip", contact.ip_address.as_ref()),
    ];
    for (name, value) in texts {
        values.add(&format!("{owner}.{name}"), value);
    }
    values.add(&format!("{owner}.email_marketing"), email.and_then(|email| email.allow_marketing));
    values.add(&format!("{owner}.phone_marketing"), phone.and_then(|phone| phone.allow_marketing));
}

fn add_line(values: &mut Values, line: &Line) {
    if let Some(product) = &line.product_id {
        values.add("line.product", product.id.as_ref());
        values.add("line.payment", product.payment.as_ref());
        values.add("line.shipping", product.shipping.as_ref());
        values.add("line.coupon", product.coupon.as_ref());
    }
    values.add("line.name", line.product_name.as_ref());
    if let Some(variation) = &line.variation {
        values.add("line.variation.id", variation.id.as_ref());
        values.add("line.variation", variation.name.as_ref());
    }
    values.add("line.code", line.code.as_ref());
    if let Some(price) = &line.unit_price {
        values.add("line.price", price.price);
        values.add("line.vat", price.vat);
    }
    values.add("line.unit_tax", line.unit_tax);
    values.add("line.quantity", line.quantity);
    values.add("line.total", line.total);
    values.add("line.total_tax", line.total_tax);
    values.add("line.shipped", line.shipped);
    if let Some(campaign) = &line.campaign {
        values.add("line.campaign", campaign.id.as_ref());
        values.add("line.normal_price", campaign.normal_unit_price);
    }
    for category in line.categories.iter().flat_map(|list| &list.categories) {
        values.add("line.category.id", category.id.as_ref());
        values.add("line.category", category.name.as_ref());
    }
}
