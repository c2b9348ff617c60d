//! The simulated shops and ERPs of a set of connections, and the addresses under which they are reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use url::Url;

use crate::Clock;
use crate::erp::Erp;
use crate::in_process::{SharedShop, lock};
use crate::shop::{Shop, ShopConfig, ShopRequest, ShopResponse};

/// The simulated shops and ERPs.
#[derive(Clone)]
pub struct Vendors {
    /// Shops by name.
    pub shops: BTreeMap<String, SharedShop>,
    /// ERPs by the account's name.
    pub erps: BTreeMap<String, Arc<Mutex<Erp>>>,
    /// The time.
    pub clock: Clock,
}

/// A shop to be simulated, as its connection describes it.
#[derive(Clone, Debug)]
pub struct SimulatedShop<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address: it is simulated when this is [`shop_url`].
    pub url: &'a Url,
    /// Its API key.
    pub key: &'a str,
}

impl Vendors {
    /// Makes a shop for each of `shops` whose address is `BASE/shops/NAME`, with the switches of `config` and its own key,
    /// and an ERP for each account, by its name and the secret that it signs with.
    pub fn new<'a>(
        shops: impl IntoIterator<Item = SimulatedShop<'a>>,
        accounts: impl IntoIterator<Item = (&'a str, &'a str)>,
        base: &Url,
        config: &ShopConfig,
        clock: Clock,
    ) -> Self {
        let own =
            |shop: &SimulatedShop<'_>| shop_url(base, shop.name).is_ok_and(|own| own.as_str() == shop.url.as_str());
        let shops = shops.into_iter().filter(own).map(|shop| {
            let config = ShopConfig { key: shop.key.to_owned(), ..config.clone() };
            (shop.name.to_owned(), Arc::new(Mutex::new(Shop::new(config))))
        });
        let erp = |(account, secret): (&str, &str)| (account.to_owned(), Arc::new(Mutex::new(Erp::new(secret))));
        Self { shops: shops.collect(), erps: accounts.into_iter().map(erp).collect(), clock }
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

/// The address of a simulated shop: what a connection's `url` must be for the sandbox to play it.
///
/// # Errors
/// When `base` cannot have a path.
pub fn shop_url(base: &Url, name: &str) -> Result<Url, url::ParseError> {
    base.join(&format!("/shops/{name}"))
}
