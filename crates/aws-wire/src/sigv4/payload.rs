//! What the head of a request says of its body.
//!
//! Lives here: the values of `x-amz-content-sha256`.
//! Does not live here: checking the body against them (`chunks`, whoever reads the body).
//!
//! Contract: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".

use http::HeaderMap;

use super::UNSIGNED_PAYLOAD;
use crate::errors::AuthenticationError;

const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_CHUNKS_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_CHUNKS_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// What is signed of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadClaim {
    /// Nothing.
    Unsigned,
    /// Its SHA-256.
    Hash([u8; 32]),
    /// Each of its chunks; behind the last may stand a trailer, signed too.
    SignedChunks {
        /// Whether there is a trailer.
        trailer: bool,
    },
    /// Nothing, and it comes in chunks with a trailer.
    UnsignedChunks,
}

impl PayloadClaim {
    /// What the headers say.
    ///
    /// # Errors
    /// [`AuthenticationError::ChunkedPayload`] for ways to sign chunks that are not known; `Incomplete` for what is no hash.
    pub fn of(headers: &HeaderMap) -> Result<Self, AuthenticationError> {
        let Some(sent) = headers.get("x-amz-content-sha256") else {
            return Ok(Self::Unsigned);
        };
        match sent.to_str().unwrap_or_default() {
            UNSIGNED_PAYLOAD => Ok(Self::Unsigned),
            SIGNED_CHUNKS => Ok(Self::SignedChunks { trailer: false }),
            SIGNED_CHUNKS_TRAILER => Ok(Self::SignedChunks { trailer: true }),
            UNSIGNED_CHUNKS_TRAILER => Ok(Self::UnsignedChunks),
            other if other.starts_with("STREAMING-") => Err(AuthenticationError::ChunkedPayload),
            other => {
                let mut hash = [0_u8; 32];
                match hex::decode_to_slice(other, &mut hash) {
                    Ok(()) => Ok(Self::Hash(hash)),
                    Err(_) => Err(AuthenticationError::ContentHash),
                }
            }
        }
    }

    /// Whether the body comes in chunks of its own.
    #[must_use]
    pub fn is_chunked(self) -> bool {
        match self {
            Self::Unsigned | Self::Hash(_) => false,
            Self::SignedChunks { .. } | Self::UnsignedChunks => true,
        }
    }

    pub(super) fn signed_text(self) -> String {
        match self {
            Self::Unsigned => UNSIGNED_PAYLOAD.to_owned(),
            Self::Hash(hash) => hex::encode(hash),
            Self::SignedChunks { trailer: false } => SIGNED_CHUNKS.to_owned(),
            Self::SignedChunks { trailer: true } => SIGNED_CHUNKS_TRAILER.to_owned(),
            Self::UnsignedChunks => UNSIGNED_CHUNKS_TRAILER.to_owned(),
        }
    }
}
