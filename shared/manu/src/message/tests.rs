//! Which messages are authentic, and what is read of them.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::verify_code;

const SECRET: &str = "client-secret-1";
const TEXT: &str = r#"{"id":8,"note":"Käsiteltävä – 5 €"}"#;
const MARK: &str = "\u{feff}";

/// Verifies a body with the code that the ERP gives for `text`.
fn verify<'a>(
    text: &str,
    body: &'a [u8],
    content_type: Option<&'a str>,
    transfer: Transfer,
) -> Result<Verified<'a>, NotAuthentic> {
    let code = verify_code(text.as_bytes(), SECRET).to_string();
    Unverified::new(body, content_type, transfer).verify([code.as_str()], [SECRET])
}

/// `text` in a charset that has all its characters.
fn encode(text: &str, charset: &str) -> Vec<u8> {
    let encoding = Encoding::for_label(charset.as_bytes()).unwrap();
    let (bytes, used, lossy) = encoding.encode(text);
    assert!(used == encoding && !lossy, "{text:?} in {charset}");
    bytes.into_owned()
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn every_code_of_the_vendors_sample_verifies_its_message() {
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
    let Vectors { vectors } = serde_json::from_str(include_str!("../../testdata/verify-code.json")).unwrap();
    assert_eq!(vectors.len(), 30);
    for Vector { payload, secret, verify_code } in vectors {
        for transfer in [Transfer::Bytes, Transfer::Text] {
            let message = Unverified::new(payload.as_bytes(), None, transfer);
            assert!(message.verify([verify_code.as_str()], [secret.as_str()]).is_ok(), "{payload:?}");
            assert!(message.verify([verify_code.as_str()], ["another"]).is_err(), "{payload:?}");
        }
    }
}

#[test]
fn a_message_is_recorded_as_it_came() {
    for content_type in ["application/json", "application/json; charset=utf-8", "text/json;charset=\"UTF8\""] {
        let message = verify(TEXT, TEXT.as_bytes(), Some(content_type), Transfer::Bytes).unwrap();
        let received = message.read().unwrap();
        assert_eq!((received.body, &*received.content_type), (TEXT.as_bytes(), content_type));
        assert_eq!(received.document, read_document(TEXT.as_bytes()).unwrap());
        assert_eq!((message.body(), message.content_type()), (TEXT.as_bytes(), Some(content_type)));
    }
    let message = verify(TEXT, TEXT.as_bytes(), None, Transfer::Bytes).unwrap();
    assert_eq!(message.read().unwrap().content_type, "application/json");
}

#[test]
fn a_missing_code_is_told_from_a_wrong_one() {
    let message = Unverified::new(TEXT.as_bytes(), None, Transfer::Bytes);
    let verify = |headers: &[&str]| message.verify(headers.iter().copied(), [SECRET]).err();
    let (right, wrong) = (verify_code(TEXT.as_bytes(), SECRET).to_string(), "0".repeat(32));
    assert_eq!(verify(&[]), Some(NotAuthentic::NoCode));
    assert_eq!(verify(&["", "not a code", &right[1..]]), Some(NotAuthentic::NoCode));
    assert_eq!(verify(&[&wrong]), Some(NotAuthentic::WrongCode));
    assert_eq!(verify(&[&wrong, &right]), None);
    assert_eq!(verify(&[&format!("{wrong},{right}")]), None);
    assert_eq!(verify(&[&format!("{wrong}, {wrong}"), &wrong]), Some(NotAuthentic::WrongCode));
    assert!(message.verify([right.as_str()], []).is_err(), "no secrets");
}

#[test]
fn an_empty_secret_verifies_nothing() {
    let code = verify_code(TEXT.as_bytes(), "").to_string();
    let message = Unverified::new(TEXT.as_bytes(), None, Transfer::Bytes);
    assert_eq!(message.verify([code.as_str()], ["", ""]).err(), Some(NotAuthentic::WrongCode));
}

#[test]
fn a_byte_order_mark_may_be_counted_by_the_code_or_not() {
    let expected = read_document(TEXT.as_bytes()).unwrap();
    for marks in 0..=2 {
        let body = MARK.repeat(marks) + TEXT;
        for counted in 0..=marks {
            for transfer in [Transfer::Bytes, Transfer::Text] {
                let message = verify(&(MARK.repeat(counted) + TEXT), body.as_bytes(), None, transfer).unwrap();
                let received = message.read().unwrap();
                assert_eq!(received.document, expected, "{counted} of {marks} marks");
                assert_eq!(received.body, body.as_bytes(), "what came is recorded");
            }
        }
    }
    assert!(verify(&(MARK.to_owned() + TEXT), TEXT.as_bytes(), None, Transfer::Bytes).is_err(), "a mark is made up");
}

#[test]
fn a_charset_is_honoured() {
    for (text, charset) in [
        (TEXT, "windows-1252"),
        (TEXT, "Windows-1252"),
        (r#"{"id":8,"note":"Käsiteltävä"}"#, "iso-8859-1"),
        (r#"{"id":8,"note":"Käsiteltävä 5 €"}"#, "iso-8859-15"),
        (r#"{"id":8,"note":"Šiauliai, Łódź"}"#, "windows-1257"),
        (r#"{"id":8,"note":"漢字"}"#, "shift_jis"),
    ] {
        let body = encode(text, charset);
        for content_type in
            [format!("application/json; charset={charset}"), format!("text/plain;x=1; Charset=\"{charset}\" ;y=2")]
        {
            let message = verify(text, &body, Some(&content_type), Transfer::Bytes).unwrap();
            let received = message.read().unwrap();
            assert_eq!(received.document, read_document(text.as_bytes()).unwrap());
            assert_eq!(received.body, text.as_bytes(), "the text is recorded in UTF-8");
            assert_eq!(message.body(), body, "the quarantine gets what came");
            let expected = match content_type.starts_with("text") {
                true => "text/plain;x=1;y=2; charset=utf-8",
                false => "application/json; charset=utf-8",
            };
            assert_eq!(received.content_type, expected);
        }
    }
}

#[test]
fn utf_16_is_read_by_its_byte_order_mark_or_its_charset() {
    let marked = MARK.to_owned() + TEXT;
    for (bytes, charset) in [(u16::to_le_bytes as fn(u16) -> [u8; 2], "utf-16"), (u16::to_be_bytes, "utf-16be")] {
        let declared = format!("application/json; charset={charset}");
        for (body, content_type) in [
            (utf16(TEXT, bytes), Some(declared.as_str())),
            (utf16(&marked, bytes), Some(&*declared)),
            (utf16(&marked, bytes), None),
            (utf16(&marked, bytes), Some("application/json; charset=utf-8")),
        ] {
            let message = verify(TEXT, &body, content_type, Transfer::Bytes).unwrap();
            assert_eq!(message.read().unwrap().document, read_document(TEXT.as_bytes()).unwrap());
        }
    }
}

#[test]
fn a_body_in_utf_8_that_declares_another_charset_is_still_authentic() {
    for charset in ["iso-8859-1", "us-ascii", "utf-16", "shift_jis", "no-such-charset", ""] {
        let content_type = format!("application/json; charset={charset}");
        let message = verify(TEXT, TEXT.as_bytes(), Some(&content_type), Transfer::Bytes).unwrap();
        let received = message.read().unwrap();
        assert_eq!(received.body, TEXT.as_bytes());
        assert_eq!(received.content_type, "application/json; charset=utf-8");
    }
}

#[test]
fn a_text_is_utf_8_whatever_it_declares() {
    let message =
        verify(TEXT, TEXT.as_bytes(), Some("application/json; charset=windows-1252"), Transfer::Text).unwrap();
    let received = message.read().unwrap();
    assert_eq!(received.body, TEXT.as_bytes());
    assert_eq!(received.content_type, "application/json; charset=utf-8");
    // The same letters as bytes would be another text, which only its own code makes authentic.
    let as_windows = "{\"note\":\"Ã¤\"}";
    let bytes = encode(as_windows, "windows-1252");
    assert_eq!(bytes, "{\"note\":\"ä\"}".as_bytes());
    let declared = Some("application/json; charset=windows-1252");
    assert!(verify(as_windows, &bytes, declared, Transfer::Text).is_err());
    let message = verify(as_windows, &bytes, declared, Transfer::Bytes).unwrap();
    assert_eq!(message.read().unwrap().body, as_windows.as_bytes());
}

#[test]
fn a_text_that_lost_letters_is_authentic_and_cannot_be_read() {
    let lost = String::from_utf8_lossy(&encode(TEXT, "windows-1252")).into_owned();
    let content_type = Some("application/json; charset=windows-1252");
    let message = verify(TEXT, lost.as_bytes(), content_type, Transfer::Text).unwrap();
    let error = message.read().unwrap_err();
    assert_eq!(error, DocumentError::LettersLost { line: 1, column: 18 });
    assert_eq!(
        error.to_string(),
        "the body lost letters before it came, the first at line 1, column 18: it must be sent as UTF-8"
    );
    // As bytes, the ERP sent that character itself, as it does where it writes it as an escape sequence.
    assert!(verify(TEXT, lost.as_bytes(), None, Transfer::Bytes).unwrap().read().is_ok());
    let escaped = r#"{"note":"\ufffd"}"#;
    assert!(verify(escaped, escaped.as_bytes(), None, Transfer::Text).unwrap().read().is_ok());
}

#[test]
fn an_authentic_body_that_is_no_text_or_no_document_says_where() {
    let windows = encode(TEXT, "windows-1252");
    let error = |content_type, body| verify(TEXT, body, content_type, Transfer::Bytes).unwrap().read().unwrap_err();
    let not_utf8 = DocumentError::NotUtf8 { line: 1, column: 18 };
    for content_type in [None, Some("application/json"), Some("application/json; charset=utf-8")] {
        assert_eq!(error(content_type, &windows), not_utf8);
    }
    let error = verify("<a/>", b"<a/>", None, Transfer::Text).unwrap().read().unwrap_err();
    assert_eq!(error.to_string(), "the body is not JSON at line 1, column 1: expected value");
}

#[test]
fn what_is_shown_for_debugging_holds_nothing_of_the_body() {
    let message = Unverified::new(b"{\"email\":\"aino@example.fi\"}", Some("aino@example.fi"), Transfer::Text);
    assert_eq!(format!("{message:?}"), "Unverified { bytes: 27, transfer: Text, .. }");
    let code = verify_code(message.body, SECRET).to_string();
    assert!(!format!("{:?}", message.verify([code.as_str()], [SECRET])).contains("aino"));
}

/// How a text may be sent: the charset, whether it is declared, and the byte order marks before it.
fn send(text: &str, way: usize) -> (Vec<u8>, Option<&'static str>) {
    let marked = MARK.to_owned() + text;
    match way {
        0 => (text.as_bytes().to_vec(), None),
        1 => (marked.into_bytes(), Some("application/json")),
        2 => (utf16(&marked, u16::to_le_bytes), None),
        3 => (utf16(text, u16::to_be_bytes), Some("application/json; charset=UTF-16BE")),
        4 => (text.as_bytes().to_vec(), Some("application/json; charset=iso-8859-1")),
        _ => (encode(text, "gb18030"), Some("application/json; charset=gb18030")),
    }
}

proptest! {
    #[test]
    fn any_document_is_verified_and_read_however_it_is_sent(
        // Characters that gb18030 has under one code only.
        note in r"([ -!#-\[\]-~]|[äöÅ€😀漢\u{80}]){0,40}", secret in ".{1,20}", way in 0_usize..6,
    ) {
        let text = format!(r#"{{"id":1,"note":"{note}"}}"#);
        let (body, content_type) = send(&text, way);
        let code = verify_code(text.as_bytes(), &secret).to_string();
        let message = Unverified::new(&body, content_type, Transfer::Bytes);
        prop_assert!(message.verify([code.as_str()], [secret.as_str(), "other"]).is_ok());
        let verified = message.verify([code.as_str()], ["other", secret.as_str()]).unwrap();
        let received = verified.read().unwrap();
        prop_assert_eq!(&received.document, &read_document(text.as_bytes()).unwrap());
        prop_assert_eq!(&read_document(received.body).unwrap(), &received.document, "what is recorded reads the same");
        prop_assert!(message.verify([code.as_str()], ["another secret"]).is_err());
    }

    #[test]
    fn what_was_authentic_by_its_bytes_still_is(
        body: Vec<u8>, secret in ".{1,20}", charset in "(utf-8|utf-16|windows-1252|shift_jis|none)", text: bool,
    ) {
        let content_type = format!("application/json; charset={charset}");
        let transfer = if text { Transfer::Text } else { Transfer::Bytes };
        let code = verify_code(&body, &secret).to_string();
        let message = Unverified::new(&body, Some(&content_type), transfer);
        prop_assert!(message.verify([code.as_str()], [secret.as_str()]).is_ok());
    }

    #[test]
    fn what_is_not_signed_with_the_secret_is_not_authentic(body: Vec<u8>, code in "[0-9a-f]{32}", charset in "[a-z0-9-]*") {
        let content_type = format!("application/json; charset={charset}");
        let message = Unverified::new(&body, Some(&content_type), Transfer::Bytes);
        prop_assert_eq!(message.verify([code.as_str()], [SECRET]).err(), Some(NotAuthentic::WrongCode));
    }
}
