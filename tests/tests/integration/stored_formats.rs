//! The formats of the ledger's items, over versions: what a released version wrote is read, what a later one adds to an item
//! changes nothing, and an item in a format that is not known is refused. `docs/ledger.md` says what that asks of a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud::embedded::Embedded;
use connections::Connections;
use jiff::Timestamp;
use jiff::civil::Date;
use ledger::{
    ActionLine, Audited, Claim, Connection, ContentHash, Cursor, Delivery, DeliveryOutcome, DocumentKey, Evidence,
    HeldFilter, Ledger, LedgerError, NewQuarantined, NewRevision, Part, Pause, PollRun, RefusedRequests, RevisionKey,
    Settled, Source, Span, Stream,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tilaussilta_tests::{Bench, CONNECTIONS, TABLE};

/// What `docs/ledger.md` calls the kind of an item.
fn kind(pk: &str, sk: &str) -> &'static str {
    let begins = |with: &str| pk.starts_with(with);
    match (pk, sk.split_once('#').map_or(sk, |(first, _)| first)) {
        ("published", "since") => "since",
        ("arrivals", "state") => "index state",
        ("control", _) => "pause",
        _ if begins("log#") => "delivery",
        _ if begins("quarantine#") => "quarantine",
        _ if begins("refused#") => "refused",
        _ if begins("published#") => "publication",
        _ if begins("polls#") => "run",
        _ if begins("audit#") => "audit",
        _ if begins("action#") && sk.starts_with("deliver-lock#") => "claim",
        _ if begins("action#") && sk.starts_with("deliver-sent#") => "mark",
        _ if begins("action#") => "action",
        (_, "head") => "head",
        (_, "rev") => "revision",
        (_, "cursor") => "cursor",
        (_, "gap") => "gap",
        (_, "refresh") => "refresh",
        (_, "lease") => "lease",
        (_, "action") => "action line",
        _ => panic!("{pk} {sk} is of no kind that is known: add it here, and to docs/ledger.md"),
    }
}

/// The kinds in the first table of `docs/ledger.md`.
fn documented_kinds() -> BTreeSet<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ledger.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| item |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
}

/// Reads what an item says in the way that the product reads it, as a text.
async fn read(ledger: &Ledger, pk: &str, sk: &str) -> Result<String, LedgerError> {
    let document = || DocumentKey::parse_full(&pk.splitn(4, '#').collect::<Vec<_>>().join("/")).unwrap();
    let mut parts = pk.split('#').skip(1);
    let connection = parts.next().and_then(Connection::parse);
    let connection = || connection.clone().unwrap();
    let day: Option<Date> = pk.rsplit_once('#').and_then(|(_, day)| day.parse().ok());
    let span =
        || Span { from: "2026-03-02T00:00:00Z".parse().unwrap(), until: "2026-03-03T00:00:00Z".parse().unwrap() };
    Ok(match kind(pk, sk) {
        "head" => format!("{:?}", ledger.head(&document()).await?.unwrap()),
        "revision" => {
            let revision = sk.trim_start_matches("rev#").parse().unwrap();
            format!("{:?}", ledger.revision(&RevisionKey { document: document(), revision }).await?.unwrap())
        }
        "cursor" | "gap" | "refresh" | "lease" => {
            format!("{:?}", ledger.shop_state(pk.trim_start_matches("mycashflow#")).await?)
        }
        "delivery" => format!("{:?}", ledger.deliveries(&connection(), day.unwrap()).await?),
        "quarantine" => {
            let held = ledger.held(&connection(), HeldFilter::default()).await?;
            format!("{held:?} {:?}", ledger.quarantined(&connection()).await?)
        }
        "action" | "claim" | "mark" => format!("{:?}", ledger.settled_action(&connection(), sk).await?),
        "refused" => format!("{:?}", ledger.refused(&connection(), day.unwrap()).await?),
        "publication" => {
            let published = ledger.publications(&connection(), span()).await?;
            format!("{:?}", published.into_iter().map(|(key, at)| (key.event_id(), at)).collect::<BTreeMap<_, _>>())
        }
        "since" => format!("{:?}", ledger.publications_since().await?.unwrap()),
        "action line" => format!("{:?}", ledger.actions_on(&document()).await?),
        "run" => format!("{:?}", ledger.poll_runs(&connection().name, day.unwrap()).await?),
        "pause" => format!("{:?}", ledger.pauses().await?),
        "audit" => format!("{:?}", ledger.audited(day.unwrap()).await?),
        "index state" => format!("{:?}", ledger.indexed().await?),
        other => panic!("nothing reads {other}"),
    })
}

/// Everything that the table holds, each item as it is stored.
fn stored(bench: &Bench) -> Vec<Value> {
    let (status, json) = bench.embedded.answer("Scan", &format!(r#"{{"TableName":"{TABLE}"}}"#));
    assert_eq!(status, 200, "{json}");
    let answer: Value = serde_json::from_str(&json).unwrap();
    assert!(answer.get("LastEvaluatedKey").is_none(), "the table is larger than one scan");
    answer["Items"].as_array().unwrap().clone()
}

fn keys(item: &Value) -> (&str, &str) {
    (item["pk"]["S"].as_str().unwrap(), item["sk"]["S"].as_str().unwrap())
}

fn put(bench: &Bench, item: &Value) {
    let (status, json) = bench.embedded.answer("PutItem", &json!({ "TableName": TABLE, "Item": item }).to_string());
    assert_eq!(status, 200, "{json}");
}

/// What every item says, by its keys.
async fn all(bench: &Bench) -> BTreeMap<(String, String), String> {
    let mut all = BTreeMap::new();
    for item in stored(bench) {
        let (pk, sk) = keys(&item);
        let said = read(&bench.ledger, pk, sk).await.unwrap_or_else(|error| panic!("{pk} {sk}: {error}"));
        all.insert((pk.to_owned(), sk.to_owned()), said);
    }
    all
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The ledgers of released versions, each by its version: a database file, or its items as DynamoDB's JSON, one a line.
fn released() -> Vec<(String, PathBuf)> {
    let files = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let named = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let (version, end) = name.strip_prefix("ledger-")?.rsplit_once('.')?;
        ["db", "jsonl"].contains(&end).then(|| (version.to_owned(), path.clone()))
    });
    let mut found: Vec<_> = named.collect();
    found.sort();
    found
}

async fn bench_over(embedded: Embedded) -> Bench {
    let start: Timestamp = "2026-03-02T08:04:00Z".parse().unwrap();
    Bench::over(embedded, start, Connections::parse(CONNECTIONS).unwrap()).await
}

/// A copy of a released ledger. It lives as long as the directory.
async fn copy_of(file: &Path) -> (Bench, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    if file.extension().is_some_and(|end| end == "db") {
        let copy = directory.path().join("ledger.db");
        std::fs::copy(file, &copy).unwrap();
        return (bench_over(Embedded::in_file(&copy).unwrap()).await, directory);
    }
    let bench = bench_over(Embedded::in_memory().unwrap()).await;
    for line in std::fs::read_to_string(file).unwrap().lines() {
        put(&bench, &serde_json::from_str(line).unwrap());
    }
    (bench, directory)
}

/// A ledger of this version, with every kind of item.
async fn current() -> Bench {
    let bench = bench_over(Embedded::in_memory().unwrap()).await;
    let (ledger, now) = (&bench.ledger, bench.now());
    let (shop, order) = (Connection::shop("acme"), DocumentKey::order("acme", 58));
    ledger.note_indexed().await.unwrap();
    ledger.begin_publications(now).await.unwrap();
    documents(ledger, &order, now).await;
    poll_state(ledger, &order, now).await;
    actions(ledger, &shop, now).await;
    records(ledger, &shop, &order, now).await;
    bench
}

async fn documents(ledger: &Ledger, order: &DocumentKey, now: Timestamp) {
    let message = DocumentKey::manu("acme", "sales-order-activate", "SO#1/ä");
    for (document, body) in [(order, "<Order id=\"58\"/>"), (&message, "{\"id\":\"SO#1/ä\"}")] {
        let new = NewRevision {
            summary: None,
            document,
            source: Source::Push,
            observed_at: now,
            evidence: Evidence::Message,
            hash: ContentHash::of(body.as_bytes()),
            body: body.as_bytes(),
            content_type: "text/plain",
            now,
        };
        ledger.append(&new).await.unwrap();
    }
}

async fn poll_state(ledger: &Ledger, order: &DocumentKey, now: Timestamp) {
    let lease = ledger.acquire_lease("acme", "a run", now, now + Duration::from_secs(300)).await.unwrap().unwrap();
    let cursor = Cursor {
        stream: Stream::Created,
        position: now.as_second(),
        highest_order: Some(58),
        finished_through: None,
        moved_at: now,
        run: "a run".to_owned(),
    };
    ledger.move_cursor(&lease, None, &cursor).await.unwrap();
    let gap = ledger::Gap {
        kind: ledger::GapKind::Order { order: 59 },
        reason: "the shop answered with status 500".to_owned(),
        opened_at: now,
        tries: 1,
    };
    ledger.put_gap(&lease, &gap).await.unwrap();
    ledger.mark_for_refresh(order, now).await.unwrap();
}

async fn actions(ledger: &Ledger, shop: &Connection, now: Timestamp) {
    for key in ["parcel-1#58", "deliver-lock#order/58", "deliver-sent#order/58"] {
        let fingerprint = ContentHash::of(key.as_bytes());
        let claim = Claim { connection: shop, key, fingerprint, owner: "an attempt" };
        ledger.begin_action(&claim, now, now + Duration::from_secs(60)).await.unwrap();
        ledger.settle_action(&claim, &Settled::Done("delivered".to_owned()), now).await.unwrap();
    }
}

async fn records(ledger: &Ledger, shop: &Connection, order: &DocumentKey, now: Timestamp) {
    let delivery = Delivery {
        at: now,
        request_id: "a request".to_owned(),
        outcome: DeliveryOutcome::Recorded,
        status: 200,
        reason: None,
        document: Some(("order/58".to_owned(), 1)),
        size_bytes: 17,
        duration: Duration::from_millis(3),
    };
    ledger.log_delivery(shop, &delivery).await.unwrap();
    let unreadable = NewQuarantined {
        body: b"<Order id='59'><Customer",
        content_type: "application/xml",
        reason: "the document ends within an element",
        document: Some("order/59"),
        kind: None,
        source: Some(Source::Push),
        now,
    };
    ledger.quarantine(shop, &unreadable).await.unwrap();
    let refused =
        RefusedRequests { minute: now, reason: "wrong-key".to_owned(), count: 2, environment: "a name".to_owned() };
    ledger.log_refused(shop, &refused).await.unwrap();
    ledger.note_published(&[RevisionKey { document: order.clone(), revision: 1 }], "a batch", now).await.unwrap();
    let line = ActionLine {
        at: now,
        document: order.clone(),
        action: "deliver".to_owned(),
        outcome: "done".to_owned(),
        reason: None,
        cause: Some("parcel-1".to_owned()),
        mail: Some(true),
    };
    ledger.log_action(&line).await.unwrap();
    let run = PollRun { at: now, run: "a run".to_owned(), stopped: "caught_up".to_owned(), ..PollRun::default() };
    ledger.note_poll_run("acme", &run).await.unwrap();
    ledger.pause(&Pause { part: Part::Relay, since: now, who: "an operator".to_owned() }).await.unwrap();
    let (who, what, target) = ("an operator".to_owned(), "retry".to_owned(), "mycashflow/acme/order/58".to_owned());
    ledger.audit(&Audited { at: now, who, what, target }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn this_version_writes_every_documented_kind_of_item() {
    let bench = current().await;
    let items = stored(&bench);
    let written: BTreeSet<String> = items.iter().map(keys).map(|(pk, sk)| kind(pk, sk).to_owned()).collect();
    assert_eq!(written, documented_kinds());
    // Those of which a body may fill a write unit to its last byte are in the first format as long as they say nothing.
    let silent = items.iter().filter(|item| item.get("format").is_none()).map(keys).map(|(pk, sk)| kind(pk, sk));
    assert_eq!(silent.collect::<BTreeSet<_>>(), BTreeSet::from(["quarantine", "revision"]));
    if std::env::var_os("UPDATE_RELEASED").is_some() {
        let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
        let name = format!("ledger-{}.jsonl", env!("CARGO_PKG_VERSION"));
        std::fs::write(fixtures().join(name), lines).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_item_of_every_released_version_is_read() {
    let released = released();
    assert!(released.iter().any(|(version, _)| version == "dae193d"), "{released:?}");
    for (version, file) in released {
        let (bench, _directory) = copy_of(&file).await;
        let all = all(&bench).await;
        assert!(all.len() > 15, "{version} has {} items only", all.len());
    }
}

#[tokio::test(start_paused = true)]
async fn an_attribute_of_a_later_version_changes_nothing() {
    let mut benches = vec![(current().await, None)];
    for (_, file) in released() {
        let (bench, directory) = copy_of(&file).await;
        benches.push((bench, Some(directory)));
    }
    for (bench, _directory) in benches {
        let before = all(&bench).await;
        for mut item in stored(&bench) {
            item["of_a_later_version"] = json!({ "M": { "from": { "N": "7" }, "state": { "S": "new" } } });
            put(&bench, &item);
        }
        assert_eq!(all(&bench).await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_in_a_later_format_is_refused() {
    let bench = current().await;
    for item in stored(&bench) {
        let (pk, sk) = keys(&item);
        let format: u32 = item["format"]["N"].as_str().map_or(1, |format| format.parse().unwrap());
        let mut later = item.clone();
        later["format"] = json!({ "N": (format + 1).to_string() });
        put(&bench, &later);
        match read(&bench.ledger, pk, sk).await {
            Err(error @ LedgerError::NewerFormat { format: found, readable, .. }) => {
                assert_eq!((found, readable), (format + 1, format), "{pk} {sk}");
                assert!(error.is_of_item() && error.to_string().contains("deploy the version"), "{error}");
            }
            other => panic!("{pk} {sk} in format {} was read: {other:?}", format + 1),
        }
        put(&bench, &item);
    }
}

/// Each way to look at what the two tests above read in one way only.
#[tokio::test(start_paused = true)]
async fn an_item_in_a_later_format_is_refused_whoever_asks() {
    let bench = current().await;
    let (ledger, shop) = (&bench.ledger, Connection::shop("acme"));
    let unreadable = b"<Order id='59'><Customer";
    let id = ContentHash::of(unreadable).to_string();
    for mut item in stored(&bench) {
        let (pk, sk) = keys(&item);
        if ["quarantine", "action", "mark"].contains(&kind(pk, sk)) {
            item["format"] = json!({ "N": "2" });
            put(&bench, &item);
        }
    }
    let before = stored(&bench);
    let refused = |error: LedgerError| assert!(matches!(error, LedgerError::NewerFormat { .. }), "{error}");
    refused(ledger.held(&shop, HeldFilter::default()).await.unwrap_err());
    refused(ledger.quarantined_body(&shop, &id).await.unwrap_err());
    let (key, fingerprint) = ("parcel-1#58", ContentHash::of(b"parcel-1#58"));
    let claim = Claim { connection: &shop, key, fingerprint, owner: "another attempt" };
    refused(ledger.begin_action(&claim, bench.now(), bench.now() + Duration::from_secs(60)).await.unwrap_err());
    refused(ledger.clear_action(&shop, "deliver-sent#order/58").await.unwrap_err());
    // The same bytes again are kept already, and nothing is written over what a later version knows of them.
    let again = NewQuarantined {
        body: unreadable,
        content_type: "application/xml",
        reason: "the document ends within an element",
        document: Some("order/59"),
        kind: None,
        source: Some(Source::Push),
        now: bench.now() + Duration::from_secs(7200),
    };
    assert!(!ledger.quarantine(&shop, &again).await.unwrap());
    assert_eq!(stored(&bench), before);
}

/// A head that is not understood is not overwritten: the number after it would be a guess.
#[tokio::test(start_paused = true)]
async fn nothing_is_appended_to_a_document_in_a_later_format() {
    let bench = current().await;
    let order = DocumentKey::order("acme", 58);
    let mut head = stored(&bench).into_iter().find(|item| keys(item) == ("mycashflow#acme#order#58", "head")).unwrap();
    head["format"] = json!({ "N": "2" });
    put(&bench, &head);
    let before = stored(&bench);
    let new = NewRevision {
        summary: None,
        document: &order,
        source: Source::Poll,
        observed_at: bench.now(),
        evidence: Evidence::Asked,
        hash: ContentHash::of(b"another state"),
        body: b"another state",
        content_type: "text/plain",
        now: bench.now(),
    };
    let refused = bench.ledger.append(&new).await;
    assert!(matches!(refused, Err(LedgerError::NewerFormat { .. })), "{refused:?}");
    assert_eq!(stored(&bench), before);
}
