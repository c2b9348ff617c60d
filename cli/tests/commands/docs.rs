//! Every command that the documentation tells people to run: in a `sh` block it is run, in a `sh aws` block it needs an
//! AWS account, and as much of it is run as the sandbox can play.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use std::io::{BufRead, BufReader};

use super::*;

/// Commands that something else runs: the command, and the file and text that show it.
const RUN_ELSEWHERE: [(&str, &str, &str); 3] = [
    ("make demo", "sandbox/tests/commands.rs", r#""demo", "--folder""#),
    ("make test", ".ci/run", "make --no-print-directory test"),
    ("make build", ".github/workflows/ci.yml", "run: make build"),
];
/// Commands that run until they are stopped.
const SERVERS: [&str; 3] = [" -- serve", " -- world", " -- console"];
/// The command that listens until it is stopped.
const LISTEN: &str = " -- listen";
/// What the lines of a `sh aws` block begin with.
const OF_AWS: [&str; 4] = ["aws ", ".tools/bin/sam ", "cargo run -p tilaussilta-cli -- ", "echo "];
/// The functions by the outputs that name them.
const FUNCTIONS: [(&str, &str); 3] =
    [("CHANGES_POLLER_NAME", "changes-poller"), ("EVENT_RELAY_NAME", "event-relay"), ("EVENT_READ_NAME", "event-read")];

struct Line {
    needs_aws: bool,
    command: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The README and every page of `docs`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// The commands in a page's blocks, without comments.
fn commands(page: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(page).unwrap();
    let mut lines = Vec::new();
    let mut block: Option<&str> = None;
    for line in text.lines().map(str::trim) {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind),
            (Some(_), Some(_)) => block = None,
            (Some(kind @ ("sh" | "sh aws")), None) if !line.is_empty() && !line.starts_with('#') => {
                let command = line.split("  #").next().unwrap_or(line).trim().to_owned();
                lines.push(Line { needs_aws: kind == "sh aws", command });
            }
            (Some(kind), None) => {
                assert!(!kind.contains("sh") || kind.starts_with("sh"), "{}: a block of {kind:?}", page.display());
            }
            (None, None) => {}
        }
    }
    lines
}

/// A folder in which the documented commands find what they name, and a sandbox that serves it.
struct Stage {
    folder: tempfile::TempDir,
    serving: Serving,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serving = serve(folder.path(), &["--seed-orders", "3"]);
        let order = r#"<Order id="58"><OrderStatus>Open</OrderStatus></Order>"#;
        assert_eq!(serving.post("/mycashflow/acme/orders?key=example-push-key", &[], order).0, 200);
        // What works on a cursor needs one.
        assert_eq!(serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}").0, 200);
        std::fs::copy(folder.path().join("sandbox-connections.json"), folder.path().join("connections.json")).unwrap();
        std::fs::write(folder.path().join("message.json"), r#"{"id":1}"#).unwrap();
        // Where a command that serves is run.
        let event = r#"{"detail-type":"order.created","detail":{"id":"mycashflow/acme/order/58/1"}}"#;
        std::fs::create_dir(folder.path().join("beside")).unwrap();
        std::fs::write(folder.path().join("beside/events.jsonl"), event).unwrap();
        // `cargo run -p PACKAGE -- …` without cargo: the programs are built, and other tests hold cargo's lock.
        let cargo = folder.path().join("bin/cargo");
        std::fs::create_dir(cargo.parent().unwrap()).unwrap();
        let script = format!(
            "#!/bin/sh\ncase \"$1 $2 $3 $4\" in\n\
             'run -p tilaussilta-sandbox --') program='{}';;\n\
             'run -p tilaussilta-cli --') program='{TILAUSSILTA}';;\n\
             *) exit 9;;\nesac\nshift 4\nexec \"$program\" \"$@\"\n",
            sandbox_binary().display()
        );
        std::fs::write(&cargo, script).unwrap();
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, serving }
    }

    fn shell(&self, line: &str) -> Command {
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.folder.path()).stdin(Stdio::null()).stderr(Stdio::piped());
        shell.env("PATH", path).env_remove("LOG_LEVEL").env("AWS_ENDPOINT_URL", &self.serving.url);
        shell.env("AWS_REGION", "eu-north-1").env("AWS_ACCESS_KEY_ID", "none").env("AWS_SECRET_ACCESS_KEY", "none");
        shell
    }

    fn run(&self, line: &str) {
        // The documented sandbox listens on its usual port, this one on any that is free.
        let line = &line.replace("--sandbox", &format!("--sandbox={}", self.serving.url));
        if SERVERS.iter().any(|server| line.contains(server)) {
            // It would go on until it is stopped, beside the one that serves this stage.
            let beside = format!("cd beside && {line} --port 0 --json");
            let mut child = self.shell(&beside).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
            let mut said = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
            kill_group(&mut child);
            assert!(said.contains("http://127.0.0.1:"), "{line}: {said}");
        } else if line.contains(LISTEN) {
            let mut child = self.shell(&format!("exec {line}")).stdout(Stdio::null()).spawn().unwrap();
            let mut said = String::new();
            BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
            assert!(said.starts_with("listening to the bus tilaussilta"), "{line}: {said}");
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
            assert!(child.wait().unwrap().success(), "{line}");
        } else {
            let output = self.shell(line).output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// What of a command for AWS the sandbox can play: its own commands on a table, and invocations.
    fn play(&self, line: &str) {
        if line.starts_with("cargo run ") {
            self.run(&line.replace("LEDGER_TABLE", "tilaussilta").replace("--stack tilaussilta", "--sandbox"));
        } else if let Some(payload) = line.split("--payload '").nth(1) {
            let payload = payload.split('\'').next().unwrap();
            let (_, function) = FUNCTIONS.iter().find(|(output, _)| line.contains(output)).expect(line);
            let (status, answer) =
                self.serving.post(&format!("/2015-03-31/functions/{function}/invocations"), &[], payload);
            assert!(status == 200 && !answer.contains("errorMessage"), "{line}: {answer}");
        }
    }
}

#[test]
fn every_documented_command_runs_or_is_marked_as_one_for_aws() {
    let (mut run, mut played) = (0, 0);
    for page in pages() {
        let lines = commands(&page);
        if lines.is_empty() {
            continue;
        }
        let stage = Stage::new();
        for Line { needs_aws, command } in lines {
            let place = format!("{}: {command}", page.display());
            if needs_aws {
                assert!(OF_AWS.iter().any(|begin| command.starts_with(begin)), "{place}: needs no AWS");
                stage.play(&command);
                played += 1;
            } else if command.starts_with("cargo run -p ") {
                stage.run(&command);
                run += 1;
            } else {
                let known = RUN_ELSEWHERE.iter().find(|(known, ..)| *known == command);
                let (_, file, text) = known.unwrap_or_else(|| panic!("{place}: nothing runs this"));
                assert!(std::fs::read_to_string(root().join(file)).unwrap().contains(text), "{file} lacks {text}");
            }
        }
    }
    assert!(run >= 5 && played >= 8, "the blocks were not found: {run} run, {played} played");
}
