//! `tilaussilta check`: a connections document, before it is stored.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connections::{Connections, ConnectionsError};
use jiff::Timestamp;
use mycashflow::{HttpTransport, RetryPolicy, ShopClient, Stream};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::Problem;
use crate::output::say;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// `tilaussilta check`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta check connections.json")]
pub(crate) struct Options {
    /// The document.
    file: PathBuf,
    /// Ask no shop.
    #[arg(long)]
    offline: bool,
}

pub(crate) async fn run(options: Options) -> Result<(), Problem> {
    checked(&options.file, options.offline).await.map(drop)
}

/// A document that is in order, as its text and as what it says.
pub(crate) async fn checked(file: &Path, offline: bool) -> Result<(String, Connections), Problem> {
    let name = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|error| Problem(format!("{name} cannot be read: {error}")))?;
    let connections = read(&bytes).map_err(|problem| Problem(format!("{name}: {problem}")))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for shop in connections.shops.keys() {
        say!("shop {shop}: the document is in order");
    }
    for account in connections.manu.keys() {
        say!("account {account}: the document is in order");
    }
    for webhook in connections.webhooks.keys() {
        say!("webhook {webhook}: the document is in order");
    }
    for warning in connections.warnings() {
        say!("! {warning}");
    }
    if offline {
        return Ok((text, connections));
    }
    let mut failed = Vec::new();
    for (shop, connection) in &connections.shops {
        let (url, key) = (connection.url.clone(), connection.key.reveal().to_owned());
        let transport = Arc::new(HttpTransport::new()?);
        let client = ShopClient::new(url, key, transport, RetryPolicy::default(), fastrand::u64(..));
        let now = Timestamp::now().as_second();
        match client.changes(Stream::Created, now).await {
            Ok(_) => say!("shop {shop}: it answers, and takes the key"),
            Err(error) => failed.push(format!("shop {shop}: {}", ledger::with_sources(&error))),
        }
    }
    match &failed[..] {
        [] => Ok((text, connections)),
        failed => Err(Problem(failed.join("; "))),
    }
}

/// Reads a connections document, with the place of what is wrong with it.
fn read(bytes: &[u8]) -> Result<Connections, String> {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err("the file is UTF-16: save it as UTF-8".to_owned());
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Err("the file begins with a byte order mark: save it as UTF-8 without BOM".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place(bytes, error.valid_up_to());
        format!("the file is not UTF-8 at line {line}, column {column}")
    })?;
    if let Ok(Twice(Some(name))) = serde_json::from_str::<Twice>(text) {
        let second = text.match_indices(&format!("\"{name}\"")).nth(1).map_or(0, |(offset, _)| offset);
        let (line, column) = place(bytes, second);
        return Err(format!("{name:?} stands twice in one object, near line {line}, column {column}"));
    }
    let connections = Connections::parse(text).map_err(|error| match &error {
        ConnectionsError::Field { path, .. } => match offset_of(text, path) {
            Some(offset) => {
                let (line, column) = place(bytes, offset);
                format!("{error} (line {line}, column {column})")
            }
            None => error.to_string(),
        },
        ConnectionsError::Syntax { .. } => error.to_string(),
    })?;
    for (name, shop) in &connections.shops {
        if shop.keys().any(|key| key.trim() != key || key.contains(char::is_whitespace)) {
            return Err(format!("shops.{name}: a key has a space in it: was more than the key copied?"));
        }
    }
    for (name, account) in &connections.manu {
        if account.secrets.iter().any(|secret| secret.reveal().trim() != secret.reveal()) {
            return Err(format!("manu.{name}: a secret begins or ends with a space: was more than the secret copied?"));
        }
    }
    Ok(connections)
}

/// The line and the column of a byte, from 1.
fn place(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

/// Where a field stands, by its path: each name after the one before it.
fn offset_of(text: &str, path: &str) -> Option<usize> {
    let mut offset = 0;
    let mut found = None;
    for name in path.split('.').map(|part| part.split('[').next().unwrap_or(part)) {
        if let Some(at) = text[offset..].find(&format!("\"{name}\"")) {
            offset += at;
            found = Some(offset);
        }
    }
    found
}

/// The first name that stands twice in one object of a JSON document.
struct Twice(Option<String>);

impl<'de> Deserialize<'de> for Twice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TwiceVisitor)
    }
}

struct TwiceVisitor;

impl<'de> Visitor<'de> for TwiceVisitor {
    type Value = Twice;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Twice, A::Error> {
        let (mut names, mut twice) = (HashSet::new(), None);
        while let Some((name, Twice(inner))) = map.next_entry::<String, Twice>()? {
            twice = twice.or(inner);
            if !names.insert(name.clone()) {
                twice = twice.or(Some(name));
            }
        }
        Ok(Twice(twice))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Twice, A::Error> {
        let mut twice = None;
        while let Some(Twice(inner)) = all.next_element()? {
            twice = twice.or(inner);
        }
        Ok(Twice(twice))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Twice, E> {
        Ok(Twice(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Twice, E> {
        Ok(Twice(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Twice, E> {
        Ok(Twice(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Twice, E> {
        Ok(Twice(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Twice, E> {
        Ok(Twice(None))
    }

    fn visit_unit<E>(self) -> Result<Twice, E> {
        Ok(Twice(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        read(bytes).map(drop).unwrap_err()
    }

    #[test]
    fn a_fault_has_its_place() {
        assert_eq!(problem(b"\xFF\xFE{\0}\0"), "the file is UTF-16: save it as UTF-8");
        assert!(problem(b"\xEF\xBB\xBF{}").contains("byte order mark"));
        assert_eq!(problem(b"{\n \"shops\": \xe4 }"), "the file is not UTF-8 at line 2, column 11");
        assert!(problem(b"{\n \"shops\": x }").contains("line 2, column 11"));
        let twice = br#"{ "manu": { "acme": { "secrets": ["a"] }, "acme": { "secrets": ["b"] } } }"#;
        assert!(problem(twice).contains("\"acme\" stands twice"), "{}", problem(twice));
        let misspelt =
            b"{ \"shops\": { \"acme\": {\n  \"url\": \"https://acme.mycashflow.fi\",\n  \"kee\": \"k\" } } }";
        assert!(problem(misspelt).contains("known are url, key"), "{}", problem(misspelt));
        assert!(problem(misspelt).contains("line 1, column 14"), "{}", problem(misspelt));
        let spaced = br#"{ "shops": { "acme": { "url": "https://acme.mycashflow.fi", "key": "two words" } } }"#;
        assert!(problem(spaced).contains("a key has a space"));
    }
}
