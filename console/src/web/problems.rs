//! *Problems*: one inbox, with what can be done about each.

use http::Response;
use intake::Again;
use jiff::SignedDuration;
use ledger::{Connection, Span};
use maud::{Markup, html};

use super::orders::last_days;
use super::page::{Page, link, table};
use super::request::Ask;
use super::{Language, Refused, redirect};
use crate::words::Words;
use crate::{Operator, Problem, ProblemKind, Queue, Replay};

pub(super) async fn problems(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let found = operator.problems().await?;
    let header = [
        page.t("what", "mitä"),
        page.t("whose", "kenen"),
        page.t("which", "mikä"),
        page.t("since", "alkaen"),
        page.t("reason", "syy"),
        page.t("what to do", "mitä tehdä"),
    ];
    let is_finnish = page.language == Language::Finnish;
    let rows = found.problems.iter().map(|one| {
        vec![
            html! { span.bad { (kind(one.kind, page)) } },
            html! { (one.connection.as_deref().unwrap_or("–")) },
            which(one),
            one.since.map_or_else(|| html! { "–" }, |since| page.time(since)),
            html! { @if is_finnish { (one.finnish_reason) } @else { (one.reason) } },
            html! {
                code { @if is_finnish { (one.finnish_command) } @else { (one.command) } }
                (buttons(one, page))
            },
        ]
    });
    let content = html! {
        @if let Some(told) = ask.query("told") { p.good role="status" { (told) } }
        @for line in &found.incomplete {
            p role="alert" { (page.t("The list may lack something: ", "Luettelosta voi puuttua jotain: ")) span lang="en" { (line) } }
        }
        @if found.problems.is_empty() {
            p.good { (page.t("Nothing needs a person.", "Mikään ei kaipaa ihmistä.")) }
        } @else {
            (table(page.t("What needs a person", "Mikä kaipaa ihmistä"), &header, rows.collect()))
        }
    };
    Ok(page.show(page.t("Problems", "Selvitettävät"), content))
}

fn which(one: &Problem) -> Markup {
    match (&one.connection, &one.document) {
        (Some(connection), Some(document)) => {
            html! { a href=(link(&format!("{connection}/{document}"))) { (document) } }
        }
        _ => html! { (one.id.chars().take(40).collect::<String>()) },
    }
}

fn kind(kind: ProblemKind, page: &Page<'_>) -> &'static str {
    match kind {
        ProblemKind::Gap => page.t("gap", "aukko"),
        ProblemKind::Quarantine => page.t("quarantine", "karanteeni"),
        ProblemKind::EventDeadLetter => page.t("event not published", "tapahtumaa ei julkaistu"),
        ProblemKind::ActionDeadLetter => page.t("action not done", "toimea ei tehty"),
        ProblemKind::WebhookDeadLetter => page.t("event not accepted", "tapahtumaa ei hyväksytty"),
        ProblemKind::NeverPublished => page.t("never published", "ei koskaan julkaistu"),
        ProblemKind::StuckAction => page.t("action without an end", "toimi kesken"),
        ProblemKind::WrongKey => page.t("wrong key", "väärä avain"),
        ProblemKind::Poll => page.t("poll", "kysely"),
        ProblemKind::Paused => page.t("paused", "keskeytetty"),
    }
}

fn buttons(one: &Problem, page: &Page<'_>) -> Markup {
    let connection = one.connection.as_deref().unwrap_or_default();
    let fields = [("kind", one.kind.as_str()), ("connection", connection), ("id", one.id.as_str())];
    let retry = matches!(
        one.kind,
        ProblemKind::Quarantine
            | ProblemKind::EventDeadLetter
            | ProblemKind::ActionDeadLetter
            | ProblemKind::WebhookDeadLetter
            | ProblemKind::NeverPublished
    );
    let dismiss = retry && one.kind != ProblemKind::NeverPublished;
    html! {
        @if retry { (page.button("/do/retry", &fields, page.t("Try again", "Yritä uudelleen"))) }
        @if dismiss { (page.button("/do/dismiss", &fields, page.t("Dismiss", "Kuittaa"))) }
    }
}

fn back(page: &Page<'_>, told: &Words) -> Response<String> {
    let told = told.of(page.language);
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("told", told).finish();
    redirect(&format!("/problems?{query}"))
}

fn published(count: &serde_json::Value) -> Words {
    Words::new(format!("events published: {count}"), format!("julkaistuja tapahtumia: {count}"))
}

fn sent_again(count: usize) -> Words {
    Words::new(format!("sent again: {count}"), format!("lähetetty uudelleen: {count}"))
}

/// The kind and the id of the problem that a form is about.
fn named(ask: &Ask) -> Result<(&str, &str), Refused> {
    ask.form("kind").zip(ask.form("id")).ok_or_else(|| Refused::NotFound("the problem".to_owned()))
}

pub(super) async fn retry(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let (kind, id) = named(ask)?;
    let told = match kind {
        "quarantine" => {
            let connection = ask.form("connection").and_then(Connection::parse);
            let connection = connection.ok_or_else(|| Refused::NotFound("the connection".to_owned()))?;
            let held = operator.ledger.quarantined_body(&connection, id).await?;
            let held = held.ok_or_else(|| Refused::NotFound(id.to_owned()))?;
            let retried = operator.retry_quarantined(&connection, &held, Again::default()).await?;
            let outcomes = retried.iter().map(|one| match &one.detail {
                Some(detail) => format!("{}: {detail}", page.name(one.outcome)),
                None => page.name(one.outcome),
            });
            Words::outside(&outcomes.collect::<Vec<_>>().join("; "))
        }
        "event-dead-letter" => {
            let done = operator.replay(&Replay::DeadLetters, &mut |_| {}).await?;
            published(&done["published"])
        }
        "action-dead-letter" => sent_again(operator.retry_actions(Some(id)).await?.sent),
        "webhook-dead-letter" => sent_again(operator.retry_webhooks(Some(id)).await?.sent),
        "never-published" => {
            let key = ledger::RevisionKey::parse(id).ok_or_else(|| Refused::NotFound(id.to_owned()))?;
            let now = operator.now();
            let span = Span { from: last_days(now, 2).from, until: now - SignedDuration::from_mins(15) };
            let wish = Replay::Time { connection: key.document.connection, span, unpublished: true };
            let done = operator.replay(&wish, &mut |_| {}).await?;
            published(&done["published"])
        }
        other => return Err(Refused::NotFound(other.to_owned())),
    };
    Ok(back(page, &told))
}

pub(super) async fn dismiss(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let (kind, id) = named(ask)?;
    match kind {
        "quarantine" => {
            let connection = ask.form("connection").and_then(Connection::parse);
            let connection = connection.ok_or_else(|| Refused::NotFound("the connection".to_owned()))?;
            operator.dismiss_quarantined(&connection, id, "dismissed in the console").await?;
        }
        "event-dead-letter" => operator.dismiss_letter(Queue::EventDeadLetters, id).await?,
        "action-dead-letter" => operator.dismiss_letter(Queue::ActionDeadLetters, id).await?,
        "webhook-dead-letter" => operator.dismiss_letter(Queue::WebhookDeadLetters, id).await?,
        other => return Err(Refused::NotFound(other.to_owned())),
    }
    Ok(back(page, &Words::name("dismissed")))
}
