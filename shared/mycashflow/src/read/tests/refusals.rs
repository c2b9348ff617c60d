//! Encodings, and the documents that are refused as a whole.

use insta::assert_snapshot;

use super::*;

#[test]
fn reads_the_encodings_that_shops_use() {
    let declared = |encoding: &str| format!("<?xml version=\"1.0\" encoding='{encoding}' ?>");
    let latin1 = |encoding: &str| {
        [declared(encoding).as_bytes(), b"<Order id='7'><City>Sein\xE4joki \x80</City></Order>"].concat()
    };
    let city = |document: &[u8]| one(document).extra[0].text.clone();
    for encoding in ["ISO-8859-1", "iso-8859-1", "latin1", "windows-1252", "us-ascii"] {
        assert_eq!(city(&latin1(encoding)), some("Seinäjoki €"));
    }
    let utf8 = with("<City>Seinäjoki €</City>");
    for before in [
        String::new(),
        declared("UTF-8"),
        declared("utf8"),
        format!("\r\n{}", declared("utf-8")),
        "\u{FEFF}".to_owned(),
    ] {
        assert_eq!(city(format!("{before}{utf8}").as_bytes()), some("Seinäjoki €"));
    }
    assert_eq!(city(&[b"\r\n", latin1("ISO-8859-1").as_slice()].concat()), some("Seinäjoki €"));
    // A byte order mark tells more than a declaration that was never updated.
    assert_eq!(city(format!("\u{FEFF}{}{utf8}", declared("ISO-8859-1")).as_bytes()), some("Seinäjoki €"));
    assert!(!read(format!("\u{FEFF}{utf8}")).text.starts_with('\u{FEFF}'));
}

#[test]
fn refuses_unknown_encodings_by_name() {
    let unknown = b"<?xml version='1.0' encoding='klingon\n'?><Orders a='\xE4'/>";
    assert_snapshot!(refused(unknown), @"the encoding is given as klingon?, which is unknown or not what the document is in");
    assert_snapshot!(refused(b"<?xml version='1.0' encoding='Shift_JIS'?><Orders a='\xFF'/>"), @"the encoding is given as Shift_JIS, which is unknown or not what the document is in");
    assert_snapshot!(refused(b"\xFF\xFE<\0\x00\xD8"), @"the encoding is given as UTF-16LE, which is unknown or not what the document is in");
    assert_snapshot!(refused(b"\xFE\xFF\0<\0O"), @"the document is cut short at line 1, column 3: its root element has no end");
    assert_snapshot!(refused(b"<Orders>\n  Sein\xE4joki <Order id='7'/></Orders>"), @"invalid UTF-8 at line 2, column 7");
    assert_snapshot!(refused(b"Tilausta ei l\xF6ydy"), @"invalid UTF-8 at line 1, column 14");
    assert_snapshot!(refused(b"\xFF"), @"invalid UTF-8 at line 1, column 1");
}

#[test]
fn refuses_the_failures_that_shops_answer_with_status_200() {
    assert_snapshot!(refused(""), @"the document is empty");
    assert_snapshot!(refused("\u{FEFF} \r\n"), @"the document is empty");
    assert_snapshot!(refused("<!DOCTYPE html><html><body>Kirjaudu"), @"the document is an HTML page, expected XML");
    assert_snapshot!(refused("\n<!doctype HTML PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'x'>\n<html xmlns='y'/>"), @"the document is an HTML page, expected XML");
    assert_snapshot!(refused("<?xml version='1.0'?><html lang='fi'><p>Oops</html>"), @"the document is an HTML page, expected XML");
    assert_snapshot!(refused("<error>Order not found</error>"), @"the document reports an error of the shop");
    assert_snapshot!(refused("<Orders><Order id='1'/><Error code='1'/></Orders>"), @"the document reports an error of the shop");
    assert_snapshot!(refused("<Products><Product/></Products>"), @"the root element is Products, with no order in it: expected Order or Orders");
    assert_snapshot!(refused("<orders><order id='1'/></orders>"), @"the root element is orders, with no order in it: expected Order or Orders");
    assert_snapshot!(refused("Order not found"), @"malformed XML at line 1, column 1: text outside of the root element");
}

#[test]
fn refuses_a_document_type_and_so_every_entity_bomb() {
    let bomb = "<?xml version='1.0'?>\n<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;'>]>\n<Orders><Order id='1'><City>&lol2;</City></Order></Orders>";
    assert_snapshot!(refused(bomb), @"document type declaration at line 2, column 1: none is allowed");
    assert_snapshot!(refused("<!DOCTYPE Orders SYSTEM 'http://example.com/x.dtd'><Orders/>"), @"document type declaration at line 1, column 1: none is allowed");
    assert_snapshot!(refused("<Orders>\n<Order id='1'><!DOCTYPE x></Order></Orders>"), @"document type declaration at line 2, column 15: none is allowed");
    assert_snapshot!(refused("<!DOCTYPE Orders [<!ENTITY"), @"document type declaration at line 1, column 1: none is allowed");
}

#[test]
fn refuses_too_much() {
    let nested = |depth: usize| {
        format!("<Orders><Order id='1'>{}{}</Order></Orders>", "<a>".repeat(depth), "</a>".repeat(depth))
    };
    assert_eq!(one(nested(30)).id, 1);
    assert_snapshot!(refused(nested(31)), @"elements nested more than 32 deep at line 1, column 113");
    assert_snapshot!(refused("<a>".repeat(100_000)), @"elements nested more than 32 deep at line 1, column 97");
    let limits = Limits { document_bytes: 9, ..Limits::default() };
    assert!(read_page(b"<Orders/>", None, &limits).is_ok());
    assert_snapshot!(read_page(b"<Orders/>\n", None, &limits).err().unwrap(), @"the document has 10 bytes, more than the limit of 9");
}

#[test]
fn refuses_what_is_not_well_formed_around_the_orders() {
    assert_snapshot!(refused("<Orders></Order>"), @"malformed XML at line 1, column 9: an end tag that does not match its start tag");
    assert_snapshot!(refused("<Orders><Order id='1'/></orders>"), @"malformed XML at line 1, column 24: an end tag that does not match its start tag");
    assert_snapshot!(refused("<Orders>\n  Notice: undefined index <Order id='1'/></Orders>"), @"malformed XML at line 2, column 3: text between the orders");
    assert_snapshot!(refused("<Orders/>\ntrailing"), @"malformed XML at line 2, column 1: text outside of the root element");
    assert_snapshot!(refused("<Orders/><Orders/>"), @"malformed XML at line 1, column 10: an element after the root element");
    assert_snapshot!(refused("<Order id='1'/><Order id='2'/>"), @"malformed XML at line 1, column 16: an element after the root element");
    assert_snapshot!(refused("<Orders time_to=\"><Order id='7'/><x b=\"></x></Orders>"), @"malformed XML at line 1, column 1: a malformed or repeated attribute");
    assert_snapshot!(refused("<Answer a=\"><Orders><Order id='7'/><x b=\"></x></Orders></Answer>"), @"malformed XML at line 1, column 1: a malformed or repeated attribute");
    assert_snapshot!(refused("<Orders><?xml version='1.0'?></Orders>"), @"malformed XML at line 1, column 9: an XML declaration inside the document");
    assert_snapshot!(refused("<Orders>&</Orders>"), @"malformed XML at line 1, column 9: an ampersand that begins no reference");
    assert_eq!(read("<!-- a --><Orders/><!-- b --> <?c d?>\n").entries, []);
}

#[test]
fn a_document_cut_short_is_never_a_page() {
    for document in [
        SAMPLE,
        b"<Orders>\n<Order id='1'><City><![CDATA[</Order></Orders>]]></City></Order><!-- </Orders> --></Orders>",
        b"<Order id='58'><City/></Order>",
    ] {
        let end = document.trim_ascii_end().len();
        for cut in 0..end {
            let result = read_page(&document[..cut], None, &Limits::default());
            assert!(
                matches!(result, Err(ReadError::Truncated { .. } | ReadError::Empty | ReadError::InvalidUtf8 { .. })),
                "cut at {cut}"
            );
        }
        assert!(read_page(&document[..end], None, &Limits::default()).is_ok());
    }
    assert_snapshot!(refused("<Orders>\n<Order id='1'/>\n<Order id='2'><City>Ou"), @"the document is cut short at line 3, column 23: its root element has no end");
}
