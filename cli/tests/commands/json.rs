//! What the commands print with `--json`: each field as `docs/operator-json.md` describes it, and as it was before.
//!
//! `UPDATE=1 cargo test -p tilaussilta-cli json` writes `cli/tests/shapes` anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::programs::{Serving, kill_group};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::operator::{PUSH, order, wait_for};
use super::{TILAUSSILTA, run, serve, tilaussilta};

/// Prints events as they are published: their form is that of the published schemas, and it prints them until it is stopped.
const LISTEN: &str = "listen";
/// Fields whose content is a document's own.
const ANYTHING: [&str; 2] = ["before", "after"];

/// What is seen of a field.
#[derive(Default)]
struct Seen {
    types: BTreeSet<&'static str>,
    times: usize,
}

/// The fields of a command's output, each with its path.
#[derive(Default)]
struct Shape {
    fields: BTreeMap<String, Seen>,
    /// How often each object that has fields was seen.
    objects: BTreeMap<String, usize>,
}

impl Shape {
    fn add(&mut self, path: &str, value: &Value) {
        let last = path.rsplit('.').next().unwrap_or_default();
        let kind = match value {
            _ if ANYTHING.contains(&last) || (last == "order" && value.is_object()) => "anything",
            Value::Object(fields) => {
                *self.objects.entry(path.to_owned()).or_default() += 1;
                for (name, value) in fields {
                    self.add(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value);
                }
                return;
            }
            Value::Array(elements) => {
                elements.iter().for_each(|element| self.add(&format!("{path}[]"), element));
                return;
            }
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(text) if text.parse::<Timestamp>().is_ok() => "time",
            Value::String(_) => "string",
        };
        let seen = self.fields.entry(path.to_owned()).or_default();
        seen.types.insert(kind);
        seen.times += 1;
    }

    /// A line for each field: its path, its type, and `?` where not every object has it.
    fn lines(&self) -> Vec<(String, String)> {
        let lines = self.fields.iter().map(|(path, seen)| {
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            let is_optional =
                !path.ends_with("[]") && self.objects.get(parent).is_some_and(|times| seen.times < *times);
            let types: Vec<&str> = seen.types.iter().copied().collect();
            (path.clone(), format!("{}{}", types.join("|"), if is_optional { "?" } else { "" }))
        });
        lines.collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(TILAUSSILTA).args(arguments).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The names in the list of commands of a help text.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let lines = lines.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command that prints JSON, as people write it: `status`, `retry events`.
fn commands_with_json() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for command in listed(&help(&[])) {
        let told = help(&[&command]);
        let below = listed(&told);
        if told.contains("--json") && below.is_empty() {
            found.insert(command.clone());
        }
        for inner in below.iter().filter(|inner| help(&[&command, inner]).contains("--json")) {
            found.insert(format!("{command} {inner}"));
        }
    }
    found
}

/// A row of a section's table.
struct Row {
    kind: String,
    left_out: String,
}

/// The sections of the page, by their commands, each with the fields of its table.
fn documented() -> BTreeMap<String, BTreeMap<String, Row>> {
    let text = fs::read_to_string(root().join("docs/operator-json.md")).unwrap();
    let mut sections: BTreeMap<String, BTreeMap<String, Row>> = BTreeMap::new();
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            names = heading.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
            names.iter().for_each(|name| drop(sections.insert(name.clone(), BTreeMap::new())));
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        let [path, kind, _, left_out] = cells[..] else { panic!("not four cells: {line}") };
        let row = || Row { kind: kind.to_owned(), left_out: left_out.to_owned() };
        for name in &names {
            let twice = sections.get_mut(name).unwrap().insert(path.trim_end_matches('`').to_owned(), row());
            assert!(twice.is_none(), "{name}: {path} stands twice");
        }
    }
    sections
}

/// A day with something of everything.
fn play(serving: &Serving) {
    let poll = || serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    poll();
    serving.post(PUSH, &[], &order(58, "Open", "a"));
    serving.post(PUSH, &[], &order(58, "Shipped", "a"));
    serving.post(PUSH, &[], "<Order");
    serving.post(PUSH, &[], "<Order id=\"60\"><OrderNumber>60</Order>");
    let dispatch = r#"{"id":4711,"shop_orders":[{"number":1}],"tracking_code":"JJFI65432100000000001"}"#;
    serving.post("/erp/acme/sales-dispatch-activate?id=4711", &[], dispatch);
    wait_for("the delivery", || run(serving, &["actions", "--dispatch", "4711"]).contains("delivered"));
    wait_for("the publication", || run(serving, &["show", "58"]).matches("published").count() == 2);
    let aws = |target: &str, request: &Value| {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
        assert_eq!(serving.post("/", &headers, &request.to_string()).0, 200, "{target}");
    };
    let minute = Timestamp::from_second(Timestamp::now().as_second() / 60 * 60).unwrap();
    let today = minute.to_zoned(jiff::tz::TimeZone::UTC).date();
    let refused = json!({
        "pk": { "S": format!("refused#mycashflow/acme#{today}") }, "sk": { "S": format!("{minute}#wrong-key#00aa") },
        "format": { "N": "1" }, "minute": { "N": minute.as_millisecond().to_string() },
        "reason": { "S": "wrong-key" }, "count": { "N": "750" }, "environment": { "S": "00aa" },
    });
    aws("DynamoDB_20120810.PutItem", &json!({ "TableName": "tilaussilta", "Item": refused }));
    let queue = "http://embedded.invalid/000000000000/tilaussilta-actions-dead-letters";
    let letter = json!({ "action": "deliver", "shop": "acme", "order": 99 }).to_string();
    aws("AmazonSQS.SendMessage", &json!({ "QueueUrl": queue, "MessageBody": letter }));
    serving.post("/shops/acme/faults?kind=500&times=40", &[], "");
    poll();
    assert!(run(serving, &["polls", "--failed"]).contains("failed"));
    // Until the shop's faults are used up, and what they left open is closed.
    wait_for("a poll without a fault", || {
        let told = poll().1;
        told.contains("caught_up") && told.contains("\"gaps_open\":0")
    });
    run(serving, &["pause", "poll"]);
    // What no poll finds any more: an order that is missing, one that cannot be read, and one that only the ledger has.
    serving.post("/shops/acme/orders?via=api", &[], "");
    serving.post("/shops/acme/orders/3?trouble=unreadable", &[], "");
    let now = Timestamp::now().as_second();
    serving.post(PUSH, &[], &format!("<Order id=\"4000\"><OrderedAt timestamp=\"{now}\"/></Order>"));
}

/// What each command is asked, in this order.
fn asked(from: &str) -> Vec<(&'static str, String)> {
    let asked = [
        ("status", ""),
        ("problems", ""),
        ("orders", ""),
        ("show", "58"),
        ("show", "58 --values"),
        ("show", "order/60"),
        ("log", "mycashflow/acme --all"),
        ("polls", ""),
        ("actions", ""),
        ("quarantine", "mycashflow/acme"),
        ("replay", "acme order/58"),
        ("replay", "acme order/58 --yes"),
        ("replay", "--since today"),
        ("replay", "acme --since today --yes"),
        ("retry quarantine", ""),
        ("retry events", ""),
        ("retry events", "--yes"),
        ("retry actions", ""),
        ("retry actions", "--yes"),
        ("retry webhooks", ""),
        ("retry webhooks", "--yes"),
        ("deliver", "acme 2"),
        ("deliver", "acme 2 --id once --tracking-code JJFI1 --yes"),
        ("deliver", "acme 2 --id once --tracking-code JJFI1"),
        ("comment", "acme 2 Called"),
        ("comment", "acme 2 Called --yes"),
        ("refresh", "acme 2"),
        ("refresh", "acme 2 --yes"),
        ("compare", "acme --from FROM"),
        ("backfill", "acme --from FROM --dry-run"),
        ("backfill", "acme --from FROM"),
        ("export", "acme --from today"),
        ("cursor", "acme created --to 2020-01-01"),
        ("erase", "mycashflow/acme 58"),
        ("audit", ""),
    ];
    asked.map(|(command, arguments)| (command, arguments.replace("FROM", from))).into()
}

/// What a command prints, and the exit code does not matter: some end with 1 when a person is needed.
fn printed(serving: &Serving, command: &str, arguments: &str) -> Vec<Value> {
    let json = if command == "export" { "--jsonl" } else { "--json" };
    let words: Vec<&str> = command.split(' ').chain(arguments.split_whitespace()).chain([json]).collect();
    let mut child = tilaussilta(serving, &words);
    let output = match command {
        "console" => {
            // It serves until it is stopped.
            let mut child = child.stdout(Stdio::piped()).process_group(0).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            kill_group(&mut child);
            line.into_bytes()
        }
        _ => {
            let output = child.stdout(Stdio::piped()).output().unwrap();
            assert!(!output.stdout.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        }
    };
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&output).into_iter().collect();
    values.unwrap_or_else(|error| panic!("{words:?} prints no JSON: {error}: {}", String::from_utf8_lossy(&output)))
}

#[test]
fn what_each_command_prints_as_json_is_documented_and_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "3"]);
    play(&serving);
    let from = (jiff::Zoned::now().date() - jiff::ToSpan::days(10)).to_string();
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    for (command, arguments) in asked(&from).into_iter().chain([("console", "--port 0".to_owned())]) {
        let shape = shapes.entry(command.to_owned()).or_default();
        printed(&serving, command, &arguments).iter().for_each(|value| shape.add("", value));
    }
    let commands = commands_with_json();
    assert!(commands.len() > 18, "{commands:?}");
    let asked = shapes.keys().cloned().chain([LISTEN.to_owned()]).collect::<BTreeSet<_>>();
    assert_eq!(asked, commands, "every command with --json is asked");
    let documented = documented();
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), commands, "every command has its section");
    for (command, shape) in &shapes {
        let lines = shape.lines();
        let section = &documented[command];
        for (path, kind) in &lines {
            let row = section.get(path).unwrap_or_else(|| panic!("{command}: {path} ({kind}) is not documented"));
            assert_eq!(row.kind, kind.trim_end_matches('?'), "{command}: {path}");
            assert!(!kind.ends_with('?') || row.left_out != "never", "{command}: {path} is left out sometimes");
        }
        let shown: BTreeSet<&String> = lines.iter().map(|(path, _)| path).collect();
        for (path, row) in section {
            let is_seen = shown.contains(path) || path.contains("[]");
            assert!(is_seen || row.left_out != "never", "{command}: {path} is never printed");
        }
        let text: String = lines.iter().map(|(path, kind)| format!("{path}: {kind}\n")).collect();
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/shapes/{}.txt", command.replace(' ', "-")));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, kept, "{command} prints other fields than before: UPDATE=1 writes {}", file.display());
    }
}
