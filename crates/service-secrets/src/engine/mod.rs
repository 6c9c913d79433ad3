//! What is kept, and how it is sealed.
//!
//! Lives here: rows, their keys, one writer a place, keys and what they encrypt, times at which something ends.
//! Does not live here: operations (`kms`, `secretsmanager`, `ssm`).

pub(crate) mod catalogue;
pub(crate) mod cipher;
pub(crate) mod dues;
pub(crate) mod guards;
pub(crate) mod keys;
pub(crate) mod lookup;
pub(crate) mod root;
pub(crate) mod rows;
pub(crate) mod state;
