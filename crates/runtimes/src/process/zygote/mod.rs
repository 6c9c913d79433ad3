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
mod kin;
mod node_ways;
mod spares;
mod templates;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::function::Language;
use rustix::process::{Pid, Signal};
use sandbox::{Admission, EntryError, Ticket};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::child::{self, Exit, Process};
use super::launch::{self, Launched};
use super::walls::{Cell, Quarters};
use control::Control;

pub(super) use ahead::{Ahead, StartedAhead};
pub(super) use bases::{Base, Bases};
pub(super) use control::ForkError;
pub(super) use fitness::needs_own_process;
pub(super) use node_ways::{Way, way_of};
pub(super) use spares::{Recipe, Spare, Waiting};
pub(super) use templates::{Template, Templates};

/// How many instances a template may keep ahead, as our bootstraps do while they are asked for in a row. It may have so many
/// more than were ever asked for, and no others.
const FORKED_AHEAD_MAX: usize = 3;
/// How long a zygote may take to fork.
const FORK_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long it may take to say how a child ended that is known to have ended.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(1);

/// A process that forks others when it is asked to.
pub(super) struct Zygote {
    control: Arc<Control>,
    process: Arc<Parting>,
    /// Of a template: the sandbox that it and its instances are in.
    cell: Option<(Arc<Cell>, i32)>,
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
    pub(super) quarters: Option<Quarters>,
}

impl Zygote {
    /// Takes over a process that has said that it is ready to fork.
    pub(super) fn new(process: Process, stream: tokio::net::UnixStream) -> Arc<Self> {
        let control = Control::new(process.pid(), stream);
        let number = process.pid().as_raw_nonzero().get();
        let cell = process.cell().map(|cell| (cell, number));
        if let Some((cell, template)) = &cell {
            for _ in 0..FORKED_AHEAD_MAX {
                // Too many cannot be expected of one that was just made.
                let _ = cell.expect_instance(*template);
            }
        }
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
            cell,
            _reader: reader,
        })
    }

    /// Whether it can be asked for children.
    pub(super) fn is_open(&self) -> bool {
        self.control.is_open()
    }

    /// Makes a child, which is told `order` first, and enters a sandbox before that if there is one. When the future is
    /// dropped, the child ends.
    pub(super) async fn fork(
        self: &Arc<Self>,
        order: &[u8],
        entry: Option<(Arc<Cell>, Language)>,
    ) -> Result<Forked, ForkError> {
        let (ours, theirs) = launch::ends(order).map_err(ForkError::Pipes)?;
        let (room, ticket) = match &entry {
            Some((cell, language)) => {
                let room = cell.room().map_err(ForkError::Bounds)?;
                let ticket = cell.ticket(*language, room.as_ref());
                (room, Some(ticket.map_err(ForkError::Entry)?))
            }
            None => (None, None),
        };
        let (theirs_ticket, admission) = match ticket {
            Some(Ticket { theirs, admission }) => (Some(theirs), Some(admission)),
            None => (None, None),
        };
        if let Some((cell, template)) = &self.cell {
            let expected = cell.expect_instance(*template);
            expected.map_err(|_| ForkError::Busy)?;
        }
        let forked = self.ask(theirs, theirs_ticket).await;
        if let (Err(ForkError::Refused(_)), Some((cell, template))) = (&forked, &self.cell) {
            cell.expect_one_less(*template);
        }
        // A template waits to be admitted, and is in its group when it is.
        let kept = match (&forked, &entry) {
            (Ok(forked), Some((cell, _))) if !forked.is_collected => {
                let pid = forked.pid.as_raw_nonzero().get();
                let kept = cell.keep(pid, &forked.pidfd, room);
                Some(kept.map_err(ForkError::Bounds)?)
            }
            (Ok(_) | Err(_), _) => None,
        };
        let forked = match admission {
            Some(admission) => admit(forked, admission).await?,
            None => forked?,
        };
        let quarters = match (entry, &self.cell) {
            (Some((cell, _)), _) => Some(Quarters::among(cell, kept)),
            (None, Some((cell, _))) if forked.is_collected => {
                Some(Quarters::among(cell.clone(), None))
            }
            (None, Some((cell, _))) => {
                let instance = forked.pid.as_raw_nonzero().get();
                let kept = cell.keep_instance(instance, &forked.pidfd);
                let kept = kept.map_err(ForkError::Bounds)?;
                Some(Quarters::shared(cell.clone(), instance, kept))
            }
            (None, None) => None,
        };
        Ok(self.report_on(forked, ours, quarters))
    }

    /// Asks for a child, for so long. One that does not answer is not asked again.
    async fn ask(
        &self,
        ends: launch::TheirEnds,
        ticket: Option<OwnedFd>,
    ) -> Result<control::Forked, ForkError> {
        let asking = self.control.ask(ends, ticket);
        let forked = match tokio::time::timeout(FORK_WAIT_MAX, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(ForkError::TimedOut),
        };
        if matches!(forked, Err(ForkError::TimedOut | ForkError::Lied)) {
            self.control.close();
        }
        forked
    }

    fn report_on(
        self: &Arc<Self>,
        forked: control::Forked,
        ours: launch::OurEnds,
        quarters: Option<Quarters>,
    ) -> Forked {
        Forked {
            quarters,
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
        }
    }
}

/// Waits until a fork has got into its sandbox. Why it did not is better known there than to whoever forked it.
async fn admit(
    forked: Result<control::Forked, ForkError>,
    admission: Admission,
) -> Result<control::Forked, ForkError> {
    match &forked {
        Ok(_) | Err(ForkError::Refused(_)) => {}
        Err(_) => return forked,
    }
    let admitted = tokio::task::spawn_blocking(move || admission.admit()).await;
    let admitted = admitted.map_err(|_| ForkError::Gone)?;
    match (forked, admitted) {
        (Ok(forked), Ok(entered)) if entered.pid == forked.pid.as_raw_nonzero().get() => Ok(forked),
        (Ok(forked), admitted) => {
            // It fails only when the process has just ended, which is what was wanted.
            let _ = rustix::process::pidfd_send_signal(&forked.pidfd, Signal::KILL);
            Err(admitted.map_or_else(ForkError::Entry, |_| ForkError::Lied))
        }
        (Err(refused), Ok(_) | Err(EntryError::Ended | EntryError::Gone(_))) => Err(refused),
        (Err(_), Err(error)) => Err(ForkError::Entry(error)),
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
    pub(super) fn is_collected(&self) -> bool {
        self.is_collected
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstraps_keep_as_many_ahead_as_their_sandbox_expects() {
        for (source, says) in [
            (
                include_str!("../bootstrap/python/_cloudless_zygote.py"),
                format!("\nINSTANCES_AHEAD_MAX = {FORKED_AHEAD_MAX}\n"),
            ),
            (
                include_str!("../../../native/src/spare.rs"),
                format!("\nconst KEPT_MAX: usize = {FORKED_AHEAD_MAX};\n"),
            ),
            (
                include_str!("../../../../sandbox/tests/common/zygote.rs"),
                format!("\npub(crate) const FORKED_AHEAD_MAX: usize = {FORKED_AHEAD_MAX};\n"),
            ),
        ] {
            assert!(source.contains(&says), "{says}");
        }
    }
}
