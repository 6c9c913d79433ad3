//! What requests say of checksums.
//!
//! Lives here: `Content-MD5`, `x-amz-checksum-…`, `x-amz-sdk-checksum-algorithm`, trailers; holding them against what came.
//! Does not live here: making checksums (`engine::checksum`).
//!
//! Contract: Amazon S3 User Guide, "Checking object integrity in Amazon S3".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use super::answers::Headers;
use super::request::{Ask, Incoming};
use crate::engine::checksum::{Algorithm, Checksum, Extent, Running};
use crate::engine::fault::{self, Fault};
use crate::engine::receiving::Received;

/// What is claimed of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Claims {
    md5: Option<Vec<u8>>,
    pub(crate) algorithm: Option<Algorithm>,
    /// In base64; none: in the trailer, or nowhere.
    value: Option<String>,
    trailer: Option<Algorithm>,
}

/// What a request claims of its body.
pub(crate) fn claims(ask: &Ask) -> Result<Claims, Fault> {
    let md5 = match ask.header("content-md5") {
        None => None,
        Some(text) => {
            let value = BASE64.decode(text.trim()).ok();
            let value = value.filter(|value| value.len() == 16);
            Some(
                value
                    .ok_or_else(|| Fault::from(fault::INVALID_DIGEST).with("Content-MD5", text))?,
            )
        }
    };
    let mut sent = Algorithm::ALL.into_iter().filter_map(|algorithm| {
        Some((
            algorithm,
            ask.header_or_query(algorithm.header())?.to_owned(),
        ))
    });
    let first = sent.next();
    if sent.next().is_some() {
        return Err(Fault::saying(
            fault::INVALID_REQUEST,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    let trailer = ask.header("x-amz-trailer").and_then(|names| {
        let mut names = names.split(',').map(str::trim);
        names.find_map(|name| {
            let mut all = Algorithm::ALL.into_iter();
            all.find(|algorithm| algorithm.header().eq_ignore_ascii_case(name))
        })
    });
    let named = match ask.header_or_query("x-amz-sdk-checksum-algorithm") {
        None => None,
        Some(name) => Some(Algorithm::read(name).ok_or_else(|| {
            Fault::saying(
                fault::INVALID_REQUEST,
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            )
        })?),
    };
    if let Some((algorithm, value)) = &first {
        if !algorithm.is_value(value) {
            return Err(Fault::saying(
                fault::INVALID_REQUEST,
                format!("Value for {} header is invalid.", algorithm.header()),
            ));
        }
        if named.is_some_and(|named| named != *algorithm) {
            return Err(Fault::saying(
                fault::INVALID_REQUEST,
                "Value for x-amz-sdk-checksum-algorithm header is invalid.",
            ));
        }
    }
    let (algorithm, value) = match first {
        Some((algorithm, value)) => (Some(algorithm), Some(value)),
        None => (trailer.or(named), None),
    };
    Ok(Claims {
        md5,
        algorithm,
        value,
        trailer,
    })
}

impl Claims {
    /// Holds what is claimed against what came.
    pub(crate) fn check(&self, received: &Received, body: &Incoming) -> Result<(), Fault> {
        if let Some(md5) = &self.md5
            && **md5 != received.md5
        {
            return Err(Fault::from(fault::BAD_DIGEST)
                .with("ExpectedDigest", hex::encode(md5))
                .with("CalculatedDigest", BASE64.encode(received.md5)));
        }
        let trailing = self
            .trailer
            .and_then(|algorithm| body.trailer(algorithm.header()));
        let claimed = self.value.as_deref().or(trailing);
        let made = received
            .checksums
            .iter()
            .find(|(algorithm, _)| Some(*algorithm) == self.algorithm);
        match (claimed, made) {
            (Some(claimed), Some((algorithm, made))) if claimed != made => {
                Err(mismatch(*algorithm))
            }
            _ => Ok(()),
        }
    }

    /// Holds what is claimed against a body that is all there.
    pub(crate) fn check_whole(&self, body: &[u8]) -> Result<(), Fault> {
        if let Some(md5) = &self.md5
            && md5.as_slice() != Md5::digest(body).as_slice()
        {
            return Err(fault::BAD_DIGEST.into());
        }
        let (Some(algorithm), Some(claimed)) = (self.algorithm, &self.value) else {
            return Ok(());
        };
        let mut running = Running::new(algorithm);
        running.update(body);
        if running.finish() == *claimed {
            Ok(())
        } else {
            Err(mismatch(algorithm))
        }
    }
}

fn mismatch(algorithm: Algorithm) -> Fault {
    Fault::saying(
        fault::BAD_DIGEST,
        format!(
            "The {} you specified did not match the calculated checksum.",
            algorithm.name()
        ),
    )
}

/// What objects get that come without a checksum.
pub(crate) const DEFAULT: Algorithm = Algorithm::Crc64Nvme;

/// The checksum of an object that came in one piece.
pub(crate) fn of_received(received: &Received) -> Option<Checksum> {
    received
        .checksums
        .first()
        .map(|(algorithm, value)| Checksum {
            algorithm: *algorithm,
            value: value.clone(),
            extent: Extent::FullObject,
        })
}

/// What answers say of a checksum.
pub(crate) fn headers(checksum: Option<&Checksum>, headers: &mut Headers) {
    if let Some(checksum) = checksum {
        headers.push((checksum.algorithm.header(), checksum.value.clone()));
        headers.push(("x-amz-checksum-type", checksum.extent.name().to_owned()));
    }
}
