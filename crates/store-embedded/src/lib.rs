//! The store on one machine: SQLite with group commit, and one in memory for tests.
//!
//! Lives here: the two implementations, and what each promises beyond the seam.
//! Does not live here: the promises themselves, and the suite that checks them (`store`).

pub mod memory;
pub mod sqlite;

pub use memory::Memory;
pub use sqlite::{OpenError, Options, Sqlite};
