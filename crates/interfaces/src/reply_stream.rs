//! A reply that is handed on while the function writes it.
//!
//! Lives here: the bounded way of its pieces, from the instance that writes to whoever reads.
//! Does not live here: what the pieces mean (`gateway`), when an instance is free again (`invoker`).

use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::invoke::{NotRun, Reply};

/// Pieces that wait for their reader. Then the instance waits, and with it the function.
pub const PIECES_WAITING_MAX: usize = 8;
/// The largest piece, in bytes: larger ones are cut.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

/// The content type of a stream that begins with the head of an HTTP response: a JSON object, then eight zero bytes.
///
/// Contract: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes", response streaming.
pub const HTTP_INTEGRATION_RESPONSE: &str = "application/vnd.awslambda.http-integration-response";

/// The reader has gone. The function goes on all the same.
///
/// Contract: AWS Lambda Developer Guide, "Response streaming for Lambda functions": streams are not stopped when the
/// invoking client's connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads the reply any more")]
pub struct Gone;

#[derive(Debug)]
enum Part {
    Begun { content_type: String },
    Piece(Bytes),
}

/// Where an instance writes a reply. Dropping it is the end of the pieces, and not yet that of the invocation.
#[derive(Debug)]
pub struct ReplySink(mpsc::Sender<Part>);

/// Where a reply comes from that has not begun: what `invoke_streamed` waits at.
#[derive(Debug)]
pub struct ReplySource(mpsc::Receiver<Part>);

/// A reply that has begun.
#[derive(Debug)]
pub struct ReplyStream {
    /// What its pieces are: [`HTTP_INTEGRATION_RESPONSE`], or anything else.
    pub content_type: String,
    parts: mpsc::Receiver<Part>,
    end: oneshot::Receiver<Result<Reply, NotRun>>,
}

/// Both ends of the way of one reply.
#[must_use]
pub fn channel() -> (ReplySink, ReplySource) {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    (ReplySink(sender), ReplySource(receiver))
}

impl ReplySink {
    /// Says that the function streams, and what. To be said once, before the first piece.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn begin(&self, content_type: String) -> Result<(), Gone> {
        let begun = Part::Begun { content_type };
        self.0.send(begun).await.map_err(|_| Gone)
    }

    /// Hands a piece on, as soon as there is room for it.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn write(&self, mut bytes: Bytes) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
            self.0.send(Part::Piece(piece)).await.map_err(|_| Gone)?;
        }
        Ok(())
    }
}

impl ReplySource {
    /// Waits until the function begins to write; none: it will not. Cancel-safe.
    pub async fn begun(&mut self) -> Option<String> {
        loop {
            match self.0.recv().await? {
                Part::Begun { content_type } => return Some(content_type),
                // A piece of a reply that never began: its runtime broke the rule, and no reader knows what it is.
                Part::Piece(_) => {}
            }
        }
    }

    /// The stream, once it has begun; `end` is told of the invocation's end.
    #[must_use]
    pub fn into_stream(
        self,
        content_type: String,
        end: oneshot::Receiver<Result<Reply, NotRun>>,
    ) -> ReplyStream {
        ReplyStream {
            content_type,
            parts: self.0,
            end,
        }
    }
}

impl ReplyStream {
    /// The next piece; none: there are no more, and [`end`](Self::end) says why. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, for whoever polls.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match std::task::ready!(self.parts.poll_recv(context)) {
                None => return Poll::Ready(None),
                Some(Part::Piece(piece)) => return Poll::Ready(Some(piece)),
                Some(Part::Begun { .. }) => {}
            }
        }
    }

    /// How the invocation ended, behind the last piece. What it returned then is empty: the pieces were it.
    ///
    /// # Errors
    /// [`NotRun::ShuttingDown`] when the invoker ended before the function did.
    pub async fn end(&mut self) -> Result<Reply, NotRun> {
        std::future::poll_fn(|context| self.poll_end(context)).await
    }

    /// The same, for whoever polls. To be asked until it is ready, and then no more.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    pub fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<Reply, NotRun>> {
        let end = std::pin::Pin::new(&mut self.end);
        end.poll(context)
            .map(|ended| ended.unwrap_or(Err(NotRun::ShuttingDown)))
    }
}
