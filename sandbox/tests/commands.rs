//! The sandbox's commands, run as people run them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "commands/docs.rs"]
mod docs;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn sandbox(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.current_dir(folder).env_remove("LOG_LEVEL").stderr(Stdio::piped());
    command
}

/// Runs a command to its end and gives what it printed; panics when it failed.
fn run(folder: &Path, arguments: &[&str]) -> String {
    printed(&sandbox(folder).args(arguments).stdin(Stdio::null()).output().unwrap())
}

fn printed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Kills a process and all that it started, as `kill -9` does.
fn kill_group(child: &mut Child) {
    let status = Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).status().unwrap();
    assert!(status.success());
    child.wait().unwrap();
}

/// `sandbox serve`, killed when dropped.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(folder: &Path, more: &[&str]) -> Self {
        Self::spawn(folder, &[&["serve", "--every", "0"], more].concat())
    }

    fn spawn(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = sandbox(folder)
            .args(arguments)
            .args(["--json", "--port", "0"])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Self { child, url: said["url"].as_str().unwrap().to_owned() }
    }

    fn post(&self, path: &str, headers: &[(&'static str, &str)], body: &str) -> (u16, String) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = format!("{}{path}", self.url);
        runtime.block_on(tilaussilta_sandbox::server::send(&address, &headers, body.to_owned())).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        kill_group(&mut self.child);
    }
}

#[test]
fn a_demo_killed_between_any_two_steps_misses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut kills = 0;
    loop {
        // The demo waits after each step; instead of Enter it gets a `kill -9`, and its functions with it.
        let mut child = sandbox(folder.path())
            .args(["demo", "--folder", "day", "--step-by-step"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        if lines.any(|line| line.starts_with("    ")) {
            wait_for_notes(&folder.path().join("day/notes.json"), kills + 1);
            kills += 1;
            kill_group(&mut child);
        } else {
            assert!(child.wait().unwrap().success());
            break;
        }
    }
    assert_eq!(kills, 16);
    let result = run(folder.path(), &["demo", "--folder", "day"]);
    assert!(result.contains("Nothing is missing, nothing is doubled."), "{result}");
}

/// The line of a step comes just before the note that it is done.
fn wait_for_notes(path: &Path, steps: u64) {
    let done =
        || serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap()["steps_done"].as_u64();
    while done() != Some(steps) {
        std::thread::yield_now();
    }
}

#[test]
fn a_served_sandbox_takes_orders_and_messages_and_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["--seed-orders", "3"]);
    let order = r#"<Order id="58"><OrderStatus>Open</OrderStatus></Order>"#;
    let (status, text) = serving.post("/mycashflow/acme/orders?key=make-believe-push-key", &[], order);
    assert_eq!((status, text.as_str()), (200, "recorded: order/58, revision 1\n"));

    let mut sign = sandbox(folder.path())
        .args(["sign", "--secret", "make-believe-client-secret"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sign.stdin.take().unwrap().write_all("{\"id\":1,\"nimi\":\"Äyräs\"}".as_bytes()).unwrap();
    let code = printed(&sign.wait_with_output().unwrap());
    let headers = [("manu-md5-verifycode", code.trim())];
    let (status, text) = serving.post("/manu/acme/item-save", &headers, "{\"id\":1,\"nimi\":\"Äyräs\"}");
    assert_eq!((status, text.as_str()), (200, "recorded: item-save/1, revision 1\n"));

    let (status, text) = serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, report["shops"][0]["new"].as_u64()), (200, Some(3)), "{text}");
    let (_, text) = serving.post("/shops/acme/orders?via=web&count=2", &[], "");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["posted"], serde_json::json!([[4, 200], [5, 200]]));
    let (_, text) = serving.post("/erp/acme/sales-order-activate?id=4711", &[], "");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["status"], 200);
    serving.post("/mycashflow/acme/orders?key=wrong", &[], order);

    // The database is read while the other process serves it.
    let shown: Value = serde_json::from_str(&run(folder.path(), &["show", "mycashflow/acme", "58", "--json"])).unwrap();
    assert_eq!((shown[0]["source"].as_str(), shown[0]["body"].as_str()), (Some("push"), Some(order)));
    assert!(run(folder.path(), &["show", "manu/acme", "sales-order-activate/4711"]).contains("push"));
    let refused = run(folder.path(), &["log", "mycashflow/acme"]);
    assert!(refused.contains("401") && !refused.contains("recorded"), "{refused}");
    let all = run(folder.path(), &["log", "mycashflow/acme", "--all", "--json"]);
    assert_eq!(all.lines().count(), 4, "{all}");
}

#[test]
fn a_world_of_its_own_sends_to_functions_that_run_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let functions = Serving::start(folder.path(), &[]);
    let addresses = ["--orders-to", functions.url.as_str(), "--messages-to", functions.url.as_str()];
    let world =
        Serving::spawn(folder.path(), &[["world", "--connections", "world.json"].as_slice(), &addresses].concat());
    let asked = |path: &str, body: &str| -> Value {
        let (status, text) = world.post(path, &[], body);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(asked("/shops/acme/orders?via=web", "")["posted"], serde_json::json!([[1, 200]]));
    let sent = asked("/erp/acme/item-save", r#"{"id":7,"nimi":"Äyräs"}"#);
    assert_eq!(sent["shown_to_the_user"], "recorded: item-save/7, revision 1\n");

    assert_eq!(asked("/shops/acme/mails", ""), serde_json::json!([]));
    let delivery = "/shops/acme/webhooks/process?key=make-believe-api-key&action=deliver&order=1&send_email=1";
    assert_eq!(world.post(delivery, &[], "").0, 200);
    let mails = asked("/shops/acme/mails", "");
    assert_eq!((&mails[0]["order"], &mails[0]["kind"]), (&1.into(), &"delivery_confirmation".into()));
}

#[test]
fn a_backfill_killed_twice_is_completed_by_the_third() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["--seed-orders", "1000", "--database", "unused.db"]);
    // The backfill's database must exist; a served one would be its own shop's.
    drop(Serving::start(folder.path(), &["--database", "ledger.db"]));
    let from = (jiff::Zoned::now().date() - jiff::ToSpan::days(10)).to_string();
    let arguments = ["backfill", "acme", "--from", &from, "--database", "ledger.db", "--json"];
    let counted = |report: &str| -> Value { serde_json::from_str::<Value>(report).unwrap()["shops"][0].clone() };
    let dry = counted(&run(folder.path(), &[&arguments[..], &["--dry-run"]].concat()));
    assert_eq!(dry["differences"].as_array().unwrap().len(), 1000);

    for _ in 0..2 {
        let mut child = sandbox(folder.path()).args(arguments).process_group(0).spawn().unwrap();
        // Some pages are in by now; how many does not matter to what is shown here.
        let log = || std::fs::metadata(folder.path().join("ledger.db-wal")).map(|file| file.len()).unwrap_or(0);
        let before = log();
        while log() == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        kill_group(&mut child);
    }
    let third = counted(&run(folder.path(), &arguments));
    assert_eq!(
        third["new"].as_u64().unwrap() + third["unchanged"].as_u64().unwrap(),
        third["orders"].as_u64().unwrap()
    );
    let fourth = counted(&run(folder.path(), &arguments));
    assert_eq!((fourth["new"].as_u64(), fourth["updated"].as_u64()), (Some(0), Some(0)));
    assert!(fourth["pages"].as_u64().unwrap() <= 11, "a request for each hundred orders: {fourth}");
    let dry = counted(&run(folder.path(), &[&arguments[..], &["--dry-run"]].concat()));
    assert_eq!(dry.get("differences"), None);
    drop(serving);
}

#[test]
fn an_order_is_erased_only_when_that_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &[]);
    for status in ["Open", "Shipped"] {
        let order = format!(r#"<Order id="58"><OrderStatus>{status}</OrderStatus></Order>"#);
        serving.post("/mycashflow/acme/orders?key=make-believe-push-key", &[], &order);
    }
    let told = run(folder.path(), &["erase", "mycashflow/acme", "58"]);
    assert!(told.contains("2 revisions and 0 bodies in quarantine would be erased"), "{told}");
    assert!(run(folder.path(), &["show", "mycashflow/acme", "58"]).contains("push"));

    let told = run(folder.path(), &["erase", "mycashflow/acme", "order/58", "--yes", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((told["erased"].as_bool(), told["counts"]["revisions"].as_u64()), (Some(true), Some(2)));
    let shown = sandbox(folder.path()).args(["show", "mycashflow/acme", "58"]).output().unwrap();
    assert!(!shown.status.success());
    let unknown = sandbox(folder.path()).args(["erase", "mycashflow/acme", "59", "--yes"]).output().unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("the ledger has no mycashflow/acme/order/59"));
}

#[test]
fn the_quarantine_is_shown_with_its_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &[]);
    assert!(run(folder.path(), &["quarantine", "mycashflow/acme"]).contains("is in quarantine"));
    let order = r#"<Order id="58"><OrderNumber>58</Order>"#;
    serving.post("/mycashflow/acme/orders?key=make-believe-push-key", &[], order);
    let told = run(folder.path(), &["quarantine", "mycashflow/acme"]);
    assert!(told.contains("not known") && told.contains(&order.len().to_string()), "{told}");
    let told: Value = serde_json::from_str(&run(folder.path(), &["quarantine", "mycashflow/acme", "--json"])).unwrap();
    assert_eq!(told[0]["body"], order);
}

#[test]
fn a_backfill_of_a_deployed_table_is_told_how_long_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["--seed-orders", "1"]);
    let backfill = |more: &[&str]| {
        let mut command = sandbox(folder.path());
        command.args(["backfill", "acme", "--from", "2020-01-01", "--table", "tilaussilta"]).args(more);
        command.env("AWS_ENDPOINT_URL", &serving.url).env("AWS_REGION", "eu-north-1");
        command.env("AWS_ACCESS_KEY_ID", "none").env("AWS_SECRET_ACCESS_KEY", "none");
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (done, told) = backfill(&["--retention-days", "90"]);
    assert!(!done && told.contains("--log-retention-days"), "{told}");
    assert!(backfill(&["--dry-run"]).0);
    let (done, told) = backfill(&["--retention-days", "90", "--log-retention-days", "30"]);
    assert!(done, "{told}");
}
