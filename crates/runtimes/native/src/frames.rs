//! The frames between a process that is forked and whoever asks for it, as bytes.
//!
//! Lives here: how each frame is written and read.
//! Does not live here: how the bytes and the descriptors with them travel (`channel`).
//!
//! A frame is the length of its body (u32, big-endian), its type (u8), and the body.

pub(crate) const HEADER_BYTES: usize = 5;

const TYPE_FORK: u8 = 3;
const TYPE_FORKED: u8 = 32;
const TYPE_FORKED_ALONE: u8 = 35;
const TYPE_FORK_FAILED: u8 = 33;
const TYPE_EXITED: u8 = 34;

/// The only frame that is read here: `FORK`, with a number.
pub(crate) const FORK_BYTES: usize = HEADER_BYTES + 4;

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Status(i32),
    Signal(i32),
    /// Somebody else has collected it.
    Unknown,
}

/// A frame of any type; nothing when the body is too long for its length to be said.
pub(crate) fn encode(frame_type: u8, body: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len()).ok()?;
    Some([&length.to_be_bytes()[..], &[frame_type], body].concat())
}

/// A frame without a body.
pub(crate) fn empty(frame_type: u8) -> [u8; HEADER_BYTES] {
    [0, 0, 0, 0, frame_type]
}

/// A frame that is written where it is, without memory of its own.
pub(crate) struct Short([u8; SHORT_BYTES]);

/// 1024 characters have so many bytes at most.
const SHORT_BODY_BYTES_MAX: usize = 3 * 1024;
/// With room for a character more, and what ends a text in C: a text that is longer is seen to be.
const SHORT_BYTES: usize = HEADER_BYTES + SHORT_BODY_BYTES_MAX + 8;

impl Short {
    pub(crate) fn new(frame_type: u8) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        if let Some(place) = bytes.get_mut(HEADER_BYTES - 1) {
            *place = frame_type;
        }
        Self(bytes)
    }

    /// Where the body goes.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.0.get_mut(HEADER_BYTES..).unwrap_or_default()
    }

    /// The whole of it, with so many bytes of body; nothing when these are too many.
    pub(crate) fn ended(&mut self, body_bytes: usize) -> Option<&[u8]> {
        if SHORT_BODY_BYTES_MAX < body_bytes {
            return None;
        }
        let length = u32::try_from(body_bytes).ok()?.to_be_bytes();
        self.0.get_mut(..length.len())?.copy_from_slice(&length);
        self.0.get(..HEADER_BYTES + body_bytes)
    }
}

/// The number of a request to fork; nothing when this is none.
pub(crate) fn decode_fork(frame: [u8; FORK_BYTES]) -> Option<u32> {
    let [0, 0, 0, 4, TYPE_FORK, number @ ..] = frame else {
        return None;
    };
    Some(u32::from_be_bytes(number))
}

pub(crate) fn forked(number: u32, pid: u32) -> [u8; 13] {
    small(TYPE_FORKED, &[number.to_be_bytes(), pid.to_be_bytes()])
}

/// As [`forked`], without the descriptor that belongs to it.
pub(crate) fn forked_alone(number: u32, pid: u32) -> [u8; 13] {
    small(
        TYPE_FORKED_ALONE,
        &[number.to_be_bytes(), pid.to_be_bytes()],
    )
}

pub(crate) fn fork_failed(number: u32, error: i32) -> [u8; 13] {
    small(
        TYPE_FORK_FAILED,
        &[number.to_be_bytes(), error.to_be_bytes()],
    )
}

pub(crate) fn exited(pid: u32, ended: Ended) -> [u8; 14] {
    let (how, value) = match ended {
        Ended::Status(status) => (0, status),
        Ended::Signal(signal) => (1, signal),
        Ended::Unknown => (2, 0),
    };
    let [p0, p1, p2, p3] = pid.to_be_bytes();
    let [v0, v1, v2, v3] = value.to_be_bytes();
    [0, 0, 0, 9, TYPE_EXITED, p0, p1, p2, p3, how, v0, v1, v2, v3]
}

fn small(frame_type: u8, [first, second]: &[[u8; 4]; 2]) -> [u8; 13] {
    let [a0, a1, a2, a3] = *first;
    let [b0, b1, b2, b3] = *second;
    [0, 0, 0, 8, frame_type, a0, a1, a2, a3, b0, b1, b2, b3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_fork_is_its_number() {
        assert_eq!(decode_fork([0, 0, 0, 4, 3, 0, 0, 1, 2]), Some(258));
    }

    #[test]
    fn another_length_or_type_is_no_request_to_fork() {
        assert_eq!(decode_fork([0, 0, 0, 5, 3, 0, 0, 0, 1]), None);
        assert_eq!(decode_fork([1, 0, 0, 4, 3, 0, 0, 0, 1]), None);
        assert_eq!(decode_fork([0, 0, 0, 4, 2, 0, 0, 0, 1]), None);
    }

    #[test]
    fn an_answer_carries_the_number_of_its_request() {
        assert_eq!(forked(7, 258), [0, 0, 0, 8, 32, 0, 0, 0, 7, 0, 0, 1, 2]);
        assert_eq!(
            fork_failed(7, 24),
            [0, 0, 0, 8, 33, 0, 0, 0, 7, 0, 0, 0, 24]
        );
    }

    #[test]
    fn an_end_is_told_with_how_and_what() {
        let told = |ended| exited(258, ended)[9..].to_vec();
        assert_eq!(told(Ended::Status(3)), [0, 0, 0, 0, 3]);
        assert_eq!(told(Ended::Signal(9)), [1, 0, 0, 0, 9]);
        assert_eq!(told(Ended::Unknown), [2, 0, 0, 0, 0]);
    }

    #[test]
    fn a_frame_has_its_length_first() {
        assert_eq!(encode(16, b"ab").unwrap(), [0, 0, 0, 2, 16, b'a', b'b']);
    }
}
