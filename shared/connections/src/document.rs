//! The connections: which shops and ERP accounts there are, and their secrets.
//!
//! One JSON document, in Secrets Manager or in a file. It is read by hand rather than derived, because a derived
//! reader's messages quote the values they refuse, and these values are secrets.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use serde_json_path::JsonPath;
use subtle::{Choice, ConstantTimeEq};
use url::Url;

/// The most characters a connection's name may have.
const NAME_LIMIT: usize = 40;
/// Where the shop's local time is.
const SHOP_TIME_ZONE: &str = "Europe/Helsinki";

/// Every connection of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// MyCashflow shops by name.
    pub shops: BTreeMap<String, ShopConnection>,
    /// Manu Online accounts by name.
    pub manu: BTreeMap<String, ManuConnection>,
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
    /// Whether one of `keys` is this shop's key or one of its push keys. Every pair is compared, each in constant time.
    pub fn accepts<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> bool {
        let mut accepted = Choice::from(0);
        for key in keys {
            for valid in std::iter::once(&self.key).chain(&self.push_keys) {
                accepted |= valid.0.as_bytes().ct_eq(key.as_bytes());
            }
        }
        accepted.into()
    }
}

/// A Manu Online account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManuConnection {
    /// The private application's client secrets; a message is authentic under any of them.
    pub secrets: Vec<Secret>,
    /// What the account's dispatches do in a shop; none when they do nothing.
    pub bridge: Option<Bridge>,
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
        problem: &'static str,
    },
}

impl Connections {
    /// Reads the document.
    ///
    /// # Errors
    /// [`ConnectionsError`] for an unknown or missing field, a name outside `[a-z0-9-]{1,40}`, an empty secret, an
    /// address that is not http or https, a bridge to no shop or with a path that is no JSONPath.
    ///
    /// # Example
    /// ```
    /// let connections = tilaussilta_connections::Connections::parse(r#"{ "shops": {}, "manu": { "acme": { "secrets": ["s"] } } }"#)?;
    /// assert_eq!(connections.manu["acme"].secrets.len(), 1);
    /// # Ok::<(), tilaussilta_connections::ConnectionsError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ConnectionsError> {
        let document: Value = serde_json::from_str(text)
            .map_err(|error| ConnectionsError::Syntax { line: error.line(), column: error.column() })?;
        let root = Field { path: "the document".to_owned(), value: &document }.object(&["shops", "manu"])?;
        let mut connections = Self::default();
        for (name, field) in named(root, "shops")? {
            let shop = shop(&field)?;
            connections.shops.insert(name, shop);
        }
        for (name, field) in named(root, "manu")? {
            let account = field.object(&["secrets", "bridge"])?;
            let secrets = field.child(account, "secrets").ok_or_else(|| field.missing("secrets"))?.secrets()?;
            if secrets.is_empty() {
                return Err(field.at("secrets", "must list at least one secret"));
            }
            let bridge = field.child(account, "bridge").map(|field| bridge(&field, &connections.shops)).transpose()?;
            connections.manu.insert(name, ManuConnection { secrets, bridge });
        }
        Ok(connections)
    }
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
        date.and_then(|date| date.to_zoned(TimeZone::get(SHOP_TIME_ZONE).ok()?).ok())
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
    fn problem(&self, problem: &'static str) -> ConnectionsError {
        ConnectionsError::Field { path: self.path.clone(), problem }
    }

    fn at(&self, child: &str, problem: &'static str) -> ConnectionsError {
        ConnectionsError::Field { path: format!("{}.{child}", self.path), problem }
    }

    fn missing(&self, child: &str) -> ConnectionsError {
        self.at(child, "is missing")
    }

    fn object(&self, fields: &[&str]) -> Result<&'a Map<String, Value>, ConnectionsError> {
        let object = self.value.as_object().ok_or_else(|| self.problem("must be an object"))?;
        match object.keys().find(|name| !fields.contains(&name.as_str())) {
            // The name of an unknown field may be a secret in the wrong place, so it is not told.
            Some(_) => Err(self.problem("has a field that is not known here")),
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

    fn secrets(&self) -> Result<Vec<Secret>, ConnectionsError> {
        let list = self.value.as_array().ok_or_else(|| self.problem("must be a list of strings"))?;
        list.iter()
            .enumerate()
            .map(|(index, value)| Field { path: format!("{}[{index}]", self.path), value }.secret())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Connections::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn reads_the_documented_example() {
        let connections = Connections::parse(
            r#"{ "shops": { "acme": { "url": "https://acme.mycashflow.fi", "key": "k", "push_keys": ["current", "previous"],
                 "start": "2026-01-01" } }, "manu": { "acme": { "secrets": ["first client secret"] } } }"#,
        )
        .unwrap();
        let shop = &connections.shops["acme"];
        assert_eq!(shop.url.as_str(), "https://acme.mycashflow.fi/");
        assert_eq!(shop.start, Some("2025-12-31T22:00:00Z".parse().unwrap()), "midnight in Helsinki");
        assert!(shop.accepts(["previous"]) && shop.accepts(["wrong", "k"]));
        assert!(!shop.accepts(["Previous"]) && !shop.accepts([""]) && !shop.accepts([]));
    }

    #[test]
    fn errors_name_the_field_and_never_the_value() {
        assert_eq!(error(r#"{"shops":{"acme":{"key":"hush"}}}"#), "the connections: shops.acme.url: is missing");
        assert_eq!(
            error(r#"{"shops":{"a":{"url":"https://a.fi","key":""}}}"#),
            "the connections: shops.a.key: must not be empty"
        );
        assert_eq!(
            error(r#"{"manu":{"a":{"secrets":["x",7]}}}"#),
            "the connections: manu.a.secrets[1]: must be a string"
        );
        assert_eq!(
            error(r#"{"manu":{"a":{"secrets":[]}}}"#),
            "the connections: manu.a.secrets: must list at least one secret"
        );
        for text in [
            r#"{"shops":{"a":{"url":"hush","key":"k"}}}"#,
            r#"{"shops":{"a":{"url":"https://a.fi","key":"k","start":"hush"}}}"#,
            r#"{"shops":{"a":{"url":"https://a.fi","key":"k","hush":1}}}"#,
            r#"{"shops":{"Hush":{"url":"https://a.fi","key":"k"}}}"#,
            r#"{"shops": hush }"#,
        ] {
            assert!(!error(text).to_lowercase().contains("hush"), "{}", error(text));
        }
    }

    #[test]
    fn a_bridge_is_read_and_checked_at_start() {
        let with = |bridge: &str| {
            format!(
                r#"{{"shops":{{"acme":{{"url":"https://a.fi","key":"k"}}}},"manu":{{"m":{{"secrets":["s"],"bridge":{bridge}}}}}}}"#
            )
        };
        let connections =
            Connections::parse(&with(r#"{"shop":"acme","orders":"$.rows[*].order","dry_run":true}"#)).unwrap();
        let bridge = connections.manu["m"].bridge.as_ref().unwrap();
        assert_eq!((bridge.shop.as_str(), bridge.send_email, bridge.dry_run), ("acme", false, true));
        assert_eq!((&bridge.tracking_code, bridge.order_is), (&None, OrderIs::Number));
        let by_id = Connections::parse(&with(r#"{"shop":"acme","orders":"$","order_is":"id"}"#)).unwrap();
        assert_eq!(by_id.manu["m"].bridge.as_ref().unwrap().order_is, OrderIs::Id);
        assert_eq!(
            error(&with(r#"{"shop":"acme","orders":"$","order_is":"name"}"#)),
            "the connections: manu.m.bridge.order_is: must be \"number\" or \"id\""
        );
        assert_eq!(
            error(&with(r#"{"shop":"b","orders":"$"}"#)),
            "the connections: manu.m.bridge.shop: must be the name of one of the shops"
        );
        assert_eq!(error(&with(r#"{"shop":"acme"}"#)), "the connections: manu.m.bridge.orders: is missing");
        assert_eq!(
            error(&with(r#"{"shop":"acme","orders":"rows.order"}"#)),
            "the connections: manu.m.bridge.orders: must be a JSONPath (RFC 9535), for example $.sales_orders[*].number"
        );
        assert_eq!(
            error(&with(r#"{"shop":"acme","orders":"$","dry_run":1}"#)),
            "the connections: manu.m.bridge.dry_run: must be true or false"
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
    }
}
