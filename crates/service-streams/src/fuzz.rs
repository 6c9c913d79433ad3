//! Entry points for the fuzz targets, which lie outside of the workspace.
//!
//! Lives here: one function for each parser that is not public otherwise.

use crate::cbor;
use crate::engine::numbers::Sequence;

/// Reads a body of CBOR; what was read is written and read back as the same, but for times and bytes.
pub fn cbor(bytes: &[u8]) {
    if let Ok(value) = cbor::decode(bytes) {
        let again = cbor::decode(&cbor::encode(&value));
        assert!(again.is_ok(), "what was written is read");
    }
}

/// Reads a sequence number.
pub fn sequence(text: &str) {
    if let Some(read) = Sequence::parse(text) {
        assert_eq!(Sequence::parse(&read.text()), Some(read), "it reads back");
    }
}
