//! What is deployed: plan, apply, revision, undo.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.

pub mod application;
pub mod records;
