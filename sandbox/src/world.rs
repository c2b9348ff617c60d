//! The outside world: make-believe shops and ERPs, and the addresses under which they are reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use lambda::{Clock, Connections};
use url::Url;

use crate::erp::Erp;
use crate::in_process::{SharedShop, lock};
use crate::shop::{Shop, ShopConfig, ShopRequest, ShopResponse};

/// The make-believe shops and ERPs of a set of connections.
#[derive(Clone)]
pub struct World {
    /// Shops by name: those whose configured address is this world's.
    pub shops: BTreeMap<String, SharedShop>,
    /// ERPs by the account's name, signing with its first secret.
    pub erps: BTreeMap<String, Arc<Mutex<Erp>>>,
    /// The time.
    pub clock: Clock,
}

impl World {
    /// Makes a shop for every connection whose address is `BASE/shops/NAME`, each with the switches of `config` and its
    /// own key, and an ERP for every account.
    pub fn new(connections: &Connections, base: &Url, config: &ShopConfig, clock: Clock) -> Self {
        let own = |name: &str, url: &Url| shop_url(base, name).is_ok_and(|own| own.as_str() == url.as_str());
        let shops = connections.shops.iter().filter(|(name, shop)| own(name, &shop.url)).map(|(name, shop)| {
            let config = ShopConfig { key: shop.key.reveal().to_owned(), ..config.clone() };
            (name.clone(), Arc::new(Mutex::new(Shop::new(config))))
        });
        let erps = connections.manu.iter().filter_map(|(name, account)| {
            Some((name.clone(), Arc::new(Mutex::new(Erp::new(account.secrets.first()?.reveal())))))
        });
        Self { shops: shops.collect(), erps: erps.collect(), clock }
    }

    /// A shop by name.
    pub fn shop(&self, name: &str) -> Option<MutexGuard<'_, Shop>> {
        self.shops.get(name).map(lock)
    }

    /// An ERP by its account's name.
    pub fn erp(&self, account: &str) -> Option<MutexGuard<'_, Erp>> {
        self.erps.get(account).map(|erp| erp.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers a request to a shop's interface, `/shops/NAME/webhooks/ACTION`; none for any other path.
    pub fn answer(
        &self,
        method: &str,
        path: &str,
        query: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Option<ShopResponse> {
        let rest = path.strip_prefix("/shops/")?;
        let (name, action) = rest.split_at(rest.find('/')?);
        let now: Timestamp = (self.clock)();
        action
            .starts_with("/webhooks/")
            .then(|| {
                Some(self.shop(name)?.handle(now, &ShopRequest { method, path: action, query, content_type, body }))
            })
            .flatten()
    }
}

/// The address of a make-believe shop: what a connection's `url` must be for the sandbox to play it.
///
/// # Errors
/// When `base` cannot have a path.
pub fn shop_url(base: &Url, name: &str) -> Result<Url, url::ParseError> {
    base.join(&format!("/shops/{name}"))
}
