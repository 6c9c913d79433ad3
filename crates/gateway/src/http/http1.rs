//! One HTTP/1 connection, from its first request to its end.
//!
//! Lives here: the order of things: a head, the handler, its response, the next head; and when that ends.
//! Does not live here: reading heads and bodies (`head`, `framing`, `body`), sockets (`wire`).
//!
//! HTTP/1 is served here and not by hyper: a strict reader in front of hyper would be a second reader of the same
//! bytes, and two readers that differ somewhere are what request smuggling lives on.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Version};
use interfaces::clock::Clock;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::body::{Lent, Returned};
use super::file;
use super::framing::{BodyLength, Decoder, Step};
use super::head::{Expectation, Head, HeadReader, Persistence, Refusal, Target};
use super::reply::{self, Circumstances, DateText, Following};
use super::seats::Seat;
use super::vigil::{Company, Vigil};
use super::wire::{READ_BYTES, ReadError, Wire, WriteError};
use super::{
    Body, BodyError, BodyStream, Handler, HostForm, Request, Response, ResponseBody, Scheme,
    ServerLimits, Socket,
};

/// How HTTP/2 begins, where a client knows beforehand that it is spoken (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
/// What a connection keeps of its memory for the heads of responses, in bytes.
const OUTPUT_KEPT_BYTES_MAX: usize = 16 * 1024;
/// How long a handler's leftovers may hold a request's body after the response is there.
const BODY_RETURN_MAX: Duration = Duration::from_secs(1);

/// What ends a body in chunks.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What all connections of a listener share.
pub(super) struct Service {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: ServerLimits,
    pub(super) hosts: HostForm,
    pub(super) scheme: Scheme,
    pub(super) company: Company,
}

/// How a connection's HTTP/1 ended.
pub(super) enum End {
    /// It is closed.
    Closed,
    /// It speaks HTTP/2; nothing has been taken from its input.
    Http2(Box<Wire>),
}

/// Serves a connection until it closes or turns out to speak HTTP/2.
pub(super) async fn serve(
    wire: Box<Wire>,
    (seat, peer): (&Seat, SocketAddr),
    service: &Service,
    stop: &CancellationToken,
) -> End {
    let mut connection = Connection {
        peer,
        service,
        stop,
        heads: HeadReader::taking(service.hosts),
        date: DateText::default(),
        output: Vec::new(),
        preface: Preface::Possible,
    };
    let mut stopped = pin!(stop.cancelled());
    let mut wire = wire;
    let mut vigil = Vigil::new(&service.company, &*service.clock);
    loop {
        let next = connection.next_head(&mut wire, stopped.as_mut());
        match next.await {
            Next::Head(head) => {
                seat.is_busy();
                vigil.ends(service.clock.instant());
                let answer = pin!(connection.answer(wire, head));
                match vigil.during(answer).await {
                    Some(kept) => wire = kept,
                    None => return End::Closed,
                }
                let now = service.clock.instant();
                seat.waits(now);
                vigil.begins(now, &mut wire);
            }
            Next::Refused(refusal) => {
                connection.refuse(wire, refusal).await;
                return End::Closed;
            }
            Next::End => {
                wire.close().await;
                return End::Closed;
            }
            Next::Http2 => return End::Http2(wire),
        }
        connection.preface = Preface::Past;
    }
}

/// Polls a handler's future; a panic in it becomes a 500.
pub(super) async fn guarded(handler: &dyn Handler, request: Request) -> Response {
    let mut answer = pin!(async move { handler.handle(request).await });
    let answered = poll_fn(|context| {
        // The future is dropped behind a panic and never polled again, so nobody sees what it left half done.
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
            Err(_) => Poll::Ready(None),
        }
    });
    match answered.await {
        Some(response) => reply::checked(response),
        None => {
            tracing::error!("the handler of a request panicked");
            reply::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal server error")
        }
    }
}

enum Next {
    Head(Head),
    Refused(Refusal),
    End,
    Http2,
}

/// Where the wire is while a handler runs.
enum Whereabouts {
    Here(Box<Wire>),
    Lent(oneshot::Receiver<Returned>),
}

/// Whether the connection can be used behind a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyEnd {
    Finished,
    Unfinished,
    Malformed,
}

/// How the pieces of a body stand on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// As they are, and so many bytes are still to come.
    Announced(u64),
    Chunks,
    Bare,
}

/// Whether the next bytes may turn out to be HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preface {
    Possible,
    Past,
}

struct Connection<'a> {
    peer: SocketAddr,
    service: &'a Service,
    stop: &'a CancellationToken,
    heads: HeadReader,
    date: DateText,
    /// The head of a response, kept for its memory.
    output: Vec<u8>,
    preface: Preface,
}

impl Connection<'_> {
    async fn next_head(
        &mut self,
        wire: &mut Wire,
        mut stopped: Pin<&mut WaitForCancellationFuture<'_>>,
    ) -> Next {
        let limits = &self.service.limits;
        let mut idle_until = None;
        let mut head_until = None;
        let mut is_stopping = false;
        loop {
            if self.preface == Preface::Possible && wire.input.starts_with(HTTP2_PREFACE) {
                return Next::Http2;
            }
            match self.heads.read(&mut wire.input, limits) {
                Ok(Some(head)) => return Next::Head(head),
                Ok(None) => {}
                Err(refusal) => return Next::Refused(refusal),
            }
            let has_begun = self.heads.has_begun(&wire.input);
            let (until, time_max) = match (has_begun, is_stopping) {
                (true, _) => (&mut head_until, limits.head_time_max),
                (false, true) => (&mut idle_until, limits.shutdown_idle_grace),
                (false, false) => (&mut idle_until, limits.idle_time_max),
            };
            let deadline = *until.get_or_insert_with(|| Instant::now() + time_max);
            tokio::select! {
                biased;
                filled = wire.fill(READ_BYTES, deadline) => match filled {
                    Ok(()) => {}
                    Err(ReadError::TimedOut) if has_begun => return Next::Refused(Refusal::TooSlow),
                    Err(ReadError::TimedOut | ReadError::Ended) => return Next::End,
                },
                () = stopped.as_mut(), if !is_stopping => {
                    is_stopping = true;
                    idle_until = None;
                }
            }
        }
    }

    /// Answers one request; none: the connection has ended with it.
    async fn answer(&mut self, mut wire: Box<Wire>, head: Head) -> Option<Box<Wire>> {
        let received_at = self.service.clock.instant();
        let Target::Path(target) = head.target else {
            let response = Response::new(StatusCode::OK, Bytes::new());
            let end = match head.body_length {
                BodyLength::Exact(0) => BodyEnd::Finished,
                BodyLength::Exact(_) | BodyLength::Chunked => BodyEnd::Unfinished,
            };
            let sender = Sender::of(&head.method, head.version, head.persistence);
            return self.respond(wire, response, &sender, end).await;
        };
        let mut decoder = Decoder::new(head.body_length);
        let buffered = match decode_buffered(&mut decoder, &mut wire.input) {
            Ok(buffered) => buffered,
            Err(refusal) => {
                self.refuse(wire, refusal).await;
                return None;
            }
        };
        let (body, whereabouts) = match buffered {
            Buffered::Whole(body) => (Body::whole(body), Whereabouts::Here(wire)),
            Buffered::Part(decoded) => self.lend(wire, decoder, decoded, head.expectation),
        };
        let sender = Sender::of(&head.method, head.version, head.persistence);
        let request = Request {
            method: head.method,
            target,
            version: head.version,
            headers: head.headers,
            body,
            peer: self.peer,
            scheme: self.service.scheme,
            received_at,
        };
        let response = guarded(&*self.service.handler, request).await;
        let (wire, end) = match whereabouts {
            Whereabouts::Here(wire) => (wire, BodyEnd::Finished),
            Whereabouts::Lent(coming) => {
                let returned = tokio::time::timeout(BODY_RETURN_MAX, coming).await;
                let Ok(Ok(returned)) = returned else {
                    tracing::warn!("a handler kept a request's body behind its response");
                    return None;
                };
                come_home(returned)
            }
        };
        if let ResponseBody::Upgrade(upgrade) = &response.body {
            let upgrade = upgrade.clone();
            let wire = self.respond(wire, response, &sender, end).await?;
            let socket = Socket::new(*wire, self.service.limits, self.stop.clone());
            upgrade.hand_over(socket).await;
            return None;
        }
        self.respond(wire, response, &sender, end).await
    }

    fn lend(
        &self,
        wire: Box<Wire>,
        decoder: Decoder,
        decoded: BytesMut,
        expectation: Expectation,
    ) -> (Body, Whereabouts) {
        let (home, coming) = oneshot::channel();
        let body = Body::lent(Lent {
            wire: Some(wire),
            decoder,
            decoded,
            expectation,
            limits: self.service.limits,
            fault: None,
            home: Some(home),
        });
        (body, Whereabouts::Lent(coming))
    }

    async fn respond(
        &mut self,
        mut wire: Box<Wire>,
        response: Response,
        sender: &Sender,
        end: BodyEnd,
    ) -> Option<Box<Wire>> {
        if end == BodyEnd::Malformed {
            self.refuse(wire, Refusal::Chunk).await;
            return None;
        }
        // While requests wait in the input, a shutdown waits too: they were sent in good faith.
        let is_last = self.stop.is_cancelled() && wire.input.is_empty();
        // HTTP/1.0 knows no chunks: the end of such a body is that of the connection.
        let ends_by_close = matches!(&response.body, ResponseBody::Stream(body) if body.bytes().is_none())
            && sender.version == Version::HTTP_10;
        let persistence = if is_last || ends_by_close || end == BodyEnd::Unfinished {
            Persistence::Close
        } else {
            sender.persistence
        };
        let written = self.write(&mut wire, response, sender, persistence).await;
        match (written, persistence) {
            (Ok(()), Persistence::KeepAlive) => Some(wire),
            (Ok(()), Persistence::Close) => {
                if end == BodyEnd::Finished && wire.input.is_empty() {
                    wire.close().await;
                } else {
                    wire.linger(&self.service.limits).await;
                }
                None
            }
            (Err(_), Persistence::KeepAlive | Persistence::Close) => None,
        }
    }

    async fn write(
        &mut self,
        wire: &mut Wire,
        response: Response,
        sender: &Sender,
        persistence: Persistence,
    ) -> Result<(), WriteError> {
        let circumstances = Circumstances {
            method: &sender.method,
            persistence,
            announces_keep_alive: sender.version == Version::HTTP_10,
            date: self.date.at(self.service.clock.now()),
        };
        let body = reply::encode(&mut self.output, response, circumstances);
        let stall_max = self.service.limits.write_stall_max;
        let written = match body {
            Following::Whole(body) => wire.write(&self.output, &body, stall_max).await,
            Following::Announced(mut body, bytes) => match body.take_file() {
                Some(run) => file::send(wire, &self.output, (run, bytes), stall_max).await,
                None => self.stream(wire, body, Framing::Announced(bytes)).await,
            },
            Following::Chunks(body) => self.stream(wire, body, Framing::Chunks).await,
            Following::UntilClose(body) => self.stream(wire, body, Framing::Bare).await,
        };
        // An idle connection does not keep the memory of a response with many headers.
        self.output.clear();
        self.output.shrink_to(OUTPUT_KEPT_BYTES_MAX);
        written
    }

    /// Writes the head in `output`, then each piece as it comes. An error leaves the client without an end, so that it
    /// knows that something is missing.
    async fn stream(
        &mut self,
        wire: &mut Wire,
        mut body: BodyStream,
        mut framing: Framing,
    ) -> Result<(), WriteError> {
        let stall_max = self.service.limits.write_stall_max;
        let out = &mut self.output;
        loop {
            // What is in `output` goes out together with a piece that is there already, and does not wait for one that is not.
            let piece = tokio::select! {
                biased;
                piece = body.next() => piece,
                () = std::future::ready(()), if !out.is_empty() => {
                    wire.write(out, &[], stall_max).await?;
                    out.clear();
                    continue;
                }
            };
            let Some(piece) = piece else {
                break;
            };
            let piece = piece.map_err(|_| WriteError)?;
            match &mut framing {
                Framing::Announced(left) => {
                    let bytes = piece.len() as u64;
                    // More than was announced would be taken for the next response.
                    *left = left.checked_sub(bytes).ok_or(WriteError)?;
                    wire.write(out, &piece, stall_max).await?;
                }
                Framing::Chunks => {
                    out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    out.extend_from_slice(&piece);
                    out.extend_from_slice(b"\r\n");
                    wire.write(out, &[], stall_max).await?;
                }
                Framing::Bare => wire.write(out, &piece, stall_max).await?,
            }
            out.clear();
        }
        // The head of a body without pieces.
        wire.write(out, &[], stall_max).await?;
        match framing {
            Framing::Chunks => wire.write(LAST_CHUNK, &[], stall_max).await,
            Framing::Announced(left) if 0 < left => Err(WriteError),
            Framing::Announced(_) | Framing::Bare => Ok(()),
        }
    }

    /// Answers what is no request, and closes.
    async fn refuse(&mut self, mut wire: Box<Wire>, refusal: Refusal) {
        tracing::debug!(peer = %self.peer, %refusal, "a request was refused");
        let sender = Sender::of(&Method::GET, Version::HTTP_11, Persistence::Close);
        let response = reply::plain(refusal.status(), &refusal.to_string());
        let written = self
            .write(&mut wire, response, &sender, Persistence::Close)
            .await;
        if written.is_ok() {
            wire.linger(&self.service.limits).await;
        }
    }
}

/// What of a request matters to the shape of its response.
struct Sender {
    method: Method,
    version: Version,
    persistence: Persistence,
}

impl Sender {
    fn of(method: &Method, version: Version, persistence: Persistence) -> Self {
        Self {
            method: method.clone(),
            version,
            persistence,
        }
    }
}

/// What of a body arrived together with its head.
enum Buffered {
    Whole(Bytes),
    Part(BytesMut),
}

/// Decodes what has arrived of a body. A body of known length stays in the input until it is whole.
fn decode_buffered(decoder: &mut Decoder, input: &mut BytesMut) -> Result<Buffered, Refusal> {
    let mut decoded = BytesMut::new();
    if let Some(left) = decoder.bytes_left() {
        if (input.len() as u64) < left {
            return Ok(Buffered::Part(decoded));
        }
        return Ok(Buffered::Whole(match decoder.step(input)? {
            Step::Piece(piece) => piece,
            Step::More | Step::Done => Bytes::new(),
        }));
    }
    while let Step::Piece(piece) = decoder.step(input)? {
        decoded.extend_from_slice(&piece);
    }
    Ok(if decoder.is_done() {
        Buffered::Whole(decoded.freeze())
    } else {
        Buffered::Part(decoded)
    })
}

/// Looks at a connection that a body has given back. What has arrived unread is checked, too: broken framing is refused.
fn come_home(returned: Returned) -> (Box<Wire>, BodyEnd) {
    let Returned {
        mut wire,
        mut decoder,
        fault,
    } = returned;
    let end = match fault {
        Some(BodyError::Malformed) => BodyEnd::Malformed,
        Some(BodyError::CutOff | BodyError::TooSlow | BodyError::TooLarge { .. }) => {
            BodyEnd::Unfinished
        }
        None => loop {
            match decoder.step(&mut wire.input) {
                Ok(Step::Piece(_)) => {}
                Ok(Step::More) => break BodyEnd::Unfinished,
                Ok(Step::Done) => break BodyEnd::Finished,
                Err(_) => break BodyEnd::Malformed,
            }
        },
    };
    // What is left is moved, so that an idle connection does not keep the memory of a large body.
    wire.input = BytesMut::from(&*wire.input);
    (wire, end)
}
