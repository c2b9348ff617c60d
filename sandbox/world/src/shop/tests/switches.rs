//! The switches, each for an assumption that the shop breaks.

use super::*;

/// The ids of a page's entries, whether they are readable or not.
fn entries(response: &ShopResponse) -> Vec<Option<u64>> {
    page(response).entries.iter().map(|entry| entry.id).collect()
}

/// The ids that the shop says it wrote.
fn written(response: &ShopResponse) -> Vec<u64> {
    response.orders.iter().map(|order| order.id).collect()
}

#[test]
fn a_list_of_ids_may_be_numbered() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 5);
    for query in
        ["order_ids[0]=4&order_ids[1]=2", "order_ids%5B0%5D=2&order_ids%5B1%5D=4", "order_ids[7]=4&order_ids[]=2"]
    {
        assert_eq!(ids(&get(&mut shop, 200, &format!("get?{query}"))), [2, 4], "{query}");
    }
    assert_eq!(get(&mut shop, 200, "get?order_ids[x]=4").status, 400);
}

#[test]
fn an_answer_says_which_orders_the_shop_wrote_into_it() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 3);
    assert_eq!(written(&get(&mut shop, 200, "changes?ts=0")), [1, 2, 3]);
    assert_eq!(written(&get(&mut shop, 200, "get?order=2")), [2]);
    assert_eq!(written(&get(&mut shop, 200, "get?order_ids[]=3&order_ids[]=9")), [3]);
    assert!(written(&get(&mut shop, 200, "send?order=2")).is_empty());
}

#[test]
fn a_page_may_be_smaller_and_the_count_another() {
    for (count, expected) in
        [(Count::Whole, Some(7)), (Count::Page, Some(5)), (Count::More(2), Some(9)), (Count::Absent, None)]
    {
        let mut shop = with(|config| (config.page_size, config.count) = (5, count));
        add_every_second(&mut shop, 100, 7);
        let answer = get(&mut shop, 200, "changes?ts=0");
        assert_eq!((ids(&answer).len(), page(&answer).total), (5, expected));
    }
    let mut shop = with(|config| config.count = Count::Text);
    add_every_second(&mut shop, 100, 1);
    assert!(text(&get(&mut shop, 200, "changes?ts=0")).contains("orders=\"many\""));
}

#[test]
fn only_the_history_is_shown_and_time_from_says_so() {
    let mut shop = with(|config| config.history = Some(SignedDuration::from_secs(150)));
    add_every_second(&mut shop, 100, 3);
    let answer = get(&mut shop, 251, "changes?ts=0");
    assert_eq!((ids(&answer), page(&answer).time_from), (vec![2, 3], Some(101)));
    assert_eq!(page(&get(&mut shop, 251, "changes?ts=102")).time_from, Some(102));
}

#[test]
fn a_page_is_chosen_and_sorted_as_configured() {
    for (sort, expected) in [(Sort::Time, [3, 2]), (Sort::Reversed, [2, 3]), (Sort::Newest, [1, 2]), (Sort::Id, [1, 2])]
    {
        let mut shop = with(|config| (config.sort, config.page_size) = (sort, 2));
        add_every_second(&mut shop, 100, 3);
        for (second, id) in [(110, 3), (111, 2), (112, 1)] {
            shop.update_order(at(second), id, |_| {});
        }
        let answer = get(&mut shop, 200, "changes?updated_after_ts=0");
        assert_eq!(ids(&answer), expected, "{sort:?}");
        assert_eq!(page(&answer).total, Some(3));
    }
}

#[test]
fn a_hidden_order_is_counted_and_not_shown() {
    for (hidden, in_changes, by_number) in [
        (Hidden::Changes, vec![1, 3], vec![2, 3]),
        (Hidden::Numbers, vec![1, 2, 3], vec![3]),
        (Hidden::Everywhere, vec![1, 3], vec![3]),
    ] {
        let mut shop = shop();
        add_every_second(&mut shop, 100, 3);
        shop.hide(2, hidden);
        let answer = get(&mut shop, 200, "changes?ts=0");
        assert_eq!((ids(&answer), page(&answer).total), (in_changes, Some(3)));
        assert_eq!(ids(&get(&mut shop, 200, "get?order_ids[]=2&order_ids[]=3")), by_number);
        shop.heal(2);
        assert_eq!(ids(&get(&mut shop, 200, "changes?ts=0")), [1, 2, 3]);
    }
}

#[test]
fn get_may_answer_no_orders_for_a_while() {
    let mut shop = with(|config| config.empty_get = true);
    add_every_second(&mut shop, 100, 3);
    assert!(ids(&get(&mut shop, 200, "get?order_ids[]=2&order_ids[]=3")).is_empty());
    shop.configure(|config| config.empty_get = false);
    assert_eq!(ids(&get(&mut shop, 200, "get?order_ids[]=2&order_ids[]=3")), [2, 3]);
}

#[test]
fn an_order_may_be_dated_otherwise_than_now() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 2);
    shop.add_order_dated(at(200), at(50), Order::default(), Via::Api);
    shop.add_order_dated(at(200), at(900), Order::default(), Via::Api);
    assert_eq!(ids(&get(&mut shop, 200, "changes?created_after_ts=0")), [3, 1, 2, 4]);
    assert_eq!(ids(&get(&mut shop, 200, "changes?updated_after_ts=200")), [3, 4]);
}

#[test]
fn a_deleted_order_is_shown_no_more_and_its_id_may_come_back() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 3);
    assert!(shop.delete(2) && !shop.delete(2));
    assert_eq!(ids(&get(&mut shop, 200, "changes?ts=0")), [1, 3]);
    assert_eq!(ids(&get(&mut shop, 200, "changes?updated_after_ts=0")), [1, 3]);
    assert_eq!(get(&mut shop, 200, "get?order=2").status, 404);
    shop.number_next(2);
    assert_eq!(shop.add_made_up(at(300), 1, Via::Api), 2);
    assert_eq!(shop.add_made_up(at(300), 1, Via::Api), 4, "no number is given twice");
    assert_eq!(ids(&get(&mut shop, 300, "changes?ts=300")), [2, 4]);
}

#[test]
fn a_document_may_begin_and_be_encoded_otherwise() {
    let order = || Order { status: Some("Käsittelyssä €".into()), ..Order::default() };
    for (charset, header) in [
        (Charset::Utf8, "application/xml; charset=UTF-8"),
        (Charset::DeclaredLatin1, "application/xml; charset=UTF-8"),
        (Charset::Latin1InHeader, "application/xml; charset=ISO-8859-1"),
    ] {
        let mut shop = with(|config| config.charset = charset);
        shop.add_order(at(100), order(), Via::Api);
        let answer = get(&mut shop, 200, "get?order=1");
        assert_eq!(answer.content_type, header);
        let latin1 = charset == Charset::Latin1InHeader;
        let letters: &[u8] = if latin1 { b"K\xE4sittelyss\xE4 &#8364;" } else { "Käsittelyssä €".as_bytes() };
        assert!(answer.body.windows(letters.len()).any(|window| window == letters), "{charset:?}");
    }
    for (lead, begins) in [
        (Lead::ByteOrderMark, &b"\xEF\xBB\xBF<?xml"[..]),
        (Lead::TwoByteOrderMarks, b"\xEF\xBB\xBF\n\xEF\xBB\xBF<?xml"),
        (Lead::WhiteSpace, b"\r\n  <?xml"),
    ] {
        let mut shop = with(|config| config.lead = lead);
        assert!(get(&mut shop, 200, "changes?ts=0").body.starts_with(begins), "{lead:?}");
    }
}

#[test]
fn values_may_be_written_as_php_writes_them() {
    let mut shop = with(|config| (config.exponents, config.odd_side_fields, config.offset_times) = (true, true, true));
    let line =
        mycashflow::Line { total: Some(rust_decimal::Decimal::new(-125, 3).into()), ..mycashflow::Line::default() };
    shop.add_order(at(1_345_401_893), Order { products: vec![line], ..Order::default() }, Via::Api);
    let written = text(&get(&mut shop, 1_345_401_900, "get?order=1"));
    for element in [
        "<Total>-125E-3</Total>",
        "<ShippingWeight>n. 2 kg</ShippingWeight>",
        "<ShippingPackages>1.00</ShippingPackages>",
        "<OrderedAt>2012-08-19T18:44:53+00:00</OrderedAt>",
    ] {
        assert!(written.contains(element), "{element} in {written}");
    }
}

#[test]
fn an_order_may_have_a_bad_byte_a_nonsense_time_or_an_odd_id() {
    let mut shop = shop();
    add_every_second(&mut shop, 100, 3);
    shop.unreadable(1, Breakage::Byte);
    shop.unreadable(2, Breakage::Time("soon"));
    shop.unreadable(3, Breakage::Id);
    let answer = get(&mut shop, 200, "changes?ts=0");
    assert!(answer.body.windows(6).any(|window| window == b"hme\xC3</"));
    let written = String::from_utf8_lossy(&answer.body);
    assert!(written.contains("<OrderedAt timestamp=\"soon\">0000-00-00 00:00:00</OrderedAt>"), "{written}");
    assert!(written.contains("<Order id=\"no. 3\">"), "{written}");
    (1..=3).for_each(|id| shop.heal(id));
    assert_eq!(entries(&get(&mut shop, 200, "changes?ts=0")), [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_post_may_be_rendered_otherwise_than_an_answer() {
    let mut shop = with(|config| config.two_renderings = true);
    shop.add_made_up(at(100), 1, Via::Web);
    let posted = shop.take_outbox().remove(0);
    assert_ne!(posted.body, get(&mut shop, 200, "get?order=1").body);
    assert!(String::from_utf8(posted.body).unwrap().contains("<Rendering>post</Rendering>"));
}

#[test]
fn what_process_answers_says_nothing_of_what_it_did() {
    for (process, status, delivered) in [
        (Process::Plain, 200, true),
        (Process::Done("1"), 200, true),
        (Process::NotDone("false"), 200, false),
        (Process::Refused(500), 500, true),
    ] {
        let mut shop = with(|config| (config.process, config.shipped) = (process, "Toimitettu"));
        shop.add_made_up(at(100), 1, Via::Api);
        assert_eq!(super::process(&mut shop, 150, "action=deliver&order=1").status, status, "{process:?}");
        let order = shop.order(1).unwrap();
        assert_eq!(order.status.as_deref() == Some("Toimitettu"), delivered, "{process:?}");
        assert_eq!(order.products[0].shipped == Some(true), delivered, "{process:?}");
    }
}

#[test]
fn an_answer_may_have_no_date_and_ask_to_be_left_alone() {
    let mut shop = with(|config| config.dated = false);
    assert_eq!(get(&mut shop, 200, "changes?ts=0").date, None);
    shop.fail_next(ShopFault::RetryAfter(503, 3_600), 1);
    let answer = get(&mut shop, 200, "changes?ts=0");
    assert_eq!((answer.status, answer.retry_after), (503, Some(std::time::Duration::from_secs(3_600))));
    shop.fail_next(ShopFault::EmptyPage, 1);
    let empty = page(&get(&mut shop, 200, "changes?ts=0"));
    assert_eq!((empty.entries.len(), empty.total), (0, Some(7)));
}

#[test]
fn the_result_of_a_question_holds_what_its_page_leaves_out() {
    let mut shop = with(|config| config.page_size = 2);
    add_every_second(&mut shop, 100, 4);
    shop.hide(2, Hidden::Everywhere);
    assert_eq!(ids(&get(&mut shop, 200, "changes?ts=101")), [3]);
    assert_eq!(shop.result_of(at(200), ChangeStream::Created, 101), [(101, 2), (102, 3), (103, 4)]);
}
