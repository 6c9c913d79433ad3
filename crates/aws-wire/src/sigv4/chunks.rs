//! Bodies in chunks of their own, `aws-chunked`: each may be signed, and a trailer may follow.
//!
//! Lives here: taking them apart, and verifying the signatures of chunks and trailers.
//! Does not live here: what a trailer means (checksums: `service-objects`), HTTP's own chunks (`gateway::http`).
//!
//! Contract: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple
//! Chunks" and "… Including Trailing Headers".

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::time::basic;
use super::verification::compare;
use super::{CredentialScope, PayloadClaim, Presented, SigningKey, TERMINATOR};
use model::time::Timestamp;

/// The longest line: the size of a chunk with its signature, or a line of a trailer.
const LINE_BYTES_MAX: usize = 2 * 1024;
/// Lines of a trailer.
const TRAILERS_MAX: usize = 16;
/// Hexadecimal digits of a chunk's size.
const SIZE_DIGITS_MAX: usize = 12;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Why a body in chunks cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Its framing cannot be read.
    #[error("{0}")]
    Malformed(&'static str),
    /// A chunk or the trailer is not what was signed.
    #[error("a chunk is not what was signed")]
    NotAsSigned,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A piece of the body.
    Data(Bytes),
    /// More has to arrive first.
    More,
    /// That was all of it.
    Done,
}

/// What the signatures of chunks are verified with.
#[derive(Debug, Clone)]
pub struct Proof {
    key: SigningKey,
    scope: CredentialScope,
    signed_at: Timestamp,
    previous: String,
}

impl Proof {
    /// Of a request whose own signature holds.
    #[must_use]
    pub fn new(key: SigningKey, presented: &Presented) -> Self {
        Self {
            key,
            scope: presented.scope.clone(),
            signed_at: presented.signed_at,
            previous: presented.signature.clone(),
        }
    }

    fn check(&mut self, algorithm: &str, hashes: &str, signature: &str) -> Result<(), ChunkError> {
        let CredentialScope {
            date,
            region,
            service,
        } = &self.scope;
        let text = format!(
            "{algorithm}\n{}\n{date}/{region}/{service}/{TERMINATOR}\n{}\n{hashes}",
            basic(self.signed_at),
            self.previous,
        );
        compare(self.key.sign(text.as_bytes()), signature).map_err(|_| ChunkError::NotAsSigned)?;
        signature.clone_into(&mut self.previous);
        Ok(())
    }
}

/// Takes a body in chunks apart as it arrives.
#[derive(Debug)]
pub struct ChunkReader {
    input: BytesMut,
    state: State,
    is_signed: bool,
    has_trailer: bool,
    proof: Option<Proof>,
    hash: Sha256,
    signature: String,
    trailers: Vec<(String, String)>,
    signed_trailer: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Bytes { left: u64 },
    End,
    Trailer,
    Done,
}

impl ChunkReader {
    /// A reader of what the head claims. Without a proof, signatures are read but not verified: of keys whose secret is not
    /// known.
    #[must_use]
    pub fn new(claim: PayloadClaim, proof: Option<Proof>) -> Self {
        let (is_signed, has_trailer) = match claim {
            PayloadClaim::SignedChunks { trailer } => (true, trailer),
            PayloadClaim::UnsignedChunks | PayloadClaim::Unsigned | PayloadClaim::Hash(_) => {
                (false, true)
            }
        };
        Self {
            input: BytesMut::new(),
            state: State::Size,
            is_signed,
            has_trailer,
            proof,
            hash: Sha256::new(),
            signature: String::new(),
            trailers: Vec::new(),
            signed_trailer: String::new(),
        }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, piece: Bytes) {
        match piece.try_into_mut() {
            Ok(piece) if self.input.is_empty() => self.input = piece,
            Ok(piece) => self.input.extend_from_slice(&piece),
            Err(piece) => self.input.extend_from_slice(&piece),
        }
    }

    /// The trailer: names in lower case. It is whole when [`Step::Done`] was said.
    #[must_use]
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// [`ChunkError`]: nothing of the body must be used.
    pub fn step(&mut self) -> Result<Step, ChunkError> {
        loop {
            match self.state {
                State::Done => return Ok(Step::Done),
                State::Bytes { left } => {
                    let bytes = usize::try_from(left)
                        .map_or(self.input.len(), |left| left.min(self.input.len()));
                    if bytes == 0 {
                        return Ok(Step::More);
                    }
                    let piece = self.input.split_to(bytes).freeze();
                    if self.proof.is_some() && self.is_signed {
                        self.hash.update(&piece);
                    }
                    self.state = match left.saturating_sub(bytes as u64) {
                        0 => State::End,
                        left => State::Bytes { left },
                    };
                    return Ok(Step::Data(piece));
                }
                State::Size | State::End | State::Trailer => match self.take_line()? {
                    None => return Ok(Step::More),
                    Some(line) => self.read_line(&line)?,
                },
            }
        }
    }

    fn read_line(&mut self, line: &str) -> Result<(), ChunkError> {
        match self.state {
            State::Size => self.read_size(line),
            State::End if line.is_empty() => {
                self.check_chunk()?;
                self.state = State::Size;
                Ok(())
            }
            State::End => Err(ChunkError::Malformed("a chunk is longer than it says")),
            State::Trailer if line.is_empty() => self.finish(),
            State::Trailer => self.read_trailer(line),
            State::Bytes { .. } | State::Done => Ok(()),
        }
    }

    fn read_size(&mut self, line: &str) -> Result<(), ChunkError> {
        let (digits, extension) = line.split_once(';').unwrap_or((line, ""));
        if digits.is_empty()
            || SIZE_DIGITS_MAX < digits.len()
            || !digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Err(ChunkError::Malformed("the size of a chunk cannot be read"));
        }
        let left = u64::from_str_radix(digits, 16)
            .map_err(|_| ChunkError::Malformed("the size of a chunk cannot be read"))?;
        self.signature = match extension.strip_prefix("chunk-signature=") {
            Some(signature) => signature.to_owned(),
            None if self.is_signed => {
                return Err(ChunkError::Malformed("a chunk has no signature"));
            }
            None => String::new(),
        };
        if left == 0 {
            self.check_chunk()?;
            self.state = State::Trailer;
        } else {
            self.state = State::Bytes { left };
        }
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), ChunkError> {
        let hash = std::mem::take(&mut self.hash).finalize();
        match &mut self.proof {
            Some(proof) if self.is_signed => {
                let hashes = format!(
                    "{}\n{}",
                    hex::encode(Sha256::digest(b"")),
                    hex::encode(hash)
                );
                proof.check("AWS4-HMAC-SHA256-PAYLOAD", &hashes, &self.signature)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn read_trailer(&mut self, line: &str) -> Result<(), ChunkError> {
        let malformed = ChunkError::Malformed("a trailer cannot be read");
        let (name, value) = line.split_once(':').ok_or(malformed.clone())?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if !self.has_trailer || name.is_empty() || TRAILERS_MAX <= self.trailers.len() {
            return Err(malformed);
        }
        if name == TRAILER_SIGNATURE {
            self.signature = value;
            return Ok(());
        }
        self.signed_trailer.push_str(&format!("{name}:{value}\n"));
        self.trailers.push((name, value));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ChunkError> {
        self.state = State::Done;
        match &mut self.proof {
            Some(proof) if self.is_signed && self.has_trailer => {
                let hash = hex::encode(Sha256::digest(self.signed_trailer.as_bytes()));
                proof.check("AWS4-HMAC-SHA256-TRAILER", &hash, &self.signature)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A line without its end.
    fn take_line(&mut self) -> Result<Option<String>, ChunkError> {
        let searched = self.input.get(..LINE_BYTES_MAX.min(self.input.len()));
        let end = searched.and_then(|input| input.iter().position(|byte| *byte == b'\n'));
        let Some(end) = end else {
            return if self.input.len() < LINE_BYTES_MAX {
                Ok(None)
            } else {
                Err(ChunkError::Malformed("a line between chunks is too long"))
            };
        };
        let line = self.input.split_to(end + 1);
        let line = std::str::from_utf8(&line)
            .map_err(|_| ChunkError::Malformed("a line between chunks is no text"))?;
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Whether the last bytes that arrived were beyond the end.
    #[must_use]
    pub fn has_more_than_all(&self) -> bool {
        self.state == State::Done && !self.input.is_empty()
    }
}

/// Reads whatever bytes as a body in chunks: for fuzzing. Never panics.
#[must_use]
pub fn read_hostile(bytes: &[u8]) -> usize {
    let mut reader = ChunkReader::new(PayloadClaim::UnsignedChunks, None);
    let mut total = 0;
    for part in bytes.chunks(7) {
        reader.push(Bytes::copy_from_slice(part));
        while let Ok(Step::Data(data)) = reader.step() {
            total += data.len();
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(claim: PayloadClaim, body: &str, piece: usize) -> Result<(String, String), ChunkError> {
        let mut reader = ChunkReader::new(claim, None);
        let mut text = Vec::new();
        for part in body.as_bytes().chunks(piece) {
            reader.push(Bytes::copy_from_slice(part));
            loop {
                match reader.step()? {
                    Step::Data(data) => text.extend_from_slice(&data),
                    Step::More => break,
                    Step::Done => {
                        let trailer = format!("{:?}", reader.trailers());
                        return Ok((String::from_utf8(text).unwrap(), trailer));
                    }
                }
            }
        }
        Err(ChunkError::Malformed("cut off"))
    }

    #[test]
    fn chunks_are_put_together_however_they_arrive() {
        let body = "3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        for piece in 1..body.len() {
            let (text, trailer) = read(PayloadClaim::UnsignedChunks, body, piece).unwrap();
            assert_eq!(text, "abcde");
            assert_eq!(trailer, r#"[("x-amz-checksum-crc32", "AAAA")]"#);
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for body in [
            "zz\r\nabc\r\n",
            "3\r\nabcd\r\n",
            "fffffffffffffffff\r\n",
            "\r\n",
        ] {
            assert!(
                read(PayloadClaim::UnsignedChunks, body, 64).is_err(),
                "{body:?}"
            );
        }
        let unsigned = "3\r\nabc\r\n0\r\n\r\n";
        let claim = PayloadClaim::SignedChunks { trailer: false };
        assert!(read(claim, unsigned, 64).is_err());
    }

    // Amazon S3 API Reference, "Example: PUT object" of the chunked transfer.
    #[test]
    fn the_example_of_the_reference_verifies() {
        let scope = CredentialScope {
            date: "20130524".to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
        };
        let proof = |seed: &str| Proof {
            key: SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope),
            scope: scope.clone(),
            signed_at: crate::sigv4::time::parse_basic("20130524T000000Z").unwrap(),
            previous: seed.to_owned(),
        };
        let mut body = Vec::new();
        body.extend_from_slice(b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n");
        body.extend_from_slice(&[b'a'; 65_536]);
        body.extend_from_slice(b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n");
        body.extend_from_slice(&[b'a'; 1_024]);
        body.extend_from_slice(b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n");
        let run = |seed: &str| {
            let claim = PayloadClaim::SignedChunks { trailer: false };
            let mut reader = ChunkReader::new(claim, Some(proof(seed)));
            reader.push(Bytes::from(body.clone()));
            loop {
                match reader.step() {
                    Ok(Step::Data(_)) => {}
                    other => return other,
                }
            }
        };
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        assert_eq!(run(seed), Ok(Step::Done));
        assert_eq!(run(&seed.replace('4', "5")), Err(ChunkError::NotAsSigned));
    }
}
