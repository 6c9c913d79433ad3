//! Where log lines go. They do not pass through the invoker.

use std::sync::Arc;

use bytes::Bytes;
use model::function::Function;
use model::ids::{InstanceId, RequestId};
use model::time::Timestamp;

/// Takes log lines. Called from the loops that read instances' output, so it must not wait.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn write(&self, line: LogLine);

    /// Takes one line that others take, too: a copy of it, where it is of any use.
    fn write_copy(&self, line: &LogLine) {
        self.write(line.clone());
    }
}

/// Whose log it is: the same for all lines of an instance.
#[derive(Debug)]
pub struct LogSource {
    /// The function; its revision is in it.
    pub function: Arc<Function>,
    /// The instance.
    pub instance: InstanceId,
}

/// One line of a function's log, without its line end.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// The instance that wrote it. Its own, so that those on other processors do not count the same references.
    pub source: Arc<LogSource>,
    /// The request that was running, if one was.
    pub request_id: Option<RequestId>,
    /// When it was read.
    pub at: Timestamp,
    /// Who wrote it.
    pub origin: LogOrigin,
    /// The text: as bytes, since user code writes what it likes.
    pub text: Bytes,
}

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOrigin {
    /// The function, on its standard output.
    Stdout,
    /// The function, on its standard error.
    Stderr,
    /// The platform: `INIT_START`, `START`, `END`, `REPORT`, and notes on what happened to the instance.
    Platform,
}
