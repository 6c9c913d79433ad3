//! Questions and answers of the domain name system, as bytes.
//!
//! Lives here: one question out of a message, one answer to it.
//! Does not live here: what the answer is (`resolver`).
//!
//! Contract: RFC 1035, section 4; names are compressed in what we write, and may not be in a question.

use std::net::IpAddr;

/// A message without extensions is never longer over datagrams.
pub(super) const DATAGRAM_BYTES_MAX: usize = 512;
const HEADER_BYTES: usize = 12;
const NAME_BYTES_MAX: usize = 255;
const LABEL_BYTES_MAX: usize = 63;
const RECORD_BYTES: usize = 12;
/// Where the question's name stands, as a compressed name says it.
const NAME_OF_QUESTION: [u8; 2] = [0xC0, HEADER_BYTES as u8];
const CLASS_INTERNET: u16 = 1;

pub(super) const TYPE_A: u16 = 1;
pub(super) const TYPE_AAAA: u16 = 28;
pub(super) const TYPE_ZONE_TRANSFER: u16 = 252;
pub(super) const TYPE_ANY: u16 = 255;

/// What somebody asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    id: [u8; 2],
    wants_recursion: bool,
    /// In lower case, without a dot at its end.
    pub(super) name: String,
    pub(super) kind: u16,
    /// The name, type and class as they were asked.
    asked: Vec<u8>,
}

/// How an answer turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Found = 0,
    Failed = 2,
    NoSuchName = 3,
    NotDone = 4,
}

impl Question {
    /// The question of a message; nothing if it is not one question about the internet.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER_BYTES)?;
        let [a, b, flags, _, 0, 1, ..] = *header else {
            return None;
        };
        // A response, or another operation than asking.
        if flags & 0b1111_1000 != 0 {
            return None;
        }
        let (name, name_bytes) = read_name(message.get(HEADER_BYTES..)?)?;
        let end = HEADER_BYTES + name_bytes + 4;
        let asked = message.get(HEADER_BYTES..end)?;
        let number = |at: usize| Some(u16::from_be_bytes(asked.get(at..at + 2)?.try_into().ok()?));
        let (kind, class) = (number(name_bytes)?, number(name_bytes + 2)?);
        (class == CLASS_INTERNET).then(|| Self {
            id: [a, b],
            wants_recursion: flags & 1 == 1,
            name,
            kind,
            asked: asked.to_vec(),
        })
    }

    /// The answer. Addresses of another kind than asked for are left out, and so are those that do not fit: the answer
    /// then says that it is cut, and is asked for again over a connection.
    pub(super) fn answer(
        &self,
        outcome: Outcome,
        addresses: &[IpAddr],
        ttl_seconds: u32,
        bytes_max: usize,
    ) -> Vec<u8> {
        let mut message = vec![0; HEADER_BYTES];
        message.extend(&self.asked);
        let (mut count, mut is_cut) = (0u16, false);
        for address in addresses {
            let data: Vec<u8> = match (address, self.kind) {
                (IpAddr::V4(address), TYPE_A) => address.octets().into(),
                (IpAddr::V6(address), TYPE_AAAA) => address.octets().into(),
                (IpAddr::V4(_) | IpAddr::V6(_), _) => continue,
            };
            if bytes_max < message.len() + RECORD_BYTES + data.len() {
                is_cut = true;
                break;
            }
            message.extend(NAME_OF_QUESTION);
            message.extend(self.kind.to_be_bytes());
            message.extend(CLASS_INTERNET.to_be_bytes());
            message.extend(ttl_seconds.to_be_bytes());
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(data);
            count += 1;
        }
        let first = 0x80 | u8::from(is_cut) << 1 | u8::from(self.wants_recursion);
        let [high, low] = count.to_be_bytes();
        let header = [
            self.id[0],
            self.id[1],
            first,
            0x80 | outcome as u8,
            0,
            1,
            high,
            low,
        ];
        for (to, from) in message.iter_mut().zip(header) {
            *to = from;
        }
        message
    }

    /// Whether a message answers this.
    pub(super) fn is_answered_by(&self, message: &[u8]) -> bool {
        let is_response = message.get(2).is_some_and(|flags| flags & 0x80 != 0);
        let asked = message.get(HEADER_BYTES..HEADER_BYTES + self.asked.len());
        message.starts_with(&self.id)
            && is_response
            && asked.is_some_and(|asked| asked.eq_ignore_ascii_case(&self.asked))
    }
}

/// A name in dots, and how many bytes it took.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), 0);
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        let label = bytes.get(at..at + length)?;
        at += length;
        let is_plain = label
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'.');
        if LABEL_BYTES_MAX < length || NAME_BYTES_MAX <= at || !is_plain {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(
            label
                .iter()
                .map(|byte| char::from(byte.to_ascii_lowercase())),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            message.push(label.len() as u8);
            message.extend(label.bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend(1u16.to_be_bytes());
        message
    }

    #[test]
    fn a_question_is_read() {
        let read = Question::read(&question("S3.eu-west-1.amazonaws.COM", TYPE_A)).unwrap();
        assert_eq!(
            (read.name.as_str(), read.kind),
            ("s3.eu-west-1.amazonaws.com", TYPE_A)
        );
    }

    #[test]
    fn what_is_no_question_is_not_read() {
        let whole = question("example.org", TYPE_A);
        for length in 0..whole.len() {
            assert_eq!(Question::read(&whole[..length]), None);
        }
        for (what, change) in [
            ("a response", (2, 0x81u8)),
            ("two questions", (5, 2)),
            ("an update", (2, 0x28)),
            ("a compressed name", (12, 0xC0)),
            ("another class", (28, 3)),
        ] {
            let mut changed = whole.clone();
            changed[change.0] = change.1;
            assert_eq!(Question::read(&changed), None, "{what}");
        }
        assert_eq!(Question::read(&question(&"a".repeat(64), TYPE_A)), None);
        assert_eq!(
            Question::read(&question(&["abcdefg"; 40].join("."), TYPE_A)),
            None
        );
    }

    #[test]
    fn an_answer_holds_the_addresses_that_were_asked_for() {
        let asked = question("a.b", TYPE_A);
        let read = Question::read(&asked).unwrap();
        let addresses = ["1.2.3.4".parse().unwrap(), "::1".parse().unwrap()];
        let answer = read.answer(Outcome::Found, &addresses, 5, 512);
        assert_eq!(
            answer[..12],
            [0xAB, 0xCD, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
        );
        assert_eq!(answer[12..asked.len()], asked[12..]);
        assert_eq!(
            answer[asked.len()..],
            [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 1, 2, 3, 4]
        );
        assert!(read.is_answered_by(&answer));
        assert!(!read.is_answered_by(&asked));
    }

    #[test]
    fn an_answer_that_does_not_fit_is_cut_and_says_so() {
        let read = Question::read(&question("a.b", TYPE_A)).unwrap();
        let many = vec!["1.2.3.4".parse().unwrap(); 100];
        let answer = read.answer(Outcome::Found, &many, 5, DATAGRAM_BYTES_MAX);
        assert!(answer.len() <= DATAGRAM_BYTES_MAX);
        assert_eq!(answer[2] & 2, 2);
    }
}
