//! The places in which two JSON documents differ.

use serde::Serialize;
use serde_json::Value;

/// A place that differs between two states of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The place: `payments[0].status`.
    pub path: String,
    /// What stood there before; none when nothing did. It may be personal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What stands there now; none when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The places in which two JSON documents differ, in their order.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(path, old.get(name), new.get(name), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for place in 0..old.len().max(new.len()) {
                compare(format!("{path}[{place}]"), old.get(place), new.get(place), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(Change { path, before: before.cloned(), after: after.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_each_place_that_differs() {
        let before = json!({ "status": "Open", "payments": [{ "status": "Pending" }], "comments": "x" });
        let after = json!({ "status": "Open", "payments": [{ "status": "Paid" }], "products": [{ "n": 1 }] });
        let paths: Vec<String> = changes(&before, &after).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["comments", "payments[0].status", "products"]);
        assert!(changes(&after, &after).is_empty());
    }
}
