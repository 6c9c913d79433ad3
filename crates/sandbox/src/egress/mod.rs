//! The way out of a sandbox: a listener inside for each address that somebody wants, and a relay behind it.
//!
//! Lives here: which listeners are there, when one is made and closed.
//! Does not live here: the decision about an address (`policy`), connections (`streams`), datagrams (`datagrams`).
//!
//! Inside, every address in the world is local. A process that connects to one reaches a socket of ours, which knows
//! the address that was really meant, asks the policy, and carries the bytes. The process never holds a socket of the
//! host: such a socket could be disconnected and used again for another address.

mod datagrams;
mod pace;
mod streams;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::orders::{Family, Listen, SocketKind};
use crate::policy::{Policy, Verdict};
use crate::sandbox::Inside;
use pace::Pace;

/// Addresses that one sandbox may have a way to at once. When it is reached the longest idle one is closed.
const LISTENERS_MAX: usize = 512;
/// How long an address keeps its way after it was last wanted.
const LISTENER_IDLE_MAX: Duration = Duration::from_secs(60);
/// A way that was wanted so lately is not closed to make room: the kernel may be on it.
const LISTENER_YOUNG: Duration = Duration::from_secs(2);
/// How long a connection to the host's own loopback may take to be made or refused.
const LOOPBACK_WAIT_MAX: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};
/// Ways that one sandbox may have made at once, and then in a second: each takes a look at the host's network, and its nanny.
const WAYS_AT_ONCE: u32 = 256;
const WAYS_PER_SECOND: u32 = 200;
/// Connections that are made outside for one sandbox at once, and then in a second.
const CONNECTIONS_AT_ONCE: u32 = 1_024;
const CONNECTIONS_PER_SECOND: u32 = 1_000;
/// Connections and datagram flows that one sandbox may have at once.
const CARRIED_MAX: usize = 2_048;

/// The network outside, as one sandbox may use it.
pub struct Egress {
    policy: Policy,
    /// What is served inside by ourselves: these addresses lead nowhere else.
    served: HashSet<Listen>,
    runtime: Handle,
    room: Arc<Semaphore>,
    new_ways: Pace,
    new_connections: Pace,
    ways: Mutex<Ways>,
}

#[derive(Default)]
struct Ways {
    open: HashMap<Listen, Way>,
    tasks: JoinSet<()>,
}

/// What is to be done before somebody may go on.
pub(crate) enum Step {
    Nothing,
    MakeWay(Listen),
}

struct Way {
    wanted_at: Instant,
    task: AbortHandle,
}

impl Egress {
    /// Carries out by this policy, on the given event loop. `served` is what we listen on inside.
    pub fn new(
        policy: Policy,
        served: impl IntoIterator<Item = Listen>,
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            policy,
            served: served.into_iter().collect(),
            runtime,
            room: Arc::new(Semaphore::new(CARRIED_MAX)),
            new_ways: Pace::new(WAYS_AT_ONCE, WAYS_PER_SECOND),
            new_connections: Pace::new(CONNECTIONS_AT_ONCE, CONNECTIONS_PER_SECOND),
            ways: Mutex::default(),
        })
    }

    /// May this be reached? Asked again for every connection and flow.
    fn may_reach(&self, to: SocketAddr) -> bool {
        self.policy.decide(to) == Verdict::Carry
    }

    /// A connection from an address to itself has reached this host, by whatever name it has on the network.
    fn is_own_door(&self, from: io::Result<SocketAddr>, to: io::Result<SocketAddr>) -> bool {
        let (Ok(from), Ok(to)) = (from, to) else {
            return true;
        };
        from.ip() == to.ip() && self.policy.is_ours(to.port())
    }

    /// Somebody inside wants to reach an address: what is to be done first, or the error that they see. Takes no time.
    pub(crate) fn look(
        &self,
        to: SocketAddr,
        kind: impl FnOnce() -> Option<SocketKind>,
    ) -> Result<Step, i32> {
        if to.port() == 0 {
            return Ok(Step::Nothing);
        }
        let here = is_here(to.ip());
        let address = specific(to);
        if !here && !self.may_reach(to) {
            // We ourselves may listen at an address that is nobody's outside.
            let is_ours = |kind| self.is_served(Listen { address, kind });
            return if kind().is_some_and(is_ours) {
                Ok(Step::Nothing)
            } else {
                Err(libc::ECONNREFUSED)
            };
        }
        if here && !self.may_reach(address) {
            // Only what listens inside is there.
            return Ok(Step::Nothing);
        }
        let Some(kind) = kind() else {
            return Ok(Step::Nothing);
        };
        let listen = Listen { address, kind };
        if self.is_served(listen) || self.is_open(listen) {
            return Ok(Step::Nothing);
        }
        Ok(Step::MakeWay(listen))
    }

    /// Has an address lead somewhere, if it can. May take some milliseconds, and much longer for whoever wants too many.
    pub(crate) fn make_way(self: &Arc<Self>, inside: &Inside, listen: Listen) -> Result<(), i32> {
        // Others may have wanted the same meanwhile.
        if self.is_open(listen) {
            return Ok(());
        }
        // On the sandbox's own thread: nobody else waits.
        std::thread::sleep(self.new_ways.wait(Instant::now()));
        let probe = match (is_here(listen.address.ip()), listen.kind) {
            // The loopback inside is the function's own. What the host has there is reached only where somebody
            // listens: a function that waits for a server of its own must find its port closed, and free, until then.
            (true, SocketKind::Stream) => match connect_to_loopback(listen.address) {
                Some(socket) => Some(socket),
                None => return Ok(()),
            },
            (true, SocketKind::Datagram) | (false, _) => None,
        };
        if !has_route(listen.address) {
            return Err(libc::ENETUNREACH);
        }
        match self.open(inside, listen, probe) {
            // Somebody inside listens there already, on purpose.
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Ok(()),
            Err(error) => Err(error.raw_os_error().unwrap_or(libc::ENETUNREACH)),
            Ok(()) => Ok(()),
        }
    }

    fn is_served(&self, listen: Listen) -> bool {
        let anywhere = |ip: IpAddr| Listen {
            address: SocketAddr::new(ip, listen.address.port()),
            ..listen
        };
        self.served.contains(&listen)
            || self
                .served
                .contains(&anywhere(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
            || self
                .served
                .contains(&anywhere(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
    }

    /// Whether a way is there already. It stays for a while from now.
    fn is_open(&self, listen: Listen) -> bool {
        match self.ways().open.get_mut(&listen) {
            Some(way) if !way.task.is_finished() => {
                way.wanted_at = Instant::now();
                true
            }
            Some(_) | None => false,
        }
    }

    fn open(
        self: &Arc<Self>,
        inside: &Inside,
        listen: Listen,
        probe: Option<OwnedFd>,
    ) -> io::Result<()> {
        let socket = inside.socket(Family::of(listen.address), listen.kind);
        let socket = socket.map_err(|fault| io::Error::from_raw_os_error(fault.error))?;
        crate::nanny::open(&socket, listen)?;
        let mut ways = self.ways();
        while ways.tasks.try_join_next().is_some() {}
        ways.open.retain(|_, way| !way.task.is_finished());
        if LISTENERS_MAX <= ways.open.len() {
            make_room(&mut ways)?;
        }
        let task = match listen.kind {
            SocketKind::Stream => {
                let serve = streams::serve(self.clone(), socket, listen, probe);
                ways.tasks.spawn_on(serve, &self.runtime)
            }
            SocketKind::Datagram => {
                let serve = datagrams::serve(self.clone(), socket, listen);
                ways.tasks.spawn_on(serve, &self.runtime)
            }
        };
        ways.open.insert(
            listen,
            Way {
                wanted_at: Instant::now(),
                task,
            },
        );
        Ok(())
    }

    /// Whether nobody has wanted an address for so long that its way may be closed.
    fn is_idle(&self, listen: Listen) -> bool {
        let ways = self.ways();
        ways.open
            .get(&listen)
            .is_none_or(|way| LISTENER_IDLE_MAX <= way.wanted_at.elapsed())
    }

    /// Closes everything. Connections that are carried end.
    pub fn close(&self) {
        let mut ways = self.ways();
        ways.open.clear();
        ways.tasks.abort_all();
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(ways: &mut Ways) -> io::Result<()> {
    let oldest = ways.open.iter().min_by_key(|(_, way)| way.wanted_at);
    match oldest.map(|(listen, way)| (*listen, way.wanted_at.elapsed())) {
        Some((listen, age)) if LISTENER_YOUNG <= age => {
            if let Some(way) = ways.open.remove(&listen) {
                way.task.abort();
            }
            Ok(())
        }
        Some(_) | None => Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)),
    }
}

/// Whether an address is the sandbox's own.
fn is_here(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// To the kernel, connecting to no address is connecting to this machine.
fn specific(to: SocketAddr) -> SocketAddr {
    match to.ip() {
        IpAddr::V4(address) if address.is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, to.port()))
        }
        IpAddr::V6(address) if address.is_unspecified() => {
            SocketAddr::from((Ipv6Addr::LOCALHOST, to.port()))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => to,
    }
}

fn outside_socket(to: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if to.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(family, kind, flags, None)?)
}

/// Whether the host knows a way to an address. Connecting a datagram socket asks that, and sends nothing.
pub(crate) fn has_route(to: SocketAddr) -> bool {
    outside_socket(to, SocketType::DGRAM)
        .is_ok_and(|socket| rustix::net::connect(&socket, &to).is_ok())
}

/// A connection to the host's own loopback, where it is made or refused at once. Nothing where nobody listens.
fn connect_to_loopback(at: SocketAddr) -> Option<OwnedFd> {
    let socket = outside_socket(at, SocketType::STREAM).ok()?;
    match rustix::net::connect(&socket, &at) {
        Ok(()) => {}
        Err(rustix::io::Errno::INPROGRESS) => {
            let mut ready = [PollFd::new(&socket, PollFlags::OUT)];
            // Nothing to wait for, as a rule: one that is still under way has found a listener with a full queue.
            let _ = poll(&mut ready, Some(&LOOPBACK_WAIT_MAX));
            rustix::net::sockopt::socket_error(&socket).ok()?.ok()?;
        }
        Err(_) => return None,
    }
    Some(socket)
}
