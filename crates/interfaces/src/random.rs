//! Drawing random bytes.

use model::digits;
use model::ids::RequestId;

/// Randomness, as an argument: a test replays it from a seed.
pub trait Random: Send + Sync {
    /// Fills the buffer with bytes that nobody can guess.
    fn fill(&self, buffer: &mut [u8]);

    /// A new request id: a UUID of version 4, in lower case.
    fn request_id(&self) -> RequestId {
        let mut bytes = [0_u8; 16];
        self.fill(&mut bytes);
        let drawn = u128::from_be_bytes(bytes);
        let marked = (drawn & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        RequestId::new(as_uuid(marked))
    }
}

fn as_uuid(bits: u128) -> String {
    const GROUPS: [std::ops::Range<usize>; 5] = [0..4, 4..6, 6..8, 8..10, 10..16];
    let bytes = bits.to_be_bytes();
    let mut text = String::with_capacity(36);
    for group in GROUPS {
        if 0 < group.start {
            text.push('-');
        }
        digits::push_hex(&mut text, bytes.get(group).unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_digits_in_five_groups() {
        let text = as_uuid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(text, "01234567-89ab-cdef-0123-456789abcdef");
    }
}
