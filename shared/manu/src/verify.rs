//! The verify code: what the ERP sends to show that a message is its own.
//!
//! # What it is worth
//!
//! The code is MD5 over the payload with the secret appended, and that is weaker than an HMAC in ways a caller must
//! know:
//!
//! * The secret stands at the end, so two payloads that collide under MD5 have the same code under *every* secret. Who
//!   can choose what the ERP signs can prepare such a pair.
//! * There is no time and no message id in it: a message once seen is valid for ever. What blunts a replay is that the
//!   receiver records a document's content once.
//! * Every character that is not ASCII is hashed as `?`, so an `ä` changed into an `ö`, or into a `?`, keeps the code
//!   valid.
//!
//! The connection's TLS is therefore what protects a message on its way; the code keeps strangers from posting.

use std::fmt;

use md5::{Digest, Md5};
use subtle::{Choice, ConstantTimeEq};

/// The name of the header that carries the verify code (`docs/vendors/manu-online.md`). Header names have no case.
pub const HEADER: &str = "Manu-MD5-VerifyCode";

/// A verify code: 16 bytes of MD5. It shows as 32 lower-case hexadecimal digits, as the vendor's sample prints it.
///
/// There is no `==`: whoever can measure how long a comparison takes could guess a code digit by digit. Use
/// [`VerifyCode::matches`], or [`is_authentic`] for a whole message.
#[derive(Clone, Copy)]
pub struct VerifyCode([u8; 16]);

impl VerifyCode {
    /// Whether two codes are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Reads 32 hexadecimal digits of either case. `None` for anything else.
    fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let pairs: &[[u8; 2]; 16] = pairs.try_into().ok()?;
        let mut code = [0; 16];
        for (byte, [high, low]) in code.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Some(Self(code))
    }
}

impl fmt::Display for VerifyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The code that the ERP sends with `body` when the app's first client secret is `secret` (`docs/vendors/manu-online.md`).
///
/// The vendor's C# sample hashes `ASCIIEncoding.GetBytes(payload + secret)`, where every UTF-16 code unit above 0x7F
/// becomes `?`: one for `ä` or `€`, two for a character outside the basic plane. The body is the payload as UTF-8, so
/// this counts code units straight from the bytes, in one pass and without a second copy of the body.
///
/// Two cases on which the page is silent:
/// * Bytes that are not UTF-8 count as one `?` for each replacement character a decoder would put there (the WHATWG
///   rule, which .NET follows too). A .NET string cannot produce such a body.
/// * A byte order mark counts as one `?`, for it is a character of the payload like any other. Whether the ERP counts a
///   mark that it writes is unknown, so [`Unverified::verify`](crate::Unverified::verify) tries both.
///
/// ```
/// let code = tilaussilta_manu::verify_code(r#"{"a":"€"}"#.as_bytes(), "x");
/// assert_eq!(code.to_string(), "ba9466b5402869a102def4170a4c9fc0");
/// ```
pub fn verify_code(body: &[u8], secret: &str) -> VerifyCode {
    sign(hash_folded(Md5::new(), body), secret)
}

/// Whether `header`, the value of [`HEADER`], is the verify code of `body` under one of `secrets`.
///
/// This is the check of the code alone, for a body whose text is its bytes as UTF-8. A message that came is checked by
/// [`Unverified::verify`](crate::Unverified::verify), which knows byte order marks and charsets as well.
///
/// A connection lists several secrets while one is being changed for another. All of them are tried, and each is
/// compared in constant time, so the time taken tells neither which one matched nor how much of it. The digits may be
/// of either case, although the vendor's sample prints lower case. A header that came several times may have been joined
/// by commas (RFC 9110, section 5.3), so each item of a list counts. A header of any other shape is not authentic, and
/// an empty secret matches nothing: anybody could sign with it.
///
/// ```
/// let body = br#"{"id":4711,"documentNumber":"SO-1001"}"#;
/// assert!(tilaussilta_manu::is_authentic("7e48a4d7d5d21a4fd63b6a9c84b95ca4", body, ["new-secret", "client-secret-1"]));
/// assert!(!tilaussilta_manu::is_authentic("", body, ["new-secret", "client-secret-1"]));
/// ```
pub fn is_authentic<'s>(header: &str, body: &[u8], secrets: impl IntoIterator<Item = &'s str>) -> bool {
    let claimed: Vec<VerifyCode> = codes(header).collect();
    is_signed(&claimed, body, secrets)
}

/// The verify codes that the value of a header holds: one, or a list joined by commas. What is no code is passed over.
pub(crate) fn codes(header: &str) -> impl Iterator<Item = VerifyCode> {
    let is_list = header.contains(',');
    header.split(',').filter_map(move |item| VerifyCode::from_hex(if is_list { item.trim_ascii() } else { item }))
}

/// Whether one of `claimed` is the code of `payload`, a text in UTF-8, under one of `secrets`.
pub(crate) fn is_signed<'s>(
    claimed: &[VerifyCode],
    payload: &[u8],
    secrets: impl IntoIterator<Item = &'s str>,
) -> bool {
    if claimed.is_empty() {
        return false;
    }
    // The payload is hashed once; each secret continues from there.
    let hashed = hash_folded(Md5::new(), payload);
    let mut authentic = Choice::from(0);
    for secret in secrets {
        let usable = Choice::from(u8::from(!secret.is_empty()));
        let code = sign(hashed.clone(), secret);
        for claimed in claimed {
            authentic |= usable & code.0.ct_eq(&claimed.0);
        }
    }
    authentic.into()
}

/// Finishes the hash of a body with the secret.
fn sign(body: Md5, secret: &str) -> VerifyCode {
    VerifyCode(hash_folded(body, secret.as_bytes()).finalize().into())
}

/// Hashes `bytes` as .NET's `ASCIIEncoding` would write their text: ASCII as it is, and `?` for every other UTF-16 code
/// unit.
fn hash_folded(mut hasher: Md5, bytes: &[u8]) -> Md5 {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while !rest.is_empty() {
            let (ascii, others) = rest.split_at(rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len()));
            hasher.update(ascii);
            let (others, ascii) = others.split_at(others.iter().position(u8::is_ascii).unwrap_or(others.len()));
            hash_question_marks(&mut hasher, others);
            rest = ascii;
        }
        if !chunk.invalid().is_empty() {
            hasher.update(b"?");
        }
    }
    hasher
}

/// Hashes one `?` for each UTF-16 code unit of `others`, which is valid UTF-8 without any ASCII.
fn hash_question_marks(hasher: &mut Md5, others: &[u8]) {
    /// Enough for most runs, which in Finnish are one letter long.
    const MARKS: [u8; 32] = [b'?'; 32];
    // The first byte of a character tells its length in code units; its further bytes add nothing.
    let code_unit_count = |byte: &u8| match byte {
        0x80..0xc0 => 0,
        0xf0.. => 2,
        _ => 1,
    };
    let mut count: usize = others.iter().map(code_unit_count).sum();
    while count > 0 {
        let now = count.min(MARKS.len());
        hasher.update(&MARKS[..now]);
        count -= now;
    }
}

/// The value of one hexadecimal digit.
fn hex_digit(byte: u8) -> Option<u8> {
    // Every digit's value is below 16, so it fits.
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        payload: String,
        secret: String,
        verify_code: String,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str::<Vectors>(include_str!("../testdata/verify-code.json")).unwrap().vectors
    }

    /// The vendor's algorithm, step by step: decode, append, fold, hash.
    fn reference(body: &[u8], secret: &str) -> String {
        let source = String::from_utf8_lossy(body).into_owned() + secret;
        let ascii = |unit: u16| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?');
        let folded: Vec<u8> = source.encode_utf16().map(ascii).collect();
        Md5::digest(folded).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const BODY: &[u8] = br#"{"id":4711,"documentNumber":"SO-1001"}"#;
    const CODE: &str = "7e48a4d7d5d21a4fd63b6a9c84b95ca4";

    #[test]
    fn every_code_of_the_vendors_sample_is_reproduced() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 30);
        for Vector { payload, secret, verify_code: expected } in vectors {
            assert_eq!(verify_code(payload.as_bytes(), &secret).to_string(), expected, "{payload:?}");
            assert!(is_authentic(&expected, payload.as_bytes(), [secret.as_str()]));
        }
    }

    #[test]
    fn a_changed_body_secret_or_code_is_not_authentic() {
        assert!(is_authentic(CODE, BODY, ["client-secret-1"]));
        assert!(!is_authentic(CODE, &BODY[1..], ["client-secret-1"]));
        assert!(!is_authentic(CODE, BODY, ["client-secret-2"]));
        for at in 0..CODE.len() {
            let mut other = CODE.to_owned().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert!(!is_authentic(std::str::from_utf8(&other).unwrap(), BODY, ["client-secret-1"]), "digit {at}");
        }
    }

    #[test]
    fn the_digits_may_be_upper_case() {
        assert!(is_authentic(&CODE.to_uppercase(), BODY, ["client-secret-1"]));
    }

    #[test]
    fn any_secret_of_the_list_will_do_wherever_it_stands() {
        for at in 0..3 {
            let mut secrets = ["a", "b", "c"];
            secrets[at] = "client-secret-1";
            assert!(is_authentic(CODE, BODY, secrets));
        }
        assert!(!is_authentic(CODE, BODY, []));
    }

    #[test]
    fn a_header_of_another_shape_is_not_authentic() {
        for header in ["", "7e48", &CODE[..31], &format!("{CODE}0"), &format!(" {CODE}"), &"g".repeat(32), "ä"] {
            assert!(!is_authentic(header, BODY, ["client-secret-1"]), "{header:?}");
        }
        // Two bytes for each of sixteen characters: the right length in bytes, and not one digit.
        assert!(!is_authentic(&"ä".repeat(16), BODY, ["client-secret-1"]));
    }

    #[test]
    fn each_item_of_a_list_of_codes_counts() {
        let other = "0".repeat(32);
        for list in [
            format!("{CODE},{other}"),
            format!("{other}, {CODE}"),
            format!("{other} ,\t{CODE} , no code"),
            format!(",,{CODE},{CODE}"),
        ] {
            assert!(is_authentic(&list, BODY, ["client-secret-1"]), "{list:?}");
            assert!(!is_authentic(&list, BODY, ["client-secret-2"]), "{list:?}");
        }
        for list in [",".to_owned(), format!("{other},{other}"), format!("{},{}", &CODE[..16], &CODE[16..])] {
            assert!(!is_authentic(&list, BODY, ["client-secret-1"]), "{list:?}");
        }
    }

    #[test]
    fn an_empty_secret_matches_nothing() {
        let code = verify_code(BODY, "").to_string();
        assert!(!is_authentic(&code, BODY, [""]));
    }

    #[test]
    fn bytes_that_are_not_utf8_count_as_one_mark_for_each_maximal_part() {
        // A lone continuation, a character cut in two, an overlong form, and a surrogate written as UTF-8.
        for (body, folded) in [
            (&b"a\x80b"[..], "a?b"),
            (b"a\xe2\x82b", "a?b"),
            (b"\xc0\xaf", "??"),
            (b"\xed\xa0\x80", "???"),
            (b"\xf0\x9f\x98", "?"),
        ] {
            assert!(verify_code(body, "s").matches(&verify_code(folded.as_bytes(), "s")), "{folded}");
        }
    }

    #[test]
    fn a_character_cut_at_the_end_of_the_body_does_not_swallow_the_secret() {
        assert!(verify_code(b"a\xc3", "\u{80}x").matches(&verify_code(b"a?", "?x")));
    }

    proptest! {
        #[test]
        fn text_gives_the_code_of_the_vendors_algorithm(body in r"([ -~]|[äöÅ€\u{feff}\u{7f}\u{80}]|.){0,200}", secret in ".{0,40}") {
            prop_assert_eq!(verify_code(body.as_bytes(), &secret).to_string(), reference(body.as_bytes(), &secret));
        }

        #[test]
        fn any_bytes_give_the_code_of_the_vendors_algorithm(body: Vec<u8>, secret: String) {
            prop_assert_eq!(verify_code(&body, &secret).to_string(), reference(&body, &secret));
        }

        #[test]
        fn long_runs_of_marks_are_counted_right(count in 0_usize..200) {
            let body = "😀ä".repeat(count);
            prop_assert_eq!(verify_code(body.as_bytes(), "s").to_string(), reference(body.as_bytes(), "s"));
        }
    }
}
