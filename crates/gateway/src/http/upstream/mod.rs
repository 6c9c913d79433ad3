//! Requests of our own to other servers, over HTTP/1.1.
//!
//! Lives here: one exchange on a kept or a new connection, with limits on time and bytes.
//! Does not live here: kept connections (`pool`), making new ones (`connect`), bodies that are handed on as they
//! arrive (`pass`), what a response's head says (`response`), what is asked (`http_proxy`).
//!
//! The framing reader is the one of our server: what is ambiguous is refused on either side.

mod connect;
mod pass;
mod pool;
mod response;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

use super::ServerLimits;
use super::framing::{BodyLength, Decoder, Step};
use super::head::{HeadReader, Persistence};
use super::wire::{READ_BYTES, ReadError, Wire};

pub(crate) use connect::Reach;
pub(crate) use pass::{NotPassed, Outgoing, Pass, PassTimes, PassedBody};
use pool::Pools;
use response::{Framing, ResponseHead};

/// Informational responses in front of a final one.
const INFORMATIONAL_MAX: usize = 8;
/// The most room that is made for a body before more of it has arrived, in bytes.
const ROOM_BYTES_MAX: usize = 256 * 1024;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    /// A name or an address; IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// What is asked. Whoever makes it has checked every part: nothing is escaped here.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Request line and headers, with the empty line behind them.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Bytes,
    pub(crate) traits: Traits,
}

/// What a method means for the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traits {
    /// `HEAD`: the response has no body. It may be repeated.
    Bodiless,
    /// It may be repeated when a kept connection turns out to be closed (RFC 9110, 9.2.2).
    Repeatable,
    /// It may not.
    Once,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// Nothing was answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("`{host}` cannot be looked up: {reason}")]
    Unknown { host: String, reason: String },
    #[error(
        "`{host}` is {address}: machines of a cloud keep their secrets at link-local addresses, and nothing is handed on \
         to them"
    )]
    Forbidden {
        host: String,
        address: std::net::IpAddr,
    },
    #[error("`{host}` is {address}, where nothing is sent: {why}")]
    NotLetOut {
        host: String,
        address: std::net::SocketAddr,
        why: String,
    },
    #[error("no connection to {host}: {reason}")]
    NoConnection { host: String, reason: String },
    #[error("{host} closed the connection before it had answered")]
    Closed { host: String },
    #[error("{host} had not answered in time")]
    TooSlow { host: String },
    #[error("what {host} answered is not HTTP/1.1 as it should be: {reason}")]
    Malformed { host: String, reason: String },
    #[error("the answer of {host} is over the limit of {bytes_max} bytes")]
    TooLarge { host: String, bytes_max: usize },
}

/// Asks other servers.
pub(crate) struct Client {
    pools: Pools,
    reach: Reach,
    limits: ServerLimits,
}

impl Client {
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            pools: Pools::default(),
            reach,
            limits: ServerLimits::default(),
        }
    }

    /// Asks one thing, and reads all of the answer.
    pub(crate) async fn ask(
        &self,
        origin: &Origin,
        ask: &Ask,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<Answered, Unanswered> {
        let until = Instant::now() + timeout;
        let pool = self.pools.of(origin);
        let slow = || Unanswered::TooSlow {
            host: origin.host.clone(),
        };
        // A connection watches the time itself, by a timer that seldom moves; what comes before it is watched here.
        let _place = match pool.place_now() {
            Some(place) => Some(place),
            None => tokio::time::timeout_at(until, pool.place())
                .await
                .map_err(|_| slow())?,
        };
        if let Some(kept) = pool.kept() {
            let exchanged = self.exchange(kept, origin, ask, (until, bytes_max)).await;
            let is_stale = matches!(exchanged, Err(Unanswered::Closed { .. }));
            if !is_stale || ask.traits == Traits::Once {
                let (answered, wire) = exchanged?;
                pool.keep(wire);
                return Ok(answered);
            }
            // All that were kept longer are as likely to be closed.
            pool.clear();
        }
        let stream = tokio::time::timeout_at(until, connect::open(origin, &self.reach)).await;
        let wire = Box::new(Wire::new(stream.map_err(|_| slow())??, &self.limits));
        let (answered, wire) = self.exchange(wire, origin, ask, (until, bytes_max)).await?;
        pool.keep(wire);
        Ok(answered)
    }

    async fn exchange(
        &self,
        mut wire: Box<Wire>,
        origin: &Origin,
        ask: &Ask,
        (until, bytes_max): (Instant, usize),
    ) -> Result<(Answered, Option<Box<Wire>>), Unanswered> {
        // A server may answer before it has read the whole body, and close: what it said is worth more than the error.
        let left = until.saturating_duration_since(Instant::now());
        let stall_max = self.limits.write_stall_max.min(left);
        let written = wire.write(&ask.head, &ask.body, stall_max).await;
        let mut reading = Reading {
            wire: &mut wire,
            host: &origin.host,
            limits: &self.limits,
            until,
        };
        let head = reading.final_head().await?;
        let framing = head.framing(ask.traits);
        let framing = framing.map_err(|refusal| reading.malformed(&refusal))?;
        let body = match framing {
            Framing::Length(length) => reading.body(length, bytes_max).await?,
            Framing::UntilClosed => reading.rest(bytes_max).await?,
        };
        let is_kept = written.is_ok()
            && wire.input.is_empty()
            && framing != Framing::UntilClosed
            && head.persistence == Persistence::KeepAlive;
        let answered = Answered {
            status: head.status,
            headers: head.headers,
            body,
        };
        Ok((answered, is_kept.then_some(wire)))
    }
}

struct Reading<'a> {
    wire: &'a mut Wire,
    host: &'a str,
    limits: &'a ServerLimits,
    until: Instant,
}

impl Reading<'_> {
    async fn final_head(&mut self) -> Result<ResponseHead, Unanswered> {
        let mut heads = HeadReader::default();
        let mut informational = 0;
        let mut has_begun = false;
        loop {
            let lines = heads.read_lines(&mut self.wire.input, self.limits);
            if let Some(lines) = lines.map_err(|refusal| self.malformed(&refusal))? {
                let head = ResponseHead::read(&lines, self.limits);
                let head = head.map_err(|refusal| self.malformed(&refusal))?;
                if !head.status.is_informational() {
                    return Ok(head);
                }
                // Nothing asked for another protocol.
                if head.status == StatusCode::SWITCHING_PROTOCOLS
                    || informational == INFORMATIONAL_MAX
                {
                    return Err(self.malformed(&"it has too many informational responses"));
                }
                informational += 1;
                continue;
            }
            match self.wire.fill(READ_BYTES, self.until).await {
                Ok(()) => has_begun = true,
                Err(ReadError::Ended) if has_begun => {
                    return Err(self.malformed(&"its head was cut off"));
                }
                Err(error) => return Err(self.unread(error)),
            }
        }
    }

    async fn body(&mut self, length: BodyLength, bytes_max: usize) -> Result<Bytes, Unanswered> {
        let mut decoder = Decoder::new(length);
        let mut collected = BytesMut::new();
        loop {
            let left = decoder.bytes_left();
            if left.is_some_and(|left| (bytes_max as u64) < left) {
                return Err(self.too_large(bytes_max));
            }
            // A body of known length stays in the input until it is whole: that saves copying it.
            let missing = left.map_or(0, |left| {
                usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(self.wire.input.len())
            });
            if missing == 0 {
                match decoder.step(&mut self.wire.input) {
                    Err(refusal) => return Err(self.malformed(&refusal)),
                    Ok(Step::Done) => return Ok(collected.freeze()),
                    Ok(Step::Piece(piece)) if collected.is_empty() && decoder.is_done() => {
                        return Ok(piece);
                    }
                    Ok(Step::Piece(piece)) => {
                        if bytes_max - collected.len() < piece.len() {
                            return Err(self.too_large(bytes_max));
                        }
                        collected.extend_from_slice(&piece);
                        continue;
                    }
                    Ok(Step::More) => {}
                }
            }
            let room = missing.clamp(READ_BYTES, ROOM_BYTES_MAX);
            match self.wire.fill(room, self.until).await {
                Ok(()) => {}
                Err(ReadError::Ended) => return Err(self.malformed(&"its body was cut off")),
                Err(error @ ReadError::TimedOut) => return Err(self.unread(error)),
            }
        }
    }

    /// Everything up to the end of the connection.
    async fn rest(&mut self, bytes_max: usize) -> Result<Bytes, Unanswered> {
        loop {
            if bytes_max < self.wire.input.len() {
                return Err(self.too_large(bytes_max));
            }
            match self.wire.fill(READ_BYTES, self.until).await {
                Ok(()) => {}
                Err(ReadError::Ended) => return Ok(self.wire.input.split().freeze()),
                Err(error @ ReadError::TimedOut) => return Err(self.unread(error)),
            }
        }
    }

    fn unread(&self, error: ReadError) -> Unanswered {
        let host = self.host.to_owned();
        match error {
            ReadError::Ended => Unanswered::Closed { host },
            ReadError::TimedOut => Unanswered::TooSlow { host },
        }
    }

    fn malformed(&self, reason: &dyn std::fmt::Display) -> Unanswered {
        Unanswered::Malformed {
            host: self.host.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn too_large(&self, bytes_max: usize) -> Unanswered {
        Unanswered::TooLarge {
            host: self.host.to_owned(),
            bytes_max,
        }
    }
}
