//! The body of a request, on its way in.
//!
//! Lives here: reading it with limits, and what can go wrong on the way.
//! Does not live here: where it ends on the wire (`framing`).

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ServerLimits;
use super::framing::{Decoder, Step};
use super::head::Expectation;
use super::wire::{READ_BYTES, ReadError, Wire};

/// The most room that is made for a body before more of it has arrived, in bytes: a client may announce much and
/// send nothing.
const ROOM_BYTES_MAX: usize = 256 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A body that has not been read yet. Dropping it unread is allowed.
#[derive(Debug)]
pub struct Body {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Whole(Bytes),
    Lent(Box<Lent>),
    Streamed(Box<Streamed>),
}

/// A body did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than its reader takes. HTTP: 413.
    #[error("the body is over the limit of {bytes_max} bytes")]
    TooLarge {
        /// The most that its reader takes, in bytes.
        bytes_max: usize,
    },
    /// The connection ended before the body did. Nobody is there to read an answer.
    #[error("the body was cut off")]
    CutOff,
    /// It made no progress for too long. HTTP: 408.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// Its framing is broken. The server answers 400 and closes, whatever the handler says.
    #[error("the framing of the body is broken")]
    Malformed,
}

impl Body {
    /// A body that is all there.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self {
            source: Source::Whole(bytes.into()),
        }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// A body on an HTTP/1 connection, of which some is missing.
    pub(super) fn lent(lent: Lent) -> Self {
        Self {
            source: Source::Lent(Box::new(lent)),
        }
    }

    /// A body on an HTTP/2 stream.
    pub(super) fn streamed(incoming: Incoming, limits: ServerLimits) -> Self {
        Self {
            source: Source::Streamed(Box::new(Streamed { incoming, limits })),
        }
    }

    /// The next piece of it; none: that was all. Nothing is lost when the future is dropped. A body may take as long as it
    /// likes, as long as something comes.
    ///
    /// # Errors
    /// Each case of [`BodyError`] but the first, after which it is not asked again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match &mut self.source {
            Source::Whole(bytes) => Ok((!bytes.is_empty()).then(|| std::mem::take(bytes))),
            Source::Lent(lent) => {
                let next = lent.next().await;
                lent.fault = next.as_ref().err().copied();
                next
            }
            Source::Streamed(streamed) => streamed.next().await,
        }
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// Each case of [`BodyError`]. After any of them an HTTP/1 connection with more of the body on its way is closed
    /// behind the response.
    pub async fn collect(self, bytes_max: usize) -> Result<Bytes, BodyError> {
        match self.source {
            Source::Whole(bytes) if bytes.len() <= bytes_max => Ok(bytes),
            Source::Whole(_) => Err(BodyError::TooLarge { bytes_max }),
            Source::Lent(mut lent) => {
                let collected = lent.collect(bytes_max).await;
                lent.fault = collected.as_ref().err().copied();
                collected
            }
            Source::Streamed(streamed) => streamed.collect(bytes_max).await,
        }
    }
}

/// A body whose rest is still to come on an HTTP/1 connection. It holds the connection, which nobody else needs
/// before the response, and sends it home when it is dropped.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) wire: Option<Box<Wire>>,
    pub(super) decoder: Decoder,
    /// What was decoded before the handler was called.
    pub(super) decoded: BytesMut,
    pub(super) expectation: Expectation,
    pub(super) limits: ServerLimits,
    pub(super) fault: Option<BodyError>,
    pub(super) home: Option<oneshot::Sender<Returned>>,
}

/// A connection that comes home from a body.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) wire: Box<Wire>,
    pub(super) decoder: Decoder,
    pub(super) fault: Option<BodyError>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let decoder = std::mem::replace(&mut self.decoder, Decoder::finished());
        if let (Some(wire), Some(home)) = (self.wire.take(), self.home.take()) {
            // Nobody at home: the connection's task has been cut, and the connection ends with it.
            let _ = home.send(Returned {
                wire,
                decoder,
                fault: self.fault,
            });
        }
    }
}

impl Lent {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let wire = self.wire.as_mut().ok_or(BodyError::CutOff)?;
        if self.expectation == Expectation::Continue {
            self.expectation = Expectation::None;
            wire.write(CONTINUE, &[], self.limits.write_stall_max)
                .await
                .map_err(|_| BodyError::CutOff)?;
        }
        if !self.decoded.is_empty() {
            return Ok(Some(self.decoded.split().freeze()));
        }
        loop {
            match self.decoder.step(&mut wire.input) {
                Err(_) => return Err(BodyError::Malformed),
                Ok(Step::Done) => return Ok(None),
                Ok(Step::Piece(piece)) => return Ok(Some(piece)),
                Ok(Step::More) => {}
            }
            let room_bytes = missing(self.decoder.bytes_left(), wire.input.len())
                .clamp(READ_BYTES, ROOM_BYTES_MAX);
            let stalled_at = Instant::now() + self.limits.body_stall_max;
            match wire.fill_up(room_bytes, stalled_at).await {
                Ok(()) => {}
                Err(ReadError::Ended) => return Err(BodyError::CutOff),
                Err(ReadError::TimedOut) => return Err(BodyError::TooSlow),
            }
        }
    }

    async fn collect(&mut self, bytes_max: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { bytes_max };
        let wire = self.wire.as_mut().ok_or(BodyError::CutOff)?;
        if over(bytes_max, self.decoder.bytes_left()) || bytes_max < self.decoded.len() {
            return Err(too_large);
        }
        if self.expectation == Expectation::Continue {
            self.expectation = Expectation::None;
            wire.write(CONTINUE, &[], self.limits.write_stall_max)
                .await
                .map_err(|_| BodyError::CutOff)?;
        }
        let deadline = Instant::now() + self.limits.body_time_max;
        loop {
            let missing_bytes = missing(self.decoder.bytes_left(), wire.input.len());
            if missing_bytes == 0 {
                match self.decoder.step(&mut wire.input) {
                    Err(_) => return Err(BodyError::Malformed),
                    Ok(Step::Done) => return Ok(std::mem::take(&mut self.decoded).freeze()),
                    Ok(Step::Piece(piece)) if self.decoded.is_empty() && self.decoder.is_done() => {
                        return Ok(piece);
                    }
                    Ok(Step::Piece(piece)) => {
                        if bytes_max - self.decoded.len() < piece.len() {
                            return Err(too_large);
                        }
                        self.decoded.extend_from_slice(&piece);
                        continue;
                    }
                    Ok(Step::More) => {}
                }
            }
            let room_bytes = missing_bytes.clamp(READ_BYTES, ROOM_BYTES_MAX);
            let stalled_at = Instant::now() + self.limits.body_stall_max;
            match wire.fill(room_bytes, stalled_at.min(deadline)).await {
                Ok(()) => {}
                Err(ReadError::Ended) => return Err(BodyError::CutOff),
                Err(ReadError::TimedOut) => return Err(BodyError::TooSlow),
            }
        }
    }
}

/// How much of a body of known length has not arrived. Such a body is left in the input until it is whole: that
/// saves copying it.
fn missing(bytes_left: Option<u64>, input_bytes: usize) -> usize {
    bytes_left.map_or(0, |left| {
        usize::try_from(left)
            .unwrap_or(usize::MAX)
            .saturating_sub(input_bytes)
    })
}

fn over(bytes_max: usize, bytes_left: Option<u64>) -> bool {
    bytes_left.is_some_and(|left| usize::try_from(left).map_or(true, |left| bytes_max < left))
}

/// A body on an HTTP/2 stream: hyper frames it.
#[derive(Debug)]
struct Streamed {
    incoming: Incoming,
    limits: ServerLimits,
}

impl Streamed {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let stalled_at = Instant::now() + self.limits.body_stall_max;
            let frame = tokio::time::timeout_at(stalled_at, self.incoming.frame())
                .await
                .map_err(|_| BodyError::TooSlow)?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            let frame = frame.map_err(|_| BodyError::CutOff)?;
            if let Ok(piece) = frame.into_data()
                && !piece.is_empty()
            {
                return Ok(Some(piece));
            }
        }
    }

    async fn collect(mut self, bytes_max: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { bytes_max };
        let declared = http_body::Body::size_hint(&self.incoming).exact();
        if over(bytes_max, declared) {
            return Err(too_large);
        }
        let deadline = Instant::now() + self.limits.body_time_max;
        let mut collected = BytesMut::new();
        loop {
            let stalled_at = Instant::now() + self.limits.body_stall_max;
            let frame = tokio::time::timeout_at(stalled_at.min(deadline), self.incoming.frame())
                .await
                .map_err(|_| BodyError::TooSlow)?;
            let Some(frame) = frame else {
                return Ok(collected.freeze());
            };
            let frame = frame.map_err(|_| BodyError::CutOff)?;
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            if bytes_max - collected.len() < piece.len() {
                return Err(too_large);
            }
            if collected.is_empty() && http_body::Body::is_end_stream(&self.incoming) {
                return Ok(piece);
            }
            collected.extend_from_slice(&piece);
        }
    }
}
