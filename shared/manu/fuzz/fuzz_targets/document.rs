#![no_main]

use libfuzzer_sys::fuzz_target;
use manu::read_document;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Ok(document) = read_document(body) else { return };
    assert!(!document.id.as_str().trim().is_empty());
    assert_eq!(read_document(&document.canonical).as_ref(), Ok(&document));
    let mut body = body;
    while let Some(rest) = body.strip_prefix(b"\xef\xbb\xbf") {
        body = rest;
    }
    // Some documents are none to `Value`: those with a number too large for it, or half a surrogate pair.
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        assert_eq!(serde_json::from_slice::<Value>(&document.canonical).ok(), Some(value));
    }
    // Half a surrogate pair is published as U+FFFD, so that only a number can still make it unreadable.
    let published = document.published_json();
    match serde_json::from_str::<Value>(&published) {
        Ok(_) => {}
        Err(error) => assert!(error.to_string().starts_with("number out of range"), "{error}"),
    }
});
