//! Endpoints outside AWS that events are sent to, by Standard Webhooks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use super::{ConnectionsError, Field, Secret};

/// How the text of a secret begins, and how long it is in bytes (Standard Webhooks, "Signature scheme").
const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// An endpoint that events are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Its address: `https`, with the name of a host.
    pub url: Url,
    /// The secrets that each event is signed with, `whsec_…`. No list is empty.
    pub secrets: Vec<Secret>,
    /// Which events it wants. No list is empty.
    pub events: Vec<EventPattern>,
}

impl WebhookEndpoint {
    /// Whether it wants events of a detail-type.
    pub fn wants(&self, detail_type: &str) -> bool {
        self.events.iter().any(|pattern| pattern.takes(detail_type))
    }
}

/// A detail-type, or the beginning of one and `*`: `order.created`, `order.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern(String);

impl EventPattern {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        (!text.is_empty() && name.chars().all(fits)).then(|| Self(text.to_owned()))
    }

    fn takes(&self, detail_type: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => detail_type.starts_with(beginning),
            None => detail_type == self.0,
        }
    }
}

pub(super) fn endpoint(field: &Field<'_>) -> Result<WebhookEndpoint, ConnectionsError> {
    let endpoint = field.object(&["url", "secrets", "events"])?;
    let url = field.child(endpoint, "url").ok_or_else(|| field.missing("url"))?;
    let secrets = field.child(endpoint, "secrets").ok_or_else(|| field.missing("secrets"))?;
    let events = field.child(endpoint, "events").ok_or_else(|| field.missing("events"))?;
    let parsed = Url::parse(url.string()?).ok().filter(is_sent_to);
    Ok(WebhookEndpoint {
        url: parsed.ok_or_else(|| {
            url.problem("must be an https address with the name of a host, without a user, for example https://hooks.example.com/")
        })?,
        secrets: signing_secrets(&secrets)?,
        events: patterns(&events)?,
    })
}

/// Whether events may go to an address: over HTTPS, to a host that has a name, so that it is looked up and checked.
fn is_sent_to(url: &Url) -> bool {
    let is_named = matches!(url.host(), Some(Host::Domain(_)));
    url.scheme() == "https" && is_named && url.username().is_empty() && url.password().is_none()
}

fn signing_secrets(field: &Field<'_>) -> Result<Vec<Secret>, ConnectionsError> {
    let secrets = field.secrets()?;
    if secrets.is_empty() {
        return Err(field.problem("must list at least one secret"));
    }
    for (index, secret) in secrets.iter().enumerate() {
        let bytes = secret.reveal().strip_prefix(SECRET_PREFIX).and_then(|base64| STANDARD.decode(base64).ok());
        if !bytes.is_some_and(|bytes| SECRET_BYTES.contains(&bytes.len())) {
            let one = Field { path: format!("{}[{index}]", field.path), value: field.value };
            return Err(one.problem("must be whsec_ and 24 to 64 bytes as Base64"));
        }
    }
    Ok(secrets)
}

fn patterns(field: &Field<'_>) -> Result<Vec<EventPattern>, ConnectionsError> {
    let list = field.value.as_array().filter(|list| !list.is_empty());
    let list =
        list.ok_or_else(|| field.problem("must be a list with at least one of the events' types, or [\"*\"]"))?;
    let read = list.iter().enumerate().map(|(index, value)| {
        let one = Field { path: format!("{}[{index}]", field.path), value };
        let pattern = value.as_str().and_then(EventPattern::parse);
        pattern.ok_or_else(|| one.problem("must be an event's type, or the beginning of one and *, such as order.*"))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use crate::Connections;

    const SECRET: &str = "whsec_Y3VycmVudCBzZWNyZXQgb2YgYSB0ZXN0IQ==";

    fn with(url: &str, secrets: &str, events: &str) -> Result<Connections, String> {
        let text = format!(r#"{{"webhooks":{{"shop-hook":{{"url":"{url}","secrets":{secrets},"events":{events}}}}}}}"#);
        Connections::parse(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_endpoint_wants_the_events_that_its_patterns_take() {
        let secrets = format!("[\"{SECRET}\"]");
        let read = with("https://hooks.example.com/in?key=1", &secrets, r#"["order.*","item-save"]"#).unwrap();
        let endpoint = &read.webhooks["shop-hook"];
        assert!(["order.created", "order.updated", "item-save"].iter().all(|event| endpoint.wants(event)));
        assert!(["orders", "item-save-2", "sales-order-activate"].iter().all(|event| !endpoint.wants(event)));
        let all = with("https://hooks.example.com/", &secrets, r#"["*"]"#).unwrap();
        assert!(all.webhooks["shop-hook"].wants("sales-order-activate"));
    }

    #[test]
    fn an_endpoint_is_https_to_a_host_with_a_name() {
        let secrets = format!("[\"{SECRET}\"]");
        for url in [
            "http://hooks.example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://169.254.169.254/latest/",
            "https://user:hush@hooks.example.com/",
            "hush",
            "",
        ] {
            let problem = with(url, &secrets, r#"["*"]"#).unwrap_err();
            assert!(problem.starts_with("the connections: webhooks.shop-hook.url: must be an https"), "{problem}");
            assert!(!problem.contains("hush"), "{problem}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_endpoint_is_named_and_never_shown() {
        let url = "https://hooks.example.com/";
        let of = |secrets: &str, events: &str| with(url, secrets, events).unwrap_err();
        assert!(of("[]", r#"["*"]"#).ends_with("webhooks.shop-hook.secrets: must list at least one secret"));
        for secret in ["hush", "whsec_hush!", "whsec_aHVzaA==", &SECRET[6..]] {
            let problem = of(&format!("[\"{SECRET}\",\"{secret}\"]"), r#"["*"]"#);
            assert!(problem.ends_with("secrets[1]: must be whsec_ and 24 to 64 bytes as Base64"), "{problem}");
        }
        let secrets = format!("[\"{SECRET}\"]");
        assert!(of(&secrets, "[]").contains("webhooks.shop-hook.events: must be a list"));
        assert!(of(&secrets, r#"["order.*","Hush"]"#).contains("events[1]: must be an event's type"));
        assert!(of(&secrets, r#"["*.created"]"#).contains("events[0]"));
    }
}
