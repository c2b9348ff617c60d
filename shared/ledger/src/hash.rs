//! The content hash, by which two copies of one version are known to be the same.

use std::fmt;

use sha2::{Digest, Sha256};

/// The version of the hashes that were written before hashes had one.
pub(crate) const FIRST_VERSION: u16 = 1;

/// SHA-256 of a document's canonical JSON, so that white space, attribute order and the wrapper around a copy make no
/// new revision.
///
/// A reader that learns a new element makes another canonical JSON of the same bytes. So a hash says by which version
/// of the canonical JSON it was made, and hashes of two versions are never equal: [`crate::Rehash`] settles whether they
/// stand for the same state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash {
    version: u16,
    digest: [u8; 32],
}

impl ContentHash {
    /// The hash of a document's canonical bytes, by the first version of its canonical form.
    pub fn of(canonical: &[u8]) -> Self {
        Self::in_version(FIRST_VERSION, canonical)
    }

    /// The hash of a document's canonical bytes, by a version of its canonical form, from 1.
    pub fn in_version(version: u16, canonical: &[u8]) -> Self {
        Self { version, digest: Sha256::digest(canonical).into() }
    }

    /// The version of the canonical form that was hashed.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Reads the 64 hexadecimal digits that [`fmt::Display`] writes.
    pub(crate) fn parse(version: u16, hex: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self { version, digest })
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self}, version {})", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let hash = ContentHash::of(b"{}");
        assert_eq!(hash.to_string(), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert_eq!(ContentHash::parse(1, &hash.to_string()), Some(hash));
        assert_eq!(ContentHash::parse(1, "44"), None);
    }

    #[test]
    fn hashes_of_two_versions_are_never_equal() {
        assert_ne!(ContentHash::of(b"{}"), ContentHash::in_version(2, b"{}"));
    }
}
