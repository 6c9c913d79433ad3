//! The threads that connections are spread over.
//!
//! Lives here: which of them has the next connection.
//! Does not live here: making them (whoever made the server), taking connections (`server`).
//!
//! A connection stays with its thread, and so does what its requests make and wake: no other thread takes over in the middle,
//! with all of that in the cache of another core.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

/// Runtimes of one thread each; without any, connections are served by the runtime that takes them.
#[derive(Debug, Clone, Default)]
pub struct Threads(Arc<[Thread]>);

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    connections: AtomicUsize,
}

/// A connection's place on a thread, until it is dropped.
pub(super) struct Place {
    threads: Threads,
    position: usize,
}

impl Threads {
    /// These, which whoever calls keeps alive.
    #[must_use]
    pub fn new(runtimes: impl IntoIterator<Item = Handle>) -> Self {
        let threads = runtimes.into_iter().map(|runtime| Thread {
            runtime,
            connections: AtomicUsize::new(0),
        });
        Self(threads.collect())
    }

    /// A place on the one with the fewest connections, the first of several: who comes alone is always served by the same one.
    pub(super) fn take(&self) -> Option<(Place, &Handle)> {
        let threads = self.0.iter().enumerate();
        let (position, thread) =
            threads.min_by_key(|(_, thread)| thread.connections.load(Ordering::Relaxed))?;
        thread.connections.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            threads: self.clone(),
            position,
        };
        Some((place, &thread.runtime))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(thread) = self.threads.0.get(self.position) {
            thread.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_connection_goes_where_the_fewest_are() {
        let threads = Threads::new([Handle::current(), Handle::current()]);
        let place = || threads.take().unwrap().0;
        let (first, second, third) = (place(), place(), place());
        let positions = [&first, &second, &third].map(|place| place.position);
        assert_eq!(positions, [0, 1, 0]);
        drop((first, third));
        assert_eq!([place().position, place().position], [0, 0]);
        assert!(Threads::default().take().is_none());
    }
}
