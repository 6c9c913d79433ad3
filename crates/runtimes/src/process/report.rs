//! The platform's own lines in a function's log.
//!
//! Lives here: their texts.
//! Does not live here: where they go (`logs`).
//!
//! Contract: AWS Lambda Developer Guide, "Viewing logs for your functions", and the lines that the service writes.

use std::time::Duration;

use model::digits;
use model::function::{Function, Language};
use model::ids::RequestId;
use model::time::Timestamp;

/// How long `REPORT` is, as a rule at most.
const REPORT_BYTES: usize = 160;

/// When an init ran: in its own phase, or repeated inside an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Init,
    Invoke,
}

/// How an init failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InitStatus<'a> {
    Timeout,
    Error(&'a str),
}

/// How an invocation ended, as far as `REPORT` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status<'a> {
    /// It replied, be it with an error.
    Replied,
    Timeout,
    Error(&'a str),
}

/// What `REPORT` shows of an invocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// From the event sent to the reply received.
    pub(super) duration: Duration,
    /// Of the init, when this is the instance's first event.
    pub(super) init: Option<Duration>,
    /// The most memory that the instance ever held.
    pub(super) memory_peak_mb: u32,
}

/// `INIT_START`; the cloud adds the ARN of its runtime version, which does not exist here.
pub(super) fn init_start(function: &Function) -> String {
    let language = match function.runtime.language {
        Language::Python => "python",
        Language::Node => "nodejs",
        Language::Provided => "provided",
        Language::Go => "go",
    };
    let version = &function.toolchain.version;
    format!("INIT_START Runtime Version: {language}:{version}")
}

/// `INIT_REPORT`, which is written only for an init that failed.
pub(super) fn init_report(init: Duration, phase: Phase, status: InitStatus<'_>) -> String {
    let phase = match phase {
        Phase::Init => "init",
        Phase::Invoke => "invoke",
    };
    let init = milliseconds(init);
    let status = match status {
        InitStatus::Timeout => "Status: timeout".to_owned(),
        InitStatus::Error(error_type) => format!("Status: error\tError Type: {error_type}"),
    };
    format!("INIT_REPORT Init Duration: {init} ms\tPhase: {phase}\t{status}")
}

/// `START`.
pub(super) fn start(request_id: &RequestId, version: &str) -> String {
    [
        "START RequestId: ",
        request_id.as_str(),
        " Version: ",
        version,
    ]
    .concat()
}

/// `END`.
pub(super) fn end(request_id: &RequestId) -> String {
    ["END RequestId: ", request_id.as_str()].concat()
}

/// `REPORT`. Since August 2025 the init is billed too.
pub(super) fn report(
    request_id: &RequestId,
    usage: Usage,
    memory_mb: u32,
    status: Status<'_>,
) -> String {
    let mut text = String::with_capacity(REPORT_BYTES);
    text.push_str("REPORT RequestId: ");
    text.push_str(request_id.as_str());
    text.push_str("\tDuration: ");
    push_milliseconds(&mut text, usage.duration);
    text.push_str(" ms\tBilled Duration: ");
    digits::push(&mut text, billed_ms(usage));
    text.push_str(" ms\tMemory Size: ");
    digits::push(&mut text, u64::from(memory_mb));
    text.push_str(" MB\tMax Memory Used: ");
    digits::push(&mut text, u64::from(usage.memory_peak_mb));
    text.push_str(" MB");
    if let Some(init) = usage.init {
        text.push_str("\tInit Duration: ");
        push_milliseconds(&mut text, init);
        text.push_str(" ms");
    }
    match status {
        Status::Replied => text.push('\t'),
        Status::Timeout => text.push_str("\tStatus: timeout"),
        Status::Error(error_type) => {
            text.push_str("\tStatus: error\tError Type: ");
            text.push_str(error_type);
        }
    }
    text
}

/// What `REPORT` bills, in milliseconds.
pub(super) fn billed_ms(usage: Usage) -> u64 {
    let billed = usage
        .duration
        .saturating_add(usage.init.unwrap_or_default());
    u64::try_from(billed.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// `2026-01-31T12:00:00.000Z`.
pub(super) fn instant(at: Timestamp) -> String {
    formatted(at, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

/// `2026/01/31`.
pub(super) fn day(at: Timestamp) -> String {
    formatted(at, "%Y/%m/%d")
}

fn formatted(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_microsecond(at.epoch_us())
        .unwrap_or_default()
        .strftime(format)
        .to_string()
}

fn milliseconds(duration: Duration) -> String {
    let mut text = String::new();
    push_milliseconds(&mut text, duration);
    text
}

/// In hundredths, to the nearest.
fn push_milliseconds(text: &mut String, duration: Duration) {
    let hundredths = (duration.as_nanos() + 5_000) / 10_000;
    let hundredths = u64::try_from(hundredths).unwrap_or(u64::MAX);
    digits::push(text, hundredths / 100);
    text.push('.');
    digits::push_padded(text, hundredths % 100, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_in_the_cloud() {
        let id = RequestId::new("5b3a");
        let usage = |init| Usage {
            duration: Duration::from_micros(1_248_310),
            init,
            memory_peak_mb: 94,
        };
        let cold = usage(Some(Duration::from_micros(293_050)));
        assert_eq!(
            report(&id, cold, 128, Status::Error("Runtime.ExitError")),
            "REPORT RequestId: 5b3a\tDuration: 1248.31 ms\tBilled Duration: 1542 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 94 MB\tInit Duration: 293.05 ms\tStatus: error\tError Type: Runtime.ExitError"
        );
        assert_eq!(
            report(&id, usage(None), 128, Status::Replied),
            "REPORT RequestId: 5b3a\tDuration: 1248.31 ms\tBilled Duration: 1249 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 94 MB\t"
        );
    }

    #[test]
    fn times_are_written_in_milliseconds() {
        let at = Timestamp::from_micros(1_767_225_600_123_456);
        assert_eq!(instant(at), "2026-01-01T00:00:00.123Z");
        assert_eq!(day(at), "2026/01/01");
    }
}
