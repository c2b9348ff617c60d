//! `POST /mycashflow/SHOP/orders?key=…`: takes in the orders that a MyCashflow shop sends as they are made.
//!
//! The shop's page says neither how the order stands in the request nor where the key does, so both are looked for in
//! every place that clients have seen (`docs/vendors/mycashflow.md`).

use http::{Method, StatusCode};
use intake::{NotAuthentic, Pushed, UnverifiedPush, record_push};
use lambda_http::{Body, Request, Response};
use ledger::{Connection, System};
use platform::{Closing, Deps, MAX_BODY_BYTES, Receipt, content_type};

/// The headers in which a shop's key is looked for, beside `Authorization: Bearer`.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "key"];

/// Answers one request.
///
/// 200 is answered only when every order of the body is in the ledger. The other answers: see `docs/http-answers.md`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let path = platform::path(&request);
    let mut receipt = Receipt::new(deps, Connection::unknown(System::Mycashflow), &request);
    let Some(shop) = shop_of(path) else {
        let text = "no such address: the orders of a shop go to /mycashflow/SHOP/orders";
        return receipt.close(Closing::rejected(StatusCode::NOT_FOUND, text)).await;
    };
    if request.method() != Method::POST {
        let text = "orders are sent with POST";
        return receipt.close(Closing::rejected(StatusCode::METHOD_NOT_ALLOWED, text)).await;
    }
    if deps.connections.current().shops.contains_key(shop) {
        receipt.connection = Connection::shop(shop);
    }
    let is_too_large = request.body().len() > MAX_BODY_BYTES;
    // A body over the limit is not looked into, not even for its key.
    let body = if is_too_large { &[] } else { request.body().as_ref() };
    let post = UnverifiedPush::new(body, content_type(&request));
    let Ok(pushed) = verify(deps, shop, &post, &presented_keys(&request)).await else {
        let text = "the key is missing or wrong, or there is no such shop";
        return receipt.close(Closing::rejected(StatusCode::UNAUTHORIZED, text)).await;
    };
    receipt.connection = Connection::shop(shop);
    let closing = if is_too_large {
        let text = format!("the body is over the limit of {MAX_BODY_BYTES} bytes");
        Closing::rejected(StatusCode::PAYLOAD_TOO_LARGE, text)
    } else {
        let kept = record_push(&deps.ledger, &pushed, receipt.received_at, (deps.clock)()).await;
        Closing::join(kept.into_iter().map(Closing::kept).collect())
    };
    receipt.close(closing).await
}

fn shop_of(path: &str) -> Option<&str> {
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["mycashflow", shop, "orders"] => Some(shop),
        _ => None,
    }
}

/// Every key that the request presents beside its body.
fn presented_keys(request: &Request) -> Vec<String> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = request.uri().query().unwrap_or("");
    let in_query = query_values(query, "key");
    let in_headers = KEY_HEADERS.iter().filter_map(|name| header(name));
    let bearer = header("authorization").and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
    });
    in_query.into_iter().chain(in_headers).chain(bearer).collect()
}

fn query_values(query: &str, name: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(field, _)| field == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// Checks the shop's key. When none is right, the connections are read again, as a key may be new.
async fn verify<'a>(
    deps: &Deps,
    shop: &'a str,
    post: &'a UnverifiedPush<'a>,
    presented: &[String],
) -> Result<Pushed<'a>, NotAuthentic> {
    let verify = || {
        let connections = deps.connections.current();
        let valid = connections.shops.get(shop).into_iter().flat_map(|shop| shop.keys());
        post.verify(shop, presented.iter().map(String::as_str), valid)
    };
    match verify() {
        Err(NotAuthentic::WrongKey) if deps.connections.read_again().await => verify(),
        verified => verified,
    }
}
