//! What every source file keeps to: a header that says what lives here, a length that fits a head, no loose ends.
//!
//! Lives here: checks of Rust files, one at a time.
//! Does not live here: anything that rustfmt or clippy checks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Lines of a file, its tests not counted (rule 9).
const LINES_MAX: usize = 500;

/// Words of the workshop that may not stay, spelt so that this file does not hold them.
const LOOSE_ENDS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO:"),
    concat!("XX", "X:"),
];

pub(super) fn violations(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for folder in ["crates", "xtask", "fuzz"] {
        rust_files(&root.join(folder), &mut paths)?;
    }
    let mut found = Vec::new();
    for path in paths {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        found.extend(check(&name, &text));
    }
    Ok(found)
}

pub(super) fn rust_files(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') && name != "node_modules" {
                rust_files(&path, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

fn check(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let is_test = is_test_file(name);
    if !text.starts_with("//!") {
        found.push(format!(
            "{name}:1: opens without `//!`: say what lives here and what does not (rule 1)"
        ));
    }
    // A module of tests that lies in a file of its own (`mod tests;`) ends nothing: code stands below it.
    let below = text.lines().skip(1).chain([""]);
    let lines = text
        .lines()
        .zip(below)
        .take_while(|(line, next)| !line.starts_with("#[cfg(test)]") || next.ends_with(';'))
        .count();
    if !is_test && lines > LINES_MAX {
        found.push(format!(
            "{name}: {lines} lines without its tests, over {LINES_MAX} (rule 9)"
        ));
    }
    for (index, line) in text.lines().enumerate() {
        for word in LOOSE_ENDS {
            if line.contains(word) {
                found.push(format!(
                    "{name}:{}: `{word}`: finish it, or write it into the issue",
                    index + 1
                ));
            }
        }
    }
    found
}

pub(super) fn is_test_file(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.ends_with("_tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_named() {
        assert_eq!(check("a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(check("a.rs", "//! Header.\nfn main() {}\n").len(), 0);
    }

    #[test]
    fn a_long_file_is_named_and_its_tests_are_not_counted() {
        let long = format!("//! Header.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(check("a.rs", &long).len(), 1);
        assert_eq!(check("crates/a/tests/b.rs", &long).len(), 0);
        let tested = format!("//! Header.\n#[cfg(test)]\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(check("a.rs", &tested).len(), 0);
        let below = format!(
            "//! Header.\n#[cfg(test)]\nmod tests;\n{}",
            "\n".repeat(LINES_MAX)
        );
        assert_eq!(check("a.rs", &below).len(), 1);
    }

    #[test]
    fn a_loose_end_is_named_with_its_line() {
        let text = format!("//! Header.\n// {}\n", LOOSE_ENDS[0]);
        assert!(check("a.rs", &text)[0].starts_with("a.rs:2:"));
    }
}
