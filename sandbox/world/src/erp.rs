//! The simulated ERP: Manu Online's webhooks as a pure state machine, see `docs/vendors/manu-online.md`.
//!
//! An event is signed and sent once. What the listener answered goes to the webhook log, where anything but status 200
//! is an error, and the user may then try again. A caller carries the messages and the answers.

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::Timestamp;
use manu::{WebhookType, verify_code};
use serde_json::{Value, json};

/// A webhook message as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedMessage {
    /// The ERP's own number of the message, by which its answer is written to the log; it is not sent.
    pub id: u64,
    /// Which webhook fires. The message does not say it: each type has its own URL.
    pub webhook: WebhookType,
    /// The JSON document in UTF-8, with ä and ö as they are.
    pub body: Vec<u8>,
    /// The value of the header [`manu::HEADER`].
    pub verify_code: String,
}

/// One try in the webhook log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The message's number.
    pub message: u64,
    /// Which webhook fired.
    pub webhook: WebhookType,
    /// When the user did what set it off.
    pub happened_at: Timestamp,
    /// When the answer came, or was given up.
    pub answered_at: Timestamp,
    /// The HTTP status; none when no answer came.
    pub status: Option<u16>,
    /// The answer's body, which is shown to the user.
    pub answer: String,
}

impl LogEntry {
    /// Whether the try failed: only status 200 is success.
    pub fn is_error(&self) -> bool {
        self.status != Some(200)
    }
}

/// The simulated ERP.
pub struct Erp {
    secret: String,
    messages: BTreeMap<u64, Sent>,
    log: Vec<LogEntry>,
}

struct Sent {
    happened_at: Timestamp,
    message: SignedMessage,
}

impl Erp {
    /// An ERP whose private app has this client secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: secret.into(), messages: BTreeMap::new(), log: Vec::new() }
    }

    /// Signs the document for an event at `now`; the caller sends the message, once.
    pub fn event(&mut self, now: Timestamp, webhook: WebhookType, document: Value) -> SignedMessage {
        let id = self.messages.len() as u64 + 1;
        let body = document.to_string().into_bytes();
        let verify_code = verify_code(&body, &self.secret).to_string();
        let message = SignedMessage { id, webhook, body, verify_code };
        self.messages.insert(id, Sent { happened_at: now, message: message.clone() });
        message
    }

    /// The same message again, as when the user tries again; none when there is no such message.
    pub fn send_again(&mut self, id: u64) -> Option<SignedMessage> {
        self.messages.get(&id).map(|sent| sent.message.clone())
    }

    /// Writes the listener's answer to the webhook log. An answer to no message is ignored.
    pub fn answered(&mut self, id: u64, now: Timestamp, status: u16, body: &str) {
        self.write_log(id, now, Some(status), body);
    }

    /// Writes to the webhook log that no answer came.
    pub fn unanswered(&mut self, id: u64, now: Timestamp) {
        self.write_log(id, now, None, "");
    }

    /// The webhook log, oldest first: the errors, or with `all` the successes too.
    pub fn log(&self, all: bool) -> Vec<&LogEntry> {
        self.log.iter().filter(|entry| all || entry.is_error()).collect()
    }

    fn write_log(&mut self, message: u64, answered_at: Timestamp, status: Option<u16>, answer: &str) {
        if let Some(Sent { happened_at, message: SignedMessage { webhook, .. } }) = self.messages.get(&message) {
            let (webhook, happened_at) = (*webhook, *happened_at);
            self.log.push(LogEntry { message, webhook, happened_at, answered_at, status, answer: answer.to_owned() });
        }
    }
}

/// Makes the document of `webhook` with the key `id`: the same arguments give the same document.
///
/// Only `id` is known of the real ones (V2 documents carry their key there); every other field name is made up.
pub fn made_up_document(webhook: WebhookType, id: u64, seed: u64) -> Value {
    let rng = &mut Rng::with_seed(seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ webhook as u64);
    let mut document = match webhook {
        WebhookType::AgreementActivate => json!({
            "number": format!("SOP-{id}"), "partner": partner(rng), "title": "Huoltosopimus, kevät ja syksy",
            "valid_from": date(rng), "monthly_fee": cents(rng),
        }),
        WebhookType::ItemSave => item(rng),
        WebhookType::PartnerSave | WebhookType::PartnerApiPost => partner(rng),
        WebhookType::PicklistCreated => json!({
            "work_order": rng.u32(1..9000), "work_phase": "Kokoonpano ja säätö", "rows": rows(rng),
        }),
        WebhookType::PurchaseOrderActivate => json!({
            "number": format!("OT-{id}"), "supplier": partner(rng), "ordered_at": date(rng), "rows": rows(rng),
        }),
        WebhookType::SalesOrderActivate => json!({
            "number": format!("MT-{id}"), "customer": partner(rng), "ordered_at": date(rng),
            "reference": "Älä jätä ulos – yö on kylmä", "rows": rows(rng),
        }),
        WebhookType::SerialNumberSave => json!({
            "serial_number": format!("SN-ÄÖ-{:06}", rng.u32(..1_000_000)), "item": item(rng), "made_at": date(rng),
        }),
        WebhookType::SalesInvoice => json!({
            "number": 10_000 + id, "customer": partner(rng), "due_at": date(rng), "rows": rows(rng),
        }),
        WebhookType::PurchaseInvoice => json!({
            "number": format!("OL-{id}"), "supplier": partner(rng), "due_at": date(rng), "total": cents(rng),
            "message": "Hyväksyntä: päällikkö Höpöläinen",
        }),
        WebhookType::SalesDispatchActivate | WebhookType::SalesDispatchSend => json!({
            "number": format!("TO-{id}"), "customer": partner(rng), "sales_orders": [rng.u32(1..500), rng.u32(500..900)],
            "tracking_code": format!("MALLI{:08}FI", rng.u32(..100_000_000)), "rows": rows(rng),
        }),
        WebhookType::ReceiptSend => json!({
            "number": format!("VO-{id}"), "supplier": partner(rng), "received_at": date(rng), "rows": rows(rng),
        }),
    };
    document["id"] = id.into();
    document
}

fn partner(rng: &mut Rng) -> Value {
    let names = ["Pähkinä & Säkki Oy", "Mäntymetsän Höylä Ky", "Käpylehmä Tmi", "Työpöytä Yö Oyj"];
    json!({
        "name": names[rng.usize(..names.len())],
        "partner_number": rng.u32(1..5000),
        "email": "tilaukset@example.fi",
        "address": { "street": format!("Höpönraitti {}", rng.u8(1..90)), "postal_code": "00001", "city": "Mallikylä" },
    })
}

fn item(rng: &mut Rng) -> Value {
    let names = ["Pöytälevy, mänty", "Säätöjalka Ø 40 mm", "Käyntiovi, öljytty", "Hyllynkannake, työstetty"];
    let index = rng.usize(..names.len());
    json!({ "code": format!("NIM-{index:03}"), "name": names[index], "unit": "kpl", "price": cents(rng) })
}

fn rows(rng: &mut Rng) -> Value {
    (1..=rng.u32(1..6)).map(|row| json!({ "row": row, "item": item(rng), "quantity": rng.u32(1..20) })).collect()
}

/// An amount of money with two decimals, as a JSON number.
fn cents(rng: &mut Rng) -> f64 {
    f64::from(rng.u32(100..500_000)) / 100.0
}

fn date(rng: &mut Rng) -> String {
    format!("2026-{:02}-{:02}", rng.u8(1..13), rng.u8(1..29))
}

#[cfg(test)]
mod tests {
    use super::*;
    use manu::is_authentic;

    const SECRET: &str = "made-up sécret";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn signs_every_type_so_that_a_listener_accepts_it() {
        let mut erp = Erp::new(SECRET);
        for (id, webhook) in (1..).zip(WebhookType::ALL) {
            let message = erp.event(at(0), webhook, made_up_document(webhook, 4711, 1));
            assert_eq!((message.id, message.webhook), (id, webhook));
            assert!(is_authentic(&message.verify_code, &message.body, [SECRET]));
            assert!(!is_authentic(&message.verify_code, &message.body, ["another secret"]));
        }
    }

    #[test]
    fn every_document_has_its_id_and_letters_outside_ascii() {
        for webhook in WebhookType::ALL {
            for id in 1..50 {
                let document = made_up_document(webhook, id, 3);
                assert_eq!(document["id"], id);
                assert_eq!(document, made_up_document(webhook, id, 3));
                let text = document.to_string();
                assert!(text.contains('ä') || text.contains('ö'), "{text}");
            }
        }
    }

    #[test]
    fn status_200_alone_is_success_and_the_log_shows_errors_by_default() {
        let mut erp = Erp::new(SECRET);
        let webhook = WebhookType::SalesOrderActivate;
        for (id, status) in [(1, 200), (2, 201), (3, 503)] {
            erp.event(at(10), webhook, made_up_document(webhook, id, 1));
            erp.answered(id, at(11), status, "the ledger cannot be written");
        }
        erp.event(at(10), webhook, made_up_document(webhook, 4, 1));
        erp.unanswered(4, at(40));
        let errors: Vec<_> = erp.log(false).iter().map(|entry| (entry.message, entry.status)).collect();
        assert_eq!(errors, [(2, Some(201)), (3, Some(503)), (4, None)]);
        assert_eq!(erp.log(true).len(), 4);
        let entry = erp.log(false)[1];
        assert_eq!((entry.happened_at, entry.answered_at), (at(10), at(11)));
        assert_eq!(entry.answer, "the ledger cannot be written");
    }

    #[test]
    fn sends_the_same_bytes_again_and_logs_each_try() {
        let mut erp = Erp::new(SECRET);
        let first = erp.event(at(0), WebhookType::ItemSave, made_up_document(WebhookType::ItemSave, 9, 1));
        erp.answered(first.id, at(1), 503, "");
        assert_eq!(erp.send_again(first.id), Some(first.clone()));
        erp.answered(first.id, at(2), 200, "");
        assert_eq!(erp.log(true).len(), 2);
        assert_eq!(erp.send_again(99), None);
    }

    #[test]
    fn ignores_an_answer_to_a_message_never_sent() {
        let mut erp = Erp::new(SECRET);
        erp.answered(1, at(0), 500, "");
        assert!(erp.log(true).is_empty());
    }
}
