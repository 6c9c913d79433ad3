//! The most memory that an instance is known to have had.
//!
//! Lives here: when it is looked at.
//! Does not live here: how (`child`), where it is reported (`report`).

use std::time::{Duration, Instant};

use super::child::Process;

/// How old a look may be. A function that runs less often is looked at after each event.
const FRESH_FOR: Duration = Duration::from_millis(50);

/// As last seen: a process that has ended has none.
#[derive(Default)]
pub(super) struct MemoryPeak {
    mb: u32,
    noted_at: Option<Instant>,
}

impl MemoryPeak {
    pub(super) fn mb(&self) -> u32 {
        self.mb
    }

    /// Looks, unless that was done a moment ago and the process lives: the peak only grows, so the next look finds what
    /// this one misses, and the kernel takes longer to write it down than a small event takes in all.
    pub(super) fn note(&mut self, process: &Process, now: Instant) {
        let is_fresh = |at| now.saturating_duration_since(at) < FRESH_FOR;
        if self.noted_at.is_some_and(is_fresh) && !process.is_over() {
            return;
        }
        if let Some(peak_mb) = process.memory_peak_mb() {
            self.mb = self.mb.max(peak_mb);
            self.noted_at = Some(now);
        }
    }
}
