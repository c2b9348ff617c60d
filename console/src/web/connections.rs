//! *Connections*: each shop and account, when it was last heard of, and a test.

use http::Response;
use ledger::Connection;
use maud::html;
use serde_json::json;

use super::page::{Page, table};
use super::request::Ask;
use super::{Refused, redirect};
use crate::words::Words;
use crate::{Operator, OperatorError, StackFunction};

pub(super) async fn connections(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let status = operator.status().await?;
    let header = [
        page.t("connection", "yhteys"),
        page.t("last sent to us", "viimeksi lähetetty"),
        page.t("last poll", "viimeinen kysely"),
        page.t("lag", "viive"),
        page.t("gaps", "aukot"),
        page.t("quarantine", "karanteeni"),
        page.t("test", "koe"),
    ];
    let rows = status.connections.iter().map(|one| {
        let never = || html! { "–" };
        let is_failed = one.last_poll.as_ref().is_some_and(|poll| poll.failure.is_some());
        vec![
            html! { (one.connection) },
            one.last_push.map_or_else(never, |at| page.time(at)),
            one.last_poll.as_ref().map_or_else(never, |poll| {
                html! { (page.time(poll.at)) " " span.bad[is_failed] { (page.name(&poll.stopped)) } }
            }),
            one.last_poll.as_ref().and_then(|poll| poll.lag_seconds).map_or_else(never, |lag| html! { (lag) " s" }),
            html! { span.bad[one.gaps_open > 0] { (one.gaps_open) } },
            html! { span.bad[one.quarantined > 0] { (one.quarantined) } },
            match one.connection.starts_with("mycashflow/") {
                true => page.button(
                    "/do/test",
                    &[("connection", &one.connection)],
                    page.t("Ask the shop now", "Kysy kaupalta nyt"),
                ),
                false => never(),
            },
        ]
    });
    let content = html! {
        @if let Some(told) = ask.query("told") { p role="status" { (told) } }
        (table(page.t("Shops and accounts", "Kaupat ja tilit"), &header, rows.collect()))
        @for paused in &status.paused {
            p role="note" {
                (page.t("Paused: ", "Keskeytetty: ")) (page.name(paused.part)) " " (page.time(paused.since)) " " (paused.who)
            }
        }
    };
    Ok(page.show(page.t("Connections", "Yhteydet"), content))
}

/// Has the poll ask a shop now.
pub(super) async fn test(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let connection = ask.form("connection").and_then(Connection::parse);
    let connection = connection.ok_or_else(|| Refused::NotFound("the connection".to_owned()))?;
    operator.audit("test", &connection.to_string()).await?;
    let answer = operator.stack.invoke(StackFunction::Poller, json!({ "shop": connection.name })).await;
    let told = match answer {
        Ok(answer) => {
            let shop = &answer["shops"][0];
            let (count, stopped) = (&shop["orders"], page.name(shop["stopped"].as_str().unwrap_or("?")));
            let told = Words::new(
                format!("{connection} answers: {count} orders, {stopped}"),
                format!("{connection} vastaa: tilauksia {count}, {stopped}"),
            );
            told.of(page.language).to_owned()
        }
        Err(error) => ledger::with_sources(&OperatorError::Stack(error)),
    };
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("told", &told).finish();
    Ok(redirect(&format!("/connections?{query}")))
}
