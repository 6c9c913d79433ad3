//! What the supervising threads need of a sandbox, and what outlives it for as long as calls of its processes wait.
//!
//! Lives here: asking the nanny, who may make namespaces of its own, which namespaces instances have.
//! Does not live here: the sandbox as its owner holds it (`sandbox`).

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::process::Signal;

use super::EntryError;
use crate::egress::Egress;
use crate::groups::Entrance;
use crate::orders::{Answer, Family, Fault, Request, SocketKind};
use crate::supervision::Worker;
use crate::system::messages;

/// Instances of one template that may be on their way to a `/tmp` at once.
const INSTANCES_EXPECTED_MAX: usize = 1_024;
/// Forks that were kept ahead and have ended, to be swept away with the next request. No more are replaced before that.
const LOST_MAX: usize = 8;
/// How many are looked through for those that have ended on their way.
const ARRIVALS_SWEPT_MIN: usize = 64;
/// Connections to sockets that are files, being made at once by one sandbox. Whoever listens may let them wait.
const FILE_CONNECTIONS_MAX: usize = 16;

/// Makes the group of an instance, by its number, before any code of it runs; nothing where there are none. An error ends
/// the instance.
pub type OnInstance = dyn Fn(i32) -> std::io::Result<Option<Entrance>> + Send + Sync;

/// What the supervising threads need of a sandbox.
pub(crate) struct Inside {
    pidfd: OwnedFd,
    channel: Mutex<OwnedFd>,
    tmp_bytes_max: AtomicU64,
    /// The nanny's own: a template's, too.
    user_namespace: u64,
    expected: Mutex<Expected>,
    /// Those that have a `/tmp`, with their user namespaces, until they are swept away.
    instances: Mutex<HashMap<i32, u64>>,
    egress: OnceLock<Arc<Egress>>,
    /// Who makes the groups of instances.
    on_instance: OnceLock<Box<OnInstance>>,
    /// For what would hold up others.
    worker: Worker,
    /// Held once for each connection that is being made.
    file_connections: Arc<()>,
}

/// Who may make namespaces of its own.
#[derive(Default)]
struct Expected {
    /// Forks that were ordered of a template, by its number, and have not come yet.
    ordered: HashMap<i32, usize>,
    /// Processes that have made them, and are not instances yet.
    arriving: HashMap<i32, Arrival>,
    /// Those that have made them and that nobody has asked for yet, with their templates: the forks that are kept ahead.
    ahead: HashMap<i32, i32>,
    /// Those of them that have ended, and are still to be swept away.
    lost: Vec<i32>,
    /// Those that somebody has asked for, and that have not made them yet.
    asked_for: HashSet<i32>,
}

/// How far a process has come on its way to being an instance.
enum Arrival {
    /// It has namespaces of its own.
    Unshared,
    /// It was shown into its group.
    ShownIn(Entrance),
    /// It has its `/tmp` besides; or why not.
    Furnished(Entrance, Result<(), Fault>),
}

/// What a process that arrives is to do.
pub(crate) enum Arriving {
    /// It is an instance.
    Here,
    /// It is to go in by these files, and then to ask again. Meanwhile it gets its `/tmp`.
    GoIn(Vec<OwnedFd>),
}

impl Inside {
    pub(super) fn new(
        (user_namespace, pidfd): (u64, OwnedFd),
        channel: OwnedFd,
        tmp_bytes_max: u64,
    ) -> Self {
        Self {
            pidfd,
            channel: Mutex::new(channel),
            tmp_bytes_max: AtomicU64::new(tmp_bytes_max),
            user_namespace,
            expected: Mutex::default(),
            instances: Mutex::default(),
            egress: OnceLock::new(),
            on_instance: OnceLock::new(),
            worker: Worker::default(),
            file_connections: Arc::default(),
        }
    }

    pub(super) fn nanny(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    pub(super) fn nanny_pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Kills all that is inside, and ends what we do for it.
    pub(super) fn end(&self) {
        // It fails only when the nanny has ended, and all with it.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        // What is under way holds both, and would keep them for ever.
        self.worker.close();
        if let Some(egress) = self.egress() {
            egress.close();
        }
    }

    /// Has all traffic to the outside go this way.
    pub(super) fn open_network(&self, egress: Arc<Egress>) {
        // A second one is a mistake without consequence: the first stays.
        let _ = self.egress.set(egress);
    }

    /// The size of an instance's `/tmp`, from now on.
    pub(super) fn bound_tmp(&self, bytes_max: u64) {
        self.tmp_bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Has a group made for each instance.
    pub(super) fn meet_instances(&self, meet: Box<OnInstance>) {
        // A second one is a mistake without consequence: the first stays.
        let _ = self.on_instance.set(meet);
    }

    /// One child of a template may become an instance, and one for each that has ended before anybody asked for it. Such
    /// are given, once.
    pub(super) fn expect(&self, template: i32) -> Result<Vec<i32>, EntryError> {
        let mut expected = self.expected();
        expected.let_replace_lost(template);
        let ordered = expected.ordered.entry(template).or_default();
        if INSTANCES_EXPECTED_MAX <= *ordered {
            return Err(EntryError::Busy);
        }
        *ordered += 1;
        Ok(std::mem::take(&mut expected.lost))
    }

    /// Somebody has asked for an instance, and will have it swept away.
    pub(super) fn know(&self, number: i32) {
        let mut expected = self.expected();
        if expected.ahead.remove(&number).is_none() {
            expected.asked_for.insert(number);
        }
    }

    /// A child of a template that was let become an instance was not made.
    pub(super) fn expect_one_less(&self, template: i32) {
        if let Some(ordered) = self.expected().ordered.get_mut(&template) {
            *ordered = ordered.saturating_sub(1);
        }
    }

    /// Remembers which user namespace is an instance's.
    pub(super) fn note_instance(&self, number: i32) {
        if let Some(user_namespace) = user_namespace(number) {
            self.instances().insert(number, user_namespace);
        }
    }

    /// Ends all that is left of an instance.
    pub(super) fn sweep(&self, instance: i32) -> Result<(), Fault> {
        self.expected().asked_for.remove(&instance);
        let Some(namespace) = self.instances().remove(&instance) else {
            return Ok(());
        };
        self.ask(&Request::Sweep { namespace }, &[]).map(|_| ())
    }

    /// Asks the nanny, and gives what socket it answered with.
    pub(crate) fn ask(
        &self,
        request: &Request,
        attached: &[BorrowedFd<'_>],
    ) -> Result<Option<OwnedFd>, Fault> {
        match self.exchange(request, attached)? {
            (Answer::Done, sockets) => Ok(sockets.into_iter().next()),
            (Answer::Failed(fault), _) => Err(fault),
        }
    }

    fn exchange(
        &self,
        request: &Request,
        attached: &[BorrowedFd<'_>],
    ) -> Result<(Answer, Vec<OwnedFd>), Fault> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let exchanged = messages::send_json(channel.as_fd(), request, attached)
            .and_then(|()| messages::receive_json(channel.as_fd()));
        exchanged.map_err(|error| {
            // An answer that comes late would be taken for the next one's: nothing can be asked any more.
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
            Fault::of("ask the sandbox", &error)
        })
    }

    /// A socket of its network.
    pub(crate) fn socket(&self, family: Family, kind: SocketKind) -> Result<OwnedFd, Fault> {
        let made = self.ask(&Request::Socket { family, kind }, &[])?;
        made.ok_or_else(unexpected)
    }

    /// Room for one more connection to a file, for as long as it is held.
    pub(crate) fn file_connections(&self) -> Option<Arc<()>> {
        (Arc::strong_count(&self.file_connections) <= FILE_CONNECTIONS_MAX)
            .then(|| self.file_connections.clone())
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    pub(crate) fn egress(&self) -> Option<&Arc<Egress>> {
        self.egress.get()
    }

    /// Whether a process may make namespaces of its own: it is a child of a template that was told to fork, and not of
    /// an instance's making: those are in user namespaces of their own already.
    pub(crate) fn may_unshare(&self, process: i32) -> bool {
        if user_namespace(process) != Some(self.user_namespace) {
            return false;
        }
        let Some(parent) = parent_of(process) else {
            return false;
        };
        let mut expected = self.expected();
        if ARRIVALS_SWEPT_MIN <= expected.arriving.len() {
            // Some may have ended on their way.
            let lives = |number: &i32, _: &mut Arrival| user_namespace(*number).is_some();
            expected.arriving.retain(lives);
        }
        if INSTANCES_EXPECTED_MAX <= expected.arriving.len() {
            return false;
        }
        if !expected.take_order(parent) {
            expected.let_replace_lost(parent);
            if !expected.take_order(parent) {
                return false;
            }
        }
        if !expected.asked_for.remove(&process) {
            expected.ahead.insert(process, parent);
        }
        expected.arriving.insert(process, Arrival::Unshared);
        true
    }

    /// Whether a process was let make them, and is not an instance yet.
    pub(crate) fn is_arriving(&self, process: i32) -> bool {
        self.expected().arriving.contains_key(&process)
    }

    /// Has a process go on on its way: first into its group, if there is a way in, while it gets its `/tmp`; then on.
    pub(crate) fn arrive(&self, number: i32, process: &OwnedFd) -> Result<Arriving, Fault> {
        let arrival = self.expected().arriving.remove(&number);
        let entrance = match arrival {
            Some(Arrival::Unshared) => self.make_group(number)?,
            Some(Arrival::Furnished(entrance, furnished)) => {
                furnished?;
                return Self::see_in(&entrance, number);
            }
            // It asks twice at once.
            Some(Arrival::ShownIn(_)) | None => return Err(unexpected()),
        };
        let Some(entrance) = entrance else {
            self.mount_tmp(number, process)?;
            return Ok(Arriving::Here);
        };
        let files = entrance.files();
        if files.is_empty() {
            self.mount_tmp(number, process)?;
            return Self::see_in(&entrance, number);
        }
        let shown_in = Arrival::ShownIn(entrance);
        self.expected().arriving.insert(number, shown_in);
        Ok(Arriving::GoIn(files))
    }

    /// Gives a process its `/tmp` that goes into its group meanwhile.
    pub(crate) fn furnish(&self, number: i32, process: &OwnedFd) {
        let furnished = self.mount_tmp(number, process);
        let mut expected = self.expected();
        if let Some(Arrival::ShownIn(entrance)) = expected.arriving.remove(&number) {
            let furnished = Arrival::Furnished(entrance, furnished);
            expected.arriving.insert(number, furnished);
        }
    }

    fn make_group(&self, number: i32) -> Result<Option<Entrance>, Fault> {
        let Some(meet) = self.on_instance.get() else {
            return Ok(None);
        };
        meet(number).map_err(|error| Fault::of("make an instance's group", &error))
    }

    /// It may not have gone in, or not alone.
    fn see_in(entrance: &Entrance, number: i32) -> Result<Arriving, Fault> {
        let seen = entrance.ensure(number);
        seen.map_err(|error| Fault::of("bound what an instance takes", error.reason()))?;
        Ok(Arriving::Here)
    }

    fn mount_tmp(&self, number: i32, process: &OwnedFd) -> Result<(), Fault> {
        let request = Request::Tmp {
            bytes_max: self.tmp_bytes_max.load(Ordering::Relaxed),
        };
        self.ask(&request, &[process.as_fd()])?;
        self.note_instance(number);
        Ok(())
    }

    fn instances(&self) -> MutexGuard<'_, HashMap<i32, u64>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expected {
    /// Uses up one order of a template, if there is one.
    fn take_order(&mut self, template: i32) -> bool {
        let Some(ordered) = self.ordered.get_mut(&template) else {
            return false;
        };
        let had = 0 < *ordered;
        *ordered = ordered.saturating_sub(1);
        if *ordered == 0 {
            self.ordered.remove(&template);
        }
        had
    }

    /// Orders another for each fork that a template kept ahead and that has ended.
    fn let_replace_lost(&mut self, template: i32) {
        let room = LOST_MAX.saturating_sub(self.lost.len());
        let ahead = self.ahead.iter();
        let lost: Vec<i32> = ahead
            .filter(|(number, of)| **of == template && has_ended(**number))
            .map(|(number, _)| *number)
            .take(room)
            .collect();
        for number in lost {
            self.ahead.remove(&number);
            self.arriving.remove(&number);
            *self.ordered.entry(template).or_default() += 1;
            self.lost.push(number);
        }
    }
}

pub(crate) fn user_namespace(process: i32) -> Option<u64> {
    let found = std::fs::metadata(format!("/proc/{process}/ns/user")).ok()?;
    Some(std::os::unix::fs::MetadataExt::ino(&found))
}

fn parent_of(process: i32) -> Option<i32> {
    look(process)?.1.parse().ok()
}

/// Also one that is not collected.
fn has_ended(process: i32) -> bool {
    look(process).is_none_or(|(state, _)| matches!(state.as_str(), "Z" | "X"))
}

/// A process's state and the number of its parent.
fn look(process: i32) -> Option<(String, String)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let mut words = after_name.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.next()?))
}

fn unexpected() -> Fault {
    Fault {
        step: "understand the sandbox".to_owned(),
        error: libc::EPROTO,
    }
}
