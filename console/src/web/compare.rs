//! *Compare*: a shop against the ledger, both ways, for some days.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Response;
use jiff::civil::Date;
use jiff::{ToSpan, Unit};
use ledger::{Connection, DocumentKey};
use maud::{Markup, html};
use mycashflow::time_zone;

use super::page::{Page, link, table};
use super::request::Ask;
use super::{Refused, redirect};
use crate::{Compare, Comparison, Operator};

/// The most days at once: a browser waits for the answer.
const MOST_DAYS: i32 = 31;
/// How long a comparison may take.
const WITHIN: Duration = Duration::from_secs(120);
/// Orders of one kind on a page.
const ROWS: usize = 500;

/// What is to be compared, as the form of the page says.
struct Wish {
    connection: Option<Connection>,
    from: Date,
    to: Date,
}

impl Wish {
    fn of(operator: &Operator, ask: &Ask) -> Self {
        let today = operator.now().to_zoned(time_zone().clone()).date();
        let day = |name: &str| ask.field(name).and_then(|text| text.parse::<Date>().ok());
        let to = day("to").unwrap_or(today);
        let from = day("from").unwrap_or_else(|| to.checked_sub(6.days()).unwrap_or(to)).min(to);
        Self { connection: ask.field("connection").and_then(Connection::parse), from, to }
    }

    fn has_too_many_days(&self) -> bool {
        self.from.until((Unit::Day, self.to)).map_or(true, |span| span.get_days() >= MOST_DAYS)
    }

    /// The comparison; none when no shop is named, or too many days are.
    fn compare(&self, record: bool) -> Option<Compare> {
        let connection = self.connection.clone().filter(|_| !self.has_too_many_days())?;
        let start = |day: Date| Some(day.to_zoned(time_zone().clone()).ok()?.timestamp().as_second());
        let made = start(self.from)?..start(self.to.tomorrow().ok()?)?;
        Some(Compare { connection, made, record, within: WITHIN })
    }

    fn fields(&self) -> [(&'static str, String); 3] {
        let connection = self.connection.as_ref().map(ToString::to_string).unwrap_or_default();
        [("connection", connection), ("from", self.from.to_string()), ("to", self.to.to_string())]
    }
}

pub(super) async fn compare(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let wish = Wish::of(operator, ask);
    let found = match wish.compare(false) {
        Some(compare) => Some(operator.compare(&compare).await?),
        None => None,
    };
    let content = html! {
        p { (page.t(
            "Asks the shop for the orders that were made on these days, and the ledger too. Nothing is changed by that.",
            "Kysyy näinä päivinä tehdyt tilaukset sekä kaupalta että Tilaussillasta. Se ei muuta mitään."
        )) }
        (form(operator, &wish, page))
        @if let Some(recorded) = ask.query("recorded") {
            p.good role="status" { (page.t("Recorded: ", "Kirjattu: ")) (recorded) }
        }
        @if wish.connection.is_some() && wish.has_too_many_days() {
            p role="alert" { (page.t("At most 31 days at once.", "Enintään 31 päivää kerrallaan.")) }
        }
        @if let (Some(found), Some(shop)) = (&found, &wish.connection) { (differences(found, shop, &wish, page)) }
    };
    Ok(page.show(page.t("Compare", "Vertailu"), content))
}

fn form(operator: &Operator, wish: &Wish, page: &Page<'_>) -> Markup {
    html! {
        form.filters method="get" action="/compare" {
            label {
                (page.t("Shop", "Kauppa")) " "
                select name="connection" {
                    @for shop in operator.connections.shops.keys().map(Connection::shop) {
                        option value=(shop) selected[wish.connection.as_ref() == Some(&shop)] { (shop) }
                    }
                }
            }
            label { (page.t("Made from", "Tehty alkaen")) " " input type="date" name="from" value=(wish.from); }
            label { (page.t("To", "Asti")) " " input type="date" name="to" value=(wish.to); }
            button type="submit" { (page.t("Compare", "Vertaa")) }
        }
    }
}

fn differences(found: &Comparison, shop: &Connection, wish: &Wish, page: &Page<'_>) -> Markup {
    let kinds = [
        (page.t("missing in the ledger", "puuttuu Tilaussillasta"), &found.missing, false),
        (page.t("different in the ledger", "Tilaussillassa toisin"), &found.different, true),
        (
            page.t("only in the ledger: the shop does not show it", "vain Tilaussillassa: kauppa ei näytä sitä"),
            &found.only_in_the_ledger,
            true,
        ),
        (page.t("cannot be read", "ei luettavissa"), &found.unreadable, true),
    ];
    let rows = kinds.iter().flat_map(|(what, orders, has_timeline)| rows(what, orders, shop, *has_timeline));
    let rows: Vec<_> = rows.chain(found.unnamed.iter().take(ROWS).map(|id| vec![
        html! { span.bad { (page.t("cannot be read, and shows no number", "ei luettavissa, eikä numeroa näy")) } },
        html! { code { (id.chars().take(12).collect::<String>()) } },
    ])).collect();
    let fields = wish.fields();
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let wanted = found.missing.len() + found.different.len();
    html! {
        ul.numbers {
            @for (what, orders, _) in &kinds {
                li.bad[!orders.is_empty()] { strong { (orders.len()) } " " span { (what) } }
            }
        }
        @if rows.is_empty() {
            p.good role="status" { (page.t(
                "The shop and the ledger say the same of these days.",
                "Kauppa ja Tilaussilta kertovat näistä päivistä saman."
            )) }
        } @else {
            @if wanted > 0 {
                p.buttons { (page.button("/do/compare", &fields, page.t("Record what is missing", "Kirjaa puuttuvat"))) }
            }
            @let header = [page.t("what", "mitä"), page.t("order", "tilaus")];
            (table(page.t("Differences", "Erot"), &header, rows))
        }
    }
}

/// A row for each order, with a link to what is known of it. Of what is missing nothing is.
fn rows(what: &str, orders: &BTreeSet<u64>, shop: &Connection, has_timeline: bool) -> Vec<Vec<Markup>> {
    let row = |order: &u64| {
        let document = DocumentKey::order(&*shop.name, *order);
        vec![
            html! { span.bad { (what) } },
            match has_timeline {
                true => html! { a href=(link(&document.to_string())) { (document) } },
                false => html! { (document) },
            },
        ]
    };
    orders.iter().take(ROWS).map(row).collect()
}

/// Records what the ledger lacks, and compares again.
pub(super) async fn record(operator: &Operator, ask: &Ask) -> Result<Response<String>, Refused> {
    let wish = Wish::of(operator, ask);
    let compare = wish.compare(true).ok_or_else(|| Refused::NotFound("the shop, or the days".to_owned()))?;
    let found = operator.compare(&compare).await?;
    let count = if found.recorded { found.missing.len() + found.different.len() } else { 0 };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(wish.fields()).append_pair("recorded", &count.to_string());
    Ok(redirect(&format!("/compare?{}", query.finish())))
}
