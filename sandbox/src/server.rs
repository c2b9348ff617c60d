//! One port for everything: the functions, the APIs of DynamoDB, EventBridge and SQS, and the simulated vendors with their controls.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body as AxumBody, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use axum::{Json, Router};
use console::web::Console;
use futures_util::StreamExt;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use lambda_http::Body;
use manu::WebhookType;
use serde_json::{Value, json};

use crate::functions::{FunctionsThread, InvokeError};
use cloud::{Call, Cloud};
use world::Vendors;
use world::erp::{SignedMessage, made_up_document};
use world::shop::{Breakage, Hidden, Mail, MailKind, Shop, ShopFault, ShopResponse, Via};

/// No request here is larger; the functions' own limits are lower.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;
const INVOCATIONS: &str = "/2015-03-31/functions/";

/// What a port serves. Each part may be missing: the demo plays the world and the functions in two processes.
#[derive(Clone, Default)]
pub struct Server {
    /// The functions.
    pub functions: Option<FunctionsThread>,
    /// The services of AWS, at `/`.
    pub cloud: Option<Cloud>,
    /// The operator's pages.
    pub console: Option<Console>,
    /// The simulated shops and ERPs.
    pub world: Option<Vendors>,
    /// Where the simulated shops send their orders: the address of `mycashflow-order`.
    pub orders_url: String,
    /// Where the simulated ERPs send their messages: the address of `manu-listener`.
    pub messages_url: String,
    /// The key that the simulated shops put into the address of their orders.
    pub push_keys: std::collections::BTreeMap<String, String>,
}

impl Server {
    /// Serves until the process ends.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve<L: Listener<Addr: Debug>>(self, listener: L) -> std::io::Result<()> {
        let server = Arc::new(self);
        let app = Router::new().fallback(move |request: Request| async move { server.answer(request).await });
        axum::serve(listener, app).await
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large for the sandbox\n").into_response();
        };
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or("").to_owned();
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let call = |body: &Bytes| Call {
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            target: text("x-amz-target"),
            content_type: text("content-type"),
            body: String::from_utf8_lossy(body).into_owned(),
        };
        if let Some(cloud) = &self.cloud {
            if path == "/" && parts.headers.contains_key("x-amz-target") {
                return aws(cloud.answer(call(&body)).await);
            }
            if path == "/seen" && cloud.metering.counted {
                return Json(cloud.take_seen(query == "record")).into_response();
            }
        }
        if let Some(console) = self.console.as_ref().filter(|_| Console::serves(&parts.method, &path)) {
            return console.answer(&parts, &body).await.map(AxumBody::from);
        }
        if let (Some(functions), Some(rest)) = (&self.functions, path.strip_prefix(INVOCATIONS)) {
            return invocation(functions, rest, &body).await;
        }
        if let Some(functions) = &self.functions {
            let request = lambda_http::Request::from_parts(parts.clone(), Body::Binary(body.to_vec()));
            if let Some(response) = functions.http(request).await {
                return response.map(|body| AxumBody::from(body.to_vec()));
            }
        }
        if let Some(world) = &self.world {
            let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if let Some(answer) = world.answer(parts.method.as_str(), &path, &query, content_type, &body) {
                if let Some(cloud) = &self.cloud {
                    cloud.note("a request to the shop", 0.0, call(&body));
                }
                return act_out(answer).await;
            }
            if parts.method == Method::POST || path.ends_with("/log") || path.ends_with("/mails") {
                return self.control(world, &path, &query, &body).await;
            }
        }
        (StatusCode::NOT_FOUND, "nothing is served here\n").into_response()
    }

    /// What people do in the simulated world: order, change an order, act in the ERP.
    async fn control(&self, world: &Vendors, path: &str, query: &str, body: &[u8]) -> Response {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let parameter = |name: &str| {
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.filter(|(field, _)| field == name).map(|(_, value)| value.into_owned()).next()
        };
        match segments[..] {
            ["shops", shop, "orders"] => {
                let via = if parameter("via").as_deref() == Some("api") { Via::Api } else { Via::Web };
                let count = parameter("count").and_then(|count| count.parse().ok()).unwrap_or(1);
                let at = parameter("at").and_then(|at| at.parse().ok()).unwrap_or_else(|| (world.clock)());
                self.order(world, shop, via, count, at).await
            }
            ["shops", shop, "mails"] => match world.shop(shop) {
                Some(shop) => Json(shop.mails().iter().map(mail_entry).collect::<Vec<_>>()).into_response(),
                None => unknown("shop"),
            },
            ["shops", shop, "orders", id] => {
                let done = id.parse().ok().zip(world.shop(shop)).is_some_and(|(id, mut shop)| {
                    shop.order(id).is_some() && change_order(&mut shop, (world.clock)(), id, &parameter)
                });
                if done { Json(json!({ "changed": id })).into_response() } else { unknown("order, status or trouble") }
            }
            ["shops", shop, "faults"] => {
                let fault = parameter("kind").and_then(|kind| fault(&kind));
                let times = parameter("times").and_then(|times| times.parse().ok()).unwrap_or(1);
                match (world.shop(shop), fault) {
                    (Some(mut shop), Some(fault)) => {
                        shop.fail_next(fault, times);
                        Json(json!({ "answers_that_will_fail": times })).into_response()
                    }
                    _ => unknown(
                        "shop, or kind of fault: html, timeout, cut, empty, empty-page, error, or a status such as 500",
                    ),
                }
            }
            ["erp", account, "log"] => match world.erp(account) {
                Some(erp) => {
                    let entries = erp.log(parameter("all").is_some());
                    Json(entries.into_iter().map(log_entry).collect::<Vec<_>>()).into_response()
                }
                None => unknown("account"),
            },
            ["erp", account, "log", message, "send-again"] => {
                let message = message.parse().ok().and_then(|id| world.erp(account)?.send_again(id));
                self.send(world, account, message).await
            }
            ["erp", account, webhook] => {
                let message = webhook.parse::<WebhookType>().ok().and_then(|webhook| {
                    let id =
                        parameter("id").and_then(|id| id.parse().ok()).unwrap_or_else(|| fastrand::u64(1000..10_000));
                    let seed = parameter("seed").and_then(|seed| seed.parse().ok()).unwrap_or(id);
                    // A body is the document itself, for whoever cares what it says.
                    let document = match body {
                        b"" => made_up_document(webhook, id, seed),
                        body => serde_json::from_slice(body).ok()?,
                    };
                    Some(world.erp(account)?.event((world.clock)(), webhook, document))
                });
                self.send(world, account, message).await
            }
            _ => (StatusCode::NOT_FOUND, "nothing is served here\n").into_response(),
        }
    }

    async fn order(&self, world: &Vendors, shop: &str, via: Via, count: u32, at: Timestamp) -> Response {
        let made: Option<Vec<u64>> =
            world.shop(shop).map(|mut shop| (0..count).map(|_| shop.add_made_up(at, fastrand::u64(..), via)).collect());
        let Some(made) = made else { return unknown("shop") };
        let posted = self.post_outbox(world, shop).await;
        Json(json!({ "made": made, "posted": posted })).into_response()
    }

    /// Sends what a shop has to send; gives each order with the status it was answered, none when no answer came.
    pub async fn post_outbox(&self, world: &Vendors, shop: &str) -> Vec<(u64, Option<u16>)> {
        let posts = world.shop(shop).map(|mut shop| shop.take_outbox()).unwrap_or_default();
        let key = self.push_keys.get(shop).map(String::as_str).unwrap_or_default();
        let address = format!("{}/mycashflow/{shop}/orders?{}", self.orders_url, encoded("key", key));
        let sends = posts.into_iter().map(|post| {
            let headers = [("content-type", post.content_type.to_owned())];
            let address = address.clone();
            async move { (post.order, send(&address, &headers, post.body).await.ok().map(|(status, _)| status)) }
        });
        futures_util::stream::iter(sends).buffered(8).collect().await
    }

    async fn send(&self, world: &Vendors, account: &str, message: Option<SignedMessage>) -> Response {
        let Some(message) = message else {
            return unknown("account, webhook type or message, or the document is not JSON");
        };
        let (status, text) = self.send_message(world, account, &message).await;
        Json(json!({ "message": message.id, "status": status, "shown_to_the_user": text })).into_response()
    }

    /// Sends a signed message once, and writes the ERP's log.
    pub async fn send_message(&self, world: &Vendors, account: &str, message: &SignedMessage) -> (Option<u16>, String) {
        let address = format!("{}/manu/{account}/{}", self.messages_url, message.webhook.slug());
        let headers = [("content-type", "application/json".to_owned()), (manu::HEADER, message.verify_code.clone())];
        let answer = send(&address, &headers, message.body.clone()).await;
        let now = (world.clock)();
        if let Some(mut erp) = world.erp(account) {
            match &answer {
                Ok((status, text)) => erp.answered(message.id, now, *status, text),
                Err(_) => erp.unanswered(message.id, now),
            }
        }
        answer.map_or((None, String::new()), |(status, text)| (Some(status), text))
    }
}

fn unknown(what: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("there is no such {what}\n")).into_response()
}

/// What people do to an order: give it a status, or (in no real shop) trouble.
fn change_order(shop: &mut Shop, now: Timestamp, id: u64, parameter: &dyn Fn(&str) -> Option<String>) -> bool {
    match (parameter("status"), parameter("trouble").as_deref()) {
        (Some(status), None) => shop.update_order(now, id, |order| order.status = Some(status.into())),
        (None, Some("unreadable")) => {
            shop.unreadable(id, Breakage::Value);
            true
        }
        (None, Some("bad-byte")) => {
            shop.unreadable(id, Breakage::Byte);
            true
        }
        (None, Some("hidden")) => {
            shop.hide(id, Hidden::Everywhere);
            true
        }
        (None, Some("poison")) => {
            shop.poison(id);
            true
        }
        (None, Some("none")) => {
            shop.heal(id);
            true
        }
        _ => false,
    }
}

fn fault(kind: &str) -> Option<ShopFault> {
    match kind {
        "html" => Some(ShopFault::Html),
        "timeout" => Some(ShopFault::Timeout),
        "cut" => Some(ShopFault::Cut),
        "empty" => Some(ShopFault::Empty),
        "error" => Some(ShopFault::ErrorDocument),
        "empty-page" => Some(ShopFault::EmptyPage),
        status => status.parse().ok().filter(|status| (400..600).contains(status)).map(ShopFault::Status),
    }
}

/// Sends a POST, once, as the two vendors do.
///
/// # Errors
/// When no answer came.
pub async fn send(
    address: &str,
    headers: &[(&'static str, String)],
    body: impl Into<Bytes>,
) -> reqwest::Result<(u16, String)> {
    let headers: HeaderMap = headers
        .iter()
        .filter_map(|(name, value)| Some((name.parse::<header::HeaderName>().ok()?, value.parse().ok()?)))
        .collect();
    let response = http_client()?.post(address).headers(headers).body(body.into()).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// A client that speaks to this machine only: no proxy, and no connection that outlives a killed server.
fn http_client() -> reqwest::Result<reqwest::Client> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    // Not an error when another caller in the process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    let client = builder.timeout(Duration::from_secs(30)).build()?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// A parameter, encoded for an address.
pub fn encoded(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

/// An answer of one of AWS's services: a status and JSON, in a version of its protocol.
fn aws((status, json, version): (u16, String, &str)) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, format!("application/x-amz-json-{version}"))], json).into_response()
}

async fn invocation(functions: &FunctionsThread, rest: &str, body: &Bytes) -> Response {
    let function = rest.strip_suffix("/invocations").unwrap_or(rest);
    match functions.invoke(function, &String::from_utf8_lossy(body)).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error @ InvokeError::UnknownFunction) => (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
        // Lambda says that a function failed with a header beside status 200.
        Err(error) => ([("x-amz-function-error", "Unhandled")], Json(json!({ "errorMessage": error.to_string() })))
            .into_response(),
    }
}

/// Sends a shop's answer, and the faults that only a wire can have.
async fn act_out(answer: ShopResponse) -> Response {
    if answer.fault == Some(ShopFault::Timeout) {
        std::future::pending::<()>().await;
    }
    let mut headers = HeaderMap::new();
    let retry_after = answer.retry_after.map(|after| after.as_secs().to_string());
    let date = answer.date.map(|date| httpdate::fmt_http_date(date.into()));
    let named = [
        (header::CONTENT_TYPE, Some(answer.content_type.to_owned())),
        (header::DATE, date),
        (header::RETRY_AFTER, retry_after),
    ];
    for (name, value) in named {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            headers.insert(name, value);
        }
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = if answer.fault == Some(ShopFault::Cut) {
        let cut = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut");
        AxumBody::from_stream(futures_util::stream::iter([Ok(Bytes::from(answer.body)), Err(cut)]))
    } else {
        AxumBody::from(answer.body)
    };
    (status, headers, body).into_response()
}

fn log_entry(entry: &world::erp::LogEntry) -> Value {
    json!({
        "message": entry.message,
        "webhook": entry.webhook.slug(),
        "answered_at": entry.answered_at.to_string(),
        "status": entry.status,
        "answer": entry.answer,
    })
}

fn mail_entry(mail: &Mail) -> Value {
    let kind = match mail.kind {
        MailKind::DeliveryConfirmation => "delivery_confirmation",
        MailKind::Comment => "comment",
    };
    json!({ "order": mail.order, "kind": kind, "at": mail.at.to_string() })
}
