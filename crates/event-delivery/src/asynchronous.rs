//! What becomes of an event for a function once the function was called.
//!
//! Lives here: retries, their delays, the end of an event: pure decisions.
//! Does not live here: calling (`attempt`), what is said at the end (`letters`).
//!
//! Contract: AWS Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation": a function
//! that fails is tried twice more, after one minute and after two; throttles and errors of the system are tried again for
//! as long as the event may live, from after a second to every five minutes; with no concurrency at all, events are given
//! up without any retry.

use std::time::Duration;

use interfaces::invoke::{NotRun, ThrottleLimit};
use model::asynchronous::EventInvoke;
use model::time::Timestamp;
use outbox::Tries;

use crate::letters::{Ending, Replied};

/// How long the retries after a function's own failures wait.
const AFTER_FAILURES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// How long the first retry of what could not be called waits.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);
/// How long any such retry waits at most.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);

/// What a call came to.
#[derive(Debug, Clone)]
pub(crate) enum Called {
    /// It replied.
    Returned(Replied),
    /// It failed.
    Failed(Replied),
    /// It never saw the event.
    NotRun(NotRun),
}

/// What is to be done with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It was handled.
    Finish,
    /// It is tried again.
    Retry { tries: Tries, after: Duration },
    /// It is given up.
    GiveUp { ending: Ending, attempts: u32 },
    /// It cannot be handed to the function at all: whoever sent it is told.
    Return { code: &'static str },
    /// It stays as it is: the server is stopping.
    Leave,
}

/// What follows from a call.
pub(crate) fn after(
    called: &Called,
    tries: &Tries,
    config: &EventInvoke,
    accepted_at: Timestamp,
    now: Timestamp,
) -> Plan {
    let age = now.since(accepted_at);
    match called {
        Called::Returned(_) => Plan::Finish,
        Called::Failed(_) => {
            let attempts = tries.attempts.saturating_add(1);
            if config.retries_max < attempts {
                return Plan::GiveUp {
                    ending: Ending::RetriesExhausted,
                    attempts,
                };
            }
            let index = usize::try_from(attempts - 1).unwrap_or(usize::MAX);
            let after = AFTER_FAILURES.get(index).or(AFTER_FAILURES.last());
            let after = after.copied().unwrap_or(BACK_OFF_MIN);
            // A retry that would come too late never comes.
            if config.age_max < age + after {
                return Plan::GiveUp {
                    ending: Ending::AgeExceeded,
                    attempts,
                };
            }
            let tries = Tries {
                attempts,
                refusals: 0,
                ..tries.clone()
            };
            Plan::Retry { tries, after }
        }
        Called::NotRun(not_run) => not_called(not_run, tries, config, age),
    }
}

fn not_called(not_run: &NotRun, tries: &Tries, config: &EventInvoke, age: Duration) -> Plan {
    match not_run {
        NotRun::ShuttingDown => Plan::Leave,
        NotRun::RequestTooLarge { .. } => Plan::Return {
            code: "RequestTooLargeException",
        },
        NotRun::UnknownFunction { .. } | NotRun::UnknownQualifier { .. } => Plan::Return {
            code: "ResourceNotFoundException",
        },
        NotRun::Throttled {
            limit: ThrottleLimit::NothingReserved,
            ..
        } => Plan::GiveUp {
            ending: Ending::NothingReserved,
            attempts: tries.attempts,
        },
        NotRun::Recursive { .. } => Plan::GiveUp {
            ending: Ending::Recursive,
            attempts: tries.attempts,
        },
        NotRun::Throttled {
            limit:
                ThrottleLimit::ReservedConcurrency
                | ThrottleLimit::AccountConcurrency
                | ThrottleLimit::ScalingRate
                | ThrottleLimit::QueueLength,
            ..
        }
        | NotRun::WaitedTooLong { .. }
        | NotRun::StartFailed { .. } => later(tries, config.age_max, age),
    }
}

/// Another try of what could not be called, as long as it may live.
pub(crate) fn later(tries: &Tries, age_max: Duration, age: Duration) -> Plan {
    let left = age_max.saturating_sub(age);
    if left < BACK_OFF_MIN {
        return Plan::GiveUp {
            ending: Ending::AgeExceeded,
            attempts: tries.attempts,
        };
    }
    let after = back_off(tries.refusals).min(left);
    let tries = Tries {
        refusals: tries.refusals.saturating_add(1),
        ..tries.clone()
    };
    Plan::Retry { tries, after }
}

/// From a second to five minutes, each twice the one before.
pub(crate) fn back_off(times: u32) -> Duration {
    let doubled = 1_u32.checked_shl(times.min(16)).unwrap_or(u32::MAX);
    BACK_OFF_MIN.saturating_mul(doubled).min(BACK_OFF_MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::ids::FunctionName;

    use super::*;

    fn failed() -> Called {
        Called::Failed(Replied {
            payload: Bytes::new(),
            executed_version: "$LATEST".to_owned(),
            is_error: true,
        })
    }

    fn throttled(limit: ThrottleLimit) -> Called {
        let function = FunctionName::new("f");
        Called::NotRun(NotRun::Throttled { function, limit })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_function_that_fails_is_tried_after_one_minute_and_after_two_and_never_again() {
        let config = EventInvoke::default();
        let mut tries = Tries::default();
        let mut delays = Vec::new();
        let end = loop {
            match after(&failed(), &tries, &config, at(0), at(0)) {
                Plan::Retry { tries: next, after } => {
                    delays.push(after.as_secs());
                    tries = next;
                }
                end @ (Plan::Finish | Plan::GiveUp { .. } | Plan::Return { .. } | Plan::Leave) => {
                    break end;
                }
            }
        };
        assert_eq!(delays, [60, 120]);
        let (ending, attempts) = (Ending::RetriesExhausted, 3);
        assert_eq!(end, Plan::GiveUp { ending, attempts });
    }

    #[test]
    fn without_retries_the_first_failure_is_the_end() {
        let config = EventInvoke {
            retries_max: 0,
            ..EventInvoke::default()
        };
        let end = after(&failed(), &Tries::default(), &config, at(0), at(0));
        let (ending, attempts) = (Ending::RetriesExhausted, 1);
        assert_eq!(end, Plan::GiveUp { ending, attempts });
    }

    #[test]
    fn a_retry_that_would_come_too_late_never_comes() {
        let config = EventInvoke {
            age_max: Duration::from_secs(90),
            ..EventInvoke::default()
        };
        let end = after(&failed(), &Tries::default(), &config, at(0), at(31));
        let (ending, attempts) = (Ending::AgeExceeded, 1);
        assert_eq!(end, Plan::GiveUp { ending, attempts });
    }

    #[test]
    fn throttles_are_no_attempts_and_back_off_until_the_event_is_too_old() {
        let config = EventInvoke::default();
        let mut tries = Tries::default();
        let mut now = at(0);
        let mut delays = Vec::new();
        let end = loop {
            let called = throttled(ThrottleLimit::ReservedConcurrency);
            match after(&called, &tries, &config, at(0), now) {
                Plan::Retry { tries: next, after } => {
                    delays.push(after.as_secs());
                    now = now.plus(after);
                    tries = next;
                }
                end @ (Plan::Finish | Plan::GiveUp { .. } | Plan::Return { .. } | Plan::Leave) => {
                    break end;
                }
            }
        };
        assert_eq!(&delays[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(delays.iter().sum::<u64>(), 6 * 3_600);
        let (ending, attempts) = (Ending::AgeExceeded, 0);
        assert_eq!(end, Plan::GiveUp { ending, attempts });
    }

    #[test]
    fn a_function_that_is_switched_off_gets_no_retries() {
        let called = throttled(ThrottleLimit::NothingReserved);
        let config = EventInvoke::default();
        let end = after(&called, &Tries::default(), &config, at(0), at(0));
        let (ending, attempts) = (Ending::NothingReserved, 0);
        assert_eq!(end, Plan::GiveUp { ending, attempts });
    }
}
