//! The JSON of an order: its canonical form, which is hashed, and its schema.

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
                out.extend_from_slice(Value::from(name.as_str()).to_string().as_bytes());
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
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

/// The JSON Schema of an order, as committed in `schema/order.schema.json`.
#[must_use]
pub fn order_schema() -> Value {
    schemars::schema_for!(Order).to_value()
}
