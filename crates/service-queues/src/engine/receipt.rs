//! Receipt handles: what a client shows to delete a message that it received.
//!
//! Lives here: writing and reading them.
//! Does not live here: whether one still holds (`owner`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::{CONTENTS_BYTES, ContentsId, Identity};

const FORMAT: u8 = 1;

/// What a receipt handle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// The contents of the queue that the message was received from.
    pub(crate) contents: ContentsId,
    /// The message.
    pub(crate) identity: Identity,
    /// Which of its receives it was.
    pub(crate) nonce: u64,
}

impl Receipt {
    /// As clients see it.
    pub(crate) fn to_text(self) -> String {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.contents.0);
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.extend_from_slice(self.identity.bytes());
        STANDARD.encode(bytes)
    }

    /// Reads one; none: it is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (&format, rest) = bytes.split_first()?;
        let (contents, rest) = rest.split_at_checked(CONTENTS_BYTES)?;
        let (nonce, identity) = rest.split_at_checked(8)?;
        (format == FORMAT).then_some(Self {
            contents: ContentsId(contents.try_into().ok()?),
            nonce: u64::from_be_bytes(nonce.try_into().ok()?),
            identity: Identity::read(identity)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_back_as_it_was_written_and_nothing_else_does() {
        let receipt = Receipt {
            contents: ContentsId([1; 8]),
            identity: Identity::read(&[2; 18]).unwrap(),
            nonce: 3,
        };
        assert_eq!(Receipt::parse(&receipt.to_text()), Some(receipt));
        for text in ["", "INVALID", "AQ==", "not base64 at all", &"A".repeat(400)] {
            assert_eq!(Receipt::parse(text), None, "{text}");
        }
    }
}
