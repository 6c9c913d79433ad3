//! Processes that are kept warm, and fork others.
//!
//! Lives here: what bases and templates have in common: being asked for children, whose ends they report.
//! Does not live here: what they run (`bootstrap`), what is done with a child (`instance`).
//!
//! A base is an interpreter that has loaded our bootstrap and the SDK, never a function's code. A template is a fork
//! of a base that has loaded one function and done its init. Instances are forks of a template. Whatever is forked
//! holds its zygote, so that a template ends after the last of its instances, and a base after the last template.

mod ahead;
mod bases;
mod control;
mod fitness;
mod forking;
mod node_ways;
mod templates;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::child::{self, Exit, Process};
use super::launch::{self, Launched};
use control::Control;

pub(super) use ahead::{Ahead, StartedAhead};
pub(super) use bases::Bases;
pub(super) use control::ForkError;
pub(super) use fitness::needs_own_process;
pub(super) use node_ways::{Way, way_of};
pub(super) use templates::{Template, Templates};

/// How long a zygote may take to fork.
const FORK_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long it may take to say how a child ended that is known to have ended.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(1);

/// A process that forks others when it is asked to.
pub(super) struct Zygote {
    control: Arc<Control>,
    process: Arc<Parting>,
    _reader: JoinSet<()>,
}

/// A process that is seen off once: when nobody needs it, or when it has gone by itself.
struct Parting(Mutex<Option<Process>>);

impl Parting {
    fn see_off(&self) {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(process) = taken {
            process.see_off();
        }
    }
}

/// A fork: the process, and whoever will say how it ended.
pub(super) struct Forked {
    pub(super) launched: Launched,
    pub(super) report: ExitReport,
}

impl Zygote {
    /// Takes over a process that has said that it is ready to fork.
    pub(super) fn new(process: Process, stream: tokio::net::UnixStream) -> Arc<Self> {
        let control = Control::new(process.pid(), stream);
        let process = Arc::new(Parting(Mutex::new(Some(process))));
        let mut reader = JoinSet::new();
        reader.spawn({
            let (control, process) = (control.clone(), process.clone());
            async move {
                control.read().await;
                process.see_off();
            }
        });
        Arc::new(Self {
            control,
            process,
            _reader: reader,
        })
    }

    /// Whether it can be asked for children.
    pub(super) fn is_open(&self) -> bool {
        self.control.is_open()
    }

    /// Makes a child, which is told `order` first. When the future is dropped, the child ends.
    pub(super) async fn fork(self: &Arc<Self>, order: &[u8]) -> Result<Forked, ForkError> {
        let (ours, theirs) = launch::ends(order).map_err(ForkError::Pipes)?;
        let answer = tokio::time::timeout(FORK_WAIT_MAX, self.control.ask(theirs)).await;
        let forked = match answer {
            Ok(answer) => answer,
            Err(_) => Err(ForkError::TimedOut),
        };
        if matches!(forked, Err(ForkError::TimedOut | ForkError::Lied)) {
            self.control.close();
        }
        let forked = forked?;
        Ok(Forked {
            launched: Launched {
                pid: forked.pid,
                pidfd: forked.pidfd,
                ends: ours.into(),
            },
            report: ExitReport {
                exit: forked.exit,
                is_collected: forked.is_collected,
                _zygote: self.clone(),
            },
        })
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.control.close();
        self.process.see_off();
    }
}

/// Says how a forked process ended, and keeps its zygote.
pub(super) struct ExitReport {
    exit: oneshot::Receiver<Exit>,
    is_collected: bool,
    _zygote: Arc<Zygote>,
}

impl ExitReport {
    /// Waits for the report on a process that has ended; unknown when its zygote has gone too. Cancel-safe.
    pub(super) async fn wait(&mut self, pid: Pid) -> Exit {
        match tokio::time::timeout(REPORT_WAIT_MAX, &mut self.exit).await {
            Ok(Ok(exit)) => exit,
            Ok(Err(_)) | Err(_) => {
                // Its zygote would have done it, and has if it collected it.
                if !self.is_collected {
                    child::kill_group(pid);
                }
                Exit::Unknown
            }
        }
    }
}
