//! The maker: a small process that does nothing but fork nannies into new namespaces.
//!
//! Lives here: starting it, asking it, and its own loop.
//! Does not live here: what a nanny then does (`nanny`), the sandbox as we hold it (`sandbox`).
//!
//! We run many threads, and a fork of such a process may do almost nothing before it executes a program: a lock that
//! another thread held stays held for ever. So the forks are made by a process with one thread: our own program,
//! started once with an argument of ours and a socket. Executing a program for each sandbox would do as well, and cost
//! the start of a program of tens of megabytes every time. The maker is no user code's parent: it has the nannies as its
//! children, and each dies with it; it ends when our end of its socket closes, however we end.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use crate::entry::SANDBOX_NAMESPACES;
use crate::nanny;
use crate::orders::{
    Fault, INSIDE_GID, INSIDE_UID, Made, Make, OutsideIds, Plan, Ready, SupplementaryGroups, Use,
};
use crate::sandbox::{Sandbox, SpareSandbox, user_namespace};
use crate::supervision::Supervision;
use crate::system::messages;
use crate::system::processes::{self, Fork};
use crate::views::{self, Views};

/// The first argument of a program that is to be the maker.
pub const MAKER_ARGUMENT: &str = "--make-sandboxes";
/// How long a fork and the making of a sandbox may take. A machine that is this slow is better told so.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// A sandbox was not made. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The maker was not started.
    #[error("the process that makes sandboxes could not be started")]
    Start(#[source] io::Error),
    /// It does not answer, and neither does the one that was started in its place, or it is stuck: then another one is
    /// asked for the next sandbox.
    #[error("the process that makes sandboxes does not answer")]
    Gone(#[source] io::Error),
    /// A step failed.
    #[error("the sandbox `{name}` could not be made")]
    Refused {
        /// The plan's name.
        name: String,
        /// The step.
        source: Fault,
    },
}

/// The program that becomes the maker: ours, in the product.
#[derive(Debug, Clone)]
pub struct MakerProgram {
    /// Its path.
    pub path: PathBuf,
    /// What it needs before [`MAKER_ARGUMENT`]: nothing, in the product.
    pub arguments: Vec<OsString>,
}

/// The running maker. It ends, and with it every sandbox, when this is dropped. One that has ended by itself, and so its
/// sandboxes, is started anew when the next sandbox is needed.
pub struct Maker {
    program: MakerProgram,
    running: Mutex<Running>,
    groups: SupplementaryGroups,
}

/// Its process.
struct Running {
    socket: OwnedFd,
    process: Child,
    /// The one before, which was stuck: what it has made is used as before.
    stuck: Option<Box<Running>>,
}

impl Running {
    fn start(program: &MakerProgram) -> Result<Self, MakeError> {
        let (ours, theirs) = messages::pair().map_err(MakeError::Start)?;
        set_socket_timeout(&ours, Timeout::Recv, Some(ANSWER_WAIT_MAX))
            .map_err(|error| MakeError::Start(error.into()))?;
        let process = Command::new(&program.path)
            .args(&program.arguments)
            .arg(MAKER_ARGUMENT)
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // A key that interrupts us at the terminal is ours to answer: what runs inside is stopped in good order.
            .process_group(0)
            .spawn()
            .map_err(MakeError::Start)?;
        Ok(Self {
            socket: ours,
            process,
            stuck: None,
        })
    }

    fn ask(&self, make: &Make, channel: &OwnedFd) -> io::Result<(Made, Vec<OwnedFd>)> {
        messages::send_json(self.socket.as_fd(), make, &[channel.as_fd()])?;
        messages::receive_json(self.socket.as_fd())
    }
}

impl Maker {
    /// Starts it.
    pub fn start(program: &MakerProgram) -> Result<Self, MakeError> {
        let running = Running::start(program)?;
        let groups = if rustix::process::geteuid().is_root() {
            SupplementaryGroups::GivenUp
        } else {
            SupplementaryGroups::Kept
        };
        Ok(Self {
            program: program.clone(),
            running: Mutex::new(running),
            groups,
        })
    }

    /// Makes a sandbox, in a few milliseconds, during which it blocks.
    ///
    /// # Errors
    /// [`MakeError::Refused`]: a step failed, named with what it was about.
    pub fn make(&self, plan: Plan, supervision: &Supervision) -> Result<Sandbox, MakeError> {
        self.make_for(Use::Now, plan, supervision)
    }

    /// Makes a sandbox that nobody uses yet, as far as that can be done: what else it shows, and the size of its `/tmp`,
    /// are said when it is used. Blocks as [`Self::make`] does.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn make_spare(
        &self,
        plan: Plan,
        supervision: &Supervision,
    ) -> Result<SpareSandbox, MakeError> {
        let made = self.make_for(Use::Later, plan, supervision);
        made.map(SpareSandbox::new)
    }

    fn make_for(
        &self,
        use_of_it: Use,
        plan: Plan,
        supervision: &Supervision,
    ) -> Result<Sandbox, MakeError> {
        let (ours, theirs) = messages::pair().map_err(MakeError::Gone)?;
        set_socket_timeout(&ours, Timeout::Recv, Some(ANSWER_WAIT_MAX))
            .map_err(|error| MakeError::Gone(error.into()))?;
        let name = plan.name.clone();
        let refused = |source| MakeError::Refused {
            name: name.clone(),
            source,
        };
        let mut make = Make { plan, use_of_it };
        let (made, mut pidfds) = self.ask(&make, &theirs)?;
        drop(theirs);
        let (pid, pidfd) = match (made, pidfds.pop()) {
            (Made::Forked { pid, outside }, Some(pidfd)) => {
                make.plan.outside = outside;
                (pid, pidfd)
            }
            (Made::Failed(fault), _) => return Err(refused(fault)),
            (Made::Forked { .. }, None) => {
                return Err(MakeError::Gone(io::ErrorKind::InvalidData.into()));
            }
        };
        // From here on a failure drops the pidfd and the socket, and at the latest with that the nanny ends.
        let (ready, listeners) =
            messages::receive_json::<Ready>(ours.as_fd()).map_err(MakeError::Gone)?;
        let listening = match ready {
            Ready::Whole { listening } => listening,
            Ready::Failed(fault) => return Err(refused(fault)),
        };
        let namespace =
            user_namespace(pid).ok_or_else(|| MakeError::Gone(io::ErrorKind::NotFound.into()))?;
        let nanny = (namespace, pidfd);
        let made = listening
            .iter()
            .zip(&make.plan.listeners)
            .filter(|(made, _)| **made);
        let listeners = made.map(|(_, listen)| *listen).zip(listeners).collect();
        Ok(Sandbox::new(
            make.plan,
            nanny,
            ours,
            listeners,
            self.groups,
            supervision,
        ))
    }

    /// Asks the process, or the next one if it has ended.
    fn ask(&self, make: &Make, channel: &OwnedFd) -> Result<(Made, Vec<OwnedFd>), MakeError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match running.ask(make, channel) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let kind = error.kind();
        if matches!(
            kind,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
        ) {
            *running = Running::start(&self.program)?;
            return running.ask(make, channel).map_err(MakeError::Gone);
        }
        if kind == ErrorKind::WouldBlock {
            // The answer may still come, and would be taken for that to the next question.
            let next = Running::start(&self.program)?;
            let mut stuck = std::mem::replace(&mut *running, next);
            stuck.stuck = None;
            running.stuck = Some(Box::new(stuck));
        }
        Err(MakeError::Gone(error))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails only when it has ended, which is what was wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The maker's whole life. For `main`, before any thread is started, when the last argument is [`MAKER_ARGUMENT`].
pub fn run_as_maker() -> ! {
    processes::set_name(c"sandbox-maker");
    processes::ignore_children();
    let stdin = io::stdin();
    let socket = stdin.as_fd();
    // A socket that is closed, or broken, has nobody behind it who wants a sandbox.
    while let Ok((make, channels)) = messages::receive_json::<Make>(socket) {
        let (made, pidfd) = match channels.into_iter().next() {
            Some(channel) => match fork(&make, channel) {
                Ok((pid, pidfd, outside)) => (Made::Forked { pid, outside }, Some(pidfd)),
                Err(fault) => (Made::Failed(fault), None),
            },
            None => (
                Made::Failed(Fault {
                    step: "no channel".to_owned(),
                    error: libc::EPROTO,
                }),
                None,
            ),
        };
        let attached: Vec<_> = pidfd.iter().map(OwnedFd::as_fd).collect();
        if messages::send_json(socket, &made, &attached).is_err() {
            break;
        }
    }
    processes::leave(0)
}

fn fork(make: &Make, channel: OwnedFd) -> Result<(i32, OwnedFd, Option<OutsideIds>), Fault> {
    let views = take_views(&make.plan)?;
    let outside = views.as_ref().map(|views| views.ids);
    let (gate, key) = io::pipe().map_err(|error| Fault::of("make a pipe", &error))?;
    let forked = processes::fork_into(SANDBOX_NAMESPACES)
        .map_err(|error| Fault::of("fork into new namespaces", &error))?;
    match forked {
        Fork::Child => {
            drop(key);
            let trees = views.map(|views| views.trees);
            keep_only(&gate, &channel, trees.as_deref().unwrap_or_default());
            nanny::run(make, channel, trees, || {
                let mut gate = &gate;
                gate.read_exact(&mut [0])
            })
        }
        Fork::Parent { pid, pidfd } => {
            // If this fails the gate is closed unopened, and the nanny ends.
            map_ids(pid, outside)?;
            let mut key = key;
            key.write_all(&[1])
                .map_err(|error| Fault::of("open the gate", &error))?;
            Ok((pid, pidfd, outside))
        }
    }
}

/// What is shown, as root: nobody else can map its owners' ids.
fn take_views(plan: &Plan) -> Result<Option<Views>, Fault> {
    let given = plan
        .outside
        .filter(|_| rustix::process::geteuid().is_root());
    given.map(|ids| views::take(&plan.shown, ids)).transpose()
}

/// The standard streams lead nowhere, and nothing else is left: above all, no socket on which we ask the maker.
fn keep_only(gate: &io::PipeReader, channel: &OwnedFd, trees: &[OwnedFd]) {
    if processes::place(io::stdout().as_raw_fd(), 0).is_err() {
        processes::leave(1);
    }
    let mut numbers = vec![0, 1, 2, gate.as_raw_fd(), channel.as_raw_fd()];
    numbers.extend(trees.iter().map(OwnedFd::as_raw_fd));
    numbers.sort_unstable();
    processes::close_all_but(&numbers);
}

/// One id of ours is one id inside; nothing else exists there.
fn map_ids(pid: i32, outside: Option<OutsideIds>) -> Result<(), Fault> {
    let own = OutsideIds {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    };
    let is_root = own.uid == 0;
    let outside = outside.unwrap_or(own);
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/{pid}/{file}"), text)
            .map_err(|error| Fault::of(format!("write `{file}` of a new process"), &error))
    };
    if !is_root {
        // The kernel demands it of an ordinary user: giving up a group could open what the group is kept from.
        write("setgroups", "deny".to_owned())?;
    }
    write("uid_map", format!("{INSIDE_UID} {} 1", outside.uid))?;
    write("gid_map", format!("{INSIDE_GID} {} 1", outside.gid))
}
