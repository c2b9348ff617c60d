//! What may change in a released schema, and what would break its readers or writers.

use std::collections::BTreeSet;

use serde_json::Value;

/// On which side of the schema its users stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// They read what we publish.
    Published,
    /// They send what we accept.
    Accepted,
}

/// What of a released schema its users could rely on, and the new one takes away: one line for each place.
pub(crate) fn incompatibilities(side: Side, released: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { side, released, new, seen: BTreeSet::new(), found: Vec::new() };
    comparison.compare("", released, new);
    comparison.found
}

/// What says nothing about values.
const ANNOTATIONS: [&str; 7] = ["title", "description", "$schema", "$id", "$defs", "$comment", "examples"];
/// What is compared one by one, and not as a whole.
const PARTS: [&str; 8] = ["properties", "required", "items", "additionalProperties", "oneOf", "anyOf", "allOf", "enum"];

struct Comparison<'a> {
    side: Side,
    released: &'a Value,
    new: &'a Value,
    /// Pairs of references that were compared: a schema can hold itself.
    seen: BTreeSet<(String, String)>,
    found: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn report(&mut self, place: &str, what: &str) {
        self.found.push(format!("{}: {what}", if place.is_empty() { "the whole" } else { place }));
    }

    fn compare(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        let (old_ref, new_ref) = (reference(old), reference(new));
        let pair = (old_ref.unwrap_or_default().to_owned(), new_ref.unwrap_or_default().to_owned());
        if old_ref.is_some() && new_ref.is_some() && !self.seen.insert(pair) {
            return;
        }
        let (old, new) = (resolve(self.released, old), resolve(self.new, new));
        let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else {
            if old != new {
                self.report(place, "allows something else");
            }
            return;
        };
        self.constraints(place, old, new);
        self.names(place, "required", old, new);
        self.names(place, "enum", old, new);
        for name in before.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name) {
            let inside = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            match new["properties"].get(name) {
                Some(property) => self.compare(&inside, &old["properties"][name], property),
                None => self.report(&inside, "the field is removed"),
            }
        }
        for (part, inside) in [("items", "[]"), ("additionalProperties", ".*")] {
            match (before.get(part), after.get(part)) {
                (Some(old), Some(new)) => self.compare(&format!("{place}{inside}"), old, new),
                (None, None) => {}
                _ => self.report(place, &format!("{part} is new or gone")),
            }
        }
        for part in ["oneOf", "anyOf", "allOf"] {
            let of =
                |schema: &'a Value| schema.get(part).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if of(old).len() != of(new).len() {
                self.report(place, &format!("{part} has more or fewer choices"));
            }
            of(old).iter().zip(of(new)).for_each(|(old, new)| self.compare(place, old, new));
        }
    }

    /// Types, constants, patterns, limits: what is compared as a whole.
    fn constraints(&mut self, place: &str, old: &Value, new: &Value) {
        let names = |schema: &Value| -> BTreeSet<String> {
            let fields = schema.as_object().into_iter().flatten().map(|(name, _)| name.clone());
            fields.filter(|name| !ANNOTATIONS.contains(&name.as_str()) && !PARTS.contains(&name.as_str())).collect()
        };
        for name in names(old).union(&names(new)).filter(|name| *name != "$ref") {
            let (old, new) = (old.get(name), new.get(name));
            // Readers may be told more than before; writers must not be held to more.
            let tells_more = self.side == Side::Published && old.is_none() && name != "type";
            if old != new && !tells_more {
                self.report(place, &format!("{name} is another"));
            }
        }
    }

    /// The names of the fields that are required, or the values of an enumeration.
    fn names(&mut self, place: &str, what: &str, old: &Value, new: &Value) {
        let of = |schema: &Value| -> Option<BTreeSet<String>> {
            Some(schema.get(what)?.as_array()?.iter().map(|name| name.to_string()).collect())
        };
        let (before, after) = (of(old), of(new));
        if what == "enum" && before.is_some() != after.is_some() {
            self.report(place, "enum is new or gone");
            return;
        }
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let (gone, added) = (before.difference(&after), after.difference(&before));
        let (gone, added): (Vec<&String>, Vec<&String>) = (gone.collect(), added.collect());
        match (what, self.side) {
            // A field that is left out now and then breaks readers; one that must be sent breaks writers.
            ("required", Side::Published) => {
                gone.iter().for_each(|name| self.report(place, &format!("{name} is not always there any more")));
            }
            ("required", Side::Accepted) => {
                added.iter().for_each(|name| self.report(place, &format!("{name} must be sent")));
            }
            // Readers wait for a value that does not come any more, or do not know a new one.
            _ => {
                gone.iter().for_each(|value| self.report(place, &format!("the value {value} is gone")));
                if self.side == Side::Published {
                    added.iter().for_each(|value| self.report(place, &format!("the value {value} is new")));
                }
            }
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let of = |reference: &str| root.pointer(reference.strip_prefix('#')?);
    match reference(schema) {
        Some(reference) => of(reference).unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => schema,
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    fn order_updated() -> Value {
        let schemas = events::schemas();
        schemas.into_iter().find(|(name, _)| name == "order.updated").unwrap().1
    }

    /// What the check says of a change to the schema of `order.updated`.
    fn after(change: impl Fn(&mut Value)) -> Vec<String> {
        let (released, mut new) = (order_updated(), order_updated());
        change(&mut new);
        assert_ne!(released, new, "the change changes nothing");
        incompatibilities(Side::Published, &released, &new)
    }

    fn remove(value: &mut Value, pointer: &str, name: &str) {
        value.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    }

    #[test]
    fn refuses_what_would_break_a_reader() {
        assert_eq!(after(|new| remove(new, "/properties", "observed_at")), ["observed_at: the field is removed"]);
        let nested = after(|new| remove(new, "/$defs/Payment/properties", "status"));
        assert_eq!(nested, ["order.payments[].status: the field is removed"]);
        let in_itself = after(|new| remove(new, "/$defs/Extra/properties", "text"));
        assert_eq!(in_itself.len(), 1, "{in_itself:?}");

        let changed = after(|new| new["properties"]["connection"]["type"] = json!("integer"));
        assert_eq!(changed, ["connection: type is another"]);
        let nullable = after(|new| new["$defs"]["Order"]["properties"]["status"]["type"] = json!(["string", "null"]));
        assert_eq!(nullable, ["order.status: type is another"]);
        assert_eq!(
            after(|new| new["$defs"]["Order"]["properties"]["status"] = json!({})),
            ["order.status: type is another"]
        );

        let required = json!(["id", "connection"]);
        assert!(!after(|new| new["required"] = required.clone()).is_empty());
        let narrowed = after(|new| new["properties"]["origin"]["enum"] = json!(["push", "poll", "refresh"]));
        assert_eq!(narrowed, ["origin: the value \"backfill\" is gone"]);
        let widened = json!(["push", "poll", "refresh", "backfill", "guess"]);
        let widened = after(|new| new["properties"]["origin"]["enum"] = widened.clone());
        assert_eq!(widened, ["origin: the value \"guess\" is new"]);
        assert_eq!(after(|new| new["$defs"]["LineKind"]["oneOf"][3]["const"] = json!("voucher")).len(), 1);
        assert_eq!(after(|new| drop(new["$defs"]["LineKind"]["oneOf"].as_array_mut().unwrap().pop())).len(), 1);
        assert_eq!(after(|new| new["properties"]["schema_version"]["const"] = json!(2)).len(), 1);
        assert_eq!(after(|new| remove(new, "/properties/id", "pattern")), ["id: pattern is another"]);
        assert!(!after(|new| new["$defs"]["Order"]["additionalProperties"] = json!(false)).is_empty());
    }

    #[test]
    fn allows_what_a_reader_can_pass_over() {
        let field = json!({ "type": "string" });
        assert_eq!(after(|new| new["properties"]["region"] = field.clone()), [""; 0]);
        assert_eq!(after(|new| new["$defs"]["Payment"]["properties"]["paid_at"] = field.clone()), [""; 0]);
        let promised = |new: &mut Value| {
            new["properties"]["region"] = field.clone();
            new["required"].as_array_mut().unwrap().push(json!("region"));
        };
        assert_eq!(after(promised), [""; 0]);
        assert_eq!(after(|new| new["description"] = json!("other words")), [""; 0]);
    }

    #[test]
    fn refuses_what_would_break_a_writer() {
        let released = json!({
            "type": "object", "required": ["read"],
            "properties": { "read": { "type": "string" }, "as": { "enum": ["json", "text"] } },
        });
        let after = |change: &dyn Fn(&mut Value)| {
            let mut new = released.clone();
            change(&mut new);
            incompatibilities(Side::Accepted, &released, &new)
        };
        assert_eq!(after(&|new| new["required"] = json!(["read", "as"])), ["the whole: \"as\" must be sent"]);
        assert_eq!(after(&|new| new["properties"]["as"]["enum"] = json!(["json"])), ["as: the value \"text\" is gone"]);
        assert_eq!(after(&|new| new["properties"]["read"]["maxLength"] = json!(9)), ["read: maxLength is another"]);
        assert_eq!(after(&|new| new["properties"]["as"]["enum"] = json!(["json", "text", "xml"])), [""; 0]);
        assert_eq!(after(&|new| new["required"] = json!([])), [""; 0]);
    }
}
