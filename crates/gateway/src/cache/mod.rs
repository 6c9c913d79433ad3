//! Replies of a REST API's stage, kept for the requests that would get the same.
//!
//! Lives here: what tells requests apart (`key`), how much is kept and for how long (`store`), one call for all who wait
//! for the same reply (`flight`), who may ask for a new one (`renewal`).
//! Does not live here: making the reply (`application`), which methods keep theirs (`model::door::MethodCache`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Cache settings for REST APIs in API Gateway": replies of any status are
//! kept if they have at most 1,048,576 bytes; what the gateway itself answers is not.
//! Differs: every variable of the path tells replies apart, and so does who calls: the API key, what an authorizer found
//! out, and the header `Authorization`. In the cloud whoever may call gets what was made for somebody else, unless the
//! key says otherwise. So do the host that was called, and headers that say another one. A reply that sets a cookie is not kept. A new revision begins with an empty cache.

mod flight;
mod key;
mod renewal;
mod store;

#[cfg(test)]
mod tests;

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use model::door::MethodCache;

use crate::http::{Response, ResponseBody};

pub(crate) use flight::{Flights, Seat};
pub(crate) use key::{Key, Parts};
pub(crate) use renewal::{IGNORED, Permission, Renewal, asks_for_renewal, renewal};
use store::Store;

/// What all stages of an application keep together, unless it is said otherwise.
pub(crate) const CACHE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The largest reply that is kept.
const REPLY_BYTES_MAX: usize = 1_048_576;

/// The cache of one stage.
#[derive(Debug)]
pub(crate) struct StageCache<T> {
    store: std::sync::RwLock<Store>,
    /// Replies that are being made.
    pub(crate) flights: Flights<T>,
}

/// When a reply was begun to be made: what was emptied since then is not filled with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    at: Instant,
    emptied: u64,
}

impl<T: Clone> StageCache<T> {
    /// An empty one of so many bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            store: std::sync::RwLock::new(Store::new(bytes_max)),
            flights: Flights::default(),
        }
    }

    /// How much it was declared to hold.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.read(|store| store.bytes_max)
    }

    /// Holds no more than this from now on.
    pub(crate) fn limit(&self, bytes_max: u64) {
        self.write(|store| store.limit(bytes_max));
    }

    /// The reply that is kept, unless its time is over.
    pub(crate) fn find(&self, key: &Key, now: Instant) -> Option<Response> {
        self.read(|store| store.find(key, now))
    }

    /// To be called before a reply is made.
    pub(crate) fn begin(&self, now: Instant) -> Begun {
        Begun {
            at: now,
            emptied: self.read(|store| store.emptied),
        }
    }

    /// Keeps a reply, if it [can be shared](is_shareable).
    pub(crate) fn keep(
        &self,
        key: &Key,
        response: &Response,
        ttl: Duration,
        (begun, now): (Begun, Instant),
    ) {
        if is_shareable(response) && body_bytes(response) <= REPLY_BYTES_MAX {
            self.write(|store| store.keep(key, response, (begun, now + ttl)));
        }
    }

    /// Forgets everything.
    pub(crate) fn empty(&self) {
        self.write(|store| store.empty(|_| true));
    }

    /// Forgets the replies of one method: its namespace, or its route's key.
    pub(crate) fn empty_method(&self, rule: &MethodCache, route: &str) {
        let prefix = key::prefix(rule, route);
        self.write(|store| store.empty(|key| key.begins_with(&prefix)));
    }

    fn read<R>(&self, read: impl FnOnce(&Store) -> R) -> R {
        read(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, write: impl FnOnce(&mut Store) -> R) -> R {
        write(&mut self.store.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether others may have a reply too: one that sets a cookie is somebody's own, and one that comes in pieces comes once.
pub(crate) fn is_shareable(response: &Response) -> bool {
    if !matches!(response.body, ResponseBody::Whole(_)) {
        return false;
    }
    let mut names = response.headers.iter().map(|(name, _)| name);
    !names.any(|name| name.eq_ignore_ascii_case("set-cookie"))
}

fn body_bytes(response: &Response) -> usize {
    match &response.body {
        ResponseBody::Whole(body) => body.len(),
        ResponseBody::Stream(_) | ResponseBody::Upgrade(_) => usize::MAX,
    }
}
