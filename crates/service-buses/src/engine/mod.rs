//! Buses, rules and schedules, without an API.
//!
//! Lives here: what is kept and what is derived from it, what becomes of an event, firing.
//! Does not live here: requests and their refusals (`events`, `scheduler`), resources of templates (`resources`).

pub(crate) mod archives;
pub(crate) mod catalogue;
pub(crate) mod clockwork;
pub(crate) mod held;
pub(crate) mod keys;
pub(crate) mod publish;
pub(crate) mod replays;
pub(crate) mod rows;
pub(crate) mod state;
