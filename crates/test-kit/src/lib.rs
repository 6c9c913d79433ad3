//! A test server with a fake clock and a faulty store.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
