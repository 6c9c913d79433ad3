//! What a `requirements.txt` says.
//!
//! Lives here: the files that it draws in, and requirements that are places on this machine.
//! Does not live here: installing (`dependencies`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::BuilderConfig;
use crate::dependencies::read_text;
use crate::digest;

/// Files that a `requirements.txt` may draw in, one by another.
const REQUIREMENTS_FILES_MAX: usize = 50;
/// The options by which it does, with a space, `=` or nothing behind them.
const REQUIREMENTS_DRAWN_IN: [&str; 4] = ["--requirement", "--constraint", "-r", "-c"];

/// The texts of a requirements file and of all that it draws in.
pub(crate) fn read_requirements(file: &Path, content: &mut Vec<String>) {
    let mut files = vec![file.to_owned()];
    while let Some(file) = files.pop() {
        if REQUIREMENTS_FILES_MAX <= content.len() {
            return;
        }
        let text = read_text(&file).unwrap_or_default();
        for line in text.lines() {
            let other = REQUIREMENTS_DRAWN_IN
                .iter()
                .find_map(|option| line.trim().strip_prefix(option));
            if let (Some(other), Some(folder)) = (other, file.parent()) {
                let other = other.trim_start_matches('=').trim();
                files.push(folder.join(other));
            }
        }
        content.push(text);
    }
}

/// What requirements that are places on this machine (`./shared`, `file:///srv/shared`) come to: of these the text
/// alone says nothing, and in two projects it may mean two packages.
pub(crate) fn local_content(
    file: &Path,
    content: &[String],
    config: &BuilderConfig,
) -> Vec<String> {
    let folder = file.parent().unwrap_or(file);
    let lines = content.iter().flat_map(|text| text.lines());
    let state_of = |path: &Path| {
        if path.is_dir() {
            let left_out = [config.left_out.clone(), written_by_pip(path)].concat();
            return digest::of_folder(path, &left_out);
        }
        let changed_at = fs::metadata(path).and_then(|it| it.modified()).ok();
        format!("{changed_at:?}")
    };
    lines
        .filter_map(local_path)
        .map(|local| folder.join(local))
        .map(|path| format!("{}\n{}", path.display(), state_of(&path)))
        .collect()
}

/// What building a package leaves in its own folder: if it counted, every installation would ask for another.
fn written_by_pip(package: &Path) -> Vec<PathBuf> {
    let folders = [package.to_owned(), package.join("src")];
    let entries = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let written = entries.map(|entry| entry.path()).filter(|path| {
        path.extension() == Some("egg-info".as_ref())
            || path.ends_with("build")
            || path.ends_with("dist")
    });
    written.collect()
}

/// The path of a requirement that is one.
///
/// Contract: pip documentation, "Requirements File Format".
fn local_path(line: &str) -> Option<&str> {
    let line = line.trim();
    let editable = ["-e", "--editable"]
        .iter()
        .find_map(|option| line.strip_prefix(option))
        .map(|rest| rest.trim_start_matches('=').trim());
    let named = line
        .split_once('@')
        .map(|(_, url)| url.trim())
        .filter(|url| url.starts_with("file:"));
    let wanted = editable.or(named).unwrap_or(line);
    let path = wanted
        .strip_prefix("file://")
        .or(wanted.strip_prefix("file:"));
    let path = path.unwrap_or(wanted);
    let path = path.split([' ', '[', ';', '#']).next().unwrap_or(path);
    let is_local = path.starts_with(['.', '/']) || (editable.is_some() && !path.contains("://"));
    is_local.then_some(path)
}

pub(crate) fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_that_are_places_on_this_machine_are_told_from_packages() {
        let cases = [
            ("left-pad==1", None),
            ("left-pad @ https://example.com/left-pad.zip", None),
            ("--index-url https://example.com/simple", None),
            ("-r other.txt", None),
            ("-e git+https://example.com/a.git#egg=a", None),
            ("./shared", Some("./shared")),
            ("../shared[extra]; python_version > '3'", Some("../shared")),
            ("-e shared", Some("shared")),
            ("--editable=../shared", Some("../shared")),
            ("shared @ file:///srv/shared", Some("/srv/shared")),
        ];
        for (line, path) in cases {
            assert_eq!(local_path(line), path, "{line}");
        }
    }
}
