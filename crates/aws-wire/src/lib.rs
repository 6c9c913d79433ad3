//! The AWS protocols, SigV4 and error shapes; pure.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
