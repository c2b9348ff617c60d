//! The end of the day: what was sent against what the ledger holds, what was published and what was done in the shop.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger::{Connection, ContentHash, DocumentKey, RevisionKey};
use manu::WebhookType;
use serde_json::json;
use world::shop::MailKind;

use super::steps::{BROKEN, CHANGED, DELIVERED, DISPATCH, DURING_CRASH, MADE, TRACKING_CODE};
use super::{Demo, NAME};
use crate::commands::Problem;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};

/// The checks of the day.
pub(super) struct Result {
    rows: Vec<Row>,
}

/// One check: what the world knows or asked for, and what the ledger, the bus or the shop holds.
struct Row {
    what: &'static str,
    world: usize,
    ledger: usize,
}

pub(super) async fn check(demo: &Demo) -> std::result::Result<Result, Problem> {
    let mut rows = orders(demo).await?;
    rows.extend(messages(demo).await?);
    rows.extend(events(demo).await?);
    rows.extend(actions(demo));
    rows.extend(refusals(demo).await?);
    let state = demo.ledger.shop_state(NAME).await?;
    rows.push(Row { what: "gaps left open", world: 0, ledger: state.gaps.len() });
    Ok(Result { rows })
}

/// Every order of the shop: its revisions, and whether the last one says what the shop says.
async fn orders(demo: &Demo) -> std::result::Result<Vec<Row>, Problem> {
    let made: u64 = MADE.iter().map(|(_, count, _)| count).sum();
    let readable = (made - 1) as usize;
    let states: Vec<(u64, ContentHash)> = demo
        .world
        .shop(NAME)
        .map(|shop| shop.orders().map(|order| (order.id, as_received(&order))).collect())
        .unwrap_or_default();
    let (mut known, mut current, mut revisions) = (0, 0, 0);
    for (order, hash) in states {
        let recorded = demo.ledger.revisions(&DocumentKey::order(NAME, order)).await?;
        known += usize::from(!recorded.is_empty());
        revisions += recorded.len();
        current += usize::from(order != BROKEN && recorded.last().is_some_and(|last| last.hash == hash));
    }
    Ok(vec![
        Row { what: "orders of the shop that can be read", world: readable, ledger: known },
        Row { what: "of these, as they are in the shop now", world: readable, ledger: current },
        Row {
            what: "versions of them: each order, and each change",
            world: readable + CHANGED.len() + DELIVERED.len(),
            ledger: revisions,
        },
    ])
}

/// The hash of an order as the shop writes it.
fn as_received(order: &mycashflow::Order) -> ContentHash {
    let xml = mycashflow::write_order(order);
    let page = mycashflow::read_page(xml.as_bytes(), None, &mycashflow::Limits::default());
    let read = page.ok().and_then(|mut page| page.entries.pop()?.order.ok());
    ContentHash::of(&read.as_ref().unwrap_or(order).canonical_json())
}

/// Every message that the ERP signed.
async fn messages(demo: &Demo) -> std::result::Result<Vec<Row>, Problem> {
    let mut sent: Vec<(WebhookType, u64)> =
        WebhookType::ALL.into_iter().enumerate().map(|(index, webhook)| (webhook, 4000 + index as u64)).collect();
    sent.push((WebhookType::SalesDispatchActivate, DURING_CRASH));
    sent.push((WebhookType::SalesDispatchActivate, DISPATCH.0));
    let mut revisions = 0;
    for (webhook, id) in &sent {
        let key = DocumentKey::manu(NAME, webhook.slug(), id.to_string());
        revisions += demo.ledger.revisions(&key).await?.len();
    }
    Ok(vec![Row { what: "messages of the ERP, sent once or more", world: sent.len(), ledger: revisions }])
}

/// Every revision must have been published, each under one id, and those of a document in their order. The relay is
/// given some time to come to the end of the stream.
async fn events(demo: &Demo) -> std::result::Result<Vec<Row>, Problem> {
    let mut recorded = BTreeSet::new();
    let revisions = demo.ledger.find_revisions(None, Timestamp::MIN, Timestamp::MAX, None).await?;
    let mut next = Some(revisions);
    while let Some(found) = next {
        recorded.extend(found.revisions.iter().map(|(key, _)| key.event_id()));
        next = match found.next {
            None => None,
            after => Some(demo.ledger.find_revisions(None, Timestamp::MIN, Timestamp::MAX, after.as_ref()).await?),
        };
    }
    let begun = Instant::now();
    let mut published = published(demo)?;
    while !recorded.iter().all(|id| published.contains(id)) && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        published = self::published(demo)?;
    }
    let first: HashMap<&String, usize> = published.iter().enumerate().rev().map(|(index, id)| (id, index)).collect();
    let out_of_order = first.iter().filter(|(id, index)| {
        let earlier = RevisionKey::parse(id).filter(|key| key.revision > 1);
        let earlier = earlier.map(|key| key.document.event_id(key.revision - 1));
        earlier.is_some_and(|earlier| first.get(&earlier).is_none_or(|before| before > *index))
    });
    Ok(vec![
        Row { what: "events on the bus, by their ids", world: recorded.len(), ledger: first.len() },
        Row { what: "of these, published before an earlier revision", world: 0, ledger: out_of_order.count() },
    ])
}

/// The ids of the events in the file, in their order. A line that a kill cut short is not one.
fn published(demo: &Demo) -> std::result::Result<Vec<String>, Problem> {
    let text = std::fs::read_to_string(demo.folder.join("events.jsonl"))?;
    let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(events.filter_map(|event| event["detail"]["id"].as_str().map(str::to_owned)).collect())
}

/// What was to be done in the shop, each once.
fn actions(demo: &Demo) -> Vec<Row> {
    let Some(shop) = demo.world.shop(NAME) else { return Vec::new() };
    let delivered = DELIVERED.iter().filter(|order| {
        let status = shop.order(**order).and_then(|order| order.status.clone());
        status.as_deref() == Some("Shipped") && shop.tracking_code(**order) == Some(TRACKING_CODE)
    });
    let mails = |kind: MailKind| shop.mails().iter().filter(|mail| mail.kind == kind).count();
    vec![
        Row {
            what: "orders delivered in the shop by the ERP's dispatch",
            world: DELIVERED.len(),
            ledger: delivered.count(),
        },
        Row { what: "mails about it", world: DELIVERED.len(), ledger: mails(MailKind::DeliveryConfirmation) },
        Row {
            what: "comments added, and mails about them",
            world: 2,
            ledger: shop.comments(DELIVERED[0]).len() + mails(MailKind::Comment),
        },
    ]
}

/// What had to be refused, and what had to be kept although it could not be read. Each kind is counted once, as a demo
/// that was interrupted may have sent it twice.
async fn refusals(demo: &Demo) -> std::result::Result<Vec<Row>, Problem> {
    let shop = Connection::shop(NAME);
    let unreadable = demo.ledger.quarantined(&shop).await?;
    // The POSTed copy and the polled one are two texts of one order.
    let kept: std::collections::BTreeSet<_> = unreadable.iter().filter_map(|one| one.document.clone()).collect();
    let kept = usize::from(kept.contains(&format!("order/{BROKEN}")));
    let stranger = demo.ledger.revisions(&DocumentKey::order(NAME, 666)).await?.len()
        + demo.ledger.revisions(&DocumentKey::manu(NAME, "sales-order-activate", "666")).await?.len();
    Ok(vec![
        Row { what: "orders that cannot be read, kept in quarantine", world: 1, ledger: kept },
        Row { what: "orders and messages of strangers", world: 0, ledger: stranger },
    ])
}

impl Result {
    /// How many checks found a difference.
    pub(super) fn wrong(&self) -> usize {
        self.rows.iter().filter(|row| row.world != row.ledger).count()
    }

    pub(super) fn print(&self, json: bool, elapsed: Duration) {
        if json {
            let rows: Vec<_> = self
                .rows
                .iter()
                .map(|row| json!({ "what": row.what, "world": row.world, "ledger": row.ledger }))
                .collect();
            println!("{}", json!({ "rows": rows, "wrong": self.wrong() }));
            return;
        }
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["", "sent or asked", "found", ""]);
        for row in &self.rows {
            let verdict = if row.world == row.ledger { "✓" } else { "DIFFERENT" };
            table.add_row([row.what.to_owned(), row.world.to_string(), row.ledger.to_string(), verdict.to_owned()]);
        }
        println!("\n{table}");
        if self.wrong() == 0 {
            println!("Nothing is missing, nothing is doubled. ({:.1} s)", elapsed.as_secs_f64());
        }
    }
}
