//! Serverless APIs without the cloud: the command line, and the wiring of all parts.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
