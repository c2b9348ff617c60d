//! The data of the event bus: what a request holds, and what a rule's target gets.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An event as a rule's target gets it (EventBridge user guide, "Events": the event structure).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PublishedEvent<'a> {
    version: &'static str,
    id: &'a str,
    detail_type: &'a str,
    source: &'a str,
    account: &'static str,
    time: String,
    region: &'static str,
    resources: [&'static str; 0],
    detail: &'a RawValue,
}

impl<'a> PublishedEvent<'a> {
    pub(crate) fn new(
        id: &'a str,
        source: &'a str,
        detail_type: &'a str,
        time: Timestamp,
        detail: &'a RawValue,
    ) -> Self {
        Self {
            version: "0",
            id,
            detail_type,
            source,
            account: "000000000000",
            time: time.to_string(),
            region: "eu-north-1",
            resources: [],
            detail,
        }
    }
}

/// The name of a bus that is named by its name or its ARN.
pub(crate) fn bus_name(name: &Value) -> &str {
    name.as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default()
}

/// Reads an entry's detail; none when it is not a JSON object. Its text stays as it is, but on one line.
///
/// How strictly EventBridge reads JSON is undocumented. This is as strict as the strictest reader: it takes neither half of
/// a surrogate pair nor a number beyond `f64`.
pub(crate) fn detail_of(text: &str) -> Option<Box<RawValue>> {
    let members = serde_json::from_str::<Map<String, Value>>(text).ok()?;
    if !members.values().all(fits_floats) {
        return None;
    }
    // Line breaks stand between the values only, where a space says the same: within a string they are escaped.
    RawValue::from_string(text.trim().replace(['\n', '\r'], " ")).ok()
}

/// Whether no number in a value is beyond `f64`.
fn fits_floats(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(f64::is_finite),
        Value::Array(values) => values.iter().all(fits_floats),
        Value::Object(members) => members.values().all(fits_floats),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The size of an entry as EventBridge counts it: 14 bytes for the time, and those of source, detail-type and detail.
pub(crate) fn entry_bytes(entry: &Value) -> usize {
    14 + ["Source", "DetailType", "Detail"].iter().filter_map(|name| entry[*name].as_str()).map(str::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_detail_keeps_its_text() {
        let text = r#"{"tracking_code":9400111899223197428490,"sum":10.50,"tiny":1e-7,"name":"Pöytä"}"#;
        let detail = detail_of(text).unwrap();
        assert_eq!(detail.get(), text);
        let event = PublishedEvent::new("1", "tilaussilta.manu", "item-save", Timestamp::UNIX_EPOCH, &detail);
        assert!(serde_json::to_string(&event).unwrap().ends_with(&format!(r#""detail":{text}}}"#)));
    }

    #[test]
    fn a_detail_of_several_lines_becomes_one_line() {
        assert_eq!(detail_of("{\r\n \"a\": \"b\\n\"\n}\n").unwrap().get(), r#"{   "a": "b\n" }"#);
    }

    #[test]
    fn what_few_can_read_is_no_detail() {
        for text in [r#"{"note":"\ud83d"}"#, r#"{"sum":1e400}"#, r#"{"a":[{"b":-1E+400}]}"#, "[]", "{", ""] {
            assert!(detail_of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_bus_is_known_by_its_name_and_by_its_arn() {
        assert_eq!(bus_name(&json!("tilaussilta")), "tilaussilta");
        assert_eq!(bus_name(&json!("arn:aws:events:eu-north-1:000000000000:event-bus/tilaussilta")), "tilaussilta");
        assert_eq!(bus_name(&Value::Null), "");
    }
}
