//! Bytes encrypted by a key of the customer's (SSE-C).
//!
//! Lives here: frames, each sealed by AES-256-GCM under a key derived for one file.
//! Does not live here: reading keys from requests (`api::encryption`).
//!
//! A frame holds 64 KiB and a tag of 16 bytes, so any range can be read without what stands before it. No nonce repeats under
//! a key: the key is derived from the customer's and the id of the file, which is never given twice, the nonce is the frame's number.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;

use super::fault::{self, Fault};

/// Bytes of a frame before it is sealed.
pub(crate) const FRAME_BYTES: u64 = 64 * 1024;
const TAG_BYTES: u64 = 16;

/// A key of the customer's.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CustomerKey {
    pub(crate) bytes: [u8; 32],
    /// In base64.
    pub(crate) md5: String,
}

impl std::fmt::Debug for CustomerKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CustomerKey")
    }
}

/// Seals and opens the frames of one file.
pub(crate) struct Sealer {
    key: LessSafeKey,
}

impl Sealer {
    pub(crate) fn new(key: &CustomerKey, file: &str) -> Result<Self, Fault> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"cloudless objects");
        let secret = salt.extract(&key.bytes);
        let info = [file.as_bytes()];
        let key = secret
            .expand(&info, &AES_256_GCM)
            .map(UnboundKey::from)
            .map_err(|_| Fault::from(fault::INTERNAL))?;
        Ok(Self {
            key: LessSafeKey::new(key),
        })
    }

    /// Seals a frame in place: it grows by its tag.
    pub(crate) fn seal(&self, number: u64, frame: &mut Vec<u8>) -> Result<(), Fault> {
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::empty(), frame)
            .map_err(|_| fault::INTERNAL.into())
    }

    /// Opens a frame.
    pub(crate) fn open(&self, number: u64, mut frame: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let length = self
            .key
            .open_in_place(nonce(number), Aad::empty(), &mut frame)
            .map_err(|_| Fault::from(fault::INTERNAL))?
            .len();
        frame.truncate(length);
        Ok(frame)
    }
}

/// Where a sealed frame begins.
pub(crate) fn frame_offset(number: u64) -> u64 {
    number * (FRAME_BYTES + TAG_BYTES)
}

/// The bytes of a full frame, sealed.
pub(crate) const SEALED_FRAME_BYTES: usize = (FRAME_BYTES + TAG_BYTES) as usize;

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0_u8; 12];
    let (_, end) = bytes.split_at_mut(4);
    end.copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
