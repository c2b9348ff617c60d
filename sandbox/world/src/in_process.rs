//! The simulated shop behind the client's own transport, without a socket between them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, Transport, TransportError};

use crate::Clock;
use crate::shop::{Shop, ShopFault, ShopRequest, ShopResponse};

/// A shop that several may use at once.
pub type SharedShop = Arc<Mutex<Shop>>;

/// Locks a shop; one that a panic left behind is still a shop.
pub fn lock(shop: &SharedShop) -> MutexGuard<'_, Shop> {
    shop.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds a shop by the host of its address.
type FindShop = dyn Fn(&str) -> Option<SharedShop> + Send + Sync;

/// Reaches simulated shops by the host of their address: `http://acme.invalid` is the shop named `acme`.
pub struct InProcess {
    shops: Box<FindShop>,
    clock: Clock,
    /// How long the request is on its way, and how long the answer is.
    latency: Box<dyn Fn() -> (Duration, Duration) + Send + Sync>,
}

impl InProcess {
    /// A transport to the shops that `shops` knows by host.
    pub fn new(
        shops: impl Fn(&str) -> Option<SharedShop> + Send + Sync + 'static,
        clock: Clock,
        latency: impl Fn() -> (Duration, Duration) + Send + Sync + 'static,
    ) -> Self {
        Self { shops: Box::new(shops), clock, latency: Box::new(latency) }
    }
}

impl Transport for InProcess {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let (there, back) = (self.latency)();
            let exchange = async {
                tokio::time::sleep(there).await;
                let shop = request.url.host_str().and_then(|host| (self.shops)(host));
                let shop = shop.ok_or_else(|| TransportError::Connect { source: "there is no such host".into() })?;
                let answer = answer(&shop, &request, (self.clock)());
                tokio::time::sleep(back).await;
                match answer.fault {
                    Some(ShopFault::Timeout) => std::future::pending().await,
                    Some(ShopFault::Cut) => Err(TransportError::Cut),
                    _ => Ok(HttpResponse {
                        status: answer.status,
                        date: answer.date,
                        content_type: Some(answer.content_type.to_owned()),
                        retry_after: answer.retry_after,
                        location: None,
                        body: Bytes::from(answer.body),
                    }),
                }
            };
            tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(TransportError::Timeout))
        })
    }
}

fn answer(shop: &SharedShop, request: &HttpRequest, now: jiff::Timestamp) -> ShopResponse {
    let form = request.form.as_deref();
    lock(shop).handle(
        now,
        &ShopRequest {
            method: request.method.as_str(),
            path: request.url.path(),
            query: request.url.query().unwrap_or(""),
            content_type: form.map(|_| "application/x-www-form-urlencoded"),
            body: form.unwrap_or("").as_bytes(),
        },
    )
}
