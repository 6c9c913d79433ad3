//! Counting what may happen only so often.
//!
//! Lives here: the seam between the gateway's limits and whoever counts: this process, or a server that many nodes share.
//! Does not live here: which limits there are (`model::door`), what a refused request is told (`gateway`).

use model::door::Rate;
use model::time::Timestamp;

use crate::BoxFuture;

/// Counts, by name.
pub trait Counters: Send + Sync {
    /// Takes a token from each of these buckets, or from none; the first that is empty is answered, by its place.
    ///
    /// # Errors
    /// [`NotCounted`] when nobody can say; the caller decides whether that lets a request in.
    fn take<'a>(
        &'a self,
        buckets: &'a [Bucket<'a>],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Taken, NotCounted>>;

    /// Counts one more use, if that keeps the uses since `window.began_at` within the limit.
    ///
    /// # Errors
    /// [`NotCounted`], as above.
    fn count<'a>(&'a self, window: &'a Window<'a>) -> BoxFuture<'a, Result<Counted, NotCounted>>;
}

/// A token bucket: full when it is first named.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    /// Its name: whoever names it, shares it.
    pub name: &'a str,
    /// How it fills.
    pub rate: Rate,
}

/// What came of taking tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// One from each.
    All,
    /// None, because the bucket at this place is empty.
    Empty {
        /// Its place in the list.
        place: usize,
    },
}

/// A stretch of time in which uses are counted.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The counter's name.
    pub name: &'a str,
    /// When the stretch began: uses before it do not count.
    pub began_at: Timestamp,
    /// How many uses it allows.
    pub limit: u64,
    /// What it begins with.
    pub offset: u64,
}

/// What came of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It was counted; so many uses are left.
    Left(u64),
    /// It was not: the limit is reached.
    UsedUp,
}

/// Nobody can say how much has been used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not count: {reason}")]
pub struct NotCounted {
    /// Why.
    pub reason: String,
}
