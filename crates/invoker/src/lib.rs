//! Admission, concurrency and deadlines of invocations.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
