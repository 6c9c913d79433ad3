//! Instances: processes that run user code, and the protocol spoken with them.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
