//! The connections: which shops and ERP accounts there are, and their secrets.
//!
//! One JSON document, in Secrets Manager or in a file. It is read by hand rather than derived, because a derived
//! reader's messages quote the values they refuse, and these values are secrets.

mod webhooks;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use manu::{WebhookType, verify_code};
use mycashflow::time_zone;
use serde_json::{Map, Value};
use serde_json_path::JsonPath;
use subtle::{Choice, ConstantTimeEq};
use url::Url;

pub use webhooks::{EventPattern, WebhookEndpoint};

/// The most characters a connection's name may have.
const NAME_LIMIT: usize = 40;

/// Every connection of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// MyCashflow shops by name.
    pub shops: BTreeMap<String, ShopConnection>,
    /// Manu Online accounts by name.
    pub manu: BTreeMap<String, ManuConnection>,
    /// Endpoints outside AWS that events are sent to, by name.
    pub webhooks: BTreeMap<String, WebhookEndpoint>,
}

/// A MyCashflow shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopConnection {
    /// The shop's address, for example `https://acme.mycashflow.fi`.
    pub url: Url,
    /// The shop's API key, which goes with our own requests.
    pub key: Secret,
    /// Further keys by which a POST is authentic.
    pub push_keys: Vec<Secret>,
    /// Where the poll of a shop seen for the first time begins.
    pub start: Option<Timestamp>,
}

impl ShopConnection {
    /// The keys by which a POST is authentic: any of the shop's push keys, or the key of our own requests.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.key).chain(&self.push_keys).map(Secret::reveal)
    }
}

/// A language of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Finnish, in which users of the ERP read.
    #[default]
    Finnish,
    /// English.
    English,
}

/// A Manu Online account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManuConnection {
    /// The private application's client secrets; a message is authentic under any of them.
    pub secrets: Vec<Secret>,
    /// The keys of the account's addresses (`…/manu/acme/item-save?key=…`), where [`webhook_keys`](Self::webhook_keys)
    /// has none for the type. A message to such an address must carry one of them; empty when it needs none.
    pub url_key: Vec<Secret>,
    /// The keys of the addresses of single webhook types, in place of [`url_key`](Self::url_key). No list is empty.
    pub webhook_keys: BTreeMap<WebhookType, Vec<Secret>>,
    /// The language of the answers, which the ERP shows to its user.
    pub language: Language,
    /// What the account's dispatches do in a shop; none when they do nothing.
    pub bridge: Option<Bridge>,
    /// Whether the document has a bridge that is not taken, because another account has the same secret
    /// ([`ConnectionsWarning::SharedSecret`]) or because it is broken. Then [`bridge`](Self::bridge) is none.
    pub bridge_disabled: bool,
    /// What is wrong with a broken bridge.
    pub bridge_problem: Option<ConnectionsError>,
}

impl ManuConnection {
    /// Whether a message of this type must carry a key in its address. The verify code binds neither the type nor the
    /// account; the key does.
    pub fn needs_key(&self, webhook: WebhookType) -> bool {
        !self.keys(webhook).is_empty()
    }

    /// Whether a message of this type may come with these keys: one of them is the type's, or the type needs none. Every
    /// pair is compared, each in constant time.
    pub fn accepts_key<'a>(&self, webhook: WebhookType, keys: impl IntoIterator<Item = &'a str>) -> bool {
        !self.needs_key(webhook) || is_one_of(keys, self.keys(webhook))
    }

    fn disable_bridge(&mut self) {
        self.bridge_disabled |= self.bridge.take().is_some();
    }

    fn keys(&self, webhook: WebhookType) -> &[Secret] {
        self.webhook_keys.get(&webhook).unwrap_or(&self.url_key)
    }
}

/// From a dispatch in the ERP to the delivery in the shop. The vendor publishes no field names, so where to find what is
/// said here, as JSONPath (RFC 9535).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The shop whose orders are delivered.
    pub shop: String,
    /// Finds the shop's orders in the ERP's document: whole numbers, or strings of digits. Any number of them.
    pub orders: JsonPath,
    /// What is found there.
    pub order_is: OrderIs,
    /// Finds the tracking code: the first non-empty string or number counts.
    pub tracking_code: Option<JsonPath>,
    /// Whether the shop mails the customer.
    pub send_email: bool,
    /// Only log what would be done.
    pub dry_run: bool,
}

/// By what the ERP names an order of the shop. The shop is asked by id only, and its order's number may be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderIs {
    /// By the number that people see: only an order whose number is also its id is delivered.
    Number,
    /// By the shop's id, whatever its number is.
    Id,
}

/// A key or client secret. It is compared and sent, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for signing or sending.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether one of `keys` is one of `valid`. Every pair is compared, each in constant time.
fn is_one_of<'a, 'v>(
    keys: impl IntoIterator<Item = &'a str>,
    valid: impl IntoIterator<Item = &'v Secret> + Clone,
) -> bool {
    let mut accepted = Choice::from(0);
    for key in keys {
        for valid in valid.clone() {
            accepted |= valid.0.as_bytes().ct_eq(key.as_bytes());
        }
    }
    accepted.into()
}

/// What a connections document that was taken still risks. Names fields, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionsWarning {
    /// Two accounts have the same secret, so that a message of one is authentic for the other. Both still record.
    #[error(
        "the connections: {first} and {second} are the same secret: a message of one account is authentic for the other, \
         so the bridges of both are disabled; give each account a private application of its own"
    )]
    SharedSecret {
        /// The one, for example `manu.acme.secrets[0]`.
        first: String,
        /// The other, of another account.
        second: String,
    },
    /// A bridge whose dispatches come to an address without a key. A message of any other type, signed with the same
    /// secret, delivers an order if it is sent there.
    #[error(
        "the connections: {bridge}: the address of its dispatches needs no key, so any message that the account signed \
         can be sent there and deliver an order; set webhook_keys"
    )]
    BridgeWithoutKey {
        /// The bridge, for example `manu.acme.bridge`.
        bridge: String,
    },
    /// A bridge that cannot be read. Everything else is taken.
    #[error("{0}; this bridge is disabled, so the dispatches of its account deliver nothing")]
    BrokenBridge(ConnectionsError),
}

/// Why a connections document was refused. Names the field, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionsError {
    /// Not JSON.
    #[error("the connections are not JSON: line {line}, column {column}")]
    Syntax {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A field is wrong.
    #[error("the connections: {path}: {problem}")]
    Field {
        /// The field, for example `shops.acme.url`.
        path: String,
        /// What is wrong with it, and what it should be.
        problem: Cow<'static, str>,
    },
}

impl Connections {
    /// Reads the document.
    ///
    /// # Errors
    /// [`ConnectionsError`] for an unknown or missing field, a name outside `[a-z0-9-]{1,40}`, an empty secret, an
    /// address that is not http or https, an endpoint of events that is not https or whose
    /// secret is not one of Standard Webhooks, a key for no webhook type, a bridge to no shop or with a path that is no
    /// JSONPath. What is only a risk is in [`warnings`](Self::warnings).
    ///
    /// # Example
    /// ```
    /// let connections = tilaussilta_connections::Connections::parse(r#"{ "shops": {}, "manu": { "acme": { "secrets": ["s"] } } }"#)?;
    /// assert_eq!(connections.manu["acme"].secrets.len(), 1);
    /// # Ok::<(), tilaussilta_connections::ConnectionsError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ConnectionsError> {
        let connections = Self::parse_deployed(text)?;
        match connections.manu.values().find_map(|account| account.bridge_problem.clone()) {
            Some(problem) => Err(problem),
            None => Ok(connections),
        }
    }

    /// Reads a document that is in use already. A broken bridge is disabled, and everything else is taken: what is recorded
    /// can still be delivered later, but what is not recorded is lost.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse), but for what is wrong with a bridge: that is in [`warnings`](Self::warnings).
    pub fn parse_deployed(text: &str) -> Result<Self, ConnectionsError> {
        let document: Value = serde_json::from_str(text)
            .map_err(|error| ConnectionsError::Syntax { line: error.line(), column: error.column() })?;
        let root =
            Field { path: "the document".to_owned(), value: &document }.object(&["shops", "manu", "webhooks"])?;
        let mut connections = Self::default();
        for (name, field) in named(root, "shops")? {
            let shop = shop(&field)?;
            connections.shops.insert(name, shop);
        }
        for (name, field) in named(root, "manu")? {
            let account = account(&field, &connections.shops)?;
            connections.manu.insert(name, account);
        }
        for (name, field) in named(root, "webhooks")? {
            let endpoint = webhooks::endpoint(&field)?;
            connections.webhooks.insert(name, endpoint);
        }
        for [first, second] in shared_secrets(&connections.manu) {
            for (name, _) in [first, second] {
                let account = connections.manu.get_mut(&name);
                account.into_iter().for_each(ManuConnection::disable_bridge);
            }
        }
        Ok(connections)
    }

    /// What the owner should change in the document, although it is taken as it is: a message of the ERP comes once, so
    /// a deployed document that worked must not stop the recording. To be logged, and alarmed on, at every start.
    pub fn warnings(&self) -> Vec<ConnectionsWarning> {
        let path = |(name, index): (String, usize)| format!("manu.{name}.secrets[{index}]");
        let shared = shared_secrets(&self.manu)
            .into_iter()
            .map(|[first, second]| ConnectionsWarning::SharedSecret { first: path(first), second: path(second) });
        let has_open_bridge = |account: &ManuConnection| {
            (account.bridge.is_some() || account.bridge_disabled)
                && !account.needs_key(WebhookType::SalesDispatchActivate)
        };
        let open = self.manu.iter().filter(|(_, account)| has_open_bridge(account));
        let open = open.map(|(name, _)| ConnectionsWarning::BridgeWithoutKey { bridge: format!("manu.{name}.bridge") });
        let broken = self.manu.values().filter_map(|account| account.bridge_problem.clone());
        shared.chain(open).chain(broken.map(ConnectionsWarning::BrokenBridge)).collect()
    }
}

/// The pairs of equal secrets that two accounts have, each secret by its account's name and its place in the list.
fn shared_secrets(manu: &BTreeMap<String, ManuConnection>) -> Vec<[(String, usize); 2]> {
    // Equal is what signs alike: the ERP's code reads every letter that is not ASCII as a question mark.
    let secrets: Vec<_> = manu
        .iter()
        .flat_map(|(name, account)| {
            account.secrets.iter().enumerate().map(move |(index, secret)| (name, index, secret))
        })
        .map(|(name, index, secret)| (name, index, verify_code(b"", secret.reveal())))
        .collect();
    let mut shared = Vec::new();
    for (at, (name, index, code)) in secrets.iter().enumerate() {
        for (other, other_index, other_code) in &secrets[at + 1..] {
            if name != other && code.matches(other_code) {
                shared.push([((*name).clone(), *index), ((*other).clone(), *other_index)]);
            }
        }
    }
    shared
}

fn named<'a>(root: &'a Map<String, Value>, group: &str) -> Result<Vec<(String, Field<'a>)>, ConnectionsError> {
    let Some(value) = root.get(group) else { return Ok(Vec::new()) };
    let group = Field { path: group.to_owned(), value };
    let entries = value.as_object().ok_or_else(|| group.problem("must be an object of connections by name"))?;
    entries
        .iter()
        .map(|(name, value)| {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name.len() > NAME_LIMIT || !name.chars().all(allowed) {
                return Err(group.problem("a connection's name must be 1 to 40 characters of a-z, 0-9 and -"));
            }
            Ok((name.clone(), Field { path: format!("{}.{name}", group.path), value }))
        })
        .collect()
}

fn shop(field: &Field<'_>) -> Result<ShopConnection, ConnectionsError> {
    let shop = field.object(&["url", "key", "push_keys", "start"])?;
    let url = field.child(shop, "url").ok_or_else(|| field.missing("url"))?;
    let parsed = url.string().ok().and_then(|text| Url::parse(text).ok());
    let parsed = parsed
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none())
        .ok_or_else(|| url.problem("must be the shop's address, for example https://acme.mycashflow.fi"))?;
    let start = field.child(shop, "start").map(|start| {
        let date = start.string()?.parse::<Date>().ok();
        date.and_then(|date| date.to_zoned(time_zone().clone()).ok())
            .map(|midnight| midnight.timestamp())
            .ok_or_else(|| start.problem("must be a date such as 2026-01-01"))
    });
    Ok(ShopConnection {
        url: parsed,
        key: field.child(shop, "key").ok_or_else(|| field.missing("key"))?.secret()?,
        push_keys: field.child(shop, "push_keys").map_or_else(|| Ok(Vec::new()), |keys| keys.secrets())?,
        start: start.transpose()?,
    })
}

fn account(field: &Field<'_>, shops: &BTreeMap<String, ShopConnection>) -> Result<ManuConnection, ConnectionsError> {
    let account = field.object(&["secrets", "url_key", "webhook_keys", "language", "bridge"])?;
    let secrets = field.child(account, "secrets").ok_or_else(|| field.missing("secrets"))?.secrets()?;
    if secrets.is_empty() {
        return Err(field.at("secrets", "must list at least one secret"));
    }
    let webhook_keys = field.child(account, "webhook_keys").map(|keys| webhook_keys(&keys)).transpose()?;
    let (bridge, bridge_problem) = match field.child(account, "bridge").map(|field| bridge(&field, shops)).transpose() {
        Ok(bridge) => (bridge, None),
        Err(problem) => (None, Some(problem)),
    };
    Ok(ManuConnection {
        secrets,
        url_key: field.child(account, "url_key").map_or_else(|| Ok(Vec::new()), |keys| keys.keys())?,
        webhook_keys: webhook_keys.unwrap_or_default(),
        language: field.child(account, "language").map_or(Ok(Language::default()), |field| field.language())?,
        bridge,
        bridge_disabled: bridge_problem.is_some(),
        bridge_problem,
    })
}

fn webhook_keys(field: &Field<'_>) -> Result<BTreeMap<WebhookType, Vec<Secret>>, ConnectionsError> {
    let types = field.value.as_object().ok_or_else(|| field.problem("must be an object of keys by webhook type"))?;
    types
        .iter()
        .map(|(name, value)| {
            // A name that is unknown may be a key in the wrong place, so it is not told.
            let webhook: WebhookType = name.parse().map_err(|_| {
                field.problem("must name webhook types as their addresses do, for example sales-dispatch-activate")
            })?;
            Ok((webhook, Field { path: format!("{}.{webhook}", field.path), value }.keys()?))
        })
        .collect()
}

fn bridge(field: &Field<'_>, shops: &BTreeMap<String, ShopConnection>) -> Result<Bridge, ConnectionsError> {
    let bridge = field.object(&["shop", "orders", "order_is", "tracking_code", "send_email", "dry_run"])?;
    let shop = field.child(bridge, "shop").ok_or_else(|| field.missing("shop"))?;
    let name = shop.string()?;
    if !shops.contains_key(name) {
        return Err(shop.problem("must be the name of one of the shops"));
    }
    let flag = |name| field.child(bridge, name).map_or(Ok(false), |flag| flag.flag());
    Ok(Bridge {
        shop: name.to_owned(),
        orders: field.child(bridge, "orders").ok_or_else(|| field.missing("orders"))?.json_path()?,
        order_is: field.child(bridge, "order_is").map_or(Ok(OrderIs::Number), |named| named.order_is())?,
        tracking_code: field.child(bridge, "tracking_code").map(|path| path.json_path()).transpose()?,
        send_email: flag("send_email")?,
        dry_run: flag("dry_run")?,
    })
}

/// A value with the path that names it in errors.
struct Field<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    fn problem(&self, problem: impl Into<Cow<'static, str>>) -> ConnectionsError {
        ConnectionsError::Field { path: self.path.clone(), problem: problem.into() }
    }

    fn at(&self, child: &str, problem: &'static str) -> ConnectionsError {
        ConnectionsError::Field { path: format!("{}.{child}", self.path), problem: problem.into() }
    }

    fn missing(&self, child: &str) -> ConnectionsError {
        self.at(child, "is missing")
    }

    fn object(&self, fields: &[&str]) -> Result<&'a Map<String, Value>, ConnectionsError> {
        let object = self.value.as_object().ok_or_else(|| self.problem("must be an object"))?;
        match object.keys().find(|name| !fields.contains(&name.as_str())) {
            // The name of an unknown field may be a secret in the wrong place, so it is not told.
            Some(_) => {
                Err(self.problem(format!("has a field that is not known here: known are {}", fields.join(", "))))
            }
            None => Ok(object),
        }
    }

    fn child(&self, object: &'a Map<String, Value>, name: &str) -> Option<Field<'a>> {
        Some(Field { path: format!("{}.{name}", self.path), value: object.get(name)? })
    }

    fn string(&self) -> Result<&'a str, ConnectionsError> {
        self.value.as_str().ok_or_else(|| self.problem("must be a string"))
    }

    fn flag(&self) -> Result<bool, ConnectionsError> {
        self.value.as_bool().ok_or_else(|| self.problem("must be true or false"))
    }

    fn json_path(&self) -> Result<JsonPath, ConnectionsError> {
        JsonPath::parse(self.string()?)
            .map_err(|_| self.problem("must be a JSONPath (RFC 9535), for example $.sales_orders[*].number"))
    }

    fn language(&self) -> Result<Language, ConnectionsError> {
        match self.value.as_str() {
            Some("fi") => Ok(Language::Finnish),
            Some("en") => Ok(Language::English),
            _ => Err(self.problem("must be \"fi\" or \"en\"")),
        }
    }

    fn order_is(&self) -> Result<OrderIs, ConnectionsError> {
        match self.value.as_str() {
            Some("number") => Ok(OrderIs::Number),
            Some("id") => Ok(OrderIs::Id),
            _ => Err(self.problem("must be \"number\" or \"id\"")),
        }
    }

    fn secret(&self) -> Result<Secret, ConnectionsError> {
        match self.string()? {
            "" => Err(self.problem("must not be empty")),
            secret => Ok(Secret::new(secret)),
        }
    }

    /// One key, or a list of them while one is changed for another.
    fn keys(&self) -> Result<Vec<Secret>, ConnectionsError> {
        match self.value {
            Value::String(_) => Ok(vec![self.secret()?]),
            Value::Array(keys) if keys.is_empty() => Err(self.problem("must list at least one key")),
            Value::Array(_) => self.secrets(),
            _ => Err(self.problem("must be a string or a list of strings")),
        }
    }

    fn secrets(&self) -> Result<Vec<Secret>, ConnectionsError> {
        let list = self.value.as_array().ok_or_else(|| self.problem("must be a list of strings"))?;
        list.iter()
            .enumerate()
            .map(|(index, value)| Field { path: format!("{}[{index}]", self.path), value }.secret())
            .collect()
    }
}

#[cfg(test)]
mod tests;
