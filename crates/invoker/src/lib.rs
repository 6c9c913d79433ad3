//! Admission, concurrency and deadlines of invocations.
//!
//! Lives here: which instance runs which event, when another is started, and when an event is refused.
//! Does not live here: processes (`runtimes`), retries (`event-delivery`: *the invoker never retries*), logs.

mod catalogue;
mod driver;
mod limits;
mod pool;
mod tenure;

pub use driver::Invoker;
pub use limits::InvokerLimits;
