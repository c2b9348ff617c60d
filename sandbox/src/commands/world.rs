//! `sandbox world`: the simulated shop and ERP alone, for functions that run elsewhere.

use std::net::IpAddr;
use std::path::PathBuf;

use connections::{ConnectionSource, ConnectionStore};
use platform::system_clock;
use serde_json::json;
use tilaussilta_sandbox::server::Server;
use tokio::net::TcpListener;
use url::Url;

use super::Problem;
use super::serve::{end_with_parent, push_keys, until_stopped, write_connections};
use super::shop_switches::ShopSwitches;

/// `sandbox world`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The local address to listen on. Use another one than 127.0.0.1 only in an isolated network.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port; 0 takes any that is free.
    #[arg(long, default_value_t = 8788)]
    port: u16,
    /// The connections document. Made, with a shop and an account that the sandbox plays, when there is none.
    #[arg(long, value_name = "FILE", default_value = "sandbox-connections.json")]
    connections: PathBuf,
    /// Where the shops POST their orders: what stands before `/mycashflow/SHOP/orders`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8787")]
    orders_to: String,
    /// Where the ERP sends its messages: what stands before `/manu/ACCOUNT/WEBHOOK`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8787")]
    messages_to: String,
    #[command(flatten)]
    shop: ShopSwitches,
    /// Print the address as JSON, for programs.
    #[arg(long)]
    json: bool,
    /// End when standard input does.
    #[arg(long, hide = true)]
    with_parent: bool,
}

pub(crate) async fn run(options: Options) -> Result<(), Problem> {
    let listener = TcpListener::bind((options.host, options.port)).await?;
    let base = Url::parse(&format!("http://{}", listener.local_addr()?))?;
    if !options.connections.exists() {
        write_connections(&options.connections, &base)?;
    }
    let connections = ConnectionStore::open(ConnectionSource::File(options.connections.clone())).await?.current();
    let world = tilaussilta_sandbox::simulated(&connections, &base, &options.shop.config(), system_clock());
    options.shop.seed(&world)?;
    let url = base.as_str().trim_end_matches('/');
    if options.json {
        println!("{}", json!({ "url": url }));
    } else {
        println!("A simulated shop and ERP: {url}    (Ctrl-C stops it)");
        println!("orders go to {}, messages to {}", options.orders_to, options.messages_to);
        println!("connections {}", options.connections.display());
    }
    if options.with_parent {
        end_with_parent();
    }
    let server = Server {
        world: Some(world),
        orders_url: options.orders_to.trim_end_matches('/').to_owned(),
        messages_url: options.messages_to.trim_end_matches('/').to_owned(),
        push_keys: push_keys(&connections),
        ..Server::default()
    };
    until_stopped(server.serve(listener)).await
}
