//! Drawing random bytes.

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
        let hex = format!("{marked:032x}");
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        RequestId::new(format!(
            "{}-{}-{}-{}-{}",
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32)
        ))
    }
}
