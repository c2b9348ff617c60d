//! `POST /manu/ACCOUNT/WEBHOOK`: takes in the signed webhooks of Manu Online.
//!
//! Manu Online sends a message once and counts any status but 200 as a failure, which its user sees at once
//! (`docs/vendors/manu-online.md`). So 200 is said only of what is recorded, and every other answer says in a line what to
//! do.

use connections::{Language, Secret};
use http::Method;
use intake::record_message;
use lambda_http::{Body, Request, Response};
use ledger::{Connection, System};
use manu::{NotAuthentic, Transfer, Unverified, Verified, WebhookType};
use platform::{Closing, Deps, Function, MAX_BODY_BYTES, Receipt, Refusal, content_type, header_values, query_values};

/// Answers one request.
///
/// 200 is answered only when the message is in the ledger. The other answers: see `docs/http-answers.md`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let mut receipt = Receipt::new(deps, Connection::unknown(System::Manu), &request);
    let path = platform::path(&request);
    let (account, webhook) = match route(path) {
        Ok(route) => route,
        Err(text) => return receipt.refuse(Refusal::NoSuchAddress, text),
    };
    if request.method() != Method::POST {
        return receipt.refuse(Refusal::Method, "messages are sent with POST");
    }
    if deps.connections.current().manu.contains_key(account) {
        receipt.connection = Connection::manu(account);
    }
    // The code covers the whole body, so a body over the limit is not worth its hashing.
    if request.body().len() > MAX_BODY_BYTES {
        let text = format!("the body is over the limit of {MAX_BODY_BYTES} bytes");
        return receipt.refuse(Refusal::TooLarge, text);
    }
    // The code is that of the text, not of what it was compressed to.
    if let Some(encoding) = platform::compression(&request) {
        let text = format!("the body is compressed with {encoding}: send it without Content-Encoding");
        return receipt.refuse(Refusal::Compressed, text);
    }
    let message = match verify(deps, account, webhook, &request).await {
        Ok(message) => message,
        Err(Refusal::WrongToken) => {
            let text = match language(deps, account) {
                Language::English => {
                    "the verify code is right, but the token in the address (?key=) is missing or wrong"
                }
                Language::Finnish => "tarkistuskoodi on oikea, mutta osoitteen avain (?key=) puuttuu tai on väärä",
            };
            return receipt.refuse(Refusal::WrongToken, text);
        }
        Err(refusal) => {
            let text = "the verify code is missing or wrong, or there is no such account";
            return receipt.refuse(refusal, text);
        }
    };
    receipt.connection = Connection::manu(account);
    let now = (deps.clock)();
    let kept = record_message(&deps.ledger, account, webhook, &message, receipt.received_at, now).await;
    receipt.close(Closing::kept_in(kept, language(deps, account))).await
}

/// The language of an account whose code was right. Before that every answer is English: another language would tell a
/// stranger which accounts there are.
fn language(deps: &Deps, account: &str) -> Language {
    deps.connections.current().manu.get(account).map_or(Language::English, |account| account.language)
}

fn route(path: &str) -> Result<(&str, WebhookType), String> {
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["manu", account, webhook] => {
            Ok((account, webhook.parse().map_err(|error: manu::UnknownWebhookType| error.to_string())?))
        }
        _ => Err("no such address: messages go to /manu/ACCOUNT/WEBHOOK".to_owned()),
    }
}

/// Checks the verify code by the account's secrets, and the key of the address. When one of them is wrong, the connections
/// are read again, as a secret or a key may be new.
///
/// The code is checked first: who cannot sign learns nothing of an account and its keys.
async fn verify<'a>(
    deps: &Deps,
    account: &str,
    webhook: WebhookType,
    request: &'a Request,
) -> Result<Verified<'a>, Refusal> {
    let transfer = match request.body() {
        Body::Text(_) => Transfer::Text,
        _ => Transfer::Bytes,
    };
    let message = Unverified::new(request.body().as_ref(), content_type(request), transfer);
    let keys = query_values(request, "key");
    let verify = || {
        let connections = deps.connections.current();
        let account = connections.manu.get(account);
        let secrets = account.map(|account| account.secrets.as_slice()).unwrap_or_default();
        let verified = message.verify(header_values(request, manu::HEADER), secrets.iter().map(Secret::reveal));
        match verified {
            Err(NotAuthentic::NoCode) => Err(Refusal::NoCode),
            Err(NotAuthentic::WrongCode) => Err(Refusal::WrongCode),
            Ok(message) if account.is_some_and(|it| it.accepts_key(webhook, keys.iter().map(String::as_str))) => {
                Ok(message)
            }
            Ok(_) => Err(Refusal::WrongToken),
        }
    };
    match verify() {
        Err(Refusal::WrongCode | Refusal::WrongToken) if deps.read_connections_again(Function::ManuListener).await => {
            verify()
        }
        verified => verified,
    }
}
