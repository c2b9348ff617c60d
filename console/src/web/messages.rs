//! *Messages*: what the ERP sent. Errors by default, as in the ERP's own log.

use http::Response;
use ledger::{Connection, DeliveryOutcome};
use maud::html;

use super::Refused;
use super::orders::last_days;
use super::page::{Page, link, table};
use super::request::Ask;
use crate::Operator;

/// How many days back.
const DAYS: i64 = 7;
/// Rows on a page.
const ROWS: usize = 500;

pub(super) async fn messages(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let with_successes = ask.query("all").is_some();
    let mut lines = Vec::new();
    for account in operator.connections.manu.keys().map(Connection::manu) {
        for day in last_days(operator.now(), DAYS).days() {
            let found = operator.ledger.deliveries(&account, day).await?;
            lines.extend(found.into_iter().map(|delivery| (account.clone(), delivery)));
        }
    }
    lines.retain(|(_, delivery)| with_successes || !delivery.outcome.is_taken());
    lines.sort_by_key(|(_, delivery)| std::cmp::Reverse(delivery.at));
    let header = [
        page.t("received", "vastaanotettu"),
        page.t("account", "tili"),
        page.t("outcome", "tulos"),
        page.t("document", "asiakirja"),
        page.t("answered", "vastaus"),
        page.t("reason", "syy"),
    ];
    let rows = lines.iter().take(ROWS).map(|(account, delivery)| {
        vec![
            page.time(delivery.at),
            html! { (account) },
            html! { span.bad[!delivery.outcome.is_taken()] { (outcome(delivery.outcome, page)) } },
            match &delivery.document {
                Some((name, _)) => html! { a href=(link(&format!("{account}/{name}"))) { (name) } },
                None => html! { "–" },
            },
            html! { (delivery.status) },
            html! { span lang="en" { (delivery.reason.as_deref().unwrap_or_default()) } },
        ]
    });
    let content = html! {
        form.filters method="get" action="/messages" {
            label {
                input type="checkbox" name="all" value="1" checked[with_successes];
                " " (page.t("also successful ones", "myös onnistuneet"))
            }
            button type="submit" { (page.t("Show", "Näytä")) }
        }
        @if lines.is_empty() {
            p { (page.t("No such message within a week.", "Ei tällaisia viestejä viikon aikana.")) }
        } @else {
            (table(page.t("Messages of the ERP", "ERP:n viestit"), &header, rows.collect()))
        }
    };
    Ok(page.show(page.t("Messages", "Viestit"), content))
}

fn outcome(outcome: DeliveryOutcome, page: &Page<'_>) -> &'static str {
    match outcome {
        DeliveryOutcome::Recorded => page.t("recorded", "kirjattu"),
        DeliveryOutcome::Duplicate => page.t("duplicate", "jo kirjattu"),
        DeliveryOutcome::Stale => page.t("stale", "vanhentunut"),
        DeliveryOutcome::Quarantined => page.t("quarantined", "ei luettavissa"),
        DeliveryOutcome::Rejected => page.t("rejected", "hylätty"),
    }
}
