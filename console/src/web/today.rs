//! *Today*: numbers, what needs a person, and what arrives.

use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use ledger::{Arrival, Source};
use maud::{Markup, html};
use mycashflow::time_zone;

use super::orders::last_days;
use super::page::{Page, html_response, link, table};
use super::{Language, Refused};
use crate::Operator;

/// Arrivals in the line of what arrives.
const LATEST: usize = 8;
/// The hours of the chart.
const HOURS: i64 = 24;

pub(super) async fn today(operator: &Operator, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let status = operator.status().await?;
    let now = operator.now();
    let arrivals = operator.indexed_arrivals(last_days(now, 1)).await?;
    let count = |source: Source| arrivals.iter().filter(|arrival| arrival.source == source).count();
    let gaps: usize = status.connections.iter().map(|one| one.gaps_open).sum();
    let quarantined: usize = status.connections.iter().map(|one| one.quarantined).sum();
    let letters = status.event_dead_letters.unwrap_or(0) + status.action_dead_letters.unwrap_or(0);
    let of_letters = page.counted(
        usize::try_from(letters).unwrap_or(usize::MAX),
        ["dead letter", "dead letters"],
        ["käsittelemättä jäänyt viesti", "käsittelemättä jäänyttä viestiä"],
    );
    let numbers = [
        (
            page.counted(
                arrivals.len(),
                ["arrival in 24 hours", "arrivals in 24 hours"],
                ["saapunut 24 tunnissa", "saapunutta 24 tunnissa"],
            ),
            arrivals.len() as u64,
            false,
        ),
        (page.t("sent to us", "lähetettiin meille"), count(Source::Push) as u64, false),
        (page.t("found by the poll", "kysely löysi"), count(Source::Poll) as u64, false),
        (page.counted(gaps, ["open gap", "open gaps"], ["avoin aukko", "avointa aukkoa"]), gaps as u64, gaps > 0),
        (page.t("in quarantine", "karanteenissa"), quarantined as u64, quarantined > 0),
        (of_letters, letters, letters > 0),
    ];
    let content = html! {
        ul.numbers {
            @for (what, number, is_bad) in numbers {
                li.bad[is_bad] { strong { (number) } " " span { (what) } }
            }
        }
        section aria-labelledby="attention" {
            h2 id="attention" { (page.t("What needs you", "Mikä kaipaa sinua")) }
            @if status.attention.is_empty() {
                p.good { (page.t("Nothing needs a person.", "Mikään ei kaipaa ihmistä.")) }
            } @else {
                ul.attention {
                    @for one in &status.attention {
                        li { @if page.language == Language::Finnish { (one.finnish) } @else { (one.text) } }
                    }
                }
                p { a href="/problems" { (page.t("All problems", "Kaikki ongelmat")) } }
            }
        }
        section aria-labelledby="arriving" {
            h2 id="arriving" { (page.t("What arrives", "Mitä saapuu")) }
            div id="live" data-live="/live" aria-live="polite" { (line(&arrivals, page)) }
        }
        section aria-labelledby="hours" {
            h2 id="hours" { (page.t("Arrivals by hour", "Saapuneet tunneittain")) }
            (chart(&arrivals, now, page))
        }
    };
    Ok(page.show(page.t("Today", "Tänään"), content))
}

/// The line of what arrives, to be renewed.
pub(super) async fn live(operator: &Operator, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let now = operator.now();
    let arrivals = operator.indexed_arrivals(last_days(now, 1)).await?;
    Ok(html_response(StatusCode::OK, line(&arrivals, page)))
}

fn line(arrivals: &[Arrival], page: &Page<'_>) -> Markup {
    if arrivals.is_empty() {
        return html! { p { (page.t("Nothing in the last 24 hours.", "Ei mitään viimeisen 24 tunnin aikana.")) } };
    }
    let header = [
        page.t("recorded", "kirjattu"),
        page.t("document", "asiakirja"),
        page.t("came by", "saapui"),
        page.t("status", "tila"),
        page.t("total", "summa"),
    ];
    let rows = arrivals.iter().rev().take(LATEST).map(|arrival| {
        let document = &arrival.key.document;
        vec![
            page.time(arrival.recorded_at),
            html! { a href=(link(&document.to_string())) { (document) } },
            html! { (way(arrival.source, page)) },
            html! { (arrival.summary.status.as_deref().unwrap_or("–")) },
            html! { (arrival.summary.total.as_deref().unwrap_or("–")) },
        ]
    });
    table(page.t("The latest arrivals", "Viimeksi saapuneet"), &header, rows.collect())
}

/// How a revision came, in words.
pub(super) fn way(source: Source, page: &Page<'_>) -> &'static str {
    match source {
        Source::Push => page.t("sent to us", "lähetettiin"),
        Source::Poll => page.t("poll", "kysely"),
        Source::Refresh => page.t("asked for by name", "kysyttiin nimellä"),
        Source::Backfill => page.t("backfill", "jälkitäyttö"),
    }
}

/// Bars of the last hours: what was sent to us, and what was asked for.
fn chart(arrivals: &[Arrival], now: Timestamp, page: &Page<'_>) -> Markup {
    let mut hours = [(0_u32, 0_u32); HOURS as usize];
    for arrival in arrivals {
        let back = now.duration_since(arrival.recorded_at).as_hours().clamp(0, HOURS - 1);
        let hour = &mut hours[(HOURS - 1 - back) as usize];
        match arrival.source {
            Source::Push => hour.0 += 1,
            _ => hour.1 += 1,
        }
    }
    let most = hours.iter().map(|(pushed, asked)| pushed + asked).max().unwrap_or(0).max(1);
    let height = |count: u32| f64::from(count) * 100.0 / f64::from(most);
    let hour_of = |place: usize| {
        let back = SignedDuration::from_hours(HOURS - 1 - place as i64);
        (now - back).to_zoned(time_zone().clone()).hour()
    };
    let label = page.t("Arrivals of the last 24 hours, by hour", "Viimeisen 24 tunnin saapuneet tunneittain");
    html! {
        svg.chart viewBox="0 0 480 130" role="img" aria-label=(label) preserveAspectRatio="none" {
            @for (place, (pushed, asked)) in hours.iter().enumerate() {
                @let x = place * 20 + 2;
                @let (of_push, of_poll) = (height(*pushed), height(*asked));
                g {
                    title { (hour_of(place)) ": " (pushed) " + " (asked) }
                    rect.pushed x=(x) y=(100.0 - of_push) width="16" height=(of_push) {}
                    rect.asked x=(x) y=(100.0 - of_push - of_poll) width="16" height=(of_poll) {}
                }
                @if place % 6 == 0 { text x=(x) y="122" { (hour_of(place)) } }
            }
        }
        p.legend {
            span.key.pushed {} " " (page.t("sent to us", "lähetettiin meille")) " "
            span.key.asked {} " " (page.t("asked for", "kysyttiin"))
        }
    }
}
