//! What logs and metrics keep, and how it changes.

pub(crate) mod append;
pub(crate) mod catalogue;
pub(crate) mod keys;
pub(crate) mod read;
pub(crate) mod rows;
pub(crate) mod runs;
pub(crate) mod state;
pub(crate) mod tidy;
