//! `instructions PATH TIMES PAGE`: one of the hot paths so many times, for `bench/instructions` to count under callgrind.
//!
//! The paths are what the functions do between a request and the ledger, by the same calls. `PAGE` is a file made by `input`.

use std::hint::black_box;

use manu::{is_authentic, read_document, verify_code};
use mycashflow::{Handed, Limits, push_document, read_page};
use sha2::{Digest, Sha256};
use tilaussilta_bench::contender::Failure;
use tilaussilta_bench::inputs;

const SECRET: &str = "first client secret";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, times, page] = &arguments[..] else { return Err("usage: instructions PATH TIMES PAGE".into()) };
    let page = std::fs::read(page)?;
    let order = inputs::push().into_bytes();
    let message = inputs::message().into_bytes();
    let code = verify_code(&message, SECRET).to_string();
    for _ in 0..times.parse::<u32>()? {
        match path.as_str() {
            "page" => drop(black_box(read_page(&page, None, &Limits::default())?)),
            "push" => push(&order)?,
            "message" => take_in(&message, &code)?,
            _ => return Err("the paths are page, push and message".into()),
        }
    }
    Ok(())
}

/// An order that the shop POSTs: the document in the body, its order, and the hash that tells a new revision.
fn push(body: &[u8]) -> Result<(), Failure> {
    let pushed = push_document(Some("application/xml"), body, Handed::AsBytes).document?;
    for entry in read_page(&pushed.bytes, Some(&pushed.content_type), &Limits::default())?.entries {
        black_box(hash(&entry.order?.canonical_json()));
    }
    Ok(())
}

/// A message that the ERP POSTs: its verify code, its document, and the hash.
fn take_in(body: &[u8], code: &str) -> Result<(), Failure> {
    if !is_authentic(code, body, ["second client secret", SECRET]) {
        return Err("the message is not authentic".into());
    }
    black_box(hash(&read_document(body)?.canonical));
    Ok(())
}

/// What `ledger::ContentHash` does; the ledger itself would bring the AWS SDK into this build.
fn hash(canonical: &[u8]) -> [u8; 32] {
    Sha256::digest(canonical).into()
}
