//! The native half of forking Node.js, carried in our binary.
//!
//! Lives here: its bytes.
//! Does not live here: what it does (`native/src/lib.rs`), how it is built (`build.rs`).

/// The file that Node.js requires, and preloads where a version needs that. It is empty, and is not unpacked, where Node.js
/// cannot be forked.
pub(super) const ADDON: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cloudless.node"));
