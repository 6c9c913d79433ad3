//! What is worth while for a client that asks one after the other, and is the only one.
//!
//! Lives here: whether a connection stays awake after a reply, for how long, and how it looks; whom a handler may keep a worker for.
//! Does not live here: whether the machine has processors to spare (whoever made the server), what comes in (`http1`).
//!
//! A worker that has nothing to do sleeps, and is woken when a request comes: on a machine whose processors sleep, too, that
//! takes as long as to answer a small request. So a connection whose client was quick the last times looks for the next
//! request itself for a moment. The worker does nothing else meanwhile. Therefore: only while no other connection of the
//! listener asks anything, only while processors are free, and never without a rest for long.
//!
//! To hand something to another thread and be woken when it is done costs the same again. Nobody but that client would wait if the
//! worker did it itself, though it takes as long as a flush of a disk; how quick the client is does not matter for that.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use interfaces::clock::Clock;

use super::wire::{Look, Wire};

/// For how long the next request is looked for. A client that runs on a processor of its own is woken and sends its next request
/// within half of it.
const VIGIL_MAX: Duration = Duration::from_micros(60);
/// A client is quick when its next request comes so soon, the time in which its worker is woken included.
const QUICK_MAX: Duration = Duration::from_micros(150);
/// Requests in succession, with none on other connections between them, until a client is taken for the only one.
const ALONE_MIN: u32 = 16;
/// Flushes of a disk that a handler may wait for on its worker before it goes back to the runtime: it may commit again and again, and
/// nobody looks at the network meanwhile.
const FLUSHES_MAX: u32 = 4;
/// Quick ones of that kind until a vigil is kept.
const QUICK_MIN: u32 = 16;
/// The longest time without a rest: what else is to be done on the worker, other connections included, waits for so long.
const RESTLESS_MAX: Duration = Duration::from_micros(500);
/// Looks of one vigil at most, for a clock that stands still.
const LOOKS_MAX: u32 = 1_000;
/// Turns of the processor between two looks: a look is a system call.
const TURNS: u32 = 16;

/// The connections of a listener, of which one at most is alone.
#[derive(Debug)]
pub(super) struct Company {
    /// Whether processors are free.
    is_idle: fn() -> bool,
    /// How many there were.
    count: AtomicU64,
    /// Who asked last.
    last: AtomicU64,
}

thread_local! {
    /// Flushes left to the handler that runs on this thread now; none unless it runs for an only client.
    static FLUSHES_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Whether the handler that is asking runs for the only client of its listener, as far as is known. Not on other threads than its
/// connection's, nor in tasks of their own.
#[must_use]
pub fn is_alone() -> bool {
    FLUSHES_LEFT.get().is_some()
}

/// Whether such a handler may keep its worker for the time of a flush; a few times, until it has waited for something else.
#[must_use]
pub fn may_flush() -> bool {
    let left = FLUSHES_LEFT.get().and_then(|left| left.checked_sub(1));
    if left.is_some() {
        FLUSHES_LEFT.set(left);
    }
    left.is_some()
}

/// One connection's.
pub(super) struct Vigil<'a> {
    company: &'a Company,
    clock: &'a dyn Clock,
    number: u64,
    /// Requests in succession without company.
    alone: u32,
    /// Quick ones of them in succession.
    quick: u32,
    replied_at: Instant,
    rested_at: Instant,
}

impl Company {
    /// Nobody yet.
    pub(super) fn new(is_idle: fn() -> bool) -> Self {
        Self {
            is_idle,
            count: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }
}

impl<'a> Vigil<'a> {
    /// Of one more connection.
    pub(super) fn new(company: &'a Company, clock: &'a dyn Clock) -> Self {
        let now = clock.instant();
        Self {
            company,
            clock,
            number: company.count.fetch_add(1, Ordering::Relaxed) + 1,
            alone: 0,
            quick: 0,
            replied_at: now,
            rested_at: now,
        }
    }

    /// A request has come.
    pub(super) fn ends(&mut self, now: Instant) {
        let is_quick = now.saturating_duration_since(self.replied_at) <= QUICK_MAX;
        let is_alone = self.is_alone();
        self.alone = match is_alone {
            true => self.alone.saturating_add(1),
            false => 0,
        };
        self.quick = match is_quick && is_alone {
            true => self.quick.saturating_add(1),
            false => 0,
        };
        // Nothing is written while nobody else writes: the others' processors need not hear of it.
        if !is_alone {
            self.company.last.store(self.number, Ordering::Relaxed);
        }
    }

    /// Waits for what answers the request.
    pub(super) async fn during<T>(&self, mut answer: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|context| {
            let _mark = Mark;
            let is_alone = ALONE_MIN <= self.alone && self.is_alone();
            FLUSHES_LEFT.set(is_alone.then_some(FLUSHES_MAX));
            answer.as_mut().poll(context)
        })
        .await
    }

    /// A request was answered: looks for the next one, if that is worth while.
    pub(super) fn begins(&mut self, now: Instant, wire: &mut Wire) {
        self.replied_at = now;
        let is_restless = RESTLESS_MAX <= now.saturating_duration_since(self.rested_at);
        if self.quick < QUICK_MIN || is_restless || !(self.company.is_idle)() {
            self.rested_at = now;
            return;
        }
        for _ in 0..LOOKS_MAX {
            match wire.look() {
                Look::Nothing => {}
                Look::Found => return,
                Look::Impossible => break,
            }
            for _ in 0..TURNS {
                std::hint::spin_loop();
            }
            let waited = self.clock.instant().saturating_duration_since(now);
            if VIGIL_MAX <= waited || !self.is_alone() {
                break;
            }
        }
        // It was in vain, and is not tried again before long.
        self.quick = 0;
        self.rested_at = now;
    }

    fn is_alone(&self) -> bool {
        self.company.last.load(Ordering::Relaxed) == self.number
    }
}

/// What [`is_alone`] says holds until this is dropped, also by a panic.
struct Mark;

impl Drop for Mark {
    fn drop(&mut self) {
        FLUSHES_LEFT.set(None);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::pin::pin;

    use model::time::Timestamp;
    use test_kit::StoppedClock;

    use super::*;
    use crate::http::ServerLimits;

    fn stopped() -> StoppedClock {
        StoppedClock::at(Timestamp::from_micros(0))
    }

    fn wire() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = tokio::net::TcpStream::from_std(server).unwrap();
        (
            Wire::new(Box::new(server), &ServerLimits::default()),
            client,
        )
    }

    /// Whether a request that is there at once after the reply is found without the runtime.
    fn is_found(vigil: &mut Vigil<'_>, clock: &StoppedClock, wire: &mut (Wire, TcpStream)) -> bool {
        wire.1.write_all(b"GET").unwrap();
        // A busy machine may take its time to hand the bytes over.
        std::thread::sleep(Duration::from_millis(1));
        vigil.begins(clock.instant(), &mut wire.0);
        let is_found = !wire.0.input.is_empty();
        while wire.0.look() == Look::Nothing {}
        wire.0.input.clear();
        vigil.ends(clock.instant());
        is_found
    }

    #[tokio::test]
    async fn a_quick_client_that_is_alone_is_waited_for() {
        let clock = stopped();
        let company = Company::new(|| true);
        let mut vigil = Vigil::new(&company, &clock);
        let mut wire = wire();
        let found: Vec<bool> = (0..20)
            .map(|_| is_found(&mut vigil, &clock, &mut wire))
            .collect();
        // The first request is nobody's yet, so that it does not count.
        let expected: Vec<bool> = (0..20).map(|turn| QUICK_MIN < turn).collect();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_client_in_company_or_on_a_busy_machine_is_not() {
        let clock = stopped();
        let company = Company::new(|| true);
        let (mut one, mut other) = (Vigil::new(&company, &clock), Vigil::new(&company, &clock));
        let (mut wires, mut busy_wire) = ((wire(), wire()), wire());
        let busy = Company::new(|| false);
        let mut hindered = Vigil::new(&busy, &clock);
        for _ in 0..100 {
            assert!(!is_found(&mut one, &clock, &mut wires.0));
            assert!(!is_found(&mut other, &clock, &mut wires.1));
            assert!(!is_found(&mut hindered, &clock, &mut busy_wire));
        }
    }

    #[tokio::test]
    async fn who_does_not_come_is_not_waited_for_again_before_long() {
        let clock = stopped();
        let company = Company::new(|| true);
        let mut vigil = Vigil::new(&company, &clock);
        let mut wire = wire();
        for _ in 0..20 {
            is_found(&mut vigil, &clock, &mut wire);
        }
        vigil.begins(clock.instant(), &mut wire.0);
        assert!(wire.0.input.is_empty());
        vigil.ends(clock.instant());
        assert!(!is_found(&mut vigil, &clock, &mut wire));
    }

    #[tokio::test]
    async fn a_handler_learns_that_its_client_is_the_only_one() {
        let clock = stopped();
        let company = Company::new(|| false);
        let mut one = Vigil::new(&company, &clock);
        let mut told = Vec::new();
        for _ in 0..20 {
            one.ends(clock.instant());
            told.push(one.during(pin!(async { is_alone() })).await);
        }
        let expected: Vec<bool> = (0..20).map(|turn| ALONE_MIN <= turn).collect();
        assert_eq!((told, is_alone()), (expected, false));
        let mut other = Vigil::new(&company, &clock);
        other.ends(clock.instant());
        assert!(!one.during(pin!(async { is_alone() })).await);
        assert!(!other.during(pin!(async { is_alone() })).await);
    }

    #[tokio::test]
    async fn a_handler_that_commits_again_and_again_comes_back_to_the_runtime() {
        let clock = stopped();
        let company = Company::new(|| false);
        let mut vigil = Vigil::new(&company, &clock);
        assert!(!may_flush());
        for _ in 0..=ALONE_MIN {
            vigil.ends(clock.instant());
        }
        let flushes = || (0..20).filter(|_| may_flush()).count();
        let handler = async {
            let first = flushes();
            tokio::task::yield_now().await;
            (first, flushes(), is_alone())
        };
        let most = FLUSHES_MAX as usize;
        assert_eq!(vigil.during(pin!(handler)).await, (most, most, true));
    }
}
