//! The sandbox's commands, run as people run them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "commands/forward.rs"]
mod forward;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::programs::{Serving, kill_group, printed, program};
use serde_json::Value;

const SANDBOX: &str = env!("CARGO_BIN_EXE_sandbox");

fn sandbox(folder: &Path) -> Command {
    program(Path::new(SANDBOX), folder)
}

fn serve(folder: &Path, more: &[&str]) -> Serving {
    Serving::start(Path::new(SANDBOX), folder, more)
}

/// Runs a command to its end and gives what it printed.
fn run(folder: &Path, arguments: &[&str]) -> String {
    printed(&sandbox(folder).args(arguments).output().unwrap())
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
fn a_world_of_its_own_sends_to_functions_that_run_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let functions = serve(folder.path(), &[]);
    let addresses = ["--orders-to", functions.url.as_str(), "--messages-to", functions.url.as_str()];
    let world = Serving::spawn(
        Path::new(SANDBOX),
        folder.path(),
        &[["world", "--connections", "world.json"].as_slice(), &addresses].concat(),
    );
    let asked = |path: &str, body: &str| -> Value {
        let (status, text) = world.post(path, &[], body);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(asked("/shops/acme/orders?via=web", "")["posted"], serde_json::json!([[1, 200]]));
    let sent = asked("/erp/acme/item-save", r#"{"id":7,"nimi":"Äyräs"}"#);
    assert_eq!(sent["shown_to_the_user"], "kirjattu: item-save/7, versio 1\n");

    assert_eq!(asked("/shops/acme/mails", ""), serde_json::json!([]));
    let delivery = "/shops/acme/webhooks/process?key=example-api-key&action=deliver&order=1&send_email=1";
    assert_eq!(world.post(delivery, &[], "").0, 200);
    let mails = asked("/shops/acme/mails", "");
    assert_eq!((&mails[0]["order"], &mails[0]["kind"]), (&1.into(), &"delivery_confirmation".into()));
}
