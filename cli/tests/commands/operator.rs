//! What an operator asks for a year: each answered by one command, on a running sandbox.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use harness::programs::Serving;
use jiff::{SignedDuration, Timestamp};
use ledger::{Connection, DocumentKey, Ledger, NewQuarantined, Retention};
use serde_json::Value;

use super::{TILAUSSILTA, run, serve, tilaussilta};

pub(crate) const PUSH: &str = "/mycashflow/acme/orders?key=example-push-key";

pub(crate) fn order(id: u64, status: &str, reference: &str) -> String {
    format!(
        "<Order id=\"{id}\"><OrderNumber>{id}</OrderNumber><OrderStatus>{status}</OrderStatus>\
         <PaymentReference>{reference}</PaymentReference></Order>"
    )
}

pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The ledger of a running sandbox, as the functions see it.
fn ledger_of(serving: &Serving) -> Ledger {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .endpoint_url(&serving.url)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("s", "s", None, None, "test")))
        .http_client(platform::http_client())
        .build();
    Ledger::new(platform::dynamodb_client(&config), "tilaussilta", Retention::default())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn where_is_order_58_and_what_came_and_which_has_this_reference() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    serving.post(PUSH, &[], &order(58, "Open", "RF185390"));
    serving.post(PUSH, &[], &order(59, "Open", "RF990001"));
    serving.post(PUSH, &[], &order(58, "Shipped", "RF185390"));
    wait_for("the publication", || run(&serving, &["show", "58"]).matches("published").count() == 2);

    let told = run(&serving, &["show", "order/58"]);
    for what in ["received", "recorded", "revision 2, changed: status", "as mycashflow/acme/order/58/2"] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert!(told.contains("order 58, Shipped"), "{told}");
    assert!(!told.contains("RF185390"), "what stands where may be personal: {told}");
    assert!(run(&serving, &["show", "58", "--values"]).contains("\"Open\" → \"Shipped\""));
    let event: Value = serde_json::from_str(&run(&serving, &["show", "58", "--event", "--revision", "1"])).unwrap();
    assert_eq!(event["detail-type"], "order.created");

    let rows = json_lines(&run(&serving, &["orders", "--json"]));
    let ids: Vec<_> = rows.iter().map(|row| (row["document"].as_str().unwrap(), row["revisions"].as_u64())).collect();
    assert_eq!(ids, [("order/59", Some(1)), ("order/58", Some(2))]);
    let rows = json_lines(&run(&serving, &["orders", "--search", "rf18 5390", "--json"]));
    assert_eq!((rows.len(), rows[0]["document"].as_str()), (1, Some("order/58")));
    assert!(run(&serving, &["orders", "--search", "OrderNumber", "--json"]).is_empty(), "markup is not searched");
    assert_eq!(run(&serving, &["orders", "--status", "shipped", "--csv"]).lines().count(), 2);
    assert!(run(&serving, &["orders", "--since", "yesterday", "--until", "today"]).contains("nothing arrived"));

    let audited: Vec<_> = json_lines(&run(&serving, &["audit", "--json"]));
    let acts: Vec<_> = audited.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(acts, ["show values", "show event", "search", "search"], "each look at personal data leaves a line");
    assert_has_no_time_stamp(&run(&serving, &["audit"]));

    let wrong = tilaussilta(&serving, &["log", "mycashflow/amce"]).output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("there are mycashflow/acme, manu/acme"), "{said}");
}

#[test]
fn what_a_dispatch_did_is_told_by_the_dispatch_and_by_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "2"]);
    serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    let dispatch = r#"{"id":4711,"shop_orders":[{"number":1}],"tracking_code":"JJFI65432100000000001"}"#;
    serving.post("/erp/acme/sales-dispatch-activate?id=4711", &[], dispatch);
    wait_for("the delivery", || run(&serving, &["actions", "--dispatch", "4711"]).contains("delivered"));
    let lines = json_lines(&run(&serving, &["actions", "--order", "1", "--json"]));
    assert_eq!((lines.len(), lines[0]["outcome"].as_str()), (1, Some("done")));
    assert_eq!(lines[0]["cause"], "manu/acme/sales-dispatch-activate/4711/1");
    assert!(!run(&serving, &["actions", "--json"]).contains("JJFI"), "a tracking code is personal");
    let told = run(&serving, &["show", "order/1"]);
    assert!(told.contains("mail was asked for"), "{told}");
    assert!(run(&serving, &["actions", "--dispatch", "4712"]).contains("nothing was done for a dispatch 4712"));

    let previewed = run(&serving, &["comment", "acme", "2", "Called"]);
    assert!(previewed.contains("nothing was done"), "{previewed}");
    assert!(run(&serving, &["deliver", "acme", "2", "--yes"]).contains("done"));
    assert!(run(&serving, &["refresh", "acme", "2", "--yes"]).contains("done"));
}

#[test]
fn a_reader_that_learned_reads_the_quarantine_again_under_its_original_time() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let ledger = ledger_of(&serving);
    let acme = Connection::shop("acme");
    let hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let (unread, old) = (order(60, "Open", "a"), order(58, "Open", "b"));
    let kept = |body: &'static str, document, kind| NewQuarantined {
        body: body.as_bytes(),
        content_type: if kind == Some("item-save") { "application/json" } else { "text/xml" },
        reason: "an earlier reader could not read it",
        document,
        kind,
        source: kind.is_none().then_some(ledger::Source::Poll),
        now: hour_ago,
    };
    let (unread, old): (&'static str, &'static str) = (unread.leak(), old.leak());
    block_on(async {
        ledger.quarantine(&acme, &kept(unread, Some("order/60"), None)).await.unwrap();
        ledger.quarantine(&acme, &kept(old, None, None)).await.unwrap();
        ledger.quarantine(&Connection::manu("acme"), &kept("{\"id\":7}", None, Some("item-save"))).await.unwrap();
    });
    serving.post(PUSH, &[], &order(58, "Shipped", "b"));

    serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    let found = tilaussilta(&serving, &["problems"]).stdout(Stdio::piped()).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "a person is needed");
    let told = String::from_utf8_lossy(&found.stdout).into_owned();
    assert_eq!(told.matches("an earlier").count(), 3);
    for command in ["retry quarantine manu/acme --yes", "refresh acme 60 --yes"] {
        let whole = format!("tilaussilta --sandbox={} {command}", serving.url);
        assert!(told.contains(&whole), "{whole}: {told}");
    }
    let status = tilaussilta(&serving, &["status"]).stdout(Stdio::piped()).output().unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains(&format!("(tilaussilta --sandbox={} problems)", serving.url)), "{status}");
    assert!(run(&serving, &["retry", "quarantine"]).contains("nothing was changed"));

    let outcomes = json_lines(&run(&serving, &["retry", "quarantine", "--yes", "--json"]));
    let mut outcomes: Vec<_> = outcomes.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["recorded", "recorded", "superseded"]);
    let recorded = block_on(ledger.find_document(&DocumentKey::order("acme", 60))).unwrap();
    let at = recorded[0].1.as_ref().unwrap().observed_at;
    assert_eq!(at.as_millisecond(), hour_ago.as_millisecond(), "under its original time");
    assert!(run(&serving, &["show", "58"]).matches("recorded").count() == 1, "the older state is not recorded");
    assert!(run(&serving, &["show", "manu/acme/item-save/7"]).contains("revision 1"));
    assert!(run(&serving, &["retry", "quarantine"]).contains("nothing is in quarantine"));
    assert!(run(&serving, &["problems"]).contains("Nothing needs a person"));
    assert!(run(&serving, &["quarantine", "mycashflow/acme"]).contains("resolved"));

    serving.post(PUSH, &[], "<Order");
    let held: Value = serde_json::from_str(&run(&serving, &["quarantine", "mycashflow/acme", "--json"])).unwrap();
    let is_open = |one: &&Value| one["state"] == "open";
    let id = held.as_array().unwrap().iter().find(is_open).unwrap()["id"].as_str().unwrap().to_owned();
    run(&serving, &["dismiss", "quarantine", "acme", &id[..8], "--why", "a test of ours", "--yes"]);
    assert!(run(&serving, &["problems"]).contains("Nothing needs a person"));
}

#[test]
fn what_was_never_published_is_found_and_published() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--events", "events.jsonl"]);
    let events = || std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap_or_default();
    serving.post(PUSH, &[], &order(57, "Open", "a"));
    wait_for("the first record", || run(&serving, &["show", "57"]).contains("published"));
    run(&serving, &["pause", "relay"]);
    serving.post(PUSH, &[], &order(58, "Open", "a"));
    assert!(run(&serving, &["show", "58"]).contains("there is no record that revision 1 was published"));
    let status = tilaussilta(&serving, &["status", "--json"]).stdout(Stdio::piped()).output().unwrap();
    assert_eq!(status.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&status.stdout).contains("relay is paused"));
    assert!(!events().contains("order/58"));

    assert!(run(&serving, &["resume", "relay"]).contains("goes on"));
    wait_for("the event", || events().contains("mycashflow/acme/order/58/1"));
    wait_for("its record", || run(&serving, &["show", "58"]).contains("as mycashflow/acme/order/58/1"));
    let told = run(&serving, &["replay", "acme", "order/58"]);
    assert!(told.contains("1 events would be published"), "{told}");
    assert!(run(&serving, &["replay", "acme", "order/58", "--yes"]).contains("1 of 1 events were published again"));
    assert_eq!(events().matches("mycashflow/acme/order/58/1").count(), 2);
    assert!(run(&serving, &["replay", "--since", "today", "--json"]).contains("\"count\":2"));
    assert!(run(&serving, &["replay", "--never-published"]).contains("0 events"));
}

#[test]
fn a_paused_poll_asks_no_shop_and_a_resumed_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "3"]);
    let poll = || serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}").1;
    assert!(run(&serving, &["pause", "poll"]).contains("the poll is paused. No shop is asked"));
    assert!(run(&serving, &["pause", "actions"]).contains("the actions are paused."));
    let status = tilaussilta(&serving, &["status"]).stdout(Stdio::piped()).output().unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("poll is paused since 2"), "{status}");
    assert_has_no_time_stamp(&status);
    assert!(run(&serving, &["resume", "actions"]).contains("the actions go on"));
    assert!(poll().contains("\"paused\":true"));
    assert!(run(&serving, &["polls"]).contains("no run"));
    assert!(run(&serving, &["resume", "poll"]).contains("goes on"));
    poll();
    let runs = json_lines(&run(&serving, &["polls", "acme", "--json"]));
    assert_eq!((runs.len(), runs[0]["new"].as_u64(), runs[0]["stopped"].as_str()), (1, Some(3), Some("caught_up")));
    assert!(run(&serving, &["resume", "poll"]).contains("was not paused"));
}

#[test]
fn orders_and_their_lines_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "3"]);
    serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    let table = run(&serving, &["export", "acme", "--from", "today", "--csv"]);
    assert!(table.starts_with("connection,order,number,"), "{table}");
    assert!(table.lines().count() > 3);
    let lines = json_lines(&run(&serving, &["export", "acme", "--from", "today", "--jsonl"]));
    assert_eq!(lines.len(), 3);
}

#[test]
fn an_export_that_is_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "400"]);
    serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    let until = Timestamp::now().to_string();
    let file = folder.path().join("orders.csv");
    let arguments = ["export", "acme", "--from", "today", "--to", &until, "--csv"];
    let to_file = [&arguments[..], &["--resume", "--output", file.to_str().unwrap()]].concat();
    let mut child = tilaussilta(&serving, &to_file).process_group(0).spawn().unwrap();
    let written = || std::fs::metadata(&file).map(|file| file.len()).unwrap_or(0);
    // The head is written at once, and the first hundred orders together.
    while written() < 1000 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    harness::programs::kill_group(&mut child);
    let cursor = folder.path().join("orders.csv.cursor");
    assert!(cursor.exists(), "it was killed before its end");
    let without = tilaussilta(&serving, &[&arguments[..], &["--output", file.to_str().unwrap()]].concat()).output();
    assert!(String::from_utf8_lossy(&without.unwrap().stderr).contains("--resume continues it"));
    run(&serving, &to_file);
    assert!(!cursor.exists());
    let expected = run(&serving, &arguments);
    assert!(std::fs::read_to_string(&file).unwrap() == expected, "it is not what one run writes");
}

/// Fails for a text with a time as programs read it.
fn assert_has_no_time_stamp(text: &str) {
    let stamp =
        text.split_whitespace().find(|word| word.trim_end_matches([',', ':', ')']).parse::<Timestamp>().is_ok());
    assert_eq!(stamp, None, "{text}");
}

/// A command as a person sees it, on a terminal of so many columns.
fn at_a_terminal(serving: &Serving, columns: u32, arguments: &str, environment: &str) -> String {
    let line = format!("stty cols {columns}; {environment} {TILAUSSILTA} {arguments} --sandbox={}", serving.url);
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::null());
    script.env_remove("COLUMNS").env_remove("NO_COLOR");
    let output = script.output().expect("script, of util-linux");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_table_fits_the_terminal_and_is_coloured_only_there() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "3"]);
    serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    serving.post(PUSH, &[], "<Order");
    run(&serving, &["deliver", "acme", "1", "--yes"]);
    for columns in [80, 120] {
        for arguments in [
            "status",
            "problems",
            "orders",
            "show order/1",
            "polls",
            "actions",
            "log acme --all",
            "audit",
            "quarantine acme",
        ] {
            let shown = at_a_terminal(&serving, columns, arguments, "NO_COLOR=1");
            assert!(!shown.contains('\u{1b}'), "{arguments}: colours, though NO_COLOR is set");
            assert!(shown.lines().count() > 2, "{arguments}: {shown}");
            for line in shown.lines() {
                let wide = line.trim_end().chars().count();
                assert!(wide <= columns as usize || !line.contains('│'), "{arguments} at {columns}: {wide}: {line}");
            }
        }
    }
    assert!(at_a_terminal(&serving, 120, "problems", "").contains('\u{1b}'));
    let piped = tilaussilta(&serving, &["problems"]).stdout(Stdio::piped()).output().unwrap();
    assert!(!piped.stdout.contains(&0x1b), "colours in a pipe");
}

#[test]
fn no_number_and_no_time_is_broken_at_80_and_at_120_columns() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "30"]);
    serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    serving.post("/mycashflow/acme/orders?key=wrong", &[], "<Order/>");
    serving.post(PUSH, &[], "<Order");
    let rows = json_lines(&run(&serving, &["orders", "--json"]));
    assert_eq!(rows.len(), 30);
    for columns in [80, 120] {
        let table = |arguments: &str| {
            let shown = at_a_terminal(&serving, columns, arguments, "NO_COLOR=1");
            let lines = shown.lines().filter(|line| line.starts_with('│')).map(str::to_owned).collect::<Vec<_>>();
            (lines, shown)
        };
        let (lines, shown) = table("orders");
        assert_eq!(lines.len(), rows.len() + 1, "a row or the header is broken: {shown}");
        for (line, row) in lines[1..].iter().zip(&rows) {
            let at: Timestamp = row["recorded_at"].as_str().unwrap().parse().unwrap();
            let at = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%m-%d %H:%M").to_string();
            for whole in [at.as_str(), row["document"].as_str().unwrap(), row["total"].as_str().unwrap_or_default()] {
                assert!(line.contains(whole), "{columns}: {whole}: {shown}");
            }
        }
        let (lines, shown) = table("status");
        assert_eq!(lines.len(), 3, "a row or the header is broken: {shown}");
        for whole in ["connection", "last push", "last poll", "quarantine"] {
            assert!(lines[0].contains(whole), "{columns}: {whole}: {shown}");
        }
        assert!(shown.contains(" s ago ") || shown.contains(" min ago "), "{shown}");
    }
}

#[test]
fn a_time_that_cannot_be_read_ends_with_2_and_lists_the_forms() {
    for option in ["--since", "--until"] {
        let output = Command::new(TILAUSSILTA).args(["orders", option, "13pm", "--sandbox"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for form in ["13pm", "now", "today", "yesterday", "90min", "24h", "7d", "2026-11-01", "time stamp"] {
            assert!(said.contains(form), "{form}: {said}");
        }
    }
    for arguments in [["cursor", "acme", "created", "--to", "13pm"].as_slice(), &["backfill", "acme", "--from", "13pm"]]
    {
        let output = Command::new(TILAUSSILTA).args(arguments).arg("--sandbox").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn where_no_sandbox_answers_each_command_says_so() {
    for command in ["listen", "status", "audit"] {
        let output = Command::new(TILAUSSILTA).args([command, "--sandbox=http://127.0.0.1:9"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("no sandbox answers at http://127.0.0.1:9"), "{command}: {said}");
    }
}

#[test]
fn whoever_stops_reading_ends_a_command_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "300"]);
    serving.post("/2015-03-31/functions/changes-poller/invocations", &[], "{}");
    for arguments in ["orders --json", "export acme --from today --jsonl", "completions bash"] {
        let line = format!("{TILAUSSILTA} {arguments} --sandbox={} | head --lines=1", serving.url);
        let output = Command::new("bash").args(["-o", "pipefail", "-c", &line]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    }
}

#[test]
fn each_command_has_help_with_an_example_and_completions_know_it() {
    let help = |arguments: &[&str]| {
        let output = Command::new(TILAUSSILTA).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = help(&["--help"]);
    let commands: Vec<&str> = all
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()))
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    let completions = help(&["completions", "bash"]);
    for command in commands {
        let told = help(&[command, "--help"]);
        let has_example = told.contains("Example") && told.contains(&format!("tilaussilta {command}"));
        assert!(has_example || command == "completions", "{command} has no example: {told}");
        assert!(completions.contains(command), "{command}");
    }
}

#[test]
fn a_connections_document_is_checked_with_a_question_to_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let file = folder.path().join("sandbox-connections.json");
    let check = |path: &Path| Command::new(TILAUSSILTA).arg("check").arg(path).output().unwrap();
    let output = check(&file);
    assert!(String::from_utf8_lossy(&output.stdout).contains("shop acme: it answers, and takes the key"), "{output:?}");
    let text = std::fs::read_to_string(&file).unwrap().replace("example-api-key", "another-api-key");
    let wrong = folder.path().join("wrong.json");
    std::fs::write(&wrong, text).unwrap();
    let output = check(&wrong);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("shop acme: ") && !said.contains("another-api-key"), "{said}");
    let endpoint = |secret: &str| {
        let hook = format!(r#"{{"url":"https://hooks.example.com/","secrets":["{secret}"],"events":["order.*"]}}"#);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&wrong, text.replacen('{', &format!("{{\"webhooks\":{{\"books\":{hook}}},"), 1)).unwrap();
        check(&wrong)
    };
    let output = endpoint("whsec_Y3VycmVudCBzZWNyZXQgb2YgYSB0ZXN0IQ==");
    assert!(String::from_utf8_lossy(&output.stdout).contains("webhook books: the document is in order"), "{output:?}");
    let said = String::from_utf8_lossy(&endpoint("planted-secret").stderr).into_owned();
    assert!(said.contains("webhooks.books.secrets[0]: must be whsec_") && !said.contains("planted"), "{said}");
    drop(serving);
}

#[test]
fn a_shop_and_the_ledger_are_compared_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &["--seed-orders", "5"]);
    let from = (jiff::Zoned::now().date() - jiff::ToSpan::days(10)).to_string();
    let compare = |more: &[&str]| {
        let arguments = [&["compare", "acme", "--from", &from, "--json"], more].concat();
        let output = tilaussilta(&serving, &arguments).stdout(Stdio::piped()).output().unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let (code, found) = compare(&[]);
    assert_eq!((code, found["missing"].as_array().unwrap().len()), (Some(1), 5), "{found}");
    assert_eq!(compare(&["--record"]).0, Some(0));
    assert_eq!(compare(&[]).0, Some(0));
    let now = Timestamp::now().as_second();
    let gone = format!("<Order id=\"4000\"><OrderedAt timestamp=\"{now}\"/><OrderStatus>Open</OrderStatus></Order>");
    assert_eq!(serving.post(PUSH, &[], &gone).0, 200);
    let (code, found) = compare(&[]);
    assert_eq!((code, &found["only_in_the_ledger"]), (Some(1), &serde_json::json!([4000])), "{found}");
}

#[test]
fn an_event_that_an_endpoint_did_not_accept_is_shown_and_sent_again_or_dismissed() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let queue = |name: &str| format!("http://embedded.invalid/000000000000/tilaussilta-{name}");
    let sqs = |operation: &str, request: Value| {
        let target = format!("AmazonSQS.{operation}");
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
        let (status, answer) = serving.post("/", &headers, &request.to_string());
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let counted = |name: &str| {
        let asked = serde_json::json!({ "QueueUrl": queue(name), "AttributeNames": ["All"] });
        sqs("GetQueueAttributes", asked)["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().to_owned()
    };
    for order in [58, 59] {
        let detail =
            serde_json::json!({ "id": format!("mycashflow/acme/order/{order}/1"), "order": { "name": "Virtanen" } });
        let event = serde_json::json!({ "id": "00000001-0000-4000-8000-000000000000", "detail-type": "order.created", "detail": detail });
        let body = serde_json::json!({ "endpoint": "books", "event": event }).to_string();
        let reason = serde_json::json!({ "DataType": "String", "StringValue": "the endpoint books answered 500" });
        let attributes = serde_json::json!({ "reason": reason });
        sqs(
            "SendMessage",
            serde_json::json!({ "QueueUrl": queue("webhook-dead-letters"), "MessageBody": body, "MessageAttributes": attributes }),
        );
    }

    let found = tilaussilta(&serving, &["problems", "--json"]).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(!text.contains("Virtanen"), "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    let letters: Vec<&Value> =
        found["problems"].as_array().unwrap().iter().filter(|one| one["kind"] == "webhook-dead-letter").collect();
    assert_eq!(letters.len(), 2, "{text}");
    assert_eq!((&letters[0]["document"], &letters[0]["connection"]), (&"order/58".into(), &"mycashflow/acme".into()));
    assert_eq!(letters[0]["reason"], "the endpoint books answered 500");
    assert_eq!(letters[0]["command"], "tilaussilta retry webhooks");

    assert!(run(&serving, &["retry", "webhooks"]).contains("2 events would be sent again"));
    let id = letters[1]["id"].as_str().unwrap();
    run(&serving, &["dismiss", "webhook", id, "--yes"]);
    assert!(run(&serving, &["retry", "webhooks", "--yes"]).contains("1 events were sent again"));
    assert_eq!((counted("webhooks").as_str(), counted("webhook-dead-letters").as_str()), ("1", "0"));
    let audited = run(&serving, &["audit"]);
    assert!(audited.contains("webhook dead letter"), "{audited}");
}
