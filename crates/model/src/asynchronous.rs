//! Calling a function without waiting for its reply.
//!
//! Lives here: what is asked of a function's asynchronous invocations, as plain data.
//! Does not live here: calling and retrying (`event-delivery`).
//!
//! Contract: AWS Lambda API Reference, `PutFunctionEventInvokeConfig`, `DeadLetterConfig`.

use std::time::Duration;

use crate::arn::Arn;

/// Retries after a function failed, when nobody says.
pub const RETRIES_DEFAULT: u32 = 2;
/// Retries that may be asked for.
pub const RETRIES_MAX: u32 = 2;
/// How old an event may get, when nobody says.
pub const AGE_DEFAULT: Duration = Duration::from_secs(21_600);
/// The shortest `MaximumEventAgeInSeconds`.
pub const AGE_MIN: Duration = Duration::from_secs(60);
/// The longest `MaximumEventAgeInSeconds`.
pub const AGE_MAX: Duration = AGE_DEFAULT;

/// `EventInvokeConfig`: of one function, version or alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventInvoke {
    /// Retries after the function failed.
    pub retries_max: u32,
    /// How old an event may get.
    pub age_max: Duration,
    /// Who is told of a success: a queue, a topic, a function, a bus.
    pub on_success: Option<Arn>,
    /// Who is told when an event is given up.
    pub on_failure: Option<Arn>,
}

impl Default for EventInvoke {
    fn default() -> Self {
        Self {
            retries_max: RETRIES_DEFAULT,
            age_max: AGE_DEFAULT,
            on_success: None,
            on_failure: None,
        }
    }
}
