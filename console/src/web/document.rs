//! One document: its timeline, and what changed.

use events::{Reading, read_event};
use http::Response;
use ledger::{DocumentKey, RevisionKey, System};
use maud::{Markup, html};
use serde_json::json;

use super::page::{Page, link, table};
use super::request::Ask;
use super::{Language, Refused, redirect};
use crate::{Operator, Replay};

fn named(ask: &Ask) -> Result<DocumentKey, Refused> {
    let id = ask.field("id").unwrap_or_default();
    DocumentKey::parse_full(id).ok_or_else(|| Refused::NotFound(id.to_owned()))
}

/// The page of a document; with its contents when they were asked for, which leaves a line in the audit log.
pub(super) async fn document(
    operator: &Operator,
    ask: &Ask,
    page: &Page<'_>,
    reveal: bool,
) -> Result<Response<String>, Refused> {
    let key = named(ask)?;
    let timeline = operator.timeline(&key).await?;
    let id = key.to_string();
    let contents = if reveal { Some(contents(operator, &key).await?) } else { None };
    let is_finnish = page.language == Language::Finnish;
    let open = if is_finnish { &timeline.finnish_open } else { &timeline.open };
    let moments = timeline.moments.iter().map(|moment| {
        vec![
            page.time(moment.at),
            html! { strong { (page.name(&moment.what)) } },
            html! { @if is_finnish { (moment.finnish) } @else { (moment.detail) } },
        ]
    });
    let header = [page.t("when", "milloin"), page.t("what", "mitä"), page.t("how", "miten")];
    let is_order = key.connection.system == System::Mycashflow;
    let content = html! {
        @if let Some(state) = &timeline.state { p { (state.line(page.language, operator.now())) } }
        @if !open.is_empty() {
            ul.attention { @for line in open { li { (line) } } }
        }
        (table(page.t("What happened", "Mitä tapahtui"), &header, moments.collect()))
        h2 { (page.t("What changed", "Mikä muuttui")) }
        (revisions(&timeline.revisions, page))
        h2 { (page.t("Contents", "Sisältö")) }
        @match &contents {
            None => {
                p { (page.t(
                    "Personal data is hidden. Showing it leaves a line in the audit log.",
                    "Henkilötiedot ovat piilossa. Niiden näyttämisestä jää merkintä lokiin."
                )) }
                (page.form("/do/reveal", &[("id", &id)], page.t("Show the contents", "Näytä sisältö")))
            }
            Some(text) => pre tabindex="0" { (text) },
        }
        p.buttons {
            (page.button("/do/replay", &[("id", &id)], page.t("Publish again", "Julkaise uudelleen")))
            @if is_order {
                (page.button("/do/refresh", &[("id", &id)], page.t("Ask the shop for it", "Kysy kaupalta")))
            }
        }
    };
    Ok(page.show(&id, content))
}

fn revisions(revisions: &[crate::RevisionView], page: &Page<'_>) -> Markup {
    html! {
        ol.revisions {
            @for revision in revisions {
                li value=(revision.revision) {
                    (page.time(revision.recorded_at)) ": "
                    @if let Some(reason) = &revision.unreadable {
                        span.bad lang="en" { (reason) }
                    } @else if revision.revision == 1 {
                        (page.t("the first state", "ensimmäinen tila"))
                    } @else if revision.changes.is_empty() {
                        (page.t("not known", "ei tiedossa"))
                    } @else {
                        @for (place, change) in revision.changes.iter().enumerate() {
                            @if place > 0 { ", " }
                            code { (change.path) }
                        }
                    }
                }
            }
        }
    }
}

async fn contents(operator: &Operator, key: &DocumentKey) -> Result<String, Refused> {
    operator.audit("show", &key.to_string()).await?;
    let head = operator.ledger.head(key).await?;
    let last = head.map_or(0, |head| head.revision);
    let of = RevisionKey { document: key.clone(), revision: last };
    match read_event(&operator.ledger, &of).await? {
        Reading::Found(event) => Ok(serde_json::to_string_pretty(&event.published()["detail"]).unwrap_or_default()),
        Reading::Gone | Reading::Unknown => Ok("the body is erased or expired".to_owned()),
        Reading::Unreadable(reason) => {
            let body = operator.ledger.revision(&of).await.ok().flatten().map(|revision| revision.body);
            Ok(body.map_or(reason, |body| String::from_utf8_lossy(&body).into_owned()))
        }
    }
}

pub(super) async fn replay(operator: &Operator, ask: &Ask) -> Result<Response<String>, Refused> {
    let key = named(ask)?;
    operator.replay(&Replay::Document(key.clone()), &mut |_| {}).await?;
    Ok(redirect(&link(&key.to_string())))
}

pub(super) async fn refresh(operator: &Operator, ask: &Ask) -> Result<Response<String>, Refused> {
    let key = named(ask)?;
    let order: u64 = key.id.parse().map_err(|_| Refused::NotFound(key.to_string()))?;
    operator.act(json!({ "action": "refresh", "shop": key.connection.name, "order": order })).await?;
    Ok(redirect(&link(&key.to_string())))
}
