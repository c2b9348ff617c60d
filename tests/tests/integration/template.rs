//! What `template.yaml` sets and the code takes for granted, or plays in the sandbox.

use std::path::Path;

use cloud::mappings::{QUEUE_BATCH, STREAM_BATCH};
use cloud::messaging::{MAX_RECEIVES, VISIBILITY};

/// The lines of a resource, without those of the next.
fn resource(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(path).unwrap();
    let lines = template.lines().skip_while(|line| *line != format!("  {name}:")).skip(1);
    let own: Vec<&str> = lines.take_while(|line| line.is_empty() || line.starts_with("    ")).collect();
    assert!(!own.is_empty(), "there is no resource {name}");
    own.join("\n")
}

/// A setting that a resource has once.
fn setting(name: &str, setting: &str) -> String {
    let resource = resource(name);
    let values: Vec<&str> =
        resource.lines().filter_map(|line| line.trim().strip_prefix(setting)?.strip_prefix(": ")).collect();
    assert_eq!(values.len(), 1, "{setting} of {name}");
    values[0].to_owned()
}

fn number(name: &str, of: &str) -> i64 {
    setting(name, of).parse().unwrap()
}

#[test]
fn the_sandbox_hands_over_as_the_deployment_does() {
    assert_eq!(number("LedgerStreamMapping", "BatchSize"), STREAM_BATCH as i64);
    assert_eq!(number("ActionsMapping", "BatchSize"), QUEUE_BATCH as i64);
    assert_eq!(number("Actions", "VisibilityTimeout"), VISIBILITY.as_secs());
    assert_eq!(number("Actions", "maxReceiveCount"), i64::from(MAX_RECEIVES));
    assert_eq!(console::ACTION_TRIES.as_secs(), VISIBILITY.as_secs() * i64::from(MAX_RECEIVES - 1));
}

#[test]
fn a_message_is_given_up_by_the_function_before_sqs_moves_it_without_a_reason() {
    assert!(number("Actions", "maxReceiveCount") > i64::from(shop_actions::MAX_RECEIVES));
    assert!(number("Actions", "VisibilityTimeout") >= 6 * number("ShopActionsFunction", "Timeout"));
}

#[test]
fn the_stream_waits_for_the_bus_by_time_and_not_by_tries() {
    assert_eq!(number("LedgerStreamMapping", "MaximumRetryAttempts"), -1);
    assert_eq!(number("LedgerStreamMapping", "MaximumRecordAgeInSeconds"), 6 * 60 * 60);
}

#[test]
fn a_call_that_times_out_leaves_an_http_function_time_to_say_so() {
    let needed = platform::OPERATION_TIMEOUT + platform::LOG_TIMEOUT + platform::ANSWER_RESERVE;
    for function in ["MycashflowOrderFunction", "ManuListenerFunction"] {
        assert!(number(function, "Timeout") > i64::try_from(needed.as_secs()).unwrap(), "{function}");
    }
}

#[test]
fn a_secret_outlives_the_stack_but_not_a_first_deployment_that_failed_and_the_table_outlives_both() {
    assert_eq!(setting("Connections", "DeletionPolicy"), "RetainExceptOnCreate");
    // DynamoDB refuses to delete a protected table, so a failed first deployment could not delete it and would hang.
    assert_eq!(setting("Ledger", "DeletionPolicy"), "Retain");
    for kept in ["Connections", "Ledger"] {
        assert_eq!(setting(kept, "UpdateReplacePolicy"), "Retain");
    }
}

#[test]
fn no_function_takes_a_lease_in_the_name_of_a_request_id_alone() {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    for function in std::fs::read_dir(functions).unwrap() {
        let main = function.unwrap().path().join("src/main.rs");
        let Ok(source) = std::fs::read_to_string(&main) else { continue };
        assert!(!source.contains("request_id"), "{}: use platform::invocation_name", main.display());
    }
}

#[test]
fn an_event_for_an_endpoint_is_given_up_by_the_function_before_sqs_moves_it_without_a_reason() {
    // Each try is followed by a pause, so there are fewer than 25 in a day.
    assert!(number("Webhooks", "maxReceiveCount") >= 4 * 25);
    assert!(number("Webhooks", "VisibilityTimeout") >= 6 * number("EventWebhooksFunction", "Timeout"));
    assert!(number("Webhooks", "MessageRetentionPeriod") > event_webhooks::LAST_TRY_AFTER.as_secs() as i64);
}

#[test]
fn nothing_is_sent_to_endpoints_unless_that_is_switched_on() {
    assert_eq!(setting("SendWebhooks", "Default"), "\"false\"");
    for name in ["EventWebhooksFunction", "WebhooksMapping", "WebhooksRule", "Webhooks", "WebhookDeadLetters"] {
        assert_eq!(setting(name, "Condition"), "SendsWebhooks", "{name}");
    }
}

#[test]
fn a_replay_of_the_archive_delivers_nothing() {
    assert_eq!(setting("DispatchRule", "replay-name"), "[exists: false]");
    assert_eq!(setting("WebhooksRule", "replay-name"), "[exists: false]");
}

#[test]
fn how_long_a_pause_of_the_actions_may_be_is_documented() {
    let minutes = number("Actions", "VisibilityTimeout") * (number("Actions", "maxReceiveCount") - 1) / 60;
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&format!("after {minutes} minutes a message becomes a dead letter")), "{minutes} minutes");
}
