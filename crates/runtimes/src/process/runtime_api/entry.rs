//! The executable that a function's code brings along.
//!
//! Lives here: where it is, and whether it can be started.
//! Does not live here: starting it (`companions`, `launch`).
//!
//! Contract: AWS Lambda Developer Guide, "Building a custom runtime for AWS Lambda"; the texts of its errors are the
//! service's.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use model::function::{Function, Language};
use rustix::io::Errno;

use super::state::Failure;

const INVALID_ENTRYPOINT: &str = "Runtime.InvalidEntrypoint";
const BOOTSTRAP: &str = "bootstrap";
/// Where the function sees its code.
const TASK_ROOT: &str = "/var/task";
const LAYERS_ROOT: &str = "/opt";
/// As much of an executable as says what it is.
const HEAD_BYTES: usize = 20;

/// An executable, and where the function sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) shown: String,
}

impl Entry {
    /// What the service says when an executable was not started.
    pub(super) fn failure(&self, error: &io::Error) -> Option<Failure> {
        reason(error).map(|reason| invalid(format!("fork/exec {}: {reason}", self.shown)))
    }

    /// Why it could not be started, as far as that can be told without starting it.
    ///
    /// The system's own way to start a file that is no executable is to give it to a shell, which the service's is not.
    pub(super) fn check(&self) -> io::Result<()> {
        let file = fs::metadata(&self.path)?;
        if !file.is_file() || file.permissions().mode() & 0o111 == 0 {
            return Err(Errno::ACCESS.into());
        }
        let mut head = Vec::new();
        fs::File::open(&self.path)?
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)?;
        if is_for_this_machine(&head) {
            Ok(())
        } else {
            Err(Errno::NOEXEC.into())
        }
    }
}

/// The executable of a function that has one; the folder of its code wins over its layers, and a later layer over an
/// earlier one.
pub(super) fn find(function: &Function) -> Result<Entry, Failure> {
    match function.runtime.language {
        Language::Go => {
            // A path that begins at the root begins at the code's root.
            let handler = function.handler.trim_start_matches('/');
            let shown = format!("{TASK_ROOT}/{handler}");
            let path = function.code_root.join(handler);
            Ok(Entry { path, shown })
        }
        Language::Provided | Language::Python | Language::Node => {
            let in_code = (&function.code_root, TASK_ROOT);
            let in_layers = function.layers.iter().rev().map(|it| (it, LAYERS_ROOT));
            std::iter::once(in_code)
                .chain(in_layers)
                .map(|(folder, shown)| Entry {
                    path: folder.join(BOOTSTRAP),
                    shown: format!("{shown}/{BOOTSTRAP}"),
                })
                .find(|entry| entry.path.is_file())
                .ok_or_else(|| {
                    invalid(format!(
                        "Couldn't find valid bootstrap(s): \
                         [{TASK_ROOT}/{BOOTSTRAP} {LAYERS_ROOT}/{BOOTSTRAP}]"
                    ))
                })
        }
    }
}

fn invalid(text: String) -> Failure {
    Failure {
        error_type: INVALID_ENTRYPOINT,
        text,
    }
}

/// An error of the file's, in the words of the Go runtime on which the platform is built; none when it is the machine's.
pub(super) fn reason(error: &io::Error) -> Option<&'static str> {
    match Errno::from_raw_os_error(error.raw_os_error()?) {
        Errno::NOEXEC => Some("exec format error"),
        Errno::ACCESS => Some("permission denied"),
        Errno::NOENT => Some("no such file or directory"),
        Errno::NOTDIR => Some("not a directory"),
        Errno::LOOP => Some("too many levels of symbolic links"),
        _ => None,
    }
}

/// Whether somebody still had it open for writing: a process that is just being forked holds what its parent was writing,
/// until it runs its own program.
pub(super) fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error().map(Errno::from_raw_os_error) == Some(Errno::TXTBSY)
}

/// A script that names its interpreter, or a program for this processor.
fn is_for_this_machine(head: &[u8]) -> bool {
    if head.starts_with(b"#!") {
        return true;
    }
    let little_endian_64_bit = b"\x7fELF\x02\x01";
    head.starts_with(little_endian_64_bit) && head.get(18..20) == Some(&machine().to_le_bytes())
}

/// The number of this processor in the head of a program.
///
/// Contract: System V Application Binary Interface, "ELF header", `e_machine`.
fn machine() -> u16 {
    if cfg!(target_arch = "aarch64") {
        183
    } else {
        62
    }
}

/// The executables of the external extensions in a function's layers, by name: a later layer's wins.
///
/// Contract: AWS Lambda Developer Guide, "Lambda extensions": `/opt/extensions`, folders inside it aside.
pub(in crate::process) fn extensions(function: &Function) -> Vec<PathBuf> {
    let mut found = std::collections::BTreeMap::new();
    for layer in &function.layers {
        for entry in fs::read_dir(layer.join("extensions")).into_iter().flatten() {
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            if !path.is_dir() {
                found.insert(entry.file_name(), path);
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scripts_and_programs_for_this_processor_are_started() {
        let mut program = b"\x7fELF\x02\x01\x01".to_vec();
        program.resize(18, 0);
        let ours = [&program[..], &machine().to_le_bytes()].concat();
        let foreign = [&program[..], &8_u16.to_le_bytes()].concat();
        for (head, expected) in [
            (&b"#!/bin/sh\n"[..], true),
            (&ours, true),
            (&foreign, false),
            (b"\x7fELF", false),
            (b"echo no interpreter\n", false),
            (b"\xcf\xfa\xed\xfe", false),
            (b"", false),
        ] {
            assert_eq!(is_for_this_machine(head), expected, "{head:?}");
        }
    }
}
