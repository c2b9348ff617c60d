//! The sandbox: simulated MyCashflow shops and Manu Online ERPs, AWS on this machine and the functions, in one process.
//! It is the demo, a place to try an integration, and the harness of the tests. No command of it touches AWS.

pub mod functions;
pub mod server;
pub mod stack;

use connections::Connections;
use platform::Clock;
use url::Url;
use world::shop::ShopConfig;
use world::{SimulatedShop, Vendors};

/// Simulates each shop of `connections` whose address is that of a shop at `base`, and every account, which signs with its
/// first secret.
pub fn simulated(connections: &Connections, base: &Url, config: &ShopConfig, clock: Clock) -> Vendors {
    let shops = connections.shops.iter();
    let shops = shops.map(|(name, shop)| SimulatedShop { name, url: &shop.url, key: shop.key.reveal() });
    let accounts = connections.manu.iter();
    let accounts = accounts.filter_map(|(name, account)| Some((name.as_str(), account.secrets.first()?.reveal())));
    Vendors::new(shops, accounts, base, config, clock)
}
