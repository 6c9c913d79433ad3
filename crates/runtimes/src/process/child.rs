//! One process that we started: how it ended, ending it, its memory.
//!
//! Lives here: everything that goes through its pidfd.
//! Does not live here: making it (`launch`), talking to it (`link`).

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use interfaces::runtime::Turn;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use sandbox::{Ending, ProgramEnd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::grave::Grave;
use super::launch::Undertaker;
use super::pressing::Pressing;
use super::system::{self, Schedule};
use super::walls::{Cell, Quarters};
use super::zygote::ExitReport;

/// `/proc/PID/status` is shorter than this.
const STATUS_BYTES_MAX: usize = 4 * 1024;

const SIGKILL: i32 = 9;
/// How long a nanny may take to say how a program ended that is known to have ended.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Asking without waiting.
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It ended with this status.
    Status(i32),
    /// It was killed for having taken more memory than it may.
    OutOfMemory,
    /// This signal ended it.
    Signal(i32),
    /// Nobody can say: it was reaped elsewhere.
    Unknown,
}

/// A process that is not reaped yet. Dropping it kills it, and whatever it left behind in its process group.
pub(super) struct Process {
    pid: Pid,
    /// Taken only by `drop`.
    pidfd: Option<AsyncFd<OwnedFd>>,
    exit: Option<Exit>,
    status_file: Option<File>,
    undertaker: Undertaker,
    /// Of a process that is not our child, and so collected by another. One that we started is collected by ourselves.
    report: Option<Reporter>,
    /// Its place in a sandbox.
    quarters: Option<Quarters>,
    pressing: Pressing,
}

/// Who says how a process ended.
pub(super) enum Reporter {
    /// What it was forked from.
    Zygote(ExitReport),
    /// The first process of its sandbox.
    Nanny(ProgramReport),
}

/// How a program ended that runs in a sandbox, as its nanny says.
pub(super) struct ProgramReport(AsyncFd<ProgramEnd>);

impl ProgramReport {
    /// Watches for it.
    pub(super) fn new(end: ProgramEnd) -> io::Result<Self> {
        Ok(Self(system::watch_end(end)?))
    }

    /// Of a process that has ended; unknown when its nanny has gone too.
    async fn wait(&self) -> Exit {
        let told = tokio::time::timeout(REPORT_WAIT_MAX, self.0.readable()).await;
        match told {
            Ok(Ok(_)) => match self.0.get_ref().wait() {
                Some(Ending::Status(status)) => Exit::Status(status),
                Some(Ending::Signal(signal)) => Exit::Signal(signal),
                None => Exit::Unknown,
            },
            Ok(Err(_)) | Err(_) => Exit::Unknown,
        }
    }
}

impl Reporter {
    async fn wait(&mut self, pid: Pid) -> Exit {
        match self {
            Self::Zygote(report) => report.wait(pid).await,
            Self::Nanny(report) => report.wait().await,
        }
    }

    /// Whether the number may be another process's by now.
    fn is_collected(&self) -> bool {
        match self {
            Self::Zygote(report) => report.is_collected(),
            Self::Nanny(_) => false,
        }
    }
}

impl Process {
    /// Takes charge of a process that was just started, or forked.
    pub(super) fn new(
        pid: Pid,
        pidfd: OwnedFd,
        undertaker: Undertaker,
        report: Option<Reporter>,
        quarters: Option<Quarters>,
    ) -> io::Result<Self> {
        let is_there = !report.as_ref().is_some_and(Reporter::is_collected);
        let status = || File::open(format!("/proc/{}/status", pid.as_raw_nonzero())).ok();
        Ok(Self {
            pid,
            pidfd: Some(system::watch(pidfd, Interest::READABLE)?),
            exit: None,
            status_file: is_there.then(status).flatten(),
            undertaker,
            report,
            quarters,
            pressing: Pressing::default(),
        })
    }

    /// Its number.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until the process has ended. Cancel-safe; answers at once when it ended before.
    pub(super) async fn exited(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let Some(pidfd) = &self.pidfd else {
            return Exit::Unknown;
        };
        loop {
            let Ok(mut ready) = poll_fn(|context| pidfd.poll_read_ready(context)).await else {
                return Exit::Unknown;
            };
            if let Some(report) = &mut self.report {
                let mut exit = report.wait(self.pid).await;
                if let Some(quarters) = &self.quarters {
                    if exit == Exit::Signal(SIGKILL) && quarters.was_out_of_memory() {
                        exit = Exit::OutOfMemory;
                    }
                    quarters.clear();
                }
                self.exit = Some(exit);
                return exit;
            }
            // Its children go first: as long as it is not reaped, nobody else can be given its number.
            kill_group(self.pid);
            if let Some(exit) = reap(pidfd.get_ref()) {
                self.exit = Some(exit);
                return exit;
            }
            ready.clear_ready();
        }
    }

    /// Whether it has ended, seen or not.
    pub(super) fn has_ended(&self) -> bool {
        let pidfd = self.pidfd.as_ref();
        self.exit.is_some() || pidfd.is_some_and(|pidfd| has_ended(pidfd.get_ref()))
    }

    /// Whether its end was seen, or the event loop has told of it.
    pub(super) fn is_told_ended(&self) -> bool {
        let is_told =
            |pidfd: &AsyncFd<OwnedFd>| pidfd.try_io(Interest::READABLE, |_| Ok(())).is_ok();
        self.exit.is_some() || self.pidfd.as_ref().is_none_or(is_told)
    }

    /// The sandbox that it is in.
    pub(super) fn cell(&self) -> Option<Arc<Cell>> {
        self.quarters
            .as_ref()
            .map(|quarters| quarters.cell().clone())
    }

    /// Its end, seen from aside: nothing is collected.
    pub(super) fn end(&self) -> impl Future<Output = ()> + Send + use<> {
        let pidfd = self.pidfd.as_ref();
        let pidfd = pidfd.and_then(|pidfd| pidfd.get_ref().try_clone().ok());
        let watched = pidfd.and_then(|pidfd| system::watch(pidfd, Interest::READABLE).ok());
        async move {
            match &watched {
                Some(pidfd) if pidfd.readable().await.is_ok() => {}
                Some(_) | None => std::future::pending().await,
            }
        }
    }

    /// Whether it was seen to end.
    pub(super) fn is_over(&self) -> bool {
        self.exit.is_some()
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it and its process group, without asking.
    pub(super) fn kill(&self) {
        if self.exit.is_some() {
            return;
        }
        // A zygote kills the group of its child when it collects it; here the number may be somebody else's by now.
        if self.report.is_none() {
            kill_group(self.pid);
        }
        self.signal(Signal::KILL);
    }

    /// Lets it end by itself, after it was asked to, without waiting for that.
    pub(super) fn see_off(mut self) {
        let (None, Some(pidfd)) = (self.exit, self.pidfd.take()) else {
            return;
        };
        let pidfd = pidfd.into_inner();
        self.undertaker.bury(match self.report {
            Some(_) => Grave::of_leaving_descendant(pidfd),
            None => Grave::of_leaving_child(pidfd),
        });
    }

    fn signal(&self, signal: Signal) {
        if let (None, Some(pidfd)) = (self.exit, &self.pidfd) {
            // It fails only when the process has just ended, which is what was wanted.
            let _ = rustix::process::pidfd_send_signal(pidfd.get_ref(), signal);
        }
    }

    /// An event begins, which may have waited for it: its init is done, so from then on it has only the processor time that
    /// comes with its memory.
    pub(super) fn begin_event(&mut self, turn: Turn) {
        let is_collected = self.report.as_ref().is_some_and(Reporter::is_collected);
        if let (None, false, Some(pidfd)) = (self.exit, is_collected, &self.pidfd)
            && let Some(schedule) = self.pressing.change(turn)
        {
            reschedule(self.pid, pidfd.get_ref(), schedule);
        }
        if let Some(quarters) = &self.quarters {
            quarters.begin_event();
        }
    }

    /// An event has ended: nobody needs to look at it closely until the next. Whether it was held back meanwhile, for making
    /// processes without end.
    pub(super) fn end_event(&self) -> bool {
        self.quarters.as_ref().is_some_and(Quarters::end_event)
    }

    /// The most memory that it ever held, in MB, as the kernel counts it: with that of its children, in a sandbox. None
    /// once it has ended, unless somebody has kept that.
    pub(super) fn memory_peak_mb(&self) -> Option<u32> {
        let alone = self.memory_peak_alone_bytes();
        let peak = match &self.quarters {
            Some(quarters) => Some(quarters.memory_peak_bytes(alone.unwrap_or_default())),
            None => alone,
        };
        let peak = peak.filter(|peak| 0 < *peak)?;
        u32::try_from(peak.div_ceil(1 << 20)).ok()
    }

    fn memory_peak_alone_bytes(&self) -> Option<u64> {
        let mut text = [0_u8; STATUS_BYTES_MAX];
        let length = self.status_file.as_ref()?.read_at(&mut text, 0).ok()?;
        memory_peak_kb(text.get(..length)?).map(|peak_kb| u64::from(peak_kb) << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.pidfd.is_none() {
            return;
        }
        self.kill();
        let (None, Some(pidfd)) = (self.exit, self.pidfd.take()) else {
            return;
        };
        let pidfd = pidfd.into_inner();
        if self.report.is_none() && reap(&pidfd).is_none() {
            self.undertaker.bury(Grave::of_child(pidfd));
        }
    }
}

/// Has a process compete for processors so, unless it has ended: whoever started it may have collected it, and its number be
/// another's. Numbers go round in a circle, so what ends only now has not lost its own yet.
fn reschedule(pid: Pid, pidfd: &OwnedFd, schedule: Schedule) {
    if !has_ended(pidfd) {
        // Where it is refused all stays as it was, and only costs more.
        let _ = system::schedule(pid, schedule);
    }
}

/// Whether the process of a pidfd has ended, collected or not.
pub(super) fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(pidfd, PollFlags::IN)];
    rustix::event::poll(&mut asked, Some(&AT_ONCE)).is_ok_and(|ready| 0 < ready)
}

/// Collects a process that has ended; none while it is still there.
pub(super) fn reap(pidfd: &OwnedFd) -> Option<Exit> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(Some(status)) => Some(exit_of(&status)),
        Ok(None) | Err(rustix::io::Errno::INTR) => None,
        Err(_) => Some(Exit::Unknown),
    }
}

fn exit_of(status: &WaitIdStatus) -> Exit {
    status
        .exit_status()
        .map(Exit::Status)
        .or_else(|| status.terminating_signal().map(Exit::Signal))
        .unwrap_or(Exit::Unknown)
}

/// Every instance leads a process group of its own, so its number is the group's.
pub(super) fn kill_group(pid: Pid) {
    // It fails when nobody is left in the group.
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
}

fn memory_peak_kb(status: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::PidfdFlags;

    use super::*;

    fn sleeper() -> (Child, Pid, OwnedFd) {
        let sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&sleeper);
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).unwrap();
        (sleeper, pid, pidfd)
    }

    /// The 41st field, counted behind the name, which is the second.
    fn policy(pid: Pid) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        let stat = stat.unwrap();
        let mut fields = stat.rsplit_once(") ").unwrap().1.split(' ');
        fields.nth(38).unwrap().to_owned()
    }

    #[test]
    fn a_process_is_scheduled_as_it_is_said_but_not_one_that_has_got_its_number() {
        let (mut one, pid, pidfd) = sleeper();
        let (mut other, other_pid, _) = sleeper();
        reschedule(pid, &pidfd, Schedule::Batch);
        let pressed = policy(pid);
        reschedule(pid, &pidfd, Schedule::Usual);
        assert_eq!((pressed.as_str(), policy(pid).as_str()), ("3", "0"));
        one.kill().unwrap();
        one.wait().unwrap();
        // As if the number of what has ended were the other's by now.
        reschedule(other_pid, &pidfd, Schedule::Batch);
        assert_eq!(policy(other_pid), "0");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn the_peak_is_read_from_the_status_file() {
        let status = b"Name:\tnode\nVmPeak:\t  999 kB\nVmHWM:\t   52344 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(memory_peak_kb(status), Some(52_344));
        assert_eq!(memory_peak_kb(b"Name:\tnode\nState:\tZ (zombie)\n"), None);
    }
}
