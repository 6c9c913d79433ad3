//! Saying what was delivered, and what was not.
//!
//! Lives here: the seam to whoever shows it, and how sources and targets are called there.
//! Does not live here: showing it (`cloudless::telemetry`).

use std::time::Duration;

use model::arn::Arn;
use model::delivery::{Delivery, SenderPrincipal, Target};
use model::door::Callee;
use model::ids::RequestId;

/// Shows what was delivered. It is called on the way: it must not wait.
pub trait DeliveryLog: Send + Sync {
    /// Shows one try.
    fn record(&self, event: Event);
}

/// One try of one delivery, or one batch of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The service that it comes from, as `SNS`; `ASYNC` for what was sent to the Lambda API.
    pub kind: String,
    /// What it comes from, as a topic's name; empty for the Lambda API.
    pub source: String,
    /// Who got it, as a function's name.
    pub target: String,
    /// The invocation, when a function was called.
    pub invocation: Option<RequestId>,
    /// How many records it had.
    pub records: usize,
    /// How long it took.
    pub total: Duration,
    /// How long an instance took to start, when one had to.
    pub cold_start: Option<Duration>,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// What came of it.
    pub result: EventResult,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventResult {
    /// It was delivered.
    Delivered,
    /// It was not, or not all of it.
    Failed {
        /// Why.
        reason: String,
        /// What happens next, as `tried again in 1 min`.
        next: String,
        /// Whether it is tried again.
        is_final: bool,
    },
}

/// The service and the source that a delivery comes from.
pub(crate) fn origin(delivery: &Delivery) -> (String, String) {
    let source = delivery.sender.source.as_ref();
    let kind = match (&delivery.sender.principal, source) {
        (SenderPrincipal::Allowed, None) => "ASYNC".to_owned(),
        (_, Some(source)) => source.service.to_ascii_uppercase(),
        (SenderPrincipal::Service(name), None) => {
            let short = name.split('.').next().unwrap_or_default();
            short.to_ascii_uppercase()
        }
        (SenderPrincipal::Role(_), None) => "EVENT".to_owned(),
    };
    (kind, source.map(short_name).unwrap_or_default())
}

/// How a target is called.
pub(crate) fn target_name(target: &Target) -> String {
    match target {
        Target::Resource(arn) => short_name(arn),
        Target::Url(url) => url.clone(),
    }
}

/// How a function is called.
pub(crate) fn callee_name(callee: &Callee) -> String {
    match &callee.qualifier {
        Some(qualifier) => format!("{}:{qualifier}", callee.function),
        None => callee.function.to_string(),
    }
}

/// The part of an ARN that people named.
pub(crate) fn short_name(arn: &Arn) -> String {
    if let Some(after) = arn.resource.strip_prefix("function:") {
        return after.to_owned();
    }
    if let Some(after) = arn.resource.strip_prefix("table/") {
        return after.split('/').next().unwrap_or_default().to_owned();
    }
    let after = arn.resource.rsplit(['/', ':']).next();
    after.unwrap_or_default().to_owned()
}

/// `250 ms`, `20 s`, `2 min`, `6 h`.
pub(crate) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 if seconds % 60 != 0 => format!("{seconds} s"),
        seconds if seconds < 7_200 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3_600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_called_as_people_named_them() {
        for (arn, name) in [
            ("arn:aws:lambda:r:1:function:f:live", "f:live"),
            ("arn:aws:dynamodb:r:1:table/pets/stream/2026", "pets"),
            ("arn:aws:sqs:r:1:jobs", "jobs"),
            ("arn:aws:events:r:1:rule/bus/nightly", "nightly"),
            ("arn:aws:s3:::photos", "photos"),
        ] {
            assert_eq!(short_name(&Arn::parse(arn).unwrap()), name);
        }
    }

    #[test]
    fn times_are_said_briefly() {
        for (ms, words) in [
            (250, "250 ms"),
            (20_000, "20 s"),
            (60_000, "1 min"),
            (119_000, "119 s"),
            (120_000, "2 min"),
            (21_600_000, "6 h"),
        ] {
            assert_eq!(in_words(Duration::from_millis(ms)), words);
        }
    }
}
