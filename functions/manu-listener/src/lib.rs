//! `POST /manu/ACCOUNT/WEBHOOK`: takes in the signed webhooks of Manu Online.
//!
//! Manu Online sends a message once and counts any status but 200 as a failure, which its user sees at once
//! (`spec/manu-online.md`). So 200 is said only of what is recorded, and every other answer says in a line what to do.

use connections::Secret;
use http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use ledger::{Connection, ContentHash, DocumentKey, Evidence, LedgerError, NewRevision, Source, System};
use manu::{WebhookType, is_authentic, read_document};
use platform::{Closing, Deps, MAX_BODY_BYTES, Receipt, content_type};

/// Content types under which JSON is taken. The vendor names none, and .NET's plain clients send none or a form's.
const CONTENT_TYPES: [&str; 5] =
    ["application/json", "text/json", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"];

/// Answers one request.
///
/// 200 is answered only when the message is in the ledger. The other answers: see `docs/http-answers.md`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let mut receipt = Receipt::new(deps, Connection::unknown(System::Manu), &request);
    let path = platform::path(&request);
    let (account, webhook) = match route(path) {
        Ok(route) => route,
        Err(text) => return receipt.close(Closing::rejected(StatusCode::NOT_FOUND, text)).await,
    };
    if request.method() != Method::POST {
        let text = "messages are sent with POST";
        return receipt.close(Closing::rejected(StatusCode::METHOD_NOT_ALLOWED, text)).await;
    }
    if deps.connections.current().manu.contains_key(account) {
        receipt.connection = Connection::manu(account);
    }
    // The code covers the whole body, so a body over the limit is not worth its hashing.
    if request.body().len() > MAX_BODY_BYTES {
        let text = format!("the body is over the limit of {MAX_BODY_BYTES} bytes");
        return receipt.close(Closing::rejected(StatusCode::PAYLOAD_TOO_LARGE, text)).await;
    }
    if !authentic(deps, account, &request).await {
        let text = "the verify code is missing or wrong, or there is no such account";
        return receipt.close(Closing::rejected(StatusCode::UNAUTHORIZED, text)).await;
    }
    receipt.connection = Connection::manu(account);
    let closing = if takes(content_type(&request)) {
        record(deps, &receipt, account, webhook, &request).await
    } else {
        let text = "the body must be JSON, with a content type of JSON or none".to_owned();
        receipt.quarantine(&request, StatusCode::UNSUPPORTED_MEDIA_TYPE, text).await
    };
    receipt.close(closing).await
}

fn route(path: &str) -> Result<(&str, WebhookType), String> {
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["manu", account, webhook] => {
            Ok((account, webhook.parse().map_err(|error: manu::UnknownWebhookType| error.to_string())?))
        }
        _ => Err("no such address: messages go to /manu/ACCOUNT/WEBHOOK".to_owned()),
    }
}

/// Whether the verify code is that of one of the account's secrets. When it is not, the connections are read again, as
/// a secret may be new.
async fn authentic(deps: &Deps, account: &str, request: &Request) -> bool {
    let Some(code) = request.headers().get(manu::HEADER).and_then(|value| value.to_str().ok()) else { return false };
    let accepts = || {
        let connections = deps.connections.current();
        let secrets = connections.manu.get(account).map(|account| account.secrets.as_slice()).unwrap_or_default();
        is_authentic(code, request.body().as_ref(), secrets.iter().map(Secret::reveal))
    };
    if accepts() {
        return true;
    }
    deps.connections.read_again().await;
    accepts()
}

fn takes(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let media_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media_type.is_empty() || media_type.ends_with("+json") || CONTENT_TYPES.contains(&media_type.as_str())
}

async fn record(deps: &Deps, receipt: &Receipt<'_>, account: &str, webhook: WebhookType, request: &Request) -> Closing {
    let document = match read_document(request.body().as_ref()) {
        Ok(document) => document,
        Err(error) => return receipt.quarantine(request, StatusCode::BAD_REQUEST, error.to_string()).await,
    };
    let key = DocumentKey::manu(account, webhook.slug(), document.id.as_str());
    let new = NewRevision {
        document: &key,
        source: Source::Push,
        observed_at: receipt.received_at,
        evidence: Evidence::Message,
        hash: ContentHash::of(&document.canonical),
        body: request.body().as_ref(),
        content_type: content_type(request).unwrap_or("application/json"),
        now: (deps.clock)(),
    };
    match deps.ledger.append(&new).await {
        Ok(appended) => Closing::appended(&key, appended),
        Err(error @ LedgerError::TooLarge { .. }) => {
            receipt.quarantine(request, StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).await
        }
        Err(error) => Closing::failed(&error),
    }
}
