//! One digest of all the values that a contender read, so that nobody is fast by reading less.
//!
//! Every value is a line `NAME=VALUE`, in the sequence below, and an absent one is no line. The peers in other languages
//! write the same lines: `bench/peers/reading.py`, `bench/peers/reading.mjs`.

use std::fmt::{self, Display, Write};

use mycashflow::{Contact, Line, Order};
use sha2::{Digest, Sha256};

/// The lines of values, hashed as they are written.
#[derive(Default)]
pub struct Values(Sha256);

impl Write for Values {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Values {
    /// Adds a value, if there is one.
    pub fn add(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            // A hash takes whatever it is given.
            let _ = writeln!(self, "{name}={value}");
        }
    }

    /// The digest of all the values, in hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The digest of what our own reader made of a document.
pub fn of_orders<'o>(orders: impl IntoIterator<Item = &'o Order>) -> String {
    let mut values = Values::default();
    for order in orders {
        add_order(&mut values, order);
    }
    values.finish()
}

fn add_order(values: &mut Values, order: &Order) {
    values.add("id", Some(order.id));
    values.add("number", order.order_number.as_ref());
    values.add("version", order.version_id.as_ref());
    values.add("made_at", order.created_at.map(|at| at.as_second()));
    values.add("made_at_local", order.created_at_local.as_ref());
    values.add("status", order.status.as_ref());
    values.add("language", order.language.as_ref());
    values.add("comments", order.comments.as_ref());
    for payment in &order.payments {
        values.add("payment.id", payment.payment_method_id.as_ref());
        values.add("payment.name", payment.name.as_ref());
        values.add("payment.reference", payment.reference.as_ref());
        values.add("payment.status", payment.status.as_ref());
    }
    for shipment in &order.shipments {
        values.add("shipping.id", shipment.shipping_method_id.as_ref());
        values.add("shipping.point", shipment.pickup_point_code.as_ref());
        values.add("shipping.name", shipment.name.as_ref());
        values.add("shipping.weight", shipment.weight.as_ref());
        values.add("shipping.parcels", shipment.parcel_count);
    }
    values.add("receipt", order.receipt_url.as_ref());
    values.add("dispatch_note", order.dispatch_note_url.as_ref());
    values.add("invoice", order.invoice_url.as_ref());
    values.add("customer.id", order.customer_id.as_ref());
    add_contact(values, "customer", order.customer_information.as_ref());
    add_contact(values, "address", order.shipping_address.as_ref());
    order.products.iter().for_each(|line| add_line(values, line));
}

fn add_contact(values: &mut Values, owner: &str, contact: Option<&Contact>) {
    let Some(contact) = contact else { return };
    let texts = [
        ("first_name", &contact.first_name),
        ("last_name", &contact.last_name),
        ("company", &contact.company),
        ("business_id", &contact.vat_code),
        ("street", &contact.street_address),
        ("zip", &contact.postal_code),
        ("city", &contact.city),
        ("country", &contact.country),
        ("email", &contact.email),
        ("phone", &contact.phone),
        ("ip", &contact.ip_address),
    ];
    for (name, value) in texts {
        values.add(&format!("{owner}.{name}"), value.as_ref());
    }
    values.add(&format!("{owner}.email_marketing"), contact.email_marketing_allowed);
    values.add(&format!("{owner}.phone_marketing"), contact.phone_marketing_allowed);
}

fn add_line(values: &mut Values, line: &Line) {
    values.add("line.product", line.product_id.as_ref());
    values.add("line.payment", line.payment_method_id.as_ref());
    values.add("line.shipping", line.shipping_method_id.as_ref());
    values.add("line.coupon", line.coupon_code.as_ref());
    values.add("line.name", line.product_name.as_ref());
    values.add("line.variation.id", line.variation_id.as_ref());
    values.add("line.variation", line.variation_name.as_ref());
    values.add("line.code", line.product_code.as_ref());
    values.add("line.price", line.unit_price.as_ref());
    values.add("line.vat", line.vat_rate.as_ref());
    values.add("line.unit_tax", line.unit_tax.as_ref());
    values.add("line.quantity", line.quantity.as_ref());
    values.add("line.total", line.total.as_ref());
    values.add("line.total_tax", line.total_tax.as_ref());
    values.add("line.shipped", line.shipped);
    values.add("line.campaign", line.campaign_id.as_ref());
    values.add("line.normal_price", line.normal_unit_price.as_ref());
    for category in &line.categories {
        values.add("line.category.id", category.id.as_ref());
        values.add("line.category", category.name.as_ref());
    }
}
