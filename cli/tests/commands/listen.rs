//! `tilaussilta listen`: a queue and a rule of our own, and what becomes of them.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use harness::consumer::Consumer;
use harness::programs::Serving;
use serde_json::{Value, json};

use super::{run, serve, tilaussilta};

const PUSH: &str = "/mycashflow/acme/orders?key=example-push-key";
const ABANDONED: &str = "tilaussilta-listen-20260101T000000Z-0000abcd";

/// A call of AWS's API on a running sandbox.
fn aws(serving: &Serving, target: &str, request: &Value) -> Value {
    let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
    let (status, answer) = serving.post("/", &headers, &request.to_string());
    assert_eq!(status, 200, "{target}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

/// The names of all queues and rules that somebody listens through.
fn names(serving: &Serving) -> Vec<String> {
    let queues = aws(serving, "AmazonSQS.ListQueues", &json!({ "QueueNamePrefix": "tilaussilta-listen-" }));
    let wanted = json!({ "EventBusName": "tilaussilta", "NamePrefix": "tilaussilta-listen-" });
    let rules = aws(serving, "AWSEvents.ListRules", &wanted);
    let queues = queues["QueueUrls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap().rsplit('/').next());
    let queues = queues.flatten().map(|name| format!("queue {name}"));
    let rules =
        rules["Rules"].as_array().unwrap().iter().map(|rule| format!("rule {}", rule["Name"].as_str().unwrap()));
    queues.chain(rules).collect()
}

fn order(serving: &Serving, id: u32) {
    assert_eq!(serving.post(PUSH, &[], &format!(r#"<Order id="{id}"/>"#)).0, 200);
}

/// A run that listens.
struct Listening {
    child: Child,
    events: BufReader<ChildStdout>,
    told: BufReader<ChildStderr>,
}

impl Listening {
    fn start(serving: &Serving, more: &[&str]) -> Self {
        let arguments = [&["listen"], more].concat();
        let mut child = tilaussilta(serving, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        let told = BufReader::new(child.stderr.take().unwrap());
        let mut listening = Self { child, events, told };
        while !listening.told().starts_with("listening to the bus tilaussilta") {}
        listening
    }

    fn event(&mut self) -> String {
        let mut line = String::new();
        assert!(self.events.read_line(&mut line).unwrap() > 0, "it ended");
        line
    }

    fn told(&mut self) -> String {
        let mut line = String::new();
        assert!(self.told.read_line(&mut line).unwrap() > 0, "it ended");
        line
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn end(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

#[test]
fn events_are_printed_and_forwarded_as_they_come_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let consumer = Consumer::start(&[503, 200]);
    let mut plain = Listening::start(&serving, &[]);
    let mut whole = Listening::start(&serving, &["--json", "--forward", &consumer.url]);
    assert_eq!(names(&serving).len(), 4, "each has a queue and a rule");
    order(&serving, 58);

    assert!(plain.event().ends_with("published order.created mycashflow/acme/order/58/1\n"));
    let event = whole.event();
    let read: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(read["detail"]["id"], "mycashflow/acme/order/58/1");
    assert_eq!([consumer.next_body(), consumer.next_body()], [event.trim_end(), event.trim_end()]);
    let attempt = "forwarded order.created mycashflow/acme/order/58/1: ";
    assert!(whole.told().contains(&format!("{attempt}503 \"noted\" in ")));
    assert!(whole.told().contains(&format!("{attempt}200 \"noted\" in ")));

    whole.signal("-INT");
    whole.end();
    plain.signal("-TERM");
    plain.end();
    assert_eq!(names(&serving), [""; 0]);
    assert!(run(&serving, &["audit"]).contains("bus tilaussilta"));
}

#[test]
fn what_a_killed_run_left_is_removed_after_a_day_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let bus = json!({ "Name": ABANDONED, "EventBusName": "tilaussilta", "EventPattern": r#"{"source":["x"]}"# });
    aws(&serving, "AWSEvents.PutRule", &bus);
    let target = json!([{ "Id": "listen", "Arn": format!("arn:aws:sqs:eu-north-1:000000000000:{ABANDONED}") }]);
    let put = json!({ "Rule": ABANDONED, "EventBusName": "tilaussilta", "Targets": target });
    aws(&serving, "AWSEvents.PutTargets", &put);
    aws(&serving, "AmazonSQS.CreateQueue", &json!({ "QueueName": ABANDONED }));
    aws(&serving, "AmazonSQS.CreateQueue", &json!({ "QueueName": "tilaussilta-listen-mine" }));

    let mut killed = Listening::start(&serving, &[]);
    let left = names(&serving);
    assert!(left.iter().all(|name| !name.contains(ABANDONED)), "{left:?}");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    let next = Listening::start(&serving, &[]);
    next.signal("-INT");
    next.end();
    assert_eq!(names(&serving), left, "it may still listen; and what others named is not ours");
}

#[test]
fn a_reader_that_goes_away_ends_it_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let listening = Listening::start(&serving, &["--json"]);
    let Listening { mut child, events, told } = listening;
    drop(events);
    order(&serving, 58);
    assert!(child.wait().unwrap().success());
    drop(told);
    assert_eq!(names(&serving), [""; 0]);
}

#[test]
fn without_its_bus_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    aws(&serving, "AWSEvents.DeleteEventBus", &json!({ "Name": "tilaussilta" }));
    let output = tilaussilta(&serving, &["listen"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("the bus cannot be found"), "{said}");
    let queues = aws(&serving, "AmazonSQS.ListQueues", &json!({ "QueueNamePrefix": "tilaussilta-listen-" }));
    assert_eq!(queues["QueueUrls"], json!([]));
}

/// The actions of the policy in `docs/operator.md`, without their services.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operator.md")).unwrap();
    let block = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("a policy");
    let policy: Value = serde_json::from_str(block).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap().iter());
    let mut actions: Vec<String> =
        actions.map(|action| action.as_str().unwrap().split(':').nth(1).unwrap().to_owned()).collect();
    actions.sort_unstable();
    actions
}

#[test]
fn it_needs_the_permissions_that_are_documented_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--counted"]);
    serving.post("/seen", &[], "");
    let mut listening = Listening::start(&serving, &[]);
    order(&serving, 58);
    listening.event();
    // The batch is deleted after the event is printed.
    order(&serving, 59);
    listening.event();
    listening.signal("-INT");
    listening.end();
    let seen: Value = serde_json::from_str(&serving.post("/seen", &[], "").1).unwrap();
    // What the functions themselves ask for is asked in this process, and not counted. A stack is not asked here, and a
    // batch is allowed by the action of one.
    let mut asked: Vec<String> = seen["operations"].as_object().unwrap().keys().cloned().collect();
    asked.iter_mut().filter(|name| *name == "DeleteMessageBatch").for_each(|name| *name = "DeleteMessage".to_owned());
    asked.push("DescribeStacks".to_owned());
    asked.sort_unstable();
    assert_eq!(asked, documented());
}
