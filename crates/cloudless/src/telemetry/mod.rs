//! What is observed: requests and functions' logs.
//!
//! Lives here: where access entries and log lines end up.
//! Does not live here: making them (`gateway`, `runtimes`).

mod access_files;
pub mod console;
mod events;
pub mod install;
pub(crate) mod own_log;
mod refusals;
mod transcript;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use event_delivery::DeliveryLog;
use gateway::application::{AccessEntry, AccessLog, Cached};
use gateway::service_door::RefusalLog;
use interfaces::authorize::Denied;
use interfaces::log_sink::{LogLine, LogSink};
use model::principal::Principal;

use access_files::AccessFiles;
use console::{Console, RequestLine};

use crate::project::FrontEnd;

/// Where a server's entries and lines go.
#[derive(Clone)]
pub struct Telemetry {
    /// Requests.
    pub access_log: Arc<dyn AccessLog>,
    /// Functions' logs.
    pub logs: Arc<dyn LogSink>,
    /// What was delivered.
    pub deliveries: Arc<dyn DeliveryLog>,
    /// Calls of services that policies refused.
    pub refusals: Arc<dyn RefusalLog>,
}

impl Telemetry {
    /// All of it on the terminal, for whoever writes a manifest of this kind.
    #[must_use]
    pub fn on_console(console: &Arc<Console>, front_end: FrontEnd) -> Self {
        let sink = Arc::new(OnConsole(Arc::clone(console)));
        Self {
            access_log: sink.clone(),
            deliveries: sink.clone(),
            logs: sink,
            refusals: Arc::new(refusals::OnConsole::new(console, front_end)),
        }
    }

    /// The same, with the access logs that APIs ask for in this folder.
    ///
    /// # Errors
    /// The system gives no thread to write them.
    pub fn with_access_logs(self, folder: PathBuf) -> io::Result<Self> {
        let access_log = Arc::new(WithFiles {
            others: self.access_log,
            files: AccessFiles::start(folder)?,
        });
        Ok(Self {
            access_log,
            logs: self.logs,
            deliveries: self.deliveries,
            refusals: self.refusals,
        })
    }

    /// None of it: for one invocation, whose reply brings the tail of its own log.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            access_log: Arc::new(Silent),
            logs: Arc::new(Silent),
            deliveries: Arc::new(Silent),
            refusals: Arc::new(Silent),
        }
    }
}

/// Lines of functions, in both of these.
#[must_use]
pub fn in_both(first: Arc<dyn LogSink>, second: Arc<dyn LogSink>) -> Arc<dyn LogSink> {
    Arc::new(InBoth(first, second))
}

struct InBoth(Arc<dyn LogSink>, Arc<dyn LogSink>);

impl LogSink for InBoth {
    fn write(&self, line: LogLine) {
        self.0.write_copy(&line);
        self.1.write(line);
    }
}

struct OnConsole(Arc<Console>);

impl AccessLog for OnConsole {
    fn record(&self, entry: AccessEntry) {
        self.0.request(RequestLine {
            invocation: entry.function.is_some().then_some(entry.request_id),
            method: entry.method,
            path: entry.path,
            status: entry.status,
            total: entry.total,
            cold_start: entry.timings.and_then(|timings| timings.init),
            is_kept: entry.cached == Some(Cached::Hit),
            reason: entry.message,
        });
    }
}

impl LogSink for OnConsole {
    fn write(&self, line: LogLine) {
        self.0.line(&line);
    }

    fn write_copy(&self, line: &LogLine) {
        self.0.line(line);
    }
}

struct WithFiles {
    others: Arc<dyn AccessLog>,
    files: AccessFiles,
}

impl AccessLog for WithFiles {
    fn record(&self, mut entry: AccessEntry) {
        if let (Some(line), Some(api)) = (entry.line.take(), &entry.api) {
            self.files.write(api.clone(), line);
        }
        self.others.record(entry);
    }
}

struct Silent;

impl AccessLog for Silent {
    fn record(&self, _entry: AccessEntry) {}
}

impl LogSink for Silent {
    fn write(&self, _line: LogLine) {}
}

impl RefusalLog for Silent {
    fn refused(&self, _caller: &Principal, _denied: &Denied) {}
}
