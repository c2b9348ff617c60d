//! What an operator sees: the index of arrivals, publications, and the reads that a look takes.

use std::sync::Arc;

use cloud::messaging::Messaging;
use console::web::{Console, Language, Settings};
use console::{Operator, OrderFilter, ProblemKind};
use jiff::{SignedDuration, Timestamp};
use ledger::{
    ActionLine, Connection, ContentHash, DocumentKey, Evidence, Indexed, NewRevision, Publication, RevisionKey, Source,
    Span, Summary,
};
use mycashflow::HttpTransport;
use sandbox::functions::{Functions, FunctionsThread};
use sandbox::stack::SandboxStack;
use tilaussilta_tests::{Bench, TABLE};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn acme() -> Connection {
    Connection::shop("acme")
}

/// Records a revision of an order at a time.
pub(crate) async fn record(bench: &Bench, id: u64, at: Timestamp) -> RevisionKey {
    let document = DocumentKey::order("acme", id);
    let body = format!("<Order id=\"{id}\"><OrderNumber>{id}</OrderNumber><Made>{at}</Made></Order>");
    let summary = Summary { number: Some(id.to_string()), ..Summary::default() };
    let new = NewRevision {
        document: &document,
        source: Source::Poll,
        observed_at: at,
        evidence: Evidence::Asked,
        hash: ContentHash::of(body.as_bytes()),
        body: body.as_bytes(),
        content_type: "text/xml",
        summary: Some(&summary),
        now: at,
    };
    let revision = bench.ledger.append(&new).await.unwrap().revision();
    RevisionKey { document, revision }
}

pub(crate) fn operator(bench: &Bench) -> Operator {
    let messaging = Messaging::new(bench.deps.clock.clone());
    let poller = changes_poller::PollerDeps {
        base: bench.deps.clone(),
        transport: Arc::new(HttpTransport::new().unwrap()),
        policy: mycashflow::RetryPolicy::default(),
    };
    let functions = FunctionsThread::start(Functions::new(poller, &messaging)).unwrap();
    Operator {
        ledger: bench.deps.ledger.clone(),
        connections: bench.deps.connections.current(),
        stack: Arc::new(SandboxStack { functions, messaging }),
        shops: Arc::new(HttpTransport::new().unwrap()),
        clock: bench.deps.clock.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_takes_no_more_reads_of_a_ledger_a_hundred_times_as_large() {
    let mut reads = Vec::new();
    for days in [2, 200] {
        let bench = Bench::new().await;
        let now = bench.now();
        for day in 0..days {
            for order in 0..5 {
                let at = now - HOUR * i32::try_from(24 * day).unwrap() - SignedDuration::from_mins(20 + order);
                record(&bench, u64::try_from(5 * day + order + 1).unwrap(), at).await;
            }
        }
        let operator = operator(&bench);
        let yesterday = Span { from: now - HOUR * 24, until: now };
        let before = bench.calls();
        let counted = |what: &'static str, last: &mut u64| {
            let taken = bench.calls() - *last;
            *last = bench.calls();
            (what, taken)
        };
        let mut last = before;
        operator.status().await.unwrap();
        let status = counted("status", &mut last);
        operator.timeline(&DocumentKey::order("acme", 1)).await.unwrap();
        let show = counted("show", &mut last);
        let rows = operator.orders(&OrderFilter::default(), yesterday).await.unwrap();
        assert_eq!(rows.len(), 5, "{days} days");
        reads.push([status, show, counted("orders", &mut last)]);
    }
    assert_eq!(reads[0], reads[1]);
}

#[tokio::test(start_paused = true)]
async fn a_list_has_what_arrived_in_a_time_and_nothing_else() {
    let bench = Bench::new().await;
    let now = bench.now();
    for (id, hours) in [(1, 30), (2, 20), (3, 2), (4, 0)] {
        record(&bench, id, now - HOUR * hours).await;
    }
    let ids = async |from: i32, until: i32| -> Vec<String> {
        let span = Span { from: now - HOUR * from, until: now - HOUR * until };
        let arrivals = bench.ledger.arrivals(&acme(), span).await.unwrap();
        arrivals.into_iter().map(|arrival| arrival.summary.number.unwrap()).collect()
    };
    assert_eq!(ids(31, 0).await, ["1", "2", "3"], "the end is not in it");
    assert_eq!(ids(20, 2).await, ["2"], "the beginning is in it");
    assert_eq!(
        bench.ledger.count_arrivals(&acme(), Span { from: now - HOUR * 40, until: now + HOUR }).await.unwrap(),
        4
    );
    assert!(
        bench
            .ledger
            .arrivals(&Connection::shop("other"), Span { from: now - HOUR * 40, until: now })
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_published_is_known_and_what_precedes_the_record_is_not() {
    let bench = Bench::new().await;
    let now = bench.now();
    let early = record(&bench, 1, now - HOUR).await;
    let ledger = &bench.ledger;
    let span = Span { from: now - HOUR * 24, until: now + HOUR };
    assert!(
        ledger.unpublished(&acme(), span, now).await.unwrap().is_empty(),
        "nothing is known, so nothing is sent again"
    );
    ledger.begin_publications(now).await.unwrap();
    ledger.begin_publications(now + HOUR).await.unwrap();
    assert_eq!(ledger.publications_since().await.unwrap().map(|at| at.as_millisecond()), Some(now.as_millisecond()));
    let (first, second) = (record(&bench, 2, now).await, record(&bench, 3, now).await);
    ledger.note_published(std::slice::from_ref(&first), "one", now).await.unwrap();
    let missing = ledger.unpublished(&acme(), span, now).await.unwrap();
    assert_eq!(missing.iter().map(|arrival| &arrival.key).collect::<Vec<_>>(), [&second]);
    let asked = [(early.clone(), now - HOUR), (first.clone(), now), (second.clone(), now)];
    let told = ledger.published(&acme(), &asked, now).await.unwrap();
    assert_eq!(told[&early], Publication::Unknown);
    assert_eq!(told[&first], Publication::Published { at: Timestamp::from_millisecond(now.as_millisecond()).unwrap() });
    assert_eq!(told[&second], Publication::NotRecorded);
}

/// As an earlier version left them: without the attributes of the index.
fn strip_the_index(bench: &Bench) {
    let call = |operation: &str, request: serde_json::Value| {
        let (status, answer) = bench.embedded.answer(operation, &request.to_string());
        assert_eq!(status, 200, "{answer}");
    };
    for item in bench.items().iter().filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("rev#")) {
        call(
            "UpdateItem",
            serde_json::json!({
                "TableName": TABLE, "Key": { "pk": item["pk"], "sk": item["sk"] },
                "UpdateExpression": "REMOVE arrived, summary",
            }),
        );
    }
    call(
        "DeleteItem",
        serde_json::json!({
            "TableName": TABLE, "Key": { "pk": { "S": "arrivals" }, "sk": { "S": "state" } },
        }),
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_version_recorded_is_listed_before_it_is_indexed_and_after() {
    let bench = Bench::new().await;
    let now = bench.now();
    for id in 1..=30 {
        record(&bench, id, now - HOUR).await;
    }
    strip_the_index(&bench);
    assert_eq!(bench.ledger.indexed().await.unwrap(), Indexed::Partly);
    let before = bench.items();
    let operator = operator(&bench);
    let span = Span { from: now - HOUR * 2, until: now };
    let listed = async || operator.orders(&OrderFilter::default(), span).await.unwrap();
    let scanned = listed().await;
    assert_eq!(scanned.len(), 30, "never silently short");

    while !bench.ledger.index_revisions(&::intake::summary_of).await.unwrap().is_done {}
    assert_eq!(bench.ledger.indexed().await.unwrap(), Indexed::All);
    assert_eq!(bench.ledger.arrivals(&acme(), span).await.unwrap().len(), 30);
    let after = listed().await;
    assert_eq!(after.iter().map(|row| (&row.document, &row.number)).collect::<Vec<_>>().len(), scanned.len());
    for (old, new) in before.iter().zip(bench.items()) {
        for name in ["body", "expires_at", "recorded_at", "hash"] {
            assert_eq!(old[name], new[name], "{name} is as it was");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_expired_meanwhile_is_not_made_anew_by_the_index() {
    let bench = Bench::new().await;
    record(&bench, 1, bench.now() - HOUR).await;
    strip_the_index(&bench);
    let embedded = bench.embedded.clone();
    let expires = move |_: &RevisionKey, _: &ledger::Revision| {
        let key = r#"{"pk":{"S":"mycashflow#acme#order#1"},"sk":{"S":"rev#00000001"}}"#;
        embedded.answer("DeleteItem", &format!(r#"{{"TableName":"{TABLE}","Key":{key}}}"#));
        None
    };
    let step = bench.ledger.index_revisions(&expires).await.unwrap();
    assert_eq!((step.indexed, step.is_done), (0, true));
    assert_eq!(bench.kept(), ["mycashflow#acme#order#1 head"]);
}

#[tokio::test(start_paused = true)]
async fn of_what_is_older_than_the_records_nothing_is_published_again() {
    let bench = Bench::new().await;
    let now = bench.now();
    let day = SignedDuration::from_hours(24);
    bench.ledger.begin_publications(now - day * 200).await.unwrap();
    // Its record has expired after 90 days, the revision has not.
    record(&bench, 1, now - day * 100).await;
    let fresh = record(&bench, 2, now - day * 2).await;
    let span = Span { from: now - day * 200, until: now };
    let missing = bench.ledger.unpublished(&acme(), span, now).await.unwrap();
    assert_eq!(missing.iter().map(|arrival| &arrival.key).collect::<Vec<_>>(), [&fresh]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_on_keeps_its_beginning() {
    let bench = Bench::new().await;
    let now = bench.now();
    for (hours, who) in [(2, "first"), (0, "second")] {
        let pause = ledger::Pause { part: ledger::Part::Relay, since: now - HOUR * hours, who: who.to_owned() };
        bench.ledger.pause(&pause).await.unwrap();
    }
    let paused = bench.ledger.paused(ledger::Part::Relay).await.unwrap().unwrap();
    assert_eq!((paused.who.as_str(), paused.since.as_second()), ("first", (now - HOUR * 2).as_second()));
    bench.ledger.resume(ledger::Part::Relay).await.unwrap();
    assert!(bench.ledger.pauses().await.unwrap().is_empty());
}

/// An order's document, as it was kept in quarantine.
fn kept<'a>(body: &'a str, source: Source, now: Timestamp) -> ledger::NewQuarantined<'a> {
    ledger::NewQuarantined {
        body: body.as_bytes(),
        content_type: "text/xml",
        reason: "an earlier reader could not read it",
        document: Some("order/58"),
        kind: None,
        source: Some(source),
        now,
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_under_way_for_long_does_not_replace_what_the_poll_saw() {
    let bench = Bench::new().await;
    let now = bench.now();
    let made = (now - HOUR * 3).as_second();
    let body = format!("<Order id=\"58\"><OrderedAt timestamp=\"{made}\"/><OrderStatus>Open</OrderStatus></Order>");
    for (source, expected) in [(Source::Push, 1), (Source::Poll, 2)] {
        let bench = Bench::new().await;
        record(&bench, 58, now - HOUR).await;
        bench.ledger.quarantine(&acme(), &kept(&body, source, now)).await.unwrap();
        let held = bench.ledger.quarantined(&acme()).await.unwrap().remove(0);
        let again = ::intake::Again::default();
        ::intake::read_again(&bench.ledger, &acme(), &held, again, now + HOUR).await.unwrap();
        let head = bench.ledger.head(&DocumentKey::order("acme", 58)).await.unwrap().unwrap();
        assert_eq!(head.revision, expected, "{source:?}");
        let marked = bench.ledger.shop_state("acme").await.unwrap().refreshes;
        assert_eq!(marked.len(), 1, "{source:?}: the shop is asked how it is now");
    }
    let as_new = ::intake::Again { as_new: true, ..::intake::Again::default() };
    bench.ledger.quarantine(&acme(), &kept(&body, Source::Push, now)).await.unwrap();
    let held = bench.ledger.quarantined(&acme()).await.unwrap().remove(0);
    let read = ::intake::read_again(&bench.ledger, &acme(), &held, as_new, now).await.unwrap();
    assert!(!read[0].is_settled(), "an old order is never made the newest: {read:?}");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_met_again_after_they_were_resolved_are_open_again() {
    let bench = Bench::new().await;
    let now = bench.now();
    let new = |hours: i32| kept("<Order", Source::Poll, now + HOUR * hours);
    let state = async || bench.ledger.quarantined(&acme()).await.unwrap().remove(0);
    assert!(bench.ledger.quarantine(&acme(), &new(0)).await.unwrap());
    assert!(!bench.ledger.quarantine(&acme(), &new(2)).await.unwrap(), "they are not new");
    assert_eq!(state().await.last_seen.as_second(), (now + HOUR * 2).as_second());
    let id = state().await.id;
    let resolved = ledger::QuarantineState::Resolved { by: "order/58/2".to_owned() };
    bench.ledger.settle_quarantined(&acme(), &id, &resolved, now + HOUR * 2).await.unwrap();
    assert!(bench.ledger.quarantine(&acme(), &new(3)).await.unwrap(), "a person is needed again");
    assert_eq!(state().await.state, ledger::QuarantineState::Open);
    let dismissed = ledger::QuarantineState::Dismissed { by: "someone".to_owned(), why: "a test".to_owned() };
    bench.ledger.settle_quarantined(&acme(), &id, &dismissed, now).await.unwrap();
    assert!(!bench.ledger.quarantine(&acme(), &new(5)).await.unwrap());
    assert_eq!(state().await.state, dismissed, "what was dismissed stays so");
}

#[tokio::test(start_paused = true)]
async fn status_asks_for_the_schedule_when_there_is_a_shop_and_no_poll_of_it() {
    let bench = Bench::new().await;
    let asks = async |words: &str| {
        let status = operator(&bench).status().await.unwrap();
        status.attention.iter().any(|line| line.text.starts_with("mycashflow/acme: ") && line.text.contains(words))
    };
    assert!(asks("no poll has ended within").await);
    let run = |at| ledger::PollRun { at, run: at.to_string(), stopped: "caught_up".to_owned(), ..Default::default() };
    bench.ledger.note_poll_run("acme", &run(bench.now() - HOUR)).await.unwrap();
    assert!(asks("is the schedule on?").await);
    bench.ledger.note_poll_run("acme", &run(bench.now())).await.unwrap();
    assert!(!asks("poll").await);
}

fn delivery(id: u64, at: Timestamp, outcome: &str, mail: Option<bool>) -> ActionLine {
    ActionLine {
        at,
        document: DocumentKey::order("acme", id),
        action: "deliver".to_owned(),
        outcome: outcome.to_owned(),
        reason: Some("delivered".to_owned()).filter(|_| outcome == "done"),
        cause: Some("a message".to_owned()),
        mail,
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_tried_again_by_itself_is_no_problem_yet() {
    let bench = Bench::new().await;
    let now = bench.now();
    for (id, minutes, outcome) in [(1, 80, "later"), (2, 85, "later"), (3, 1, "unknown")] {
        let line = delivery(id, now - SignedDuration::from_mins(minutes), outcome, Some(true));
        bench.ledger.log_action(&line).await.unwrap();
    }
    let operator = operator(&bench);
    let problems = operator.problems().await.unwrap().problems;
    let stuck = problems.iter().filter(|one| one.kind == ProblemKind::StuckAction);
    assert_eq!(stuck.filter_map(|one| one.document.as_deref()).collect::<Vec<_>>(), ["order/2", "order/3"]);
    let open = async |id| operator.timeline(&DocumentKey::order("acme", id)).await.unwrap().open;
    assert!(open(1).await.is_empty() && open(2).await.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeline_begins_with_the_last_state_and_tells_whether_a_mail_was_asked_for() {
    let bench = Bench::new().await;
    let now = bench.now();
    record(&bench, 58, now - HOUR * 2).await;
    for (outcome, mail) in [("done", Some(true)), ("done", Some(false)), ("done", None), ("later", Some(true))] {
        bench.ledger.log_action(&delivery(58, now, outcome, mail)).await.unwrap();
    }
    let timeline = operator(&bench).timeline(&DocumentKey::order("acme", 58)).await.unwrap();
    let state = timeline.state.unwrap();
    assert_eq!(state.line(Language::English, now), "order 58, seen 2 h ago");
    assert_eq!(state.line(Language::Finnish, now), "tilaus 58, nähty 2 t sitten");
    let told = timeline.moments.iter().filter(|moment| moment.what == "deliver");
    let mut told: Vec<_> = told.map(|moment| (moment.detail.as_str(), moment.finnish.as_str())).collect();
    told.sort_unstable();
    let expected = [
        (
            "done: delivered, a mail was asked for, by message a message",
            "tehty: toimitettu, sähköpostia pyydettiin, viesti a message",
        ),
        ("done: delivered, by message a message", "tehty: toimitettu, viesti a message"),
        (
            "done: delivered, no mail was asked for, by message a message",
            "tehty: toimitettu, sähköpostia ei pyydetty, viesti a message",
        ),
        ("later, by message a message", "myöhemmin, viesti a message"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn two_unreadable_copies_of_an_order_tell_how_each_came() {
    let bench = Bench::new().await;
    let now = bench.now();
    for (body, source) in [("<Order", Source::Push), ("<Order>", Source::Poll)] {
        bench.ledger.quarantine(&acme(), &kept(body, source, now)).await.unwrap();
    }
    let problems = operator(&bench).problems().await.unwrap().problems;
    let quarantined = problems.iter().filter(|one| one.kind == ProblemKind::Quarantine);
    let mut reasons: Vec<_> = quarantined.map(|one| (one.reason.as_str(), one.finnish_command.as_str())).collect();
    reasons.sort_unstable();
    let command = "korjaa se kaupassa, sitten tilaussilta refresh acme 58 --yes";
    let expected = ["polled", "pushed"].map(|way| format!("{way} copy: an earlier reader could not read it"));
    assert_eq!(reasons, [(expected[0].as_str(), command), (expected[1].as_str(), command)]);
}

/// A page of the console.
async fn page(operator: &Operator, address: &str) -> String {
    let settings = Settings::new(80, false).unwrap();
    let request = http::Request::get(address)
        .header("host", "127.0.0.1:80")
        .header("cookie", format!("tilaussilta_session_80={}", settings.token));
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Console::new(operator.clone(), settings).answer(&parts, &[]).await.into_body()
}

#[tokio::test(start_paused = true)]
async fn the_finnish_pages_say_in_finnish_what_is_not_from_outside() {
    let bench = Bench::new().await;
    let now = bench.now();
    let run = ledger::PollRun { at: now, run: "one".to_owned(), stopped: "caught_up".to_owned(), ..Default::default() };
    bench.ledger.note_poll_run("acme", &run).await.unwrap();
    record(&bench, 58, now - HOUR).await;
    bench.ledger.log_action(&delivery(58, now, "done", Some(true))).await.unwrap();
    bench.ledger.quarantine(&acme(), &kept("<Order", Source::Push, now)).await.unwrap();
    let operator = operator(&bench);
    let expected: [(&str, &[&str]); 6] = [
        ("/?", &["1</strong> <span>saapunut", "0</strong> <span>avointa aukkoa", "käsittelemättä jäänyttä viestiä"]),
        ("/orders?from=2026-01-01&", &["1 tilaus "]),
        ("/actions?", &["toimitetuksi merkitseminen", ">tehty<", ">toimitettu<"]),
        (
            "/problems?",
            &["lähetetty kappale: an earlier reader", "korjaa se kaupassa, sitten tilaussilta refresh acme 58"],
        ),
        ("/connections?", &["ajan tasalla"]),
        ("/document?id=mycashflow/acme/order/58&", &["tilaus 58, nähty 1 t sitten", "sähköpostia pyydettiin"]),
    ];
    for (address, texts) in expected {
        let page = page(&operator, &format!("{address}lang=fi")).await;
        for text in texts {
            assert!(page.contains(text), "{address}: {text}: {page}");
        }
        for english in ["delivered", "caught_up", "caught up", "correct it in the shop", ">deliver<"] {
            assert!(!page.contains(english), "{address}: {english}: {page}");
        }
    }
}
