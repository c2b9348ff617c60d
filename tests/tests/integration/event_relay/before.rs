//! What changed since the revision before: see `docs/decisions/0007-what-changed.md`.

use std::sync::Mutex;

use cloud::embedded::Planner;
use ledger::Erasure;

use super::*;

/// Calls of the table by operation, and what is to become of each.
type Calls = Arc<Mutex<Vec<String>>>;

impl Relay {
    /// Counts the relay's calls of the table; `plan` decides what becomes of each.
    fn watch(&mut self, plan: impl Fn(&str) -> CallPlan + Send + Sync + 'static) -> Calls {
        let calls = Calls::default();
        let seen = calls.clone();
        let config = self.bench.embedded.config_with(Arc::new(move |operation| {
            seen.lock().unwrap().push(operation.to_owned());
            plan(operation)
        }));
        self.deps.ledger = Ledger::new(platform::dynamodb_client(&config), TABLE, Retention::default());
        calls
    }

    /// Appends a state of an order that differs from the one before in its number and in nothing else.
    async fn append_state(&self, order: u64, number: u32) {
        let body = format!(
            r#"<Order id="{order}"><OrderNumber>{number}</OrderNumber><OrderStatus>Open</OrderStatus></Order>"#
        );
        self.append(&DocumentKey::order("acme", order), &body).await;
    }

    /// Of each event, its order's id and revision, and its changes.
    fn changes(&self) -> Vec<(String, Value)> {
        let of = |event: &Value| {
            assert_valid(event);
            let id = event["detail"]["id"].as_str().unwrap().trim_start_matches("mycashflow/acme/order/").to_owned();
            (id, event["detail"].get("changes").cloned().unwrap_or(json!("none")))
        };
        self.messaging.events().iter().map(of).collect()
    }
}

fn reads(calls: &Calls) -> usize {
    std::mem::take(&mut *calls.lock().unwrap()).iter().filter(|operation| *operation == "BatchGetItem").count()
}

fn all(changes: &Value, ids: &[&str]) -> Vec<(String, Value)> {
    ids.iter().map(|id| ((*id).to_owned(), changes.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn what_changed_is_told_whether_the_revision_before_is_in_the_batch_or_in_the_table() {
    let mut relay = Relay::new().await;
    let calls = relay.watch(|_| CallPlan::default());
    for order in [1, 2, 3] {
        relay.append_state(order, 1).await;
    }
    relay.drain(100).await;
    assert_eq!((relay.changes(), reads(&calls)), (all(&json!("none"), &["1/1", "2/1", "3/1"]), 0));

    for order in [1, 2, 3] {
        relay.append_state(order, 2).await;
    }
    relay.append_state(1, 3).await;
    relay.append(&item("a"), r#"{"version":1}"#).await;
    relay.append(&item("a"), r#"{"version":2}"#).await;
    relay.drain(100).await;
    let mut published: Vec<_> = relay.changes().split_off(3);
    published.retain(|(id, _)| !id.starts_with("manu"));
    published.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(published, all(&json!(["order_number"]), &["1/2", "1/3", "2/2", "3/2"]));
    assert_eq!(reads(&calls), 1, "one call for the three that were not in the batch");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_read_makes_changes_unknown_and_fails_nothing() {
    let throttled = |operation: &str| CallPlan {
        fault: (operation == "BatchGetItem").then_some(CallFault::Throttled),
        ..CallPlan::default()
    };
    let hanging = |operation: &str| CallPlan {
        latency: Duration::from_secs(if operation == "BatchGetItem" { 60 } else { 0 }),
        fault: None,
    };
    let plans: [Planner; 2] = [Arc::new(throttled), Arc::new(hanging)];
    for plan in plans {
        let mut relay = Relay::new().await;
        relay.append_state(1, 1).await;
        relay.drain(1).await;
        relay.append_state(1, 2).await;
        relay.watch(move |operation| plan(operation));
        let began = Instant::now();
        let (event, _) = relay.reader.next_batch(100).unwrap();
        assert_eq!(relay.invoke(event).await, json!({ "batchItemFailures": [] }));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(relay.changes()[1], ("1/2".to_owned(), json!(null)));
        assert_eq!(relay.messaging.events()[1]["detail"]["order"]["order_number"], "2");
    }
}

#[tokio::test(start_paused = true)]
async fn published_again_after_its_revision_before_is_gone_an_event_says_so_under_the_same_id() {
    let mut relay = Relay::new().await;
    relay.append_state(1, 1).await;
    relay.append_state(1, 2).await;
    relay.drain(1).await;
    let delete = json!({ "TableName": TABLE, "Key": { "pk": { "S": "mycashflow#acme#order#1" }, "sk": { "S": "rev#00000001" } } });
    assert_eq!(relay.bench.embedded.answer("DeleteItem", &delete.to_string()).0, 200);
    relay.republish(json!({ "document": "mycashflow/acme/order/1" })).await;
    let expected = [("1/1", json!("none")), ("1/2", json!(["order_number"])), ("1/2", json!(null))];
    assert_eq!(relay.changes(), expected.map(|(id, changes)| (id.to_owned(), changes)));
    let event = relay.messaging.events().pop().unwrap();
    assert_eq!(event["detail"]["previous"], json!(null));

    // An erased document has no event at all.
    let order = DocumentKey::order("acme", 1);
    let erasure = Erasure { unassigned: false, dry_run: false };
    relay.bench.ledger.erase(&order, erasure, relay.bench.now()).await.unwrap();
    let published = relay.ids().len();
    let again = Request::read(json!({ "republish": { "document": "mycashflow/acme/order/1" } })).unwrap();
    event_relay::handle(&relay.deps, again, Instant::now() + Duration::from_secs(9)).await.unwrap_err();
    assert_eq!(relay.ids().len(), published);
}

/// A rule can match a payment without a state of its own.
#[tokio::test(start_paused = true)]
async fn a_paid_order_says_that_it_was_not_paid_before() {
    let mut relay = Relay::new().await;
    let state = |payment: &str| format!(r#"<Order id="1"><PaymentStatus>{payment}</PaymentStatus></Order>"#);
    for payment in ["Pending", "Paid"] {
        relay.append(&DocumentKey::order("acme", 1), &state(payment)).await;
    }
    relay.drain(100).await;
    let event = relay.messaging.events().pop().unwrap();
    assert_eq!(event["detail"]["changes"], json!(["payments[0].status"]));
    assert_eq!(event["detail"]["previous"]["payment_status"], "Pending");
    assert_eq!(event["detail"]["order"]["payments"][0]["status"], "Paid");
}
