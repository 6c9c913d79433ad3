//! The framing reader without a socket, for tests and fuzzing.
//!
//! Lives here: taking bytes apart into requests exactly as a connection does.
//! Does not live here: the readers themselves (`head`, `framing`).

use bytes::{Bytes, BytesMut};

use super::framing::{Decoder, Step};
use super::head::{HeadReader, Refusal};
use super::{HostForm, ServerLimits};

/// What a connection would have read from some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dissection {
    /// The requests, in order; the last may lack the end of its body.
    pub requests: Vec<DissectedRequest>,
    /// What stood behind them.
    pub end: DissectionEnd,
}

/// One request that was framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DissectedRequest {
    /// Method, target and headers, as text for comparing.
    pub head: String,
    /// What came of its body.
    pub body: Bytes,
}

/// How the bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DissectionEnd {
    /// Behind a request.
    Clean,
    /// In the middle of one.
    Partial,
    /// With a refusal of this status.
    Refused(u16),
}

/// Reads bytes that arrive in pieces. Never panics, and what it gives does not depend on where the pieces end.
#[must_use]
pub fn dissect<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: &ServerLimits,
    hosts: HostForm,
) -> Dissection {
    let mut reading = Reading {
        heads: HeadReader::taking(hosts),
        ..Reading::default()
    };
    for piece in pieces {
        reading.input.extend_from_slice(piece);
        if let Err(refusal) = reading.advance(limits) {
            return reading.ended(DissectionEnd::Refused(refusal.status().as_u16()));
        }
    }
    let is_clean = reading.decoder.is_none() && !reading.heads.has_begun(&reading.input);
    reading.ended(if is_clean {
        DissectionEnd::Clean
    } else {
        DissectionEnd::Partial
    })
}

#[derive(Default)]
struct Reading {
    input: BytesMut,
    heads: HeadReader,
    decoder: Option<Decoder>,
    body: BytesMut,
    requests: Vec<DissectedRequest>,
}

impl Reading {
    fn advance(&mut self, limits: &ServerLimits) -> Result<(), Refusal> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                match decoder.step(&mut self.input)? {
                    Step::More => return Ok(()),
                    Step::Piece(piece) => self.body.extend_from_slice(&piece),
                    Step::Done => {
                        self.decoder = None;
                        self.keep_body();
                    }
                }
            } else {
                let Some(head) = self.heads.read(&mut self.input, limits)? else {
                    return Ok(());
                };
                self.decoder = Some(Decoder::new(head.body_length));
                self.requests.push(DissectedRequest {
                    head: format!("{} {:?} {:?}", head.method, head.target, head.headers),
                    body: Bytes::new(),
                });
            }
        }
    }

    fn keep_body(&mut self) {
        let body = std::mem::take(&mut self.body).freeze();
        if let Some(request) = self.requests.last_mut() {
            request.body = body;
        }
    }

    fn ended(mut self, end: DissectionEnd) -> Dissection {
        if self.decoder.is_some() {
            self.keep_body();
        }
        Dissection {
            requests: self.requests,
            end,
        }
    }
}
