//! How the shop answers a request.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use mycashflow::{LineKind, Order, SpanAttributes};

use super::parameters::Parameters;
use super::timeline::Timeline;
use super::{
    Bound, ChangeStream, Comment, Count, Hidden, Mail, MailKind, Process, Shop, ShopFault, ShopRequest, ShopResponse,
    Sort,
};

const XML: &str = "application/xml; charset=UTF-8";
const TEXT: &str = "text/plain; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";

#[derive(Clone, Copy)]
enum Action {
    Get,
    Changes,
    Send,
    Deliver,
    AddComment,
}

struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    /// The orders in `body`.
    orders: Vec<Order>,
}

impl Shop {
    /// Answers a request that arrives at `now`.
    ///
    /// | request | answer |
    /// | --- | --- |
    /// | wrong or missing `key` | 401 with a line of text (how the real shop refuses is unknown) |
    /// | unknown action, wrong method | 404, 405 with a line of text |
    /// | missing or unreadable parameter | 400 with an `<error>` document (unknown) |
    /// | one unknown order | 404 with an `<error>` document: two signs that clients have seen, in one |
    /// | several orders | those that exist, by id |
    /// | `send`, `process` | `<ok/>` (unknown) |
    pub fn handle(&mut self, now: Timestamp, request: &ShopRequest<'_>) -> ShopResponse {
        self.settle(now);
        let parameters = Parameters::of(request);
        let action = self.route(request, &parameters);
        self.count(action.as_ref().ok());
        let fault = self.next_fault();
        let mut answer = match fault {
            Some(ShopFault::Status(status) | ShopFault::RetryAfter(status, _)) => {
                Answer::text(status, "the shop cannot answer now")
            }
            Some(ShopFault::EmptyPage) => {
                Answer::new(200, XML, "<Orders time_from=\"0\" time_to=\"0\" orders=\"7\"></Orders>")
            }
            Some(ShopFault::Html) => Answer::new(200, HTML, "<!doctype html>\n<title>Huoltokatko</title>\n"),
            Some(ShopFault::Empty) => Answer::new(200, XML, ""),
            Some(ShopFault::ErrorDocument) => Answer::error(200, "the shop cannot answer now"),
            Some(ShopFault::Timeout | ShopFault::Cut) | None => match action {
                Ok(action) => self.act(now, action, &parameters),
                Err(refusal) => refusal,
            },
        };
        match fault {
            Some(ShopFault::Timeout) => answer = Answer::new(504, TEXT, ""),
            Some(ShopFault::Cut) => answer.body.truncate(answer.body.len() / 2),
            _ => {}
        }
        let retry_after = match fault {
            Some(ShopFault::RetryAfter(_, seconds)) => Some(Duration::from_secs(seconds.into())),
            _ => None,
        };
        let Answer { status, content_type, body, orders } = answer;
        let date = self.config.dated.then(|| now + self.config.date_skew);
        ShopResponse { status, content_type, date, retry_after, body, orders, fault }
    }

    fn route(&self, request: &ShopRequest<'_>, parameters: &Parameters) -> Result<Action, Answer> {
        let action = match request.path {
            "/webhooks/get" => Action::Get,
            "/webhooks/changes" => Action::Changes,
            "/webhooks/send" => Action::Send,
            "/webhooks/process" => match parameters.get("action") {
                Some("add_comment") => Action::AddComment,
                Some("deliver") => Action::Deliver,
                _ if request.method == "POST" => return Err(Answer::text(404, "no such action")),
                _ => return Err(Answer::text(405, "wrong method")),
            },
            _ => return Err(Answer::text(404, "no such action")),
        };
        let method = match action {
            Action::Get | Action::Changes | Action::Send => "GET",
            Action::Deliver | Action::AddComment => "POST",
        };
        if request.method != method {
            return Err(Answer::text(405, "wrong method"));
        }
        if parameters.get("key") != Some(&self.config.key) {
            return Err(Answer::text(401, "missing or wrong API key"));
        }
        Ok(action)
    }

    fn count(&mut self, action: Option<&Action>) {
        let counter = match action {
            Some(Action::Get) => &mut self.log.get,
            Some(Action::Changes) => &mut self.log.changes,
            Some(Action::Send) => &mut self.log.send,
            Some(Action::Deliver) => &mut self.log.deliver,
            Some(Action::AddComment) => &mut self.log.add_comment,
            None => &mut self.log.refused,
        };
        *counter += 1;
    }

    fn next_fault(&mut self) -> Option<ShopFault> {
        let (fault, times) = self.faults.front_mut()?;
        let fault = *fault;
        *times -= 1;
        if *times == 0 {
            self.faults.pop_front();
        }
        self.log.faults += 1;
        Some(fault)
    }

    fn act(&mut self, now: Timestamp, action: Action, parameters: &Parameters) -> Answer {
        let answer = match action {
            Action::Get => self.get(parameters),
            Action::Changes => self.changes(now, parameters),
            Action::Send => self.send(parameters),
            Action::Deliver => self.process(now, parameters, Self::deliver),
            Action::AddComment => self.process(now, parameters, Self::add_comment),
        };
        answer.unwrap_or_else(|error| error)
    }

    /// Does what `process` asks, and answers, as the switch says.
    fn process(
        &mut self,
        now: Timestamp,
        parameters: &Parameters,
        act: impl FnOnce(&mut Self, Timestamp, &Parameters) -> Result<Answer, Answer>,
    ) -> Result<Answer, Answer> {
        match self.config.process {
            Process::Plain => act(self, now, parameters),
            Process::Done(body) => act(self, now, parameters).map(|_| Answer::new(200, HTML, body)),
            Process::NotDone(body) => Ok(Answer::new(200, HTML, body)),
            Process::Refused(status) => {
                act(self, now, parameters).map(|_| Answer::text(status, "the shop cannot answer now"))
            }
        }
    }

    fn get(&self, parameters: &Parameters) -> Result<Answer, Answer> {
        if parameters.get("order").is_some() {
            let id = self.visible_order(parameters)?;
            self.refuse_poisoned([id])?;
            let order = self.shown(id).ok_or_else(no_such_order)?;
            return Ok(self.with_orders(self.single_document(&order), vec![order]));
        }
        let asked: BTreeSet<u64> =
            parameters.list("order_ids").map(|id| number(id, "order_ids")).collect::<Result<_, _>>()?;
        if asked.is_empty() {
            return Err(Answer::error(400, "order or order_ids is missing"));
        }
        let left_out = |id: &u64| matches!(self.hidden.get(id), Some(Hidden::Numbers | Hidden::Everywhere));
        let shown = asked.into_iter().filter(|id| !self.config.empty_get && !left_out(id));
        let found: Vec<_> = shown.filter_map(|id| self.shown(id)).collect();
        self.refuse_poisoned(found.iter().map(|order| order.id))?;
        Ok(self.with_orders(self.list_document(&found, &SpanAttributes::default()), found))
    }

    fn changes(&mut self, now: Timestamp, parameters: &Parameters) -> Result<Answer, Answer> {
        let (stream, after) = match parameters.get("updated_after_ts") {
            Some(after) => (ChangeStream::Updated, number(after, "updated_after_ts")?),
            None => match parameters.get("created_after_ts").or_else(|| parameters.get("ts")) {
                Some(after) => (ChangeStream::Created, number(after, "created_after_ts")?),
                None => return Err(Answer::error(400, "created_after_ts or updated_after_ts is missing")),
            },
        };
        let (start, from) = self.start_of(now, after);
        let (page, total) = self.page(stream, from);
        self.refuse_poisoned(page.iter().map(|key| key.1))?;
        let left_out = |id: &u64| matches!(self.hidden.get(id), Some(Hidden::Changes | Hidden::Everywhere));
        let shown = page.iter().map(|key| key.1).filter(|id| !left_out(id));
        let orders: Vec<_> = shown.filter_map(|id| self.shown(id)).collect();
        // The page of no orders ends where it began; what the real shop writes there is undocumented.
        let last = page.iter().map(|key| key.0).max().unwrap_or(start) + self.config.time_to_skew.as_secs();
        let count = match self.config.count {
            Count::Whole => Some(total as u64),
            Count::Page => Some(orders.len() as u64),
            Count::More(more) => Some(total as u64 + more),
            Count::Absent | Count::Text => None,
        };
        let span = if self.config.time_to {
            SpanAttributes { time_from: Some(start), time_to: Some(last), total: count }
        } else {
            SpanAttributes::default()
        };
        Ok(self.with_orders(self.list_document(&orders, &span), orders))
    }

    /// The second from which a question for `after` is answered, as `time_from` says it, and the first second of the
    /// answer.
    fn start_of(&self, now: Timestamp, after: i64) -> (i64, i64) {
        let oldest = self.config.history.map_or(i64::MIN, |history| (now - history).as_second());
        let from = match self.config.bound {
            Bound::Inclusive => after,
            Bound::Exclusive => i64::saturating_add(after, 1),
        };
        (after.max(oldest), from.max(oldest))
    }

    /// The seconds and ids of a page, hidden orders included, and how many orders the whole result has.
    fn page(&mut self, stream: ChangeStream, from: i64) -> (Vec<(i64, u64)>, usize) {
        let (size, sort) = (self.config.page_size, self.config.sort);
        let timeline = self.timeline(stream);
        let (mut page, total) = timeline.page(from, size);
        match sort {
            Sort::Time => {}
            Sort::Reversed => page.reverse(),
            Sort::Newest => page = timeline.from(from).rev().take(size).collect(),
            Sort::Id => {
                page = timeline.from(from).collect();
                page.sort_by_key(|key| key.1);
                page.truncate(size);
            }
        }
        (page, total)
    }

    fn timeline(&mut self, stream: ChangeStream) -> &mut Timeline {
        match stream {
            ChangeStream::Created => &mut self.created,
            ChangeStream::Updated => &mut self.updated,
        }
    }

    /// Every order that belongs to the result of a question for a stream from a second on, with its second: those that an
    /// answer hides, and those that follow its page, included.
    pub fn result_of(&mut self, now: Timestamp, stream: ChangeStream, after: i64) -> Vec<(i64, u64)> {
        self.settle(now);
        let (_, from) = self.start_of(now, after);
        self.timeline(stream).from(from).collect()
    }

    fn with_orders(&self, body: Vec<u8>, orders: Vec<Order>) -> Answer {
        Answer { status: 200, content_type: self.config.charset.content_type(), body, orders }
    }

    fn send(&mut self, parameters: &Parameters) -> Result<Answer, Answer> {
        let id = self.visible_order(parameters)?;
        let entry = self.orders.get(&id).ok_or_else(no_such_order)?;
        let content = match &entry.shown {
            Some(shown) if self.config.send_renders_now => &shown.content,
            _ => &entry.first,
        };
        self.outbox.push((id, content.clone()));
        Ok(Answer::ok())
    }

    /// Delivering an order twice mails the customer twice: the shop remembers no request.
    fn deliver(&mut self, now: Timestamp, parameters: &Parameters) -> Result<Answer, Answer> {
        let id = self.visible_order(parameters)?;
        let shipped = self.config.shipped;
        self.update_order(now, id, |order| {
            order.status = Some(shipped.into());
            for line in order.products.iter_mut().filter(|line| line.kind == LineKind::Product) {
                line.shipped = Some(true);
            }
        });
        if let Some(code) = parameters.get("tracking_code") {
            self.tracking_codes.insert(id, code.to_owned());
        }
        if parameters.flag("send_email") {
            self.mails.push(Mail { order: id, kind: MailKind::DeliveryConfirmation, at: now });
        }
        Ok(Answer::ok())
    }

    /// A comment moves the order's time of update, although the order's XML does not show it. (Unknown: the harder
    /// choice for a reader.)
    fn add_comment(&mut self, now: Timestamp, parameters: &Parameters) -> Result<Answer, Answer> {
        let id = self.visible_order(parameters)?;
        let message = parameters.get("message").filter(|message| !message.is_empty());
        let message = message.ok_or_else(|| Answer::error(400, "message is missing"))?.to_owned();
        let public = parameters.flag("public_message");
        self.update_order(now, id, |_| {});
        self.comments.entry(id).or_default().push(Comment { message, public, at: now });
        if public {
            self.mails.push(Mail { order: id, kind: MailKind::Comment, at: now });
        }
        Ok(Answer::ok())
    }

    /// The order that the parameter `order` names, if clients can see it.
    fn visible_order(&self, parameters: &Parameters) -> Result<u64, Answer> {
        let text = parameters.get("order").ok_or_else(|| Answer::error(400, "order is missing"))?;
        let id = number(text, "order")?;
        match self.orders.get(&id) {
            Some(entry) if entry.shown.is_some() => Ok(id),
            _ => Err(no_such_order()),
        }
    }

    fn refuse_poisoned(&self, ids: impl IntoIterator<Item = u64>) -> Result<(), Answer> {
        if ids.into_iter().any(|id| self.poisoned.contains(&id)) {
            return Err(Answer::text(500, "internal server error"));
        }
        Ok(())
    }
}

impl Answer {
    fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, body: body.into(), orders: Vec::new() }
    }

    fn text(status: u16, message: &str) -> Self {
        Self::new(status, TEXT, message)
    }

    fn error(status: u16, message: &str) -> Self {
        Self::new(status, XML, format!("<error>{message}</error>"))
    }

    fn ok() -> Self {
        Self::new(200, XML, "<ok/>")
    }
}

fn no_such_order() -> Answer {
    Answer::error(404, "no such order")
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, Answer> {
    text.parse().map_err(|_| Answer::error(400, &format!("{name} is not a number")))
}
