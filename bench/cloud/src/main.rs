//! AWS and a shop, made up on this machine behind TLS: what functions and their peers are measured against.
//!
//! It listens on 127.0.0.1, prints its addresses as JSON, and writes into a folder `authority.pem`, the certificate to
//! trust, and `connections.json`, the shop and the account it plays. `GET /seen` tells what was asked since the last
//! time; `GET /seen?record` goes on to keep the calls themselves.

mod cloud;
mod tls;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use clap::Parser;
use cloud::Cloud;
use jiff::{Timestamp, ToSpan};
use lambda::{Connections, system_clock};
use sandbox::embedded::Embedded;
use sandbox::messaging::Messaging;
use sandbox::shop::{ShopConfig, Via};
use sandbox::world::{World, shop_url};
use serde_json::json;
use tls::Identity;
use tokio::net::TcpListener;
use url::Url;

/// The ledger's table.
const TABLE: &str = "tilaussilta";
/// How long nothing has happened in the shop: longer than a poll looks back, so that there is nothing new for it.
const QUIET_MINUTES: i64 = 60;

/// Why the cloud could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the certificates cannot be made")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the connections document is wrong")]
    Connections(#[from] lambda::ConnectionsError),
    #[error("the table cannot be made")]
    Table(#[from] ledger::LedgerError),
    #[error("the database cannot be opened: {0}")]
    Database(String),
    #[error("the address is wrong")]
    Address(#[from] url::ParseError),
    #[error("a time is out of range")]
    Time(#[from] jiff::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

#[derive(Parser)]
struct Options {
    /// Where to write the certificate to trust, the connections and the database.
    #[arg(long)]
    folder: PathBuf,
    /// How many orders the shop has, one for each minute until an hour ago.
    #[arg(long, default_value_t = 0)]
    seed_orders: u64,
    /// Ask DynamoDB what each call consumes.
    #[arg(long)]
    metered: bool,
    /// How long AWS takes for each call beyond what this machine does, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
}

#[tokio::main]
async fn main() -> Result<(), Problem> {
    let options = Options::parse();
    let tcp = TcpListener::bind(("127.0.0.1", 0)).await?;
    // In AWS each service is a host of its own, to be connected to by itself.
    let secrets_tcp = TcpListener::bind(("127.0.0.1", 0)).await?;
    let secrets = format!("https://{}", secrets_tcp.local_addr()?);
    let base = Url::parse(&format!("https://{}", tcp.local_addr()?))?;
    let identity = Identity::make_up()?;
    std::fs::write(options.folder.join("authority.pem"), &identity.authority_pem)?;
    let secret = json!({
        "shops": { "acme": { "url": shop_url(&base, "acme")?.as_str(), "key": "made-up-key", "push_keys": ["made-up-push-key"] } },
        "manu": { "acme": { "secrets": ["made-up-secret"] } },
    })
    .to_string();
    std::fs::write(options.folder.join("connections.json"), &secret)?;

    // In a file, because a large table in memory becomes slower with each order: see there.
    let embedded =
        Embedded::in_file(&options.folder.join("table.db")).map_err(|error| Problem::Database(error.to_string()))?;
    ledger::create_table(&embedded.client(), TABLE).await?;
    let world = World::new(&Connections::parse(&secret)?, &base, &ShopConfig::default(), system_clock());
    seed(&world, options.seed_orders)?;
    let cloud = Arc::new(Cloud {
        embedded,
        messaging: Messaging::new(system_clock()),
        world,
        secret,
        metered: options.metered,
        delay: Duration::from_millis(options.delay_ms),
        seen: Default::default(),
    });
    let app = Router::new().fallback(move |request: Request| {
        let cloud = Arc::clone(&cloud);
        async move { cloud.answer(request).await }
    });
    let addresses = json!({ "url": base.as_str().trim_end_matches('/'), "secrets_url": secrets });
    writeln!(std::io::stdout(), "{addresses}")?;
    let secrets = axum::serve(identity.listen(secrets_tcp)?, app.clone()).into_future();
    tokio::try_join!(axum::serve(identity.listen(tcp)?, app).into_future(), secrets)?;
    Ok(())
}

fn seed(world: &World, orders: u64) -> Result<(), Problem> {
    let now = Timestamp::now();
    for name in world.shops.keys() {
        let Some(mut shop) = world.shop(name) else { continue };
        for index in 0..orders {
            let minutes_ago = QUIET_MINUTES + i64::try_from(orders - index).unwrap_or(i64::MAX - QUIET_MINUTES);
            shop.add_made_up(now.checked_sub(minutes_ago.minutes())?, index, Via::Api);
        }
    }
    Ok(())
}
