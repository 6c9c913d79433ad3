//! The native half of forking Node.js, carried in our binary.
//!
//! Lives here: its bytes.
//! Does not live here: what it does (`native/src/lib.rs`), how it is built (`build.rs`).

/// The file that Node.js requires, and preloads where a version needs that. It is empty, and is not unpacked, where Node.js
/// cannot be forked.
pub(super) const ADDON: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cloudless.node"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addon_is_there_exactly_where_nodejs_can_be_forked() {
        let can_be_forked = cfg!(all(
            target_os = "linux",
            target_env = "gnu",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ));
        assert_eq!(ADDON.starts_with(b"\x7fELF"), can_be_forked);
        assert_eq!(ADDON.is_empty(), !can_be_forked);
    }
}
