//! A listener, from its first connection to its orderly end.
//!
//! Lives here: taking connections, their number, and the drain.
//! Does not live here: what happens on a connection (`http1`, `http2`).

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use interfaces::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::http1::{self, End, Service};
use super::seats::{Seat, Seats};
use super::threads::Threads;
use super::vigil::Company;
use super::wire::Wire;
use super::{Handler, HostForm, Scheme, ServerLimits, Tls, http2};

/// Connections over the limit that are being told so. Those over this limit too are closed without a word.
const REFUSALS_MAX: usize = 64;
/// How long nothing is accepted after accepting failed, as it does when file descriptors run out; twice as long after
/// each failure more, up to the limit.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause after a failure to accept.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(400);
/// How often that is said at most.
const ACCEPT_SAID_EVERY: Duration = Duration::from_secs(1);

/// Numbers of errors, which all of Linux shares.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    too many connections\n";

/// What a client is told that speaks plain HTTP where TLS is spoken.
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 39\r\nConnection: close\r\n\r\n\
    this port speaks HTTPS: write https://\n";
/// The first byte of a handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Serves one listener.
pub struct Server {
    limits: ServerLimits,
    clock: Arc<dyn Clock>,
    tls: Option<Tls>,
    is_idle: fn() -> bool,
    hosts: HostForm,
    threads: Threads,
}

/// How a listener ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections whose requests were not answered when the drain limit passed. They were cut.
    pub connections_cut: usize,
}

impl Server {
    /// A server with these limits.
    #[must_use]
    pub fn new(limits: ServerLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits,
            clock,
            tls: None,
            is_idle: || false,
            hosts: HostForm::default(),
            threads: Threads::default(),
        }
    }

    /// The same, which takes a `Host` header of this form.
    #[must_use]
    pub fn taking(self, hosts: HostForm) -> Self {
        Self { hosts, ..self }
    }

    /// The same, which stays awake after a reply for the next request of a client that is quick and alone, while that says
    /// that the machine has processors to spare.
    #[must_use]
    pub fn awake_while(self, is_idle: fn() -> bool) -> Self {
        Self { is_idle, ..self }
    }

    /// The same, whose connections are served by these threads.
    #[must_use]
    pub fn on(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// The same, where every connection of a listener begins with a handshake of TLS.
    #[must_use]
    pub fn secured(self, tls: Tls) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }

    /// Serves one connection that somebody else has accepted, until it ends or `shutdown`. What the client said before it
    /// came here, as in a handshake of TLS, is that somebody's affair; so is how many there are.
    pub async fn serve_connection(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
        handler: Arc<dyn Handler>,
        shutdown: CancellationToken,
    ) {
        let service = Arc::new(Service {
            handler,
            clock: Arc::clone(&self.clock),
            limits: self.limits,
            hosts: self.hosts,
            scheme: Scheme::Https,
            company: Company::new(self.is_idle),
        });
        let wire = Box::new(Wire::new(Box::new(stream), &self.limits));
        serve_connection(wire, Seat::alone(peer), peer, service, shutdown).await;
    }

    /// Serves the listener until `shutdown`. Then no more connections are taken, requests under way are answered,
    /// and idle connections closed; it returns when all that is done, or [`ServerLimits::drain_time_max`] later.
    ///
    /// When the future is dropped, all connections are cut.
    pub async fn serve(
        self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        shutdown: CancellationToken,
    ) -> Drained {
        let began_at = self.clock.instant();
        let mut connections = Connections {
            seats: Arc::new(Seats::new(self.limits.connections_max, began_at)),
            service: Arc::new(Service {
                handler,
                clock: self.clock,
                limits: self.limits,
                hosts: self.hosts,
                scheme: if self.tls.is_some() {
                    Scheme::Https
                } else {
                    Scheme::Http
                },
                company: Company::new(self.is_idle),
            }),
            acceptor: self.tls.map(|tls| TlsAcceptor::from(tls.config)),
            shutdown: shutdown.clone(),
            threads: self.threads,
            served: JoinSet::new(),
            refused: JoinSet::new(),
        };
        let mut failures = Failures::default();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.served.join_next() => note(ended),
                Some(_) = connections.refused.join_next() => {}
                accepted = listener.accept() => {
                    let Err(error) = connections.take(accepted) else {
                        failures.pause = Duration::ZERO;
                        continue;
                    };
                    if failures.is_to_be_said(connections.service.clock.instant()) {
                        tracing::warn!(%error, "{}", explained(&error));
                    }
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(failures.next_pause()) => {}
                    }
                }
            }
        }
        connections.take_backlog(&listener).await;
        drop(listener);
        connections.drain(self.limits.drain_time_max).await
    }
}

/// Failures to accept, which come as fast as they are asked for.
#[derive(Default)]
struct Failures {
    pause: Duration,
    said_at: Option<Instant>,
}

impl Failures {
    fn is_to_be_said(&mut self, now: Instant) -> bool {
        let is_new = self
            .said_at
            .is_none_or(|then| ACCEPT_SAID_EVERY <= now.saturating_duration_since(then));
        if is_new {
            self.said_at = Some(now);
        }
        is_new
    }

    fn next_pause(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(ACCEPT_PAUSE, ACCEPT_PAUSE_MAX);
        self.pause
    }
}

fn explained(error: &io::Error) -> &'static str {
    // Contract: accept(2), "Errors".
    match error.raw_os_error() {
        Some(EMFILE) => {
            "no connection is accepted: this process holds as many open files as it may; end it, and start it again after \
             `ulimit -n 65536`, or with fewer connections"
        }
        Some(ENFILE) => {
            "no connection is accepted: the system holds as many open files as it may (`sysctl fs.file-max`)"
        }
        _ => "no connection could be accepted",
    }
}

struct Connections {
    seats: Arc<Seats>,
    service: Arc<Service>,
    acceptor: Option<TlsAcceptor>,
    shutdown: CancellationToken,
    threads: Threads,
    served: JoinSet<()>,
    refused: JoinSet<()>,
}

impl Connections {
    fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) -> io::Result<()> {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client left before it was accepted: its own affair.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "a connection ended before it was served");
            return Ok(());
        }
        let limits = self.service.limits;
        let stop = self.shutdown.child_token();
        let seat = self.seats.take(peer, &stop, self.service.clock.instant());
        if let Some(acceptor) = &self.acceptor {
            // Who is one too many is not told so: that would take a handshake, which is what there is no room for.
            if let Some(seat) = seat {
                let acceptor = acceptor.clone();
                let service = Arc::clone(&self.service);
                self.spawn(stream, move |stream| {
                    serve_secured(stream, (seat, peer), acceptor, service, stop)
                });
            }
            return Ok(());
        }
        if let Some(seat) = seat {
            let service = Arc::clone(&self.service);
            self.spawn(stream, move |stream| {
                let wire = Box::new(Wire::new(Box::new(stream), &limits));
                serve_connection(wire, seat, peer, service, stop)
            });
        } else if self.refused.len() < REFUSALS_MAX {
            let wire = Box::new(Wire::new(Box::new(stream), &limits));
            self.refused.spawn(refuse_connection(wire, limits));
        }
        Ok(())
    }

    /// Serves a connection on the thread that has the fewest.
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) {
        let Some((place, runtime)) = self.threads.take() else {
            self.served.spawn(serve(stream));
            return;
        };
        // Each runtime watches its own sockets.
        let moved = stream.into_std();
        let serving = async move {
            let _until_it_ends = place;
            match moved.and_then(TcpStream::from_std) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "a connection cannot be watched"),
            }
        };
        self.served.spawn_on(serving, runtime);
    }

    /// Takes the connections that clients had made when the shutdown began: closing the listener would reset them.
    async fn take_backlog(&mut self, listener: &TcpListener) {
        for _ in 0..self.service.limits.connections_max {
            let mut accepting = pin!(listener.accept());
            let accepted = poll_fn(|context| match accepting.as_mut().poll(context) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending => Poll::Ready(None),
            });
            let Some(accepted) = accepted.await else {
                return;
            };
            if self.take(accepted).is_err() {
                return;
            }
        }
    }

    async fn drain(mut self, time_max: Duration) -> Drained {
        let ended = tokio::time::timeout(time_max, async {
            while let Some(ended) = self.served.join_next().await {
                note(ended);
            }
        });
        let connections_cut = match ended.await {
            Ok(()) => 0,
            Err(_) => self.served.len(),
        };
        self.served.shutdown().await;
        self.refused.shutdown().await;
        Drained { connections_cut }
    }
}

async fn serve_secured(
    stream: TcpStream,
    (seat, peer): (Seat, SocketAddr),
    acceptor: TlsAcceptor,
    service: Arc<Service>,
    stop: CancellationToken,
) {
    let limits = service.limits;
    let shaken = tokio::time::timeout(limits.head_time_max, async {
        let mut first = [0];
        // What is no handshake is told in plain words that this port wants one.
        if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE_RECORD] {
            return Ok(Shaken::Plain(stream));
        }
        acceptor
            .accept(stream)
            .await
            .map(|stream| Shaken::Secured(Box::new(stream)))
    });
    let shaken = tokio::select! {
        shaken = shaken => shaken,
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(Ok(Shaken::Secured(stream))) => {
            let wire = Box::new(Wire::new(stream, &limits));
            serve_connection(wire, seat, peer, service, stop).await;
        }
        Ok(Ok(Shaken::Plain(stream))) => {
            let mut wire = Box::new(Wire::new(Box::new(stream), &limits));
            let written = wire.write(NO_TLS, &[], limits.write_stall_max).await;
            if written.is_ok() {
                wire.linger(&limits).await;
            }
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a handshake of TLS failed"),
        Err(_) => tracing::debug!(%peer, "a handshake of TLS took too long"),
    }
}

enum Shaken {
    Secured(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

async fn serve_connection(
    wire: Box<Wire>,
    seat: Seat,
    peer: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
) {
    match http1::serve(wire, (&seat, peer), &service, &stop).await {
        End::Closed => {}
        End::Http2(wire) => http2::serve(*wire, (seat, peer), service, &stop).await,
    }
}

async fn refuse_connection(mut wire: Box<Wire>, limits: ServerLimits) {
    let written = wire.write(OVERLOADED, &[], limits.write_stall_max).await;
    if written.is_ok() {
        wire.linger(&limits).await;
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_to_accept_are_said_once_a_second_and_tried_again_ever_more_slowly() {
        let began_at = test_kit::RunningClock.instant();
        let mut failures = Failures::default();
        let said = [0, 50, 999, 1000, 1001, 2000]
            .map(|at_ms| failures.is_to_be_said(began_at + Duration::from_millis(at_ms)));
        assert_eq!(said, [true, false, false, true, false, true]);
        let pauses = [(); 5].map(|()| failures.next_pause().as_millis());
        assert_eq!(pauses, [50, 100, 200, 400, 400]);
    }

    #[test]
    fn who_runs_out_of_open_files_is_told_what_to_do() {
        for (number, expected) in [
            (EMFILE, "ulimit -n"),
            (ENFILE, "fs.file-max"),
            (1, "could be accepted"),
        ] {
            let said = explained(&io::Error::from_raw_os_error(number));
            assert!(said.contains(expected), "{said}");
        }
    }
}
