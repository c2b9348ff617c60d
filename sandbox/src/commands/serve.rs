//! `sandbox serve`: everything on one port, until it is stopped.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use changes_poller::PollerDeps;
use cloud::embedded::Embedded;
use cloud::mappings::Mappings;
use cloud::messaging::Messaging;
use cloud::tls::Identity;
use cloud::{Cloud, Metering};
use connections::{ConnectionSource, ConnectionStore, Connections};
use console::Operator;
use console::web::{Console, Settings};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ledger::{Ledger, Retention, create_table};
use mycashflow::HttpTransport;
use platform::{Deps, Metrics, Refusals, system_clock};
use serde_json::json;
use tilaussilta_sandbox::functions::{Functions, FunctionsThread};
use tilaussilta_sandbox::server::{Server, encoded};
use tilaussilta_sandbox::simulated;
use tilaussilta_sandbox::stack::SandboxStack;
use tokio::net::TcpListener;
use url::Url;
use world::{Vendors, shop_url};

use super::forward::{ForwardSwitches, Forwarding};
use super::shop_switches::ShopSwitches;
use super::teller::Teller;
use super::{Problem, TABLE, policy};

/// How often the stream and the queue are looked at.
const RELAY_EVERY: Duration = Duration::from_millis(200);

/// `sandbox serve`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port on 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// A folder that `sandbox demo --folder` has left: its connections and its database are served.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["connections", "database"])]
    folder: Option<PathBuf>,
    /// The connections document. Made, with a shop and an account that the sandbox plays, when there is none.
    #[arg(long, value_name = "FILE", default_value = "sandbox-connections.json")]
    connections: PathBuf,
    /// The database file. Made when there is none.
    #[arg(long, value_name = "FILE", default_value = "sandbox.db")]
    database: PathBuf,
    #[command(flatten)]
    shop: ShopSwitches,
    /// Seconds between two polls; 0 polls only when asked to.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    every: u64,
    /// Append every event that is published to this file, as a line of JSON.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    #[command(flatten)]
    forward: ForwardSwitches,
    /// Listen behind TLS: the certificate to trust is written into this folder, and the connections document too.
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,
    /// Serve AWS and the simulated vendors only, for functions that run elsewhere.
    #[arg(long)]
    without_functions: bool,
    /// Count what is asked of AWS and of the shops: `GET /seen` tells, and `GET /seen?record` keeps the calls from then on.
    #[arg(long)]
    counted: bool,
    /// Count the read and write units of DynamoDB too.
    #[arg(long)]
    metered: bool,
    /// How long AWS takes for each call beyond what this machine does, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay_ms: u64,
    /// Let the console act, also on shops that are not played here.
    #[arg(long)]
    allow_actions: bool,
    /// Print the address as JSON, for programs.
    #[arg(long)]
    json: bool,
    /// End when standard input does.
    #[arg(long, hide = true)]
    with_parent: bool,
}

pub(crate) async fn run(mut options: Options) -> Result<(), Problem> {
    if let Some(folder) = &options.folder {
        // The shop of that day is gone, so it is not polled.
        options.every = 0;
        options.connections = folder.join("connections.json");
        options.database = folder.join("ledger.db");
        for path in [&options.connections, &options.database] {
            if !path.exists() {
                return Err(Problem(format!("there is no {}: play the demo with --folder first", path.display())));
            }
        }
    }
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let base = Url::parse(&format!("{scheme}://{}", listener.local_addr()?))?;
    if !options.connections.exists() {
        write_connections(&options.connections, &base)?;
    }
    let store = ConnectionStore::open(ConnectionSource::File(options.connections.clone())).await?;
    let connections = store.current();
    let embedded = Embedded::in_file(&options.database)?;
    let client = platform::dynamodb_client(&embedded.config());
    create_table(&client, TABLE).await?;
    let world = simulated(&connections, &base, &options.shop.config(), system_clock());
    options.shop.seed(&world)?;
    let messaging = Messaging::new(system_clock());
    let forwarding = options.forward.prepare(&messaging, options.json)?;
    if let Some(path) = &options.events {
        messaging.write_events_to(events_file(path)?);
    }
    let ledger = Ledger::new(client, TABLE, Retention::default());
    let functions = if options.without_functions {
        None
    } else {
        Some(start_functions(&options, ledger.clone(), store, embedded.clone(), &messaging, &world)?)
    };
    let settings = console_settings(&options, &base, &connections, &world)?;
    let shops = Arc::new(HttpTransport::new()?);
    let console = functions.clone().map(|functions| {
        let stack = Arc::new(SandboxStack { functions, messaging: messaging.clone() });
        let operator = Operator { ledger, connections: connections.clone(), stack, shops, clock: system_clock() };
        Console::new(operator, settings.clone())
    });
    let document = options.connections.clone();
    let mut cloud = Cloud::new(embedded, messaging, move || std::fs::read_to_string(&document).ok());
    cloud.metering = Metering {
        counted: options.counted || options.metered,
        units: options.metered,
        delay: Duration::from_millis(options.delay_ms),
    };
    let functions_url = base.as_str().trim_end_matches('/').to_owned();
    let server = Server {
        functions,
        console,
        cloud: Some(cloud),
        world: Some(world.clone()),
        orders_url: functions_url.clone(),
        messages_url: functions_url,
        push_keys: push_keys(&connections),
    };
    if options.with_parent {
        end_with_parent();
    }
    match &options.tls {
        None => {
            if options.json {
                let url = base.as_str().trim_end_matches('/');
                println!("{}", json!({ "url": url, "console": console_address(&base, &settings) }));
            } else {
                print_help(&options, &base, &settings, &connections, &world);
            }
            if let Some(forwarding) = forwarding {
                forwarding.start();
            }
            until_stopped(server.serve(listener)).await
        }
        Some(folder) => serve_tls(server, listener, &base, folder, forwarding).await,
    }
}

/// Starts the functions with their schedule and the mappings of the stream and the queue.
fn start_functions(
    options: &Options,
    ledger: Ledger,
    connections: ConnectionStore,
    embedded: Embedded,
    messaging: &Messaging,
    world: &Vendors,
) -> Result<FunctionsThread, Problem> {
    let deps = PollerDeps {
        base: Deps {
            ledger,
            connections: Arc::new(connections),
            clock: system_clock(),
            metrics: Metrics::off(),
            refusals: Refusals::default(),
        },
        transport: Arc::new(HttpTransport::new()?),
        policy: policy(),
    };
    let functions = FunctionsThread::start(Functions::new(deps, messaging))?;
    let checkpoint = options.database.with_extension("relay");
    let mappings = Mappings::new(embedded, TABLE, messaging.clone(), functions.clone(), checkpoint);
    let teller = (!options.json).then(|| Teller::new(messaging, world.clone()));
    tokio::spawn(relay(mappings, teller));
    if options.every > 0 {
        tokio::spawn(schedule(functions.clone(), Duration::from_secs(options.every), options.json));
    }
    Ok(functions)
}

/// Serves behind TLS, on two ports: in AWS each service is a host of its own, to be connected to by itself.
async fn serve_tls(
    server: Server,
    listener: TcpListener,
    base: &Url,
    folder: &Path,
    forwarding: Option<Forwarding>,
) -> Result<(), Problem> {
    let secrets_listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let identity = Identity::make_up()?;
    std::fs::write(folder.join("authority.pem"), &identity.authority_pem)?;
    let secrets_url = format!("https://{}", secrets_listener.local_addr()?);
    println!("{}", json!({ "url": base.as_str().trim_end_matches('/'), "secrets_url": secrets_url }));
    if let Some(forwarding) = forwarding {
        forwarding.start();
    }
    let secrets = server.clone().serve(identity.listen(secrets_listener)?);
    let main = server.serve(identity.listen(listener)?);
    until_stopped(async { tokio::try_join!(main, secrets).map(drop) }).await
}

/// Serves until Ctrl-C.
pub(crate) async fn until_stopped(serving: impl Future<Output = std::io::Result<()>>) -> Result<(), Problem> {
    tokio::select! {
        result = serving => Ok(result?),
        result = tokio::signal::ctrl_c() => Ok(result?),
    }
}

/// Ends this process when its standard input ends: whoever started it holds the other end, so it ends with them,
/// however they do.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// The key that each shop puts into the address of its orders.
pub(crate) fn push_keys(connections: &Connections) -> BTreeMap<String, String> {
    connections.shops.iter().map(|(name, shop)| (name.clone(), push_key(shop).to_owned())).collect()
}

/// The key for a shop's address: one of ours where there is one, so that the API key stands in no address.
pub(crate) fn push_key(shop: &connections::ShopConnection) -> &str {
    shop.push_keys.first().unwrap_or(&shop.key).reveal()
}

/// A connections document with one shop and one account, both played by the sandbox at `base`.
pub(crate) fn made_up_connections(base: &Url) -> Result<serde_json::Value, Problem> {
    Ok(json!({
        "shops": { "acme": {
            "url": shop_url(base, "acme")?.as_str(),
            "key": "example-api-key",
            "push_keys": ["example-push-key"],
            "start": Timestamp::now().to_zoned(TimeZone::UTC).date().checked_sub(400.days())?,
        } },
        "manu": { "acme": {
            "secrets": ["example-client-secret"],
            "bridge": {
                "shop": "acme",
                "orders": "$.shop_orders[*].number",
                "tracking_code": "$.tracking_code",
                "send_email": true,
            },
        } },
    }))
}

/// Writes [`made_up_connections`].
pub(crate) fn write_connections(path: &Path, base: &Url) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(&made_up_connections(base)?)?;
    std::fs::write(path, text + "\n").map_err(|error| Problem(format!("{} cannot be written: {error}", path.display())))
}

async fn schedule(functions: FunctionsThread, every: Duration, quiet: bool) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let result = functions.invoke("changes-poller", "{}").await;
        if quiet {
            continue;
        }
        let time = Timestamp::now().to_zoned(TimeZone::system()).strftime("%T").to_string();
        match result {
            Ok(report) => {
                for shop in report["shops"].as_array().into_iter().flatten() {
                    println!(
                        "{time}  poll of {}: {} orders in {} pages, {} new, {} updated, {} unchanged, {} quarantined, {} gaps open",
                        shop["shop"].as_str().unwrap_or("?"),
                        shop["orders"],
                        shop["pages"],
                        shop["new"],
                        shop["updated"],
                        shop["unchanged"],
                        shop["quarantined"],
                        shop["gaps_open"],
                    );
                }
            }
            Err(error) => println!("{time}  poll failed: {error}"),
        }
    }
}

fn events_file(path: &Path) -> Result<std::fs::File, Problem> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| Problem(format!("{} cannot be written: {error}", path.display())))
}

/// Carries what is recorded to the bus, and what is asked for to the shops, as Lambda's event source mappings do.
async fn relay(mut mappings: Mappings<FunctionsThread>, mut teller: Option<Teller>) {
    loop {
        let ran = mappings.run_once().await;
        if let Some(teller) = &mut teller {
            if let Err(error) = ran {
                println!("the relay or an action failed: {error}");
            }
            teller.tell();
        }
        tokio::time::sleep(RELAY_EVERY).await;
    }
}

/// How the console is served: it acts only on shops that are played here, unless it is told to act on others.
fn console_settings(
    options: &Options,
    base: &Url,
    connections: &Connections,
    world: &Vendors,
) -> Result<Settings, Problem> {
    let is_played = connections.shops.keys().all(|name| world.shops.contains_key(name));
    Ok(Settings::new(base.port().unwrap_or_default(), options.allow_actions || is_played)?)
}

fn console_address(base: &Url, settings: &Settings) -> String {
    format!("{base}?{}", encoded("token", &settings.token))
}

fn print_help(options: &Options, base: &Url, settings: &Settings, connections: &Connections, world: &Vendors) {
    let address = base.as_str().trim_end_matches('/');
    if !options.without_functions {
        println!("{}", console_address(base, settings));
        println!("is the console: open it in a browser. Ctrl-C ends it.\n");
    }
    println!("connections {}, database {}", options.connections.display(), options.database.display());
    println!("tilaussilta --sandbox={address} status");
    for name in connections.shops.keys().filter(|name| world.shops.contains_key(*name)) {
        println!(
            "curl -X POST '{address}/shops/{name}/orders'                 # a customer orders in the simulated shop"
        );
    }
    for name in connections.manu.keys() {
        println!("curl -X POST '{address}/erp/{name}/sales-order-activate'      # a user of the simulated ERP");
    }
    for name in connections.shops.keys().filter(|name| !world.shops.contains_key(*name)) {
        match &options.folder {
            None => println!("the shop {name} is not played here: it is polled at its own address"),
            Some(_) => println!(
                "the shop {name} of that day is gone: it is not polled, and compare, refresh and deliver cannot reach it"
            ),
        }
    }
    println!("All that can be asked of it: docs/sandbox.md\n");
}
