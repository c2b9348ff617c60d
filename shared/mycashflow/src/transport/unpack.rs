//! Unpacking an answer that came compressed although nothing asked for that.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::TransportError;

/// The first bytes of gzip with its only method, deflate (RFC 1952, section 2.3). No XML begins so.
const GZIP: [u8; 3] = [0x1F, 0x8B, 8];

/// How many times a body may have been compressed: a proxy does it once more to what a shop has compressed.
const MAX_LAYERS: usize = 2;

/// The first bytes of what is not unpacked: zlib in its four levels (RFC 1950), zstd (RFC 8878), and gzip in more layers.
const SIGNATURES: [(&str, &[u8]); 6] = [
    ("gzip", &GZIP),
    ("deflate", b"x\x01"),
    ("deflate", b"x\x5E"),
    ("deflate", b"x\x9C"),
    ("deflate", b"x\xDA"),
    ("zstd", b"\x28\xB5\x2F\xFD"),
];

/// Compressions that HTTP knows and this does not unpack, by their names in `Content-Encoding`.
const OTHER_COMPRESSIONS: [&str; 4] = ["br", "compress", "deflate", "zstd"];

/// The body as it was before it was compressed.
///
/// What the body begins with decides whether it is gzip, not what `content_encoding` says: there are servers that compress
/// without saying so, and proxies that unpack and leave the header standing.
///
/// # Errors
///
/// [`TransportError::TooLarge`] when more than `limit_bytes` come out, [`TransportError::Cut`] when the end is missing,
/// and [`TransportError::Compressed`] for what cannot be unpacked.
pub(super) fn unpack(body: Bytes, content_encoding: Option<&str>, limit_bytes: usize) -> Result<Bytes, TransportError> {
    let mut body = body;
    for _ in 0..MAX_LAYERS {
        if body.starts_with(&GZIP) {
            body = gunzip(&body, limit_bytes)?;
        }
    }
    if let Some((encoding, _)) = SIGNATURES.iter().find(|(_, signature)| body.starts_with(signature)) {
        return Err(TransportError::Compressed { encoding });
    }
    let names = content_encoding.unwrap_or_default().split(',').map(str::trim);
    let other = names
        .into_iter()
        .find_map(|name| OTHER_COMPRESSIONS.into_iter().find(|other| name.eq_ignore_ascii_case(other)));
    match other {
        Some(encoding) if !body.is_empty() => Err(TransportError::Compressed { encoding }),
        _ => Ok(body),
    }
}

fn gunzip(packed: &[u8], limit_bytes: usize) -> Result<Bytes, TransportError> {
    let mut body = Vec::new();
    let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    match MultiGzDecoder::new(packed).take(most).read_to_end(&mut body) {
        Ok(_) if body.len() > limit_bytes => Err(TransportError::TooLarge { limit_bytes }),
        Ok(_) => Ok(body.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(TransportError::Cut),
        Err(_) => Err(TransportError::Compressed { encoding: "gzip" }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_unpacked_whatever_the_header_says() {
        for header in [Some("gzip"), Some("x-gzip"), None, Some("UTF-8")] {
            let body = unpack(gzip(b"<Orders/>").into(), header, 100).unwrap();
            assert_eq!(body, "<Orders/>", "{header:?}");
        }
        let two = [gzip(b"<Orders>"), gzip(b"</Orders>")].concat();
        assert_eq!(unpack(two.into(), Some("gzip"), 100).unwrap(), "<Orders></Orders>");
    }

    #[test]
    fn gzip_of_gzip_is_unpacked_twice_and_no_more() {
        let twice = gzip(&gzip(b"<Orders/>"));
        assert_eq!(unpack(twice.clone().into(), Some("gzip, gzip"), 100).unwrap(), "<Orders/>");
        let error = unpack(gzip(&twice).into(), Some("gzip"), 1000).unwrap_err();
        assert!(matches!(error, TransportError::Compressed { encoding: "gzip" }), "{error:?}");
    }

    #[test]
    fn another_compression_is_named_by_its_first_bytes_too() {
        let zlib = b"x\x9C\x03\x00\x00\x00\x00\x01".as_slice();
        for (body, named) in
            [(zlib.to_vec(), "deflate"), (gzip(zlib), "deflate"), (b"\x28\xB5\x2F\xFD".to_vec(), "zstd")]
        {
            let error = unpack(body.into(), None, 100).unwrap_err();
            assert!(matches!(error, TransportError::Compressed { encoding } if encoding == named), "{error:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_compressed_stays_whatever_the_header_says() {
        for header in [Some("gzip"), Some("identity"), Some("UTF-8"), None] {
            assert_eq!(unpack("<Orders/>".into(), header, 100).unwrap(), "<Orders/>", "{header:?}");
        }
        assert_eq!(unpack(Bytes::new(), Some("br"), 100).unwrap(), "");
    }

    #[test]
    fn another_compression_is_named() {
        for (header, named) in [("br", "br"), ("BR", "br"), ("identity, zstd", "zstd"), ("deflate", "deflate")] {
            let error = unpack("\u{b}\u{2}".into(), Some(header), 100).unwrap_err();
            let expected =
                format!("the answer is compressed with {named}, which was not asked for and cannot be unpacked");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn no_more_is_unpacked_than_the_limit() {
        let bomb = gzip(&vec![b' '; 1 << 20]);
        assert!(bomb.len() < 4096);
        for (limit_bytes, fits) in [((1 << 20) - 1, false), (1 << 20, true)] {
            match unpack(bomb.clone().into(), Some("gzip"), limit_bytes) {
                Ok(body) => assert!(fits && body.len() == 1 << 20),
                Err(TransportError::TooLarge { limit_bytes: limit }) => assert!(!fits && limit == limit_bytes),
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    #[test]
    fn gzip_cut_short_or_damaged_is_an_error() {
        let packed = gzip(b"<Orders><Order id='43'/></Orders>");
        for end in 3..packed.len() {
            let error = unpack(Bytes::copy_from_slice(&packed[..end]), Some("gzip"), 100).unwrap_err();
            assert!(matches!(error, TransportError::Cut), "{end}: {error:?}");
        }
        let mut damaged = packed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let error = unpack(damaged.into(), Some("gzip"), 100).unwrap_err();
        assert!(matches!(error, TransportError::Compressed { encoding: "gzip" }), "{error:?}");
    }
}
