//! Unpacks `.zip` archives that somebody else made.
//!
//! Lives here: reading the central directory, and refusing whatever would write outside of the target or too much.
//! Does not live here: where archives come from and where they go (`code`).
//!
//! Contract: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4. Differs: ZIP64, encryption and methods other than
//! "stored" and "deflated" are refused, as are links; Lambda's limits leave no use for the former.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// AWS Lambda, "Lambda quotas": a deployment package, unzipped, layers included.
const UNPACKED_BYTES_MAX: u64 = 250 * 1024 * 1024;
/// The largest archive that is read: nothing larger could hold an accepted package.
const ARCHIVE_BYTES_MAX: u64 = UNPACKED_BYTES_MAX;
/// Files and folders in one archive.
const ENTRIES_MAX: usize = 65_535;
/// The end of the central directory is looked for this far from the end: its own 22 bytes and the longest comment.
const END_RECORD_DISTANCE_MAX: usize = 22 + 65_535;

/// Bytes of a name, and of a path, with room for that of the cache before it: what Linux takes.
const NAME_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 3_072;
/// Characters of a longer name that its refusal repeats.
const NAME_SHOWN_CHARS: usize = 64;

const END_RECORD_SIGNATURE: &[u8] = b"PK\x05\x06";
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;

const FILE_TYPE_MASK: u32 = 0o170_000;
const FILE_TYPE_LINK: u32 = 0o120_000;
const EXECUTABLE_MASK: u32 = 0o111;
const ENCRYPTED_FLAG: u16 = 1;

/// An archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("it is not a zip archive, or is damaged: {what}")]
    Damaged { what: &'static str },
    #[error("`{name}` in it would be written outside of its folder")]
    Outside { name: String },
    #[error("`{name}` in it is a link")]
    Link { name: String },
    #[error("`{name}` in it is packed in a way that is not read: {what}")]
    Unsupported { name: String, what: &'static str },
    #[error("it is too large: {what}")]
    TooLarge { what: String },
    #[error("it could not be read or written")]
    Io(#[from] io::Error),
}

/// One entry of the central directory.
struct Listed {
    name: String,
    path: PathBuf,
    method: u16,
    crc: u32,
    packed_bytes: usize,
    unpacked_bytes: u64,
    local_offset: usize,
    mode: u32,
}

/// The archive's bytes.
///
/// # Errors
/// It cannot be read, or is over the limit.
pub(crate) fn read(archive: &Path) -> Result<Vec<u8>, ArchiveError> {
    let length = fs::metadata(archive)?.len();
    if ARCHIVE_BYTES_MAX < length {
        let what = format!("{length} bytes are over the limit of {ARCHIVE_BYTES_MAX}");
        return Err(ArchiveError::TooLarge { what });
    }
    let mut bytes = Vec::new();
    File::open(archive)?
        .take(ARCHIVE_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Unpacks an archive into a folder that exists and is empty. After an error the folder holds a part of it.
///
/// # Errors
/// [`ArchiveError`]
pub(crate) fn unpack(archive: &[u8], target: &Path) -> Result<(), ArchiveError> {
    let listed = list(archive)?;
    let announced: u64 = listed.iter().map(|entry| entry.unpacked_bytes).sum();
    if UNPACKED_BYTES_MAX < announced {
        let what = format!("{announced} bytes unpacked are over the limit of {UNPACKED_BYTES_MAX}");
        return Err(ArchiveError::TooLarge { what });
    }
    for entry in &listed {
        let path = target.join(&entry.path);
        if entry.name.ends_with('/') {
            fs::create_dir_all(&path)?;
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        write_file(archive, entry, &path)?;
    }
    Ok(())
}

/// How many bytes its files have, by its directory; 0 when it has none.
pub(crate) fn announced(archive: &[u8]) -> u64 {
    list(archive).map_or(0, |listed| {
        listed.iter().map(|entry| entry.unpacked_bytes).sum()
    })
}

fn list(archive: &[u8]) -> Result<Vec<Listed>, ArchiveError> {
    let search_from = archive.len().saturating_sub(END_RECORD_DISTANCE_MAX);
    let tail = archive.get(search_from..).unwrap_or_default();
    let position = tail
        .windows(END_RECORD_SIGNATURE.len())
        .rposition(|window| window == END_RECORD_SIGNATURE)
        .ok_or(damaged("its directory is missing"))?;
    let end = search_from + position;
    let count = usize::from(u16_at(archive, end + 10)?);
    let mut offset = usize_at(archive, end + 16)?;
    if count == ENTRIES_MAX || offset == 0xffff_ffff {
        return Err(ArchiveError::TooLarge {
            what: "it is in ZIP64 format".to_owned(),
        });
    }
    let mut listed = Vec::new();
    for _ in 0..count {
        let (entry, next) = list_one(archive, offset)?;
        listed.push(entry);
        offset = next;
    }
    Ok(listed)
}

fn list_one(archive: &[u8], at: usize) -> Result<(Listed, usize), ArchiveError> {
    if u32_at(archive, at)? != CENTRAL_SIGNATURE {
        return Err(damaged("an entry of its directory is missing"));
    }
    let length_at = |offset: usize| u16_at(archive, at + offset).map(usize::from);
    let (name_bytes, extra_bytes, comment_bytes) = (length_at(28)?, length_at(30)?, length_at(32)?);
    let name = bytes_at(archive, at + CENTRAL_BYTES, name_bytes)?;
    let name = String::from_utf8_lossy(name).into_owned();
    let mode = u32_at(archive, at + 38)? >> 16;
    if mode & FILE_TYPE_MASK == FILE_TYPE_LINK {
        return Err(ArchiveError::Link { name });
    }
    if u16_at(archive, at + 8)? & ENCRYPTED_FLAG != 0 {
        let what = "it is encrypted";
        return Err(ArchiveError::Unsupported { name, what });
    }
    let entry = Listed {
        path: safe_path(&name)?,
        name,
        method: u16_at(archive, at + 10)?,
        crc: u32_at(archive, at + 16)?,
        packed_bytes: usize_at(archive, at + 20)?,
        unpacked_bytes: u32_at(archive, at + 24)?.into(),
        local_offset: usize_at(archive, at + 42)?,
        mode,
    };
    let next = at + CENTRAL_BYTES + name_bytes + extra_bytes + comment_bytes;
    Ok((entry, next))
}

/// Only plain names below the target: no root, no `..`, no `\`, no NUL.
fn safe_path(name: &str) -> Result<PathBuf, ArchiveError> {
    let path = Path::new(name);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let is_safe =
        !name.is_empty() && !name.contains(['\\', '\0']) && path.components().all(is_plain);
    if !is_safe {
        let name = name.to_owned();
        return Err(ArchiveError::Outside { name });
    }
    let is_short = |part: Component<'_>| part.as_os_str().len() <= NAME_BYTES_MAX;
    if PATH_BYTES_MAX < name.len() || !path.components().all(is_short) {
        let start: String = name.chars().take(NAME_SHOWN_CHARS).collect();
        return Err(ArchiveError::Unsupported {
            name: format!("{start}…"),
            what: "its name is longer than file systems take",
        });
    }
    Ok(path.to_owned())
}

fn write_file(archive: &[u8], entry: &Listed, path: &Path) -> Result<(), ArchiveError> {
    let at = entry.local_offset;
    if u32_at(archive, at)? != LOCAL_SIGNATURE {
        return Err(damaged("a file in it is missing"));
    }
    let name_bytes = usize::from(u16_at(archive, at + 26)?);
    let extra_bytes = usize::from(u16_at(archive, at + 28)?);
    let begin = at + LOCAL_BYTES + name_bytes + extra_bytes;
    let packed = bytes_at(archive, begin, entry.packed_bytes)?;
    let mut content = Vec::new();
    // One byte more than was announced is enough to know that the announcement lies.
    let most = entry.unpacked_bytes + 1;
    match entry.method {
        0 => packed.take(most).read_to_end(&mut content)?,
        8 => DeflateDecoder::new(packed)
            .take(most)
            .read_to_end(&mut content)?,
        _ => {
            let (name, what) = (entry.name.clone(), "neither stored nor deflated");
            return Err(ArchiveError::Unsupported { name, what });
        }
    };
    let mut crc = Crc::new();
    crc.update(&content);
    let is_whole = u64::try_from(content.len()).is_ok_and(|bytes| bytes == entry.unpacked_bytes);
    if !is_whole || crc.sum() != entry.crc {
        return Err(damaged("a file in it is not what its directory says"));
    }
    // Never over what is there: a second entry of the same name would replace what was checked.
    File::create_new(path)?.write_all(&content)?;
    if entry.mode & EXECUTABLE_MASK != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn damaged(what: &'static str) -> ArchiveError {
    ArchiveError::Damaged { what }
}

fn bytes_at(archive: &[u8], at: usize, length: usize) -> Result<&[u8], ArchiveError> {
    at.checked_add(length)
        .and_then(|end| archive.get(at..end))
        .ok_or(damaged("it ends too early"))
}

fn u16_at(archive: &[u8], at: usize) -> Result<u16, ArchiveError> {
    let bytes = bytes_at(archive, at, 2)?.try_into();
    bytes
        .map(u16::from_le_bytes)
        .map_err(|_| damaged("it ends too early"))
}

fn u32_at(archive: &[u8], at: usize) -> Result<u32, ArchiveError> {
    let bytes = bytes_at(archive, at, 4)?.try_into();
    bytes
        .map(u32::from_le_bytes)
        .map_err(|_| damaged("it ends too early"))
}

fn usize_at(archive: &[u8], at: usize) -> Result<usize, ArchiveError> {
    usize::try_from(u32_at(archive, at)?).map_err(|_| damaged("it ends too early"))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// An archive of these files; the mode of the first is given.
    fn archive(files: &[(&str, &str)], mode: u32) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, text) in files {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text.as_bytes()).unwrap();
            let packed = encoder.finish().unwrap();
            let mut crc = Crc::new();
            crc.update(text.as_bytes());
            let offset = u32::try_from(out.len()).unwrap();
            let sizes = |into: &mut Vec<u8>| {
                into.extend(crc.sum().to_le_bytes());
                into.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
                into.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
                into.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            };
            out.extend(LOCAL_SIGNATURE.to_le_bytes());
            out.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
            sizes(&mut out);
            out.extend([0, 0]);
            out.extend(name.as_bytes());
            out.extend(&packed);
            directory.extend(CENTRAL_SIGNATURE.to_le_bytes());
            directory.extend([20, 3, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
            sizes(&mut directory);
            directory.extend([0; 8]);
            directory.extend((mode << 16).to_le_bytes());
            directory.extend(offset.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let offset = u32::try_from(out.len()).unwrap();
        let count = u16::try_from(files.len()).unwrap().to_le_bytes();
        let length = u32::try_from(directory.len()).unwrap();
        out.extend(directory);
        out.extend(END_RECORD_SIGNATURE);
        out.extend([0; 4]);
        out.extend(count);
        out.extend(count);
        out.extend(length.to_le_bytes());
        out.extend(offset.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    fn unpacked(archive: &[u8]) -> Result<tempfile::TempDir, ArchiveError> {
        let folder = tempfile::tempdir().unwrap();
        unpack(archive, folder.path()).map(|()| folder)
    }

    #[test]
    fn names_that_no_file_can_have_are_the_archives_fault() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        let deep = format!("{}b", "a/".repeat(PATH_BYTES_MAX / 2));
        for name in [long.as_str(), deep.as_str()] {
            let refused = unpacked(&archive(&[(name, "x")], 0o644)).unwrap_err();
            assert!(
                matches!(refused, ArchiveError::Unsupported { .. }),
                "{refused}"
            );
        }
        assert!(unpacked(&archive(&[(&long[1..], "x")], 0o644)).is_ok());
    }

    #[test]
    fn files_and_folders_come_out_as_they_went_in() {
        let bytes = archive(
            &[("src/", ""), ("src/a.py", "import b"), ("b.py", "")],
            0o100_755,
        );
        let folder = unpacked(&bytes).unwrap();
        let text = fs::read_to_string(folder.path().join("src/a.py")).unwrap();
        assert_eq!(text, "import b");
        let mode = fs::metadata(folder.path().join("b.py"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o755);
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for name in ["../a", "/a", "a/../../b", "a\\..\\b", ""] {
            let refused = unpacked(&archive(&[(name, "x")], 0)).unwrap_err();
            assert!(matches!(refused, ArchiveError::Outside { .. }), "{name}");
        }
    }

    #[test]
    fn links_are_refused() {
        let refused = unpacked(&archive(&[("a", "/etc/passwd")], 0o120_777)).unwrap_err();
        assert!(matches!(refused, ArchiveError::Link { .. }));
    }

    #[test]
    fn a_file_that_is_larger_than_announced_is_refused() {
        let mut bytes = archive(&[("a", &"0".repeat(1000))], 0);
        let directory = bytes
            .windows(4)
            .rposition(|it| it == CENTRAL_SIGNATURE.to_le_bytes());
        let at = directory.unwrap() + 24;
        bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        assert!(matches!(
            unpacked(&bytes).unwrap_err(),
            ArchiveError::Damaged { .. }
        ));
    }

    #[test]
    fn what_announces_too_much_is_refused_before_anything_is_written() {
        let mut bytes = archive(&[("a", "x")], 0);
        let directory = bytes
            .windows(4)
            .rposition(|it| it == CENTRAL_SIGNATURE.to_le_bytes());
        let at = directory.unwrap() + 24;
        bytes[at..at + 4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        assert!(matches!(
            unpacked(&bytes).unwrap_err(),
            ArchiveError::TooLarge { .. }
        ));
    }

    #[test]
    fn the_same_name_twice_is_refused() {
        assert!(unpacked(&archive(&[("a", "x"), ("a", "y")], 0)).is_err());
    }

    #[test]
    fn no_cut_and_no_flipped_byte_makes_it_fail_otherwise_than_by_an_error() {
        let bytes = archive(&[("src/a.py", "import b"), ("b.py", "x")], 0o100_644);
        for length in 0..bytes.len() {
            drop(unpacked(&bytes[..length]));
        }
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 0xff;
            drop(unpacked(&flipped));
        }
    }
}
