//! Archives of code that Lambda's API was given, in the folder of the state.
//!
//! Lives here: keeping each once, under the digest of its content.
//! Does not live here: unpacking and packing (`build::packages`), which functions run them (`service_functions`).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use build::packages::{Packed, PackingError, announced, pack, take_in};
use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::packages::{Package, PackageError, Packages};
use sha2::{Digest as _, Sha256};

/// The folder of archives, in that of the state.
const FOLDER: &str = "functions";
/// An archive that is younger may belong to a request that is under way, or be downloaded.
const KEPT_FOR: Duration = Duration::from_secs(900);

/// The archives.
#[derive(Clone)]
pub(crate) struct Archives {
    folder: PathBuf,
    cache: PathBuf,
    left_out: Vec<PathBuf>,
}

impl Archives {
    /// Those of this state; they are unpacked into this cache. What lies at or below `left_out` is not code.
    pub(crate) fn new(state: &Path, cache: &Path, left_out: Vec<PathBuf>) -> Self {
        Self {
            folder: state.join(FOLDER),
            cache: cache.to_owned(),
            left_out,
        }
    }

    /// Where an archive is kept.
    pub(crate) fn place(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}.zip"))
    }

    fn write(&self, archive: &[u8], digest: &str) -> io::Result<PathBuf> {
        let place = self.place(digest);
        if place.is_file() {
            // It is in use again.
            File::options()
                .append(true)
                .open(&place)?
                .set_modified(SystemTime::UNIX_EPOCH.max(now()))?;
            return Ok(place);
        }
        fs::create_dir_all(&self.folder)?;
        let mut draft = tempfile::NamedTempFile::new_in(&self.folder)?;
        draft.write_all(archive)?;
        draft.as_file().sync_all()?;
        draft.persist(&place).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(place)
    }

    fn pack_and_keep(&self, root: &Path) -> Result<Package, PackingError> {
        fs::create_dir_all(&self.folder)?;
        let draft = tempfile::NamedTempFile::new_in(&self.folder)?;
        let mut out = Hashed {
            inner: io::BufWriter::new(draft),
            hash: Sha256::new(),
        };
        let packed = pack(root, &self.left_out, &mut out)?;
        let digest = hex::encode(out.hash.finalize());
        let draft = out
            .inner
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        draft.as_file().sync_all()?;
        draft
            .persist(self.place(&digest))
            .map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(described(digest, packed))
    }

    fn describe_now(&self, root: &Path) -> Result<Package, PackingError> {
        let mut out = Hashed {
            inner: io::sink(),
            hash: Sha256::new(),
        };
        let packed = pack(root, &self.left_out, &mut out)?;
        Ok(described(hex::encode(out.hash.finalize()), packed))
    }

    fn sweep(&self, kept: &BTreeSet<String>) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let digest = path.file_stem().and_then(|stem| stem.to_str());
            let is_kept = digest.is_some_and(|digest| kept.contains(digest));
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let is_young =
                changed.is_ok_and(|at| now().duration_since(at).is_ok_and(|age| age < KEPT_FOR));
            if !is_kept && !is_young {
                // What cannot be removed now is at the next sweep.
                drop(fs::remove_file(&path));
            }
        }
    }
}

impl Packages for Archives {
    fn keep(&self, archive: Bytes) -> BoxFuture<'_, Result<Package, PackageError>> {
        Box::pin(async move {
            let this = self.clone();
            let written = away(move || {
                let digest = hex::encode(Sha256::digest(&archive));
                let place = this.write(&archive, &digest)?;
                let package = Package {
                    digest,
                    bytes: u64::try_from(archive.len()).unwrap_or(u64::MAX),
                    unpacked_bytes: announced(&archive),
                };
                Ok((place, package))
            });
            let (place, package) = written.await?;
            match take_in(&self.cache, &place, &package.digest).await {
                Ok(_) => Ok(package),
                // What cannot be unpacked was never kept before; after a fault of the disk it may be in use.
                Err(error) => {
                    if !matches!(error, PackingError::Io(_)) {
                        drop(fs::remove_file(&place));
                    }
                    Err(told(error))
                }
            }
        })
    }

    fn describe<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Package, PackageError>> {
        let (this, folder) = (self.clone(), folder.to_owned());
        Box::pin(away(move || this.describe_now(&folder)))
    }

    fn keep_folder<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Package, PackageError>> {
        let (this, folder) = (self.clone(), folder.to_owned());
        Box::pin(away(move || this.pack_and_keep(&folder)))
    }

    fn read<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Bytes, PackageError>> {
        // Digits alone: no text leads out of the folder.
        let is_digest = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let place = self.place(if is_digest { digest } else { "none" });
        Box::pin(away(move || Ok(Bytes::from(fs::read(place)?))))
    }

    fn keep_only<'a>(&'a self, digests: &'a BTreeSet<String>) -> BoxFuture<'a, ()> {
        let (this, kept) = (self.clone(), digests.clone());
        Box::pin(async move {
            let swept = away(move || {
                this.sweep(&kept);
                Ok(())
            });
            drop(swept.await);
        })
    }
}

/// Away from the tasks that wait for sockets.
async fn away<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PackingError> + Send + 'static,
) -> Result<T, PackageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| PackageError::Failed {
        reason: error.to_string(),
    })?
    .map_err(told)
}

fn described(digest: String, packed: Packed) -> Package {
    Package {
        digest,
        bytes: packed.bytes,
        unpacked_bytes: packed.unpacked_bytes,
    }
}

fn told(error: PackingError) -> PackageError {
    match error {
        PackingError::Unreadable { reason } => PackageError::Unreadable { reason },
        PackingError::TooLarge { reason } => PackageError::TooLarge { reason },
        PackingError::Io(error) => PackageError::Failed {
            reason: error.to_string(),
        },
    }
}

/// The clock that stamps files.
#[expect(
    clippy::disallowed_methods,
    reason = "it is compared with the times of files, which no other clock tells"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

struct Hashed<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
