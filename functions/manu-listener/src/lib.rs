//! `POST /manu/ACCOUNT/WEBHOOK`: takes in the signed webhooks of Manu Online.
//!
//! Manu Online sends a message once and counts any status but 200 as a failure, which its user sees at once
//! (`docs/vendors/manu-online.md`). So 200 is said only of what is recorded, and every other answer says in a line what to
//! do.

use connections::Secret;
use http::{Method, StatusCode};
use intake::record_message;
use lambda_http::{Body, Request, Response};
use ledger::{Connection, System};
use manu::{NotAuthentic, Transfer, Unverified, Verified, WebhookType};
use platform::{Closing, Deps, MAX_BODY_BYTES, Receipt, content_type, header_values};

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
    let Ok(message) = verify(deps, account, &request).await else {
        let text = "the verify code is missing or wrong, or there is no such account";
        return receipt.close(Closing::rejected(StatusCode::UNAUTHORIZED, text)).await;
    };
    receipt.connection = Connection::manu(account);
    let now = (deps.clock)();
    let kept = record_message(&deps.ledger, account, webhook, &message, receipt.received_at, now).await;
    receipt.close(Closing::kept(kept)).await
}

fn route(path: &str) -> Result<(&str, WebhookType), String> {
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["manu", account, webhook] => {
            Ok((account, webhook.parse().map_err(|error: manu::UnknownWebhookType| error.to_string())?))
        }
        _ => Err("no such address: messages go to /manu/ACCOUNT/WEBHOOK".to_owned()),
    }
}

/// Checks the verify code by the account's secrets. When it is that of none, the connections are read again, as a secret
/// may be new.
async fn verify<'a>(deps: &Deps, account: &str, request: &'a Request) -> Result<Verified<'a>, NotAuthentic> {
    let transfer = match request.body() {
        Body::Text(_) => Transfer::Text,
        _ => Transfer::Bytes,
    };
    let message = Unverified::new(request.body().as_ref(), content_type(request), transfer);
    let verify = || {
        let connections = deps.connections.current();
        let secrets = connections.manu.get(account).map(|account| account.secrets.as_slice()).unwrap_or_default();
        message.verify(header_values(request, manu::HEADER), secrets.iter().map(Secret::reveal))
    };
    match verify() {
        Err(NotAuthentic::WrongCode) if deps.connections.read_again().await => verify(),
        verified => verified,
    }
}
