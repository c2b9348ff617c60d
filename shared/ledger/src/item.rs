//! Reading and writing the attributes of items.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::LedgerError;

/// The most a compressed body may take: an item holds 400 KB with its keys and other attributes.
pub(crate) const BODY_LIMIT_BYTES: usize = 390_000;

const ZSTD_LEVEL: i32 = 3;
/// No body this product stores is larger before compression; a stored one that claims to be is not ours.
const DECOMPRESSED_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// An item of the table: its attributes by name.
pub type Item = HashMap<String, AttributeValue>;

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An instant as milliseconds since the Unix epoch, so that conditions can compare it.
pub(crate) fn ms(at: Timestamp) -> AttributeValue {
    n(at.as_millisecond())
}

/// The Unix second at which the table's TTL may delete the item.
pub(crate) fn expires_at(from: Timestamp, after: Duration) -> AttributeValue {
    n(from.as_second().saturating_add_unsigned(after.as_secs()))
}

pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

pub(crate) fn compress(body: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let compressed = zstd::bulk::compress(body, ZSTD_LEVEL).map_err(LedgerError::Compress)?;
    if compressed.len() > BODY_LIMIT_BYTES {
        return Err(LedgerError::TooLarge { size_bytes: compressed.len(), limit_bytes: BODY_LIMIT_BYTES });
    }
    Ok(compressed)
}

pub(crate) fn blob(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Typed access to an item's attributes, with errors that name the attribute.
pub(crate) struct Attributes<'a>(pub(crate) &'a Item);

/// The attribute with the version of an item's format; where it is missing, that is 1.
const FORMAT: &str = "format";

/// An item's format, as it is written.
pub(crate) fn format(version: u32) -> (String, AttributeValue) {
    (FORMAT.to_owned(), n(version))
}

impl<'a> Attributes<'a> {
    /// The attributes of an item, if its format is one that the reader knows: `readable` is the latest of these.
    pub(crate) fn of(item: &'a Item, readable: u32) -> Result<Self, LedgerError> {
        let attributes = Self(item);
        let format = if item.contains_key(FORMAT) { attributes.number(FORMAT)? } else { 1 };
        match format > readable {
            true => Err(LedgerError::NewerFormat { item: attributes.sort_key(), format, readable }),
            false => Ok(attributes),
        }
    }
}

impl Attributes<'_> {
    fn sort_key(&self) -> String {
        self.0.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default()
    }

    pub(crate) fn corrupt(&self, attribute: &'static str) -> LedgerError {
        LedgerError::Corrupt { item: self.sort_key(), attribute }
    }

    pub(crate) fn string(&self, name: &'static str) -> Result<&str, LedgerError> {
        self.optional_string(name).ok_or_else(|| self.corrupt(name))
    }

    pub(crate) fn optional_string(&self, name: &'static str) -> Option<&str> {
        Some(self.0.get(name)?.as_s().ok()?.as_str())
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, LedgerError> {
        self.optional_number(name).ok_or_else(|| self.corrupt(name))
    }

    pub(crate) fn optional_number<T: std::str::FromStr>(&self, name: &'static str) -> Option<T> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }

    pub(crate) fn instant(&self, name: &'static str) -> Result<Timestamp, LedgerError> {
        Timestamp::from_millisecond(self.number(name)?).map_err(|_| self.corrupt(name))
    }

    pub(crate) fn flag(&self, name: &'static str) -> bool {
        self.0.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
    }

    pub(crate) fn body(&self, name: &'static str) -> Result<Vec<u8>, LedgerError> {
        let compressed = self.0.get(name).and_then(|value| value.as_b().ok()).ok_or_else(|| self.corrupt(name))?;
        zstd::bulk::decompress(compressed.as_ref(), DECOMPRESSED_LIMIT_BYTES).map_err(|_| self.corrupt(name))
    }
}
