//! `POST /mycashflow/SHOP/orders?key=…`: takes in the orders that a MyCashflow shop sends as they are made.
//!
//! The shop's page says neither how the order stands in the request nor where the key does, so both are looked for in
//! every place that clients have seen (`spec/mycashflow.md`, "Order push").

use http::{Method, StatusCode};
use jiff::Timestamp;
use lambda_http::{Body, Request, Response};
use ledger::{Connection, ContentHash, DocumentKey, Evidence, LedgerError, NewRevision, Source, System};
use mycashflow::{
    Handed, Limits, Order, PushBody, PushDocument, PushError, ReadError, SLICE_CONTENT_TYPE, push_document, read_page,
};
use platform::{Closing, Deps, MAX_BODY_BYTES, Receipt, content_type};

/// The headers in which a shop's key is looked for, beside `Authorization: Bearer`.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "key"];

/// The most orders in one POST. The shop sends one; its largest answer elsewhere holds this many.
const MAX_ORDERS: usize = 100;

/// Answers one request.
///
/// 200 is answered only when every order of the body is in the ledger. The other answers: see `docs/http-answers.md`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let path = platform::path(&request);
    let Some(shop) = shop_of(path) else {
        let receipt = Receipt::new(deps, Connection::unknown(System::Mycashflow), &request);
        let text = "no such address: the orders of a shop go to /mycashflow/SHOP/orders";
        return receipt.close(Closing::rejected(StatusCode::NOT_FOUND, text)).await;
    };
    let mut receipt = Receipt::new(deps, Connection::unknown(System::Mycashflow), &request);
    if request.method() != Method::POST {
        let text = "orders are sent with POST";
        return receipt.close(Closing::rejected(StatusCode::METHOD_NOT_ALLOWED, text)).await;
    }
    let too_large = request.body().len() > MAX_BODY_BYTES;
    // A body over the limit is not looked into, not even for its key.
    let handed = if matches!(request.body(), Body::Text(_)) { Handed::AsText } else { Handed::AsBytes };
    let pushed = (!too_large).then(|| push_document(content_type(&request), request.body().as_ref(), handed));
    let keys = presented_keys(&request, pushed.as_ref());
    let known = deps.connections.current().shops.contains_key(shop);
    if !authentic(deps, shop, &keys).await {
        if known {
            receipt.connection = Connection::shop(shop);
        }
        let text = "the key is missing or wrong, or there is no such shop";
        return receipt.close(Closing::rejected(StatusCode::UNAUTHORIZED, text)).await;
    }
    receipt.connection = Connection::shop(shop);
    let closing = match pushed.map(|pushed| pushed.document) {
        None => {
            let text = format!("the body is over the limit of {MAX_BODY_BYTES} bytes");
            Closing::rejected(StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        Some(Ok(pushed)) => record(deps, &receipt, shop, &request, &pushed).await,
        Some(Err(error)) => receipt.quarantine(&request, push_status(&error), error.to_string()).await,
    };
    receipt.close(closing).await
}

fn shop_of(path: &str) -> Option<&str> {
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["mycashflow", shop, "orders"] => Some(shop),
        _ => None,
    }
}

/// Every key that the request presents, wherever it stands.
fn presented_keys(request: &Request, pushed: Option<&PushBody<'_>>) -> Vec<String> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = request.uri().query().unwrap_or("");
    let in_query = query_values(query, "key");
    let in_headers = KEY_HEADERS.iter().filter_map(|name| header(name));
    let bearer = header("authorization").and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
    });
    let in_form = pushed.and_then(|pushed| pushed.key.clone());
    in_query.into_iter().chain(in_headers).chain(bearer).chain(in_form).collect()
}

fn query_values(query: &str, name: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(field, _)| field == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// Whether one of the keys is the shop's. When none is, the connections are read again, as a key may be new.
async fn authentic(deps: &Deps, shop: &str, keys: &[String]) -> bool {
    let accepts = || {
        let connections = deps.connections.current();
        connections.shops.get(shop).is_some_and(|shop| shop.accepts(keys.iter().map(String::as_str)))
    };
    if accepts() {
        return true;
    }
    deps.connections.read_again().await;
    accepts()
}

async fn record(
    deps: &Deps,
    receipt: &Receipt<'_>,
    shop: &str,
    request: &Request,
    pushed: &PushDocument<'_>,
) -> Closing {
    let page = match read_page(&pushed.bytes, Some(&pushed.content_type), &Limits::default()) {
        Ok(page) => page,
        Err(error) => return receipt.quarantine(request, read_status(&error), error.to_string()).await,
    };
    if page.entries.len() > MAX_ORDERS {
        let text = format!("the document holds {} orders, more than the limit of {MAX_ORDERS}", page.entries.len());
        return receipt.quarantine(request, StatusCode::PAYLOAD_TOO_LARGE, text).await;
    }
    let mut closings = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        closings.push(match &entry.order {
            Ok(order) => {
                // A document with one order is kept as it was received; of several, each keeps its own part.
                let stored = match page.entries[..] {
                    [_] => (&*pushed.bytes, &*pushed.content_type),
                    _ => (page.slice(entry), SLICE_CONTENT_TYPE),
                };
                append(deps, receipt, shop, request, order, stored).await
            }
            Err(error) => receipt.quarantine(request, StatusCode::BAD_REQUEST, error.to_string()).await,
        });
    }
    match Closing::join(closings) {
        Some(closing) => closing,
        None => {
            let text = "there is no order in the document".to_owned();
            receipt.quarantine(request, StatusCode::UNPROCESSABLE_ENTITY, text).await
        }
    }
}

async fn append(
    deps: &Deps,
    receipt: &Receipt<'_>,
    shop: &str,
    request: &Request,
    order: &Order,
    (body, content_type): (&[u8], &str),
) -> Closing {
    let document = DocumentKey::order(shop, order.id);
    let made_at = order.created_at.unwrap_or(Timestamp::UNIX_EPOCH);
    let new = NewRevision {
        document: &document,
        source: Source::Push,
        observed_at: receipt.received_at,
        evidence: Evidence::Told { since: made_at.min(receipt.received_at) },
        hash: ContentHash::of(&order.canonical_json()),
        body,
        content_type,
        now: (deps.clock)(),
    };
    match deps.ledger.append(&new).await {
        Ok(appended) => Closing::appended(&document, appended),
        Err(error @ LedgerError::TooLarge { .. }) => {
            receipt.quarantine(request, StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).await
        }
        Err(error) => Closing::failed(&error),
    }
}

fn push_status(error: &PushError) -> StatusCode {
    match error {
        PushError::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PushError::Malformed { .. } | PushError::NoDocument => StatusCode::BAD_REQUEST,
    }
}

fn read_status(error: &ReadError) -> StatusCode {
    match error {
        ReadError::NotOrders { .. } | ReadError::ErrorDocument => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    }
}
