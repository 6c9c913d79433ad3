//! The cloud's error objects for what the platform, not the function, has to say.
//!
//! Lives here: `Sandbox.Timedout`, `Runtime.ExitError`, `Function.ResponseSizeTooLarge`, and their texts.
//! Does not live here: errors that handlers throw: the bootstraps form those.

use std::time::Duration;

use bytes::Bytes;
use model::ids::RequestId;
use serde::{Deserialize, Serialize};

use super::child::Exit;

/// The largest reply that is passed on. The quota is 6 MB; the service itself allows a hundred bytes more, and says
/// this number in its error.
pub(super) const REPLY_BYTES_MAX: usize = model::limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX + 100;

/// `errorType` of a process that ended, as its log has it.
pub(super) const EXIT_ERROR: &str = "Runtime.ExitError";
/// And of one that was killed for its memory, as its report has it.
const OUT_OF_MEMORY: &str = "Runtime.OutOfMemory";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    error_type: &'a str,
    error_message: &'a str,
}

fn payload(error_type: &str, error_message: &str) -> Bytes {
    let failure = Failure {
        error_type,
        error_message,
    };
    // Two strings always serialise.
    serde_json::to_vec(&failure).unwrap_or_default().into()
}

/// `Task timed out after 3.00 seconds`.
pub(super) fn timeout_text(timeout: Duration) -> String {
    format!("Task timed out after {:.2} seconds", timeout.as_secs_f64())
}

/// The invocation, or its init, took longer than the function's timeout.
pub(super) fn timed_out(request_id: Option<&RequestId>, timeout: Duration) -> Bytes {
    let text = prefixed(request_id, &timeout_text(timeout));
    payload("Sandbox.Timedout", &text)
}

/// The process ended before it replied.
pub(super) fn exited(request_id: Option<&RequestId>, exit: Exit) -> Bytes {
    let error_type = match exit {
        Exit::OutOfMemory => OUT_OF_MEMORY,
        Exit::Status(_) | Exit::Signal(_) | Exit::Unknown => EXIT_ERROR,
    };
    payload(error_type, &prefixed(request_id, &exit_text(exit)))
}

/// The reply is over the limit.
pub(super) fn reply_too_large() -> Bytes {
    let text = format!(
        "Response payload size exceeded maximum allowed payload size ({REPLY_BYTES_MAX} bytes)."
    );
    payload("Function.ResponseSizeTooLarge", &text)
}

/// A reply in pieces is over its limit.
pub(super) fn stream_too_large() -> Bytes {
    let bytes_max = model::limits::LAMBDA_STREAMED_REPLY_BYTES_MAX;
    let text =
        format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).");
    payload("Function.ResponseSizeTooLarge", &text)
}

/// What the platform itself found, of this type.
pub(super) fn of_platform(request_id: Option<&RequestId>, error_type: &str, text: &str) -> Bytes {
    payload(error_type, &prefixed(request_id, text))
}

/// `Runtime exited with error: exit status 1`.
pub(super) fn exit_text(exit: Exit) -> String {
    match ended(exit) {
        Some(how) => format!("Runtime exited with error: {how}"),
        None => "Runtime exited without providing a reason".to_owned(),
    }
}

/// `exit status 1`, in the words of the Go runtime on which the platform is built; none when it ended well.
pub(super) fn ended(exit: Exit) -> Option<String> {
    match exit {
        Exit::Status(0) | Exit::Unknown => None,
        Exit::Status(status) => Some(format!("exit status {status}")),
        Exit::OutOfMemory => Some("signal: killed".to_owned()),
        Exit::Signal(signal) => Some(format!("signal: {}", signal_name(signal))),
    }
}

/// `errorType` of an error object; `Unknown` when it has none.
pub(super) fn error_type(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        error_type: String,
    }
    serde_json::from_slice(payload)
        .map_or_else(|_| "Unknown".to_owned(), |head: Head| head.error_type)
}

/// An init belongs to no request, so its errors carry no id.
fn prefixed(request_id: Option<&RequestId>, text: &str) -> String {
    match request_id {
        Some(request_id) => format!("RequestId: {request_id} Error: {text}"),
        None => format!("Error: {text}"),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_errors_read_as_in_the_cloud() {
        let id = RequestId::new("id-1");
        let cases: [(Bytes, &str); 6] = [
            (
                timed_out(Some(&id), Duration::from_secs(3)),
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id-1 Error: Task timed out after 3.00 seconds"}"#,
            ),
            (
                exited(Some(&id), Exit::Status(1)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 1"}"#,
            ),
            (
                exited(Some(&id), Exit::Status(0)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited without providing a reason"}"#,
            ),
            (
                exited(Some(&id), Exit::Signal(9)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: signal: killed"}"#,
            ),
            (
                exited(None, Exit::Signal(11)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"Error: Runtime exited with error: signal: segmentation fault"}"#,
            ),
            (
                reply_too_large(),
                r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#,
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(std::str::from_utf8(&found).unwrap(), expected);
        }
    }
}
