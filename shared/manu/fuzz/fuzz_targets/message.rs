#![no_main]

use libfuzzer_sys::fuzz_target;
use manu::{NotAuthentic, Transfer, Unverified, read_document, verify_code};

fuzz_target!(|input: (&str, Option<&str>, bool, &str, &[u8])| {
    let (secret, content_type, is_text, header, body) = input;
    let transfer = if is_text { Transfer::Text } else { Transfer::Bytes };
    let message = Unverified::new(body, content_type, transfer);
    // Nothing that the fuzzer finds is the code of a secret that it does not have.
    assert!(message.verify([header], ["a secret that is not in the input"]).is_err());

    // What is signed as it came is authentic, whatever it declares; an empty secret signs nothing.
    let code = verify_code(body, secret).to_string();
    let verified = match message.verify([header, &code], [secret]) {
        Ok(verified) => verified,
        Err(error) => return assert!(secret.is_empty() && error == NotAuthentic::WrongCode),
    };
    assert_eq!(verified.body(), body);
    let Ok(received) = verified.read() else { return };
    // What is recorded reads the same at any later time, and what is published is JSON.
    assert_eq!(read_document(received.body).as_ref(), Ok(&received.document));
    let published = received.document.published_json();
    assert!(read_document(published.as_bytes()).is_ok());
    assert!(!is_text || !std::str::from_utf8(received.body).is_ok_and(|text| text.contains('\u{fffd}')));
});
