//! Files that were open before a fork.
//!
//! Lives here: giving a fork one of its own, so that it reads on by itself.
//! Does not live here: which files those are (the bootstrap's `fitness`).

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::{OwnedFd, RawFd};

use crate::system;

/// Opens the file behind a descriptor anew, for reading, in the descriptor's place: forks share the place in a file at
/// which they read, and each is to go on from this one.
pub(crate) fn reopen(descriptor: RawFd, position: u64) -> io::Result<()> {
    // Also when the file has been renamed or removed since.
    let mut own = File::open(format!("/proc/self/fd/{descriptor}"))?;
    if position != 0 {
        own.seek(SeekFrom::Start(position))?;
    }
    system::replace_private(descriptor, &OwnedFd::from(own))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_file_that_was_reopened_is_read_on_by_itself() {
        let path = std::env::temp_dir().join(format!("reopened-{}", std::process::id()));
        std::fs::write(&path, "one two").unwrap();
        let mut first = File::open(&path).unwrap();
        let mut second = first.try_clone().unwrap();
        std::fs::remove_file(&path).unwrap();
        first.read_exact(&mut [0; 4]).unwrap();
        reopen(second.as_raw_fd(), 4).unwrap();
        for file in [&mut first, &mut second] {
            let mut rest = String::new();
            file.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "two");
        }
    }
}
