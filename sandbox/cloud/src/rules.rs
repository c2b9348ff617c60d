//! The rules of the event bus: which event goes into which queue.
//!
//! A pattern is read as EventBridge reads it (EventBridge user guide, "Comparison operators"), as far as exact values,
//! `prefix`, `suffix`, `equals-ignore-case`, `anything-but` and `exists` go. Another operator is refused as an invalid
//! pattern. A target is a queue of this machine. Like AWS, a bus accepts a target whose queue does not let the rule send,
//! and its events then go nowhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::messaging::{ACTIONS, BUS};

/// The region and account of everything here, as they stand in an ARN.
const PLACE: &str = "eu-north-1:000000000000";

/// The ARN of a bus.
pub(crate) fn bus_arn(bus: &str) -> String {
    format!("arn:aws:events:{PLACE}:event-bus/{bus}")
}

/// The ARN of a queue.
pub(crate) fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{PLACE}:{queue}")
}

/// The ARN of a rule on a bus that is not the account's default one.
pub(crate) fn rule_arn(bus: &str, rule: &str) -> String {
    format!("arn:aws:events:{PLACE}:rule/{bus}/{rule}")
}

struct Rule {
    pattern: Map<String, Value>,
    /// The queue of each target, by the target's id.
    targets: BTreeMap<String, String>,
}

/// The rules of all buses, by the names of bus and rule.
pub(crate) struct Rules(BTreeMap<(String, String), Rule>);

impl Default for Rules {
    /// The rule of `template.yaml` that has a consumer here: an activated dispatch goes to the actions.
    fn default() -> Self {
        let pattern = json!({
            "source": ["tilaussilta.manu"],
            "detail-type": ["sales-dispatch-activate"],
            "replay-name": [{ "exists": false }],
        });
        let pattern = pattern.as_object().cloned().unwrap_or_default();
        let rule = Rule { pattern, targets: [("actions".to_owned(), ACTIONS.to_owned())].into() };
        Self([((BUS.to_owned(), "dispatches".to_owned()), rule)].into())
    }
}

impl Rules {
    /// The rule's ARN and the queue of each target that an event of a bus goes to. `event` has everything but the detail,
    /// which is only read when a rule asks about it.
    pub(crate) fn targets_of(&self, bus: &str, mut event: Value, detail: &str) -> Vec<(String, String)> {
        let on_bus = || self.0.iter().filter(|((of, _), _)| of == bus);
        if on_bus().any(|(_, rule)| rule.pattern.contains_key("detail")) {
            event["detail"] = serde_json::from_str(detail).unwrap_or_default();
        }
        let matching = on_bus().filter(|(_, rule)| matches(&rule.pattern, &event));
        let targets = matching
            .flat_map(|((bus, name), rule)| rule.targets.values().map(|queue| (rule_arn(bus, name), queue.clone())));
        targets.collect()
    }

    /// Answers `PutRule`, `DeleteRule`, `ListRules`, `PutTargets` and `RemoveTargets`. The error is its kind and message.
    pub(crate) fn answer(&mut self, operation: &str, bus: &str, request: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        match operation {
            "PutRule" => {
                let pattern = serde_json::from_str(&text("EventPattern")).ok().filter(is_pattern);
                let pattern =
                    pattern.ok_or(("InvalidEventPatternException", "Event pattern is not valid.".to_owned()))?;
                let name = text("Name");
                let arn = rule_arn(bus, &name);
                let rule = self.0.entry((bus.to_owned(), name)).or_insert_with(|| Rule::new(Map::new()));
                rule.pattern = pattern;
                Ok(json!({ "RuleArn": arn }))
            }
            "ListRules" => {
                let prefix = text("NamePrefix");
                let named = self.0.iter().filter(|((of, name), _)| of == bus && name.starts_with(&prefix));
                let rules = named.map(|((_, name), rule)| {
                    let pattern = Value::from(rule.pattern.clone()).to_string();
                    let arn = rule_arn(bus, name);
                    json!({ "Name": name, "Arn": arn, "EventBusName": bus, "EventPattern": pattern, "State": "ENABLED" })
                });
                Ok(json!({ "Rules": rules.collect::<Vec<_>>() }))
            }
            "DeleteRule" => {
                let key = (bus.to_owned(), text("Name"));
                if self.0.get(&key).is_some_and(|rule| !rule.targets.is_empty()) {
                    return Err(("ValidationException", "Rule can't be deleted since it has targets.".to_owned()));
                }
                // A rule that is not there is deleted without an error.
                self.0.remove(&key);
                Ok(json!({}))
            }
            "PutTargets" | "RemoveTargets" => self.answer_about_targets(operation, bus, request),
            other => Err(("UnsupportedOperation", format!("the sandbox does not serve {other}"))),
        }
    }

    fn answer_about_targets(&mut self, operation: &str, bus: &str, request: &Value) -> Result<Value, Refusal> {
        let name = request["Rule"].as_str().unwrap_or_default();
        let rule = self.0.get_mut(&(bus.to_owned(), name.to_owned()));
        let absent = || ("ResourceNotFoundException", format!("Rule {name} does not exist on EventBus {bus}."));
        let rule = rule.ok_or_else(absent)?;
        let mut failed = Vec::new();
        if operation == "PutTargets" {
            for target in request["Targets"].as_array().into_iter().flatten() {
                let id = target["Id"].as_str().unwrap_or_default();
                match target["Arn"].as_str().and_then(|arn| arn.strip_prefix(&queue_arn(""))) {
                    Some(queue) => drop(rule.targets.insert(id.to_owned(), queue.to_owned())),
                    None => failed.push(json!({
                        "TargetId": id, "ErrorCode": "InvalidArn", "ErrorMessage": "the sandbox serves queues only",
                    })),
                }
            }
        } else {
            for id in request["Ids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                rule.targets.remove(id);
            }
        }
        Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
    }
}

impl Rule {
    fn new(pattern: Map<String, Value>) -> Self {
        Self { pattern, targets: BTreeMap::new() }
    }
}

/// The kind and the message of an error.
pub(crate) type Refusal = (&'static str, String);

/// Whether a queue's policy lets a rule send to it, as EventBridge asks SQS at each event.
pub(crate) fn policy_allows(policy: &str, queue: &str, rule: &str) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy["Statement"].as_array().map(Vec::as_slice).unwrap_or_default();
    statements.iter().any(|statement| {
        statement["Effect"] == "Allow"
            && statement["Principal"]["Service"] == "events.amazonaws.com"
            && statement["Action"] == "sqs:SendMessage"
            && statement["Resource"] == queue_arn(queue)
            && statement["Condition"]["ArnEquals"]["aws:SourceArn"] == rule
    })
}

/// Whether this is a pattern that can be read here: each leaf is a list of values and known operators.
fn is_pattern(pattern: &Map<String, Value>) -> bool {
    !pattern.is_empty()
        && pattern.values().all(|condition| match condition {
            Value::Object(inner) => is_pattern(inner),
            Value::Array(any) => !any.is_empty() && any.iter().all(is_choice),
            _ => false,
        })
}

fn is_choice(choice: &Value) -> bool {
    let Value::Object(operator) = choice else { return !choice.is_array() };
    match operator.iter().next() {
        Some((name, value)) if operator.len() == 1 => match name.as_str() {
            "prefix" | "suffix" | "equals-ignore-case" => value.is_string(),
            "exists" => value.is_boolean(),
            "anything-but" => !value.is_object(),
            _ => false,
        },
        _ => false,
    }
}

/// Whether an event, or a part of it, is what a pattern describes.
fn matches(pattern: &Map<String, Value>, event: &Value) -> bool {
    pattern.iter().all(|(name, condition)| {
        let field = event.get(name);
        match condition {
            Value::Object(inner) => match field {
                Some(Value::Array(items)) => items.iter().any(|item| matches(inner, item)),
                Some(field) => matches(inner, field),
                None => matches(inner, &Value::Null),
            },
            Value::Array(any) => any.iter().any(|choice| is_chosen(choice, field)),
            _ => false,
        }
    })
}

/// Whether a choice of a pattern takes a field; of a list, any of its items is enough.
fn is_chosen(choice: &Value, field: Option<&Value>) -> bool {
    if let Some(exists) = choice.get("exists") {
        return *exists == Value::Bool(field.is_some_and(|field| !field.is_object()));
    }
    match field {
        None => false,
        Some(Value::Array(items)) => items.iter().any(|item| takes(choice, item)),
        Some(field) => takes(choice, field),
    }
}

fn takes(choice: &Value, field: &Value) -> bool {
    let text = field.as_str();
    let Some((operator, operand)) = choice.as_object().and_then(|operator| operator.iter().next()) else {
        return choice == field;
    };
    let wanted = operand.as_str().unwrap_or_default();
    match operator.as_str() {
        "prefix" => text.is_some_and(|text| text.starts_with(wanted)),
        "suffix" => text.is_some_and(|text| text.ends_with(wanted)),
        "equals-ignore-case" => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
        "anything-but" => match operand {
            Value::Array(others) => !others.contains(field),
            other => other != field,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_matched(pattern: &Value, event: &Value) -> bool {
        matches(pattern.as_object().unwrap(), event)
    }

    #[test]
    fn a_pattern_is_matched_as_eventbridge_matches_it() {
        let event = json!({
            "source": "tilaussilta.manu", "detail-type": "item-save",
            "detail": { "revision": 2, "tags": ["a", "b"], "lines": [{ "sku": "x" }, { "sku": "y" }] },
        });
        for pattern in [
            json!({ "source": ["other", "tilaussilta.manu"] }),
            json!({ "source": [{ "prefix": "tilaussilta." }], "replay-name": [{ "exists": false }] }),
            json!({ "detail-type": [{ "suffix": "-save" }], "detail": { "revision": [2] } }),
            json!({ "detail-type": [{ "anything-but": ["item-send"] }] }),
            json!({ "detail-type": [{ "equals-ignore-case": "ITEM-save" }] }),
            json!({ "detail": { "tags": ["b"], "lines": { "sku": ["y"] } } }),
        ] {
            assert!(is_matched(&pattern, &event), "{pattern}");
        }
        for pattern in [
            json!({ "source": ["tilaussilta"] }),
            json!({ "source": [{ "exists": false }] }),
            json!({ "source": [{ "prefix": "tilaussilta." }], "detail-type": ["item-send"] }),
            json!({ "detail": { "revision": ["2"] } }),
            json!({ "account": [{ "anything-but": "1" }] }),
        ] {
            assert!(!is_matched(&pattern, &event), "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_pattern() {
        for pattern in ["{}", r#"{"source":"a"}"#, r#"{"source":[]}"#, r#"{"source":[{"numeric":["=",1]}]}"#] {
            assert!(!is_pattern(&serde_json::from_str(pattern).unwrap()), "{pattern}");
        }
    }
}
