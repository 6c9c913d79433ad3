//! The tidy check: rules of the house that no lint holds. It runs as an ordinary test, wherever tests run.
//!
//! Lives here: gathering the violations of all rules.
//! Does not live here: the rules (`imports`, `files`, `records`, `codes`), lints (`Cargo.toml`, `clippy.toml`).

mod codes;
mod files;
mod imports;
mod records;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// Prints every violation; fails when there is one.
pub(crate) fn run() -> Result<()> {
    let violations = violations(&root())?;
    ensure!(
        violations.is_empty(),
        "the repository is not tidy:\n{}",
        violations.join("\n")
    );
    Ok(())
}

fn violations(root: &Path) -> Result<Vec<String>> {
    let mut all = imports::violations(root)?;
    all.extend(files::violations(root)?);
    all.extend(records::violations(root)?);
    all.extend(codes::violations(root)?);
    Ok(all)
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let found = violations(&root()).unwrap();
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }
}
