//! Looks through sources for what they ask of the runtime.
//!
//! Lives here: a bounded walk over a project's own files, and which SDKs they mention.
//! Does not live here: installing them (`sdk`).

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Files that a walk visits at most.
pub(crate) const FILES_MAX: usize = 20_000;
/// How deep a walk goes.
const DEPTH_MAX: usize = 32;
/// Sources that are read for mentions.
const SOURCES_MAX: usize = 3_000;
/// How much of each source is read.
const SOURCE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// How much of all sources is read.
const SOURCES_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Folders that hold nothing that the project's authors wrote: not read, not in digests, not watched.
pub const NOT_SOURCES: [&str; 10] = [
    "node_modules",
    "__pycache__",
    ".git",
    ".cloudless",
    ".serverless",
    ".aws-sam",
    ".venv",
    "venv",
    ".pytest_cache",
    ".mypy_cache",
];

/// What the sources mention.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// What comes with Python: `boto3`, `botocore` or `snapshot_restore_py`.
    pub(crate) python_sdk: bool,
    /// Packages below `@aws-sdk/` and `@smithy/`.
    pub(crate) aws_sdk_v3: BTreeSet<String>,
    /// `aws-sdk`, version 2.
    pub(crate) aws_sdk_v2: bool,
    /// There was more than is read: anything may be mentioned.
    pub(crate) is_cut_off: bool,
}

impl Mentions {
    pub(crate) fn add(&mut self, other: Self) {
        self.python_sdk |= other.python_sdk;
        self.aws_sdk_v3.extend(other.aws_sdk_v3);
        self.aws_sdk_v2 |= other.aws_sdk_v2;
        self.is_cut_off |= other.is_cut_off;
    }
}

/// What the sources below this folder mention.
pub(crate) fn mentions(root: &Path) -> Mentions {
    let mut mentions = Mentions::default();
    let (mut sources, mut bytes_read) = (0, 0);
    let is_whole = walk(root, &mut |path, _| {
        if !is_source(path) {
            return;
        }
        if SOURCES_MAX <= sources || SOURCES_BYTES_MAX <= bytes_read {
            mentions.is_cut_off = true;
            return;
        }
        sources += 1;
        let mut text = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(SOURCE_BYTES_MAX).read_to_end(&mut text));
        bytes_read += read.map_or(0, |bytes| u64::try_from(bytes).unwrap_or(u64::MAX));
        note_mentions(&String::from_utf8_lossy(&text), &mut mentions);
    });
    mentions.is_cut_off |= !is_whole;
    mentions
}

/// Visits the project's own files, in an order that stays the same. False when there were too many.
pub(crate) fn walk(root: &Path, visit: &mut dyn FnMut(&Path, &Metadata)) -> bool {
    let mut folders = VecDeque::from([(root.to_owned(), 0)]);
    let mut files = 0;
    let mut is_whole = true;
    while let Some((folder, depth)) = folders.pop_front() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            // Links are not followed: they may go in circles, or out of the project.
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                let name = path.file_name().unwrap_or_default();
                let is_skipped = NOT_SOURCES.iter().any(|skipped| *skipped == name);
                match (is_skipped, depth < DEPTH_MAX) {
                    (true, _) => {}
                    (false, true) => folders.push_back((path, depth + 1)),
                    (false, false) => is_whole = false,
                }
                continue;
            }
            if FILES_MAX <= files {
                return false;
            }
            files += 1;
            visit(&path, &metadata);
        }
    }
    is_whole
}

fn is_source(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(
        extension,
        Some("py" | "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx")
    )
}

/// A mention in a comment counts too: what is installed for nothing only costs time, what is missing costs an error.
fn note_mentions(text: &str, mentions: &mut Mentions) {
    mentions.python_sdk |= ["boto3", "botocore", "snapshot_restore_py"]
        .iter()
        .any(|module| text.contains(module));
    mentions.aws_sdk_v2 |= ["'aws-sdk", "\"aws-sdk", "`aws-sdk"]
        .iter()
        .any(|quoted| text.contains(quoted));
    for scope in ["@aws-sdk/", "@smithy/"] {
        for (position, _) in text.match_indices(scope) {
            let after = text.get(position + scope.len()..).unwrap_or_default();
            let is_of_name =
                |character: char| character.is_ascii_alphanumeric() || character == '-';
            let name = after.split(|character| !is_of_name(character)).next();
            let name = name.unwrap_or_default();
            mentions.aws_sdk_v3.insert(format!("{scope}{name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Mentions {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/a.js"), text).unwrap();
        mentions(folder.path())
    }

    #[test]
    fn packages_of_the_sdk_are_named() {
        let found =
            of("import {S3} from '@aws-sdk/client-s3'; require(\"@smithy/node-http-handler/x\")");
        let names: Vec<&str> = found.aws_sdk_v3.iter().map(String::as_str).collect();
        assert_eq!(names, ["@aws-sdk/client-s3", "@smithy/node-http-handler"]);
        assert!(!found.aws_sdk_v2 && !found.is_cut_off);
    }

    #[test]
    fn version_two_is_told_from_version_three() {
        assert!(of("const AWS = require('aws-sdk')").aws_sdk_v2);
        assert!(of("require('aws-sdk/clients/s3')").aws_sdk_v2);
        assert!(!of("require('@aws-sdk/client-s3')").aws_sdk_v2);
    }

    #[test]
    fn what_comes_with_python_is_one_bundle() {
        for module in ["boto3", "botocore", "snapshot_restore_py"] {
            assert!(of(&format!("import {module}")).python_sdk, "{module}");
        }
        assert!(!of("import json").python_sdk);
    }

    #[test]
    fn a_name_that_is_put_together_at_run_time_is_a_mention() {
        let found = of("require(`@aws-sdk/${name}`)");
        assert!(found.aws_sdk_v3.contains("@aws-sdk/"));
    }

    #[test]
    fn installed_packages_are_not_sources() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("node_modules/x")).unwrap();
        fs::write(folder.path().join("node_modules/x/i.js"), "@aws-sdk/x").unwrap();
        assert_eq!(mentions(folder.path()), Mentions::default());
    }
}
