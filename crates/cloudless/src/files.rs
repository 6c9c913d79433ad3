//! Files of our own.

use std::io;
use std::path::Path;

/// Writes a file whole or not at all: whoever reads it meanwhile finds what was there before.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("partial");
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, path)
}
