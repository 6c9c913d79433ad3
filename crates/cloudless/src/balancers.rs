//! The ports of load balancers: one for each listener, in the order of the listeners.
//!
//! Lives here: taking and giving back ports as listeners come and go with reloads, serving them.
//! Does not live here: what is answered (`gateway::load_balancer`), the ports of APIs and services (`wiring`).

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway::TrustedProxies;
use gateway::http::{Handler, Scheme, Server as HttpServer, Tls};
use gateway::load_balancer::{Addresses, LoadBalancers};
use model::application::Application;
use model::problem::Problem;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::front::Parts;

/// The port of the first listener, when nobody names another: the one that existing scripts use.
pub(crate) const PORT: u16 = 3003;
/// Listeners that are served; the cloud's default for one load balancer.
const LISTENERS_MAX: usize = 50;
/// How often a port is asked for that was given back a moment ago: its old listener takes the connections that wait before it
/// is closed.
const TRIES_MAX: usize = 100;
const TRIED_EVERY: Duration = Duration::from_millis(10);

/// Where load balancers are found.
#[derive(Debug, Clone, Default)]
pub struct Balancing {
    /// The port of the first listener; the others follow. 0 takes any.
    pub port: u16,
    /// What their clients put before each path, and functions do not see.
    pub base_path: Option<String>,
    /// What clients of APIs put there.
    pub base_path_of_apis: Option<String>,
}

/// All listeners of load balancers, and their ports.
pub(crate) struct Balancers {
    handler: Arc<LoadBalancers>,
    first_port: u16,
    tls: Mutex<Option<Tls>>,
    taken: Mutex<Vec<Taken>>,
    /// Ports that were ours.
    given_back: Mutex<BTreeSet<u16>>,
    fresh: mpsc::Sender<Fresh>,
    to_serve: Mutex<Option<mpsc::Receiver<Fresh>>>,
}

/// A port that is ours.
struct Taken {
    port: u16,
    shut: CancellationToken,
}

/// A port that nobody serves yet.
struct Fresh {
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    shut: CancellationToken,
}

impl Balancers {
    pub(crate) fn new(parts: &Parts, balancing: &Balancing, proxies: TrustedProxies) -> Self {
        let handler = LoadBalancers::new(
            Arc::clone(&parts.invoke),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.random),
            Arc::clone(&parts.access_log),
        );
        let handler = handler.behind(proxies).below(balancing.base_path.clone());
        let (fresh, to_serve) = mpsc::channel(LISTENERS_MAX);
        Self {
            handler: Arc::new(handler),
            first_port: balancing.port,
            tls: Mutex::default(),
            taken: Mutex::default(),
            given_back: Mutex::default(),
            fresh,
            to_serve: Mutex::new(Some(to_serve)),
        }
    }

    /// Serves the listeners of a revision. The problems are ports that cannot be had; the other listeners are served.
    pub(crate) async fn swap(&self, application: &Application) -> Vec<Problem> {
        self.handler.swap(application);
        let wanted = application.listeners.len();
        self.give_back(wanted);
        let mut problems = Vec::new();
        let mut count = held(&self.taken).len();
        while count < wanted {
            match self.take(count).await {
                Ok(one) => held(&self.taken).push(one),
                Err(problem) => {
                    problems.push(*problem);
                    break;
                }
            }
            count += 1;
        }
        self.tell(&held(&self.taken));
        problems
    }

    /// The port of each listener.
    pub(crate) fn ports(&self) -> Vec<u16> {
        held(&self.taken).iter().map(|one| one.port).collect()
    }

    /// Speaks TLS.
    pub(crate) fn secure(&self, tls: Tls) {
        *held(&self.tls) = Some(tls);
        self.tell(&held(&self.taken));
    }

    /// Serves the ports as they come, until it is stopped; then requests under way are answered.
    pub(crate) async fn serve(
        &self,
        server: impl Fn() -> HttpServer,
        ready: CancellationToken,
        stop: CancellationToken,
    ) {
        let to_serve = held(&self.to_serve).take();
        let Some(mut to_serve) = to_serve else {
            return;
        };
        let mut doors = JoinSet::new();
        loop {
            let fresh = tokio::select! {
                fresh = to_serve.recv() => fresh,
                _ended = doors.join_next(), if !doors.is_empty() => continue,
                () = stop.cancelled() => None,
            };
            let Some(fresh) = fresh else {
                break;
            };
            let tls = held(&self.tls).clone();
            let server = match tls {
                Some(tls) => server().secured(tls),
                None => server(),
            };
            let serving = server.serve(fresh.listener, fresh.handler, fresh.shut.clone());
            let (ready, stop) = (ready.clone(), stop.clone());
            doors.spawn(async move {
                tokio::select! {
                    () = ready.cancelled() => drop(serving.await),
                    () = stop.cancelled() => {}
                }
            });
        }
        let taken = std::mem::take(&mut *held(&self.taken));
        for one in &taken {
            one.shut.cancel();
        }
        while doors.join_next().await.is_some() {}
    }

    /// Lets go of the ports behind the first ones.
    fn give_back(&self, kept: usize) {
        let mut taken = held(&self.taken);
        let kept = kept.min(taken.len());
        for surplus in taken.drain(kept..) {
            held(&self.given_back).insert(surplus.port);
            surplus.shut.cancel();
        }
    }

    async fn take(&self, index: usize) -> Result<Taken, Box<Problem>> {
        let offset = u16::try_from(index).unwrap_or(u16::MAX);
        let asked = match self.first_port {
            0 => Some(0),
            first => first.checked_add(offset),
        };
        let asked = asked.filter(|_| index < LISTENERS_MAX);
        let asked = asked.ok_or_else(|| no_port(index, "there are no ports left for it"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, asked));
        let bound = bound(address, &self.given_back).await.and_then(|listener| {
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((TcpListener::from_std(listener)?, port))
        });
        let (listener, port) =
            bound.map_err(|error| no_port(index, &format!("port {asked}: {error}")))?;
        let shut = CancellationToken::new();
        let fresh = Fresh {
            listener,
            handler: self.handler.listener(index),
            shut: shut.clone(),
        };
        let sent = self.fresh.try_send(fresh);
        sent.map_err(|_full| no_port(index, "the server is ending"))?;
        Ok(Taken { port, shut })
    }

    fn tell(&self, taken: &[Taken]) {
        let is_secured = held(&self.tls).is_some();
        self.handler.set_addresses(Addresses {
            ports: taken.iter().map(|one| one.port).collect(),
            scheme: if is_secured {
                Scheme::Https
            } else {
                Scheme::Http
            },
        });
    }
}

/// One that was given back may be held for another moment.
async fn bound(
    address: SocketAddr,
    given_back: &Mutex<BTreeSet<u16>>,
) -> io::Result<std::net::TcpListener> {
    let was_ours = held(given_back).remove(&address.port());
    let mut tries_left = if was_ours { TRIES_MAX } else { 1 };
    loop {
        tries_left -= 1;
        match std::net::TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && 0 < tries_left => {
                tokio::time::sleep(TRIED_EVERY).await;
            }
            bound => return bound,
        }
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_port(index: usize, why: &str) -> Box<Problem> {
    let number = index + 1;
    let title =
        format!("listener {number} of the load balancers, and those after it, have no port");
    let problem = Problem::error("server::port", title).because(why.to_owned());
    Box::new(problem.help(
        "stop whoever uses it, or choose another for the first listener: --alb-port PORT; the others follow it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_given_back_a_moment_ago_is_had_again() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let given_back = Mutex::new(BTreeSet::from([address.port()]));
        let closing = async {
            tokio::time::sleep(3 * TRIED_EVERY).await;
            drop(listener);
        };
        let (bound, ()) = tokio::join!(bound(address, &given_back), closing);
        let bound = bound.unwrap();
        // It is somebody else's from now on.
        assert!(super::bound(address, &given_back).await.is_err());
        assert_eq!(bound.local_addr().unwrap(), address);
    }
}
