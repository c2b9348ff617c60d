//! The JSON of an order, and its canonical form, which is hashed.

use serde::Serialize;
use serde_json::Value;

use crate::order::Order;

impl Order {
    /// The order as JSON, with the field names of this crate's types.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // Nothing in an order can fail to serialise: all its maps have strings for keys.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The JSON that the content hash is made of: keys sorted, no white space, and without `warnings`, which follow from
    /// the rest and would make a new revision of every order whenever this crate learns to warn of something.
    #[must_use]
    pub fn canonical_json(&self) -> Vec<u8> {
        let mut json = self.to_json();
        if let Value::Object(order) = &mut json {
            order.remove("warnings");
        }
        let mut canonical = Vec::new();
        write_canonical(&json, &mut canonical);
        canonical
    }
}

/// Sorts by itself, because the order of a `serde_json` object is a matter of the features another crate turns on.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_scalar(name, out);
                out.push(b':');
                write_canonical(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(scalar: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // Neither a string nor a number can fail to serialise, and a vector takes whatever is written.
    let _ = serde_json::to_writer(out, scalar);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, read_page};

    #[test]
    fn canonical_json_is_sorted_compact_and_without_warnings() {
        let document = "<Order id='7'><ShippingWeight>0.50</ShippingWeight><City b='\"' a='ä'>\n</City><OrderStatus>Open</OrderStatus><OrderStatus/></Order>";
        let page = read_page(document.as_bytes(), None, &Limits::default()).unwrap();
        let order = page.entries[0].order.clone().unwrap();
        assert_eq!(order.warnings.len(), 1);
        let expected = r#"{"extra":[{"attributes":{"a":"ä","b":"\""},"name":"City"},{"name":"OrderStatus"}],"id":7,"shipments":[{"weight":"0.50"}],"status":"Open"}"#;
        assert_eq!(String::from_utf8(order.canonical_json()).unwrap(), expected);
    }

    #[test]
    fn canonical_json_does_not_depend_on_the_sequence_of_attributes() {
        let canonical = |attributes: &str| {
            let document =
                format!("<Order id='7'><OrderStatus {attributes}>Open</OrderStatus><City {attributes}/></Order>");
            read_page(document.as_bytes(), None, &Limits::default()).unwrap().entries[0]
                .order
                .clone()
                .unwrap()
                .canonical_json()
        };
        assert_eq!(canonical("a='1' b='2'"), canonical("b='2' a='1'"));
    }

    #[test]
    fn the_json_of_an_order_is_read_back_equal() {
        let page = read_page(include_bytes!("../testdata/order-58.xml"), None, &Limits::default()).unwrap();
        let order = page.entries[0].order.clone().unwrap();
        let json = order.to_json();
        assert_eq!(json["created_at"], "2012-08-19T18:44:53Z");
        assert_eq!(json["products"][1]["normal_unit_price"], "82.6446");
        assert_eq!(json["products"][2]["type"], "payment");
        assert_eq!(serde_json::from_value::<Order>(json).unwrap(), order);
    }
}
