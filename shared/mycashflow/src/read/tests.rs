mod encodings;
mod fields;
mod linear;
mod recovery;
mod refusals;

use super::*;
use crate::decimal::Decimal;
use crate::order::{Extra, Line, Text};

const SAMPLE: &[u8] = include_bytes!("../../testdata/order-58.xml");

fn read(document: impl AsRef<[u8]>) -> Page {
    match read_page(document.as_ref(), None, &Limits::default()) {
        Ok(page) => page,
        Err(error) => panic!("{error}"),
    }
}

fn refused(document: impl AsRef<[u8]>) -> String {
    match read_page(document.as_ref(), None, &Limits::default()) {
        Ok(page) => panic!("read, with {} orders", page.entries.len()),
        Err(error) => error.to_string(),
    }
}

/// The only order of a document.
fn one(document: impl AsRef<[u8]>) -> Order {
    let mut page = read(document);
    assert_eq!(page.entries.len(), 1);
    match page.entries.remove(0).order {
        Ok(order) => order,
        Err(error) => panic!("{error}"),
    }
}

/// What is wrong with the only order of a document.
fn unreadable(document: impl AsRef<[u8]>) -> String {
    let page = read(document);
    assert_eq!(page.entries.len(), 1);
    page.entries[0].order.as_ref().unwrap_err().to_string()
}

/// An order with this inside.
fn with(inside: &str) -> String {
    format!("<Order id='7'>{inside}</Order>")
}

fn some(text: &str) -> Option<Text> {
    Some(text.into())
}

fn decimal(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

fn extra(name: &str, text: &str) -> Extra {
    Extra { name: name.to_owned(), text: some(text), ..Extra::default() }
}
