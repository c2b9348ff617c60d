//! What is read: the same bytes at every run, on every machine.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mycashflow::{Order, SpanAttributes, write_order, write_orders};
use serde_json::json;
use smol_str::ToSmolStr;

use world::orders::made_up;

const SEED: u64 = 6;
/// When the first order was made, in Unix seconds: a winter day.
const FIRST_MADE_AT: i64 = 1_767_261_600;
const SECONDS_BETWEEN: i64 = 617;

/// One answer of a shop: `count` orders of about 4 KB each.
pub fn page(count: u64) -> String {
    let orders: Vec<Order> = (1..=count).map(order).collect();
    let span = SpanAttributes { time_to: Some(FIRST_MADE_AT), total: Some(count), ..SpanAttributes::default() };
    write_orders(&orders, &span)
}

/// The body of one POST of the shop.
pub fn push() -> String {
    write_order(&order(58))
}

/// The body of one message of the ERP: a sales order of six rows, about 1.5 KB.
pub fn message() -> String {
    let rows: Vec<_> = (1..=6)
        .map(|row| {
            json!({
                "rowNumber": row,
                "item": { "id": 100 + row, "code": format!("MALLI-{row:04}"), "name": "Mallimerkki kävelykengät, 42" },
                "quantity": "1.000",
                "unitPrice": "89.4000",
                "vatPercent": 25.5,
                "note": null,
            })
        })
        .collect();
    json!({
        "id": 4711,
        "documentNumber": "MT-1001",
        "partner": { "id": 7, "name": "Esimerkki & Höpö Oy", "city": "Näytesaari" },
        "currency": "EUR",
        "note": "Käsiteltävä pian – yö on kylmä",
        "rows": rows,
    })
    .to_string()
}

fn order(id: u64) -> Order {
    let made_at = Timestamp::from_second(FIRST_MADE_AT + SECONDS_BETWEEN * id.cast_signed()).ok();
    let helsinki = TimeZone::get("Europe/Helsinki").unwrap_or(TimeZone::UTC);
    let local = made_at.map(|instant| instant.to_zoned(helsinki).strftime("%Y-%m-%d %H:%M:%S").to_smolstr());
    Order { created_at: made_at, created_at_local: local, ..made_up(SEED, id) }
}
