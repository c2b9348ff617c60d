//! From orders to the XML that the shop would send, for a simulated shop and for tests.

use crate::order::{Contact, Extra, Line, Order, Payment, Shipment};

/// The attributes of `<Orders>`: the span that a page covers (`docs/vendors/mycashflow.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanAttributes {
    /// `time_from`, in Unix seconds.
    pub time_from: Option<i64>,
    /// `time_to`, in Unix seconds.
    pub time_to: Option<i64>,
    /// `orders`: the number of orders in the whole result.
    pub total: Option<u64>,
}

/// Writes an order as the shop does: the vendor's names in the vendor's sequence, `Comments` escaped twice.
///
/// [`read_page`](crate::read_page) reads the same order back, except what an order cannot say in XML: `warnings`, a
/// `created_at` with a fraction of a second, and what stands in `extra` under a name that is no XML name.
#[must_use]
pub fn write_order(order: &Order) -> String {
    let mut writer = Writer { out: String::new() };
    writer.order(order);
    writer.out
}

/// Writes a list of orders in `<Orders>`, as the shop answers `GET /webhooks/changes`.
#[must_use]
pub fn write_orders(orders: &[Order], attrs: &SpanAttributes) -> String {
    let mut writer = Writer { out: String::from("<Orders") };
    writer.attribute("time_from", attrs.time_from.map(|seconds| seconds.to_string()).as_deref());
    writer.attribute("time_to", attrs.time_to.map(|seconds| seconds.to_string()).as_deref());
    writer.attribute("orders", attrs.total.map(|count| count.to_string()).as_deref());
    writer.out.push('>');
    for order in orders {
        writer.order(order);
    }
    writer.out.push_str("</Orders>");
    writer.out
}

/// An element that is about to be written.
struct Element<'w> {
    name: &'w str,
    /// The path from the owner of `extra` down to the element: `Email`, `Documents/Receipt`, `Categories/Category[2]`.
    path: &'w str,
    extra: &'w [Extra],
}

impl<'w> Element<'w> {
    fn new(path: &'w str, extra: &'w [Extra]) -> Self {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let name = name.split('[').next().unwrap_or(name);
        Self { name, path, extra }
    }

    /// What `extra` keeps directly at this element, by what its name says behind the element's path.
    fn kept(&self) -> impl Iterator<Item = (&'w str, &'w Extra)> + use<'w> {
        let path = self.path;
        self.extra.iter().filter_map(move |extra| {
            let name = extra.name.strip_prefix(path)?.strip_prefix('/')?;
            (!name.contains('/')).then_some((name, extra))
        })
    }
}

const TEXT: &str = "text()";

struct Writer {
    out: String,
}

impl Writer {
    fn order(&mut self, order: &Order) {
        let extra = &order.extra;
        let id = order.id.to_string();
        self.owner("Order", &[("id", Some(&id))], extra, |w| {
            w.text("OrderNumber", order.order_number.as_deref(), extra);
            w.text("OrderVersionID", order.version_id.as_deref(), extra);
            let timestamp = order.created_at.map(|instant| instant.as_second().to_string());
            w.leaf("OrderedAt", &[("timestamp", timestamp.as_deref())], order.created_at_local.as_deref(), extra);
            w.text("OrderStatus", order.status.as_deref(), extra);
            w.text("OrderLanguage", order.language.as_deref(), extra);
            w.text("Comments", order.comments.as_deref().map(escape_html).as_deref(), extra);
            w.payment(order.payments.first().unwrap_or(&Payment::default()), extra);
            w.shipment(order.shipments.first().unwrap_or(&Shipment::default()), extra);
            w.container("Documents", extra, |w| {
                w.text("Documents/Receipt", order.receipt_url.as_deref(), extra);
                w.text("Documents/DispatchNote", order.dispatch_note_url.as_deref(), extra);
                w.text("Documents/Invoice", order.invoice_url.as_deref(), extra);
            });
            let (customer, shipping) = (order.customer_information.as_ref(), order.shipping_address.as_ref());
            if customer.is_some() || order.customer_id.is_some() {
                let unknown = Contact::default();
                w.contact("CustomerInformation", order.customer_id.as_deref(), customer.unwrap_or(&unknown));
            }
            if let Some(contact) = shipping {
                w.contact("ShippingAddress", None, contact);
            }
            w.container("Products", extra, |w| order.products.iter().for_each(|line| w.line(line)));
        });
    }

    fn payment(&mut self, payment: &Payment, extra: &[Extra]) {
        let method = [("PaymentID", payment.payment_method_id.as_deref())];
        self.leaf("PaymentMethod", &method, payment.name.as_deref(), extra);
        self.text("PaymentReference", payment.reference.as_deref(), extra);
        self.text("PaymentStatus", payment.status.as_deref(), extra);
    }

    fn shipment(&mut self, shipment: &Shipment, extra: &[Extra]) {
        let method = [
            ("ShippingID", shipment.shipping_method_id.as_deref()),
            ("PickUpPointCode", shipment.pickup_point_code.as_deref()),
        ];
        self.leaf("ShippingMethod", &method, shipment.name.as_deref(), extra);
        self.value("ShippingWeight", shipment.weight.as_ref(), extra);
        self.value("ShippingPackages", shipment.parcel_count, extra);
    }

    fn contact(&mut self, name: &str, customer_id: Option<&str>, contact: &Contact) {
        let extra = &contact.extra;
        self.owner(name, &[], extra, |w| {
            w.text("CustomerID", customer_id, extra);
            w.text("FirstName", contact.first_name.as_deref(), extra);
            w.text("LastName", contact.last_name.as_deref(), extra);
            w.text("Company", contact.company.as_deref(), extra);
            w.text("BusinessID", contact.vat_code.as_deref(), extra);
            w.text("StreetAddress", contact.street_address.as_deref(), extra);
            w.text("ZipCode", contact.postal_code.as_deref(), extra);
            w.text("City", contact.city.as_deref(), extra);
            w.text("Country", contact.country.as_deref(), extra);
            let allowed = [("allowMarketing", contact.email_marketing_allowed.map(boolean))];
            w.leaf("Email", &allowed, contact.email.as_deref(), extra);
            let allowed = [("allowMarketing", contact.phone_marketing_allowed.map(boolean))];
            w.leaf("Phone", &allowed, contact.phone.as_deref(), extra);
            w.text("IPAddress", contact.ip_address.as_deref(), extra);
        });
    }

    fn line(&mut self, line: &Line) {
        let extra = &line.extra;
        self.owner("Product", &[], extra, |w| {
            let kind = [
                ("PaymentID", line.payment_method_id.as_deref()),
                ("ShippingID", line.shipping_method_id.as_deref()),
                ("CouponCode", line.coupon_code.as_deref()),
            ];
            w.leaf("ProductID", &kind, line.product_id.as_deref(), extra);
            w.text("ProductName", line.product_name.as_deref(), extra);
            w.leaf("Variation", &[("id", line.variation_id.as_deref())], line.variation_name.as_deref(), extra);
            w.text("Code", line.product_code.as_deref(), extra);
            let vat = line.vat_rate.as_ref().map(|rate| rate.to_string());
            let price = line.unit_price.as_ref().map(|price| price.to_string());
            w.leaf("UnitPrice", &[("vat", vat.as_deref())], price.as_deref(), extra);
            w.value("UnitTax", line.unit_tax.as_ref(), extra);
            w.value("Quantity", line.quantity.as_ref(), extra);
            w.value("Total", line.total.as_ref(), extra);
            w.value("TotalTax", line.total_tax.as_ref(), extra);
            w.value("Shipped", line.shipped.as_ref(), extra);
            w.container("Campaign", extra, |w| {
                w.text("Campaign/CampaignID", line.campaign_id.as_deref(), extra);
                w.value("Campaign/NormalUnitPrice", line.normal_unit_price.as_ref(), extra);
            });
            w.container("Categories", extra, |w| {
                for (index, category) in line.categories.iter().enumerate() {
                    let path = format!("Categories/Category[{}]", index + 1);
                    let element = Element::new(&path, extra);
                    w.start(&element, &[("id", category.id.as_deref())]);
                    w.escaped(category.name.as_deref().unwrap_or_default());
                    w.end(&element);
                }
            });
        });
    }

    /// An element with an `extra` of its own, which is always written.
    fn owner(
        &mut self,
        name: &str,
        attributes: &[(&str, Option<&str>)],
        extra: &[Extra],
        children: impl FnOnce(&mut Self),
    ) {
        let element = Element::new(name, extra);
        self.start(&element, attributes);
        children(self);
        extra.iter().filter(|kept| !kept.name.contains('/')).for_each(|kept| self.unknown(&kept.name, kept));
        self.end(&element);
    }

    /// An element around others, which is written if there is anything to write in it.
    fn container(&mut self, path: &str, extra: &[Extra], children: impl FnOnce(&mut Self)) {
        let element = Element::new(path, extra);
        let before = self.out.len();
        self.start(&element, &[]);
        let started = self.out.len();
        children(self);
        if self.out.len() == started && element.kept().next().is_none() {
            self.out.truncate(before);
        } else {
            self.end(&element);
        }
    }

    fn text(&mut self, path: &str, text: Option<&str>, extra: &[Extra]) {
        self.leaf(path, &[], text, extra);
    }

    fn value(&mut self, path: &str, value: Option<impl ToString>, extra: &[Extra]) {
        self.leaf(path, &[], value.map(|value| value.to_string()).as_deref(), extra);
    }

    /// An element without elements of its own, which is written if there is anything to write in it.
    fn leaf(&mut self, path: &str, attributes: &[(&str, Option<&str>)], text: Option<&str>, extra: &[Extra]) {
        let element = Element::new(path, extra);
        if text.is_none() && attributes.iter().all(|(_, value)| value.is_none()) && element.kept().next().is_none() {
            return;
        }
        self.start(&element, attributes);
        self.escaped(text.unwrap_or_default());
        self.end(&element);
    }

    /// The start tag of an element, with the attributes kept of it.
    fn start(&mut self, element: &Element<'_>, attributes: &[(&str, Option<&str>)]) {
        self.out.push('<');
        self.out.push_str(element.name);
        for (name, value) in attributes {
            // One that could not be read is kept, while its field may have a value from elsewhere.
            if !element.kept().any(|(kept, _)| kept.strip_prefix('@') == Some(name)) {
                self.attribute(name, *value);
            }
        }
        for (name, kept) in element.kept() {
            if let Some(name) = name.strip_prefix('@') {
                self.attribute(name, Some(kept.text.as_deref().unwrap_or_default()));
            }
        }
        self.out.push('>');
    }

    /// What else is kept of an element, and its end tag.
    fn end(&mut self, element: &Element<'_>) {
        for (name, kept) in element.kept().filter(|(name, _)| !name.starts_with('@')) {
            match name {
                TEXT => self.escaped(kept.text.as_deref().unwrap_or_default()),
                _ => self.unknown(name, kept),
            }
        }
        self.out.push_str("</");
        self.out.push_str(element.name);
        self.out.push('>');
    }

    fn unknown(&mut self, name: &str, element: &Extra) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in &element.attributes {
            self.attribute(name, Some(value));
        }
        self.out.push('>');
        self.escaped(element.text.as_deref().unwrap_or_default());
        element.children.iter().for_each(|child| self.unknown(&child.name, child));
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn attribute(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.escaped(value);
        self.out.push('"');
    }

    /// Text, escaped for an element and for an attribute alike. Control characters are written as references, so that
    /// readers do not take them for white space that they may change.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                // There is no reference to this one, and the reader takes it as it is.
                '\0' => self.out.push(c),
                c if c.is_ascii_control() => self.out.push_str(&format!("&#{};", u32::from(c))),
                c => self.out.push(c),
            }
        }
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// The shop's own layer of escaping in `Comments`: markup and Latin-1 letters become HTML entities.
fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            'Ä' => escaped.push_str("&Auml;"),
            'Å' => escaped.push_str("&Aring;"),
            'Ö' => escaped.push_str("&Ouml;"),
            'ä' => escaped.push_str("&auml;"),
            'å' => escaped.push_str("&aring;"),
            'ö' => escaped.push_str("&ouml;"),
            '€' => escaped.push_str("&euro;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, read_page};

    #[test]
    fn writes_the_vendors_names_in_the_vendors_sequence() {
        let sample = include_bytes!("../testdata/order-58.xml");
        let page = read_page(sample, None, &Limits::default()).unwrap();
        let order = page.entries[0].order.clone().unwrap();
        // The sample without its indentation, and with the names of which its `ph` forms are artefacts.
        let compact: String = page.text.lines().map(str::trim).collect();
        let expected = compact.replace("Zipcodeph", "ZipCode").replace("codeph", "Code");
        assert_eq!(write_orders(&[order], &SpanAttributes::default()), expected);
    }

    #[test]
    fn writes_the_span() {
        let span = SpanAttributes { time_from: Some(1), time_to: Some(-2), total: Some(58) };
        assert_eq!(write_orders(&[], &span), "<Orders time_from=\"1\" time_to=\"-2\" orders=\"58\"></Orders>");
    }

    #[test]
    fn escapes_comments_twice_and_everything_else_once() {
        let text = Some("<ä> & \"\u{1}\u{1F600}\n".into());
        let order = Order { id: 7, status: text.clone(), comments: text, ..Order::default() };
        let expected = "<Order id=\"7\"><OrderStatus>&lt;ä&gt; &amp; &quot;&#1;\u{1F600}&#10;</OrderStatus>\
            <Comments>&amp;lt;&amp;auml;&amp;gt; &amp;amp; &amp;quot;&#1;\u{1F600}&#10;</Comments></Order>";
        assert_eq!(write_order(&order), expected);
    }
}
