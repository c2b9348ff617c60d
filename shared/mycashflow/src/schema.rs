//! The JSON Schema of an order.

use serde_json::Value;

use crate::order::Order;

/// The JSON Schema of an order, as committed in `schema/order.schema.json`.
#[must_use]
pub fn order_schema() -> Value {
    schemars::schema_for!(Order).to_value()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// To write the file anew: `UPDATE_SCHEMA=1 cargo test -p mycashflow schema`.
    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/order.schema.json");
        let generated = format!("{:#}\n", order_schema());
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == generated, "schema/order.schema.json is out of date: run with UPDATE_SCHEMA=1");
    }
}
