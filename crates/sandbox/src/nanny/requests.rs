//! What a nanny does when asked, for as long as anybody can ask.
//!
//! Lives here: its loop, sockets, the `/tmp` of an instance, programs and how they ended.
//! Does not live here: deciding any of it: we outside do, and nobody inside has an end of this channel.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::io::{self, Write as _};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::root::{self, InTmp};
use super::{Spare, State, copies, listeners};
use crate::entry::{self, Order, Step};
use crate::orders::{Answer, Execute, Fault, INSIDE_GID, INSIDE_UID, INSTANCE_TMP, Request, Shown};
use crate::system::processes::{self, Ending, Fork};
use crate::system::{messages, mounts};

/// Bytes that say how a program ended: 0 and a status, or 1 and a signal.
pub(crate) const ENDING_BYTES: usize = 5;

/// How often an instance's processes are looked for and killed. Each round costs one that forks all it has made.
const SWEEPS_MAX: usize = 1_000;
/// After so many rounds there is a pause between them: much memory takes the kernel long to give back.
const SWEEPS_AT_ONCE: usize = 20;
const SWEEP_PAUSE: Duration = Duration::from_millis(1);

/// What comes of a request.
enum Outcome {
    Done,
    Socket(OwnedFd),
}

struct Nanny<'a> {
    channel: &'a OwnedFd,
    /// Its own mount namespace, to come back to.
    home: OwnedFd,
    /// `/proc`, for writing; nothing of a sandbox that is not in use.
    processes: Option<OwnedFd>,
    /// What every `/tmp` shows of the host's.
    in_tmp: Vec<InTmp>,
    /// Of a sandbox that was made ahead, until somebody uses it.
    spare: Option<Spare>,
    /// Programs, and whom to tell how they ended.
    programs: HashMap<i32, UnixStream>,
    /// The namespaces that programs share: the first makes them.
    shared: Option<Namespaces>,
    /// User namespaces of instances, by their numbers, until they are swept. A number that is free is given to the next
    /// namespace: whoever sweeps would end another instance.
    held: HashMap<u64, OwnedFd>,
}

/// What programs have besides the namespaces of the sandbox: `/tmp` is there, and processes are counted there.
struct Namespaces {
    user: OwnedFd,
    mounts: OwnedFd,
}

pub(super) fn serve(channel: &OwnedFd, state: State) -> io::Result<()> {
    let ended = processes::children_ended()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let home = rustix::fs::open("/proc/self/ns/mnt", flags, Mode::empty())?;
    let mut nanny = Nanny {
        channel,
        home,
        processes: None,
        in_tmp: Vec::new(),
        spare: None,
        programs: HashMap::new(),
        shared: None,
        held: HashMap::new(),
    };
    match state {
        State::Whole(built) => nanny.move_in(built),
        State::Spare(spare) => nanny.spare = Some(spare),
    }
    loop {
        let mut ready = [
            PollFd::new(channel, PollFlags::IN),
            PollFd::new(&ended, PollFlags::IN),
        ];
        rustix::io::retry_on_intr(|| poll(&mut ready, None))?;
        let [asked, collectable] = ready.map(|one| !one.revents().is_empty());
        if collectable {
            // One signal stands for any number of children.
            let _ = rustix::io::read(&ended, &mut [0u8; 128]);
            nanny.collect();
        }
        if asked && !nanny.answer()? {
            return Ok(());
        }
    }
}

impl Nanny<'_> {
    /// Everything that ended: programs of ours, and orphans of theirs.
    fn collect(&mut self) {
        while let Some((pid, ending)) = processes::collect() {
            if let Some(mut watcher) = self.programs.remove(&pid) {
                let (how, value) = match ending {
                    Ending::Status(status) => (0, status),
                    Ending::Signal(signal) => (1, signal),
                };
                let mut message = [how; ENDING_BYTES];
                if let Some(rest) = message.get_mut(1..) {
                    rest.copy_from_slice(&value.to_ne_bytes());
                }
                // Whoever watched may have gone.
                let _ = watcher.write_all(&message);
            }
        }
    }

    /// One request. False when nobody will ask any more.
    fn answer(&mut self) -> io::Result<bool> {
        let Some(received) = messages::receive(self.channel.as_fd())? else {
            return Ok(false);
        };
        let request = serde_json::from_slice(&received.bytes)?;
        let (result, socket) = match self.carry_out(request, received.descriptors) {
            Ok(Outcome::Socket(socket)) => (Answer::Done, Some(socket)),
            Ok(Outcome::Done) => (Answer::Done, None),
            Err(fault) => (Answer::Failed(fault), None),
        };
        let attached: Vec<_> = socket.iter().map(OwnedFd::as_fd).collect();
        messages::send_json(self.channel.as_fd(), &result, &attached)?;
        Ok(true)
    }

    fn carry_out(&mut self, request: Request, attached: Vec<OwnedFd>) -> Result<Outcome, Fault> {
        match request {
            Request::Socket { family, kind } => {
                let socket = listeners::socket(family, kind);
                socket
                    .map(Outcome::Socket)
                    .map_err(|error| Fault::of("make a socket", &error))
            }
            Request::Furnish {
                shown,
                tmp_bytes_max,
            } => {
                self.furnish(&shown, attached, tmp_bytes_max)?;
                Ok(Outcome::Done)
            }
            Request::Tmp { bytes_max } => {
                let pidfd = attached.first().ok_or_else(nothing_attached)?;
                self.mount_tmp(pidfd, bytes_max)?;
                self.hold(pidfd)?;
                Ok(Outcome::Done)
            }
            Request::Sweep { namespace } => {
                self.sweep(namespace)?;
                self.held.remove(&namespace);
                Ok(Outcome::Done)
            }
            Request::Execute(execute) => {
                self.execute(*execute, attached)?;
                Ok(Outcome::Done)
            }
        }
    }

    /// What fails leaves half a sandbox: whoever asked for it ends that.
    fn furnish(
        &mut self,
        shown: &[Shown],
        trees: Vec<OwnedFd>,
        tmp_bytes_max: u64,
    ) -> Result<(), Fault> {
        let Spare { shell, picker } = self.spare.take().ok_or_else(out_of_turn)?;
        let parts = match &picker {
            Some(picker) => picker.pick(shown)?,
            None => root::picked(shown, trees)?,
        };
        self.move_in(root::furnish(shell, parts, tmp_bytes_max)?);
        // Not before, since the end of its mounts would hold up ours; nobody's code is in yet.
        drop(picker);
        Ok(())
    }

    fn move_in(&mut self, built: root::Built) {
        self.processes = Some(built.processes);
        self.in_tmp = built.in_tmp;
    }

    fn processes(&self) -> Result<&OwnedFd, Fault> {
        self.processes.as_ref().ok_or_else(out_of_turn)
    }

    /// A fresh `/tmp` in the mount namespace that a process has just made for itself.
    ///
    /// The file system is made in the nanny's user namespace, so it has an owner there; the nanny goes to the other
    /// mount namespace, which is below its own, attaches it and comes back. The ids of the instance's user namespace
    /// are written here too: only its parent's capabilities may.
    fn mount_tmp(&self, pidfd: &OwnedFd, bytes_max: u64) -> Result<(), Fault> {
        let pid = number_inside(pidfd)?;
        let processes = self.processes()?;
        let write = |file: &str, text: &str| {
            write_process_file(processes, &format!("{pid}/{file}"), text)
                .map_err(|error| Fault::of(format!("write `{file}` of an instance"), &error))
        };
        let tmp = root::tmp(bytes_max).map_err(|error| Fault::of("make `/tmp`", &error))?;
        write("setgroups", "deny")?;
        write("uid_map", &format!("{INSIDE_UID} {INSIDE_UID} 1"))?;
        write("gid_map", &format!("{INSIDE_GID} {INSIDE_GID} 1"))?;
        let copied = copies::copy(Path::new(INSTANCE_TMP), tmp.as_fd());
        copied.map_err(|error| Fault::of("copy what init left in `/tmp`", &error))?;
        let shown = self.in_tmp.iter().map(|one| one.copy_for(tmp.as_fd()));
        let shown = shown.collect::<io::Result<Vec<_>>>();
        let shown = shown.map_err(|error| Fault::of("show what lies in `/tmp`", &error))?;
        mounts::join_mounts(pidfd.as_fd())
            .map_err(|error| Fault::of("go to an instance's mounts", &error))?;
        let attached = mounts::attach(tmp.as_fd(), Path::new(INSTANCE_TMP)).and_then(|()| {
            let mut attached = shown
                .iter()
                .map(|(copy, at)| mounts::attach_to(copy.as_fd(), at.as_fd()));
            attached.find(Result::is_err).unwrap_or(Ok(()))
        });
        if mounts::join_mounts(self.home.as_fd()).is_err() {
            // It would serve the next one from the wrong place.
            processes::leave(1);
        }
        attached.map_err(|error| Fault::of("attach `/tmp`", &error))
    }

    /// Kills all that is in a user namespace. What is killed may just have forked, so it is looked at again.
    fn sweep(&mut self, namespace: u64) -> Result<(), Fault> {
        let fault = |error: rustix::io::Errno| Fault::of("look at the processes", &error.into());
        let processes = self.processes()?.try_clone();
        let processes = processes.map_err(|error| Fault::of("look at the processes", &error))?;
        for round in 0..SWEEPS_MAX {
            let mut is_clean = true;
            // Opened anew: a folder that was read to its end stays there.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder =
                rustix::fs::openat(&processes, ".", flags, Mode::empty()).map_err(fault)?;
            for entry in rustix::fs::Dir::new(folder).map_err(fault)?.flatten() {
                let Some(pid) = entry
                    .file_name()
                    .to_str()
                    .ok()
                    .and_then(|name| name.parse().ok())
                else {
                    continue;
                };
                let found =
                    rustix::fs::statat(&processes, format!("{pid}/ns/user"), AtFlags::empty());
                if found.is_ok_and(|found| found.st_ino == namespace) {
                    is_clean = false;
                    // It fails only when it has ended meanwhile.
                    let _ = rustix::process::Pid::from_raw(pid).map(|pid| {
                        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
                    });
                }
            }
            if is_clean {
                return Ok(());
            }
            // One that is ending is found until its memory is given back and it is collected.
            if SWEEPS_AT_ONCE <= round {
                std::thread::sleep(SWEEP_PAUSE);
            }
            self.collect();
        }
        Err(Fault {
            step: "end all processes of an instance".to_owned(),
            error: libc::EBUSY,
        })
    }

    fn namespaces_of(&self, pidfd: &OwnedFd) -> Result<Namespaces, Fault> {
        Ok(Namespaces {
            user: self.namespace_of(pidfd, "user")?,
            mounts: self.namespace_of(pidfd, "mnt")?,
        })
    }

    fn namespace_of(&self, pidfd: &OwnedFd, name: &str) -> Result<OwnedFd, Fault> {
        let path = format!("{}/ns/{name}", number_inside(pidfd)?);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(self.processes()?, path, flags, Mode::empty())
            .map_err(|error| Fault::of("hold a process's namespaces", &error.into()))
    }

    fn hold(&mut self, pidfd: &OwnedFd) -> Result<(), Fault> {
        let namespace = self.namespace_of(pidfd, "user")?;
        let found = rustix::fs::fstat(&namespace)
            .map_err(|error| Fault::of("hold a process's namespaces", &error.into()))?;
        self.held.insert(found.st_ino, namespace);
        Ok(())
    }

    fn execute(&mut self, execute: Execute, attached: Vec<OwnedFd>) -> Result<(), Fault> {
        let mut attached = attached.into_iter();
        let (Some(ticket), Some(end)) = (attached.next(), attached.next()) else {
            return Err(nothing_attached());
        };
        let entrances: Vec<OwnedFd> = attached.by_ref().take(execute.entrances).collect();
        let kept: Vec<OwnedFd> = attached.collect();
        let (gate, key) = io::pipe().map_err(|error| Fault::of("make a pipe", &error))?;
        let (ready, say) = io::pipe().map_err(|error| Fault::of("make a pipe", &error))?;
        let forked = processes::fork_into(0).map_err(|error| Fault::of("fork", &error))?;
        match forked {
            Fork::Child => {
                drop((key, ready, end));
                for entrance in entrances {
                    entry::go_in(entrance.into_raw_fd());
                }
                let mut told_at = ticket.as_raw_fd();
                // Closed on the way by their numbers, and so never by their owners.
                let gate = ManuallyDrop::new(OwnedFd::from(gate));
                let say = ManuallyDrop::new(OwnedFd::from(say));
                let shared = self.shared.as_ref();
                let failure = become_program(&execute, &mut told_at, kept, (&gate, &say), shared);
                entry::fail(told_at, failure);
                processes::leave(127)
            }
            Fork::Parent { pid, pidfd } => {
                drop((gate, say, kept, ticket, entrances));
                self.programs.insert(pid, UnixStream::from(end));
                // If this fails the program's gate closes unopened, and it ends.
                wait_for_byte(&ready.into())
                    .map_err(|error| Fault::of("wait for a program's namespaces", &error))?;
                if self.shared.is_none() {
                    self.mount_tmp(&pidfd, execute.tmp_bytes_max)?;
                    self.shared = Some(self.namespaces_of(&pidfd)?);
                }
                let mut key = key;
                key.write_all(&[1])
                    .map_err(|error| Fault::of("open a program's gate", &error))
            }
        }
    }
}

/// In a child of the nanny: takes its namespaces, locks itself in, and becomes the program. Returns only what failed,
/// with the number at which the ticket is by then.
fn become_program(
    execute: &Execute,
    ticket: &mut RawFd,
    kept: Vec<OwnedFd>,
    gate: (&OwnedFd, &OwnedFd),
    shared: Option<&Namespaces>,
) -> entry::Failure {
    match prepare_program(execute, ticket, kept, gate, shared) {
        Ok((program, arguments, variables)) => {
            let error = processes::execute(&program, &arguments, &variables);
            (Step::Execute, error.raw_os_error().unwrap_or(libc::EIO))
        }
        Err(failure) => failure,
    }
}

type Executable = (CString, Vec<CString>, Vec<CString>);

fn prepare_program(
    execute: &Execute,
    ticket: &mut RawFd,
    kept: Vec<OwnedFd>,
    (gate, say): (&OwnedFd, &OwnedFd),
    shared: Option<&Namespaces>,
) -> Result<Executable, entry::Failure> {
    let failed = |step| move |error: io::Error| (step, error.raw_os_error().unwrap_or(libc::EIO));
    let text =
        |bytes: &Vec<u8>| CString::new(bytes.clone()).map_err(|_| (Step::Order, libc::EINVAL));
    let program = text(&execute.program.as_os_str().as_bytes().to_vec())?;
    let arguments = execute
        .arguments
        .iter()
        .map(text)
        .collect::<Result<Vec<_>, _>>()?;
    let variables = execute
        .variables
        .iter()
        .map(text)
        .collect::<Result<Vec<_>, _>>()?;
    let order = Order::read(&execute.order).ok_or((Step::Order, libc::EPROTO))?;
    match shared {
        None => processes::unshare(entry::INSTANCE_NAMESPACES).map_err(failed(Step::Unshare))?,
        // The user namespace first: only in it may this process go to the other.
        Some(shared) => mounts::join_user(shared.user.as_fd())
            .and_then(|()| mounts::join_mounts(shared.mounts.as_fd()))
            .map_err(failed(Step::Join))?,
    }
    rustix::io::write(say, &[1]).map_err(|error| (Step::Tmp, error.raw_os_error()))?;
    wait_for_byte(gate).map_err(failed(Step::Tmp))?;
    rustix::process::chdir(&execute.directory)
        .map_err(|error| (Step::Execute, error.raw_os_error()))?;
    place_descriptors(kept, ticket).map_err(failed(Step::Order))?;
    processes::unblock_signals();
    entry::confine(&order, *ticket)?;
    Ok((program, arguments, variables))
}

/// Puts what a program is to have at 0, 1, 2 and so on, and closes everything else but the ticket: above all, what the
/// nanny itself has open.
fn place_descriptors(kept: Vec<OwnedFd>, ticket: &mut RawFd) -> io::Result<()> {
    let first_free = kept.len() as RawFd;
    // Numbers from here on: nobody may close by its owner what is closed below.
    let numbers: Vec<RawFd> = kept.into_iter().map(IntoRawFd::into_raw_fd).collect();
    // First above all those numbers, so that placing one never closes another.
    *ticket = processes::lift(*ticket, first_free)?;
    let lifted = numbers
        .into_iter()
        .map(|number| processes::lift(number, first_free));
    for (number, descriptor) in lifted
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .enumerate()
    {
        processes::place(descriptor, number as RawFd)?;
    }
    let open: Vec<RawFd> = (0..first_free).chain([*ticket]).collect();
    processes::close_all_but(&open);
    Ok(())
}

fn wait_for_byte(from: &OwnedFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::io::read(from, &mut [0u8; 1]))? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The number, in this namespace, of the process that a pidfd stands for.
fn number_inside(pidfd: &OwnedFd) -> Result<i32, Fault> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = fs::read_to_string(path).map_err(|error| Fault::of("look at a process", &error))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    line.and_then(|number| number.trim().parse().ok())
        .filter(|number| 0 < *number)
        .ok_or(Fault {
            step: "find an instance".to_owned(),
            error: libc::ESRCH,
        })
}

fn write_process_file(processes: &OwnedFd, name: &str, text: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(processes, name, flags, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes())?;
    Ok(())
}

/// It was asked for what a sandbox can do only before, or only after, it is furnished.
fn out_of_turn() -> Fault {
    Fault {
        step: "use a sandbox in its turn".to_owned(),
        error: libc::EPROTO,
    }
}

fn nothing_attached() -> Fault {
    Fault {
        step: "take what a request came with".to_owned(),
        error: libc::EPROTO,
    }
}
