//! The ways out, in worlds of their own: revisions go through the relay to the bus, a dispatch's event through the bridge
//! to the shop, and messages of several senders to the same orders, while calls fail, answers are lost, requests arrive
//! late, and functions are killed anywhere.
//!
//! A world of the poll would carry thousands of revisions through the relay that ask nothing new of it; these are small,
//! so that there can be many.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use cloud::embedded::{CallFault, CallPlan, Embedded, Planner};
use cloud::mappings::{QUEUE_BATCH, StreamReader};
use cloud::messaging::{
    ACTIONS, ACTIONS_DEAD_LETTERS, BUS, EVENT_DEAD_LETTERS, MAX_RECEIVES, Messaging, VISIBILITY, queue_url,
};
use connections::{ConnectionSource, ConnectionStore, Connections};
use event_relay::{DeadLetters, EventBus, Limits, RelayDeps};
use jiff::Timestamp;
use ledger::{DocumentKey, Ledger, Retention, RevisionKey};
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, Order, RetryPolicy, Transport, TransportError, write_order};
use platform::{Clock, Deps, Metrics};
use serde_json::{Value, json};
use shop_actions::ActionsDeps;
use tokio::task::LocalSet;
use tokio::time::Instant;
use world::in_process::{InProcess, SharedShop, lock};
use world::shop::{MailKind, Shop, Via};

use super::plan::{percent, pick};
use super::runs::after_polls;
use harness::{TABLE, message, shop_config, virtual_clock};

const CONNECTIONS: &str = r#"{
  "shops": { "acme": { "url": "http://acme.invalid", "key": "planted-shop-key-7731" } },
  "manu": { "acme": { "secrets": ["s"], "bridge": { "shop": "acme", "orders": "$.rows[*].order", "send_email": true } } }
}"#;

/// The orders of the shop.
const ORDERS: u64 = 5;
/// The time that Lambda gives the two functions, as in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long a mapping waits that has found nothing.
const IDLE: Duration = Duration::from_secs(15);
/// A message is received every [`VISIBILITY`], and its limit of times; so many rounds of an hour are more than enough.
const LAST_ROUNDS: u32 = 24;

/// What came of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaysOut {
    /// What was found to be wrong; nothing when all is well.
    pub violations: Vec<String>,
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

/// What goes wrong in a world, and how often.
struct Trouble {
    calm: AtomicBool,
    /// Of a thousand calls of AWS services.
    calls: u32,
    /// Of a hundred requests to the shop.
    requests: u32,
    /// Of a hundred entries.
    entries: u32,
    /// Of a hundred invocations, how many are killed.
    kills: u32,
}

impl Trouble {
    fn draw() -> Arc<Self> {
        Arc::new(Self {
            calm: AtomicBool::new(false),
            calls: pick(&[0, 20, 120, 300]),
            requests: pick(&[0, 10, 40]),
            entries: pick(&[0, 5, 40]),
            kills: pick(&[0, 20, 50]),
        })
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    fn planner(self: &Arc<Self>) -> Planner {
        use CallFault::{AnswerLost, Failed, NotSent, Throttled};
        let trouble = self.clone();
        Arc::new(move |_| {
            let fails = !trouble.is_calm() && fastrand::u32(0..1_000) < trouble.calls;
            let fault = fails.then(|| pick(&[Throttled, Failed, NotSent, AnswerLost, AnswerLost]));
            CallPlan { latency: Duration::from_millis(fastrand::u64(1..20)), fault }
        })
    }

    /// At which await an invocation is killed.
    fn fate(&self) -> u32 {
        let killed = !self.is_calm() && percent(self.kills);
        if killed { fastrand::u32(0..1 << fastrand::u32(0..9)) } else { u32::MAX }
    }
}

/// The way to the shop.
struct Way {
    shop: Arc<InProcess>,
    trouble: Arc<Trouble>,
}

impl Transport for Way {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let refused = |status| HttpResponse {
                status,
                date: None,
                content_type: None,
                retry_after: None,
                location: None,
                body: "the shop cannot answer now".into(),
            };
            let fails = !self.trouble.is_calm() && percent(self.trouble.requests);
            match fastrand::u32(0..6) {
                _ if !fails => self.shop.send(request, timeout).await,
                0 => Err(TransportError::Connect { source: "nobody listens".into() }),
                1 => Ok(refused(429)),
                2 => Ok(refused(500)),
                3 => {
                    drop(self.shop.send(request, timeout).await);
                    Ok(refused(502))
                }
                4 => {
                    drop(self.shop.send(request, timeout).await);
                    Err(TransportError::Cut)
                }
                // It goes on without its client, and arrives up to a minute later.
                _ => {
                    let (shop, delay) = (self.shop.clone(), Duration::from_millis(fastrand::u64(0..60_000)));
                    tokio::task::spawn_local(async move {
                        tokio::time::sleep(delay).await;
                        drop(shop.send(request, timeout).await);
                    });
                    Err(TransportError::Timeout)
                }
            }
        })
    }
}

struct World {
    trouble: Arc<Trouble>,
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
    /// The orders that somebody wants delivered, each with the messages that say so.
    wanted: RefCell<BTreeMap<u64, Vec<String>>>,
    /// The comments that somebody wants added: the order and the text.
    comments: RefCell<Vec<(u64, String)>>,
    names: Cell<u32>,
    over: Cell<bool>,
    killed: Cell<usize>,
}

/// Plays the world of a seed, and tells what is wrong with it.
///
/// # Panics
/// When the machine refuses a runtime or a database in memory.
pub fn ways_out(seed: u64) -> WaysOut {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let world = Rc::new(World::new().await);
        let relaying = tokio::task::spawn_local(relay(world.clone()));
        // As many invocations at once as `template.yaml` allows.
        let acting = [0, 1].map(|_| tokio::task::spawn_local(act(world.clone())));
        live(&world).await;
        world.over.set(true);
        relaying.await.expect("the relay's mapping");
        for acting in acting {
            acting.await.expect("the actions' mapping");
        }
        let mut violations = Vec::new();
        published_in_order_or_a_letter(&world, &mut violations);
        settle(&world).await;
        everything_is_published(&world, &mut violations);
        each_order_is_delivered_once(&world, &mut violations);
        each_comment_is_added_once(&world, &mut violations);
        world.outcome(violations)
    })
}

impl World {
    async fn new() -> Self {
        let clock = virtual_clock("2026-03-02T08:00:00Z".parse().expect("a time stamp"));
        let trouble = Trouble::draw();
        let embedded = Embedded::in_memory().expect("a database in memory");
        let looking = platform::dynamodb_client(&embedded.config());
        ledger::create_table(&looking, TABLE).await.expect("a table");
        let messaging = Messaging::new(clock.clone());
        let (bus, sqs) = (messaging.eventbridge_with(trouble.planner()), messaging.sqs_with(trouble.planner()));
        // The SDK's retry quota is shared by all clients of a process, and would let one world decide about another's.
        let partition = || RetryPartition::custom("world").token_bucket(TokenBucket::new(500)).build();
        let client = platform::dynamodb_client(&embedded.config_with(trouble.planner()));
        let client =
            aws_sdk_dynamodb::Client::from_conf(client.config().to_builder().retry_partition(partition()).build());
        let bus =
            aws_sdk_eventbridge::Client::from_conf(bus.config().to_builder().retry_partition(partition()).build());
        let sqs = aws_sdk_sqs::Client::from_conf(sqs.config().to_builder().retry_partition(partition()).build());

        let connections = Connections::parse(CONNECTIONS).expect("valid connections");
        let connections = ConnectionStore::open(ConnectionSource::Fixed(connections)).await.expect("connections");
        let base = Deps {
            ledger: Ledger::new(client, TABLE, Retention::default()),
            connections: Arc::new(connections),
            clock: clock.clone(),
            metrics: Metrics::off(),
        };
        let shop: SharedShop = Arc::new(Mutex::new(Shop::new(shop_config())));
        let found = shop.clone();
        let latency = || (Duration::from_millis(fastrand::u64(1..300)), Duration::from_millis(fastrand::u64(1..300)));
        let way = Arc::new(InProcess::new(move |_| Some(found.clone()), clock.clone(), latency));
        let relay = RelayDeps {
            ledger: base.ledger.clone(),
            bus: EventBus::new(bus, BUS),
            dead_letters: DeadLetters { client: sqs.clone(), queue_url: queue_url(EVENT_DEAD_LETTERS) },
            limits: Limits { attempts: pick(&[2, 6]), ..Limits::default() },
            metrics: Metrics::off(),
        };
        let actions = ActionsDeps {
            base,
            transport: Arc::new(Way { shop: way, trouble: trouble.clone() }),
            policy: RetryPolicy::default(),
            queues: sqs,
            dead_letter_queue_url: queue_url(ACTIONS_DEAD_LETTERS),
        };
        let world = Self {
            trouble: trouble.clone(),
            clock,
            embedded,
            ledger: Ledger::new(looking, TABLE, Retention::default()),
            messaging,
            shop,
            relay,
            actions,
            recorded: RefCell::default(),
            wanted: RefCell::default(),
            comments: RefCell::default(),
            names: Cell::new(0),
            over: Cell::new(false),
            killed: Cell::new(0),
        };
        world.messaging.refuse(move |entry| {
            let detail = entry["Detail"].as_str().unwrap_or_default();
            if detail.contains("item-save/refused/") && detail.contains(r#"/2","connection""#) {
                return Some("MalformedDetail");
            }
            (!trouble.is_calm() && percent(trouble.entries)).then(|| pick(&["ThrottlingException", "InternalFailure"]))
        });
        if percent(30) {
            world.messaging.limit_requests(1_500);
        }
        world
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
    }

    /// Lets a function work, unless it is killed.
    async fn alive<F: Future>(&self, invocation: F) -> Option<F::Output> {
        let answer = after_polls(self.trouble.fate(), invocation).await;
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

    fn outcome(&self, violations: Vec<String>) -> WaysOut {
        let published = self.published();
        WaysOut {
            violations,
            revisions: self.recorded.borrow().len(),
            repeats: published.len() - published.iter().map(RevisionKey::event_id).collect::<BTreeSet<_>>().len(),
            mails: lock(&self.shop).mails().iter().filter(|mail| mail.kind == MailKind::DeliveryConfirmation).count(),
            letters: self.messaging.messages(ACTIONS_DEAD_LETTERS).len(),
            killed: self.killed.get(),
        }
    }
}

/// What happens in a world, for an hour or so.
async fn live(world: &Rc<World>) {
    for _ in 0..ORDERS {
        let order = Order { status: Some("Open".into()), ..Order::default() };
        let id = lock(&world.shop).add_order(world.now(), order, Via::Web);
        let body = lock(&world.shop).order(id).map(|order| write_order(&order)).unwrap_or_default();
        world.record(&DocumentKey::order("acme", id), &body).await;
    }
    for _ in 0..fastrand::u32(10..50) {
        tokio::time::sleep(Duration::from_millis(pick(&[0, 0, 300, 20_000, 120_000]))).await;
        let order = fastrand::u64(1..=ORDERS);
        match fastrand::u32(0..10) {
            0..5 => {
                let id = pick(&["a", "b", "refused"]);
                let note = "x".repeat(fastrand::usize(0..3_000));
                let body = json!({ "id": id, "note": note, "version": world.name("v") });
                world.record(&DocumentKey::manu("acme", "item-save", id), &body.to_string()).await;
            }
            5 => {
                let unreadable = format!("<Order id='900'><OrderStatus>{}", world.name("v"));
                world.record(&DocumentKey::order("acme", 900), &unreadable).await;
            }
            6 => {
                let id = world.name("dispatch");
                let body = json!({ "id": id, "rows": [{ "order": order }, { "order": order % ORDERS + 1 }] });
                let document = DocumentKey::manu("acme", "sales-dispatch-activate", &*id);
                world.record(&document, &body.to_string()).await;
                for order in [order, order % ORDERS + 1] {
                    world.wanted.borrow_mut().entry(order).or_default().push(document.event_id(1));
                }
            }
            7 | 8 => {
                let id = world.name("deliver");
                let message =
                    json!({ "id": id, "shop": "acme", "action": "deliver", "order": order, "send_email": true });
                for _ in 0..fastrand::u32(1..3) {
                    world.messaging.send(ACTIONS, message.to_string());
                }
                world.wanted.borrow_mut().entry(order).or_default().push(id);
            }
            _ => {
                let text = world.name("comment");
                let message = json!({ "shop": "acme", "action": "add_comment", "order": order, "message": text });
                for _ in 0..fastrand::u32(1..3) {
                    world.messaging.send(ACTIONS, message.to_string());
                }
                world.comments.borrow_mut().push((order, text));
            }
        }
    }
}

/// The stream's mapping: hands over batches, again and again, until all is over and the stream at its end.
async fn relay(world: Rc<World>) {
    let mut reader = StreamReader::new(world.embedded.clone(), TABLE, None);
    let mut rounds = 0;
    loop {
        if let Some((event, last)) = reader.next_batch(fastrand::usize(1..20)) {
            let request = event_relay::Request::read(event.clone()).expect("a batch of the stream");
            let deadline = Instant::now() + pick(&[TIMEOUT, TIMEOUT, Duration::from_secs(2)]);
            let answer = world.alive(event_relay::handle(&world.relay, request, deadline)).await;
            if let Some(Ok(answer)) = answer {
                reader.settle(&event, last, &answer);
            }
            // Lambda goes on for six hours; here it goes well from some time on.
            rounds += u32::from(world.over.get());
            if rounds > 100 {
                world.trouble.calm.store(true, Ordering::Relaxed);
            }
        } else if world.over.get() {
            return;
        } else {
            tokio::time::sleep(IDLE).await;
        }
    }
}

/// One of the queue's pollers, until all is over.
async fn act(world: Rc<World>) {
    while !world.over.get() {
        if !act_once(&world).await {
            tokio::time::sleep(IDLE).await;
        }
    }
}

/// One invocation with what is visible in the queue; answers whether there was anything.
async fn act_once(world: &World) -> bool {
    let Some(event) = world.messaging.receive_event(ACTIONS, QUEUE_BATCH) else { return false };
    let invocation = world.name("invocation");
    let deadline = Instant::now() + TIMEOUT;
    let answer = world.alive(shop_actions::handle(&world.actions, event.clone(), &invocation, deadline)).await;
    if let Some(answer) = answer {
        world.messaging.settle(ACTIONS, &event, &answer);
    }
    true
}

/// Lets the dust settle: the queue is worked off, at first with the troubles that there are, and the dead letters of the
/// relay are published when the bus takes everything.
async fn settle(world: &World) {
    for round in 0..LAST_ROUNDS {
        if round > 3 {
            world.trouble.calm.store(true, Ordering::Relaxed);
        }
        while act_once(world).await {}
        if world.messaging.messages(ACTIONS).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(VISIBILITY.as_secs().unsigned_abs() + 1)).await;
    }
    world.trouble.calm.store(true, Ordering::Relaxed);
    world.messaging.heal();
    let again = json!({ "republish": "dead-letters" });
    let request = event_relay::Request::read(again).expect("a documented event");
    event_relay::handle(&world.relay, request, Instant::now() + TIMEOUT).await.expect("a bus that takes everything");
}

/// No revision comes to the bus for the first time before an earlier one of its document, but for dead letters; and all
/// that did not come is one.
fn published_in_order_or_a_letter(world: &World, violations: &mut Vec<String>) {
    let letters = world.event_letters();
    let mut highest: BTreeMap<DocumentKey, u32> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for key in world.published() {
        if !seen.insert(key.event_id()) {
            continue;
        }
        let before = highest.insert(key.document.clone(), key.revision).unwrap_or(0);
        let between = (before + 1..key.revision).map(|revision| key.document.event_id(revision));
        for missing in between.filter(|id| !letters.contains(id)) {
            violations.push(format!("{} was published before {missing}", key.event_id()));
        }
        if key.revision < before {
            violations.push(format!("{} was published after revision {before}", key.event_id()));
        }
    }
    for id in world.recorded.borrow().iter().filter(|id| !seen.contains(*id) && !letters.contains(*id)) {
        violations.push(format!("{id} is neither published nor a dead letter"));
    }
}

/// At the end only what cannot be read is not on the bus, and its letters are still there.
fn everything_is_published(world: &World, violations: &mut Vec<String>) {
    let published: BTreeSet<String> = world.published().iter().map(RevisionKey::event_id).collect();
    let letters = world.event_letters();
    for id in world.recorded.borrow().iter() {
        let unreadable = id.starts_with("mycashflow/acme/order/900/");
        if published.contains(id) == unreadable || letters.contains(id) != unreadable {
            violations.push(format!(
                "{id} is published: {}, a letter: {}",
                published.contains(id),
                letters.contains(id)
            ));
        }
    }
}

/// Each order that somebody wants delivered is, with one mail; or every message that says so is a dead letter.
fn each_order_is_delivered_once(world: &World, violations: &mut Vec<String>) {
    let left = world.messaging.messages(ACTIONS).len();
    if left > 0 {
        violations.push(format!("{left} messages are still in the queue"));
    }
    let letters = world.messaging.messages(ACTIONS_DEAD_LETTERS);
    for letter in letters.iter().filter(|letter| letter.attribute("reason").is_none()) {
        if letter.receives() < MAX_RECEIVES {
            violations.push(format!("a letter says no reason: {}", letter.body));
        }
    }
    let shop = lock(&world.shop);
    for (order, messages) in world.wanted.borrow().iter() {
        let about = |mail: &&world::shop::Mail| mail.order == *order && mail.kind == MailKind::DeliveryConfirmation;
        let mails = shop.mails().iter().filter(about).count();
        let shipped = shop.order(*order).is_some_and(|order| order.status.as_deref() == Some("Shipped"));
        let given_up =
            messages.iter().all(|id| letters.iter().any(|letter| letter.body.contains(&format!("\"{id}\""))));
        if mails > 1 || shipped != (mails == 1) || (!shipped && !given_up) {
            violations.push(format!("order {order}: shipped: {shipped}, {mails} mails, for {messages:?}"));
        }
    }
}

/// Each comment is there once, or its message is a dead letter.
fn each_comment_is_added_once(world: &World, violations: &mut Vec<String>) {
    let letters = world.messaging.messages(ACTIONS_DEAD_LETTERS);
    let shop = lock(&world.shop);
    for (order, text) in world.comments.borrow().iter() {
        let added = shop.comments(*order).iter().filter(|comment| comment.message == *text).count();
        let letter = letters.iter().any(|letter| letter.body.contains(&format!("\"{text}\"")));
        if added > 1 || (added == 0 && !letter) {
            violations.push(format!("{text} stands at order {order} {added} times, and is a letter: {letter}"));
        }
    }
}
