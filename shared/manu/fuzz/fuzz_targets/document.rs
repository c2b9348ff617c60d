#![no_main]

use libfuzzer_sys::fuzz_target;
use manu::read_document;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Ok(document) = read_document(body) else { return };
    assert!(!document.id.as_str().trim().is_empty());
    assert_eq!(read_document(&document.canonical).as_ref(), Ok(&document));
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Some documents are none to `Value`: those with a number too large for it, or half a surrogate pair.
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        assert_eq!(serde_json::from_slice::<Value>(&document.canonical).ok(), Some(value));
    }
});
