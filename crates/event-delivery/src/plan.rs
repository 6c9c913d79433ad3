//! What becomes of a batch once its function was called.
//!
//! Lives here: retries, splitting, giving up: pure decisions.
//! Does not live here: calling and waiting (`lane`).
//!
//! Contract: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB", and `CreateEventSourceMapping`:
//! `BisectBatchOnFunctionError`, `MaximumRetryAttempts`, `MaximumRecordAgeInSeconds`.

use std::time::Duration;

use interfaces::record_source::Record;
use model::event_source::{Mapping, OnError};
use model::time::Timestamp;

use crate::answer::Verdict;

/// How long the first retry waits.
const BACK_OFF_MIN: Duration = Duration::from_millis(250);
/// How long any retry waits at most.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Records that are delivered together, and what happened to them so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) records: Vec<Record>,
    /// How often the function failed with all of them.
    pub(crate) failures: u32,
    /// How often in a row it could not be called.
    pub(crate) refusals: u32,
}

/// What is to be done with a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: all of it was delivered.
    Finish,
    /// The first so many are done; the rest is tried again after this time.
    Retry {
        done: usize,
        rest: Piece,
        after: Duration,
    },
    /// Both halves are tried, one after the other.
    Split {
        first: Piece,
        second: Piece,
        after: Duration,
    },
    /// It is given up after so many attempts.
    GiveUp { attempts: u32 },
}

impl Piece {
    pub(crate) fn new(records: Vec<Record>) -> Self {
        Self {
            records,
            failures: 0,
            refusals: 0,
        }
    }
}

/// How many of the first records are too old to be delivered. `retention` is the source's: beyond it they do not exist.
pub(crate) fn too_old(
    records: &[Record],
    mapping: &Mapping,
    retention: Duration,
    now: Timestamp,
) -> usize {
    let age_max = mapping.record_age_max.unwrap_or(retention).min(retention);
    records
        .iter()
        .take_while(|record| age_max < now.since(record.written_at))
        .count()
}

/// What follows from a verdict.
pub(crate) fn after(piece: Piece, verdict: &Verdict, mapping: &Mapping) -> Plan {
    let Piece {
        mut records,
        failures,
        refusals,
    } = piece;
    match verdict {
        Verdict::Done => Plan::Finish,
        // Nobody has seen it: that is no attempt.
        Verdict::NotRun(_) => Plan::Retry {
            done: 0,
            rest: Piece {
                records,
                failures,
                refusals: refusals.saturating_add(1),
            },
            after: back_off(refusals),
        },
        Verdict::FailedFrom(index) if 0 < *index && *index < records.len() => {
            let rest = records.split_off(*index);
            retry(rest, *index, failures, mapping)
        }
        Verdict::FailedFrom(_) | Verdict::Failed(_) => {
            if mapping.on_error == OnError::Bisect && 1 < records.len() {
                // Contract: splitting a batch does not count towards its retries.
                let second = records.split_off(records.len().div_ceil(2));
                let half = |records| Piece {
                    records,
                    failures,
                    refusals: 0,
                };
                return Plan::Split {
                    first: half(records),
                    second: half(second),
                    after: back_off(failures),
                };
            }
            retry(records, 0, failures, mapping)
        }
    }
}

fn retry(records: Vec<Record>, done: usize, failures: u32, mapping: &Mapping) -> Plan {
    let attempts = failures.saturating_add(1);
    if done == 0 && mapping.retries_max.is_some_and(|most| most <= failures) {
        return Plan::GiveUp { attempts };
    }
    // What came further than before has not failed as often as what stood before it.
    let failures = if done == 0 { attempts } else { 0 };
    Plan::Retry {
        done,
        rest: Piece {
            records,
            failures,
            refusals: 0,
        },
        after: back_off(failures.saturating_sub(1)),
    }
}

fn back_off(times: u32) -> Duration {
    let doubled = 1_u32.checked_shl(times.min(16)).unwrap_or(u32::MAX);
    BACK_OFF_MIN.saturating_mul(doubled).min(BACK_OFF_MAX)
}
