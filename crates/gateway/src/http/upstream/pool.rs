//! Connections that are kept for the next request.
//!
//! Lives here: how many there may be, for how long, and whether one is still open.
//! Does not live here: making them (`connect`), using them (`upstream`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::super::wire::Wire;
use super::Origin;

/// Requests to one server at a time; the next waits, up to its integration's timeout.
const CONNECTIONS_MAX: usize = 1_024;
/// Connections to one server that are kept without a request.
const IDLE_MAX: usize = 256;
/// How long they are kept. Most servers keep them for a minute or longer.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// The connections to all servers. There are as many as manifests name.
#[derive(Default)]
pub(super) struct Pools {
    by_origin: RwLock<HashMap<Origin, Arc<Pool>>>,
}

/// The connections to one server.
pub(super) struct Pool {
    places: Arc<Semaphore>,
    /// The one that was used last stands last.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    wire: Box<Wire>,
    since: Instant,
}

impl Pools {
    pub(super) fn of(&self, origin: &Origin) -> Arc<Pool> {
        let pools = self
            .by_origin
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(origin) {
            return Arc::clone(pool);
        }
        drop(pools);
        let mut pools = self
            .by_origin
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(origin.clone()).or_insert_with(|| {
            Arc::new(Pool {
                places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
                idle: Mutex::default(),
            })
        });
        Arc::clone(pool)
    }
}

impl Pool {
    /// A place for one request, when nobody needs to wait for it.
    pub(super) fn place_now(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// A place for one request; it is given back when it is dropped.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.places.acquire().await.ok()
    }

    /// The same, for an answer that is read on after the request.
    pub(super) async fn lasting_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// A connection on which nothing was heard since its last request.
    pub(super) fn kept(&self) -> Option<Box<Wire>> {
        let now = Instant::now();
        loop {
            let Idle { mut wire, since } = self.lock().pop_back()?;
            if now.saturating_duration_since(since) < IDLE_TIME_MAX && wire.is_quiet() {
                return Some(wire);
            }
        }
    }

    pub(super) fn keep(&self, wire: Option<Box<Wire>>) {
        let Some(wire) = wire else { return };
        let now = Instant::now();
        let mut idle = self.lock();
        idle.push_back(Idle { wire, since: now });
        let is_old = |idle: &Idle| IDLE_TIME_MAX <= now.saturating_duration_since(idle.since);
        while IDLE_MAX < idle.len() || idle.front().is_some_and(is_old) {
            idle.pop_front();
        }
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
