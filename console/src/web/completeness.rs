//! *Completeness*: what is known of each of the last days. No day is shown as complete that nobody has looked into.

use http::Response;
use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

use super::page::Page;
use super::{Language, Refused};
use crate::{Completeness, DayStatus, Operator, PollKnowledge};

/// Five weeks.
const DAYS: u8 = 35;

pub(super) async fn completeness(operator: &Operator, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let mut all = Vec::new();
    for connection in operator.all_connections() {
        all.push(operator.completeness(&connection, DAYS).await?);
    }
    let content = html! {
        p { (page.t(
            "What is known of the last five weeks. A day is \"open\" when something of it waits for a person. Otherwise it is \
             \"not known\" whether all of it is here: only a comparison with the shop can tell.",
            "Mitä viidestä viime viikosta tiedetään. Päivä on \"auki\", kun jokin siitä odottaa ihmistä. Muuten \"ei ole \
             tiedossa\", onko kaikki perillä: sen kertoo vain vertailu kauppaan."
        )) }
        p { a href="/compare" { (page.t("Compare with the shop", "Vertaa kauppaan")) } }
        @for one in &all { (calendar(one, page)) }
    };
    Ok(page.show(page.t("Completeness", "Täsmäytys"), content))
}

fn calendar(one: &Completeness, page: &Page<'_>) -> Markup {
    html! {
        section {
            h2 { (one.connection) }
            @if !one.is_indexed {
                p role="note" { (page.t(
                    "What an earlier version recorded may be missing here (tilaussilta index).",
                    "Aiemman version kirjaamaa voi puuttua tästä (tilaussilta index)."
                )) }
            }
            ol.days { @for day in one.days.iter().rev() { (cell(day, page)) } }
        }
    }
}

fn cell(day: &DayStatus, page: &Page<'_>) -> Markup {
    let state = match day.is_open() {
        true => page.t("open", "auki"),
        false => page.t("not known", "ei tiedossa"),
    };
    html! {
        li.open[day.is_open()] {
            h3 { time datetime=(day.day) { (date(day.day, page)) } }
            p.state { (state) }
            ul { @for line in lines(day, page) { li { (line) } } }
        }
    }
}

/// What is known, a line each; what nobody asked is said too.
fn lines(day: &DayStatus, page: &Page<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let ways = [
        ("push", "sent to us", "lähetettiin"),
        ("poll", "found by the poll", "kysely löysi"),
        ("refresh", "asked for by number", "kysyttiin numerolla"),
        ("backfill", "by a backfill", "jälkikäteen luettu"),
    ];
    for (way, english, finnish) in ways {
        if let Some(count) = day.arrivals.get(way) {
            lines.push(format!("{}: {count}", page.t(english, finnish)));
        }
    }
    if day.arrivals.is_empty() {
        lines.push(page.t("nothing recorded", "mitään ei kirjattu").to_owned());
    }
    let counts = [
        (day.published, "published", "julkaistu"),
        (day.never_published, "never published", "ei koskaan julkaistu"),
        (day.publication_not_known, "publication not known", "julkaisu ei tiedossa"),
        (day.gaps_open, "open gaps", "avoimia aukkoja"),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    lines.extend(counts.map(|(count, english, finnish)| format!("{}: {count}", page.t(english, finnish))));
    match (day.quarantined, day.quarantine_open) {
        (None, _) | (_, None) => lines.push(page.t("quarantine not known", "karanteeni ei tiedossa").to_owned()),
        (Some(0), _) => {}
        (Some(all), Some(open)) => {
            let (quarantine, of_them) = (page.t("quarantine", "karanteeni"), page.t("open", "auki"));
            lines.push(format!("{quarantine}: {all} ({of_them} {open})"));
        }
    }
    lines.push(match day.poll {
        PollKnowledge::CannotBeAsked => page.t("cannot be asked", "ei voi kysyä").to_owned(),
        PollKnowledge::NotAsked => page.t("the shop was not asked", "kaupalta ei kysytty").to_owned(),
        PollKnowledge::Failed => page.t("the last poll failed", "viimeinen kysely epäonnistui").to_owned(),
        PollKnowledge::Asked => page.t("the shop was asked", "kaupalta kysyttiin").to_owned(),
    });
    lines
}

/// The day with its weekday.
fn date(day: Date, page: &Page<'_>) -> String {
    let weekday = match day.weekday() {
        Weekday::Monday => page.t("Mon", "ma"),
        Weekday::Tuesday => page.t("Tue", "ti"),
        Weekday::Wednesday => page.t("Wed", "ke"),
        Weekday::Thursday => page.t("Thu", "to"),
        Weekday::Friday => page.t("Fri", "pe"),
        Weekday::Saturday => page.t("Sat", "la"),
        Weekday::Sunday => page.t("Sun", "su"),
    };
    match page.language {
        Language::Finnish => format!("{weekday} {}.{}.", day.day(), day.month()),
        Language::English => format!("{weekday} {day}"),
    }
}
