//! A look at a large ledger takes no more reads than one at a small ledger: what an operator sees at a glance depends on the
//! last days, not on the years before.
//!
//! `REVISIONS=1000000` sets how many revisions the larger one has (`make large-ledger`).

use cloud::embedded::Embedded;
use cloud::reads::Reads;
use connections::Connections;
use console::web::{Console, Settings};
use console::{Operator, OrderFilter};
use http::Request;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ledger::{DocumentKey, Ledger, Retention, RevisionKey, Span};
use serde_json::{Value, json};
use tilaussilta_tests::{Bench, CONNECTIONS, TABLE};

use crate::operator::{operator, record};

/// Revisions of a document.
const REVISIONS: u64 = 4;
/// Documents of each of the last days, and how many days those are.
const A_DAY: u64 = 50;
const LAST_DAYS: u64 = 8;
/// Over how many days the rest is spread.
const DAYS_BEFORE: u64 = 1000;
/// Items put in at a time.
const PORTION: usize = 20_000;
/// The smaller ledger.
const FEW: u64 = 4_000;
/// The larger one, unless told otherwise.
const MANY: u64 = 24_000;

/// A look, the calls that it made, and the items that were read for it.
type Look = (&'static str, u64, u64);

/// The items of the head and the revision of a document that was recorded in the usual way.
struct Template {
    head: Value,
    revision: Value,
}

impl Template {
    async fn new() -> Self {
        let bench = Bench::new().await;
        record(&bench, 1, bench.now()).await;
        let items = bench.items();
        let of =
            |sk: &str| items.iter().find(|item| item["sk"]["S"].as_str().unwrap().starts_with(sk)).unwrap().clone();
        Self { head: of("head"), revision: of("rev#") }
    }

    /// The items of a document whose first revision was recorded at a time, and the others minutes after it.
    fn document(&self, id: u64, first: Timestamp) -> Vec<Value> {
        let number = |number: i64| json!({ "N": number.to_string() });
        let pk = json!({ "S": format!("mycashflow#acme#order#{id}") });
        let mut items = Vec::new();
        for revision in 1..=REVISIONS {
            let at = first + SignedDuration::from_mins(revision as i64 - 1);
            let mut item = self.revision.clone();
            item["pk"] = pk.clone();
            item["sk"] = json!({ "S": format!("rev#{revision:08}") });
            item["revision"] = number(revision as i64);
            item["recorded_at"] = number(at.as_millisecond());
            item["observed_at"] = number(at.as_millisecond());
            item["arrived"] = json!({ "S": format!("mycashflow/acme#{}", at.to_zoned(TimeZone::UTC).date()) });
            item["summary"] = json!({ "M": { "number": { "S": id.to_string() } } });
            items.push(item);
        }
        let mut head = self.head.clone();
        head["pk"] = pk;
        head["revision"] = number(REVISIONS as i64);
        head["observed_at"] = items[items.len() - 1]["observed_at"].clone();
        items.push(head);
        items
    }
}

/// When the document with an id was first recorded: the last ones within the last days, the others before.
fn first_of(id: u64, documents: u64, now: Timestamp) -> Timestamp {
    let recent = documents - A_DAY * LAST_DAYS;
    let minutes_before = match id.checked_sub(recent) {
        Some(place) => (LAST_DAYS * A_DAY - place) * 24 * 60 / A_DAY + 30,
        None => LAST_DAYS * 24 * 60 + 60 + (recent - id) * DAYS_BEFORE * 24 * 60 / recent,
    };
    now - SignedDuration::from_mins(minutes_before as i64)
}

/// A ledger with so many revisions, in a file.
async fn filled(revisions: u64, folder: &tempfile::TempDir) -> Bench {
    let now: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    let embedded = Embedded::in_file(&folder.path().join("ledger.db")).unwrap();
    let bench = Bench::over(embedded, now, Connections::parse(CONNECTIONS).unwrap()).await;
    let template = Template::new().await;
    let documents = revisions / REVISIONS;
    let mut items = Vec::new();
    for id in 1..=documents {
        items.extend(template.document(id, first_of(id, documents, now)));
        if items.len() >= PORTION || id == documents {
            bench.embedded.fill(TABLE, std::mem::take(&mut items)).unwrap();
        }
    }
    let day = SignedDuration::from_hours(24);
    bench.ledger.begin_publications(now - day * 80).await.unwrap();
    for id in documents - A_DAY * LAST_DAYS + 1..=documents {
        let document = DocumentKey::order("acme", id);
        let keys = (1..=REVISIONS as u32).map(|revision| RevisionKey { document: document.clone(), revision });
        let at = first_of(id, documents, now) + SignedDuration::from_mins(10);
        bench.ledger.note_published(&keys.collect::<Vec<_>>(), &format!("relay-{id}"), at).await.unwrap();
    }
    bench
}

/// What an operator looks at, with the reads of each.
async fn looks(bench: &Bench, documents: u64) -> Vec<Look> {
    let reads = Reads::default();
    let client = platform::dynamodb_client(&bench.embedded.counted_config(&reads));
    let ledger = Ledger::new(client, TABLE, Retention::default());
    let operator = Operator { ledger, ..operator(bench) };
    let now = bench.now();
    let mut looks = Vec::new();
    let mut look = |what| {
        let (calls, items) = reads.take();
        looks.push((what, calls, items));
    };
    let status = operator.status().await.unwrap();
    assert!(status.connections[0].arrivals_today > 0 && status.connections[0].unpublished == 0, "{status:?}");
    look("status");
    let timeline = operator.timeline(&DocumentKey::order("acme", documents - 60)).await.unwrap();
    assert_eq!(timeline.revisions.len(), REVISIONS as usize);
    assert!(timeline.revisions.iter().all(|revision| revision.published_at.is_some()));
    look("show");
    let yesterday = Span { from: now - SignedDuration::from_hours(32), until: now };
    let rows = operator.orders(&OrderFilter::default(), yesterday).await.unwrap();
    assert!((A_DAY..2 * A_DAY).contains(&(rows.len() as u64)), "{}", rows.len());
    look("orders --since yesterday");
    let settings = Settings::new(1, false).unwrap();
    let request = Request::builder().uri("/").header("host", "127.0.0.1:1");
    let request = request.header("cookie", format!("tilaussilta_session_1={}", settings.token)).body(()).unwrap();
    let page = Console::new(operator, settings).answer(&request.into_parts().0, b"").await;
    assert_eq!(page.status(), 200);
    look("Today");
    looks
}

#[tokio::test(start_paused = true)]
async fn a_look_reads_no_more_of_a_large_ledger_than_of_a_small_one() {
    let many = std::env::var("REVISIONS").ok().and_then(|many| many.parse().ok()).unwrap_or(MANY);
    let mut all = Vec::new();
    for revisions in [FEW, many] {
        let folder = tempfile::tempdir().unwrap();
        let begun = std::time::Instant::now();
        let bench = filled(revisions, &folder).await;
        println!("{revisions} revisions in {} s", begun.elapsed().as_secs());
        let looks = looks(&bench, revisions / REVISIONS).await;
        for (what, calls, items) in &looks {
            println!("{what}: {calls} calls, {items} items");
            assert!(*calls < 100 && *items < 4_000, "{what}: {calls} calls, {items} items");
        }
        all.push(looks);
    }
    assert_eq!(all[0], all[1]);
}
