//! Reading objects of buckets in process.
//!
//! Lives here: the seam between services that are handed the place of an object (code of a function) and the service that
//! owns buckets.
//! Does not live here: whether the caller may read it: whoever asks names that among its checks (`authorize`), completed here.

use bytes::Bytes;

use model::principal::Principal;

use crate::BoxFuture;
use crate::authorize::Check;

/// Reads objects.
#[expect(
    clippy::module_name_repetitions,
    reason = "it stands alone in its implementors"
)]
pub trait ReadObjects: Send + Sync {
    /// A check on an object, with what its bucket says of it: whose it is, its policy, its lists.
    fn complete<'a>(&'a self, caller: &'a Principal, check: Check) -> BoxFuture<'a, Check>;

    /// A whole object.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn read<'a>(&'a self, object: &'a ObjectName) -> BoxFuture<'a, Result<Bytes, ObjectError>>;
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its version; none: the current one.
    pub version: Option<String>,
    /// A larger object is refused.
    pub bytes_max: u64,
}

/// An object could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ObjectError {
    /// The code of S3, as `NoSuchKey`.
    pub code: String,
    /// Its words.
    pub message: String,
}
