//! The outbound side, in worlds of its own: revisions go through the relay to the bus, a dispatch's event through the bridge
//! to the shop, and messages of several senders to the same orders, while calls fail, answers are lost, requests arrive
//! late, and functions are killed at any await.
//!
//! A world of the poll would carry thousands of revisions through the relay that test nothing new in it; these worlds are
//! small, so that there can be many.

mod faults;
mod invariants;
mod messages;
mod workload;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use cloud::embedded::Embedded;
use cloud::mappings::StreamReader;
use cloud::messaging::{ACTIONS_DEAD_LETTERS, BUS, EVENT_DEAD_LETTERS, Messaging, queue_url};
use connections::{ConnectionSource, ConnectionStore, Connections};
use event_relay::{DeadLetters, EventBus, Limits, PublicationLog, RelayDeps};
use fastrand::Rng;
use jiff::Timestamp;
use ledger::{DocumentKey, Ledger, Retention, RevisionKey};
use mycashflow::RetryPolicy;
use platform::{Clock, Deps, Metrics, Refusals};
use serde_json::Value;
use shop_actions::ActionsDeps;
use tokio::task::LocalSet;
use world::in_process::{InProcess, SharedShop, lock};
use world::shop::{MailKind, Shop, ShopConfig};

use self::faults::{Faults, FaultyTransport};
use super::assumptions::{Assumption, FalseAssumptions, Settings, Side};
use super::plan::{percent, pick};
use super::runs::after_polls;
use super::simulation::client;
use harness::{TABLE, message, shop_config, virtual_clock};

const CONNECTIONS: &str = r#"{
  "shops": { "acme": { "url": "http://acme.invalid", "key": "planted-shop-key-7731" } },
  "manu": { "acme": { "secrets": ["s"], "bridge": { "shop": "acme", "orders": "$.rows[*].order", "send_email": true,
                                                    "tracking_code": "$.tracking_code" } } }
}"#;
/// The client secret in [`CONNECTIONS`].
const MANU_SECRET: &str = "s";
/// Begins the generator of what is false in a world, beside that of all else.
const FALSEHOODS: u64 = 0x0ddb_a115_0000_0001;

/// The result of one simulated world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundResult {
    /// The invariants that did not hold; empty when all did.
    pub violations: Vec<String>,
    /// The assumptions that were false.
    pub falsehoods: Vec<Assumption>,
    /// Revisions recorded.
    pub revisions: usize,
    /// Events that came to the bus more than once.
    pub repeats: usize,
    /// Mails about a delivery.
    pub mails: usize,
    /// Letters of the actions that are left at the end.
    pub letters: usize,
    /// Invocations that were killed.
    pub killed: usize,
}

struct Simulation {
    falsehoods: FalseAssumptions,
    faults: Arc<Faults>,
    clock: Clock,
    embedded: Embedded,
    /// A ledger without faults.
    ledger: Ledger,
    messaging: Messaging,
    shop: SharedShop,
    relay: RelayDeps,
    actions: ActionsDeps,
    /// The ids of the revisions that were recorded.
    recorded: RefCell<BTreeSet<String>>,
    /// Those of them that were recorded when the relay last came to the stream's end.
    relayed: RefCell<BTreeSet<String>>,
    /// The orders that a message wants delivered, each with those messages.
    wanted: RefCell<BTreeMap<u64, Vec<String>>>,
    /// The comments that a message wants added: the order and the text.
    comments: RefCell<Vec<(u64, String)>>,
    /// The last body that was recorded of each document.
    last: RefCell<BTreeMap<DocumentKey, String>>,
    /// The tracking codes that dispatches want sent: the dispatch's event, and the code's digits.
    tracking_codes: RefCell<Vec<(String, String)>>,
    /// What became of the ERP's messages.
    messages: RefCell<Vec<Sent>>,
    names: Cell<u32>,
    over: Cell<bool>,
    killed: Cell<usize>,
}

/// A message of the ERP, and what was answered to it.
struct Sent {
    /// The id that its first revision's event has.
    event: String,
    body: Vec<u8>,
    /// The text that its event must hold, unless that was left out.
    note: &'static str,
    /// Whether letters were lost on the way.
    lossy: bool,
    status: u16,
}

/// Simulates the outbound world of a seed.
///
/// # Panics
/// When the machine refuses a runtime or a database in memory.
pub fn run_outbound(seed: u64, settings: &Settings) -> OutboundResult {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let sim = Rc::new(Simulation::new(seed, settings).await);
        workload::delete_the_bus(&sim);
        let reader = StreamReader::new(sim.embedded.clone(), TABLE, None);
        let relaying = tokio::task::spawn_local(workload::relay(sim.clone(), reader));
        // As many invocations at once as `template.yaml` allows.
        let acting = [0, 1].map(|_| tokio::task::spawn_local(workload::act(sim.clone())));
        workload::run(&sim).await;
        sim.over.set(true);
        let reader = relaying.await.expect("the relay's mapping");
        for acting in acting {
            acting.await.expect("the actions' mapping");
        }
        let mut violations = Vec::new();
        invariants::published_in_order_or_a_letter(&sim, &mut violations);
        workload::quiesce(&sim, reader).await;
        invariants::everything_is_published(&sim, &mut violations);
        invariants::each_order_is_delivered_once(&sim, &mut violations);
        invariants::each_comment_is_added_once(&sim, &mut violations);
        invariants::the_last_message_is_the_head(&sim, &mut violations).await;
        invariants::digits_are_kept(&sim, &mut violations);
        invariants::accepted_messages_are_published(&sim, &mut violations).await;
        sim.result(violations)
    })
}

impl Simulation {
    async fn new(seed: u64, settings: &Settings) -> Self {
        let rng = &mut Rng::with_seed(seed ^ FALSEHOODS);
        let falsehoods = settings.draw(rng, Side::Outbound);
        let clock = virtual_clock("2026-03-02T08:00:00Z".parse().expect("a time stamp"));
        let faults = Faults::draw();
        let embedded = Embedded::in_memory().expect("a database in memory");
        let looking = client(&embedded.config());
        ledger::create_table(&looking, TABLE).await.expect("a table");
        let messaging = Messaging::new(clock.clone());
        let (bus, sqs) = (messaging.eventbridge_with(faults.planner()), messaging.sqs_with(faults.planner()));
        // The SDK's retry quota is shared by all clients of a process, and would let one world decide about another's.
        let partition = || RetryPartition::custom("world").token_bucket(TokenBucket::new(500)).build();
        let bus =
            aws_sdk_eventbridge::Client::from_conf(bus.config().to_builder().retry_partition(partition()).build());
        let sqs = aws_sdk_sqs::Client::from_conf(sqs.config().to_builder().retry_partition(partition()).build());

        let connections = Connections::parse(CONNECTIONS).expect("valid connections");
        let connections = ConnectionStore::open(ConnectionSource::Fixed(connections)).await.expect("connections");
        let base = Deps {
            ledger: Ledger::new(client(&embedded.config_with(faults.planner())), TABLE, Retention::default()),
            connections: Arc::new(connections),
            clock: clock.clone(),
            metrics: Metrics::off(),
            refusals: Refusals::default(),
        };
        let shop: SharedShop = Arc::new(Mutex::new(Shop::new(shop_config_of(&falsehoods))));
        let found = shop.clone();
        let latency = || (Duration::from_millis(fastrand::u64(1..300)), Duration::from_millis(fastrand::u64(1..300)));
        let transport = Arc::new(InProcess::new(move |_| Some(found.clone()), clock.clone(), latency));
        let relay = RelayDeps {
            ledger: base.ledger.clone(),
            bus: EventBus::new(bus, BUS),
            dead_letters: DeadLetters { client: sqs.clone(), queue_url: queue_url(EVENT_DEAD_LETTERS) },
            published: PublicationLog::new(base.ledger.clone(), clock.clone()),
            limits: Limits { attempts: pick(&[2, 6]), ..Limits::default() },
            metrics: Metrics::off(),
        };
        let actions = ActionsDeps {
            base,
            transport: Arc::new(FaultyTransport {
                network: transport,
                shop: shop.clone(),
                processes: faults::processes(&falsehoods),
                faults: faults.clone(),
            }),
            policy: RetryPolicy::default(),
            queues: sqs,
            dead_letter_queue_url: queue_url(ACTIONS_DEAD_LETTERS),
        };
        let sim = Self {
            falsehoods,
            faults: faults.clone(),
            clock,
            embedded,
            ledger: Ledger::new(looking, TABLE, Retention::default()),
            messaging,
            shop,
            relay,
            actions,
            recorded: RefCell::default(),
            relayed: RefCell::default(),
            wanted: RefCell::default(),
            comments: RefCell::default(),
            last: RefCell::default(),
            tracking_codes: RefCell::default(),
            messages: RefCell::default(),
            names: Cell::new(0),
            over: Cell::new(false),
            killed: Cell::new(0),
        };
        sim.messaging.refuse(move |entry| {
            let detail = entry["Detail"].as_str().unwrap_or_default();
            if detail.contains("item-save/refused/") && detail.contains(r#"/2","connection""#) {
                return Some("MalformedDetail");
            }
            (!faults.are_over() && percent(faults.entries)).then(|| pick(&["ThrottlingException", "InternalFailure"]))
        });
        if percent(30) {
            sim.messaging.limit_requests(1_500);
        }
        sim
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn name(&self, kind: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{kind}-{}", self.names.get())
    }

    async fn record(&self, document: &DocumentKey, body: &str) {
        let appended =
            self.ledger.append(&message(document, body.as_bytes(), self.now())).await.expect("a ledger without faults");
        self.recorded.borrow_mut().insert(document.event_id(appended.revision()));
        self.last.borrow_mut().insert(document.clone(), body.to_owned());
    }

    /// Runs an invocation, unless it is killed.
    async fn unless_killed<F: Future>(&self, invocation: F) -> Option<F::Output> {
        let answer = after_polls(self.faults.killed_after(), invocation).await;
        self.killed.set(self.killed.get() + usize::from(answer.is_none()));
        answer
    }

    fn event_letters(&self) -> BTreeSet<String> {
        let letters = self.messaging.messages(EVENT_DEAD_LETTERS);
        let letters = letters.iter().filter_map(|letter| serde_json::from_str::<Value>(&letter.body).ok());
        letters.filter_map(|letter| Some(letter["id"].as_str()?.to_owned())).collect()
    }

    fn published(&self) -> Vec<RevisionKey> {
        let ids =
            self.messaging.events().into_iter().filter_map(|event| RevisionKey::parse(event["detail"]["id"].as_str()?));
        ids.collect()
    }

    fn result(&self, violations: Vec<String>) -> OutboundResult {
        let published = self.published();
        OutboundResult {
            violations,
            falsehoods: self.falsehoods.iter().collect(),
            revisions: self.recorded.borrow().len(),
            repeats: published.len() - published.iter().map(RevisionKey::event_id).collect::<BTreeSet<_>>().len(),
            mails: lock(&self.shop).mails().iter().filter(|mail| mail.kind == MailKind::DeliveryConfirmation).count(),
            letters: self.messaging.messages(ACTIONS_DEAD_LETTERS).len(),
            killed: self.killed.get(),
        }
    }
}

/// The shop's behaviour in a world.
fn shop_config_of(falsehoods: &FalseAssumptions) -> ShopConfig {
    let shipped = if falsehoods.contains(Assumption::OtherWord) { "Toimitettu" } else { "Shipped" };
    ShopConfig { shipped, ..shop_config() }
}
