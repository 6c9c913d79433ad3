//! Archives of code: taking in those of others, and making one of a folder.
//!
//! Lives here: checking an archive as a whole, and packing a folder so that the same content is the same archive.
//! Does not live here: the format's reading (`archive`), where archives are kept.
//!
//! Contract: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4. Differs: nothing is compressed: an archive is made to be looked at and
//! to run here, not to be carried far.

use std::fs;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Crc;

use crate::archive::{self, ArchiveError};
use crate::cache::Cache;
use crate::code;

/// AWS Lambda, "Lambda quotas": a deployment package, unzipped.
const UNPACKED_BYTES_MAX: u64 = 250 * 1024 * 1024;
/// Files of one archive: the format has no room for more.
const FILES_MAX: usize = 65_534;
/// Folders that are never code.
const LEFT_OUT: [&str; 2] = [".git", ".cloudless"];
/// Ten bytes that a file's two headers have in common, after their signatures: version 2.0, no flags, stored, midnight of the
/// first day that the format knows.
const STORED: [u8; 10] = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];

/// An archive is not taken in, or not made.
#[derive(Debug, thiserror::Error)]
pub enum PackingError {
    /// It cannot be unpacked, or would do harm.
    #[error("the archive cannot be unpacked: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// It is too large.
    #[error("the code is too large: {reason}")]
    TooLarge {
        /// Which limit it is over.
        reason: String,
    },
    /// A file or folder could not be read or written.
    #[error("the code could not be read or written")]
    Io(#[from] io::Error),
}

/// What became of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the archive.
    pub bytes: u64,
    /// Bytes of its files.
    pub unpacked_bytes: u64,
}

/// Unpacks an archive into the cache below this folder, where a build finds it by its digest.
///
/// # Errors
/// [`PackingError`]: nothing of it is left.
pub async fn take_in(cache: &Path, archive: &Path, digest: &str) -> Result<PathBuf, PackingError> {
    let unpacked = code::package(archive, digest, &Cache::new(cache)).await;
    unpacked.map_err(|error| match error {
        ArchiveError::TooLarge { what } => PackingError::TooLarge { reason: what },
        // A broken stream of compressed bytes, or a file that is there twice.
        ArchiveError::Io(error) if !is_of_its_content(&error) => PackingError::Io(error),
        ArchiveError::Damaged { .. }
        | ArchiveError::Outside { .. }
        | ArchiveError::Link { .. }
        | ArchiveError::Unsupported { .. }
        | ArchiveError::Io(_) => PackingError::Unreadable {
            reason: error.to_string(),
        },
    })
}

fn is_of_its_content(error: &io::Error) -> bool {
    [
        io::ErrorKind::AlreadyExists,
        // A file and a folder of the same name.
        io::ErrorKind::IsADirectory,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::InvalidData,
        io::ErrorKind::InvalidInput,
        io::ErrorKind::UnexpectedEof,
    ]
    .contains(&error.kind())
}

/// Packs a folder. What lies at or below one of `left_out` is not code. Links are followed as long as they stay inside.
///
/// # Errors
/// [`PackingError`]; the archive is then not whole.
pub fn pack(
    root: &Path,
    left_out: &[PathBuf],
    out: &mut dyn Write,
) -> Result<Packed, PackingError> {
    let root = root.canonicalize()?;
    let mut files = Vec::new();
    gather(&root, &root, left_out, &mut files)?;
    files.sort();
    let mut packed = Packed {
        bytes: 0,
        unpacked_bytes: 0,
    };
    let mut directory = Vec::new();
    let mut count = 0_u16;
    for path in &files {
        let name = path.strip_prefix(&root).unwrap_or(path);
        let Some(name) = name.to_str() else { continue };
        count += 1;
        pack_one(path, name, &mut packed, out, &mut directory)?;
    }
    let length = u32::try_from(directory.len()).map_err(io::Error::other)?;
    let offset = u32::try_from(packed.bytes).map_err(io::Error::other)?;
    directory.extend(b"PK\x05\x06\0\0\0\0");
    directory.extend(count.to_le_bytes());
    directory.extend(count.to_le_bytes());
    directory.extend(length.to_le_bytes());
    directory.extend(offset.to_le_bytes());
    directory.extend([0, 0]);
    out.write_all(&directory)?;
    packed.bytes += u64::try_from(directory.len()).unwrap_or_default();
    Ok(packed)
}

fn gather(
    root: &Path,
    folder: &Path,
    left_out: &[PathBuf],
    files: &mut Vec<PathBuf>,
) -> Result<(), PackingError> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_left_out = name.is_some_and(|name| LEFT_OUT.contains(&name))
            || left_out.iter().any(|ours| path.starts_with(ours));
        // A link that leads out of the folder, or nowhere, is no code.
        let is_inside = path.canonicalize().is_ok_and(|real| real.starts_with(root));
        if is_left_out || !is_inside {
            continue;
        }
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_dir() {
            gather(root, &path, left_out, files)?;
        } else if path.is_file() {
            if FILES_MAX <= files.len() {
                let reason = format!("it has more than {FILES_MAX} files");
                return Err(PackingError::TooLarge { reason });
            }
            files.push(path);
        }
    }
    Ok(())
}

fn pack_one(
    path: &Path,
    name: &str,
    packed: &mut Packed,
    out: &mut dyn Write,
    directory: &mut Vec<u8>,
) -> Result<(), PackingError> {
    let mut content = Vec::new();
    let room = UNPACKED_BYTES_MAX - packed.unpacked_bytes;
    let file = fs::File::open(path)?;
    let is_executable = file.metadata()?.permissions().mode() & 0o111 != 0;
    file.take(room + 1).read_to_end(&mut content)?;
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if room < length {
        let reason = format!("its files have more than {UNPACKED_BYTES_MAX} bytes");
        return Err(PackingError::TooLarge { reason });
    }
    let mut crc = Crc::new();
    crc.update(&content);
    let short = u32::try_from(content.len()).map_err(io::Error::other)?;
    let name_length = u16::try_from(name.len()).map_err(io::Error::other)?;
    let mut common = STORED.to_vec();
    common.extend(crc.sum().to_le_bytes());
    common.extend(short.to_le_bytes());
    common.extend(short.to_le_bytes());
    common.extend(name_length.to_le_bytes());
    common.extend([0, 0]);
    let offset = u32::try_from(packed.bytes).map_err(io::Error::other)?;
    let mut head = b"PK\x03\x04".to_vec();
    head.extend(&common);
    head.extend(name.as_bytes());
    out.write_all(&head)?;
    out.write_all(&content)?;
    let mode: u32 = if is_executable { 0o100_755 } else { 0o100_644 };
    directory.extend(b"PK\x01\x02\x14\x03");
    directory.extend(&common);
    directory.extend([0; 6]);
    directory.extend((mode << 16).to_le_bytes());
    directory.extend(offset.to_le_bytes());
    directory.extend(name.as_bytes());
    packed.bytes += u64::try_from(head.len()).unwrap_or_default() + length;
    packed.unpacked_bytes += length;
    Ok(())
}

/// How many bytes the files of an archive have, by its directory.
#[must_use]
pub fn announced(archive: &[u8]) -> u64 {
    archive::announced(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_out_of_its_archive_as_it_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        fs::write(root.join(".git/config"), "x").unwrap();
        fs::write(root.join("src/deep/a.py"), "import b").unwrap();
        fs::write(root.join("b.py"), "").unwrap();
        fs::write(root.join("state"), "ours").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("out")).unwrap();
        std::os::unix::fs::symlink("b.py", root.join("inside.py")).unwrap();
        let left_out = [root.canonicalize().unwrap().join("state")];
        let mut archive = Vec::new();
        let packed = pack(root, &left_out, &mut archive).unwrap();
        assert_eq!(packed.bytes, u64::try_from(archive.len()).unwrap());
        assert_eq!(packed.unpacked_bytes, 8);
        let mut again = Vec::new();
        pack(root, &left_out, &mut again).unwrap();
        assert_eq!(archive, again);
        let target = tempfile::tempdir().unwrap();
        archive::unpack(&archive, target.path()).unwrap();
        let text = fs::read_to_string(target.path().join("src/deep/a.py")).unwrap();
        assert_eq!(text, "import b");
        assert!(target.path().join("b.py").is_file());
        assert!(target.path().join("inside.py").is_file());
        for absent in [".git", "state", "out"] {
            assert!(!target.path().join(absent).exists(), "{absent}");
        }
    }

    #[tokio::test]
    async fn what_is_no_archive_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        fs::write(&archive, "no archive").unwrap();
        let refused = take_in(folder.path(), &archive, "d1").await.unwrap_err();
        assert!(matches!(refused, PackingError::Unreadable { .. }));
        assert!(!folder.path().join("packages/d1").exists());
    }
}
