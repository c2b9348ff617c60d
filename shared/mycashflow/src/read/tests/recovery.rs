//! One unreadable order does not spoil the others.

use insta::assert_snapshot;

use super::*;

fn text_of<'p>(page: &'p Page, entry: &'p Entry) -> &'p str {
    std::str::from_utf8(page.slice(entry)).unwrap()
}

#[test]
fn one_bad_value_spoils_one_order() {
    let page = read(
        "<Orders>\n<Order id='1'/>\n<Order id='2'>\n<OrderedAt timestamp='5'/><Products><Product><Total>x</Total></Product></Products><Comments><![CDATA[</Order>]]></Comments></Order>\n<Order id='3'/></Orders>",
    );
    assert_eq!(page.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert!(page.entries[0].order.is_ok() && page.entries[2].order.is_ok());
    let bad = &page.entries[1];
    assert_eq!(bad.ordered_at, Some(5));
    assert!(page.slice(bad).starts_with(b"<Order id='2'>") && page.slice(bad).ends_with(b"]]></Comments></Order>"));
    let error = bad.order.as_ref().unwrap_err();
    assert_eq!((error.path.as_str(), error.line), ("Order/Products/Product[1]/Total", 4));
}

#[test]
fn broken_xml_spoils_one_order() {
    let broken = [
        "<City>Oulu",
        "</City>",
        "<City>a < b</City>",
        "<City>a & b</City>",
        "<City>&undeclared;</City>",
        "<City a='1' a='2'/>",
        "<City a=1/>",
        "<City a='>Oulu</City>",
        "<City a=\">Oulu</City>",
        "<Products><Product></Products>",
        "<1/>",
        "<!ELEMENT x>",
        "&#0;",
        "&#xD800;",
    ];
    for inside in broken {
        let page = read(format!(
            "<Orders><Order id='1'/><Order id=\"2\"><OrderedAt timestamp='5'/>{inside}</Order> <Order id='3'><City>'</City></Order>\n<Order id=\"4\"/></Orders>"
        ));
        let found: Vec<_> = page.entries.iter().map(|entry| (entry.id.unwrap(), entry.order.is_ok())).collect();
        assert_eq!(found, [(1, true), (2, false), (3, true), (4, true)], "{inside}");
        assert_eq!(page.entries[1].ordered_at, Some(5));
        assert!(page.slice(&page.entries[1]).ends_with(format!("{inside}</Order>").as_bytes()), "{inside}");
    }
}

#[test]
fn an_order_without_its_end_tag_spoils_no_other() {
    let page = read("<Orders><Order id='1'><A>x</A><Order id='2'></Order><Order id='3'><City></Orders>");
    let found: Vec<_> = page.entries.iter().map(|entry| (text_of(&page, entry), entry.order.is_ok())).collect();
    let expected =
        [("<Order id='1'><A>x</A>", false), ("<Order id='2'></Order>", true), ("<Order id='3'><City>", false)];
    assert_eq!(found, expected);
}

#[test]
fn a_broken_start_tag_spoils_one_order() {
    for broken in
        ["<Order id='2' a=\"></Order>", "<Order id='2' a></Order>", "<Order id='2' a=\"/>", "<Order ''></Order>"]
    {
        let page = read(format!("<Orders><Order id='1'/>{broken}<Order id='3'/><Order id=\"4\"/></Orders>"));
        let found: Vec<_> = page.entries.iter().map(|entry| (text_of(&page, entry), entry.order.is_ok())).collect();
        let expected =
            [("<Order id='1'/>", true), (broken, false), ("<Order id='3'/>", true), ("<Order id=\"4\"/>", true)];
        assert_eq!(found, expected);
    }
    // The tag's end is nowhere to be found, but the order's is.
    let page = read("<Orders><Order id='1' a=\"></Order><Order b=\"'/><Order id='2'/></Orders>");
    assert_eq!(page.entries.iter().map(|entry| entry.order.is_ok()).collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn names_what_is_wrong_with_a_broken_order() {
    assert_snapshot!(unreadable(with("<Products><Product>\n<City>Oulu</Product></Products>")), @"Order/Products/Product[1] on line 2: an end tag that does not match its start tag");
    assert_snapshot!(unreadable(with("\n<City>a & b</City>")), @"Order on line 2: an ampersand that begins no reference");
    assert_snapshot!(unreadable(with("<City>Oulu\n<!--\n-->\n</Town>")), @"Order on line 4: an end tag that does not match its start tag");
    assert_snapshot!(unreadable(with("<City>&undeclared;</City>")), @"Order on line 1: a reference to an entity that is not declared");
    assert_snapshot!(unreadable(with("<ShippingAddress><City a='1' a='2'/></ShippingAddress>")), @"Order/ShippingAddress/City on line 1: a malformed or repeated attribute");
    assert_snapshot!(unreadable("<Orders><Order id='1'><Order id='2'></Orders>".replace("<Order id='2'>", "<City>")), @"Order on line 1: an end tag that does not match its start tag");
}

#[test]
fn each_of_many_unreadable_orders_has_its_own_line() {
    let orders = 40_000;
    let page = read(format!("<Orders>{}</Orders>", "<Order id='1'>&</Order>\n".repeat(orders)));
    assert_eq!(page.entries.len(), orders);
    assert_eq!(page.entries[orders - 1].order.as_ref().unwrap_err().line, orders);
}
