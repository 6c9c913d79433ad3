//! Exchanges whose bodies are handed on as they arrive, in both directions.
//!
//! Lives here: sending a body piece by piece, an answer whose body is read later.
//! Does not live here: exchanges that fit into memory (`upstream`), what is handed on (`outbound::passing`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use interfaces::service::{BrokenBody, CallBody};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::super::framing::{Decoder, Step};
use super::super::head::Persistence;
use super::super::wire::{READ_BYTES, ReadError, Wire};
use super::pool::Pool;
use super::response::{Framing, ResponseHead};
use super::{Client, Origin, Reading, Traits, Unanswered, connect};

/// Room for one read of an answer that goes on, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// What is asked.
pub(crate) struct Pass {
    /// Request line and headers, that of the length among them, with the empty line behind them.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Outgoing,
    pub(crate) traits: Traits,
}

/// The body of a request.
pub(crate) enum Outgoing {
    Whole(Bytes),
    /// So many bytes, as they come.
    Exact(Box<dyn CallBody>, u64),
    /// As they come, in chunks.
    Chunked(Box<dyn CallBody>),
}

/// How long the other side may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassTimes {
    /// From the last byte of the request to the head of the answer; and for a place and a connection.
    pub(crate) answer_max: Duration,
    /// Without taking or giving a byte.
    pub(crate) stall_max: Duration,
}

/// An answer whose body is still to be read.
pub(crate) struct Passed {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, HeaderValue)>,
    pub(crate) body: PassedBody,
}

/// The body of an answer.
pub(crate) struct PassedBody {
    wire: Option<Box<Wire>>,
    /// None: it ends with the connection.
    decoder: Option<Decoder>,
    is_kept: bool,
    host: String,
    stall_max: Duration,
    pool: Arc<Pool>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPassed {
    #[error(transparent)]
    Body(BrokenBody),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl Client {
    /// Sends a request, and reads the head of its answer.
    pub(crate) async fn pass(
        &self,
        origin: &Origin,
        mut pass: Pass,
        times: PassTimes,
    ) -> Result<Passed, NotPassed> {
        let until = Instant::now() + times.answer_max;
        let pool = self.pools.of(origin);
        let slow = || Unanswered::TooSlow {
            host: origin.host.clone(),
        };
        let place = tokio::time::timeout_at(until, pool.lasting_place()).await;
        let place = place.map_err(|_| slow())?;
        let keeper = (&pool, place);
        // A body that is gone cannot be sent again, so it goes over no connection that may be closed.
        if matches!(pass.body, Outgoing::Whole(_))
            && let Some(kept) = pool.kept()
        {
            match self.begin(kept, origin, &mut pass, times).await {
                Err(NotPassed::Unanswered(Unanswered::Closed { .. }))
                    if pass.traits != Traits::Once =>
                {
                    pool.clear();
                }
                begun => {
                    return begun.and_then(|begun| passed(begun, origin, &pass, times, keeper));
                }
            }
        }
        let stream = tokio::time::timeout_at(until, connect::open(origin, &self.reach)).await;
        let wire = Box::new(Wire::new(stream.map_err(|_| slow())??, &self.limits));
        let begun = self.begin(wire, origin, &mut pass, times).await?;
        passed(begun, origin, &pass, times, keeper)
    }

    async fn begin(
        &self,
        mut wire: Box<Wire>,
        origin: &Origin,
        pass: &mut Pass,
        times: PassTimes,
    ) -> Result<Begun, NotPassed> {
        // A server may answer before it has read the whole body, and close: what it said is worth more than the error.
        let is_written = send(&mut wire, pass, times.stall_max).await?;
        let mut reading = Reading {
            wire: &mut wire,
            host: &origin.host,
            limits: &self.limits,
            until: Instant::now() + times.answer_max,
        };
        let head = reading.final_head().await?;
        Ok(Begun {
            wire,
            head,
            is_written,
        })
    }
}

struct Begun {
    wire: Box<Wire>,
    head: ResponseHead,
    is_written: bool,
}

fn passed(
    begun: Begun,
    origin: &Origin,
    pass: &Pass,
    times: PassTimes,
    (pool, place): (&Arc<Pool>, Option<OwnedSemaphorePermit>),
) -> Result<Passed, NotPassed> {
    let head = begun.head;
    let framing = head.framing(pass.traits);
    let framing = framing.map_err(|refusal| Unanswered::Malformed {
        host: origin.host.clone(),
        reason: refusal.to_string(),
    })?;
    let decoder = match framing {
        Framing::Length(length) => Some(Decoder::new(length)),
        Framing::UntilClosed => None,
    };
    Ok(Passed {
        status: head.status,
        headers: head.headers,
        body: PassedBody {
            wire: Some(begun.wire),
            is_kept: begun.is_written
                && decoder.is_some()
                && head.persistence == Persistence::KeepAlive,
            decoder,
            host: origin.host.clone(),
            stall_max: times.stall_max,
            pool: Arc::clone(pool),
            _place: place,
        },
    })
}

/// Whether all was taken. A body that breaks leaves the request without its end, which the other side sees.
async fn send(wire: &mut Wire, pass: &mut Pass, stall_max: Duration) -> Result<bool, NotPassed> {
    let (body, mut left) = match &mut pass.body {
        Outgoing::Whole(body) => return Ok(wire.write(&pass.head, body, stall_max).await.is_ok()),
        Outgoing::Exact(body, bytes) => (body, Some(*bytes)),
        Outgoing::Chunked(body) => (body, None),
    };
    if wire.write(&pass.head, b"", stall_max).await.is_err() {
        return Ok(false);
    }
    while let Some(piece) = body.next().await.map_err(NotPassed::Body)? {
        if piece.is_empty() {
            continue;
        }
        let written = match &mut left {
            Some(left) => {
                *left = left
                    .checked_sub(piece.len() as u64)
                    .ok_or(NotPassed::Body(BrokenBody::CutOff))?;
                wire.write(b"", &piece, stall_max).await
            }
            None => {
                let line = format!("{:x}\r\n", piece.len());
                match wire.write(line.as_bytes(), &piece, stall_max).await {
                    Ok(()) => wire.write(b"\r\n", b"", stall_max).await,
                    failed => failed,
                }
            }
        };
        if written.is_err() {
            return Ok(false);
        }
    }
    match left {
        Some(0) => Ok(true),
        Some(_) => Err(NotPassed::Body(BrokenBody::CutOff)),
        None => Ok(wire.write(b"0\r\n\r\n", b"", stall_max).await.is_ok()),
    }
}

impl PassedBody {
    /// The next piece; none: that was all of it.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Unanswered> {
        loop {
            let Some(wire) = &mut self.wire else {
                return Ok(None);
            };
            let step = match &mut self.decoder {
                Some(decoder) => decoder.step(&mut wire.input),
                None if wire.input.is_empty() => Ok(Step::More),
                None => Ok(Step::Piece(wire.input.split().freeze())),
            };
            let malformed = |reason: String| Unanswered::Malformed {
                host: self.host.clone(),
                reason,
            };
            match step.map_err(|refusal| malformed(refusal.to_string()))? {
                Step::Piece(piece) => return Ok(Some(piece)),
                Step::Done => {
                    let is_kept = self.is_kept && wire.input.is_empty();
                    let wire = self.wire.take();
                    self.pool.keep(wire.filter(|_| is_kept));
                    return Ok(None);
                }
                Step::More => {}
            }
            let room = match self.decoder {
                Some(_) => PIECE_BYTES,
                None => READ_BYTES,
            };
            match wire.fill(room, Instant::now() + self.stall_max).await {
                Ok(()) => {}
                Err(ReadError::Ended) if self.decoder.is_none() => {
                    self.wire = None;
                    return Ok(None);
                }
                Err(ReadError::Ended) => return Err(malformed("its body was cut off".to_owned())),
                Err(ReadError::TimedOut) => {
                    return Err(Unanswered::TooSlow {
                        host: self.host.clone(),
                    });
                }
            }
        }
    }
}
