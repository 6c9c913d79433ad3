//! What is written in one go.
//!
//! Lives here: batches with their checks and writes, the stamp that a commit gets, the test of a batch's size.
//! Does not live here: applying a batch (implementations).

use std::fmt;

use bytes::Bytes;

use crate::errors::CommitError;
use crate::limits;

/// Bytes of a versionstamp inside a key or a value.
pub const VERSIONSTAMP_BYTES: usize = 8;

/// A commit's place in the order of all commits of a store. Gaps are possible, repetitions are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Versionstamp(u64);

impl Versionstamp {
    /// The stamp with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// As it stands in keys and values: big-endian, so that it sorts.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; VERSIONSTAMP_BYTES] {
        self.0.to_be_bytes()
    }

    /// The stamp that these bytes are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; VERSIONSTAMP_BYTES]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }
}

impl fmt::Display for Versionstamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// What must hold for a batch to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// There is no such key.
    Absent {
        /// The key.
        key: Bytes,
    },
    /// There is such a key.
    Present {
        /// The key.
        key: Bytes,
    },
    /// The key has exactly this value.
    Equals {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The key has this value from now on.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// The key `prefix` + stamp of this commit + `suffix` has this value from now on.
    PutVersionstampedKey {
        /// What stands before the stamp.
        prefix: Bytes,
        /// What stands after it: tells apart the keys of one batch.
        suffix: Bytes,
        /// The value.
        value: Bytes,
    },
    /// The key has the value `prefix` + stamp of this commit + `suffix` from now on.
    PutVersionstampedValue {
        /// The key.
        key: Bytes,
        /// What stands before the stamp.
        prefix: Bytes,
        /// What stands after it.
        suffix: Bytes,
    },
    /// There is no such key from now on; one that is gone already is no error.
    Delete {
        /// The key.
        key: Bytes,
    },
}

/// Checks and writes that are one. Writes are applied in their order: of two to the same key, the later holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    checks: Vec<Check>,
    writes: Vec<Write>,
}

impl Batch {
    /// A batch that does nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if there is no such key.
    #[must_use]
    pub fn check_absent(self, key: impl Into<Bytes>) -> Self {
        self.check(Check::Absent { key: key.into() })
    }

    /// Only if there is such a key.
    #[must_use]
    pub fn check_present(self, key: impl Into<Bytes>) -> Self {
        self.check(Check::Present { key: key.into() })
    }

    /// Only if the key has this value.
    #[must_use]
    pub fn check_equals(self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.check(Check::Equals {
            key: key.into(),
            value: value.into(),
        })
    }

    /// Only if this holds.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Sets a key.
    #[must_use]
    pub fn put(self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.write(Write::Put {
            key: key.into(),
            value: value.into(),
        })
    }

    /// Sets the key `prefix` + stamp + `suffix`.
    #[must_use]
    pub fn put_versionstamped_key(
        self,
        prefix: impl Into<Bytes>,
        suffix: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Self {
        self.write(Write::PutVersionstampedKey {
            prefix: prefix.into(),
            suffix: suffix.into(),
            value: value.into(),
        })
    }

    /// Sets a key to the value `prefix` + stamp + `suffix`.
    #[must_use]
    pub fn put_versionstamped_value(
        self,
        key: impl Into<Bytes>,
        prefix: impl Into<Bytes>,
        suffix: impl Into<Bytes>,
    ) -> Self {
        self.write(Write::PutVersionstampedValue {
            key: key.into(),
            prefix: prefix.into(),
            suffix: suffix.into(),
        })
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(self, key: impl Into<Bytes>) -> Self {
        self.write(Write::Delete { key: key.into() })
    }

    /// Makes this change.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// The checks, in their order.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The writes, in their order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The bytes of all keys and values; refuses a batch that breaks a limit. Every implementation calls it first.
    ///
    /// # Errors
    /// [`CommitError::TooLarge`].
    pub fn measure(&self) -> Result<usize, CommitError> {
        let steps = self.checks.len() + self.writes.len();
        within(
            "the number of checks and writes",
            steps,
            limits::BATCH_STEPS_MAX,
        )?;
        let mut total = 0_usize;
        let sizes = self.checks.iter().map(Check::size);
        for (key, value) in sizes.chain(self.writes.iter().map(Write::size)) {
            within("the length of a key", key, limits::KEY_BYTES_MAX)?;
            within("the length of a value", value, limits::VALUE_BYTES_MAX)?;
            total = total.saturating_add(key).saturating_add(value);
        }
        within(
            "the length of all keys and values",
            total,
            limits::BATCH_BYTES_MAX,
        )?;
        Ok(total)
    }
}

impl Check {
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Absent { key } | Self::Present { key } => (key.len(), 0),
            Self::Equals { key, value } => (key.len(), value.len()),
        }
    }

    /// Whether it holds, given the value that its key has.
    #[must_use]
    pub fn holds(&self, current: Option<&[u8]>) -> bool {
        match self {
            Self::Absent { .. } => current.is_none(),
            Self::Present { .. } => current.is_some(),
            Self::Equals { value, .. } => current == Some(value),
        }
    }

    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Absent { key } | Self::Present { key } | Self::Equals { key, .. } => key,
        }
    }
}

impl Write {
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Put { key, value } => (key.len(), value.len()),
            Self::PutVersionstampedKey {
                prefix,
                suffix,
                value,
            } => (
                prefix.len() + VERSIONSTAMP_BYTES + suffix.len(),
                value.len(),
            ),
            Self::PutVersionstampedValue {
                key,
                prefix,
                suffix,
            } => (key.len(), prefix.len() + VERSIONSTAMP_BYTES + suffix.len()),
            Self::Delete { key } => (key.len(), 0),
        }
    }

    /// The key and the value that it comes to in the commit with this stamp; without a value, the key is removed.
    #[must_use]
    pub fn stamped(&self, stamp: Versionstamp) -> (Bytes, Option<Bytes>) {
        let join = |prefix: &Bytes, suffix: &Bytes| {
            Bytes::from([prefix, &stamp.to_bytes()[..], suffix].concat())
        };
        match self {
            Self::Put { key, value } => (key.clone(), Some(value.clone())),
            Self::PutVersionstampedKey {
                prefix,
                suffix,
                value,
            } => (join(prefix, suffix), Some(value.clone())),
            Self::PutVersionstampedValue {
                key,
                prefix,
                suffix,
            } => (key.clone(), Some(join(prefix, suffix))),
            Self::Delete { key } => (key.clone(), None),
        }
    }
}

fn within(what: &'static str, actual: usize, allowed: usize) -> Result<(), CommitError> {
    if actual <= allowed {
        return Ok(());
    }
    Err(CommitError::TooLarge {
        what,
        actual,
        allowed,
    })
}
