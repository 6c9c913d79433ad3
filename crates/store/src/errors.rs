//! What can go wrong with a read and with a commit.
//!
//! Lives here: the errors of the seam, by what their caller can do.
//! Does not live here: errors of opening a store (each implementation has its own).

use std::sync::Arc;

/// The error of the medium below, shared by all the calls that it failed.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// A read failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The medium failed; a later read may succeed.
    #[error("the store could not be read")]
    Medium(#[source] Cause),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// A batch was not applied, or it is not known whether it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A check did not hold; nothing was applied.
    #[error("check {index} of the batch does not hold")]
    CheckFailed {
        /// The first check that did not hold, counted from 0.
        index: usize,
    },
    /// The batch breaks a limit; nothing was applied, and it never will be.
    #[error("the batch is too large: {what} is {actual}, at most {allowed} is allowed")]
    TooLarge {
        /// Which measure.
        what: &'static str,
        /// What it is.
        actual: usize,
        /// What it may be.
        allowed: usize,
    },
    /// The disk is full; nothing was applied. It may be sent again once there is room.
    #[error("the disk is full")]
    DiskFull(#[source] Cause),
    /// The medium failed while the batch was being applied. Whether it was is known only by reading.
    #[error("the store could not be written")]
    Medium(#[source] Cause),
    /// The store was closed before the batch was applied.
    #[error("the store is closed")]
    Closed,
}
