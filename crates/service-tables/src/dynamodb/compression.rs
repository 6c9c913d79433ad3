//! Bodies that are compressed on the way.
//!
//! Lives here: reading a request by its `Content-Encoding`, compressing an answer as its `Accept-Encoding` wishes.
//! Does not live here: the rest of the frame of answers (`service`).
//!
//! Contract: as DynamoDB was seen to behave. It knows `gzip` and `deflate` in both directions, compresses what is not short, and
//! reads wishes leniently: a quality that is no number counts as 1, of several in one entry the first holds, of
//! several entries for one encoding the last but for `q=0` does.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderMap;

use super::fault::{Fault, Kind};

/// Bytes that a request may have once it is not compressed any more: a small body must not become a large one.
const REQUEST_BYTES_MAX: usize = model::limits::DYNAMODB_REQUEST_BYTES_MAX;
/// Answers shorter than this are not compressed.
const ANSWER_BYTES_MIN: usize = 4_096;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    /// As headers name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Deflate]
            .into_iter()
            .find(|encoding| name.eq_ignore_ascii_case(encoding.name()))
    }
}

/// The body as it was before it was compressed.
///
/// # Errors
/// The service answers with a fault of its own to what it cannot decompress, and so does this.
pub(super) fn request<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Fault> {
    let Some(name) = headers.get("content-encoding") else {
        return Ok(Cow::Borrowed(body));
    };
    let name = name.to_str().unwrap_or_default().trim();
    if name.is_empty() || name.eq_ignore_ascii_case("identity") {
        return Ok(Cow::Borrowed(body));
    }
    let most = u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    let read = match Encoding::of(name) {
        Some(Encoding::Gzip) => MultiGzDecoder::new(body)
            .take(most.saturating_add(1))
            .read_to_end(&mut plain),
        Some(Encoding::Deflate) => ZlibDecoder::new(body)
            .take(most.saturating_add(1))
            .read_to_end(&mut plain),
        None => return Err(unreadable()),
    };
    // Nothing at all is no compressed body either.
    if read.is_err() || body.is_empty() || REQUEST_BYTES_MAX < plain.len() {
        return Err(unreadable());
    }
    Ok(Cow::Owned(plain))
}

/// How the answer is to be compressed, if it is to be.
#[must_use]
pub(super) fn wished(headers: &HeaderMap, answer_bytes: usize) -> Option<Encoding> {
    if answer_bytes < ANSWER_BYTES_MIN {
        return None;
    }
    // Of several headers the service reads the first.
    let wishes = headers.get("accept-encoding")?.to_str().ok()?;
    best(wishes)
}

/// Compresses an answer; a body that cannot be compressed stays as it is.
#[must_use]
pub(super) fn answer(encoding: Encoding, body: Vec<u8>) -> (Option<Encoding>, Vec<u8>) {
    let compressed = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&body).and_then(|()| encoder.finish())
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&body).and_then(|()| encoder.finish())
        }
    };
    match compressed {
        Ok(compressed) => (Some(encoding), compressed),
        Err(_) => (None, body),
    }
}

fn unreadable() -> Fault {
    Fault::new(
        Kind::InternalServerError,
        "The request body could not be decompressed",
    )
}

/// The encoding with the highest quality; of two with the same, the one that is named first.
fn best(wishes: &str) -> Option<Encoding> {
    let mut named: Vec<(Encoding, f64)> = Vec::new();
    let mut others = None;
    for entry in wishes.split(',') {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let name = name.trim();
        let quality = quality(parameters);
        if name == "*" {
            others = Some(quality);
        } else if let Some(encoding) = Encoding::of(name) {
            match named.iter_mut().find(|(other, _)| *other == encoding) {
                Some((_, known)) => *known = known.max(quality),
                None => named.push((encoding, quality)),
            }
        }
    }
    if let Some(quality) = others {
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            if named.iter().all(|(other, _)| *other != encoding) {
                named.push((encoding, quality));
            }
        }
    }
    let mut best: Option<(Encoding, f64)> = None;
    for (encoding, quality) in named {
        if 0.0 < quality && best.is_none_or(|(_, highest)| highest < quality) {
            best = Some((encoding, quality));
        }
    }
    best.map(|(encoding, _)| encoding)
}

/// What follows the first `q=`, wherever in the entry that stands.
fn quality(parameters: &str) -> f64 {
    let Some((_, rest)) = parameters.split_once("q=") else {
        return 1.0;
    };
    let value = rest.split(';').next().unwrap_or_default().trim();
    let parsed = value.parse().ok();
    parsed.map_or(1.0, |quality: f64| quality.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_leniently() {
        for (wishes, expected) in [
            ("identity", None),
            ("x-gzip", None),
            ("gzip, deflate", Some(Encoding::Gzip)),
            ("br, identity, deflate, gzip", Some(Encoding::Deflate)),
            ("dog, gzip ,, cat", Some(Encoding::Gzip)),
            ("br, gzip;q=0, deflate; q = 0.5", Some(Encoding::Deflate)),
            ("*", Some(Encoding::Gzip)),
            ("*, gzip;q=0.5", Some(Encoding::Deflate)),
            ("*;q=0", None),
            ("gzip br", None),
            ("gzip;q=31,deflate;q=51", Some(Encoding::Gzip)),
            ("deflate;q=0.5, gzip;q=1;q=0.2", Some(Encoding::Gzip)),
            ("deflate;q=0.5,gzip;q=0.x", Some(Encoding::Gzip)),
            ("gzip;q =0;q=1", Some(Encoding::Gzip)),
            ("gzip;nq=0;q=1", None),
            ("gzip;q=0, gzip;q=1, gzip;q=0", Some(Encoding::Gzip)),
        ] {
            assert_eq!(best(wishes), expected, "{wishes}");
        }
    }

    #[test]
    fn a_small_body_does_not_become_a_large_one() {
        let (encoding, bomb) = answer(Encoding::Gzip, vec![b' '; REQUEST_BYTES_MAX + 1]);
        assert_eq!(encoding, Some(Encoding::Gzip));
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", http::HeaderValue::from_static("gzip"));
        assert_eq!(request(&headers, &bomb), Err(unreadable()));
        let (_, small) = answer(Encoding::Gzip, b"{}".to_vec());
        assert_eq!(request(&headers, &small), Ok(Cow::Owned(b"{}".to_vec())));
    }
}
