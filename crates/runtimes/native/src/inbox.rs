//! Events as they come over an instance's channel.
//!
//! Lives here: reading one whole frame, and where its fields are; taking pipes in place of the socket.
//! Does not live here: the other end's side of their layout (`process/link.rs` of the product's sources), what becomes of them (`lib`).
//!
//! The body of a frame is the deadline (i64), then four texts, each behind its length (u32): the request's id, the function's
//! ARN, the trace's id, and the client's context, of which the length is `u32::MAX` when there is none. The rest is the
//! event's own text. All numbers are big-endian.

use std::io;
use std::os::fd::{IntoRawFd as _, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard};

use crate::frames::{self, HEADER_BYTES};
use crate::system;

/// A frame up to this size needs no memory of its own.
const ROOM_BYTES: usize = 64 * 1024;
const LENGTH_OF_NOTHING: u32 = u32::MAX;
const TYPE_PIPES: u8 = 4;
const TYPE_READY: u8 = 16;
const TYPE_UNFIT: u8 = 21;

static INBOX: Mutex<Inbox> = Mutex::new(Inbox {
    room: [0; ROOM_BYTES],
    large: Vec::new(),
    function_arn: Vec::new(),
    pipes: None,
});

/// One event, as bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub(crate) deadline_ms: i64,
    pub(crate) request_id: &'a [u8],
    /// Nothing when it is that of the event before.
    pub(crate) function_arn: Option<&'a [u8]>,
    pub(crate) trace_id: &'a [u8],
    pub(crate) client_context: Option<&'a [u8]>,
    pub(crate) text: &'a [u8],
}

pub(crate) struct Inbox {
    room: [u8; ROOM_BYTES],
    /// A frame that has no place there.
    large: Vec<u8>,
    function_arn: Vec<u8>,
    pipes: Option<Pipes>,
}

/// What events and replies go through in place of a socket.
struct Pipes {
    /// It has the number that the socket had.
    events: RawFd,
    replies: RawFd,
    /// Whether somebody was told of them.
    is_told: bool,
}

impl Inbox {
    /// The only one; nothing while somebody has it.
    pub(crate) fn open() -> Option<MutexGuard<'static, Self>> {
        INBOX.try_lock().ok()
    }

    /// What replies go through from now on, when that has changed.
    pub(crate) fn new_way_out(&mut self) -> Option<RawFd> {
        let pipes = self.pipes.as_mut().filter(|pipes| !pipes.is_told)?;
        pipes.is_told = true;
        Some(pipes.replies)
    }

    /// Waits for the next event; nothing once the other end is closed.
    pub(crate) fn receive(&mut self, descriptor: RawFd) -> io::Result<Option<Event<'_>>> {
        self.large = Vec::new();
        let mut have = self.begin(descriptor)?;
        if have == 0 {
            return Ok(None);
        }
        let [a, b, c, d, ..] = self.room;
        let end = HEADER_BYTES + u32::from_be_bytes([a, b, c, d]) as usize;
        let frame = if end <= ROOM_BYTES {
            &mut self.room[..]
        } else {
            self.large.reserve_exact(end);
            self.large
                .extend_from_slice(self.room.get(..have).unwrap_or_default());
            self.large.resize(end, 0);
            &mut self.large[..]
        };
        let is_pipe = is_pipe(self.pipes.as_ref(), descriptor);
        while have < end {
            let into = frame.get_mut(have..end).unwrap_or_default();
            match read(descriptor, into, is_pipe)? {
                0 => return Ok(None),
                count => have += count,
            }
        }
        let body = frame.get(HEADER_BYTES..end).unwrap_or_default();
        let malformed = || io::Error::other("an event is cut short");
        let mut event = decode(body).ok_or_else(malformed)?;
        if let Some(function_arn) = event.function_arn {
            if function_arn == self.function_arn {
                event.function_arn = None;
            } else {
                self.function_arn = function_arn.to_owned();
            }
        }
        Ok(Some(event))
    }

    /// Waits for as much of an event as comes at once, its header at least; zero once the other end is closed.
    fn begin(&mut self, descriptor: RawFd) -> io::Result<usize> {
        let mut have = 0;
        let mut beside = Vec::new();
        while have < HEADER_BYTES {
            let into = self.room.get_mut(have..).unwrap_or_default();
            let count = if is_pipe(self.pipes.as_ref(), descriptor) {
                system::read_at_once(descriptor, into)?
            } else {
                let received = system::receive_when_ready(descriptor, into)?;
                beside.extend(received.descriptors);
                received.bytes
            };
            if count == 0 {
                return Ok(0);
            }
            have += count;
            if have == HEADER_BYTES && self.room.get(4) == Some(&TYPE_PIPES) {
                self.take_pipes(descriptor, std::mem::take(&mut beside))?;
                have = 0;
            }
        }
        Ok(have)
    }

    /// Goes on with pipes in place of a socket, and says so over that; or says that it does not.
    fn take_pipes(&mut self, socket: RawFd, beside: Vec<OwnedFd>) -> io::Result<()> {
        let answer = |with: u8| system::write_all(socket, &frames::empty(with));
        // Where there is no room for more of them, some do not arrive.
        let Ok([events, replies]) = <[OwnedFd; 2]>::try_from(beside) else {
            return answer(TYPE_UNFIT);
        };
        answer(TYPE_READY)?;
        system::replace_private(socket, &events)?;
        self.pipes = Some(Pipes {
            events: socket,
            replies: replies.into_raw_fd(),
            is_told: false,
        });
        Ok(())
    }
}

fn is_pipe(pipes: Option<&Pipes>, descriptor: RawFd) -> bool {
    pipes.is_some_and(|pipes| pipes.events == descriptor)
}

fn read(descriptor: RawFd, into: &mut [u8], is_pipe: bool) -> io::Result<usize> {
    if is_pipe {
        system::read_at_once(descriptor, into)
    } else {
        system::read_when_ready(descriptor, into)
    }
}

fn decode(body: &[u8]) -> Option<Event<'_>> {
    let (deadline, rest) = body.split_first_chunk()?;
    let (request_id, rest) = text(rest)?;
    let (function_arn, rest) = text(rest)?;
    let (trace_id, rest) = text(rest)?;
    let (client_context, rest) = text(rest)?;
    Some(Event {
        deadline_ms: i64::from_be_bytes(*deadline),
        request_id: request_id?,
        function_arn,
        trace_id: trace_id?,
        client_context,
        text: rest,
    })
}

/// A text that may not be there, and what follows it.
fn text(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    match u32::from_be_bytes(*length) {
        LENGTH_OF_NOTHING => Some((None, rest)),
        length => {
            let (text, rest) = rest.split_at_checked(length as usize)?;
            Some((Some(text), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn body(texts: &[Option<&str>], event: &str) -> Vec<u8> {
        let mut body = 7_i64.to_be_bytes().to_vec();
        for text in texts {
            let length = text.map_or(LENGTH_OF_NOTHING, |text| u32::try_from(text.len()).unwrap());
            body.extend(length.to_be_bytes());
            body.extend(text.unwrap_or_default().as_bytes());
        }
        body.extend(event.as_bytes());
        body
    }

    fn inbox() -> Inbox {
        Inbox {
            room: [0; ROOM_BYTES],
            large: Vec::new(),
            function_arn: Vec::new(),
            pipes: None,
        }
    }

    #[test]
    fn an_event_has_its_fields_before_its_text() {
        let bytes = body(&[Some("id"), Some("arn"), Some(""), None], "{}");
        let event = decode(&bytes).unwrap();
        assert_eq!(event.deadline_ms, 7);
        assert_eq!(event.request_id, b"id");
        assert_eq!(event.function_arn.unwrap(), b"arn");
        assert_eq!(event.trace_id, b"");
        assert_eq!(event.client_context, None);
        assert_eq!(event.text, b"{}");
    }

    #[test]
    fn an_event_that_is_cut_short_is_none() {
        let bytes = body(&[Some("id"), Some("arn"), Some("trace"), Some("{}")], "");
        assert!(decode(&bytes).is_some());
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn events_are_read_whatever_their_size_and_the_functions_name_is_told_once() {
        let [ours, theirs] = system::socket_pair().unwrap();
        let mut inbox = inbox();
        for (size, name) in [(3, Some("arn")), (3 * ROOM_BYTES, None), (0, None)] {
            let text = "x".repeat(size);
            let body = body(&[Some("id"), Some("arn"), Some("trace"), Some("{}")], &text);
            let frame = crate::frames::encode(2, &body).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| system::write_all(ours.as_raw_fd(), &frame).unwrap());
                let event = inbox.receive(theirs.as_raw_fd()).unwrap().unwrap();
                assert_eq!(event.function_arn, name.map(str::as_bytes));
                assert!(event.text == text.as_bytes());
            });
        }
        drop(ours);
        assert_eq!(inbox.receive(theirs.as_raw_fd()).unwrap(), None);
    }

    #[test]
    fn pipes_that_did_not_arrive_are_refused_and_the_socket_stays() {
        let [ours, theirs] = system::socket_pair().unwrap();
        let body = body(&[Some("id"), Some("arn"), Some("trace"), None], "{}");
        let event = frames::encode(2, &body).unwrap();
        let mut answer = [0; HEADER_BYTES];
        let mut inbox = inbox();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                system::write_all(ours.as_raw_fd(), &frames::empty(TYPE_PIPES)).unwrap();
                system::read_when_ready(ours.as_raw_fd(), &mut answer).unwrap();
                system::write_all(ours.as_raw_fd(), &event).unwrap();
            });
            let event = inbox.receive(theirs.as_raw_fd()).unwrap().unwrap();
            assert_eq!(event.text, b"{}");
        });
        assert_eq!(answer, frames::empty(TYPE_UNFIT));
        assert_eq!(inbox.new_way_out(), None);
    }
}
