//! A world: the shop, the ledger, and all that the actors share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use cloud::embedded::Embedded;
use connections::{ConnectionSource, ConnectionStore, Connections, Secret, ShopConnection};
use jiff::Timestamp;
use ledger::{Ledger, Retention};
use platform::{Clock, Deps, Metrics};
use tokio::task::JoinHandle;
use world::in_process::{InProcess, SharedShop};
use world::shop::Shop;

use super::chronicle::Chronicle;
use super::plan::Plan;
use super::trace::Trace;
use super::weather::Weather;
use super::{Outcome, Size};
use harness::{PUSH_KEY, SHOP_KEY, TABLE, virtual_clock};

/// The shop's name.
pub(super) const SHOP: &str = "acme";
/// How long before the world's beginning the poll begins.
const START_BEFORE: Duration = Duration::from_secs(2 * 60 * 60);
/// More than enough to bring a call without latency to its end.
const LOOK_POLLS: u32 = 10_000;
/// Further violations than so many tell nothing new.
const VIOLATIONS_KEPT: usize = 10;

/// A world.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) trace: Trace,
    pub(super) weather: Arc<Weather>,
    pub(super) shop: SharedShop,
    pub(super) way: Arc<InProcess>,
    /// What the functions work with.
    pub(super) deps: Deps,
    /// The same ledger for a look that takes no time and meets no fault.
    ledger: Ledger,
    pub(super) chronicle: RefCell<Chronicle>,
    violations: RefCell<Vec<String>>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    names: Cell<u32>,
}

impl World {
    pub(super) async fn new(plan: Plan, traced: bool) -> Self {
        let clock = virtual_clock(plan.begin);
        let trace = Trace::new(clock.clone(), traced);
        let weather = Weather::new(&plan);
        let shop: SharedShop = Arc::new(Mutex::new(Shop::new(plan.shop.clone())));
        let way = {
            let (shop, weather) = (shop.clone(), weather.clone());
            InProcess::new(move |_| Some(shop.clone()), clock.clone(), move || weather.shop_latency())
        };
        let embedded = Embedded::in_memory().expect("a database in memory");
        let looking = platform::dynamodb_client(&embedded.config());
        ledger::create_table(&looking, TABLE).await.expect("a table");
        let client = apart(&platform::dynamodb_client(&embedded.config_with(weather.planner(trace.clone()))));
        let connections =
            ConnectionStore::open(ConnectionSource::Fixed(connections(&plan))).await.expect("connections");
        let deps = Deps {
            ledger: Ledger::new(client, TABLE, Retention::default()),
            connections: Arc::new(connections),
            clock: clock.clone(),
            metrics: Metrics::off(),
        };
        trace.note(|| format!("{plan:?}"));
        Self {
            plan,
            clock,
            trace,
            weather,
            shop,
            way: Arc::new(way),
            deps,
            ledger: Ledger::new(looking, TABLE, Retention::default()),
            chronicle: RefCell::default(),
            violations: RefCell::default(),
            tasks: RefCell::default(),
            names: Cell::new(0),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Looks something up in the ledger, at this very moment: nothing else happens in the world meanwhile.
    pub(super) fn look<'w, T>(&'w self, question: impl AsyncFnOnce(&'w Ledger) -> Result<T, ledger::LedgerError>) -> T {
        // Such a call waits for nothing but itself: a page's stream hands over, and Tokio's budget makes a long one pause.
        let mut looking = pin!(tokio::task::unconstrained(question(&self.ledger)));
        let mut context = Context::from_waker(Waker::noop());
        let answer = (0..LOOK_POLLS).find_map(|_| match looking.as_mut().poll(&mut context) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        });
        answer.expect("a call without latency").expect("a call without faults")
    }

    /// Lets an actor go its way.
    pub(super) fn spawn(&self, actor: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().push(tokio::task::spawn_local(actor));
    }

    /// Waits until every actor is done, those that they sent out included.
    pub(super) async fn rest(&self) {
        loop {
            let Some(task) = self.tasks.borrow_mut().pop() else { return };
            if let Err(panicked) = task.await {
                self.violation(format!("something panicked: {panicked}"));
            }
        }
    }

    /// A name that nothing else in this world has.
    pub(super) fn name(&self, kind: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{kind}-{}", self.names.get())
    }

    /// Notes that something is wrong.
    pub(super) fn violation(&self, what: String) {
        self.trace.note(|| format!("VIOLATION: {what}"));
        let mut violations = self.violations.borrow_mut();
        if violations.len() < VIOLATIONS_KEPT {
            violations.push(what);
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        let chronicle = self.chronicle.borrow();
        Outcome {
            violations: self.violations.borrow().clone(),
            trace: self.trace.lines(),
            size: Size {
                orders: chronicle.orders.len(),
                revisions: chronicle.revisions,
                runs: chronicle.runs,
                requests: chronicle.requests,
            },
        }
    }

    /// An actor that has the world for itself.
    pub(super) fn send_out<F: Future<Output = ()> + 'static>(self: &Rc<Self>, actor: impl FnOnce(Rc<Self>) -> F) {
        self.spawn(actor(Rc::clone(self)));
    }
}

/// The client with a retry quota of its own: the SDK's is shared by all clients of a process, and would let one world's
/// faults decide about another's retries.
fn apart(client: &aws_sdk_dynamodb::Client) -> aws_sdk_dynamodb::Client {
    let partition = RetryPartition::custom("world").token_bucket(TokenBucket::new(500)).build();
    aws_sdk_dynamodb::Client::from_conf(client.config().to_builder().retry_partition(partition).build())
}

fn connections(plan: &Plan) -> Connections {
    let shop = ShopConnection {
        url: "http://acme.invalid".parse().expect("an address"),
        key: Secret::new(SHOP_KEY),
        push_keys: vec![Secret::new(PUSH_KEY)],
        start: Some(plan.begin - START_BEFORE),
    };
    Connections { shops: BTreeMap::from([(SHOP.to_owned(), shop)]), manu: BTreeMap::new() }
}
