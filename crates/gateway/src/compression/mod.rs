//! Bodies that are compressed on the way, for REST APIs that ask for it.
//!
//! Lives here: which coding a client gets, compressing replies, taking bodies apart with a limit on what comes out.
//! Does not live here: when it is done (`application`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Payload compression for REST APIs": a reply is compressed when its client
//! names a coding, it has none yet, and it has `minimumCompressionSize` bytes; `*` names none. A body in a coding that is
//! not known, or that is not what it claims to be, is 415.
//! Differs: what is compressed says `Vary: Accept-Encoding`. The function sees no `Content-Encoding` of a body that was
//! taken apart for it.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderValue;

use crate::http::{Headers, Response, ResponseBody};
use crate::replies::headers::contains;

/// Replies from this size on are compressed on a thread that may take its time.
const LONG_BYTES: usize = 128 * 1024;
/// How thoroughly: more costs much time for few bytes.
const LEVEL: u32 = 4;

/// A content coding (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

/// A body that cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBody {
    #[error("`{0}` is no content coding that is known: send gzip, deflate or identity")]
    Unknown(String),
    #[error("the body is not what its `Content-Encoding` says: {0}")]
    Broken(String),
    #[error("the body has more than {0} bytes when it is decompressed")]
    TooLarge(usize),
}

impl Coding {
    /// The coding that a client names, the one that it likes best first.
    pub(crate) fn accepted(headers: &Headers) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        for value in headers.get_all("accept-encoding") {
            let Ok(text) = value.to_str() else { continue };
            for offer in text.split(',') {
                let (name, parameters) = offer.split_once(';').unwrap_or((offer, ""));
                let Some(coding) = Self::parse(name.trim()) else {
                    continue;
                };
                let weight = parameters.trim().strip_prefix("q=");
                let weight = weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
                if 0.0 < weight && best.is_none_or(|(_, known)| known < weight) {
                    best = Some((coding, weight));
                }
            }
        }
        best.map(|(coding, _)| coding)
    }

    fn parse(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("gzip") || is("x-gzip") {
            Some(Self::Gzip)
        } else if is("deflate") {
            Some(Self::Deflate)
        } else {
            None
        }
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        })
    }
}

/// The response, compressed when its client wants that and it is worth it.
pub(crate) async fn compressed(
    mut response: Response,
    headers: &Headers,
    bytes_min: u32,
) -> Response {
    let Some(coding) = Coding::accepted(headers) else {
        return response;
    };
    let ResponseBody::Whole(body) = &response.body else {
        return response;
    };
    let is_small = body.is_empty() || (body.len() as u64) < u64::from(bytes_min);
    if is_small || contains(&response.headers, "content-encoding") {
        return response;
    }
    let body = body.clone();
    let packed = if body.len() < LONG_BYTES {
        pack(coding, &body)
    } else {
        let packing = tokio::task::spawn_blocking(move || pack(coding, &body));
        packing.await.unwrap_or_default()
    };
    let Some(packed) = packed else {
        return response;
    };
    response.body = ResponseBody::Whole(packed);
    let headers = &mut response.headers;
    headers.push(("Content-Encoding".to_owned(), coding.name()));
    let vary = HeaderValue::from_static("Accept-Encoding");
    headers.push(("Vary".to_owned(), vary));
    response
}

/// None when writing into memory fails, which it does not.
fn pack(coding: Coding, body: &[u8]) -> Option<Bytes> {
    let level = Compression::new(LEVEL);
    let out = Vec::with_capacity(body.len() / 3 + 64);
    let packed = match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(out, level);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(out, level);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
    };
    packed.ok().map(Bytes::from)
}

/// The body of a request without its coding; none: it has none. No more comes out than the limit, whatever went in.
pub(crate) fn plain(
    headers: &Headers,
    body: &[u8],
    bytes_max: usize,
) -> Result<Option<Bytes>, BadBody> {
    let mut named = headers.get_all("content-encoding");
    let Some(value) = named.next() else {
        return Ok(None);
    };
    let name = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if named.next().is_some() {
        return Err(BadBody::Unknown("two codings".to_owned()));
    }
    if name.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    let coding = Coding::parse(name.trim()).ok_or(BadBody::Unknown(name))?;
    let mut out = Vec::new();
    let limit = bytes_max as u64 + 1;
    let read = match coding {
        Coding::Gzip => MultiGzDecoder::new(body).take(limit).read_to_end(&mut out),
        Coding::Deflate => ZlibDecoder::new(body).take(limit).read_to_end(&mut out),
    };
    read.map_err(|error| BadBody::Broken(error.to_string()))?;
    if bytes_max < out.len() {
        return Err(BadBody::TooLarge(bytes_max));
    }
    Ok(Some(out.into()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn headers(name: &str, values: &[&str]) -> Headers {
        let values = values.iter();
        values
            .map(|value| (name, HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn a_client_gets_the_coding_that_it_names_and_likes_best() {
        for (accepted, coding) in [
            (&["gzip, deflate, br"][..], Some(Coding::Gzip)),
            (&["deflate, gzip"], Some(Coding::Deflate)),
            (&["deflate;q=0.5, GZIP"], Some(Coding::Gzip)),
            (&["br", "gzip;q=0.1"], Some(Coding::Gzip)),
            (&["gzip;q=0"], None),
            (&["*"], None),
            (&["identity"], None),
            (&[], None),
        ] {
            let headers = headers("Accept-Encoding", accepted);
            assert_eq!(Coding::accepted(&headers), coding, "{accepted:?}");
        }
    }

    #[tokio::test]
    async fn what_is_compressed_comes_out_as_it_was() {
        for (coding, bytes) in [("gzip", 2_000), ("deflate", 2_000), ("gzip", 1_000_000)] {
            let body: Vec<u8> = (0..bytes).map(|number: u32| (number % 7) as u8).collect();
            let response = Response::new(StatusCode::OK, body.clone());
            let accept = headers("accept-encoding", &[coding]);
            let packed = compressed(response, &accept, 1_000).await;
            let ResponseBody::Whole(text) = &packed.body else {
                panic!("a whole body");
            };
            assert!(text.len() < body.len() / 4);
            let sent = headers("content-encoding", &[coding]);
            assert_eq!(plain(&sent, text, bytes as usize), Ok(Some(body.into())));
            let short = bytes as usize - 1;
            assert_eq!(plain(&sent, text, short), Err(BadBody::TooLarge(short)));
        }
    }

    #[tokio::test]
    async fn small_replies_and_those_with_a_coding_stay_as_they_are() {
        let accept = headers("accept-encoding", &["gzip"]);
        let small = Response::new(StatusCode::OK, vec![b'x'; 999]);
        let coded = Response::new(StatusCode::OK, vec![b'x'; 5_000])
            .with_header("content-encoding", HeaderValue::from_static("br"));
        for response in [small, coded, Response::new(StatusCode::NO_CONTENT, "")] {
            let headers_before = response.headers.len();
            let after = compressed(response, &accept, 1_000).await;
            assert_eq!(after.headers.len(), headers_before);
        }
    }

    #[test]
    fn bombs_and_nonsense_do_not_come_in() {
        let bomb = pack(Coding::Gzip, &vec![0; 50_000_000]).unwrap();
        assert!(bomb.len() < 1_000_000);
        let gzip = headers("content-encoding", &["gzip"]);
        assert_eq!(
            plain(&gzip, &bomb, 1_000_000),
            Err(BadBody::TooLarge(1_000_000))
        );
        assert!(matches!(plain(&gzip, b"{}", 10), Err(BadBody::Broken(_))));
        for unknown in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"]] {
            let sent = headers("content-encoding", unknown);
            assert!(
                matches!(plain(&sent, &bomb, 10), Err(BadBody::Unknown(_))),
                "{unknown:?}"
            );
        }
        assert_eq!(
            plain(&headers("content-encoding", &["identity"]), b"{}", 10),
            Ok(None)
        );
    }
}
