//! What things are called: connections, documents, and the keys they have in the table.

use std::fmt;

/// Which of the two vendors a connection speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum System {
    /// A MyCashflow shop.
    Mycashflow,
    /// A Manu Online account.
    Manu,
}

impl System {
    /// The name in keys, ids and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mycashflow => "mycashflow",
            Self::Manu => "manu",
        }
    }
}

/// One shop or one account, by the name the configuration gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection {
    /// The vendor.
    pub system: System,
    /// The configured name: `[a-z0-9-]`, up to 40 characters.
    pub name: String,
}

impl Connection {
    /// A MyCashflow shop.
    pub fn shop(name: impl Into<String>) -> Self {
        Self { system: System::Mycashflow, name: name.into() }
    }

    /// A Manu Online account.
    pub fn manu(name: impl Into<String>) -> Self {
        Self { system: System::Manu, name: name.into() }
    }

    /// The connection under which requests are logged that named none we have. The name is not the request's own, so
    /// that a stranger cannot write keys of their choice into the table; `?` cannot be configured.
    pub fn unknown(system: System) -> Self {
        Self { system, name: "?".to_owned() }
    }

    /// Reads `mycashflow/NAME` or `manu/NAME`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("mycashflow", name) => Some(Self::shop(name)),
            ("manu", name) => Some(Self::manu(name)),
            _ => None,
        }
    }

    pub(crate) fn state_pk(&self) -> String {
        format!("{}#{}", self.system.as_str(), self.name)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.system.as_str(), self.name)
    }
}

/// One document of a connection: an order, or what a webhook type reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentKey {
    /// Whose it is.
    pub connection: Connection,
    /// `order` for a shop's orders, the webhook's slug (`sales-order-activate`) for the ERP's documents.
    pub kind: String,
    /// The vendor's key of the document, up to 256 bytes.
    pub id: String,
}

impl DocumentKey {
    /// A document of the ERP, under the webhook type that reported it.
    pub fn manu(account: impl Into<String>, webhook_slug: &str, id: impl Into<String>) -> Self {
        Self { connection: Connection::manu(account), kind: webhook_slug.to_owned(), id: id.into() }
    }

    /// Reads `KIND/ID`, the form in which people name a document of a connection.
    pub fn parse(connection: Connection, text: &str) -> Option<Self> {
        let (kind, id) = text.split_once('/')?;
        (!kind.is_empty() && !id.is_empty()).then(|| Self { connection, kind: kind.to_owned(), id: id.to_owned() })
    }

    /// Reads what [`fmt::Display`] writes: `mycashflow/SHOP/order/58`. Only the document's id may hold a `/`.
    pub fn parse_full(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (system, name) = (parts.next()?, parts.next()?);
        Self::parse(Connection::parse(&format!("{system}/{name}"))?, parts.next()?)
    }

    /// Reads a document's partition key; none for any other. Only the document's id may hold a `#`.
    pub(crate) fn from_pk(pk: &str) -> Option<Self> {
        match pk.splitn(4, '#').collect::<Vec<_>>()[..] {
            ["mycashflow", name, kind, id] => Self::parse(Connection::shop(name), &format!("{kind}/{id}")),
            ["manu", name, kind, id] => Self::parse(Connection::manu(name), &format!("{kind}/{id}")),
            _ => None,
        }
    }

    /// `KIND/ID`, the document's name within its connection: `order/58`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// The id under which a revision is published: `mycashflow/SHOP/order/58/1`. Derived from the revision alone, so
    /// that a consumer can drop repeats.
    pub fn event_id(&self, revision: u32) -> String {
        format!("{self}/{revision}")
    }

    pub(crate) fn pk(&self) -> String {
        format!("{}#{}#{}#{}", self.connection.system.as_str(), self.connection.name, self.kind, self.id)
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.connection, self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_ids_are_the_documented_ones() {
        let order = DocumentKey::order("acme", 58);
        assert_eq!(order.pk(), "mycashflow#acme#order#58");
        assert_eq!(order.event_id(1), "mycashflow/acme/order/58/1");
        let document = DocumentKey::manu("acme", "sales-order-activate", "SO#1 / ä");
        assert_eq!(document.pk(), "manu#acme#sales-order-activate#SO#1 / ä");
    }

    #[test]
    fn a_document_is_named_by_kind_and_id() {
        let key = DocumentKey::parse(Connection::shop("acme"), "order/58");
        assert_eq!(key, Some(DocumentKey::order("acme", 58)));
        assert_eq!(DocumentKey::parse(Connection::shop("acme"), "58"), None);
    }
}
