//! The simulated shop: the Webhooks extension with every documented behaviour, as a pure state machine.
//!
//! It opens no socket and reads no clock: a caller hands in the time and a request and carries the answer away, so an
//! HTTP server and a simulator with a virtual clock can drive the same shop. What the vendor documents is in
//! `docs/vendors/mycashflow.md`. Where the interface is undocumented, [`ShopConfig`] has a switch, or
//! the item here says what was chosen.

mod answer;
mod document;
mod model;
mod parameters;
mod switches;
mod timeline;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mycashflow::Order;
use smol_str::ToSmolStr;

use crate::orders;
use timeline::Timeline;

pub use model::{
    Breakage, ChangeStream, Comment, Hidden, Mail, MailKind, OutgoingPost, RequestLog, ShopFault, ShopRequest,
    ShopResponse, Via,
};
pub use switches::{Bound, Charset, Count, Lead, Process, ShopConfig, Sort};

/// The most orders that one `changes` answer holds (`docs/vendors/mycashflow.md`: always at most 100).
pub const PAGE_SIZE: usize = 100;

/// The simulated shop.
///
/// An order made up here ([`Shop::add_made_up`]) costs about 250 bytes until it is changed. One that a caller brings
/// ([`Shop::add_order`]), or that was changed, is kept whole, which is some 7 KB.
///
/// ```
/// use tilaussilta_sandbox_world::shop::{Shop, ShopConfig, ShopRequest, Via};
///
/// let mut shop = Shop::new(ShopConfig { key: "k".to_owned(), ..ShopConfig::default() });
/// let now = jiff::Timestamp::from_second(1_767_225_600)?;
/// let id = shop.add_made_up(now, 1, Via::Web);
/// let query = format!("order={id}&key=k");
/// let request = ShopRequest { method: "GET", path: "/webhooks/get", query: &query, content_type: None, body: b"" };
/// let answer = shop.handle(now, &request);
/// let page = mycashflow::read_page(&answer.body, Some(answer.content_type), &mycashflow::Limits::default())?;
/// assert_eq!(page.entries[0].id, Some(id));
/// assert_eq!(shop.take_outbox()[0].order, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Shop {
    config: ShopConfig,
    next_id: u64,
    orders: BTreeMap<u64, Entry>,
    created: Timeline,
    updated: Timeline,
    /// Commits not visible yet, by the time they become so and then by the order they were made in.
    pending: BTreeMap<(Timestamp, u64), Commit>,
    commits: u64,
    visible_after: SignedDuration,
    outbox: Vec<(u64, Content)>,
    faults: VecDeque<(ShopFault, u32)>,
    poisoned: BTreeSet<u64>,
    unreadable: BTreeMap<u64, Breakage>,
    hidden: BTreeMap<u64, Hidden>,
    mails: Vec<Mail>,
    comments: BTreeMap<u64, Vec<Comment>>,
    tracking_codes: BTreeMap<u64, String>,
    log: RequestLog,
}

/// An order's content: made up again from a seed when needed, or kept. Cheap to clone.
#[derive(Clone)]
enum Content {
    MadeUp(u64),
    Kept(Arc<Order>),
}

struct Entry {
    created: i64,
    first: Content,
    latest: Content,
    shown: Option<Shown>,
    /// When the last commit becomes visible: a later one never does so before it.
    visible_at: Timestamp,
}

/// What clients see of an order.
struct Shown {
    content: Content,
    updated: Option<i64>,
}

struct Commit {
    id: u64,
    shown: Shown,
}

impl Shop {
    /// A shop without orders; its first order gets number 1.
    pub fn new(config: ShopConfig) -> Self {
        Self {
            config,
            next_id: 1,
            orders: BTreeMap::new(),
            created: Timeline::default(),
            updated: Timeline::default(),
            pending: BTreeMap::new(),
            commits: 0,
            visible_after: SignedDuration::ZERO,
            outbox: Vec::new(),
            faults: VecDeque::new(),
            poisoned: BTreeSet::new(),
            unreadable: BTreeMap::new(),
            hidden: BTreeMap::new(),
            mails: Vec::new(),
            comments: BTreeMap::new(),
            tracking_codes: BTreeMap::new(),
            log: RequestLog::default(),
        }
    }

    /// Changes the shop's behaviour from now on.
    pub fn configure(&mut self, change: impl FnOnce(&mut ShopConfig)) {
        change(&mut self.config);
    }

    /// Takes an order in at `now` and returns the id that it got, which is its number too. Its id, number and time of
    /// creation are overwritten.
    pub fn add_order(&mut self, now: Timestamp, order: Order, via: Via) -> u64 {
        self.add_order_dated(now, now, order, via)
    }

    /// Takes in at `now` an order that says it was made at another time: back-dated, or dated in the future.
    pub fn add_order_dated(&mut self, now: Timestamp, made_at: Timestamp, mut order: Order, via: Via) -> u64 {
        order.order_number = Some(self.next_id.to_smolstr());
        self.stamp(&mut order, self.next_id, made_at.as_second());
        self.add(now, made_at.as_second(), Content::Kept(Arc::new(order)), via)
    }

    /// Takes in the order that [`orders::made_up`] makes of `seed` and the id it gets. It takes little memory.
    pub fn add_made_up(&mut self, now: Timestamp, seed: u64, via: Via) -> u64 {
        self.add(now, now.as_second(), Content::MadeUp(seed), via)
    }

    /// Leaves out the next `count` order ids, as an abandoned checkout does.
    pub fn skip_ids(&mut self, count: u64) {
        self.number_next(self.next_id + count);
    }

    /// Gives the next order this id, or the first one after it that no order has.
    pub fn number_next(&mut self, id: u64) {
        self.next_id = (id..).find(|id| !self.orders.contains_key(id)).unwrap_or(id);
    }

    /// Deletes an order as if it had never been: neither `get` nor `changes` shows it any more. Returns whether there was
    /// such an order.
    pub fn delete(&mut self, id: u64) -> bool {
        let Some(entry) = self.orders.remove(&id) else { return false };
        self.pending.retain(|_, commit| commit.id != id);
        self.created.remove(entry.created, id);
        if let Some(second) = entry.shown.and_then(|shown| shown.updated) {
            self.updated.remove(second, id);
        }
        true
    }

    /// Changes an order at `now`; its id and time of creation stay. Returns whether there is such an order.
    pub fn update_order(&mut self, now: Timestamp, id: u64, change: impl FnOnce(&mut Order)) -> bool {
        let Some(entry) = self.orders.get(&id) else { return false };
        let created = entry.created;
        let mut order = self.read(id, created, &entry.latest);
        change(&mut order);
        self.stamp(&mut order, id, created);
        self.commit_later(now, id, Content::Kept(Arc::new(order)), Some(now.as_second()));
        true
    }

    /// Changes many orders in the same second, as a bulk delivery does. Returns how many of them there are.
    pub fn update_many(
        &mut self,
        now: Timestamp,
        ids: impl IntoIterator<Item = u64>,
        mut change: impl FnMut(&mut Order),
    ) -> usize {
        ids.into_iter().filter(|id| self.update_order(now, *id, &mut change)).count()
    }

    /// Lets what is written from now on become visible only `delay` after its own time stamp, like a transaction that
    /// commits late. Until then `get`, `changes` and `send` show the state before it. The order's POST does not wait.
    pub fn set_visible_after(&mut self, delay: SignedDuration) {
        self.visible_after = delay;
    }

    /// The POSTs due since the last call, in their order: one for each order from the web, one for each `send`.
    pub fn take_outbox(&mut self) -> Vec<OutgoingPost> {
        let due = std::mem::take(&mut self.outbox);
        due.into_iter()
            .filter_map(|(id, content)| {
                let order = self.read(id, self.orders.get(&id)?.created, &content);
                let body = self.posted_document(&order);
                Some(OutgoingPost { order: id, content_type: self.config.charset.content_type(), body })
            })
            .collect()
    }

    /// An order in its latest state, whether that is visible to clients yet or not.
    pub fn order(&self, id: u64) -> Option<Arc<Order>> {
        let entry = self.orders.get(&id)?;
        Some(match &entry.latest {
            Content::Kept(order) => Arc::clone(order),
            Content::MadeUp(_) => Arc::new(self.read(id, entry.created, &entry.latest)),
        })
    }

    /// An order as clients can see it now, wherever it may be left out.
    pub fn visible(&self, id: u64) -> Option<Order> {
        self.shown(id)
    }

    /// How an order's XML is broken.
    pub fn breakage(&self, id: u64) -> Option<Breakage> {
        self.unreadable.get(&id).copied()
    }

    /// Every order in its latest state, by id.
    pub fn orders(&self) -> impl Iterator<Item = Arc<Order>> {
        self.orders.keys().filter_map(|id| self.order(*id))
    }

    /// How many orders there are, visible to clients yet or not.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether there are no orders.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// The requests counted so far.
    pub fn log(&self) -> &RequestLog {
        &self.log
    }

    /// The mails sent to customers, oldest first.
    pub fn mails(&self) -> &[Mail] {
        &self.mails
    }

    /// The comments added to an order, oldest first.
    pub fn comments(&self, id: u64) -> &[Comment] {
        self.comments.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The tracking code that the last `deliver` of the order gave. The order's XML has no place for it.
    pub fn tracking_code(&self, id: u64) -> Option<&str> {
        self.tracking_codes.get(&id).map(String::as_str)
    }

    /// Plays `fault` on the next `times` requests, after those already planned.
    pub fn fail_next(&mut self, fault: ShopFault, times: u32) {
        if times > 0 {
            self.faults.push_back((fault, times));
        }
    }

    /// Lets every `get` and `changes` answer that would hold the order fail with status 500, until [`Shop::heal`].
    pub fn poison(&mut self, order: u64) {
        self.poisoned.insert(order);
    }

    /// Breaks the order's XML wherever it is written, until [`Shop::heal`].
    pub fn unreadable(&mut self, order: u64, breakage: Breakage) {
        self.unreadable.insert(order, breakage);
    }

    /// Leaves the order out of answers, until [`Shop::heal`].
    pub fn hide(&mut self, order: u64, hidden: Hidden) {
        self.hidden.insert(order, hidden);
    }

    /// Undoes [`Shop::poison`], [`Shop::unreadable`] and [`Shop::hide`].
    pub fn heal(&mut self, order: u64) {
        self.poisoned.remove(&order);
        self.unreadable.remove(&order);
        self.hidden.remove(&order);
    }

    fn add(&mut self, now: Timestamp, created: i64, content: Content, via: Via) -> u64 {
        let id = self.next_id;
        self.number_next(id + 1);
        if via == Via::Web {
            self.outbox.push((id, content.clone()));
        }
        let entry = Entry { created, first: content.clone(), latest: content.clone(), shown: None, visible_at: now };
        self.orders.insert(id, entry);
        self.commit_later(now, id, content, self.config.creation_updates.then_some(now.as_second()));
        id
    }

    fn commit_later(&mut self, now: Timestamp, id: u64, content: Content, updated: Option<i64>) {
        let Some(entry) = self.orders.get_mut(&id) else { return };
        entry.latest = content.clone();
        entry.visible_at = entry.visible_at.max(now + self.visible_after);
        self.commits += 1;
        let shown = Shown { content, updated };
        self.pending.insert((entry.visible_at, self.commits), Commit { id, shown });
        self.settle(now);
    }

    /// Makes visible what is due by `now`.
    fn settle(&mut self, now: Timestamp) {
        while let Some(next) = self.pending.first_entry()
            && next.key().0 <= now
        {
            let Commit { id, shown } = next.remove();
            let Some(entry) = self.orders.get_mut(&id) else { continue };
            match &entry.shown {
                None => self.created.insert(entry.created, id),
                Some(before) => {
                    if let Some(second) = before.updated {
                        self.updated.remove(second, id);
                    }
                }
            }
            if let Some(second) = shown.updated {
                self.updated.insert(second, id);
            }
            entry.shown = Some(shown);
        }
    }

    /// The order as clients see it.
    fn shown(&self, id: u64) -> Option<Order> {
        let entry = self.orders.get(&id)?;
        Some(self.read(id, entry.created, &entry.shown.as_ref()?.content))
    }

    fn read(&self, id: u64, created: i64, content: &Content) -> Order {
        match content {
            Content::Kept(order) => Order::clone(order),
            Content::MadeUp(seed) => {
                let mut order = orders::made_up(*seed, id);
                self.stamp(&mut order, id, created);
                order
            }
        }
    }

    fn stamp(&self, order: &mut Order, id: u64, created: i64) {
        order.id = id;
        order.created_at = Timestamp::from_second(created).ok();
        order.created_at_local = order
            .created_at
            .map(|instant| mycashflow::time_zone().to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S").to_smolstr());
    }
}

#[cfg(test)]
mod tests;
