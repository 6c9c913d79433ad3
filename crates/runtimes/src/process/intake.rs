//! A reply that an instance writes in pieces.
//!
//! Lives here: passing them on, or collecting them for whoever asked for a whole reply, and their limits.
//! Does not live here: frames (`link`), the Runtime API's chunks (`runtime_api`), what a piece means to a client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use interfaces::reply_stream::ReplySink;
use model::limits::LAMBDA_STREAMED_REPLY_BYTES_MAX;

use super::failure::{self, REPLY_BYTES_MAX};
use super::link::{Message, Part};

/// The content type of a stream that does not say its own.
///
/// Contract: AWS Lambda's managed runtime for Node.js.
pub(super) const CONTENT_TYPE_DEFAULT: &str = "application/octet-stream";
/// What is taken for a content type; longer ones are none.
const CONTENT_TYPE_BYTES_MAX: usize = 1_024;

/// What takes the pieces of one event's reply. Clones are one and the same.
#[derive(Debug, Clone)]
pub(super) struct Intake(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// None: they are collected.
    sink: Option<ReplySink>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    has_begun: bool,
    bytes: usize,
    collected: Vec<u8>,
}

impl Intake {
    /// For one event; without a sink the reply is wanted whole.
    pub(super) fn new(sink: Option<ReplySink>) -> Self {
        let taken = Mutex::default();
        Self(Arc::new(Shared { sink, taken }))
    }

    /// Whether pieces are passed on.
    pub(super) fn passes_on(&self) -> bool {
        self.0.sink.is_some()
    }

    /// How many bytes have come in pieces.
    pub(super) fn bytes(&self) -> usize {
        self.taken().bytes
    }

    /// Whether there were more than may be.
    pub(super) fn is_too_large(&self) -> bool {
        self.bytes_max() < self.bytes()
    }

    /// The instance says something of its stream. Waits until whoever reads it has room; when nobody does any more, what
    /// comes is thrown away.
    pub(super) async fn take(&self, part: Part) {
        match part {
            Part::Begun(content_type) => {
                self.taken().has_begun = true;
                if let Some(sink) = &self.0.sink {
                    // The function goes on without a reader.
                    let _ = sink.begin(read_content_type(&content_type)).await;
                }
            }
            Part::Piece(piece) => {
                {
                    let mut taken = self.taken();
                    taken.bytes = taken.bytes.saturating_add(piece.len());
                    if self.bytes_max() < taken.bytes {
                        taken.collected = Vec::new();
                        return;
                    }
                    if self.0.sink.is_none() {
                        taken.collected.extend_from_slice(&piece);
                    }
                }
                if let Some(sink) = &self.0.sink {
                    let _ = sink.write(piece).await;
                }
            }
        }
    }

    /// What the last word of an instance means behind its pieces.
    pub(super) fn finish(&self, last: Message) -> Message {
        let mut taken = self.taken();
        if !taken.has_begun || !matches!(last, Message::Returned(_)) {
            return last;
        }
        match (self.bytes_max() < taken.bytes, &self.0.sink) {
            (true, None) => Message::TooLarge,
            (true, Some(_)) => Message::Raised(failure::stream_too_large()),
            (false, None) => Message::Returned(std::mem::take(&mut taken.collected).into()),
            (false, Some(_)) => Message::Returned(Bytes::new()),
        }
    }

    fn bytes_max(&self) -> usize {
        match self.0.sink {
            None => REPLY_BYTES_MAX,
            Some(_) => LAMBDA_STREAMED_REPLY_BYTES_MAX,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_content_type(said: &[u8]) -> String {
    match std::str::from_utf8(said) {
        Ok(text) if !text.is_empty() && text.len() <= CONTENT_TYPE_BYTES_MAX => text.to_owned(),
        Ok(_) | Err(_) => CONTENT_TYPE_DEFAULT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use interfaces::reply_stream;

    use super::*;

    fn returned() -> Message {
        Message::Returned(Bytes::from_static(b"last"))
    }

    async fn taken(intake: &Intake, pieces: &[Bytes]) -> Message {
        intake.take(Part::Begun(Bytes::new())).await;
        for piece in pieces {
            intake.take(Part::Piece(piece.clone())).await;
        }
        intake.finish(returned())
    }

    #[tokio::test]
    async fn a_reply_that_is_wanted_whole_is_collected() {
        let pieces = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let whole = taken(&Intake::new(None), &pieces).await;
        assert_eq!(whole, Message::Returned(Bytes::from_static(b"ab")));
        assert_eq!(Intake::new(None).finish(returned()), returned());
        let failed = Intake::new(None).finish(Message::Raised(Bytes::new()));
        assert_eq!(failed, Message::Raised(Bytes::new()));
    }

    #[tokio::test]
    async fn more_than_fits_into_a_whole_reply_is_thrown_away() {
        let piece = Bytes::from(vec![b'x'; REPLY_BYTES_MAX]);
        let intake = Intake::new(None);
        let pieces = [piece.clone(), Bytes::from_static(b"y"), piece];
        assert_eq!(taken(&intake, &pieces).await, Message::TooLarge);
        assert!(intake.is_too_large());
    }

    #[tokio::test]
    async fn a_stream_over_its_limit_ends_as_an_error() {
        let (sink, source) = reply_stream::channel();
        // Nobody reads.
        drop(source);
        let intake = Intake::new(Some(sink));
        let piece = Bytes::from(vec![b'x'; 50 * 1024 * 1024]);
        let message = taken(&intake, &vec![piece.clone(); 4]).await;
        assert_eq!(message, Message::Returned(Bytes::new()));
        intake.take(Part::Piece(Bytes::from_static(b"y"))).await;
        let message = intake.finish(returned());
        assert_eq!(message, Message::Raised(failure::stream_too_large()));
    }
}
