//! A text looked for in what documents say: in their values, never in their markup.

use intake::{stored_document, stored_order};
use ledger::{DocumentKey, Revision, System};
use serde_json::Value;

/// A text that is looked for, in any case.
pub(crate) struct Needle {
    text: String,
    /// Spaces count for nothing: people write numbers and payment references in groups.
    is_number: bool,
}

impl Needle {
    /// The text as a person wrote it.
    pub(crate) fn new(text: &str) -> Self {
        let text = text.trim().to_lowercase();
        let has_digit = text.chars().any(|letter| letter.is_ascii_digit());
        let is_digits = has_digit && text.chars().all(|letter| letter.is_ascii_digit() || letter.is_whitespace());
        let is_number = is_digits || (has_digit && text.starts_with("rf"));
        Self { text: if is_number { without_spaces(&text) } else { text }, is_number }
    }

    /// Whether a document says it. A body that cannot be read is looked into as it came.
    pub(crate) fn is_in(&self, document: &DocumentKey, revision: &Revision) -> bool {
        match content(document, revision) {
            Some(content) => self.is_in_value(&content),
            None => self.is_in_text(&String::from_utf8_lossy(&revision.body)),
        }
    }

    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => self.is_in_text(&number.to_string()),
            Value::String(text) => self.is_in_text(text),
            Value::Array(values) => values.iter().any(|value| self.is_in_value(value)),
            Value::Object(fields) => {
                let of = |name: &str| fields.get(name).and_then(Value::as_str);
                let is_name = || {
                    let names = of("first_name").zip(of("last_name"));
                    names.is_some_and(|(first, last)| self.is_in_text(&format!("{first} {last}")))
                };
                fields.values().any(|value| self.is_in_value(value)) || is_name()
            }
        }
    }

    fn is_in_text(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        if self.is_number { without_spaces(&text).contains(&self.text) } else { text.contains(&self.text) }
    }
}

/// What a document says, as JSON.
fn content(document: &DocumentKey, revision: &Revision) -> Option<Value> {
    match document.connection.system {
        System::Mycashflow => {
            let mut order = stored_order(document, revision).ok()?;
            order.warnings.clear();
            let mut content = order.to_json();
            if let Some(extra) = content.get_mut("extra") {
                remove_names(extra);
            }
            Some(content)
        }
        System::Manu => serde_json::from_slice(&stored_document(revision).ok()?.canonical).ok(),
    }
}

/// Leaves of unknown elements what they say, and not what they are called.
fn remove_names(elements: &mut Value) {
    for element in elements.as_array_mut().into_iter().flatten() {
        if let Some(fields) = element.as_object_mut() {
            fields.remove("name");
            if let Some(children) = fields.get_mut("children") {
                remove_names(children);
            }
        }
    }
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use ledger::{ContentHash, Source};

    use super::*;

    fn is_found(text: &str, document: &DocumentKey, body: &str, content_type: &str) -> bool {
        let revision = Revision {
            revision: 1,
            source: Source::Push,
            observed_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
            hash: ContentHash::of(body.as_bytes()),
            body: body.as_bytes().to_vec(),
            content_type: content_type.to_owned(),
            summary: None,
        };
        Needle::new(text).is_in(document, &revision)
    }

    fn is_in_order(text: &str) -> bool {
        let body = "<Order id=\"58\"><OrderNumber>1058</OrderNumber><CustomerInformation><FirstName>Åke</FirstName>\
                    <LastName>Smith &amp; Sons</LastName></CustomerInformation>\
                    <PaymentReference>RF18 5390 0754 7034</PaymentReference><Wrapping>Gold</Wrapping></Order>";
        is_found(text, &DocumentKey::order("acme", 58), body, "text/xml")
    }

    #[test]
    fn the_values_of_an_order_are_looked_into_and_not_its_markup() {
        for text in ["smith & sons", "SMITH", "åke smith", "&", "1058", "gold"] {
            assert!(is_in_order(text), "{text}");
        }
        for text in ["x", "amp;", "OrderNumber", "wrapping", "<", "text/xml"] {
            assert!(!is_in_order(text), "{text}");
        }
    }

    #[test]
    fn spaces_of_a_number_and_of_a_reference_count_for_nothing() {
        for text in ["RF18 5390 0754 7034", "rf185390", "53900754", "5390 0754", "10 58"] {
            assert!(is_in_order(text), "{text}");
        }
        assert!(!is_in_order("smith&sons"), "those of a name do");
        assert!(!is_in_order("5390 0755"));
    }

    #[test]
    fn the_values_of_a_message_are_looked_into_and_not_its_fields() {
        let message = DocumentKey::manu("acme", "sales-order-activate", "7");
        let body = r#"{"id": 4711, "customer": {"name": "Smith \u0026 Sons"}, "rows": [{"code": "x-1"}]}"#;
        let is_found = |text| is_found(text, &message, body, "application/json");
        assert!(is_found("smith & sons") && is_found("47 11") && is_found("X-1"));
        assert!(!is_found("customer") && !is_found("{"));
    }

    #[test]
    fn a_body_that_cannot_be_read_is_looked_into_as_it_came() {
        assert!(is_found("smith", &DocumentKey::order("acme", 58), "<Order id=\"58\"><LastName>Smith", "text/xml"));
    }
}
