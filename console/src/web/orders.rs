//! *Orders*: a list with filters.

use http::{HeaderValue, Response, header};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use ledger::{Connection, Span};
use maud::html;
use mycashflow::time_zone;

use super::Refused;
use super::page::{Page, link, table};
use super::request::Ask;
use crate::{Operator, OperatorError, OrderFilter, OrderRow, spreadsheet_safe};

/// Rows on a page.
const ROWS: usize = 500;

/// What a list shows, as the form of the page says.
struct Wish {
    filter: OrderFilter,
    span: Span,
    from: String,
    to: String,
}

impl Wish {
    fn of(operator: &Operator, ask: &Ask) -> Self {
        let zone = time_zone();
        let today = operator.now().to_zoned(zone.clone()).date();
        let day = |name: &str| ask.field(name).and_then(|text| text.parse::<Date>().ok());
        let start = |day: Date| day.to_zoned(zone.clone()).map_or(Timestamp::UNIX_EPOCH, |start| start.timestamp());
        let from = day("from").unwrap_or(today);
        let to = day("to").unwrap_or(today).max(from);
        let text = |name: &str| ask.field(name).map(str::to_owned);
        Self {
            filter: OrderFilter {
                connection: ask.field("connection").and_then(Connection::parse),
                kind: Some("order".to_owned()),
                status: text("status"),
                search: text("search"),
            },
            span: Span { from: start(from), until: start(to.checked_add(1.day()).unwrap_or(to)) },
            from: from.to_string(),
            to: to.to_string(),
        }
    }

    async fn rows(&self, operator: &Operator) -> Result<Vec<OrderRow>, Refused> {
        if self.filter.search.is_some() {
            operator.audit("search", &format!("{} to {}", self.from, self.to)).await?;
        }
        Ok(operator.orders(&self.filter, self.span).await?)
    }
}

pub(super) async fn orders(operator: &Operator, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
    let wish = Wish::of(operator, ask);
    let mut rows = wish.rows(operator).await?;
    rows.reverse();
    let count = rows.len();
    let chosen = wish.filter.connection.as_ref().map(ToString::to_string);
    let csv = format!("/orders.csv?{}", ask.query_text);
    let header = [
        page.t("recorded", "kirjattu"),
        page.t("order", "tilaus"),
        page.t("number", "numero"),
        page.t("status", "tila"),
        page.t("payment", "maksu"),
        page.t("total", "summa"),
        page.t("revision", "versio"),
    ];
    let cells = rows.iter().take(ROWS).map(|row| {
        let id = format!("{}/{}", row.connection, row.document);
        let text = |text: &Option<String>| html! { (text.as_deref().unwrap_or("–")) };
        vec![
            page.time(row.recorded_at),
            html! {
                a href=(link(&id)) { (id) }
                @if row.warnings > 0 { " " span.bad { "! " (row.warnings) } }
            },
            text(&row.number),
            text(&row.status),
            text(&row.payment_status),
            text(&row.total),
            html! { (row.revision) },
        ]
    });
    let content = html! {
        form.filters method="get" action="/orders" {
            label { (page.t("From", "Alkaen")) " " input type="date" name="from" value=(wish.from); }
            label { (page.t("To", "Asti")) " " input type="date" name="to" value=(wish.to); }
            label {
                (page.t("Shop", "Kauppa")) " "
                select name="connection" {
                    option value="" { (page.t("all", "kaikki")) }
                    @for shop in operator.connections.shops.keys().map(|name| Connection::shop(name).to_string()) {
                        option value=(shop) selected[chosen.as_deref() == Some(shop.as_str())] { (shop) }
                    }
                }
            }
            label {
                (page.t("Status", "Tila")) " "
                input type="text" name="status" value=(wish.filter.status.as_deref().unwrap_or_default());
            }
            label {
                (page.t("Text in the order", "Teksti tilauksessa")) " "
                input type="search" name="search" value=(wish.filter.search.as_deref().unwrap_or_default());
            }
            button type="submit" { (page.t("Show", "Näytä")) }
        }
        p { (count) " " (page.counted(count, ["order", "orders"], ["tilaus", "tilausta"])) " · " a href=(csv) { "CSV" } }
        @if count > ROWS {
            p role="note" { (page.t("The newest 500 are shown. CSV has all.", "Uusimmat 500 näytetään. CSV sisältää kaikki.")) }
        }
        @if count == 0 {
            p { (page.t("No order arrived in this time.", "Tänä aikana ei saapunut tilauksia.")) }
        } @else {
            (table(page.t("Orders by time of recording", "Tilaukset kirjaamisajan mukaan"), &header, cells.collect()))
        }
    };
    Ok(page.show(page.t("Orders", "Tilaukset"), content))
}

pub(super) async fn as_csv(operator: &Operator, ask: &Ask) -> Result<Response<String>, Refused> {
    let wish = Wish::of(operator, ask);
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let columns = ["recorded_at", "connection", "document", "number", "status", "payment_status", "total", "revision"];
    let mut written = writer.write_record(columns);
    for row in wish.rows(operator).await? {
        let fields = [
            row.recorded_at.to_string(),
            row.connection,
            row.document,
            row.number.unwrap_or_default(),
            row.status.unwrap_or_default(),
            row.payment_status.unwrap_or_default(),
            row.total.unwrap_or_default(),
            row.revision.to_string(),
        ];
        written = written.and_then(|()| writer.write_record(fields.map(|field| spreadsheet_safe(&field).into_owned())));
    }
    let failed = |error: String| Refused::Failed(OperatorError::Stack(error));
    written.map_err(|error| failed(error.to_string()))?;
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    let mut response = Response::new(String::from_utf8_lossy(&bytes).into_owned());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let name = HeaderValue::from_static("attachment; filename=\"orders.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// The first instant of the last `days` days.
pub(super) fn last_days(now: Timestamp, days: i64) -> Span {
    Span { from: now - SignedDuration::from_hours(24 * days), until: now + SignedDuration::from_secs(1) }
}
