//! What tests of several crates hold in their hands instead of the world's.
//!
//! Lives here: clocks, randomness, a function, judges of who may do what.
//! Does not live here: fakes that one crate alone needs (its own tests), stores (`store-embedded` has one in memory).

mod clocks;
mod functions;
mod judges;
mod randomness;

pub use clocks::{PausedClock, RunningClock, StoppedClock};
pub use functions::function;
pub use judges::{Allowing, Distrusting, Judging};
pub use randomness::{CountingRandom, FixedRandom};
