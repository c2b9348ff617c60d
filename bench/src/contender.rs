//! The Rust contenders at reading a page.

use std::hint::black_box;

use mycashflow::{Limits, read_page};
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::{digest, serde_model};

/// One way of reading a page.
#[derive(Clone, Copy)]
pub enum Contender {
    /// `mycashflow::read_page`.
    Ours,
    /// The event loop of quick-xml, which looks at every event and keeps nothing: the limit of what can be built on it.
    Events,
    /// Types with serde's derived reader, over quick-xml.
    Serde,
}

/// Why a contender could not read its input.
pub type Failure = Box<dyn std::error::Error>;

impl Contender {
    /// The contender of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ours" => Some(Self::Ours),
            "events" => Some(Self::Events),
            "serde" => Some(Self::Serde),
            _ => None,
        }
    }

    /// Reads the page once, and drops what it read.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub fn read(self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Ours => drop(black_box(read_page(bytes, None, &Limits::default())?)),
            Self::Serde => drop(black_box(serde_model::read(bytes)?)),
            Self::Events => {
                let mut reader = Reader::from_reader(bytes);
                while !matches!(black_box(reader.read_event()?), Event::Eof) {}
            }
        }
        Ok(())
    }

    /// The digest of the values read; none of the event loop, which reads no values.
    ///
    /// # Errors
    /// When the page or one of its orders cannot be read.
    pub fn digest(self, bytes: &[u8]) -> Result<Option<String>, Failure> {
        match self {
            Self::Ours => {
                let page = read_page(bytes, None, &Limits::default())?;
                let orders = page.entries.into_iter().map(|entry| entry.order).collect::<Result<Vec<_>, _>>()?;
                Ok(Some(digest::of_orders(&orders)))
            }
            Self::Serde => Ok(Some(serde_model::digest(&serde_model::read(bytes)?))),
            Self::Events => Ok(None),
        }
    }
}
