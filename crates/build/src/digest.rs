//! A digest that changes whenever the files below a folder do.
//!
//! Lives here: the digest of code that is run where it lies, and that of a build.
//! Does not live here: telling that something may have changed (the file watcher).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use model::function::Toolchain;
use sha2::{Digest as _, Sha256};

use crate::cache::key_of;
use crate::scan;

/// The digest of a folder: of each file's path, size, time of change and inode, not of its content, so that a
/// project of thousands of files costs milliseconds. An editor changes at least one of these with every save.
/// Folders that hold nothing of the authors' (`node_modules`, `.git`) are left out; `manifest` files of theirs stand
/// beside them, and so is what lies at or below one of `left_out`. Files beyond the walk's limit do not count.
#[must_use]
pub fn of_folder(root: &Path, left_out: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    scan::walk(root, &mut |path, metadata| {
        if left_out.iter().any(|ours| path.starts_with(ours)) {
            return;
        }
        let relative = path.strip_prefix(root).unwrap_or(path);
        hash.update(relative.as_os_str().as_encoded_bytes());
        hash.update([0]);
        for number in marks_of(metadata) {
            hash.update(number.to_le_bytes());
        }
    });
    hex::encode(hash.finalize())
}

/// The digest of code together with what runs it.
pub(crate) fn of_build(code: &str, toolchain: &Toolchain) -> String {
    let Toolchain {
        interpreter,
        version,
        dependency_paths,
        sdk_paths,
    } = toolchain;
    let paths = dependency_paths
        .iter()
        .chain(sdk_paths)
        .chain([interpreter]);
    let paths = paths.map(|path| path.as_os_str().as_encoded_bytes());
    key_of(
        [code.as_bytes(), version.as_bytes()]
            .into_iter()
            .chain(paths),
    )
}

fn marks_of(metadata: &Metadata) -> [u128; 3] {
    let changed_at = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |duration| duration.as_nanos());
    [metadata.len().into(), changed_at, metadata.ino().into()]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_digest_changes_with_a_file_and_with_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("a.py"), "1").unwrap();
        let before = of_folder(root, &[]);
        fs::create_dir(root.join("__pycache__")).unwrap();
        fs::write(root.join("__pycache__/a.pyc"), "x").unwrap();
        assert_eq!(of_folder(root, &[]), before);
        fs::write(root.join("a.py"), "22").unwrap();
        let after = of_folder(root, &[]);
        assert_ne!(after, before);
        fs::write(root.join("b.py"), "").unwrap();
        assert_ne!(of_folder(root, &[]), after);
    }

    #[test]
    fn what_is_ours_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("a.py"), "1").unwrap();
        let ours = [root.join("state"), root.join("server.log")];
        let before = of_folder(root, &ours);
        fs::create_dir(root.join("state")).unwrap();
        fs::write(root.join("state/data"), "x").unwrap();
        fs::write(root.join("server.log"), "x").unwrap();
        assert_eq!(of_folder(root, &ours), before);
    }
}
