//! The steps of the day: what happens in the world, and what is sent.

use std::time::{Duration, Instant};

use cloud::embedded::remote_config;
use cloud::messaging::{ACTIONS, queue_url};
use ledger::{Connection, Settled};
use manu::WebhookType;
use serde_json::{Value, json};
use tilaussilta_sandbox::server::{encoded, send};
use world::erp::made_up_document;
use world::shop::{Breakage, Shop, ShopFault, ShopRequest, Via};

use super::{Demo, NAME, time_of};
use crate::commands::Problem;

/// What happens, in the order in which it happens.
pub(super) const STEPS: [&str; 16] = [
    "Five customers order. The shop POSTs each order.",
    "Three orders are made through the shop's API: the shop sends nothing.",
    "The scheduled poll finds what was not sent.",
    "The shop POSTs two orders again, and one of them once more from its settings.",
    "A stranger POSTs an order with a wrong key.",
    "One order is delivered in the shop, another is cancelled. The poll sees both.",
    "An order comes out of the shop with a broken price.",
    "The ERP sends a message of each of its 13 types, with ä and ö, and one of them twice.",
    "A stranger sends a message with a wrong verify code.",
    "Forty customers order at once; in the middle, the functions and the database are killed (kill -9).",
    "They are started again on the same file. The ERP's user tries again; the poll finds the orders.",
    "The shop answers an error page with status 200, then a page cut in the middle. The poll asks again.",
    "An import makes 130 orders within one second, more than the shop shows of any second.",
    "A dispatch that names two of the shop's orders is activated in the ERP. The shop delivers both, and mails.",
    "The ERP's user sends it again, its event is published again, the delivery is asked for again: no further mail.",
    "A comment to a customer is put into the queue twice, under one id. The shop adds it once, and mails once.",
];

/// Orders of each step that makes some, by the way they come in.
pub(super) const MADE: [(usize, u64, Via); 5] =
    [(0, 5, Via::Web), (1, 3, Via::Api), (6, 1, Via::Web), (9, 40, Via::Web), (12, 130, Via::Api)];
/// The orders that change, with the status they get.
pub(super) const CHANGED: [(u64, &str); 2] = [(2, "Shipped"), (4, "Cancelled")];
/// The order that cannot be read.
pub(super) const BROKEN: u64 = 9;
/// The ERP document whose message meets the crash.
pub(super) const DURING_CRASH: u64 = 7000;

/// The ERP document that delivers orders of the shop, and the ERP's number of its message.
pub(super) const DISPATCH: (u64, u64) = (8000, WebhookType::ALL.len() as u64 + 2);
/// The orders that it names.
pub(super) const DELIVERED: [u64; 2] = [1, 3];
/// The parcel's code.
pub(super) const TRACKING_CODE: &str = "MALLI00000001FI";
/// The id of the comment's message.
const COMMENT_ID: &str = "demo-comment";
/// How long the relay and the actions get to do what a step waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens in the world at a step. It depends on the step and on when the day began, on nothing else.
pub(super) fn change_world(demo: &Demo, step: usize) {
    let now = time_of(&demo.notes, step);
    if let Some(mut shop) = demo.world.shop(NAME) {
        if let Some((_, count, via)) = MADE.into_iter().find(|(of, ..)| *of == step) {
            for index in 0..count {
                shop.add_made_up(now, (step as u64) * 1000 + index, via);
            }
        }
        match step {
            5 => {
                for (order, status) in CHANGED {
                    shop.update_order(now, order, |order| order.status = Some(status.into()));
                }
            }
            6 => shop.unreadable(BROKEN, Breakage::Value),
            _ => {}
        }
    }
    if let Some(mut erp) = demo.world.erp(NAME) {
        match step {
            7 => {
                for (index, webhook) in WebhookType::ALL.into_iter().enumerate() {
                    let id = 4000 + index as u64;
                    erp.event(now, webhook, made_up_document(webhook, id, id));
                }
            }
            9 => {
                let webhook = WebhookType::SalesDispatchActivate;
                erp.event(now, webhook, made_up_document(webhook, DURING_CRASH, DURING_CRASH));
            }
            13 => {
                // The names of the fields are made up; the connection's bridge says where they are.
                let orders = [json!({ "number": DELIVERED[0] }), json!({ "number": DELIVERED[1].to_string() })];
                let document = json!({
                    "id": DISPATCH.0, "shop_orders": orders, "tracking_code": TRACKING_CODE, "note": "Jätä ovelle",
                });
                erp.event(now, WebhookType::SalesDispatchActivate, document);
            }
            _ => {}
        }
    }
}

/// Lets the simulated shop remember what the functions did in it before the demo was interrupted: it was in the
/// process that ended.
pub(super) async fn remember_actions(demo: &Demo, step: usize) -> Result<(), Problem> {
    let shop = Connection::shop(NAME);
    let forms: Vec<(String, String)> = match step {
        13 => {
            let form = |order| {
                (
                    format!("{}#{order}", dispatch_id()),
                    format!("action=deliver&order={order}&send_email=1&tracking_code={TRACKING_CODE}"),
                )
            };
            DELIVERED.into_iter().map(form).collect()
        }
        15 => {
            let order = DELIVERED[0];
            vec![(
                format!("{COMMENT_ID}#{order}"),
                format!("action=add_comment&order={order}&message=x&public_message=1"),
            )]
        }
        _ => Vec::new(),
    };
    for (key, form) in forms {
        if let (Some(Settled::Done(_)), Some(mut world)) =
            (demo.ledger.settled_action(&shop, &key).await?, demo.world.shop(NAME))
        {
            let body = format!("{form}&key=example-api-key");
            let content_type = Some("application/x-www-form-urlencoded");
            let request = ShopRequest {
                method: "POST",
                path: "/webhooks/process",
                query: "",
                content_type,
                body: body.as_bytes(),
            };
            world.handle(time_of(&demo.notes, step), &request);
        }
    }
    Ok(())
}

/// What is sent and asked at a step; says what came of it.
pub(super) async fn act(demo: &mut Demo, step: usize) -> Result<String, Problem> {
    match step {
        0 => post_orders(demo).await,
        1 => Ok("nothing is sent".to_owned()),
        2 | 5 | 12 => poll(demo).await,
        3 => post_again(demo).await,
        4 => wrong_key(demo).await,
        6 => Ok(format!("{}; {}", post_orders(demo).await?, poll(demo).await?)),
        7 => send_messages(demo).await,
        8 => wrong_code(demo).await,
        9 => crash(demo).await,
        10 => recover(demo).await,
        11 => trouble(demo).await,
        13 => dispatch(demo).await,
        14 => dispatch_again(demo).await,
        15 => comment(demo).await,
        _ => Ok(String::new()),
    }
}

/// Counts equal answers: `200 five times` as `5 × 200`.
fn summary(statuses: impl IntoIterator<Item = Option<u16>>) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for status in statuses {
        *counts.entry(status.map_or("no answer".to_owned(), |status| status.to_string())).or_insert(0) += 1;
    }
    counts.into_iter().map(|(status, count)| format!("{count} × {status}")).collect::<Vec<_>>().join(", ")
}

async fn post_orders(demo: &Demo) -> Result<String, Problem> {
    let answers = demo.outside.post_outbox(&demo.world, NAME).await;
    Ok(format!("answers: {}", summary(answers.into_iter().map(|(_, status)| status))))
}

async fn poll(demo: &Demo) -> Result<String, Problem> {
    let report = demo.poll().await?;
    Ok(format!(
        "poll: {} orders in {} pages: {} new, {} updated, {} unchanged, {} quarantined",
        report["orders"], report["pages"], report["new"], report["updated"], report["unchanged"], report["quarantined"]
    ))
}

async fn post_again(demo: &Demo) -> Result<String, Problem> {
    if let Some(mut shop) = demo.world.shop(NAME) {
        for order in [1, 3, 3] {
            let query = format!("order={order}&key=example-api-key");
            let request =
                ShopRequest { method: "GET", path: "/webhooks/send", query: &query, content_type: None, body: b"" };
            shop.handle((demo.world.clock)(), &request);
        }
    }
    post_orders(demo).await
}

async fn wrong_key(demo: &Demo) -> Result<String, Problem> {
    let address = format!("{}/mycashflow/{NAME}/orders?{}", demo.functions_url, encoded("key", "a guess"));
    let (status, text) = send(&address, &[], "<Order id=\"666\"/>").await?;
    Ok(format!("answer: {status}, {}", text.trim()))
}

async fn send_messages(demo: &Demo) -> Result<String, Problem> {
    // The ERP numbers its messages from 1, and these are its first.
    let first = 1..=WebhookType::ALL.len() as u64;
    let mut statuses = Vec::new();
    for message in first.chain([6]) {
        statuses.push(send_message(demo, message).await?.0);
    }
    Ok(format!("answers: {}", summary(statuses)))
}

async fn send_message(demo: &Demo, id: u64) -> Result<(Option<u16>, String), Problem> {
    let message = demo.world.erp(NAME).and_then(|mut erp| erp.send_again(id));
    let message = message.ok_or_else(|| Problem(format!("the ERP has no message {id}")))?;
    Ok(demo.outside.send_message(&demo.world, NAME, &message).await)
}

async fn wrong_code(demo: &Demo) -> Result<String, Problem> {
    let address = format!("{}/manu/{NAME}/sales-order-activate", demo.functions_url);
    let code = manu::verify_code(b"{\"id\":666}", "a guess").to_string();
    let (status, text) = send(&address, &[(manu::HEADER, code)], "{\"id\":666}").await?;
    Ok(format!("answer: {status}, {}", text.trim()))
}

async fn crash(demo: &mut Demo) -> Result<String, Problem> {
    let (outside, world) = (demo.outside.clone(), demo.world.clone());
    let posting = tokio::spawn(async move { outside.post_outbox(&world, NAME).await });
    // The kill falls into the middle of the POSTs: once the twelfth of this step's orders is in the ledger.
    let twelfth = ledger::DocumentKey::order(NAME, BROKEN + 12);
    while demo.ledger.head(&twelfth).await?.is_none() {
        if posting.is_finished() {
            break;
        }
    }
    demo.kill_functions().await?;
    let answers = posting.await?;
    let (status, _) = send_message(demo, WebhookType::ALL.len() as u64 + 1).await?;
    demo.restart_functions().await?;
    Ok(format!(
        "answers to the orders: {}; to a dispatch that the ERP sends meanwhile: {}",
        summary(answers.into_iter().map(|(_, status)| status)),
        summary([status])
    ))
}

async fn recover(demo: &Demo) -> Result<String, Problem> {
    let (status, _) = send_message(demo, WebhookType::ALL.len() as u64 + 1).await?;
    Ok(format!("answer to the ERP: {}; {}", summary([status]), poll(demo).await?))
}

async fn trouble(demo: &Demo) -> Result<String, Problem> {
    if let Some(mut shop) = demo.world.shop(NAME) {
        shop.fail_next(ShopFault::Html, 1);
        shop.fail_next(ShopFault::Cut, 1);
    }
    poll(demo).await
}

/// The id of the dispatch's event.
pub(super) fn dispatch_id() -> String {
    format!("manu/{NAME}/{}/{}/1", WebhookType::SalesDispatchActivate, DISPATCH.0)
}

async fn dispatch(demo: &Demo) -> Result<String, Problem> {
    let (status, _) = send_message(demo, DISPATCH.1).await?;
    wait_for(demo, "the orders to be delivered", |shop| {
        DELIVERED.iter().all(|order| shop.order(*order).is_some_and(|order| order.status.as_deref() == Some("Shipped")))
    })
    .await?;
    Ok(format!("answer to the ERP: {}; {}; {}", summary([status]), mails(demo), poll(demo).await?))
}

async fn dispatch_again(demo: &Demo) -> Result<String, Problem> {
    let (status, _) = send_message(demo, DISPATCH.1).await?;
    let (document, _) = dispatch_id()
        .rsplit_once('/')
        .map(|(document, revision)| (document.to_owned(), revision.to_owned()))
        .unwrap_or_default();
    let again = invoke(demo, "event-relay", &json!({ "republish": { "document": document } })).await?;
    let asked = invoke(
        demo,
        "shop-actions",
        &json!({
            "id": dispatch_id(), "shop": NAME, "action": "deliver", "orders": DELIVERED,
            "send_email": true, "tracking_code": TRACKING_CODE,
        }),
    )
    .await?;
    Ok(format!(
        "answer to the ERP: {}; published again: {}; asked again: {}; {}",
        summary([status]),
        again["published"],
        asked["results"][0]["outcome"].as_str().unwrap_or("?"),
        mails(demo)
    ))
}

async fn comment(demo: &Demo) -> Result<String, Problem> {
    let message = json!({
        "id": COMMENT_ID, "shop": NAME, "action": "add_comment", "order": DELIVERED[0],
        "message": "Paketti on matkalla. Hyvää päivänjatkoa!", "public_message": true,
    });
    let queues = aws_sdk_sqs::Client::new(&remote_config(&demo.functions_url));
    for _ in 0..2 {
        let send = queues.send_message().queue_url(queue_url(ACTIONS)).message_body(message.to_string());
        send.send().await.map_err(|error| Problem(ledger::sdk_reason(&error)))?;
    }
    wait_for(demo, "the comment", |shop| !shop.comments(DELIVERED[0]).is_empty()).await?;
    let again = invoke(demo, "shop-actions", &message).await?;
    let outcome = again["results"][0]["outcome"].as_str().unwrap_or("?").to_owned();
    Ok(format!("a third time, by invocation: {outcome}; {}; {}", mails(demo), poll(demo).await?))
}

fn mails(demo: &Demo) -> String {
    format!("mails to customers so far: {}", demo.world.shop(NAME).map_or(0, |shop| shop.mails().len()))
}

/// Runs a function on an event, as `aws lambda invoke` does.
async fn invoke(demo: &Demo, function: &str, event: &Value) -> Result<Value, Problem> {
    let address = format!("{}/2015-03-31/functions/{function}/invocations", demo.functions_url);
    let (_, text) = send(&address, &[], event.to_string()).await?;
    let answer: Value = serde_json::from_str(&text)?;
    match answer["errorMessage"].as_str() {
        Some(error) => Err(Problem(format!("{function} failed: {error}"))),
        None => Ok(answer),
    }
}

/// Waits until the shop is as it should come to be.
async fn wait_for(demo: &Demo, what: &str, mut done: impl FnMut(&Shop) -> bool) -> Result<(), Problem> {
    let begun = Instant::now();
    while !demo.world.shop(NAME).is_some_and(|shop| done(&shop)) {
        if begun.elapsed() > PATIENCE {
            return Err(Problem(format!("waited in vain for {what}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
