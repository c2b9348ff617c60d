//! *Actions*: what was asked to be done in the shops, and what came of it.

use http::Response;
use ledger::{Connection, RevisionKey};
use maud::html;

use super::Refused;
use super::orders::last_days;
use super::page::{Page, link, table};
use crate::Operator;
use crate::words::Words;

/// How many days back.
const DAYS: i64 = 14;
/// Rows on a page.
const ROWS: usize = 500;

pub(super) async fn actions(operator: &Operator, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let mut lines = Vec::new();
    for shop in operator.connections.shops.keys().map(Connection::shop) {
        lines.extend(operator.ledger.actions(&shop, last_days(operator.now(), DAYS)).await?);
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.at));
    let header = [
        page.t("when", "milloin"),
        page.t("order", "tilaus"),
        page.t("action", "toimi"),
        page.t("outcome", "tulos"),
        page.t("reason", "syy"),
        page.t("asked for by", "pyytäjä"),
    ];
    let rows = lines.iter().take(ROWS).map(|line| {
        let is_done = line.outcome.starts_with("done");
        let cause = line.cause.as_deref();
        vec![
            page.time(line.at),
            html! { a href=(link(&line.document.to_string())) { (line.document) } },
            html! { (page.name(&line.action)) },
            html! { span.good[is_done].bad[!is_done] { (page.name(&line.outcome)) } },
            html! { (Words::reason(line.reason.as_deref().unwrap_or_default()).of(page.language)) },
            match cause.and_then(RevisionKey::parse) {
                Some(key) => html! { a href=(link(&key.document.to_string())) { (key.document) } },
                None => html! { (cause.unwrap_or_default()) },
            },
        ]
    });
    let content = html! {
        @if lines.is_empty() {
            p { (page.t("Nothing was asked to be done within two weeks.", "Kahden viikon aikana ei pyydetty mitään.")) }
        } @else {
            (table(page.t("Actions at the shops", "Toimenpiteet kaupoissa"), &header, rows.collect()))
        }
    };
    Ok(page.show(page.t("Actions", "Toimenpiteet"), content))
}
