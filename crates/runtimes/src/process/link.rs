//! The frames between us and an instance.
//!
//! Lives here: their layout, their limits, reading and writing them.
//! Does not live here: what they lead to (`instance`); pipes in place of the socket (`pipes`); the other end (`bootstrap`).
//!
//! A frame is the length of its body (u32, big-endian), its type (u8), and the body. To the instance go an order
//! (JSON: what to load), then events: the head, which is the context's fields (`EventHead`), and the
//! event's own bytes, untouched. From the instance come "ready" or "init failed", then one reply an event, whose body
//! is the result's or the error's JSON, untouched too. A handler that streams says "begun" with a content type, then pieces;
//! its reply is their end, and empty. After some events an instance that can be is offered two pipes, beside an empty frame: it says
//! "ready", and what follows goes through them, or "unfit", and nothing changes. User code owns the other end, so nothing in a frame is believed
//! but its being the function's own word.

mod pipes;

use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::OwnedFd;

use bytes::{Buf, BufMut, Bytes};
use interfaces::runtime::Event;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use pipes::Pipes;

use super::failure::REPLY_BYTES_MAX;
use super::runtime_api::Failure;
use super::system;

const HEADER_BYTES: usize = 5;
const READ_BYTES: usize = 16 * 1024;
/// A body up to this size is copied out of what was read, whose memory stays for the next frame.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// A payload up to this size is copied behind its head: two pieces cost the system more.
const JOINED_BYTES_MAX: usize = 4 * 1024;
const READS_IN_A_ROW_MAX: usize = 32;
/// An instance that has had so many events is likely to have more. The pipes cost an event some 50 µs.
const EVENTS_BEFORE_PIPES: u32 = 32;
/// So many replies in a row have to have come whole before the event loop is believed to have told of what came before the next.
const WHOLE_REPLIES_MIN: u32 = 8;

const TYPE_ORDER: u8 = 1;
const TYPE_EVENT: u8 = 2;
const TYPE_PIPES: u8 = 4;
const TYPE_READY: u8 = 16;
const TYPE_INIT_FAILED: u8 = 17;
const TYPE_RETURNED: u8 = 18;
const TYPE_RAISED: u8 = 19;
const TYPE_FATAL: u8 = 20;
const TYPE_UNFIT: u8 = 21;
const TYPE_BEGUN: u8 = 22;
const TYPE_PIECE: u8 = 23;

/// What an instance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// Its init is done. A base adds the names of the modules that it has loaded.
    Ready(Bytes),
    /// Its init is done, and it must not be forked, for these reasons: a JSON array of texts.
    Unfit(Bytes),
    /// Its init failed with this error object.
    InitFailed(Bytes),
    /// The handler returned this JSON.
    Returned(Bytes),
    /// The handler failed with this error object.
    Raised(Bytes),
    /// An error that nobody caught, after which the process ends.
    Fatal(Bytes),
    /// The reply was over the limit; it was read and thrown away.
    TooLarge,
    /// Of a reply in pieces; one of the others is its end.
    Part(Part),
    /// It said nothing: something that it cannot live without has failed.
    Abandoned(Failure),
}

impl Message {
    /// What it is, for the log.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Ready(_) => "ready",
            Self::Unfit(_) => "unfit",
            Self::InitFailed(_) => "init failed",
            Self::Returned(_) | Self::TooLarge => "returned",
            Self::Raised(_) => "raised",
            Self::Part(_) => "piece",
            Self::Fatal(_) => "fatal",
            Self::Abandoned(_) => "abandoned",
        }
    }
}

/// What an instance says of a reply that comes in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The first: its content type.
    Begun(Bytes),
    /// A piece of it.
    Piece(Bytes),
}

/// The other end does not keep to the protocol, or is gone.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the instance closed its channel")]
    Closed,
    #[error("the instance sent a frame of the unknown type {kind}")]
    UnknownFrame { kind: u8 },
    #[error("the instance spoke out of turn")]
    OutOfTurn,
    #[error("the channel to the instance failed")]
    Io(#[source] io::Error),
}

/// Stands for the length of a text that is not there.
const LENGTH_OF_NOTHING: u32 = u32::MAX;
/// The deadline and the lengths of the four texts.
const HEAD_BYTES_MIN: usize = 8 + 4 * 4;

/// The part of an event that is ours: fields of the handler's `context`.
///
/// In a frame it is the deadline (i64), then each text behind its length (u32), in this order; all big-endian. JSON would have to be
/// parsed, which costs an instance more than all else that it does with the head.
#[derive(Debug)]
pub(super) struct EventHead<'a> {
    pub(super) request_id: &'a str,
    pub(super) deadline_ms: i64,
    pub(super) invoked_function_arn: &'a str,
    pub(super) trace_id: &'a str,
    pub(super) client_context: Option<&'a str>,
}

impl EventHead<'_> {
    fn texts(&self) -> [Option<&str>; 4] {
        [
            Some(self.request_id),
            Some(self.invoked_function_arn),
            Some(self.trace_id),
            self.client_context,
        ]
    }

    fn bytes(&self) -> usize {
        let texts = self.texts().into_iter().flatten().map(str::len);
        HEAD_BYTES_MIN + texts.sum::<usize>()
    }

    fn write(&self, into: &mut Vec<u8>) -> io::Result<()> {
        into.put_i64(self.deadline_ms);
        for text in self.texts() {
            match text {
                Some(text) => {
                    into.put_u32(length(text.len())?);
                    into.put_slice(text.as_bytes());
                }
                None => into.put_u32(LENGTH_OF_NOTHING),
            }
        }
        Ok(())
    }
}

/// Whether an instance's socket may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaceable {
    /// The instance knows what to do with pipes.
    ByPipes,
    No,
}

/// Our end of an instance's channel.
///
/// The event loop watches it for what can be read alone: the socket can be written to again each time that the instance
/// has taken an event, and hearing of that would wake us once more for each of them.
pub(super) struct Link {
    stream: AsyncFd<OwnedFd>,
    /// What is sent goes through this. It is the stream itself while that is a socket.
    pipe: Option<OwnedFd>,
    /// After how many events pipes are offered; none: never, or they were.
    events_before_pipes: Option<u32>,
    inbound: Vec<u8>,
    /// Bytes of a reply over the limit that are still to be thrown away.
    excess_bytes: usize,
    /// What was heard since the last event was sent.
    heard: Heard,
    /// How many replies in a row, before that event, came whole in one read.
    whole_replies: u32,
}

/// How much was heard of an instance.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// Reads that found something. One that may have left something counts twice: the next one does not wait to be told of it.
    reads: usize,
    frames: usize,
}

impl Heard {
    fn is_one_frame(self) -> bool {
        self.reads == 1 && self.frames == 1
    }
}

impl Link {
    pub(super) fn new(
        stream: std::os::unix::net::UnixStream,
        replaceable: Replaceable,
    ) -> io::Result<Self> {
        let may_be_replaced = replaceable == Replaceable::ByPipes;
        Ok(Self {
            stream: system::watch(stream.into(), Interest::READABLE)?,
            pipe: None,
            events_before_pipes: may_be_replaced.then_some(EVENTS_BEFORE_PIPES),
            inbound: Vec::new(),
            excess_bytes: 0,
            heard: Heard::default(),
            whole_replies: 0,
        })
    }

    /// Sends what the socket did not take of the order, as a rule nothing.
    pub(super) async fn send_rest(&mut self, untold: &[u8]) -> Result<(), LinkError> {
        self.send(untold, &[]).await
    }

    /// Sends an event. Not cancel-safe: a frame may be left half sent.
    pub(super) async fn send_event(
        &mut self,
        head: &EventHead<'_>,
        event: &Event,
    ) -> Result<(), LinkError> {
        self.replace_in_time().await?;
        let is_whole = std::mem::take(&mut self.heard).is_one_frame();
        self.whole_replies = u32::from(is_whole) * self.whole_replies.saturating_add(1);
        let head_bytes = head.bytes();
        let joined_bytes = event.payload.len().min(JOINED_BYTES_MAX);
        let mut front = Vec::with_capacity(HEADER_BYTES + head_bytes + joined_bytes);
        let header = header(TYPE_EVENT, head_bytes + event.payload.len());
        front.put_slice(&header.map_err(LinkError::Io)?);
        head.write(&mut front).map_err(LinkError::Io)?;
        if event.payload.len() <= JOINED_BYTES_MAX {
            front.put_slice(&event.payload);
            return self.send(&front, &[]).await;
        }
        self.send(&front, &event.payload).await
    }

    /// Has the instance use pipes, once it has had its events.
    async fn replace_in_time(&mut self) -> Result<(), LinkError> {
        match self.events_before_pipes {
            None => return Ok(()),
            Some(0) => self.events_before_pipes = None,
            Some(count) => {
                self.events_before_pipes = Some(count - 1);
                return Ok(());
            }
        }
        let frame = header(TYPE_PIPES, 0).map_err(LinkError::Io)?;
        // Without room for more descriptors the socket stays.
        let Ok(pipes) = Pipes::new() else {
            return Ok(());
        };
        let socket = self.stream.get_ref();
        let Ok(ours) = pipes.offer(socket, &frame) else {
            return Ok(());
        };
        match self.receive().await? {
            Message::Ready(_) if self.is_quiet() => {
                self.stream =
                    system::watch(ours.read, Interest::READABLE).map_err(LinkError::Io)?;
                self.pipe = Some(ours.write);
                Ok(())
            }
            // It has no room for them.
            Message::Unfit(_) if self.is_quiet() => Ok(()),
            Message::Ready(_)
            | Message::Unfit(_)
            | Message::InitFailed(_)
            | Message::Returned(_)
            | Message::Raised(_)
            | Message::Fatal(_)
            | Message::TooLarge
            | Message::Part(_)
            | Message::Abandoned(_) => Err(LinkError::OutOfTurn),
        }
    }

    /// One write as a rule: a large payload is not copied behind its head.
    async fn send(&mut self, front: &[u8], payload: &[u8]) -> Result<(), LinkError> {
        let mut whole = Buf::chain(front, payload);
        while whole.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = whole.chunks_vectored(&mut slices);
            let sent = match (slices.get(..filled).unwrap_or_default(), &self.pipe) {
                // The system has less to do for a single piece.
                ([alone], None) => {
                    rustix::net::send(self.stream.get_ref(), alone, SendFlags::NOSIGNAL)
                }
                ([alone], Some(pipe)) => rustix::io::write(pipe, alone),
                (slices, _) => rustix::io::writev(self.outward(), slices),
            };
            match sent {
                Ok(0) => return Err(LinkError::Closed),
                Ok(sent) => whole.advance(sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_for_room().await.map_err(LinkError::Io)?,
                Err(error) => return Err(LinkError::Io(error.into())),
            }
        }
        Ok(())
    }

    fn outward(&self) -> &OwnedFd {
        self.pipe.as_ref().unwrap_or(self.stream.get_ref())
    }

    /// Waits until the instance takes more: a large event, which it has only begun to read.
    async fn wait_for_room(&self) -> io::Result<()> {
        let twin = self.outward().try_clone()?;
        let watched = system::watch(twin, Interest::WRITABLE)?;
        watched.writable().await?.retain_ready();
        Ok(())
    }

    /// Waits for the next message. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Result<Message, LinkError> {
        loop {
            for _ in 0..READS_IN_A_ROW_MAX {
                if let Some(message) = self.take()? {
                    return Ok(message);
                }
                self.read().await?;
            }
            // A flood is always ready, and would use up the task's share of time before its deadline is looked at.
            tokio::task::yield_now().await;
        }
    }

    /// Waits until it says anything or is gone, when it has nothing to say: not even the beginning of a frame, of which
    /// the rest may never come. Cancel-safe.
    pub(super) async fn overhear(&mut self) -> LinkError {
        if !self.is_quiet() {
            return LinkError::OutOfTurn;
        }
        match self.read().await {
            Ok(()) => LinkError::OutOfTurn,
            Err(error) => error,
        }
    }

    /// Whether it has said no more than was asked for, as far as was read.
    pub(super) fn is_quiet(&self) -> bool {
        self.inbound.is_empty() && self.excess_bytes == 0
    }

    /// The same, and the event loop has told of nothing more.
    pub(super) fn is_silent(&self) -> bool {
        let told = self.stream.try_io(Interest::READABLE, |_| Ok(()));
        self.is_quiet() && told.is_err()
    }

    async fn read(&mut self) -> Result<(), LinkError> {
        self.inbound.reserve(READ_BYTES);
        loop {
            let ready = poll_fn(|context| self.stream.poll_read_ready(context)).await;
            let mut ready = ready.map_err(LinkError::Io)?;
            let room = self.inbound.capacity() - self.inbound.len();
            let into = spare_capacity(&mut self.inbound);
            match rustix::io::read(self.stream.get_ref(), into) {
                Ok(0) | Err(Errno::CONNRESET) => return Err(LinkError::Closed),
                Ok(count) => {
                    self.heard.reads += if count < room { 1 } else { 2 };
                    // There was nothing more, so the next read need not ask to learn that.
                    if count < room {
                        ready.clear_ready();
                    }
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(LinkError::Io(error.into())),
            }
        }
    }

    /// Whether the event loop has told of the reply, from its first byte on. It may not have, where it told of something else
    /// before, be it late, of the reply before; and that one may have been found by what was told late of one before it.
    pub(super) fn is_told(&self) -> bool {
        self.heard.is_one_frame() && WHOLE_REPLIES_MIN <= self.whole_replies
    }

    /// The next message out of what has been read; none: more must be read.
    fn take(&mut self) -> Result<Option<Message>, LinkError> {
        if 0 < self.excess_bytes {
            let discarded = self.excess_bytes.min(self.inbound.len());
            self.inbound.drain(..discarded);
            self.excess_bytes -= discarded;
            return Ok((self.excess_bytes == 0).then_some(Message::TooLarge));
        }
        let mut head = self.inbound.as_slice();
        if head.remaining() < HEADER_BYTES {
            return Ok(None);
        }
        let body_bytes = head.get_u32() as usize;
        let kind = head.get_u8();
        if !(TYPE_READY..=TYPE_PIECE).contains(&kind) {
            return Err(LinkError::UnknownFrame { kind });
        }
        if REPLY_BYTES_MAX < body_bytes {
            self.inbound.drain(..HEADER_BYTES);
            self.excess_bytes = body_bytes;
            return self.take();
        }
        if head.remaining() < body_bytes {
            self.inbound.reserve(body_bytes - head.remaining());
            return Ok(None);
        }
        let body = self.take_body(HEADER_BYTES + body_bytes);
        self.heard.frames += 1;
        message(kind, body).map(Some)
    }

    /// Takes a whole frame of this length away, and gives its body.
    fn take_body(&mut self, frame_bytes: usize) -> Bytes {
        if frame_bytes <= COPIED_BYTES_MAX {
            let body = self.inbound.get(HEADER_BYTES..frame_bytes);
            let body = Bytes::copy_from_slice(body.unwrap_or_default());
            self.inbound.drain(..frame_bytes);
            return body;
        }
        let rest = self.inbound.split_off(frame_bytes);
        let frame = std::mem::replace(&mut self.inbound, rest);
        Bytes::from(frame).slice(HEADER_BYTES..)
    }

    /// The socket, for whoever goes on with other frames; none when the process has said more than it was asked, or when the
    /// event loop cannot watch it any more.
    pub(super) fn into_stream(self) -> Option<UnixStream> {
        let is_socket = self.pipe.is_none();
        let stream = (is_socket && self.is_quiet()).then(|| self.stream.into_inner())?;
        UnixStream::from_std(stream.into()).ok()
    }

    /// Tells the instance that no event will follow.
    pub(super) fn close(&mut self) {
        if self.pipe.is_some() {
            // Nothing is sent any more: the end of what can be read is all there is to tell.
            self.pipe = None;
            return;
        }
        // It fails only when the other end is gone, which is what was wanted.
        let _ = rustix::net::shutdown(self.stream.get_ref(), Shutdown::Write);
    }
}

fn message(kind: u8, body: Bytes) -> Result<Message, LinkError> {
    match kind {
        TYPE_READY => Ok(Message::Ready(body)),
        TYPE_UNFIT => Ok(Message::Unfit(body)),
        TYPE_INIT_FAILED => Ok(Message::InitFailed(body)),
        TYPE_RETURNED => Ok(Message::Returned(body)),
        TYPE_RAISED => Ok(Message::Raised(body)),
        TYPE_FATAL => Ok(Message::Fatal(body)),
        TYPE_BEGUN => Ok(Message::Part(Part::Begun(body))),
        TYPE_PIECE => Ok(Message::Part(Part::Piece(body))),
        kind => Err(LinkError::UnknownFrame { kind }),
    }
}

/// Writes the first frame ahead, as far as the socket takes it, so that a new process finds it there; gives the rest.
pub(super) fn tell_ahead(
    mut channel: &std::os::unix::net::UnixStream,
    order: &[u8],
) -> io::Result<Vec<u8>> {
    let mut frame = header(TYPE_ORDER, order.len())?.to_vec();
    frame.extend_from_slice(order);
    let told = match channel.write(&frame) {
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    Ok(frame.split_off(told))
}

fn header(kind: u8, body_bytes: usize) -> io::Result<[u8; HEADER_BYTES]> {
    let [a, b, c, d] = length(body_bytes)?.to_be_bytes();
    Ok([a, b, c, d, kind])
}

/// An event of 4 GiB would not fit; the invoker refuses far smaller ones.
fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream as Blocking;

    use interfaces::clock::Clock as _;
    use interfaces::runtime::Turn;
    use test_kit::RunningClock;

    use super::*;

    /// What is received when these bytes arrive, in pieces of this size, before the other end closes.
    async fn received(bytes: &[u8], piece_bytes: usize) -> Vec<Result<Message, String>> {
        let (ours, mut theirs) = Blocking::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut link = Link::new(ours, Replaceable::No).unwrap();
        let bytes = bytes.to_vec();
        let writer = tokio::task::spawn_blocking(move || {
            for piece in bytes.chunks(piece_bytes) {
                // The reader may have given up on the rest.
                if theirs.write_all(piece).is_err() {
                    return;
                }
            }
        });
        let mut messages = Vec::new();
        loop {
            let message = link.receive().await.map_err(|error| error.to_string());
            let is_last = message.is_err();
            messages.push(message);
            if is_last {
                break;
            }
        }
        drop(link);
        writer.await.unwrap();
        messages
    }

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        [&header(kind, body.len()).unwrap()[..], body].concat()
    }

    fn closed() -> Result<Message, String> {
        Err("the instance closed its channel".to_owned())
    }

    #[tokio::test]
    async fn frames_are_read_however_they_arrive() {
        let bytes = [frame(TYPE_READY, b""), frame(TYPE_RETURNED, b"{}")].concat();
        for piece_bytes in [1, 2, 5, 6, 100] {
            let expected = [
                Ok(Message::Ready(Bytes::new())),
                Ok(Message::Returned(Bytes::from_static(b"{}"))),
                closed(),
            ];
            assert_eq!(received(&bytes, piece_bytes).await, expected);
        }
    }

    #[tokio::test]
    async fn a_frame_over_the_limit_is_thrown_away_and_the_next_one_read() {
        let large = vec![b'x'; REPLY_BYTES_MAX + 1];
        let bytes = [frame(TYPE_RETURNED, &large), frame(TYPE_RAISED, b"7")].concat();
        let expected = [
            Ok(Message::TooLarge),
            Ok(Message::Raised(Bytes::from_static(b"7"))),
            closed(),
        ];
        assert_eq!(received(&bytes, 1 << 20).await, expected);
    }

    #[tokio::test]
    async fn an_instance_that_refuses_pipes_or_has_no_word_for_them_is_spoken_to_as_before_or_not_at_all()
     {
        for (answer, is_refusal) in [(TYPE_UNFIT, true), (TYPE_RETURNED, false)] {
            let (ours, mut theirs) = Blocking::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut link = Link::new(ours, Replaceable::ByPipes).unwrap();
            link.events_before_pipes = Some(0);
            let instance = tokio::task::spawn_blocking(move || {
                let mut offer = [0; HEADER_BYTES];
                theirs.read_exact(&mut offer).unwrap();
                theirs.write_all(&frame(answer, b"")).unwrap();
                offer
            });
            let answered = link.replace_in_time().await;
            assert_eq!(answered.is_ok(), is_refusal);
            assert!(link.pipe.is_none());
            assert_eq!(instance.await.unwrap(), [0, 0, 0, 0, TYPE_PIPES]);
        }
    }

    #[tokio::test]
    async fn the_event_loop_is_believed_after_some_replies_that_came_whole() {
        let (ours, mut theirs) = Blocking::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut link = Link::new(ours, Replaceable::No).unwrap();
        let large = vec![b'x'; 2 * READ_BYTES];
        let head = EventHead {
            request_id: "id",
            deadline_ms: 0,
            invoked_function_arn: "arn",
            trace_id: "",
            client_context: None,
        };
        let event = Event {
            request_id: model::ids::RequestId::new("id".to_owned()),
            payload: Bytes::new(),
            invoked_arn: "arn".to_owned(),
            deadline: RunningClock.instant(),
            trace_id: String::new(),
            client_context: None,
            init: None,
            turn: Turn::AtOnce,
        };
        for count in 0..3 * WHOLE_REPLIES_MIN {
            let is_large = count == 2 * WHOLE_REPLIES_MIN - 1;
            link.send_event(&head, &event).await.unwrap();
            let reply: &[u8] = if is_large { &large } else { b"{}" };
            theirs.write_all(&frame(TYPE_RETURNED, reply)).unwrap();
            link.receive().await.unwrap();
            let expected = (WHOLE_REPLIES_MIN..2 * WHOLE_REPLIES_MIN - 1).contains(&count);
            assert_eq!(link.is_told(), expected, "{count}");
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused() {
        let unknown = "the instance sent a frame of the unknown type 255";
        let expected = [Err(unknown.to_owned())];
        assert_eq!(received(&[255; 100], 100).await, expected);
        assert_eq!(received(&[0, 0, 0], 100).await, [closed()]);
        let cut_off = frame(TYPE_RETURNED, b"{}");
        assert_eq!(received(&cut_off[..6], 100).await, [closed()]);
    }
}
