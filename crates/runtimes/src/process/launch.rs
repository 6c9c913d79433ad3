//! How a process comes to be: started by one thread that lives as long as any of them.
//!
//! Lives here: the spawner thread, the ends of socket and pipes, the processes that ended unwatched.
//! Does not live here: how an instance is spoken to (`instance`): it takes [`Launched`] from whoever made it, so that
//! a process forked from a warm one fits in.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sandbox::EntryError;
use tokio::sync::oneshot;

use super::grave::Grave;
use super::{link, system};

/// Starts that may wait for the spawner. The next one is refused.
const LAUNCHES_WAITING_MAX: usize = 1_024;
/// How often the spawner looks whether a killed process can be collected.
const BURIAL_INTERVAL: Duration = Duration::from_millis(20);

/// How often it looks when nobody needs it any more, before it gives up.
const LAST_BURIALS_MAX: usize = 100;

/// What to start. It has no `Debug`: its variables hold the keys of the function's role.
pub(super) struct Launch {
    /// The interpreter.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
    /// Its whole environment.
    pub(super) variables: Vec<(OsString, OsString)>,
    /// Its working folder.
    pub(super) directory: PathBuf,
    /// What it is given besides.
    pub(super) connection: Connection,
}

/// What connects a new process with us.
pub(super) enum Connection {
    /// A channel, over which it is told this first, and pipes for its output.
    Channel(Vec<u8>),
    /// Pipes for its output alone: it asks for its events over the Runtime API.
    Pipes,
    /// One pipe that it shares with others, for all its output.
    Shared(OwnedFd),
}

/// A process, and our ends of what connects us with it.
pub(super) struct Launched {
    /// Its number.
    pub(super) pid: Pid,
    /// Tells when it has ended.
    pub(super) pidfd: OwnedFd,
    /// What connects us with it.
    pub(super) ends: Ends,
}

/// No process could be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    #[error("no interpreter is at `{}`", program.display())]
    NoInterpreter { program: PathBuf, source: io::Error },
    #[error("the function's code folder `{}` cannot be entered", directory.display())]
    NoDirectory {
        directory: PathBuf,
        source: io::Error,
    },
    #[error("could not start `{}`{}", program.display(), advice(source))]
    Spawn { program: PathBuf, source: io::Error },
    #[error("could not make the pipes of a new process{}", advice(.0))]
    Pipes(#[source] io::Error),
    #[error("too many processes are waiting to be started")]
    Busy,
    #[error("the thread that starts processes has ended")]
    Gone,
    #[error("the function's process did not get into its sandbox")]
    Inside(#[source] EntryError),
    #[error("what the function's process takes could not be bounded")]
    Unbounded(#[source] io::Error),
    #[error("could not watch the new process")]
    Unwatched(#[source] io::Error),
}

/// Which limit stands behind an error of the system's, where that is known: its own text does not say so.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::AGAIN) => {
            ": the limit of processes is reached, that of the user (`ulimit -u`) or of the container (`pids.max`)"
        }
        Some(Errno::NOMEM) => ": this machine has no memory left for it",
        Some(Errno::MFILE) => ": the limit of open files is reached (`ulimit -n`)",
        Some(_) | None => "",
    }
}

enum Task {
    Launch {
        launch: Box<Launch>,
        reply: oneshot::Sender<Result<Launched, LaunchError>>,
    },
    Bury(Grave),
}

/// The thread from which every process is started.
///
/// A process's death signal follows the *thread* that forked it, not our process. So all are forked by one thread,
/// which ends when nobody holds a handle to it; every living process does.
#[derive(Clone)]
pub(super) struct Spawner {
    tasks: SyncSender<Task>,
}

impl Spawner {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        system::keep_inherited_descriptors_private()?;
        let (tasks, inbox) = sync_channel(LAUNCHES_WAITING_MAX);
        // Its owner is the last handle: with it the channel closes, and the loop ends.
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || run(&inbox))?;
        Ok(Self { tasks })
    }

    /// Starts a process. When the future is dropped, a process that was started meanwhile is killed.
    pub(super) async fn launch(&self, launch: Launch) -> Result<Launched, LaunchError> {
        let (reply, answer) = oneshot::channel();
        let launch = Box::new(launch);
        self.tasks
            .try_send(Task::Launch { launch, reply })
            .map_err(|error| match error {
                TrySendError::Full(_) => LaunchError::Busy,
                TrySendError::Disconnected(_) => LaunchError::Gone,
            })?;
        answer.await.unwrap_or(Err(LaunchError::Gone))
    }

    /// Whoever collects processes that nobody waits for any more.
    pub(super) fn undertaker(&self) -> Undertaker {
        Undertaker(self.clone())
    }
}

/// Collects killed processes, so that none stays behind as a zombie.
#[derive(Clone)]
pub(super) struct Undertaker(Spawner);

impl Undertaker {
    /// Takes over a process that is to end and has not ended yet.
    pub(super) fn bury(&self, grave: Grave) {
        // A full queue drops the pidfd: the zombie then stays until we end, which is the least of that moment's evils.
        let _ = self.0.tasks.try_send(Task::Bury(grave));
    }
}

fn run(inbox: &Receiver<Task>) {
    let mut graves: Vec<Grave> = Vec::new();
    loop {
        let task = if graves.is_empty() {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            inbox.recv_timeout(BURIAL_INTERVAL)
        };
        match task {
            Ok(Task::Launch { launch, reply }) => {
                if let Err(Ok(unwanted)) = reply.send(start(*launch)) {
                    kill_unwanted(&unwanted);
                    graves.push(Grave::of_child(unwanted.pidfd));
                }
            }
            Ok(Task::Bury(grave)) => graves.push(grave),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        graves.retain_mut(|grave| !grave.is_closed());
    }
    // All of them were killed, so this takes no longer than the kernel needs to clear them away.
    for _ in 0..LAST_BURIALS_MAX {
        graves.retain_mut(|grave| !grave.is_closed());
        if graves.is_empty() {
            return;
        }
        thread::sleep(BURIAL_INTERVAL);
    }
}

fn kill_unwanted(launched: &Launched) {
    let kill = rustix::process::Signal::KILL;
    let _ = rustix::process::kill_process_group(launched.pid, kill);
    let _ = rustix::process::pidfd_send_signal(&launched.pidfd, kill);
}

fn start(launch: Launch) -> Result<Launched, LaunchError> {
    check(&launch)?;
    let (ends, given) = connect(&launch.connection).map_err(LaunchError::Pipes)?;
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .env_clear()
        .envs(launch.variables)
        .current_dir(&launch.directory)
        .stdin(Stdio::null())
        .stdout(given.stdout)
        .stderr(given.stderr);
    system::prepare(&mut command, given.channel);
    let failed = |source| LaunchError::Spawn {
        program: launch.program.clone(),
        source,
    };
    let mut process = command.spawn().map_err(failed)?;
    // Nobody but us can reap it, so its number cannot have been given away.
    let pid = Pid::from_child(&process);
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            // Without a pidfd it cannot be watched, so it must not live.
            let _ = process.kill();
            let _ = process.wait();
            return Err(failed(error.into()));
        }
    };
    Ok(Launched { pid, pidfd, ends })
}

/// Names what is missing, before `exec` would fail with a bare "No such file or directory" that may mean either.
fn check(launch: &Launch) -> Result<(), LaunchError> {
    check_program(launch)?;
    check_directory(&launch.directory)
}

/// Names an interpreter that is missing.
pub(super) fn check_program(launch: &Launch) -> Result<(), LaunchError> {
    match std::fs::metadata(&launch.program) {
        Ok(_) => Ok(()),
        Err(source) => Err(LaunchError::NoInterpreter {
            program: launch.program.clone(),
            source,
        }),
    }
}

/// Names a folder that cannot be entered.
pub(super) fn check_directory(directory: &Path) -> Result<(), LaunchError> {
    match std::fs::read_dir(directory) {
        Ok(_) => Ok(()),
        Err(source) => Err(LaunchError::NoDirectory {
            directory: directory.to_owned(),
            source,
        }),
    }
}

/// Our ends of what connects us with a process that has a channel.
pub(super) struct OurEnds {
    channel: UnixStream,
    stdout: OwnedFd,
    stderr: OwnedFd,
    untold: Vec<u8>,
}

impl OurEnds {
    /// Gives the process its order, once.
    pub(super) fn tell(&mut self, order: &[u8]) -> io::Result<()> {
        self.untold = link::tell_ahead(&self.channel, order)?;
        Ok(())
    }
}

/// The ends that such a process is given.
pub(super) struct TheirEnds {
    pub(super) channel: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Our ends of what connects us with a process, as far as it has each.
#[derive(Default)]
pub(super) struct Ends {
    /// Frames go through this.
    pub(super) channel: Option<UnixStream>,
    /// Its standard output, unless others write there too.
    pub(super) stdout: Option<OwnedFd>,
    /// Its standard error, likewise.
    pub(super) stderr: Option<OwnedFd>,
    /// The end of its order, which the channel did not take yet.
    pub(super) untold: Vec<u8>,
}

impl From<OurEnds> for Ends {
    fn from(ends: OurEnds) -> Self {
        Self {
            channel: Some(ends.channel),
            stdout: Some(ends.stdout),
            stderr: Some(ends.stderr),
            untold: ends.untold,
        }
    }
}

/// What connects us with a new process that has a channel and finds its order there. Our ends do not block.
pub(super) fn ends(order: &[u8]) -> io::Result<(OurEnds, TheirEnds)> {
    let (mut ours, theirs) = silent_ends()?;
    ours.tell(order)?;
    Ok((ours, theirs))
}

/// As [`ends`], for a process that waits for its order.
pub(super) fn silent_ends() -> io::Result<(OurEnds, TheirEnds)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let (stdout, stdout_write) = pipe()?;
    let (stderr, stderr_write) = pipe()?;
    let ours = OurEnds {
        channel: ours,
        stdout,
        stderr,
        untold: Vec::new(),
    };
    let theirs = TheirEnds {
        channel: theirs.into(),
        stdout: stdout_write,
        stderr: stderr_write,
    };
    Ok((ours, theirs))
}

/// What a process that is started finds open.
pub(super) struct Given {
    pub(super) channel: Option<OwnedFd>,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// What connects us with a new process, and it with us.
pub(super) fn connect(connection: &Connection) -> io::Result<(Ends, Given)> {
    match connection {
        Connection::Channel(order) => {
            let (ours, theirs) = ends(order)?;
            let given = Given {
                channel: Some(theirs.channel),
                stdout: theirs.stdout,
                stderr: theirs.stderr,
            };
            Ok((ours.into(), given))
        }
        Connection::Pipes => {
            let (stdout, stdout_write) = pipe()?;
            let (stderr, stderr_write) = pipe()?;
            let ours = Ends {
                stdout: Some(stdout),
                stderr: Some(stderr),
                ..Ends::default()
            };
            let given = Given {
                channel: None,
                stdout: stdout_write,
                stderr: stderr_write,
            };
            Ok((ours, given))
        }
        Connection::Shared(pipe) => {
            let given = Given {
                channel: None,
                stdout: pipe.try_clone()?,
                stderr: pipe.try_clone()?,
            };
            Ok((Ends::default(), given))
        }
    }
}

/// A pipe whose reading end, ours, does not block.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(read.as_fd(), true)?;
    Ok((read, write))
}
