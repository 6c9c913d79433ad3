//! Bodies of responses that are sent while they are made.
//!
//! Lives here: where their pieces come from, as both versions on the wire take them.
//! Does not live here: chunks (`http1`), DATA frames (`http2`), what is streamed (`application`).

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use interfaces::service::FileRun;
use tokio::sync::mpsc;

/// A body broke off. Its client sees that: the end that marks a whole body is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body broke off")]
pub struct BrokenOff;

/// The pieces of a body, as they come. Dropping it says that nobody wants the rest.
pub trait Pieces: Send {
    /// The next piece; none: that was all of it.
    ///
    /// # Errors
    /// [`BrokenOff`], after which it is not asked again.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>>;

    /// All of it, if that lies in one run of a file and none of it was asked for yet.
    fn take_file(&mut self) -> Option<FileRun> {
        None
    }
}

/// A body that is sent while it is made, each piece at once. A client that takes nothing for
/// [`write_stall_max`](super::ServerLimits::write_stall_max) is cut off.
///
/// Clones are handles of one body: each piece goes to whichever asks first. So a response with such a body is never kept
/// to be sent again.
#[derive(Clone)]
pub struct BodyStream {
    pieces: Arc<Mutex<dyn Pieces>>,
    bytes: Option<u64>,
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("BodyStream(…)")
    }
}

impl BodyStream {
    /// A body of these pieces.
    #[must_use]
    pub fn new(pieces: impl Pieces + 'static) -> Self {
        Self {
            pieces: Arc::new(Mutex::new(pieces)),
            bytes: None,
        }
    }

    /// The same body, of which it is known how many bytes it has: they are announced, and a body that ends before breaks off.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// How many bytes it has in all, if that is known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// All of it, if that lies in one run of a file: then there are no pieces any more.
    pub(super) fn take_file(&mut self) -> Option<FileRun> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.take_file()
    }

    /// The next piece, which may be empty, for whoever polls; none: that was all of it.
    ///
    /// # Errors
    /// [`BrokenOff`].
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.poll_next(context)
    }

    /// Waits for the next piece that is not empty; none: that was all of it. Cancel-safe.
    ///
    /// # Errors
    /// [`BrokenOff`].
    pub async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        loop {
            let next = poll_fn(|context| self.poll_next(context)).await;
            if !matches!(&next, Some(Ok(piece)) if piece.is_empty()) {
                return next;
            }
        }
    }
}

/// What of an HTTP/2 response is sent as DATA frames.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// None: it was sent.
    Whole(Option<Bytes>),
    Pumped(mpsc::Receiver<Option<Bytes>>),
}

/// Moves a body's pieces to an HTTP/2 stream: hyper does not say for how long its client takes nothing.
pub(super) struct Pump {
    body: BodyStream,
    sender: mpsc::Sender<Option<Bytes>>,
    stall_max: Duration,
}

impl Pump {
    /// The pump, and the end that hyper takes.
    pub(super) fn new(body: BodyStream, stall_max: Duration) -> (Self, Outgoing) {
        let (sender, receiver) = mpsc::channel(1);
        let pump = Self {
            body,
            sender,
            stall_max,
        };
        (pump, Outgoing::Pumped(receiver))
    }

    /// Runs until the body has ended, or the client has gone or stands still.
    pub(super) async fn run(mut self) {
        let mut left = self.body.bytes();
        loop {
            let piece = tokio::select! {
                biased;
                () = self.sender.closed() => return,
                piece = self.body.next() => piece,
            };
            let (piece, is_last) = match piece {
                Some(Ok(piece)) => {
                    let bytes = piece.len() as u64;
                    left = left.map(|left| left.saturating_sub(bytes));
                    (Some(piece), false)
                }
                // Its client is told of bytes that never came.
                None if left.is_some_and(|left| 0 < left) => return,
                None => (None, true),
                // Its client sees that no end was said.
                Some(Err(BrokenOff)) => return,
            };
            let sending = self.sender.send(piece);
            let sent = tokio::time::timeout(self.stall_max, sending).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pumped(receiver) => receiver.poll_recv(context).map(|received| match received {
                Some(Some(piece)) => Some(Ok(Frame::data(piece))),
                Some(None) => None,
                None => Some(Err(BrokenOff)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                let count = bytes.as_ref().map_or(0, Bytes::len);
                http_body::SizeHint::with_exact(count as u64)
            }
            Self::Pumped(_) => http_body::SizeHint::default(),
        }
    }
}
