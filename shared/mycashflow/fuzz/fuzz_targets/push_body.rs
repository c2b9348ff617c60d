#![no_main]

use libfuzzer_sys::fuzz_target;
use mycashflow::{Handed, Limits, push_document, read_page};

fuzz_target!(|input: (Option<&str>, u8, &[u8])| {
    let (free, choice, body) = input;
    let content_type = match choice % 3 {
        0 => Some("application/x-www-form-urlencoded"),
        1 => Some("multipart/form-data; boundary=X"),
        _ => free,
    };
    for handed in [Handed::AsBytes, Handed::AsText] {
        if let Ok(document) = push_document(content_type, body, handed).document {
            let _ = read_page(&document.bytes, Some(&document.content_type), &Limits::default());
        }
    }
});
