#![no_main]

use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};

fuzz_target!(|input: (&str, &[u8])| {
    let (secret, body) = input;
    let source = String::from_utf8_lossy(body).into_owned() + secret;
    let ascii = |unit: u16| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?');
    let folded: Vec<u8> = source.encode_utf16().map(ascii).collect();
    let expected: String = Md5::digest(folded).iter().map(|byte| format!("{byte:02x}")).collect();

    assert_eq!(manu::verify_code(body, secret).to_string(), expected);
    assert_eq!(manu::is_authentic(&expected, body, [secret]), !secret.is_empty());
});
