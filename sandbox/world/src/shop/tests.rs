use super::*;
use mycashflow::{Limits, LineKind, Page, ReadError, read_page};

mod switches;

const FORM: &str = "application/x-www-form-urlencoded";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn shop() -> Shop {
    Shop::new(ShopConfig { key: "ä&+ key".to_owned(), ..ShopConfig::default() })
}

fn with(change: impl FnOnce(&mut ShopConfig)) -> Shop {
    let mut shop = shop();
    change(&mut shop.config);
    shop
}

/// `GET /webhooks/ACTION?QUERY` with the right key.
fn get(shop: &mut Shop, now: i64, action_and_query: &str) -> ShopResponse {
    let (action, query) = action_and_query.split_once('?').unwrap();
    let query = format!("{query}&key=%C3%A4%26%2B+key");
    let path = format!("/webhooks/{action}");
    shop.handle(at(now), &ShopRequest { method: "GET", path: &path, query: &query, content_type: None, body: b"" })
}

/// `POST /webhooks/process` with the right key in the form.
fn process(shop: &mut Shop, now: i64, form: &str) -> ShopResponse {
    post(shop, now, FORM, &format!("{form}&key=%C3%A4%26%2B+key"))
}

fn post(shop: &mut Shop, now: i64, content_type: &str, body: &str) -> ShopResponse {
    let (path, body) = ("/webhooks/process", body.as_bytes());
    let request = ShopRequest { method: "POST", path, query: "", content_type: Some(content_type), body };
    shop.handle(at(now), &request)
}

fn page(response: &ShopResponse) -> Page {
    assert_eq!(response.status, 200, "{}", text(response));
    read_page(&response.body, Some(response.content_type), &Limits::default()).unwrap()
}

fn orders_of(page: &Page) -> Vec<Order> {
    page.entries.iter().map(|entry| entry.order.as_ref().unwrap().clone()).collect()
}

fn ids(response: &ShopResponse) -> Vec<u64> {
    orders_of(&page(response)).iter().map(|order| order.id).collect()
}

fn text(response: &ShopResponse) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

fn status(shop: &Shop, id: u64) -> String {
    shop.order(id).unwrap().status.as_deref().unwrap().to_owned()
}

/// Adds one order each second from `start` on.
fn add_every_second(shop: &mut Shop, start: i64, count: i64) {
    for second in start..start + count {
        shop.add_made_up(at(second), 1, Via::Api);
    }
}

#[test]
fn shows_100_orders_at_a_time_and_says_how_many_follow() {
    let mut shop = shop();
    add_every_second(&mut shop, 1000, 250);
    let answer = get(&mut shop, 2000, "changes?created_after_ts=1010");
    assert_eq!(ids(&answer), (11..=110).collect::<Vec<_>>());
    let page = page(&answer);
    assert_eq!((page.time_from, page.time_to, page.total), (Some(1010), Some(1109), Some(240)));
}

#[test]
fn the_bound_is_inclusive_or_exclusive_as_configured() {
    for (bound, expected) in [(Bound::Inclusive, vec![2, 3, 4]), (Bound::Exclusive, vec![4])] {
        let mut shop = with(|config| config.bound = bound);
        for second in [100, 101, 101, 102] {
            shop.add_made_up(at(second), 1, Via::Api);
        }
        for parameter in ["created_after_ts", "updated_after_ts", "ts"] {
            let answer = get(&mut shop, 200, &format!("changes?{parameter}=101"));
            assert_eq!(ids(&answer), expected, "{bound:?} {parameter}");
            assert_eq!(page(&answer).total, Some(expected.len() as u64));
        }
    }
}

#[test]
fn a_page_of_no_orders_ends_where_it_began() {
    let page = page(&get(&mut shop(), 200, "changes?updated_after_ts=150"));
    assert!(page.entries.is_empty());
    assert_eq!((page.time_from, page.time_to, page.total), (Some(150), Some(150), Some(0)));
}

#[test]
fn without_span_attributes_there_are_none() {
    let mut shop = with(|config| config.time_to = false);
    add_every_second(&mut shop, 100, 3);
    let page = page(&get(&mut shop, 200, "changes?created_after_ts=0"));
    assert_eq!(page.entries.len(), 3);
    assert_eq!((page.time_from, page.time_to, page.total), (None, None, None));
}

#[test]
fn an_update_moves_an_order_to_the_end_of_the_updated_stream_alone() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 3);
    shop.update_order(at(150), 1, |order| order.status = Some("Cancelled".into()));
    assert_eq!(ids(&get(&mut shop, 200, "changes?created_after_ts=0")), [1, 2, 3]);
    let answer = get(&mut shop, 200, "changes?updated_after_ts=0");
    assert_eq!(ids(&answer), [2, 3, 1]);
    let page = page(&answer);
    assert_eq!((page.time_to, page.total), (Some(150), Some(3)));
    // The order itself still tells its time of creation only.
    assert_eq!(page.entries[2].ordered_at, Some(100));
    assert_eq!(orders_of(&page)[2].status.as_deref(), Some("Cancelled"));
}

#[test]
fn an_update_cannot_change_the_id_or_the_time_of_creation() {
    let mut shop = shop();
    let id = shop.add_made_up(at(100), 1, Via::Api);
    shop.update_order(at(150), id, |order| *order = Order::default());
    let order = shop.order(id).unwrap();
    assert_eq!((order.id, order.created_at), (id, Some(at(100))));
    assert!(!shop.update_order(at(150), 58, |_| {}), "there is no order 58");
}

#[test]
fn a_new_order_enters_the_updated_stream_only_if_configured() {
    let mut shop = with(|config| config.creation_updates = false);
    add_every_second(&mut shop, 100, 3);
    assert!(ids(&get(&mut shop, 200, "changes?updated_after_ts=0")).is_empty());
    shop.update_order(at(150), 2, |_| {});
    assert_eq!(ids(&get(&mut shop, 200, "changes?updated_after_ts=0")), [2]);
}

#[test]
fn a_bulk_update_puts_many_orders_into_one_second() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 150);
    let changed = shop.update_many(at(300), 1..=200, |order| order.status = Some("Shipped".into()));
    assert_eq!(changed, 150);
    let answer = get(&mut shop, 400, "changes?updated_after_ts=300");
    assert_eq!(ids(&answer), (1..=100).collect::<Vec<_>>());
    assert_eq!((page(&answer).time_to, page(&answer).total), (Some(300), Some(150)));
}

#[test]
fn a_late_commit_is_seen_only_after_its_delay_under_its_own_time() {
    let mut shop = shop();
    shop.set_visible_after(SignedDuration::from_secs(30));
    let id = shop.add_made_up(at(100), 1, Via::Web);
    assert_eq!(shop.len(), 1);
    assert_eq!(shop.take_outbox().len(), 1, "the POST does not wait");
    assert_eq!(get(&mut shop, 129, &format!("get?order={id}")).status, 404);
    assert_eq!(get(&mut shop, 129, &format!("send?order={id}")).status, 404);
    assert!(ids(&get(&mut shop, 129, &format!("get?order_ids[]={id}"))).is_empty());
    assert!(ids(&get(&mut shop, 129, "changes?created_after_ts=0")).is_empty());
    let seen = page(&get(&mut shop, 130, "changes?created_after_ts=0"));
    assert_eq!(seen.entries[0].ordered_at, Some(100));
}

#[test]
fn a_late_update_shows_the_old_state_until_then() {
    let mut shop = shop();
    let id = shop.add_made_up(at(100), 1, Via::Api);
    shop.set_visible_after(SignedDuration::from_secs(30));
    shop.update_order(at(200), id, |order| order.status = Some("Cancelled".into()));
    assert_eq!(status(&shop, id), "Cancelled");
    let early = page(&get(&mut shop, 229, "changes?updated_after_ts=0"));
    assert_eq!((early.time_to, orders_of(&early)[0].status.as_deref()), (Some(100), Some("Open")));
    assert!(ids(&get(&mut shop, 229, "changes?updated_after_ts=101")).is_empty());
    let late = page(&get(&mut shop, 230, "changes?updated_after_ts=0"));
    assert_eq!((late.time_to, orders_of(&late)[0].status.as_deref()), (Some(200), Some("Cancelled")));
}

#[test]
fn one_order_s_commits_become_visible_in_their_order() {
    let mut shop = shop();
    shop.set_visible_after(SignedDuration::from_secs(30));
    let id = shop.add_made_up(at(100), 1, Via::Api);
    shop.set_visible_after(SignedDuration::ZERO);
    shop.update_order(at(110), id, |order| order.status = Some("Shipped".into()));
    assert!(ids(&get(&mut shop, 129, "changes?updated_after_ts=0")).is_empty());
    let seen = page(&get(&mut shop, 130, "changes?updated_after_ts=0"));
    assert_eq!((seen.time_to, orders_of(&seen)[0].status.as_deref()), (Some(110), Some("Shipped")));
    assert_eq!(seen.total, Some(1));
}

#[test]
fn every_page_is_read_with_the_values_the_shop_holds() {
    let mut shop = shop();
    add_every_second(&mut shop, 1_345_401_893, 60);
    shop.update_many(at(1_345_402_000), 20..40, |order| order.status = Some("Shipped".into()));
    let held: Vec<Order> = shop.orders().map(|order| Order::clone(&order)).collect();
    assert_eq!(held[0].created_at_local.as_deref(), Some("2012-08-19 21:44:53"));
    assert_eq!(orders_of(&page(&get(&mut shop, 1_345_403_000, "changes?ts=0"))), held);
}

#[test]
fn one_order_is_the_root_unless_it_is_wrapped() {
    for (single_wrapped, root) in [(false, "<Order "), (true, "<Orders")] {
        let mut shop = with(|config| config.single_wrapped = single_wrapped);
        let id = shop.add_made_up(at(100), 1, Via::Web);
        let answer = get(&mut shop, 200, &format!("get?order={id}"));
        let post = shop.take_outbox().remove(0);
        for body in [&answer.body, &post.body] {
            let body = String::from_utf8(body.clone()).unwrap();
            assert!(body.lines().nth(1).unwrap().starts_with(root), "{body}");
        }
        assert_eq!(orders_of(&page(&answer)), [Order::clone(&shop.order(id).unwrap())]);
    }
}

#[test]
fn several_orders_are_answered_with_those_that_exist() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 5);
    assert_eq!(ids(&get(&mut shop, 200, "get?order_ids[]=4&order_ids%5B%5D=2&order_ids[]=77&order_ids[]=4")), [2, 4]);
    assert!(ids(&get(&mut shop, 200, "get?order_ids[]=77")).is_empty());
}

#[test]
fn an_unknown_order_is_an_error_document() {
    let mut shop = shop();
    for request in ["get?order=58", "send?order=58"] {
        let answer = get(&mut shop, 200, request);
        assert_eq!(answer.status, 404);
        assert!(matches!(
            read_page(&answer.body, Some(answer.content_type), &Limits::default()),
            Err(ReadError::ErrorDocument)
        ));
    }
    assert_eq!(process(&mut shop, 200, "action=deliver&order=58&send_email=1").status, 404);
    assert_eq!(process(&mut shop, 200, "action=add_comment&order=58&message=x").status, 404);
    assert_eq!(shop.mails(), []);
}

#[test]
fn a_wrong_or_missing_key_is_refused_before_anything_happens() {
    let mut shop = shop();
    let id = shop.add_made_up(at(100), 1, Via::Api);
    for query in ["order=1", "order=1&key=wrong", "order=1&key="] {
        let request = ShopRequest { method: "GET", path: "/webhooks/get", query, content_type: None, body: b"" };
        let answer = shop.handle(at(200), &request);
        assert_eq!((answer.status, answer.content_type), (401, "text/plain; charset=UTF-8"));
    }
    assert_eq!(post(&mut shop, 200, FORM, "action=deliver&order=1&send_email=1&key=wrong").status, 401);
    assert_eq!(status(&shop, id), "Open");
    assert_eq!(shop.mails(), []);
    assert_eq!(shop.log(), &RequestLog { refused: 4, ..RequestLog::default() });
}

#[test]
fn an_unknown_action_is_404_and_a_wrong_method_405() {
    let mut shop = shop();
    assert_eq!(get(&mut shop, 200, "nothing?order=1").status, 404);
    assert_eq!(get(&mut shop, 200, "process?action=deliver&order=1").status, 405);
    assert_eq!(process(&mut shop, 200, "action=cancel&order=1").status, 404);
    assert_eq!(process(&mut shop, 200, "order=1").status, 404);
    let request = ShopRequest { method: "POST", path: "/webhooks/get", query: "", content_type: None, body: b"" };
    assert_eq!(shop.handle(at(200), &request).status, 405);
}

#[test]
fn a_missing_or_unreadable_parameter_is_an_error_document() {
    let mut shop = shop();
    for request in ["get?", "get?order=x", "get?order_ids[]=x", "changes?", "changes?created_after_ts=soon", "send?"] {
        let answer = get(&mut shop, 200, request);
        assert_eq!(answer.status, 400, "{request}");
        assert!(text(&answer).starts_with("<error>"), "{request}");
    }
    shop.add_made_up(at(100), 1, Via::Api);
    for form in ["action=deliver", "action=add_comment&order=1", "action=add_comment&message=x"] {
        assert_eq!(process(&mut shop, 200, form).status, 400, "{form}");
    }
}

#[test]
fn web_orders_are_posted_and_api_orders_are_not() {
    let mut shop = shop();
    let web = shop.add_made_up(at(100), 1, Via::Web);
    let api = shop.add_order(at(101), orders::made_up(1, 900), Via::Api);
    let posts = shop.take_outbox();
    assert_eq!(posts.iter().map(|post| post.order).collect::<Vec<_>>(), [web]);
    assert_eq!(posts[0].content_type, "application/xml; charset=UTF-8");
    let posted = read_page(&posts[0].body, None, &Limits::default()).unwrap();
    assert_eq!(orders_of(&posted), [Order::clone(&shop.order(web).unwrap())]);
    assert_eq!(shop.take_outbox(), []);
    // The shop, not the caller, numbers an order and dates it.
    let order = shop.order(api).unwrap();
    assert_eq!((order.id, order.order_number.as_deref(), order.created_at), (2, Some("2"), Some(at(101))));
}

#[test]
fn send_posts_the_order_as_it_is_or_as_it_was_made() {
    for (send_renders_now, expected) in [(true, "Cancelled"), (false, "Open")] {
        let mut shop = with(|config| config.send_renders_now = send_renders_now);
        let id = shop.add_made_up(at(100), 1, Via::Api);
        shop.update_order(at(110), id, |order| order.status = Some("Cancelled".into()));
        assert_eq!(get(&mut shop, 200, &format!("send?order={id}")).status, 200);
        let posts = shop.take_outbox();
        assert_eq!(posts.len(), 1);
        let posted = orders_of(&read_page(&posts[0].body, None, &Limits::default()).unwrap()).remove(0);
        assert_eq!(posted.status.as_deref(), Some(expected));
    }
}

#[test]
fn deliver_ships_the_order_and_its_products() {
    let mut shop = shop();
    let id = shop.add_made_up(at(100), 1, Via::Api);
    assert_eq!(process(&mut shop, 150, "action=deliver&order=1").status, 200);
    let order = shop.order(id).unwrap();
    assert_eq!(order.status.as_deref(), Some("Shipped"));
    for line in &order.products {
        assert_eq!(line.shipped, (line.kind == LineKind::Product).then_some(true));
    }
    assert_eq!(page(&get(&mut shop, 200, "changes?updated_after_ts=0")).time_to, Some(150));
    assert_eq!(shop.mails(), [], "send_email is 0 by default");
    assert_eq!(shop.tracking_code(id), None);
}

#[test]
fn a_second_deliver_mails_the_customer_again() {
    let mut shop = shop();
    shop.add_made_up(at(100), 1, Via::Api);
    for now in [150, 160] {
        assert_eq!(process(&mut shop, now, "action=deliver&order=1&send_email=1").status, 200);
    }
    let mail = |at| Mail { order: 1, kind: MailKind::DeliveryConfirmation, at };
    assert_eq!(shop.mails(), [mail(at(150)), mail(at(160))]);
}

#[test]
fn a_multipart_form_does_the_same() {
    let mut shop = shop();
    shop.add_made_up(at(100), 1, Via::Api);
    let fields =
        [("action", "deliver"), ("order", "1"), ("send_email", "1"), ("tracking_code", "JJFI Ä/1"), ("key", "ä&+ key")];
    let part = |(name, value)| format!("--raja\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = fields.map(part).concat() + "--raja--\r\n";
    assert_eq!(post(&mut shop, 150, "multipart/form-data; boundary=raja", &body).status, 200);
    assert_eq!(status(&shop, 1), "Shipped");
    assert_eq!(shop.tracking_code(1), Some("JJFI Ä/1"));
    assert_eq!(shop.mails().len(), 1);
    assert_eq!(shop.log(), &RequestLog { deliver: 1, ..RequestLog::default() });
}

#[test]
fn a_comment_mails_the_customer_only_when_it_is_public() {
    let mut shop = shop();
    shop.add_made_up(at(100), 1, Via::Api);
    process(&mut shop, 150, "action=add_comment&order=1&message=Sis%C3%A4inen+%26+salainen");
    process(&mut shop, 160, "action=add_comment&order=1&message=Kommenttia+pukkaa&public_message=1");
    let comment = |message: &str, public, at| Comment { message: message.to_owned(), public, at };
    let expected = [comment("Sisäinen & salainen", false, at(150)), comment("Kommenttia pukkaa", true, at(160))];
    assert_eq!(shop.comments(1), expected);
    assert_eq!(shop.mails(), [Mail { order: 1, kind: MailKind::Comment, at: at(160) }]);
    assert_eq!(shop.comments(2), []);
}

#[test]
fn faults_come_in_their_order_and_then_end() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 3);
    shop.fail_next(ShopFault::Status(429), 2);
    shop.fail_next(ShopFault::Empty, 0);
    shop.fail_next(ShopFault::Status(500), 1);
    let statuses = [(); 4].map(|()| get(&mut shop, 200, "changes?ts=0").status);
    assert_eq!(statuses, [429, 429, 500, 200]);
    assert_eq!(shop.log(), &RequestLog { changes: 4, faults: 3, ..RequestLog::default() });
}

#[test]
fn no_fault_can_be_read_as_a_page() {
    for fault in [
        ShopFault::Status(500),
        ShopFault::Timeout,
        ShopFault::Cut,
        ShopFault::Html,
        ShopFault::Empty,
        ShopFault::ErrorDocument,
    ] {
        let mut shop = shop();
        add_every_second(&mut shop, 100, 3);
        shop.fail_next(fault, 1);
        let answer = get(&mut shop, 200, "changes?ts=0");
        assert_eq!(answer.fault, Some(fault));
        let read = read_page(&answer.body, Some(answer.content_type), &Limits::default());
        match fault {
            ShopFault::Status(500) => assert_eq!(answer.status, 500),
            ShopFault::Timeout => assert_eq!((answer.status, answer.body.len()), (504, 0)),
            ShopFault::Cut => assert!(matches!(read, Err(ReadError::Truncated { .. }))),
            ShopFault::Html => assert!(matches!(read, Err(ReadError::Html))),
            ShopFault::Empty => assert!(matches!(read, Err(ReadError::Empty))),
            _ => assert!(matches!(read, Err(ReadError::ErrorDocument))),
        }
        assert!(read.is_err());
        assert_eq!(get(&mut shop, 200, "changes?ts=0").fault, None);
    }
}

#[test]
fn a_request_whose_answer_is_lost_still_takes_effect_and_others_do_not() {
    for (fault, mails) in [
        (ShopFault::Timeout, 1),
        (ShopFault::Cut, 1),
        (ShopFault::Status(500), 0),
        (ShopFault::Html, 0),
        (ShopFault::Empty, 0),
        (ShopFault::ErrorDocument, 0),
    ] {
        let mut shop = shop();
        shop.add_made_up(at(100), 1, Via::Api);
        shop.fail_next(fault, 1);
        process(&mut shop, 150, "action=deliver&order=1&send_email=1");
        assert_eq!(shop.mails().len(), mails, "{fault:?}");
    }
}

#[test]
fn a_poisoned_order_fails_every_page_that_holds_it() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 5);
    shop.poison(3);
    for request in ["changes?created_after_ts=0", "changes?updated_after_ts=0", "get?order=3", "get?order_ids[]=3"] {
        assert_eq!(get(&mut shop, 200, request).status, 500, "{request}");
    }
    assert_eq!(ids(&get(&mut shop, 200, "changes?created_after_ts=103")), [4, 5]);
    assert_eq!(ids(&get(&mut shop, 200, "get?order_ids[]=2&order_ids[]=4")), [2, 4]);
    shop.heal(3);
    assert_eq!(ids(&get(&mut shop, 200, "changes?created_after_ts=0")), [1, 2, 3, 4, 5]);
}

#[test]
fn an_unreadable_order_leaves_its_neighbours_readable() {
    for breakage in [Breakage::Value, Breakage::Syntax] {
        let mut shop = shop();
        add_every_second(&mut shop, 100, 3);
        shop.unreadable(2, breakage);
        let seen = page(&get(&mut shop, 200, "changes?ts=0"));
        assert_eq!(seen.entries.iter().map(|entry| entry.order.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(seen.entries[1].id, Some(2));
        shop.heal(2);
        assert_eq!(ids(&get(&mut shop, 200, "changes?ts=0")), [1, 2, 3]);
    }
}

#[test]
fn the_date_header_is_off_by_the_skew_and_time_stamps_are_not() {
    let mut shop = with(|config| config.date_skew = SignedDuration::from_secs(-90));
    shop.add_made_up(at(100), 1, Via::Api);
    let answer = get(&mut shop, 200, "changes?ts=0");
    assert_eq!(answer.date, Some(at(110)));
    assert_eq!(page(&answer).entries[0].ordered_at, Some(100));
}

#[test]
fn skipped_ids_leave_a_hole() {
    let mut shop = shop();
    shop.add_made_up(at(100), 1, Via::Api);
    shop.skip_ids(3);
    assert_eq!(shop.add_made_up(at(100), 1, Via::Api), 5);
    assert_eq!(ids(&get(&mut shop, 200, "changes?ts=0")), [1, 5]);
}
