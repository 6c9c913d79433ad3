//! Connections that stop speaking HTTP once their request has been answered.
//!
//! Lives here: what an answer with status 101 hands over, and to whom.
//! Does not live here: when that is answered (`websocket`), writing the answer (`http1`, `reply`).
//!
//! Contract: RFC 9110, section 7.8 and 15.2.2.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use interfaces::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::ServerLimits;
use super::wire::{Stream, Wire};

/// A connection behind its answer with status 101.
pub struct Socket {
    /// The connection itself.
    pub(crate) stream: Box<dyn Stream>,
    /// What its client sent behind the request.
    pub(crate) read: BytesMut,
    /// The limits of the listener.
    pub(crate) limits: ServerLimits,
    /// Cancelled when the listener ends.
    pub(crate) stop: CancellationToken,
}

impl Socket {
    /// Takes a connection apart.
    pub(super) fn new(wire: Wire, limits: ServerLimits, stop: CancellationToken) -> Self {
        let (stream, read) = wire.into_parts();
        Self {
            stream,
            read,
            limits,
            stop,
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Socket(…)")
    }
}

type Taker = Box<dyn FnOnce(Socket) -> BoxFuture<'static, ()> + Send>;

/// Who takes a connection over. The connection ends with the future.
///
/// Clones are handles of one taker, who takes one connection.
#[derive(Clone)]
pub struct Upgrade(Arc<Mutex<Option<Taker>>>);

impl fmt::Debug for Upgrade {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Upgrade(…)")
    }
}

impl Upgrade {
    /// The connection goes to this.
    pub(crate) fn new(
        taker: impl FnOnce(Socket) -> BoxFuture<'static, ()> + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(taker)))))
    }

    /// Hands a connection over, and waits until whoever took it is done.
    pub(super) async fn hand_over(&self, socket: Socket) {
        let taker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(taker) = taker {
            taker(socket).await;
        }
    }
}
