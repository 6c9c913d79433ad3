//! Tables: one engine, and the DynamoDB skin.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.
