//! The native half of forking Node.js, and the way into a sandbox, carried in our binary.
//!
//! Lives here: their bytes.
//! Does not live here: what they do (`native/src/lib.rs`, `native/entry/lib.rs`), how they are built (`build.rs`).

/// The file that Node.js requires, and preloads where a version needs that. It is empty, and is not unpacked, where Node.js
/// cannot be forked.
pub(super) const ADDON: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cloudless.node"));
/// What Python loads to enter a sandbox. Empty where the addon is.
pub(super) const ENTRY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cloudless_entry.so"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_are_there_exactly_where_nodejs_can_be_forked() {
        let can_be_forked = cfg!(all(
            target_os = "linux",
            target_env = "gnu",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ));
        for library in [ADDON, ENTRY] {
            assert_eq!(library.starts_with(b"\x7fELF"), can_be_forked);
            assert_eq!(library.is_empty(), !can_be_forked);
        }
    }
}
