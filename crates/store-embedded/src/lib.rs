//! The store on one machine: SQLite with group commit.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
