//! How the shop writes its documents, broken ones included.

use mycashflow::{Order, SpanAttributes, write_order, write_orders};
use rust_decimal::Decimal;

use super::{Breakage, Charset, Count, Lead, Shop};

/// Stands for a byte that is not UTF-8 until the document is encoded: a character that no order has.
const BAD_BYTE: char = '\u{F8FF}';
/// The elements whose numbers PHP may write with an exponent.
const NUMBERS: [&str; 6] = ["Quantity", "UnitTax", "Total", "TotalTax", "NormalUnitPrice", "ShippingWeight"];

impl Shop {
    /// The document of one order.
    pub(super) fn single_document(&self, order: &Order) -> Vec<u8> {
        if self.config.single_wrapped {
            return self.list_document(std::slice::from_ref(order), &SpanAttributes::default());
        }
        self.encode(&self.order_xml(order))
    }

    /// What the shop POSTs of an order.
    pub(super) fn posted_document(&self, order: &Order) -> Vec<u8> {
        if !self.config.two_renderings {
            return self.single_document(order);
        }
        self.encode(&self.order_xml(order).replace("</OrderStatus>", "</OrderStatus><Rendering>post</Rendering>"))
    }

    /// The document of a list of orders.
    pub(super) fn list_document(&self, orders: &[Order], span: &SpanAttributes) -> Vec<u8> {
        const END: &str = "</Orders>";
        let mut xml = write_orders(&[], span);
        if self.config.count == Count::Text && span.time_from.is_some() {
            xml = xml.replacen("<Orders ", "<Orders orders=\"many\" ", 1);
        }
        xml.truncate(xml.len() - END.len());
        orders.iter().for_each(|order| xml.push_str(&self.order_xml(order)));
        xml.push_str(END);
        self.encode(&xml)
    }

    fn order_xml(&self, order: &Order) -> String {
        let mut xml = write_order(order);
        if self.config.exponents {
            NUMBERS.iter().for_each(|name| with_exponents(&mut xml, name));
        }
        if self.config.odd_side_fields {
            set_element(&mut xml, "ShippingWeight", "n. 2 kg");
            set_element(&mut xml, "ShippingPackages", "1.00");
        }
        if let Some(made_at) = order.created_at.filter(|_| self.config.offset_times) {
            replace_ordered_at(&mut xml, &format!("<OrderedAt>{}+00:00</OrderedAt>", made_at.strftime("%FT%T")));
        }
        if let Some(breakage) = self.unreadable.get(&order.id) {
            break_order(&mut xml, *breakage);
        }
        xml
    }

    fn encode(&self, xml: &str) -> Vec<u8> {
        let lead = match self.config.lead {
            Lead::Nothing => "",
            Lead::ByteOrderMark => "\u{FEFF}",
            Lead::TwoByteOrderMarks => "\u{FEFF}\n\u{FEFF}",
            Lead::WhiteSpace => "\r\n  ",
        };
        let charset = self.config.charset;
        let text = format!("{lead}{}{xml}", charset.declaration());
        match charset {
            Charset::Utf8 | Charset::DeclaredLatin1 if !text.contains(BAD_BYTE) => text.into_bytes(),
            _ => text.chars().flat_map(|c| encoded(c, charset)).collect(),
        }
    }
}

fn encoded(c: char, charset: Charset) -> Vec<u8> {
    match (c, charset) {
        (BAD_BYTE, _) => vec![0xC3],
        (c, Charset::Latin1InHeader) if u32::from(c) > 0xFF => format!("&#{};", u32::from(c)).into_bytes(),
        (c, Charset::Latin1InHeader) => vec![u32::from(c) as u8],
        (c, _) => c.to_string().into_bytes(),
    }
}

/// Puts something unreadable into an order.
fn break_order(xml: &mut String, breakage: Breakage) {
    const AFTER: &str = "</OrderedAt>";
    let broken = match breakage {
        Breakage::Value => "<Products><Product><Total>ten</Total></Product></Products>".to_owned(),
        Breakage::Syntax => "<Comments>1 < 2</Comments>".to_owned(),
        Breakage::Byte => format!("<Note>pehme{BAD_BYTE}</Note>"),
        Breakage::Time(at) => {
            let ordered_at = format!("<OrderedAt timestamp=\"{at}\">0000-00-00 00:00:00</OrderedAt>");
            return replace_ordered_at(xml, &ordered_at);
        }
        Breakage::Id => {
            *xml = xml.replacen("<Order id=\"", "<Order id=\"no. ", 1);
            return;
        }
    };
    if let Some(offset) = xml.find(AFTER) {
        xml.insert_str(offset + AFTER.len(), &broken);
    }
}

fn replace_ordered_at(xml: &mut String, by: &str) {
    const END: &str = "</OrderedAt>";
    if let Some((start, end)) = xml.find("<OrderedAt").zip(xml.find(END)) {
        xml.replace_range(start..end + END.len(), by);
    }
}

/// Gives an element of the order another text, or adds it.
fn set_element(xml: &mut String, name: &str, text: &str) {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let element = format!("{start}{text}{end}");
    match xml.find(&start).zip(xml.find(&end)) {
        Some((from, to)) => xml.replace_range(from..to + end.len(), &element),
        None => {
            let place = xml.find("</OrderedAt>").map_or(xml.len(), |place| place + "</OrderedAt>".len());
            xml.insert_str(place, &element);
        }
    }
}

/// Writes the numbers of an element with an exponent: 12.50 as 1250E-2.
fn with_exponents(xml: &mut String, name: &str) {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut from = 0;
    while let Some(found) = xml[from..].find(&start) {
        let text = from + found + start.len();
        let Some(length) = xml[text..].find(&end) else { return };
        if let Ok(number) = xml[text..text + length].parse::<Decimal>() {
            let written = format!("{}E-{}", number.mantissa(), number.scale());
            xml.replace_range(text..text + length, &written);
        }
        from = text;
    }
}
