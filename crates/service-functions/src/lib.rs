//! Functions as a service: the Lambda API, and the resource providers of its types.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
