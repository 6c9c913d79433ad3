//! Memory that a fork would not have.
//!
//! Lives here: undoing what V8 says of its heap.
//! Does not live here: the fork (`park`).
//!
//! V8 marks its heap `MADV_DONTFORK`: a fork would have none, and die on its first step. Once is enough for all forks of a
//! parked process: no JavaScript runs between them.

use std::fs;
use std::io;
use std::ops::Range;

use crate::system;

/// Has forks get a copy of all memory that is this process's own.
///
/// Which of it is marked stands in `smaps`, but for that the system walks through all page tables. To tell it what it
/// knows already costs less.
pub(crate) fn copy_at_fork() -> io::Result<()> {
    let mappings = fs::read_to_string("/proc/self/maps")?;
    for range in mappings.lines().filter_map(private_range) {
        system::copy_at_fork(range.start, range.len())?;
    }
    Ok(())
}

/// The addresses of a private mapping, from a line such as `7f00-7fff rw-p 00000000 00:00 0 [heap]`.
fn private_range(line: &str) -> Option<Range<usize>> {
    let (addresses, rest) = line.split_once(' ')?;
    let (access, _) = rest.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    access
        .ends_with('p')
        .then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_mapping_is_told_by_its_last_letter() {
        let line = "7f00-7fff rw-p 00000000 00:00 0                          [heap]";
        assert_eq!(private_range(line), Some(0x7f00..0x7fff));
    }

    #[test]
    fn shared_memory_is_left_alone() {
        assert_eq!(
            private_range("7f00-7fff rw-s 00000000 00:01 5 /dev/shm/x"),
            None
        );
    }

    #[test]
    fn a_line_of_another_shape_is_left_alone() {
        assert_eq!(private_range("Size: 4 kB"), None);
    }
}
