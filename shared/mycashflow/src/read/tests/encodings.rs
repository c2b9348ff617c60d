//! Which encoding a document is in, and what bytes that are no text do to it.

use insta::assert_snapshot;

use super::*;

const LATIN_1: &str = "<?xml version='1.0' encoding='ISO-8859-1'?>";

fn read_as(content_type: &str, document: &[u8]) -> Page {
    read_page(document, Some(content_type), &Limits::default()).unwrap()
}

fn city(content_type: &str, document: &[u8]) -> Option<Text> {
    let order = read_as(content_type, document).entries.remove(0).order.unwrap();
    order.extra[0].text.clone()
}

#[test]
fn the_charset_of_the_content_type_goes_before_the_declaration() {
    let utf8 = format!("{LATIN_1}{}", with("<City>Seinäjoki</City>"));
    let latin1 = [b"<Order id='7'><City>Sein\xE4joki</City></Order>".as_slice()].concat();
    for charset in ["utf-8", "UTF-8", "\"utf-8\"", "utf8", " 'utf-8' ; x=y"] {
        assert_eq!(city(&format!("text/xml;charset={charset}"), utf8.as_bytes()), some("Seinäjoki"), "{charset}");
    }
    for charset in ["ISO-8859-1", "latin1", "windows-1252"] {
        assert_eq!(city(&format!("application/xml; charset={charset}"), &latin1), some("Seinäjoki"), "{charset}");
        let declared = [b"<?xml version='1.0' encoding='UTF-8'?>", latin1.as_slice()].concat();
        assert_eq!(city(&format!("application/xml; charset={charset}"), &declared), some("Seinäjoki"), "{charset}");
    }
    let latin9 = b"<Order id='7'><City>Sein\xE4joki \xA4</City></Order>";
    assert_eq!(city("text/xml; charset=iso-8859-15", latin9), some("Seinäjoki €"));
}

#[test]
fn a_name_that_the_document_proves_wrong_tells_nothing() {
    let order = with("<City>Seinäjoki</City>");
    for name in ["utf-16", "UTF-16LE", "US-ASCII", "klingon", "iso-2022-cn"] {
        let declared = format!("<?xml version='1.0' encoding='{name}'?>{order}");
        assert_eq!(city("text/xml", declared.as_bytes()), some("Seinäjoki"), "{name}");
        assert_eq!(city(&format!("text/xml; charset={name}"), order.as_bytes()), some("Seinäjoki"), "{name}");
    }
}

#[test]
fn utf_16_is_read_with_a_byte_order_mark_and_without() {
    let document = format!("<?xml version='1.0' encoding='UTF-16'?>{}", with("<City>Seinäjoki €</City>"));
    let units = || document.encode_utf16();
    let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    for content_type in ["text/xml", "text/xml; charset=utf-16", "text/xml; charset=utf-8"] {
        for (mark, bytes) in [(b"\xFF\xFE", &little), (b"\xFE\xFF", &big)] {
            assert_eq!(city(content_type, &[mark, bytes.as_slice()].concat()), some("Seinäjoki €"), "{content_type}");
            assert_eq!(city(content_type, bytes), some("Seinäjoki €"), "{content_type}");
        }
    }
    let page = read([b"\xFF\xFE", little.as_slice()].concat());
    assert!(page.text.starts_with("<?xml"));
    assert_snapshot!(refused(&little[..little.len() - 1]), @"the encoding is given as UTF-16LE, which is unknown or not what the document is in");
}

#[test]
fn a_content_type_that_names_no_encoding_leaves_it_to_the_document() {
    let latin1 = [LATIN_1.as_bytes(), b"<Order id='7'><City>Sein\xE4joki</City></Order>"].concat();
    for content_type in
        ["text/xml", "", "text/xml; charset=", "text/xml; charset=klingon", "text/xml; charset=US-ASCII"]
    {
        assert_eq!(city(content_type, &latin1), some("Seinäjoki"), "{content_type}");
        assert_eq!(city(content_type, with("<City>Seinäjoki</City>").as_bytes()), some("Seinäjoki"), "{content_type}");
    }
}

#[test]
fn a_byte_order_mark_goes_before_both() {
    let order = with("<City>Seinäjoki</City>");
    for before in ["\u{FEFF}", "\u{FEFF}\u{FEFF}", " \r\n\u{FEFF}", "\u{FEFF}\n\u{FEFF} "] {
        let document = format!("{before}{LATIN_1}{order}");
        assert_eq!(city("text/xml; charset=ISO-8859-1", document.as_bytes()), some("Seinäjoki"), "{before:?}");
        let page = read(&document);
        assert!(!page.text.contains('\u{FEFF}'));
        assert_eq!(page.slice(&page.entries[0]), order.as_bytes());
    }
    // Behind the declaration it is none, but it is nothing else either.
    assert_eq!(read(format!("<?xml version='1.0'?>\u{FEFF}\n{order}")).entries.len(), 1);
    assert_snapshot!(refused("<Orders>\u{FEFF}<Order id='1'/></Orders>"), @"malformed XML at line 1, column 9: text between the orders");
}

/// A page of three orders, the second of which is this.
fn page_around(second: &[u8]) -> (Page, Vec<u8>) {
    let (before, after) = (
        "<Orders orders='3'>\n<Order id='1'><City>ä</City></Order>\n",
        "\n<Order id='3'><City>ö</City></Order>\n</Orders>",
    );
    let document = [before.as_bytes(), second, after.as_bytes()].concat();
    (read(&document), document)
}

#[test]
fn one_bad_byte_spoils_one_order() {
    let cases: [(&[u8], Option<u64>); 10] = [
        (b"<Order id='2'><City>Sein\xE4joki</City></Order>", Some(2)),
        (b"<Order id='2'><City>\xC3\xA4 \xC3</City></Order>", Some(2)),
        (b"<Order id='2' x='\xE4'><City/></Order>", Some(2)),
        (b"<Order id='2'><Ci\xE4ty/></Order>", Some(2)),
        (b"<Order id='2'><City>a</Ci\xE4ty></Order>", Some(2)),
        (b"<Order id='2'>\xFF<!-- \xFE --></Order>", Some(2)),
        (b"<Order id='\xE42'/>", None),
        (b"<Order id='2\xC3'></Order>", None),
        (b"<Order id='2'><Products><Product><Total>\x801.50</Total></Product></Products></Order>", Some(2)),
        (b"<Order id='2'><OrderedAt timestamp='5'/>\xF0\x9F\x98</Order>", Some(2)),
    ];
    for (second, id) in cases {
        let (page, _) = page_around(second);
        let found: Vec<_> = page.entries.iter().map(|entry| (entry.id, entry.order.is_ok())).collect();
        assert_eq!(found, [(Some(1), true), (id, false), (Some(3), true)], "{}", second.escape_ascii());
        assert_eq!(page.slice(&page.entries[1]), second, "the bytes as they came");
        assert_eq!(page.slice(&page.entries[0]), "<Order id='1'><City>ä</City></Order>".as_bytes());
        assert_eq!(page.slice(&page.entries[2]), "<Order id='3'><City>ö</City></Order>".as_bytes());
    }
    let (page, _) = page_around(b"<Order id='2'>\n<OrderedAt timestamp='5'/>\n<City>Sein\xE4joki</City></Order>");
    assert_eq!(page.entries[1].ordered_at, Some(5));
    assert_snapshot!(page.entries[1].order.as_ref().unwrap_err(), @"Order on line 5: invalid UTF-8");
}

#[test]
fn a_bad_byte_outside_of_the_orders_spoils_none() {
    for document in [
        b"<Orders>\xFF<Order id='1'/>\n\xE4 <Order id='2'/></Orders>\xFF".as_slice(),
        b"<Orders a='\xE4'><!-- \xE4 --><Order id='1'/><?p \xE4?><Order id='2'/></Orders>",
        b"<Answer><Shop>Sein\xE4joki</Shop><Orders><Order id='1'/><Order id='2'/></Orders></Answer>",
    ] {
        let page = read(document);
        assert_eq!(
            page.entries.iter().map(|entry| (entry.id, entry.order.is_ok())).collect::<Vec<_>>(),
            [(Some(1), true), (Some(2), true)]
        );
    }
}

#[test]
fn every_byte_of_an_order_may_be_bad_without_costing_another_order() {
    let second = "<Order id='2' x='y'><OrderedAt timestamp='5'>a</OrderedAt><City>ä&amp;b</City><!-- c --><Comments><![CDATA[d]]></Comments><?e f?></Order>";
    let (first, third) = (
        "<Order id='1'><!-- 1 --></Order>",
        "<Order id='3'><!-- 3 --><Comments><![CDATA[3]]></Comments><?3 3?></Order>",
    );
    for between in ["", "\n  "] {
        for at in 0..second.len() {
            for bad in [0xFF, 0xC3, 0x80] {
                let mut second = second.as_bytes().to_vec();
                second[at] = bad;
                if std::str::from_utf8(&second).is_ok() {
                    continue;
                }
                let [before, after] = [first, third].map(|order| format!("{between}{order}{between}"));
                let document = [b"<Orders>", before.as_bytes(), &second, after.as_bytes(), b"</Orders>"].concat();
                let page = read(&document);
                let found: Vec<_> = page.entries.iter().map(|entry| (entry.id, entry.order.is_ok())).collect();
                let what = format!("byte {at} is {bad:#x}: {found:?}");
                assert_eq!((found.len(), found[0], found[2]), (3, (Some(1), true), (Some(3), true)), "{what}");
                assert!(!found[1].1 && found[1].0.is_none_or(|id| id == 2), "{what}");
                assert!(page.slice(&page.entries[1]).starts_with(&second), "{what}");
            }
        }
    }
}

#[test]
fn every_letter_of_the_list_may_be_bad_without_costing_an_order() {
    let [before, orders, after] = ["<Orders time_to='5'>", "<Order id='1'/><Order id='2'></Order>", "</Orders>"];
    for at in
        (1..before.len() - 1).chain(before.len() + orders.len() + 2..before.len() + orders.len() + after.len() - 1)
    {
        let mut document = [before, orders, after].concat().into_bytes();
        if document[at] == b'\'' {
            continue;
        }
        document[at] = 0xE4;
        let page = read(&document);
        assert_eq!(page.entries.iter().filter(|entry| entry.order.is_ok()).count(), 2, "byte {at}");
    }
}

#[test]
fn lost_letters_are_told_of() {
    let page = read("<Orders><Order id='1'><City>Sein\u{FFFD}joki</City></Order><Order id='2'/></Orders>");
    assert!(page.entries.iter().all(|entry| entry.order.is_ok()));
    assert_eq!(page.entries.iter().map(|entry| page.has_lost_letters(entry)).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn the_attributes_of_the_list_are_read_as_people_write_them() {
    for orders in ["1200", "1 200", "1\u{a0}200", "+1200", "1200.0", "01200"] {
        assert_eq!(read(format!("<Orders orders='{orders}'/>")).total, Some(1200), "{orders}");
    }
    for time in ["1782889200", "2026-07-01 10:00:00", "2026-07-01T07:00:00Z", "2026-07-01T10:00:00+0300"] {
        let page = read(format!("<Orders time_from='{time}' time_to='{time}'/>"));
        assert_eq!((page.time_from, page.time_to), (Some(1782889200), Some(1782889200)), "{time}");
    }
}

#[test]
fn what_stands_beside_the_list_is_told_of() {
    for document in [
        "<Orders><message>x</message></Orders>",
        "<Orders error='1'/>",
        "<Answer><Status/><Orders/></Answer>",
        "<Answer><Orders/><Status/></Answer>",
        "<Answer>x<Orders/></Answer>",
    ] {
        assert!(read(document).has_others, "{document}");
    }
    for document in [
        "<Orders/>",
        "<Orders time_to='5' xmlns='x'> </Orders>",
        "<A><B><Orders/></B></A>",
        "<Orders><Orders/></Orders>",
    ] {
        assert!(!read(document).has_others, "{document}");
    }
}

#[test]
fn an_attribute_of_the_list_that_cannot_be_read_refuses_nothing() {
    let page = read("<Orders time_from='0000-00-00' time_to='5' orders='1.200'><Order id='1'/></Orders>");
    assert_eq!((page.time_from, page.time_to, page.total), (None, Some(5), None));
    assert_snapshot!(page.warnings.join("\n"), @r"
    Orders/@time_from: not a whole number of up to 64 bits, but 10 characters
    Orders/@orders: not a whole number of up to 64 bits, but 5 characters
    ");
    for orders in ["three", "-1", "1,200", "1e3", "18446744073709551616", "++1"] {
        assert_eq!(read(format!("<Orders orders='{orders}'/>")).total, None, "{orders}");
    }
    let page = read("<Orders time_to=5 orders='&x;'><Order id='1'/></Orders>");
    assert_eq!((page.time_to, page.total, !page.warnings.is_empty(), page.entries.len()), (None, None, true, 1));
}
