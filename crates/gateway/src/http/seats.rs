//! The connections of a listener, and which of them goes when there is no room for another.
//!
//! Lives here: who waits for a request and for how long, how many connections one address has.
//! Does not live here: taking connections (`server`), what happens on one (`http1`, `http2`).
//!
//! A connection that waits for its next request costs nobody anything until there is no room. Then the one goes that has waited
//! longest, as if the server stopped: what it was about to ask is still answered. One that is being answered never goes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// How long a connection has waited for a request before it goes for another's sake: nobody's is cut that has just come.
const WAITED_MIN: Duration = Duration::from_secs(1);
/// Connections that were told to go and have not gone yet.
const LEAVING_MAX: usize = 64;
/// It does not wait.
const BUSY: u64 = 0;

/// All connections of a listener.
pub(super) struct Seats {
    connections_max: usize,
    began_at: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Shared>>,
    leaving: usize,
}

struct Shared {
    peer: IpAddr,
    /// Microseconds from the beginning of the listener to that of the wait, and one.
    waits_since: AtomicU64,
    stop: CancellationToken,
}

/// The place of one connection, until it is dropped.
pub(super) struct Seat {
    shared: Arc<Shared>,
    of: Option<(Arc<Seats>, u64)>,
}

impl Seats {
    pub(super) fn new(connections_max: usize, now: Instant) -> Self {
        Self {
            connections_max,
            began_at: now,
            taken: Mutex::default(),
        }
    }

    /// A seat for a connection from there that ends with `stop`; none: there is no room, not even for its address alone.
    ///
    /// Addresses of other machines have half of the seats each at most. On this machine everybody has the same.
    pub(super) fn take(
        self: &Arc<Self>,
        peer: SocketAddr,
        stop: &CancellationToken,
        now: Instant,
    ) -> Option<Seat> {
        let peer = peer.ip().to_canonical();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own_max = self.connections_max / 2;
        let is_own = |shared: &Shared| shared.peer == peer;
        let staying = taken.seats.len() - taken.leaving;
        if !peer.is_loopback()
            && own_max <= taken.seats.values().filter(|seat| is_own(seat)).count()
        {
            self.let_go(&mut taken, now, is_own)?;
        } else if self.connections_max <= staying {
            self.let_go(&mut taken, now, |_| true)?;
        }
        let shared = Arc::new(Shared {
            peer,
            waits_since: AtomicU64::new(self.mark(now)),
            stop: stop.clone(),
        });
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&shared));
        Some(Seat {
            shared,
            of: Some((Arc::clone(self), number)),
        })
    }

    /// Tells the one of these to go that has waited longest; none: nobody has waited long enough.
    fn let_go(
        &self,
        taken: &mut Taken,
        now: Instant,
        is_one: impl Fn(&Shared) -> bool,
    ) -> Option<()> {
        if LEAVING_MAX <= taken.leaving {
            return None;
        }
        let waited = taken.seats.values().filter(|seat| is_one(seat));
        let waited = waited.filter(|seat| !seat.stop.is_cancelled());
        let waited = waited.map(|seat| (seat.waits_since.load(Ordering::Acquire), seat));
        let (since, longest) = waited
            .filter(|(since, _)| *since != BUSY)
            .min_by_key(|(since, _)| *since)?;
        let since = self.began_at + Duration::from_micros(since);
        if now.saturating_duration_since(since) < WAITED_MIN {
            return None;
        }
        longest.stop.cancel();
        taken.leaving += 1;
        Some(())
    }

    fn mark(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began_at).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Seat {
    /// One that is nobody's to give away.
    pub(super) fn alone(peer: SocketAddr) -> Self {
        Self {
            shared: Arc::new(Shared {
                peer: peer.ip(),
                waits_since: AtomicU64::new(BUSY),
                stop: CancellationToken::new(),
            }),
            of: None,
        }
    }

    /// It waits for a request from now on.
    pub(super) fn waits(&self, now: Instant) {
        if let Some((seats, _)) = &self.of {
            let mark = seats.mark(now);
            self.shared.waits_since.store(mark, Ordering::Release);
        }
    }

    /// A request is answered.
    pub(super) fn is_busy(&self) {
        self.shared.waits_since.store(BUSY, Ordering::Release);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((seats, number)) = &self.of else {
            return;
        };
        let mut taken = seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let was_told = self.shared.stop.is_cancelled();
        taken.seats.remove(number);
        if was_told {
            taken.leaving = taken.leaving.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:1";
    const THERE: &str = "192.0.2.1:1";

    struct Listener {
        seats: Arc<Seats>,
        began_at: Instant,
    }

    impl Listener {
        fn new(connections_max: usize) -> Self {
            use interfaces::clock::Clock as _;
            let began_at = test_kit::RunningClock.instant();
            Self {
                seats: Arc::new(Seats::new(connections_max, began_at)),
                began_at,
            }
        }

        fn take(&self, peer: &str, at_s: u64) -> Option<(Seat, CancellationToken)> {
            let stop = CancellationToken::new();
            let now = self.began_at + Duration::from_secs(at_s);
            let seat = self.seats.take(peer.parse().unwrap(), &stop, now)?;
            Some((seat, stop))
        }
    }

    #[test]
    fn who_has_waited_longest_goes_for_whoever_comes() {
        let listener = Listener::new(3);
        let seats: Vec<_> = (0..3)
            .filter_map(|at_s| listener.take(HERE, at_s))
            .collect();
        seats[0].0.is_busy();
        assert!(listener.take(HERE, 10).is_some());
        let told: Vec<bool> = seats.iter().map(|(_, stop)| stop.is_cancelled()).collect();
        assert_eq!(told, [false, true, false]);
    }

    #[test]
    fn nobody_goes_who_is_answered_or_has_just_come() {
        let listener = Listener::new(2);
        let (busy, _) = listener.take(HERE, 0).unwrap();
        busy.is_busy();
        let (fresh, _) = listener.take(HERE, 10).unwrap();
        assert!(listener.take(HERE, 10).is_none());
        drop(fresh);
        assert!(listener.take(HERE, 10).is_some());
    }

    #[test]
    fn one_address_elsewhere_has_half_of_the_seats() {
        let listener = Listener::new(4);
        let theirs: Vec<_> = (0..2).filter_map(|_| listener.take(THERE, 0)).collect();
        theirs.iter().for_each(|(seat, _)| seat.is_busy());
        assert!(listener.take(THERE, 10).is_none());
        let other = listener.take("198.51.100.1:1", 10);
        assert!(other.is_some());
        let own = listener.take(HERE, 10);
        assert!(own.is_some());
    }

    #[test]
    fn not_more_go_at_once_than_leave() {
        let listener = Listener::new(200);
        let seats: Vec<_> = (0..200).filter_map(|_| listener.take(HERE, 0)).collect();
        let more: Vec<_> = (0..200).filter_map(|_| listener.take(HERE, 10)).collect();
        assert_eq!(more.len(), LEAVING_MAX);
        drop(seats);
        assert!(listener.take(HERE, 10).is_some());
    }
}
