//! Packages functions: dependencies, layers, runtimes; a content-addressed cache.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
