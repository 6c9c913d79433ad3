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
use std::time::Duration;

use interfaces::clock::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::http1::{self, End, Service};
use super::wire::Wire;
use super::{Handler, ServerLimits, http2};

/// Connections over the limit that are being told so. Those over this limit too are closed without a word.
const REFUSALS_MAX: usize = 64;
/// How long nothing is accepted after accepting failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    too many connections\n";

/// Serves one listener.
pub struct Server {
    limits: ServerLimits,
    clock: Arc<dyn Clock>,
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
        Self { limits, clock }
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
        let mut connections = Connections {
            service: Arc::new(Service {
                handler,
                clock: self.clock,
                limits: self.limits,
            }),
            shutdown: shutdown.clone(),
            served: JoinSet::new(),
            refused: JoinSet::new(),
        };
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.served.join_next() => note(ended),
                Some(_) = connections.refused.join_next() => {}
                accepted = listener.accept() => {
                    if let Err(error) = connections.take(accepted) {
                        tracing::warn!(%error, "no connection could be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        connections.take_backlog(&listener).await;
        drop(listener);
        connections.drain(self.limits.drain_time_max).await
    }
}

struct Connections {
    service: Arc<Service>,
    shutdown: CancellationToken,
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
        let limits = &self.service.limits;
        let wire = Box::new(Wire::new(Box::new(stream), limits));
        if self.served.len() < limits.connections_max {
            let stop = self.shutdown.child_token();
            self.served
                .spawn(serve_connection(wire, peer, self.service.clone(), stop));
        } else if self.refused.len() < REFUSALS_MAX {
            self.refused.spawn(refuse_connection(wire, *limits));
        }
        Ok(())
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

async fn serve_connection(
    wire: Box<Wire>,
    peer: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
) {
    match http1::serve(wire, peer, &service, &stop).await {
        End::Closed => {}
        End::Http2(wire) => http2::serve(*wire, peer, service, &stop).await,
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
