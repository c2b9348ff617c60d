//! The state of a simulated world that its actors share: the shop, the ledger, the model.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::types::StreamSpecification;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use cloud::embedded::Embedded;
use connections::{ConnectionSource, ConnectionStore, Connections, Secret, ShopConnection};
use jiff::Timestamp;
use ledger::{Ledger, Retention};
use platform::{Clock, Deps, Metrics, Refusals};
use tokio::task::JoinHandle;
use world::in_process::SharedShop;
use world::shop::Shop;

use super::assumptions::Assumption;
use super::faults::Faults;
use super::model::Model;
use super::plan::Plan;
use super::trace::Trace;
use super::transport::Network;
use super::{SimulationResult, Size};
use harness::{PUSH_KEY, SHOP_KEY, TABLE, virtual_clock};

/// The shop's name.
pub(super) const SHOP: &str = "acme";
/// How long before the world's beginning the poll begins.
pub(super) const START_BEFORE: Duration = Duration::from_secs(2 * 60 * 60);
/// More than enough to bring a call without latency to its end.
const ASK_POLLS: u32 = 10_000;
/// More violations than this of one world say nothing new.
const VIOLATIONS_KEPT: usize = 10;

/// A simulated world.
pub(super) struct Simulation {
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) trace: Trace,
    pub(super) faults: Arc<Faults>,
    pub(super) shop: SharedShop,
    pub(super) network: Arc<Network>,
    /// What the functions work with.
    pub(super) deps: Deps,
    /// The same ledger, for questions that take no time and meet no fault.
    ledger: Ledger,
    /// The orders of which something was written since the model last looked.
    pub(super) written: Arc<Mutex<BTreeSet<u64>>>,
    pub(super) model: RefCell<Model>,
    violations: RefCell<Vec<String>>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    names: Cell<u32>,
}

impl Simulation {
    pub(super) async fn new(plan: Plan, traced: bool) -> Self {
        let clock = virtual_clock(plan.begin);
        let trace = Trace::new(clock.clone(), traced);
        let faults = Faults::new(&plan);
        let shop: SharedShop = Arc::new(Mutex::new(Shop::new(plan.shop.clone())));
        let cached = plan.falsehoods.contains(Assumption::CachedAnswers);
        let network = Network {
            shop: shop.clone(),
            config: plan.shop.clone(),
            faults: faults.clone(),
            clock: clock.clone(),
            trace: trace.clone(),
            cache: cached.then(Mutex::default),
        };
        let embedded = Embedded::in_memory().expect("a database in memory");
        let fault_free = client(&embedded.config());
        ledger::create_table(&fault_free, TABLE).await.expect("a table");
        stop_stream(&fault_free).await;
        let written: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
        let config = embedded.watched_config(note_written(written.clone()), faults.planner(trace.clone()));
        let connections =
            ConnectionStore::open(ConnectionSource::Fixed(connections(&plan))).await.expect("connections");
        let deps = Deps {
            ledger: Ledger::new(client(&config), TABLE, Retention::default()),
            connections: Arc::new(connections),
            clock: clock.clone(),
            metrics: Metrics::off(),
            refusals: Refusals::default(),
        };
        trace.note(|| format!("{plan:?}"));
        Self {
            plan,
            clock,
            trace,
            faults,
            shop,
            network: Arc::new(network),
            deps,
            ledger: Ledger::new(fault_free, TABLE, Retention::default()),
            written,
            model: RefCell::default(),
            violations: RefCell::default(),
            tasks: RefCell::default(),
            names: Cell::new(0),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Asks the ledger at this very moment: nothing else happens in the world meanwhile.
    pub(super) fn ask_ledger<'w, T>(
        &'w self,
        question: impl AsyncFnOnce(&'w Ledger) -> Result<T, ledger::LedgerError>,
    ) -> T {
        // Such a call waits for nothing but itself: a page's stream hands over, and Tokio's budget makes a long one pause.
        let mut asking = pin!(tokio::task::unconstrained(question(&self.ledger)));
        let mut context = Context::from_waker(Waker::noop());
        let answer = (0..ASK_POLLS).find_map(|_| match asking.as_mut().poll(&mut context) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        });
        answer.expect("a call without latency").expect("a call without faults")
    }

    /// Starts an actor.
    pub(super) fn spawn(&self, actor: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().push(tokio::task::spawn_local(actor));
    }

    /// Waits until every actor has ended, those that they started included.
    pub(super) async fn join_all(&self) {
        loop {
            let Some(task) = self.tasks.borrow_mut().pop() else { return };
            if let Err(panicked) = task.await {
                self.violation(format!("an actor panicked: {panicked}"));
            }
        }
    }

    /// A name that is unique in this world.
    pub(super) fn name(&self, kind: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{kind}-{}", self.names.get())
    }

    /// Reports that an invariant does not hold.
    pub(super) fn violation(&self, what: String) {
        self.trace.note(|| format!("VIOLATION: {what}"));
        let mut violations = self.violations.borrow_mut();
        if violations.len() < VIOLATIONS_KEPT {
            violations.push(what);
        }
    }

    pub(super) fn result(&self) -> SimulationResult {
        let model = self.model.borrow();
        SimulationResult {
            violations: self.violations.borrow().clone(),
            falsehoods: self.plan.falsehoods.iter().collect(),
            trace: self.trace.lines(),
            size: Size {
                orders: model.orders.len(),
                revisions: model.revisions,
                runs: model.runs,
                requests: model.requests,
            },
        }
    }

    /// Starts an actor that shares this world.
    pub(super) fn spawn_with<F: Future<Output = ()> + 'static>(self: &Rc<Self>, actor: impl FnOnce(Rc<Self>) -> F) {
        self.spawn(actor(Rc::clone(self)));
    }
}

/// The functions' client with a retry quota of its own: the SDK's is shared by all clients of a process, and would let one
/// world's faults decide about another's retries. It signs nothing, since nobody verifies it: that is a tenth of a call.
pub(super) fn client(config: &aws_types::SdkConfig) -> aws_sdk_dynamodb::Client {
    let partition = RetryPartition::custom("world").token_bucket(TokenBucket::new(500)).build();
    let config = platform::dynamodb_client(config).config().to_builder().retry_partition(partition);
    aws_sdk_dynamodb::Client::from_conf(
        config.allow_no_auth().auth_scheme_preference([AuthSchemeId::from("noAuth")]).build(),
    )
}

/// Switches the table's stream off: nobody reads it in a world of the poll, and to record it is a tenth of a write.
async fn stop_stream(client: &aws_sdk_dynamodb::Client) {
    let off = StreamSpecification::builder().stream_enabled(false).build().expect("a complete specification");
    client.update_table().table_name(TABLE).stream_specification(off).send().await.expect("a table with a stream");
}

/// Notes the orders that a call to the database writes something of.
fn note_written(written: Arc<Mutex<BTreeSet<u64>>>) -> impl Fn(&str, &str, &str) {
    let prefix = format!("mycashflow#{SHOP}#order#");
    move |operation, request, _| {
        if matches!(operation, "GetItem" | "BatchGetItem" | "Query") {
            return;
        }
        let keys = request.match_indices(&prefix).filter_map(|(at, _)| {
            let rest = &request[at + prefix.len()..];
            rest[..rest.find('"')?].parse::<u64>().ok()
        });
        written.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }
}

fn connections(plan: &Plan) -> Connections {
    let shop = ShopConnection {
        url: "http://acme.invalid".parse().expect("an address"),
        key: Secret::new(SHOP_KEY),
        push_keys: vec![Secret::new(PUSH_KEY)],
        start: Some(plan.begin - START_BEFORE),
    };
    Connections { shops: BTreeMap::from([(SHOP.to_owned(), shop)]), ..Connections::default() }
}
