//! Where a body ends on an HTTP/1 connection.
//!
//! Lives here: counting bytes, and the strict decoder of chunks.
//! Does not live here: which of the two a request uses (`head`), sockets and time (`body`).
//!
//! Contract: RFC 9112, sections 6.3 and 7.1. Trailers are checked as headers are, and dropped, as section 7.1.2
//! allows.

use bytes::{Buf, Bytes, BytesMut};

use super::head::{Refusal, is_header_line};

/// The line of a chunk's size, extensions included, in bytes.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// All extensions of one body, in bytes: they carry nothing, and could hide a flood.
const EXTENSION_BYTES_MAX: usize = 16 * 1024;
/// All trailers of one body, in bytes.
const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Hexadecimal digits of a chunk's size: none can overflow 64 bits.
const CHUNK_SIZE_DIGITS_MAX: usize = 15;

/// How a request says where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// After so many bytes.
    Exact(u64),
    /// After the last chunk.
    Chunked,
}

/// Takes a body apart as it arrives.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    extension_bytes: usize,
    trailer_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Exact { left: u64 },
    ChunkLine,
    ChunkBytes { left: u64 },
    ChunkEnd,
    Trailers,
    Done,
}

/// What the bytes at hand give.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Some of the body; never empty.
    Piece(Bytes),
    /// Nothing until more has arrived.
    More,
    /// The body has ended.
    Done,
}

impl Decoder {
    pub(super) fn new(length: BodyLength) -> Self {
        Self {
            state: match length {
                BodyLength::Exact(0) => State::Done,
                BodyLength::Exact(left) => State::Exact { left },
                BodyLength::Chunked => State::ChunkLine,
            },
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// The decoder of a body that has ended.
    pub(super) fn finished() -> Self {
        Self::new(BodyLength::Exact(0))
    }

    /// Whether the body has been taken to its end.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes are still to come, when that is known.
    pub(super) fn bytes_left(&self) -> Option<u64> {
        match self.state {
            State::Exact { left } => Some(left),
            State::Done => Some(0),
            State::ChunkLine | State::ChunkBytes { .. } | State::ChunkEnd | State::Trailers => None,
        }
    }

    /// Takes the next piece off the front of the buffer.
    pub(super) fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Refusal> {
        // Each turn takes at least one byte or leaves the loop.
        loop {
            match self.state {
                State::Done => return Ok(Step::Done),
                State::Exact { left } => {
                    let Some(piece) = take_piece(buffer, left) else {
                        return Ok(Step::More);
                    };
                    self.state = match left - piece.len() as u64 {
                        0 => State::Done,
                        left => State::Exact { left },
                    };
                    return Ok(Step::Piece(piece));
                }
                State::ChunkBytes { left } => {
                    let Some(piece) = take_piece(buffer, left) else {
                        return Ok(Step::More);
                    };
                    self.state = match left - piece.len() as u64 {
                        0 => State::ChunkEnd,
                        left => State::ChunkBytes { left },
                    };
                    return Ok(Step::Piece(piece));
                }
                State::ChunkEnd => match take_line(buffer, 0)? {
                    Some(_) => self.state = State::ChunkLine,
                    None => return Ok(Step::More),
                },
                State::ChunkLine => match take_line(buffer, CHUNK_LINE_BYTES_MAX)? {
                    Some(line) => self.state = self.read_chunk_line(&line)?,
                    None => return Ok(Step::More),
                },
                State::Trailers => {
                    match take_line(buffer, TRAILER_BYTES_MAX - self.trailer_bytes)? {
                        Some(line) if line.is_empty() => self.state = State::Done,
                        Some(line) if is_header_line(&line) => self.trailer_bytes += line.len(),
                        Some(_) => return Err(Refusal::Chunk),
                        None => return Ok(Step::More),
                    }
                }
            }
        }
    }

    fn read_chunk_line(&mut self, line: &[u8]) -> Result<State, Refusal> {
        let digits_end = line
            .iter()
            .position(|byte| !byte.is_ascii_hexdigit())
            .unwrap_or(line.len());
        let (digits, extension) = line.split_at(digits_end);
        if digits.is_empty() || CHUNK_SIZE_DIGITS_MAX < digits.len() || !is_extension(extension) {
            return Err(Refusal::Chunk);
        }
        self.extension_bytes += extension.len();
        if EXTENSION_BYTES_MAX < self.extension_bytes {
            return Err(Refusal::Chunk);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| Refusal::Chunk)?;
        match u64::from_str_radix(digits, 16).map_err(|_| Refusal::Chunk)? {
            0 => Ok(State::Trailers),
            left => Ok(State::ChunkBytes { left }),
        }
    }
}

/// What may follow a chunk's size: nothing, or `;` and text without control characters, which means nothing to us.
fn is_extension(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b';', rest @ ..] => rest
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ' || *byte == b'\t'),
        _ => false,
    }
}

fn take_piece(buffer: &mut BytesMut, left: u64) -> Option<Bytes> {
    let bytes = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    (0 < bytes).then(|| buffer.split_to(bytes).freeze())
}

/// Takes a line without its CR LF; none: it is not complete. A line over the limit is refused before its end is
/// seen, at the same byte whatever pieces it arrives in.
fn take_line(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<BytesMut>, Refusal> {
    let window = buffer
        .get(..buffer.len().min(bytes_max + 2))
        .unwrap_or_default();
    let Some(line_end) = memchr::memchr(b'\n', window) else {
        let is_over = window.len() == bytes_max + 2;
        return if is_over {
            Err(Refusal::Chunk)
        } else {
            Ok(None)
        };
    };
    let mut line = buffer.split_to(line_end);
    buffer.advance(1);
    if line.last() != Some(&b'\r') {
        return Err(Refusal::Chunk);
    }
    line.truncate(line_end - 1);
    Ok(Some(line))
}
