//! Reading is work in proportion to the document, whatever is in it: every byte is looked at a few times at most, also
//! where thousands of orders are broken. What is counted: see `work.rs`.

use super::*;
use crate::work;

const DOCUMENT_BYTES: usize = 20_000;
/// A broken order is read, its end is looked for before and behind that, and its number and time are looked for in it.
const MOST_A_BYTE: usize = 12;

/// The work of reading a document that is mostly `piece`, a byte.
fn work_a_byte(before: &str, piece: &str, after: &str) -> usize {
    let document = format!("{before}{}{after}", piece.repeat(DOCUMENT_BYTES / piece.len()));
    let done = work::of(|| drop(read_page(document.as_bytes(), None, &Limits::default())));
    assert!(done > 0);
    done / document.len()
}

#[test]
fn broken_orders_are_work_in_proportion() {
    let pieces = [
        "<Order/",
        "<Order/ ",
        "<Order",
        "<Order ",
        "<Order id='1' ",
        "<Order id=\"1\" a='",
        "<Order a=\"'",
        "<Order id='1'>",
        "<Order id='1'>&",
        "<Order id='1'><",
        "<Order id='1'></",
        "<Order id='1'><City",
        "<Order id='1'><City a='",
        "<Order id='1'></Order",
        "<Order id='1'><!",
        "<Order/>",
        "<Order id='1'><x></Order>",
        "<Order id='1'>&x;</Order>\n",
        "<Order><OrderedAt",
        "</Order",
        "<",
        "&",
    ];
    for piece in pieces {
        for before in ["<Orders>", "<Orders><Order id='0'>&</Order>", "<Orders><Order/", ""] {
            for after in
                ["", ">", "/>", "</Order></Orders>", "></Order></Orders>", "\"'></Order></Orders>", "--></Orders>"]
            {
                let work = work_a_byte(before, piece, after);
                assert!(work <= MOST_A_BYTE, "{before}{piece}…{after}: {work} a byte");
            }
        }
    }
}

#[test]
fn unknown_elements_are_work_in_proportion() {
    let pieces = [
        "<x/>",
        "<x>y</x>",
        "<x/><OrderNumber/>",
        "<OrderNumber>1</OrderNumber>",
        "<OrderNumber a='1'/>",
        "<x a='1' b='2'/> stray &amp; ",
        "<Documents><x/></Documents>",
        "<Documents/><Products/>",
        "<ShippingWeight>?</ShippingWeight>",
        "<CustomerInformation><x/></CustomerInformation>",
        "&amp;",
        "<!-- -->",
        "<![CDATA[]]>",
    ];
    for piece in pieces {
        for (before, after) in
            [("<Order id='7'>", "</Order>"), ("<Order id='7'><x>", "</x></Order>"), ("<Orders>", "</Orders>")]
        {
            let work = work_a_byte(before, piece, after);
            assert!(work <= MOST_A_BYTE, "{before}{piece}…{after}: {work} a byte");
        }
    }
}

#[test]
fn bad_bytes_are_work_in_proportion() {
    for piece in ["<Order id='1'>\u{1}</Order>", "\u{1}", "<Order id='\u{1}'/>"] {
        let document = format!("<Orders>{}</Orders>", piece.repeat(DOCUMENT_BYTES / piece.len()));
        let document: Vec<_> = document.bytes().map(|byte| if byte == 1 { 0xE4 } else { byte }).collect();
        let done = work::of(|| drop(read_page(&document, None, &Limits::default())));
        assert!(done / document.len() <= MOST_A_BYTE, "{piece:?}: {done}");
    }
}
