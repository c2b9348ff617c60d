//! A bus that is not there: `PutEvents` answers that all was published, and publishes nothing (aws/aws-cli#9186).

use super::*;

impl Relay {
    fn ask_of_the_bus(&self, operation: &str) -> (u16, String) {
        self.messaging.answer(operation, &json!({ "Name": BUS }).to_string())
    }

    /// Starts the function anew, with calls to the bus that `fault` may disturb; gives the operations that were called.
    fn new_environment(
        &mut self,
        fault: impl Fn(&str) -> Option<CallFault> + Send + Sync + 'static,
    ) -> Arc<std::sync::Mutex<Vec<String>>> {
        let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = calls.clone();
        let client = self.messaging.eventbridge_with(Arc::new(move |operation| {
            seen.lock().unwrap().push(operation.to_owned());
            CallPlan { fault: fault(operation), ..CallPlan::default() }
        }));
        self.deps.bus = EventBus::new(client, BUS);
        calls
    }

    async fn batch(&mut self) -> Value {
        let (event, last) = self.reader.next_batch(100).unwrap();
        let answer = self.invoke(event.clone()).await;
        self.reader.settle(&event, last, &answer);
        answer
    }
}

fn failures(answer: &Value) -> usize {
    answer["batchItemFailures"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn the_sandboxs_bus_answers_for_a_missing_bus_as_aws_does() {
    let relay = Relay::new().await;
    assert_eq!(relay.ask_of_the_bus("DescribeEventBus").0, 200);
    assert_eq!(relay.ask_of_the_bus("DeleteEventBus").0, 200);
    let (status, answer) = relay.ask_of_the_bus("DescribeEventBus");
    assert_eq!((status, answer.contains("ResourceNotFoundException")), (400, true), "{answer}");
    let entry = json!({ "EventBusName": BUS, "Source": "s", "DetailType": "t", "Detail": "{}" });
    let (status, answer) = relay.messaging.answer("PutEvents", &json!({ "Entries": [entry] }).to_string());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(0)));
    assert!(answer["Entries"][0]["EventId"].is_string(), "{answer}");
    assert_eq!(relay.messaging.events(), [Value::Null; 0]);
}

#[tokio::test(start_paused = true)]
async fn without_its_bus_nothing_counts_as_published_and_the_batch_comes_again() {
    let mut relay = Relay::new().await;
    relay.append(&item("a"), "{}").await;
    relay.append(&item("b"), "{}").await;
    relay.ask_of_the_bus("DeleteEventBus");
    for _ in 0..3 {
        assert_eq!(failures(&relay.batch().await), 2);
    }
    assert_eq!(relay.messaging.messages(EVENT_DEAD_LETTERS), [], "it is no fault of the revisions");

    relay.ask_of_the_bus("CreateEventBus");
    relay.drain(100).await;
    assert_eq!(relay.ids(), ["manu/acme/item-save/a/1", "manu/acme/item-save/b/1"]);
}

#[tokio::test(start_paused = true)]
async fn the_bus_is_verified_once_an_environment_and_before_anything_is_published() {
    let mut relay = Relay::new().await;
    let calls = relay.new_environment(|_| None);
    for name in ["a", "b"] {
        relay.append(&item(name), "{}").await;
        assert_eq!(failures(&relay.batch().await), 0);
    }
    relay.republish(json!({ "document": "manu/acme/item-save/a" })).await;
    assert_eq!(*calls.lock().unwrap(), ["DescribeEventBus", "PutEvents", "PutEvents", "PutEvents"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_verified_is_not_published() {
    for fault in [CallFault::Failed, CallFault::NotSent, CallFault::AnswerLost, CallFault::Throttled] {
        let mut relay = Relay::new().await;
        let calls = relay.new_environment(move |operation| (operation == "DescribeEventBus").then_some(fault));
        relay.append(&item("a"), "{}").await;
        assert_eq!(failures(&relay.batch().await), 1, "{fault:?}");
        let again = relay.republish(json!({ "document": "manu/acme/item-save/a" })).await;
        assert_eq!((&again["published"], &again["failed"]), (&json!(0), &json!(["manu/acme/item-save/a/1"])));
        assert!(!calls.lock().unwrap().contains(&"PutEvents".to_owned()), "{fault:?}");

        relay.new_environment(|_| None);
        relay.drain(100).await;
        assert_eq!(relay.ids(), ["manu/acme/item-save/a/1"], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_cannot_be_read_becomes_a_dead_letter_without_a_bus_too() {
    let mut relay = Relay::new().await;
    relay.ask_of_the_bus("DeleteEventBus");
    relay.append(&DocumentKey::order("acme", 58), "<Order id='58'><OrderStatus>").await;
    assert_eq!(failures(&relay.batch().await), 0);
    assert_eq!(letters(&relay), [UNREADABLE.to_owned()].into());
}

/// A running environment does not see it: the alarm `EventsNotMatchedAlarm` is for that. The next one does.
#[tokio::test(start_paused = true)]
async fn what_a_bus_deleted_in_mid_life_took_for_published_can_be_published_again() {
    let mut relay = Relay::new().await;
    let from = relay.bench.now();
    relay.append(&item("a"), "{}").await;
    relay.drain(100).await;
    relay.ask_of_the_bus("DeleteEventBus");
    relay.append(&item("b"), "{}").await;
    assert_eq!(failures(&relay.batch().await), 0, "AWS answers that it is published");

    relay.new_environment(|_| None);
    relay.append(&item("c"), "{}").await;
    assert_eq!(failures(&relay.batch().await), 1, "a new environment asks, and publishes nothing");
    assert_eq!(relay.ids(), ["manu/acme/item-save/a/1"]);

    relay.ask_of_the_bus("CreateEventBus");
    relay.drain(100).await;
    let until = relay.bench.now() + Duration::from_secs(1);
    let wish = json!({ "connection": "manu/acme", "from": from.to_string(), "to": until.to_string() });
    assert_eq!(relay.republish(wish).await["published"], 3);
    let ids: BTreeSet<String> = relay.ids().into_iter().collect();
    assert_eq!(ids, ["a", "b", "c"].map(|name| format!("manu/acme/item-save/{name}/1")).into());
}
