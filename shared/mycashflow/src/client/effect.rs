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

/// What an answer that means a failure can say anywhere, in lower case: in English, Finnish and Swedish.
const SIGNS_OF_FAILURE: &[&str] = &[
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
    "undefined",
    "reject",
    "refuse",
    "missing",
    "expired",
    "cannot",
    "could",
    "not ",
    "no such",
    "try again",
    "timeout",
    "timed out",
    "limit",
    "problem",
    "login",
    "log in",
    "password",
    "maintenance",
    "virhe",
    "epäonnistu",
    "ei voi",
    "ei ole",
    "ei saa",
    "löydy",
    "puuttu",
    "kielle",
    "estet",
    "hylät",
    "hylkä",
    "kirjaudu",
    "salasana",
    "misslyck",
    "inte ",
    "saknas",
    "ogiltig",
    "nekad",
    "fel:",
];

/// What the name of an element or attribute can say that tells of a failure, in an order too.
const NAMES_OF_FAILURE: &[&str] = &["error", "fault", "exception", "failure"];

/// Elements of HTML with which an error message or a login page can begin.
const HTML: &[&str] = &[
    "a", "b", "body", "br", "center", "div", "font", "form", "h1", "h2", "h3", "head", "hr", "html", "iframe", "input",
    "main", "meta", "noscript", "p", "pre", "script", "section", "span", "table", "title",
];

/// Whether an answer of a status of success plainly says that a request with an effect was done:
///
/// - 204 without content, which is what that status means;
/// - one of the words of success by itself;
/// - an order, or a list of orders, without an element or attribute of failure in it;
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

/// What the tags and texts of a document say.
struct Said {
    depth: usize,
    root: Option<String>,
    /// The name of the tag before.
    before: String,
    /// Whether it shows an order.
    has_order: bool,
    /// Whether no value is one of failure.
    good_values: bool,
    /// Whether no name is one of failure.
    good_names: bool,
}

/// None when the text is not well-formed.
fn is_xml_of_success(text: &str) -> Option<bool> {
    let mut reader = Reader::from_str(text);
    let mut said =
        Said { depth: 0, root: None, before: String::new(), has_order: false, good_values: true, good_names: true };
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                said.hear(&tag)?;
                said.depth += 1;
            }
            Event::Empty(tag) => said.hear(&tag)?,
            Event::End(_) => said.depth = said.depth.checked_sub(1)?,
            Event::Text(text) => {
                let value = text.trim();
                if said.depth == 0 && !value.is_empty() {
                    return None;
                }
                said.good_values &= is_good_value(&said.before, value);
            }
            Event::CData(text) if said.depth > 0 => said.good_values &= is_good_value(&said.before, text.trim()),
            Event::GeneralRef(_) if said.depth > 0 => {}
            Event::CData(_) | Event::GeneralRef(_) | Event::DocType(_) => return None,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    let root = said.root.filter(|_| said.depth == 0)?;
    let text = text.to_lowercase();
    // An order can say anything: what a customer wrote, that a line is not delivered.
    if matches!(root.as_str(), "order" | "orders") && said.has_order {
        return Some(said.good_names && !text.contains("<error"));
    }
    let has_sign = SIGNS_OF_FAILURE.iter().any(|sign| text.contains(sign));
    Some(said.good_names && said.good_values && !HTML.contains(&root.as_str()) && !has_sign)
}

impl Said {
    /// Takes in a tag. None when there is a second root, or the attributes are not well-formed.
    fn hear(&mut self, tag: &BytesStart<'_>) -> Option<()> {
        let name = name(tag);
        for attribute in tag.attributes() {
            let attribute = attribute.ok()?;
            let key = attribute.key.as_ref().to_lowercase();
            self.good_values &= is_good_value(&key, attribute.value.trim());
            self.good_names &= is_good_name(&key);
        }
        self.good_names &= is_good_name(&name);
        self.has_order |= name == "order";
        self.before.clone_from(&name);
        if self.depth == 0 && self.root.replace(name).is_some() {
            return None;
        }
        Some(())
    }
}

/// The element's name in lower case.
fn name(tag: &BytesStart<'_>) -> String {
    tag.name().as_ref().to_lowercase()
}

fn is_good_name(name: &str) -> bool {
    !NAMES_OF_FAILURE.iter().any(|failure| name.contains(failure))
}

/// A number of 400 to 599 is a status of failure, unless it is the number of something else.
fn is_good_value(name: &str, value: &str) -> bool {
    let is_status = ["status", "code", "result"].iter().any(|status| name.contains(status));
    let is_bad_status = is_status && value.parse::<u16>().is_ok_and(|number| (400..600).contains(&number));
    !is_bad_status && !VALUES_OF_FAILURE.iter().any(|failure| value.eq_ignore_ascii_case(failure))
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
            "<Order id='404'/>",
            "<response><status>ok</status><order id='404'>404</order></response>",
            "<Orders><Order id='45'><Comments>Fel: 500</Comments></Order></Orders>",
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
            "<ok code=\"500\"/>",
            "<response><code>403</code></response>",
            "<Orders error='x'/>",
            "<Orders><message>failed</message></Orders>",
            "<Order id='45'><ErrorMessage>x</ErrorMessage></Order>",
            "<Orders fault='1'><Order id='45'/></Orders>",
            "<message>Tilausta ei löydy</message>",
            "<message>Käyttöoikeus puuttuu</message>",
            "<message>Misslyckades</message>",
            "<message>Kommentaren kan inte sparas</message>",
            "<form action='/x'><input/></form>",
            "<script>location='/x'</script>",
        ] {
            assert!(!is_plainly_done(200, body.as_bytes()), "{body}");
        }
        assert!(!is_plainly_done(202, b"<ok/>"));
        assert!(!is_plainly_done(204, b"<ok/>"));
        assert!(!is_plainly_done(200, b"\xff\xfe<\0o\0k\0/\0>\0"));
    }
}
