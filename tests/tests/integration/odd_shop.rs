//! A shop that is not as assumed, for the poll: a few lines that answer as they are told, with a count of what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, Transport, TransportError};
use platform::Clock;

/// An order of the shop.
#[derive(Clone, Debug)]
pub(crate) struct OddOrder {
    pub(crate) made: i64,
    pub(crate) changed: i64,
    pub(crate) status: &'static str,
    /// Instead of `OrderedAt`.
    pub(crate) ordered_at: Option<&'static str>,
}

/// What `orders` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    Whole,
    PageOnly,
    Nothing,
}

/// How a page is sorted, and which orders are on it: the first of that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortedBy {
    Time,
    Id,
    NewestFirst,
}

type Hook = dyn Fn(&str, &str) -> Option<(u16, String)> + Send + Sync;

/// The shop, and its switches.
pub(crate) struct OddShop {
    pub(crate) orders: BTreeMap<u64, OddOrder>,
    pub(crate) page: usize,
    pub(crate) sorted: SortedBy,
    pub(crate) counts: Counts,
    /// Counted by `changes`, and not shown.
    pub(crate) hidden: BTreeSet<u64>,
    /// Not shown by `get`.
    pub(crate) not_by_number: BTreeSet<u64>,
    /// Whether a hidden order leaves its place on a page to another one.
    pub(crate) hides_first: bool,
    /// An order, and its second, that is made after so many pages of the created stream were shown.
    pub(crate) appears: Option<(usize, u64, i64)>,
    /// Nothing before this second is served, and `time_from` says so.
    pub(crate) oldest: i64,
    pub(crate) date_ahead: i64,
    /// Answers instead, by the action and the query.
    pub(crate) hook: Option<Box<Hook>>,
    /// The requests, each as its action and its query.
    pub(crate) asked: Vec<(String, String)>,
}

impl OddShop {
    pub(crate) fn new() -> Self {
        Self {
            orders: BTreeMap::new(),
            page: 100,
            sorted: SortedBy::Time,
            counts: Counts::Whole,
            hidden: BTreeSet::new(),
            not_by_number: BTreeSet::new(),
            hides_first: false,
            appears: None,
            oldest: i64::MIN,
            date_ahead: 0,
            hook: None,
            asked: Vec::new(),
        }
    }

    pub(crate) fn put(&mut self, id: u64, made: i64) {
        let order = OddOrder { made, changed: made, status: "Open", ordered_at: None };
        self.orders.insert(id, order);
    }

    pub(crate) fn change(&mut self, id: u64, at: i64, status: &'static str) {
        let order = self.orders.get_mut(&id).expect("an order of the shop");
        (order.changed, order.status) = (at, status);
    }

    fn answer(&mut self, action: &str, query: &[(String, String)]) -> (u16, String) {
        let values =
            |name: &'static str| query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
        if action == "changes" {
            let created: Option<i64> = values("created_after_ts").next().and_then(|after| after.parse().ok());
            let updated: Option<i64> = values("updated_after_ts").next().and_then(|after| after.parse().ok());
            return (200, self.changes(created.is_some(), created.or(updated).unwrap_or_default()));
        }
        if let Some(order) = values("order").next() {
            return match order.parse().ok().and_then(|id| Some((id, self.orders.get(&id)?))) {
                Some((id, order)) => (200, xml(id, order)),
                None => (404, "<error>no such order</error>".to_owned()),
            };
        }
        let ids = values("order_ids[]").filter_map(|id| id.parse::<u64>().ok());
        let ids = ids.filter(|id| !self.not_by_number.contains(id));
        let orders: String = ids.filter_map(|id| Some(xml(id, self.orders.get(&id)?))).collect();
        (200, format!("<Orders>{orders}</Orders>"))
    }

    fn changes(&self, created: bool, after: i64) -> String {
        let start = after.max(self.oldest);
        let second = |order: &OddOrder| if created { order.made } else { order.changed };
        let mut found: Vec<(u64, &OddOrder)> =
            self.orders.iter().filter(|(_, order)| second(order) >= start).map(|(id, order)| (*id, order)).collect();
        match self.sorted {
            SortedBy::Time => found.sort_by_key(|(id, order)| (second(order), *id)),
            SortedBy::Id => {}
            SortedBy::NewestFirst => found.sort_by_key(|(id, order)| std::cmp::Reverse((second(order), *id))),
        }
        let total = found.len();
        if self.hides_first {
            found.retain(|(id, _)| !self.hidden.contains(id));
        }
        found.truncate(self.page);
        let end = found.iter().map(|(_, order)| second(order)).max().unwrap_or(start);
        found.retain(|(id, _)| !self.hidden.contains(id));
        let count = match self.counts {
            Counts::Whole => format!(" orders=\"{total}\""),
            Counts::PageOnly => format!(" orders=\"{}\"", found.len()),
            Counts::Nothing => String::new(),
        };
        let orders: String = found.into_iter().map(|(id, order)| xml(id, order)).collect();
        format!("<Orders time_from=\"{start}\" time_to=\"{end}\"{count}>{orders}</Orders>")
    }
}

pub(crate) fn xml(id: u64, order: &OddOrder) -> String {
    let made = format!("<OrderedAt timestamp=\"{}\"/>", order.made);
    let (ordered_at, status) = (order.ordered_at.unwrap_or(&made), order.status);
    format!("<Order id=\"{id}\"><OrderNumber>{id}</OrderNumber>{ordered_at}<OrderStatus>{status}</OrderStatus></Order>")
}

/// The way to the shop.
#[derive(Clone)]
pub(crate) struct ToOddShop {
    shop: Arc<Mutex<OddShop>>,
    clock: Clock,
}

impl ToOddShop {
    pub(crate) fn new(shop: OddShop, clock: Clock) -> Self {
        Self { shop: Arc::new(Mutex::new(shop)), clock }
    }

    pub(crate) fn shop(&self) -> MutexGuard<'_, OddShop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for ToOddShop {
    fn send(&self, request: HttpRequest, _: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let action = request.url.path().rsplit('/').next().unwrap_or_default().to_owned();
            let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
            let text = request.url.query().unwrap_or_default().to_owned();
            let mut shop = self.shop();
            let other = shop.hook.as_ref().and_then(|hook| hook(&action, &text));
            let (status, body) = other.unwrap_or_else(|| shop.answer(&action, &query));
            shop.asked.push((action, text));
            let pages = shop.asked.iter().filter(|(_, query)| query.contains("created_after_ts")).count();
            if let Some((_, id, made)) = shop.appears.take_if(|(after, ..)| *after == pages) {
                shop.put(id, made);
            }
            let date = (self.clock)().as_second() + shop.date_ahead;
            Ok(HttpResponse {
                status,
                date: Timestamp::from_second(date).ok(),
                content_type: Some("text/xml; charset=utf-8".to_owned()),
                retry_after: None,
                location: None,
                body: body.into(),
            })
        })
    }
}
