//! What tests of several crates hold in their hands instead of the world's.
//!
//! Lives here: clocks, randomness, a function.
//! Does not live here: fakes that one crate alone needs (its own tests), stores (`store-embedded` has one in memory).

mod clocks;
mod functions;
mod randomness;

pub use clocks::{PausedClock, RunningClock, StoppedClock};
pub use functions::function;
pub use randomness::{CountingRandom, FixedRandom};
