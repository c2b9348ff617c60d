//! What an endpoint receives, by Standard Webhooks (<https://github.com/standard-webhooks/standard-webhooks>,
//! `spec/standard-webhooks.md`).

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook, WebhookError};

use crate::message::BusEvent;

#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'a str,
    timestamp: &'a str,
    source: &'a str,
    data: &'a RawValue,
}

/// The body: the event's type, time and source, and its detail as `data`, with `id` and `revision`.
///
/// # Errors
/// Never in practice: all of it was read as JSON.
pub fn payload(event: &BusEvent<'_>) -> serde_json::Result<String> {
    let BusEvent { source, detail_type, time, detail, .. } = event;
    serde_json::to_string(&Payload { r#type: detail_type, timestamp: time, source, data: detail })
}

/// The three headers. The signature is made with each secret, so that one can be changed for another without a gap.
///
/// # Errors
/// When a secret is not Base64.
pub fn signed_headers(
    id: &str,
    now: Timestamp,
    body: &str,
    secrets: &[&str],
) -> Result<[(&'static str, String); 3], WebhookError> {
    let (id, second) = (header_id(id), now.as_second());
    let sign = |secret: &&str| Webhook::new(secret)?.sign(&id, second, body.as_bytes());
    let signatures = secrets.iter().map(sign).collect::<Result<Vec<_>, _>>()?;
    Ok([
        (HEADER_WEBHOOK_ID, id),
        (HEADER_WEBHOOK_TIMESTAMP, second.to_string()),
        (HEADER_WEBHOOK_SIGNATURE, signatures.join(" ")),
    ])
}

/// A revision's id as the header may carry it: no full stop, which separates what is signed, and ASCII only.
fn header_id(id: &str) -> String {
    let mut header = String::new();
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' => header.push(char::from(byte)),
            // Writing to a string cannot fail.
            other => drop(write!(header, "%{other:02X}")),
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: &str = "whsec_Y3VycmVudCBzZWNyZXQgb2YgYSB0ZXN0IQ==";
    const PREVIOUS: &str = "whsec_cHJldmlvdXMgc2VjcmV0IG9mIGEgdGVzdA==";
    const EVENT: &str = r#"{"version":"0","detail-type":"order.updated","source":"tilaussilta.mycashflow",
        "time":"2026-03-02T08:00:00Z","detail":{"id":"mycashflow/acme/order/58/2","revision":2,"sum":1e-7,"code":9400111899223197428490}}"#;

    fn signed(id: &str, body: &str, secrets: &[&str]) -> http::HeaderMap {
        let signed = signed_headers(id, Timestamp::now(), body, secrets).unwrap();
        signed.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn accepts(secret: &str, body: &str, headers: &http::HeaderMap) -> bool {
        Webhook::new(secret).unwrap().verify(body.as_bytes(), headers).is_ok()
    }

    #[test]
    fn the_body_carries_the_revision_and_keeps_the_text_of_the_detail() {
        let body = payload(&BusEvent::read(EVENT).unwrap()).unwrap();
        assert_eq!(
            body,
            r#"{"type":"order.updated","timestamp":"2026-03-02T08:00:00Z","source":"tilaussilta.mycashflow","data":{"id":"mycashflow/acme/order/58/2","revision":2,"sum":1e-7,"code":9400111899223197428490}}"#
        );
    }

    #[test]
    fn the_reference_library_accepts_what_is_signed_and_nothing_else() {
        let headers = signed("mycashflow/acme/order/58/2", "{}", &[CURRENT]);
        assert_eq!(headers[HEADER_WEBHOOK_ID], "mycashflow/acme/order/58/2");
        assert!(accepts(CURRENT, "{}", &headers));
        assert!(!accepts(CURRENT, "{ }", &headers), "another body");
        assert!(!accepts(PREVIOUS, "{}", &headers), "another secret");
        let other = signed("mycashflow/acme/order/58/3", "{}", &[CURRENT]);
        let mut mixed = headers.clone();
        mixed.insert(HEADER_WEBHOOK_ID, other[HEADER_WEBHOOK_ID].clone());
        assert!(!accepts(CURRENT, "{}", &mixed), "another id");
    }

    #[test]
    fn a_secret_is_changed_without_a_gap() {
        let headers = signed("a/1", "{}", &[CURRENT, PREVIOUS]);
        assert!(accepts(CURRENT, "{}", &headers) && accepts(PREVIOUS, "{}", &headers));
        let signature = headers[HEADER_WEBHOOK_SIGNATURE].to_str().unwrap();
        assert_eq!(signature.split(' ').filter(|one| one.starts_with("v1,")).count(), 2, "{signature}");
    }

    /// What the receivers of `docs/webhooks.md` are played (`tests/webhooks`): a revision, again, an older one, a newer one,
    /// and another document.
    fn requests() -> serde_json::Value {
        let now: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let of = |document: &str, revision: u32| {
            let event = format!(
                r#"{{"detail-type":"order.updated","source":"tilaussilta.mycashflow","time":"2026-03-02T07:59:58Z",
                "detail":{{"id":"{document}/{revision}","revision":{revision},"order":{{"status":"Open","city":"Äänekoski"}}}}}}"#
            );
            let event = BusEvent::read(&event).unwrap();
            let body = payload(&event).unwrap();
            let headers = signed_headers(event.id(), now, &body, &[CURRENT, PREVIOUS]).unwrap();
            serde_json::json!({ "headers": headers.into_iter().collect::<std::collections::BTreeMap<_, _>>(), "body": body })
        };
        let order = "mycashflow/acme/order/58";
        let requests = [of(order, 2), of(order, 2), of(order, 1), of(order, 3), of("manu/acme/item-save/7.5", 1)];
        serde_json::json!({ "now": now.as_second(), "secrets": [CURRENT, PREVIOUS], "requests": requests })
    }

    #[test]
    fn the_requests_that_the_receivers_are_played_are_what_is_sent() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/webhooks/signed.json");
        let text = serde_json::to_string_pretty(&requests()).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text, "UPDATE=1 writes {path}");
    }

    #[test]
    fn an_id_with_a_full_stop_cannot_be_taken_for_another() {
        assert_eq!(header_id("manu/acme/item-save/7.5 ä/1"), "manu/acme/item-save/7%2E5%20%C3%A4/1");
    }
}
