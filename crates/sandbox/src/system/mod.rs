//! System calls that have no safe form in the libraries we use, one function each.
//!
//! Lives here: mounts and namespaces (`mounts`), processes (`processes`), routes (`network`), the supervisor's half of
//! the filter (`notify`), messages with descriptors (`messages`).
//! Does not live here: what a process does to itself (`entry`), any decision.

pub(crate) mod messages;
pub(crate) mod mounts;
pub(crate) mod network;
pub(crate) mod notify;
pub(crate) mod processes;

pub use processes::{Ending, landlock_version};

use std::ffi::{CString, c_long};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The result of a raw call, or what `errno` says.
fn checked(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}
