//! The operator's commands, run as people run them on a running sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "commands/docs.rs"]
mod docs;
#[path = "commands/json.rs"]
mod json;
#[path = "commands/listen.rs"]
mod listen;
#[path = "commands/operator.rs"]
mod operator;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::programs::{Serving, beside, kill_group, printed, program};
use serde_json::Value;

const TILAUSSILTA: &str = env!("CARGO_BIN_EXE_tilaussilta");

fn sandbox_binary() -> PathBuf {
    beside(Path::new(TILAUSSILTA), "sandbox")
}

fn serve(folder: &Path, more: &[&str]) -> Serving {
    Serving::start(&sandbox_binary(), folder, more)
}

/// A command on a served sandbox.
fn tilaussilta(serving: &Serving, arguments: &[&str]) -> Command {
    let mut command = Command::new(TILAUSSILTA);
    command.args(arguments).arg(format!("--sandbox={}", serving.url)).env_remove("LOG_LEVEL").stdin(Stdio::null());
    command.stderr(Stdio::piped());
    command
}

/// Runs a command on a served sandbox to its end and gives what it printed.
fn run(serving: &Serving, arguments: &[&str]) -> String {
    printed(&tilaussilta(serving, arguments).output().unwrap())
}

#[test]
fn a_served_sandbox_takes_orders_and_messages_and_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "3"]);
    let order = r#"<Order id="58"><OrderStatus>Open</OrderStatus></Order>"#;
    let (status, text) = serving.post("/mycashflow/acme/orders?key=example-push-key", &[], order);
    assert_eq!((status, text.as_str()), (200, "recorded: order/58, revision 1\n"));

    let mut sign = program(&sandbox_binary(), folder.path())
        .args(["sign", "--secret", "example-client-secret"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sign.stdin.take().unwrap().write_all("{\"id\":1,\"nimi\":\"Äyräs\"}".as_bytes()).unwrap();
    let code = printed(&sign.wait_with_output().unwrap());
    let headers = [("manu-md5-verifycode", code.trim())];
    let (status, text) = serving.post("/manu/acme/item-save", &headers, "{\"id\":1,\"nimi\":\"Äyräs\"}");
    assert_eq!((status, text.as_str()), (200, "kirjattu: item-save/1, versio 1\n"));

    let (status, text) = serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, report["shops"][0]["new"].as_u64()), (200, Some(3)), "{text}");
    let (_, text) = serving.post("/shops/acme/orders?via=web&count=2", &[], "");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["posted"], serde_json::json!([[4, 200], [5, 200]]));
    let (_, text) = serving.post("/erp/acme/sales-order-activate?id=4711", &[], "");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["status"], 200);
    serving.post("/mycashflow/acme/orders?key=example-push-key", &[], "<Order");
    serving.post("/mycashflow/acme/orders?key=wrong", &[], order);

    let shown: Value = serde_json::from_str(&run(&serving, &["show", "mycashflow/acme", "58", "--json"])).unwrap();
    assert_eq!(shown["revisions"][0]["source"], "push");
    assert_eq!(run(&serving, &["show", "mycashflow/acme", "58", "--body"]).trim_end(), order);
    assert!(run(&serving, &["show", "manu/acme", "sales-order-activate/4711"]).contains("the vendor sent it"));
    let refused = run(&serving, &["log", "mycashflow/acme"]);
    assert!(refused.contains("quarantined") && !refused.contains("recorded"), "{refused}");
    let all = run(&serving, &["log", "mycashflow/acme", "--all", "--json"]);
    assert_eq!(all.lines().count(), 4, "{all}");
}

#[test]
fn a_served_folder_says_that_its_shop_is_gone_and_not_that_it_is_polled() {
    let folder = tempfile::tempdir().unwrap();
    drop(serve(folder.path(), &["--connections", "connections.json", "--database", "ledger.db"]));
    let mut command = program(&sandbox_binary(), folder.path());
    let mut child = command
        .args(["serve", "--folder", ".", "--port", "0"])
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take_while(|line| !line.starts_with("All that can be asked")).collect();
    kill_group(&mut child);
    let said = said.join("\n");
    assert!(
        said.contains("the shop acme of that day is gone: it is not polled") && !said.contains("own address"),
        "{said}"
    );
}

#[test]
fn a_backfill_killed_twice_is_completed_by_the_third() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "1000", "--database", "ledger.db"]);
    let from = (jiff::Zoned::now().date() - jiff::ToSpan::days(10)).to_string();
    let arguments = ["backfill", "acme", "--from", &from, "--json"];
    let counted = |report: &str| -> Value { serde_json::from_str::<Value>(report).unwrap()["shops"][0].clone() };
    let dry = counted(&run(&serving, &[&arguments[..], &["--dry-run"]].concat()));
    assert_eq!(dry["differences"].as_array().unwrap().len(), 1000);

    for _ in 0..2 {
        let mut child = tilaussilta(&serving, &arguments).stdout(Stdio::null()).process_group(0).spawn().unwrap();
        // Some pages are in by now; how many does not matter to what is shown here.
        let log = || std::fs::metadata(folder.path().join("ledger.db-wal")).map(|file| file.len()).unwrap_or(0);
        let before = log();
        while log() == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        kill_group(&mut child);
    }
    let third = counted(&run(&serving, &arguments));
    assert_eq!(
        third["new"].as_u64().unwrap() + third["unchanged"].as_u64().unwrap(),
        third["orders"].as_u64().unwrap()
    );
    let fourth = counted(&run(&serving, &arguments));
    assert_eq!((fourth["new"].as_u64(), fourth["updated"].as_u64()), (Some(0), Some(0)));
    assert!(fourth["pages"].as_u64().unwrap() <= 11, "a request for each hundred orders: {fourth}");
    let dry = counted(&run(&serving, &[&arguments[..], &["--dry-run"]].concat()));
    assert_eq!(dry.get("differences"), None);
}

#[test]
fn an_order_is_erased_only_when_that_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    for status in ["Open", "Shipped"] {
        let order = format!(r#"<Order id="58"><OrderStatus>{status}</OrderStatus></Order>"#);
        serving.post("/mycashflow/acme/orders?key=example-push-key", &[], &order);
    }
    let told = run(&serving, &["erase", "mycashflow/acme", "58"]);
    assert!(told.contains("2 revisions and 0 bodies in quarantine would be erased"), "{told}");
    assert!(run(&serving, &["show", "mycashflow/acme", "58"]).contains("the vendor sent it"));

    let told = run(&serving, &["erase", "mycashflow/acme", "order/58", "--yes", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((told["erased"].as_bool(), told["counts"]["revisions"].as_u64()), (Some(true), Some(2)));
    assert!(run(&serving, &["show", "mycashflow/acme", "58"]).contains("only its head is left"));
    let unknown = tilaussilta(&serving, &["erase", "mycashflow/acme", "59", "--yes"]).output().unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("the ledger has no mycashflow/acme/order/59"));
}

#[test]
fn the_quarantine_is_shown_with_its_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    assert!(run(&serving, &["quarantine", "mycashflow/acme"]).contains("is in quarantine"));
    let order = r#"<Order id="58"><OrderNumber>58</Order>"#;
    serving.post("/mycashflow/acme/orders?key=example-push-key", &[], order);
    let told = run(&serving, &["quarantine", "mycashflow/acme"]);
    assert!(told.contains("order/58") && told.contains(&order.len().to_string()), "{told}");
    let told: Value = serde_json::from_str(&run(&serving, &["quarantine", "mycashflow/acme", "--json"])).unwrap();
    assert_eq!(told[0]["body"], order);
}

#[test]
fn the_log_shows_how_many_requests_of_strangers_were_refused() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let minute = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() / 60 * 60).unwrap();
    let today = minute.to_zoned(jiff::tz::TimeZone::UTC).date();
    let item = serde_json::json!({
        "pk": { "S": format!("refused#mycashflow/acme#{today}") },
        "sk": { "S": format!("{minute}#wrong-key#00aa") },
        "format": { "N": "1" },
        "minute": { "N": minute.as_millisecond().to_string() },
        "reason": { "S": "wrong-key" },
        "count": { "N": "750" },
        "environment": { "S": "00aa" },
    });
    let put = serde_json::json!({ "TableName": "tilaussilta", "Item": item }).to_string();
    let headers = [("x-amz-target", "DynamoDB_20120810.PutItem"), ("content-type", "application/x-amz-json-1.0")];
    assert_eq!(serving.post("/", &headers, &put).0, 200);
    let told = run(&serving, &["log", "mycashflow/acme"]);
    assert!(told.contains("750 requests of strangers") && told.contains("wrong-key"), "{told}");
    let told: Value = serde_json::from_str(run(&serving, &["log", "mycashflow/acme", "--json"]).trim()).unwrap();
    assert_eq!((told["outcome"].as_str(), told["count"].as_u64()), (Some("refused"), Some(750)));
}

#[test]
fn a_backfill_of_a_deployed_table_is_told_how_long_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "1"]);
    let backfill = |more: &[&str]| {
        let mut command = program(Path::new(TILAUSSILTA), folder.path());
        command.args(["backfill", "acme", "--from", "2020-01-01", "--table", "tilaussilta"]).args(more);
        command.args(["--connections", "sandbox-connections.json"]);
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
