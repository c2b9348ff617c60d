//! From the elements of an order to an [`Order`]: `docs/vendors/mycashflow.md`, element by element.

use std::borrow::Cow;

use super::elements::{Rest, Value};
use super::fault::{Reason, Stopped};
use super::source::{Source, Tag};
use super::text::{non_empty, trim};
use super::value::{self, ValueFault};
use crate::decimal::Decimal;
use crate::order::{Category, Contact, Line, LineKind, Order, Payment, Shipment, Text};

/// Reads the order whose start tag is `tag`, up to and with its end tag.
pub(super) fn order<'a>(source: &mut Source<'a>, tag: &Tag<'a>) -> Result<Order, Stopped> {
    let mut order = Order::default();
    let mut payment = Payment::default();
    let mut shipment = Shipment::default();
    let mut rest = Rest::default();
    source.begin_order();
    let [id] = source.attributes(tag, ["id"], &mut rest)?;
    let id = id.ok_or_else(|| source.value_fault(tag, "@id", Reason::Missing))?;
    order.id = value::whole(&id).map_err(|reason| source.value_fault(tag, "@id", reason))?;
    while let Some(child) = source.child(tag, &mut rest)? {
        match child.name() {
            "OrderNumber" => text(source, &child, &mut order.order_number, &mut rest)?,
            "OrderVersionID" => text(source, &child, &mut order.version_id, &mut rest)?,
            "OrderedAt" => ordered_at(source, &child, &mut order, &mut rest)?,
            "OrderStatus" => text(source, &child, &mut order.status, &mut rest)?,
            "OrderLanguage" => text(source, &child, &mut order.language, &mut rest)?,
            "Comments" => comments(source, &child, &mut order.comments, &mut rest)?,
            "PaymentMethod"
                if payment.name.is_none() && payment.payment_method_id.is_none() && !rest.keeps(child.name()) =>
            {
                let (name, [id]) = source.leaf(&child, ["PaymentID"], &mut rest)?;
                payment.name = owned(name);
                payment.payment_method_id = owned(id);
            }
            "PaymentMethod" => source.repeated(&child, child.name(), &mut rest)?,
            "PaymentReference" => text(source, &child, &mut payment.reference, &mut rest)?,
            "PaymentStatus" => text(source, &child, &mut payment.status, &mut rest)?,
            "ShippingMethod" if !has_method(&shipment) && !rest.keeps(child.name()) => {
                let (name, [id, pickup_point]) = source.leaf(&child, ["ShippingID", "PickUpPointCode"], &mut rest)?;
                shipment.name = owned(name);
                shipment.shipping_method_id = owned(id);
                shipment.pickup_point_code = owned(pickup_point);
            }
            "ShippingMethod" => source.repeated(&child, child.name(), &mut rest)?,
            "ShippingWeight" => side(source, &child, &mut shipment.weight, value::decimal, &mut rest)?,
            "ShippingPackages" => side(source, &child, &mut shipment.parcel_count, value::whole, &mut rest)?,
            "Documents" => documents(source, &child, &mut order, &mut rest)?,
            "CustomerInformation" if order.customer_information.is_none() && order.customer_id.is_none() => {
                let customer = &mut order.customer_information;
                contact(source, &child, "CustomerInformation", customer, &mut order.customer_id)?;
            }
            "ShippingAddress" if order.shipping_address.is_none() => {
                contact(source, &child, "ShippingAddress", &mut order.shipping_address, &mut None)?;
            }
            "CustomerInformation" | "ShippingAddress" => source.repeated(&child, child.name(), &mut rest)?,
            "Products" if order.products.is_empty() && !rest.keeps(child.name()) => {
                products(source, &child, &mut order.products, &mut rest)?;
            }
            "Products" => source.repeated(&child, child.name(), &mut rest)?,
            _ => source.unknown(&child, &mut rest)?,
        }
    }
    source.leave();
    order.payments.extend((payment != Payment::default()).then_some(payment));
    order.shipments.extend((shipment != Shipment::default()).then_some(shipment));
    order.extra = rest.extra;
    order.warnings = std::mem::take(&mut source.warnings);
    Ok(order)
}

fn has_method(Shipment { name, shipping_method_id, pickup_point_code, .. }: &Shipment) -> bool {
    name.is_some() || shipping_method_id.is_some() || pickup_point_code.is_some()
}

fn ordered_at<'a>(source: &mut Source<'a>, tag: &Tag<'a>, order: &mut Order, rest: &mut Rest) -> Result<(), Stopped> {
    if order.created_at.is_some() || order.created_at_local.is_some() || rest.keeps(tag.name()) {
        return source.repeated(tag, tag.name(), rest);
    }
    let (text, [seconds]) = source.leaf(tag, ["timestamp"], rest)?;
    let timestamp = side_value(source, tag, "@timestamp", seconds, value::instant, rest);
    let warning;
    (order.created_at, warning) = match (timestamp, &text) {
        (Some(instant), Some(text)) => (Some(instant), value::check_time(instant, text)),
        (None, Some(text)) => value::instant_of_time(text),
        (instant, None) => (instant, None),
    };
    order.created_at_local = owned(text);
    if let Some(warning) = warning {
        source.warn("OrderedAt", warning);
    }
    Ok(())
}

/// The customer's comment. The shop escapes it for HTML before it escapes it for XML: both layers are taken off.
fn comments<'a>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    slot: &mut Option<Text>,
    rest: &mut Rest,
) -> Result<(), Stopped> {
    text(source, tag, slot, rest)?;
    if let Some(comment) = slot
        && let decoded @ Cow::Owned(_) = html_escape::decode_html_entities(comment.as_str())
    {
        *slot = non_empty(trim(decoded));
    }
    Ok(())
}

fn documents<'a>(source: &mut Source<'a>, tag: &Tag<'a>, order: &mut Order, rest: &mut Rest) -> Result<(), Stopped> {
    if order.receipt_url.is_some()
        || order.dispatch_note_url.is_some()
        || order.invoice_url.is_some()
        || rest.keeps(tag.name())
    {
        return source.repeated(tag, tag.name(), rest);
    }
    source.enter("Documents", 0);
    let [] = source.attributes(tag, [], rest)?;
    rest.prefix = "Documents/";
    while let Some(child) = source.child(tag, rest)? {
        match child.name() {
            "Receipt" => text(source, &child, &mut order.receipt_url, rest)?,
            "DispatchNote" => text(source, &child, &mut order.dispatch_note_url, rest)?,
            "Invoice" => text(source, &child, &mut order.invoice_url, rest)?,
            _ => source.unknown(&child, rest)?,
        }
    }
    rest.prefix = "";
    source.leave();
    Ok(())
}

/// A customer or an address, and the `CustomerID` that stands among the customer's fields.
fn contact<'a>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    name: &'static str,
    slot: &mut Option<Contact>,
    customer_id: &mut Option<Text>,
) -> Result<(), Stopped> {
    let contact = slot.insert(Contact::default());
    let mut rest = Rest::default();
    source.enter(name, 0);
    let [] = source.attributes(tag, [], &mut rest)?;
    while let Some(child) = source.child(tag, &mut rest)? {
        match child.name() {
            "CustomerID" if name == "CustomerInformation" => text(source, &child, customer_id, &mut rest)?,
            "FirstName" => text(source, &child, &mut contact.first_name, &mut rest)?,
            "LastName" => text(source, &child, &mut contact.last_name, &mut rest)?,
            "Company" => text(source, &child, &mut contact.company, &mut rest)?,
            "BusinessID" => text(source, &child, &mut contact.vat_code, &mut rest)?,
            "StreetAddress" => text(source, &child, &mut contact.street_address, &mut rest)?,
            "ZipCode" | "Zipcode" | "Zipcodeph" => {
                text_as(source, &child, "ZipCode", &mut contact.postal_code, &mut rest)?
            }
            "City" => text(source, &child, &mut contact.city, &mut rest)?,
            "Country" => text(source, &child, &mut contact.country, &mut rest)?,
            "Email" => {
                let Contact { email, email_marketing_allowed: allowed, .. } = contact;
                address(source, &child, (email, allowed), &mut rest)?;
            }
            "Phone" => {
                let Contact { phone, phone_marketing_allowed: allowed, .. } = contact;
                address(source, &child, (phone, allowed), &mut rest)?;
            }
            "IPAddress" => text(source, &child, &mut contact.ip_address, &mut rest)?,
            _ => source.unknown(&child, &mut rest)?,
        }
    }
    source.leave();
    contact.extra = rest.extra;
    if *contact == Contact::default() {
        *slot = None;
    }
    Ok(())
}

/// An e-mail address or a phone number, and whether it may be used for marketing.
fn address<'a>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    (slot, allowed): (&mut Option<Text>, &mut Option<bool>),
    rest: &mut Rest,
) -> Result<(), Stopped> {
    if slot.is_some() || allowed.is_some() || rest.keeps(tag.name()) {
        return source.repeated(tag, tag.name(), rest);
    }
    let (address, [marketing]) = source.leaf(tag, ["allowMarketing"], rest)?;
    *slot = owned(address);
    *allowed = side_value(source, tag, "@allowMarketing", marketing, value::boolean, rest);
    Ok(())
}

fn products<'a>(source: &mut Source<'a>, tag: &Tag<'a>, lines: &mut Vec<Line>, rest: &mut Rest) -> Result<(), Stopped> {
    source.enter("Products", 0);
    let [] = source.attributes(tag, [], rest)?;
    rest.prefix = "Products/";
    while let Some(child) = source.child(tag, rest)? {
        match child.name() {
            "Product" => {
                if lines.is_empty() {
                    // Most orders have fewer lines than this: so they are not moved as the list grows.
                    lines.reserve(8);
                }
                source.enter("Product", lines.len() + 1);
                // It is read where it stays: a line is too large to be moved about.
                lines.push(Line::default());
                if let Some(last) = lines.last_mut() {
                    line(source, &child, last)?;
                }
                source.leave();
            }
            _ => source.unknown(&child, rest)?,
        }
    }
    rest.prefix = "";
    source.leave();
    Ok(())
}

fn line<'a>(source: &mut Source<'a>, tag: &Tag<'a>, line: &mut Line) -> Result<(), Stopped> {
    let mut rest = Rest::default();
    let [] = source.attributes(tag, [], &mut rest)?;
    while let Some(child) = source.child(tag, &mut rest)? {
        match child.name() {
            "ProductID" => product_id(source, &child, line, &mut rest)?,
            "ProductName" => text(source, &child, &mut line.product_name, &mut rest)?,
            "Variation"
                if line.variation_name.is_none() && line.variation_id.is_none() && !rest.keeps(child.name()) =>
            {
                let (name, [id]) = source.leaf(&child, ["id"], &mut rest)?;
                line.variation_name = owned(name);
                line.variation_id = owned(id);
            }
            "Variation" => source.repeated(&child, child.name(), &mut rest)?,
            "Code" | "codeph" => text_as(source, &child, "Code", &mut line.product_code, &mut rest)?,
            "UnitPrice" if line.unit_price.is_none() && line.vat_rate.is_none() && !rest.keeps(child.name()) => {
                let (price, [vat]) = source.leaf(&child, ["vat"], &mut rest)?;
                line.unit_price = amount_of(source, &child, price)?;
                line.vat_rate = side_value(source, &child, "@vat", vat, value::decimal, &mut rest);
            }
            "UnitPrice" => source.repeated(&child, child.name(), &mut rest)?,
            "UnitTax" => amount(source, &child, &mut line.unit_tax, &mut rest)?,
            "Quantity" => amount(source, &child, &mut line.quantity, &mut rest)?,
            "Total" => amount(source, &child, &mut line.total, &mut rest)?,
            "TotalTax" => amount(source, &child, &mut line.total_tax, &mut rest)?,
            "Shipped" => side(source, &child, &mut line.shipped, value::boolean, &mut rest)?,
            "Campaign" => campaign(source, &child, line, &mut rest)?,
            "Categories" => categories(source, &child, &mut line.categories, &mut rest)?,
            _ => source.unknown(&child, &mut rest)?,
        }
    }
    line.kind = kind(line);
    line.extra = rest.extra;
    Ok(())
}

fn product_id<'a>(source: &mut Source<'a>, tag: &Tag<'a>, line: &mut Line, rest: &mut Rest) -> Result<(), Stopped> {
    if line.product_id.is_some() || kind(line) != LineKind::Product || rest.keeps(tag.name()) {
        return source.repeated(tag, tag.name(), rest);
    }
    let (id, [payment, shipping, coupon]) = source.leaf(tag, ["PaymentID", "ShippingID", "CouponCode"], rest)?;
    line.product_id = owned(id);
    line.payment_method_id = owned(payment);
    line.shipping_method_id = owned(shipping);
    line.coupon_code = owned(coupon);
    Ok(())
}

/// What a line stands for, told by its `ProductID`.
fn kind(line: &Line) -> LineKind {
    match line.product_id.as_deref() {
        _ if line.coupon_code.is_some() => LineKind::Coupon,
        _ if line.payment_method_id.is_some() => LineKind::Payment,
        _ if line.shipping_method_id.is_some() => LineKind::Shipping,
        Some("PAYMENT") => LineKind::Payment,
        Some("SHIPPING") => LineKind::Shipping,
        _ => LineKind::Product,
    }
}

fn campaign<'a>(source: &mut Source<'a>, tag: &Tag<'a>, line: &mut Line, rest: &mut Rest) -> Result<(), Stopped> {
    if line.campaign_id.is_some() || line.normal_unit_price.is_some() || rest.keeps(tag.name()) {
        return source.repeated(tag, tag.name(), rest);
    }
    source.enter("Campaign", 0);
    let [] = source.attributes(tag, [], rest)?;
    rest.prefix = "Campaign/";
    while let Some(child) = source.child(tag, rest)? {
        match child.name() {
            "CampaignID" => text(source, &child, &mut line.campaign_id, rest)?,
            "NormalUnitPrice" => amount(source, &child, &mut line.normal_unit_price, rest)?,
            _ => source.unknown(&child, rest)?,
        }
    }
    rest.prefix = "";
    source.leave();
    Ok(())
}

fn categories<'a>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    list: &mut Vec<Category>,
    rest: &mut Rest,
) -> Result<(), Stopped> {
    if !list.is_empty() || rest.keeps(tag.name()) {
        return source.repeated(tag, tag.name(), rest);
    }
    source.enter("Categories", 0);
    let [] = source.attributes(tag, [], rest)?;
    rest.prefix = "Categories/";
    while let Some(child) = source.child(tag, rest)? {
        match child.name() {
            "Category" => {
                let kept_before = rest.extra.len();
                let (name, [id]) = source.leaf(&child, ["id"], rest)?;
                list.push(Category { id: owned(id), name: owned(name) });
                for kept in &mut rest.extra[kept_before..] {
                    kept.name = kept.name.replacen("/Category/", &format!("/Category[{}]/", list.len()), 1);
                }
            }
            _ => source.unknown(&child, rest)?,
        }
    }
    rest.prefix = "";
    source.leave();
    Ok(())
}

#[inline]
fn text<'a>(source: &mut Source<'a>, tag: &Tag<'a>, slot: &mut Option<Text>, rest: &mut Rest) -> Result<(), Stopped> {
    text_as(source, tag, tag.name(), slot, rest)
}

/// The text of an element under a name that may be another spelling of its own.
fn text_as<'a>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    name: &str,
    slot: &mut Option<Text>,
    rest: &mut Rest,
) -> Result<(), Stopped> {
    if slot.is_some() || rest.keeps(name) {
        return source.repeated(tag, name, rest);
    }
    *slot = owned(source.text_as(tag, name, rest)?);
    Ok(())
}

/// Money or a quantity, without which the order cannot be read.
fn amount<'a>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    slot: &mut Option<Decimal>,
    rest: &mut Rest,
) -> Result<(), Stopped> {
    if slot.is_some() || rest.keeps(tag.name()) {
        return source.repeated(tag, tag.name(), rest);
    }
    let text = source.text_as(tag, tag.name(), rest)?;
    *slot = amount_of(source, tag, text)?;
    Ok(())
}

#[inline]
fn amount_of<'a>(source: &Source<'a>, tag: &Tag<'a>, text: Value<'a>) -> Result<Option<Decimal>, Stopped> {
    let Some(text) = text else { return Ok(None) };
    match value::decimal(&text) {
        Ok(amount) => Ok(Some(amount)),
        Err(fault) => Err(source.value_fault(tag, tag.name(), fault)),
    }
}

/// An element without which the order is still worth reading: what cannot be read of it is kept as text.
fn side<'a, T>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    slot: &mut Option<T>,
    parse: impl Fn(&str) -> Result<T, ValueFault>,
    rest: &mut Rest,
) -> Result<(), Stopped> {
    if slot.is_some() || rest.keeps(tag.name()) {
        return source.repeated(tag, tag.name(), rest);
    }
    let text = source.text_as(tag, tag.name(), rest)?;
    *slot = side_value(source, tag, "", text, parse, rest);
    Ok(())
}

/// The same of one attribute, `@NAME`, or of the text of an element, for which `attribute` is empty.
fn side_value<'a, T>(
    source: &mut Source<'a>,
    tag: &Tag<'a>,
    attribute: &str,
    text: Value<'_>,
    parse: impl Fn(&str) -> Result<T, ValueFault>,
    rest: &mut Rest,
) -> Option<T> {
    let text = text?;
    match parse(&text) {
        Ok(value) => Some(value),
        Err(fault) => {
            source.unreadable(tag, attribute, &text, fault, rest);
            None
        }
    }
}

fn owned(text: Value<'_>) -> Option<Text> {
    text.map(Text::from)
}
