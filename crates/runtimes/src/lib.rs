//! Instances: processes that run user code, and the protocol spoken with them.
//!
//! Lives here: `process` (Python and Node.js in processes of their own).
//! Does not live here: which instance runs which event (`invoker`), installing dependencies (`build`).

pub mod process;
