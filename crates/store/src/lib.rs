//! The ordered key-value seam: checked batches, scans, versionstamps, and the suite that every store passes.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
