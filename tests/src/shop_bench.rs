//! A simulated shop for the poller, on a [`Bench`].

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use changes_poller::{PollRequest, PollerDeps, Report, handle};
use connections::Connections;
use ledger::{DocumentKey, ShopState, Source};
use mycashflow::RetryPolicy;
use poll::ShopReport;
use tokio::time::Instant;
use world::in_process::{InProcess, SharedShop, lock};
use world::shop::{Shop, ShopConfig, ShopRequest, Via};

use crate::{Bench, CONNECTIONS, SHOP_KEY, post};

/// How long a run may take: as long as the deployed function's.
const RUN_TIME: Duration = Duration::from_secs(300);

/// A shop with the key of [`CONNECTIONS`], for the rest as it is by default.
pub fn shop_config() -> ShopConfig {
    ShopConfig { key: SHOP_KEY.to_owned(), ..ShopConfig::default() }
}

/// The shop `acme`, and the poller that reaches it without a socket.
pub struct ShopBench {
    /// The ledger, the connections, the time.
    pub bench: Bench,
    /// What the poller works with.
    pub deps: PollerDeps,
    shop: SharedShop,
}

impl ShopBench {
    /// The shop of [`CONNECTIONS`], without orders.
    pub async fn new() -> Self {
        Self::with(CONNECTIONS, shop_config()).await
    }

    /// A shop at `http://acme.invalid` that behaves as `config` says, under other connections. No other address answers.
    pub async fn with(connections: &str, config: ShopConfig) -> Self {
        let start = "2026-03-02T08:00:00Z".parse().expect("a time stamp");
        let bench = Bench::with(start, Connections::parse(connections).expect("valid connections")).await;
        Self::over(bench, config)
    }

    /// [`ShopBench::with`] on a bench that there is.
    pub fn over(bench: Bench, config: ShopConfig) -> Self {
        let shop = SharedShop::new(Shop::new(config).into());
        let reached = shop.clone();
        let latency = || (Duration::from_millis(40), Duration::from_millis(60));
        let by_host = move |host: &str| (host == "acme.invalid").then(|| reached.clone());
        let deps = PollerDeps {
            transport: Arc::new(InProcess::new(by_host, bench.deps.clock.clone(), latency)),
            base: bench.deps.clone(),
            policy: RetryPolicy::default(),
        };
        Self { bench, deps, shop }
    }

    /// The shop.
    pub fn shop(&self) -> MutexGuard<'_, Shop> {
        lock(&self.shop)
    }

    /// The shop, for whatever else acts on it.
    pub fn shared_shop(&self) -> SharedShop {
        self.shop.clone()
    }

    /// Ends the faults that are planned for the shop's answers.
    pub fn heal(&self) {
        let ask = ShopRequest { method: "GET", path: "/webhooks/get", query: "", content_type: None, body: b"" };
        let now = self.bench.now();
        while self.shop().handle(now, &ask).fault.is_some() {}
    }

    /// Lets time pass.
    pub async fn wait(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Makes `count` orders through the API, one a second up to now; gives their ids.
    pub fn orders(&self, count: u64) -> Vec<u64> {
        let now = self.bench.now();
        let made_at = |index: u64| now - Duration::from_secs(count - index);
        (0..count).map(|index| self.shop().add_made_up(made_at(index), 7, Via::Api)).collect()
    }

    /// Runs the poller with an event.
    pub async fn run(&self, event: &PollRequest) -> Report {
        let name = format!("run-{}", self.bench.now());
        handle(&self.deps, event, &name, Instant::now() + RUN_TIME).await.expect("an event for a known shop")
    }

    /// Polls the only shop; gives its report.
    pub async fn poll(&self) -> ShopReport {
        self.only(&PollRequest::Poll { shop: None }).await
    }

    /// Runs the poller with an event that concerns one shop; gives its report.
    pub async fn only(&self, event: &PollRequest) -> ShopReport {
        let mut shops = self.run(event).await.shops;
        assert_eq!(shops.len(), 1, "{shops:?}");
        shops.remove(0)
    }

    /// POSTs what is due from the shop; gives each answer's status and text.
    pub async fn push(&self) -> Vec<(u16, String)> {
        let due = self.shop().take_outbox();
        let mut answers = Vec::with_capacity(due.len());
        for message in due {
            let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
            let request = post(&path, &[("content-type", message.content_type)], message.body);
            answers.push(self.bench.order(request).await);
        }
        answers
    }

    /// Where an order's revisions came from, oldest first; their numbers are checked to count from 1 without a hole.
    pub async fn sources(&self, order: u64) -> Vec<Source> {
        let revisions = self.bench.ledger.revisions(&DocumentKey::order("acme", order)).await.expect("revisions");
        let numbers: Vec<u32> = revisions.iter().map(|revision| revision.revision).collect();
        assert_eq!(numbers, (1..=revisions.len() as u32).collect::<Vec<_>>());
        revisions.iter().map(|revision| revision.source).collect()
    }

    /// Every order that the ledger holds, with how many revisions, from one look at the whole table.
    pub fn recorded(&self) -> BTreeMap<u64, u32> {
        let mut recorded = BTreeMap::new();
        for key in self.bench.kept() {
            let document = key.strip_prefix("mycashflow#acme#order#").and_then(|key| key.split_once(" rev#"));
            if let Some((order, _)) = document {
                *recorded.entry(order.parse().expect("an order id")).or_default() += 1;
            }
        }
        recorded
    }

    /// What the poll keeps about the shop.
    pub async fn state(&self) -> ShopState {
        self.bench.ledger.shop_state("acme").await.expect("the shop's state")
    }

    /// Where both live cursors stand: created, updated.
    pub async fn cursors(&self) -> (Option<i64>, Option<i64>) {
        let state = self.state().await;
        (state.created.map(|cursor| cursor.position), state.updated.map(|cursor| cursor.position))
    }
}
