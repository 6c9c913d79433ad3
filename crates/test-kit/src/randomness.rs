//! Randomness that is the same in every run.
//!
//! Lives here: implementations of `Random` for tests.
//! Does not live here: the product's randomness (`cloudless::system`), strategies of property tests.

use std::sync::atomic::{AtomicU64, Ordering};

use interfaces::random::Random;

/// Every byte is this one, so that a test can write down what is made of it.
#[derive(Debug, Clone, Copy)]
pub struct FixedRandom(pub u8);

/// Counts from 0: each drawing is another number, in big-endian order at the buffer's end.
#[derive(Debug, Default)]
pub struct CountingRandom(AtomicU64);

impl Random for FixedRandom {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}

impl Random for CountingRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        buffer.fill(0);
        for (byte, value) in buffer.iter_mut().rev().zip(count.iter().rev()) {
            *byte = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_fills_buffers_of_any_length_and_never_draws_the_same_twice() {
        let random = CountingRandom::default();
        let mut buffer = [9_u8; 10];
        random.fill(&mut buffer);
        assert_eq!(buffer, [0; 10]);
        random.fill(&mut buffer);
        assert_eq!(buffer, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let mut short = [9_u8; 2];
        random.fill(&mut short);
        assert_eq!(short, [0, 2]);
    }
}
