//! Code that is kept as archives: of functions and layers that an API makes, and of published versions.
//!
//! Lives here: the seam between Lambda's API and whoever keeps and unpacks archives.
//! Does not live here: unpacking (`build`), which function runs which archive (`service-functions`).

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;

use crate::BoxFuture;

/// Keeps archives under the digests of their content.
pub trait Packages: Send + Sync {
    /// Checks an archive as a whole and keeps it; durable when it returns. Nothing is kept of one that is refused.
    ///
    /// # Errors
    /// [`PackageError`].
    fn keep(&self, archive: Bytes) -> BoxFuture<'_, Result<Package, PackageError>>;

    /// The archive that a folder would be, which is not kept. The same content gives the same archive.
    ///
    /// # Errors
    /// [`PackageError`].
    fn describe<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Package, PackageError>>;

    /// The same archive, kept.
    ///
    /// # Errors
    /// [`PackageError`].
    fn keep_folder<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Package, PackageError>>;

    /// The bytes of an archive that was kept.
    ///
    /// # Errors
    /// [`PackageError`].
    fn read<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Bytes, PackageError>>;

    /// Removes all archives but these.
    fn keep_only<'a>(&'a self, digests: &'a BTreeSet<String>) -> BoxFuture<'a, ()>;
}

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub digest: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many bytes its files have.
    pub unpacked_bytes: u64,
}

/// An archive is not kept, or not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// It is no archive that can be unpacked, or a hostile one.
    #[error("{reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// It is too large when it is unpacked.
    #[error("{reason}")]
    TooLarge {
        /// Which limit it is over.
        reason: String,
    },
    /// It could not be read or written.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// Draws numbers, each once: of versions of functions and layers, for templates and for the API alike.
pub trait Numbers: Send + Sync {
    /// The next number of a series; durable when it returns. The first is 1.
    ///
    /// # Errors
    /// Why none could be drawn, in words.
    fn next<'a>(
        &'a self,
        account: &'a model::ids::AccountId,
        region: &'a model::ids::Region,
        series: &'a str,
    ) -> BoxFuture<'a, Result<u64, String>>;
}
