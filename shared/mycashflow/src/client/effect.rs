//! Whether an answer says plainly that a request with an effect was done.
//!
//! The vendor does not document what a shop answers to `process` and `send`. A success that is taken for a failure costs a
//! look by a person; a failure that is taken for a success is never found. So this looks for any sign of a failure.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Answers that consist of one word and mean success.
const WORDS_OF_SUCCESS: [&str; 5] = ["ok", "1", "true", "success", "done"];

/// Values of an element or attribute that can mean a failure.
const VALUES_OF_FAILURE: [&str; 7] = ["0", "-1", "false", "no", "null", "none", "ei"];

/// What an answer that means a failure can say anywhere, in lower case.
const SIGNS_OF_FAILURE: [&str; 22] = [
    "error",
    "fail",
    "exception",
    "fault",
    "warning",
    "notice",
    "denied",
    "invalid",
    "forbidden",
    "unauthor",
    "unavailable",
    "unknown",
    "reject",
    "refuse",
    "missing",
    "cannot",
    "could",
    "not ",
    "no such",
    "virhe",
    "epäonnistu",
    "ei voi",
];

/// Elements of HTML with which an error message can begin.
const HTML: [&str; 15] =
    ["a", "b", "body", "br", "center", "div", "font", "h1", "h2", "h3", "html", "p", "pre", "span", "table"];

/// Whether an answer of a status of success plainly says that a request with an effect was done:
///
/// - 204 without content, which is what that status means;
/// - one of the words of success by itself;
/// - an order, or a list of orders, without an `<error` in it;
/// - other well-formed XML without any sign of a failure.
pub(super) fn is_plainly_done(status: u16, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    match status {
        204 => text.is_empty(),
        200 | 201 => {
            WORDS_OF_SUCCESS.iter().any(|word| text.eq_ignore_ascii_case(word))
                || is_xml_of_success(text).unwrap_or(false)
        }
        // 202 says that it was not done yet; what the others would say of an effect is undocumented.
        _ => false,
    }
}

/// None when the text is not well-formed.
fn is_xml_of_success(text: &str) -> Option<bool> {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut root, mut good) = (0_usize, None, true);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                good &= has_good_values(&tag)?;
                if depth == 0 && root.replace(name(&tag)).is_some() {
                    return None;
                }
                depth += 1;
            }
            Event::Empty(tag) => {
                good &= has_good_values(&tag)?;
                if depth == 0 && root.replace(name(&tag)).is_some() {
                    return None;
                }
            }
            Event::End(_) => depth = depth.checked_sub(1)?,
            Event::Text(text) => {
                let value = text.trim();
                if depth == 0 && !value.is_empty() {
                    return None;
                }
                good &= is_good_value(value);
            }
            Event::CData(text) if depth > 0 => good &= is_good_value(text.trim()),
            Event::GeneralRef(_) if depth > 0 => {}
            Event::CData(_) | Event::GeneralRef(_) | Event::DocType(_) => return None,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    let root = root.filter(|_| depth == 0)?;
    let text = text.to_lowercase();
    Some(match root.as_str() {
        // An order can say anything: what a customer wrote, that a line is not delivered.
        "order" | "orders" => !text.contains("<error"),
        root => good && !HTML.contains(&root) && !SIGNS_OF_FAILURE.iter().any(|sign| text.contains(sign)),
    })
}

/// The element's name in lower case.
fn name(tag: &BytesStart<'_>) -> String {
    tag.name().as_ref().to_lowercase()
}

/// Whether no attribute has a value of failure; none when the attributes are not well-formed.
fn has_good_values(tag: &BytesStart<'_>) -> Option<bool> {
    let mut good = true;
    for attribute in tag.attributes() {
        good &= is_good_value(attribute.ok()?.value.trim());
    }
    Some(good)
}

fn is_good_value(value: &str) -> bool {
    !VALUES_OF_FAILURE.iter().any(|failure| value.eq_ignore_ascii_case(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_answers_without_any_sign_of_a_failure() {
        for body in [
            "<ok/>",
            "<?xml version=\"1.0\"?>\r\n<ok></ok>\r\n",
            "\u{feff}<OK/>",
            "OK",
            " 1\n",
            "true",
            "<response><status>ok</status><order id=\"45\">45</order></response>",
            "<result>1</result>",
            "<message>Kommentti lisätty &amp; lähetetty</message>",
            "<Orders/>",
            "<Order id='45'><Comments>this is not what I ordered</Comments><Shipped>false</Shipped></Order>",
        ] {
            assert!(is_plainly_done(200, body.as_bytes()), "{body}");
        }
        assert!(is_plainly_done(201, b"<ok/>"));
        assert!(is_plainly_done(204, b""));
    }

    #[test]
    fn err_anything_that_may_be_a_failure() {
        for body in [
            "",
            " ",
            "0",
            "false",
            "null",
            "[]",
            "{\"status\":\"error\",\"message\":\"x\"}",
            "{\"ok\":true}",
            "<error/>",
            "<errors><item>permission</item></errors>",
            "<response><ERROR code='7'/></response>",
            "<Order id='45'><error>x</error></Order>",
            "<result>false</result>",
            "<result> 0 </result>",
            "<result><![CDATA[false]]></result>",
            "<response success=\"0\"/>",
            "<response><status>failed</status></response>",
            "<message>Tilausta ei voitu käsitellä</message>",
            "<soap:Fault/>",
            "<br />\n<b>Fatal error</b>:  Call to a member function send() on null in x.php:12<br />\n",
            "<br />\n<b>Deprecated</b>: x<br />\n<ok/>",
            "Notice: Undefined index in /x.php on line 3\n<ok/>",
            "<!-- PHP Warning -->\n<ok/>",
            "<ok/>Warning: x",
            "<ok/><ok/>",
            "<ok>",
            "<ok/></ok>",
            "</ok>",
            "<ok a=1/>",
            "<a>b</c>",
            "<p>Huoltokatko</p>",
            "<html><body>OK</body></html>",
            "<!DOCTYPE ok><ok/>",
            "OK, but later",
        ] {
            assert!(!is_plainly_done(200, body.as_bytes()), "{body}");
        }
        assert!(!is_plainly_done(202, b"<ok/>"));
        assert!(!is_plainly_done(204, b"<ok/>"));
        assert!(!is_plainly_done(200, b"\xff\xfe<\0o\0k\0/\0>\0"));
    }
}
