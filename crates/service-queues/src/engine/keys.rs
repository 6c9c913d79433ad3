//! Where everything of queues lies in the store.
//!
//! Lives here: the shapes of all keys, identities of messages.
//! Does not live here: what the values hold (`record`, `descriptor`).
//!
//! Rows of messages stand under the id of their queue's contents, which is drawn anew when the queue is purged: so a purge
//! is one small commit, and what is left behind is removed later.

use model::ids::{AccountId, Region};
use store::keys::{KeyReader, KeyWriter, Owner, ShapeError};
use store::{Range, Versionstamp};

const QUEUE: u8 = 0x01;
const DELETED: u8 = 0x02;
const READY: u8 = 0x10;
const TAKEN: u8 = 0x11;
const PART: u8 = 0x12;
const HEAD: u8 = 0x13;
const DUPLICATE: u8 = 0x14;
const DUPLICATE_EXPIRY: u8 = 0x15;
const INBOX: u8 = 0x16;
const LEFT: u8 = 0x20;
const TASK: u8 = 0x21;

/// Bytes of the id of a queue's contents.
pub(crate) const CONTENTS_BYTES: usize = 8;
/// Bytes of the hash that stands for a message group.
pub(crate) const GROUP_BYTES: usize = 16;
const PLACE_BYTES: usize = 10;
const IDENTITY_BYTES_MAX: usize = GROUP_BYTES + PLACE_BYTES;

/// What tells the contents of a queue from all others in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContentsId(pub(crate) [u8; CONTENTS_BYTES]);

/// A message group.
pub(crate) type GroupHash = [u8; GROUP_BYTES];

/// What tells a message from all others of its queue: after `READY` it sorts as messages are handed out.
///
/// In a standard queue: the microsecond from which it may be received, then its place in the order of commits. In a FIFO queue:
/// the hash of its group, then its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    bytes: [u8; IDENTITY_BYTES_MAX],
    length: u8,
}

/// A place in the order of commits: versionstamp, then number in the commit.
pub(crate) type Place = [u8; PLACE_BYTES];

impl Identity {
    /// Reads one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let length = u8::try_from(bytes.len()).ok()?;
        let mut whole = [0; IDENTITY_BYTES_MAX];
        whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
        (PLACE_BYTES <= bytes.len()).then_some(Self {
            bytes: whole,
            length,
        })
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Its place in the order of commits.
    pub(crate) fn place(&self) -> Place {
        let mut place = [0; PLACE_BYTES];
        let bytes = self.bytes();
        let from = bytes.len().saturating_sub(PLACE_BYTES);
        if let Some(last) = bytes.get(from..) {
            place.copy_from_slice(last);
        }
        place
    }

    /// Its group, in a FIFO queue.
    pub(crate) fn group(&self) -> GroupHash {
        let mut group = [0; GROUP_BYTES];
        if let Some(first) = self.bytes.get(..GROUP_BYTES) {
            group.copy_from_slice(first);
        }
        group
    }
}

/// The number by which messages of a FIFO queue sort, as clients see it: 20 digits.
pub(crate) fn sequence_number(place: &Place) -> String {
    let (stamp, number) = place.split_at(8);
    let stamp = stamp.try_into().map_or(0, u64::from_be_bytes);
    let number = number.try_into().map_or(0, u16::from_be_bytes);
    format!("1{stamp:014}{number:05}")
}

/// The place that the message with this number in a commit has.
pub(crate) fn place(stamp: Versionstamp, number: u16) -> Place {
    let mut place = [0; PLACE_BYTES];
    let (first, last) = place.split_at_mut(8);
    first.copy_from_slice(&stamp.to_bytes());
    last.copy_from_slice(&number.to_be_bytes());
    place
}

/// The row of a queue: its descriptor.
pub(crate) fn queue(account: &AccountId, region: &Region, name: &str) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Queues)
        .byte(QUEUE)
        .text(name)
        .finish()
}

/// The rows of all queues of an account in a region.
pub(crate) fn queues(account: &AccountId, region: &Region) -> Range {
    Range::of_prefix(
        KeyWriter::new(account, region, Owner::Queues)
            .byte(QUEUE)
            .finish(),
    )
}

/// The row that says when a queue of this name was deleted.
pub(crate) fn deleted(account: &AccountId, region: &Region, name: &str) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Queues)
        .byte(DELETED)
        .text(name)
        .finish()
}

/// The row of contents that nobody can reach any more.
pub(crate) fn left(contents: ContentsId) -> Vec<u8> {
    KeyWriter::by_id(Owner::Queues)
        .byte(LEFT)
        .raw(&contents.0)
        .finish()
}

/// All such rows.
pub(crate) fn all_left() -> Range {
    Range::of_prefix(KeyWriter::by_id(Owner::Queues).byte(LEFT).finish())
}

/// Which contents a row of [`all_left`] is about.
pub(crate) fn read_left(key: &[u8]) -> Result<ContentsId, ShapeError> {
    let mut reader = KeyReader::new(key);
    reader.skip(&KeyWriter::by_id(Owner::Queues).byte(LEFT).finish())?;
    let bytes = reader.raw(CONTENTS_BYTES)?;
    Ok(ContentsId(bytes.try_into().map_err(|_| ShapeError)?))
}

/// The row of a task that moves messages. Tasks of one source sort by the time at which they were started.
pub(crate) fn task(source_arn: &str, started_us: i64, id: &str) -> Vec<u8> {
    KeyWriter::after(&tasks_of(source_arn).start)
        .raw(&started_us.max(0).to_be_bytes())
        .text(id)
        .finish()
}

/// The tasks of a source.
pub(crate) fn tasks_of(source_arn: &str) -> Range {
    Range::of_prefix(
        KeyWriter::by_id(Owner::Queues)
            .byte(TASK)
            .text(source_arn)
            .finish(),
    )
}

/// All tasks.
pub(crate) fn all_tasks() -> Range {
    Range::of_prefix(KeyWriter::by_id(Owner::Queues).byte(TASK).finish())
}

impl ContentsId {
    fn rows(self, kind: u8) -> KeyWriter {
        KeyWriter::by_id(Owner::Queues).byte(kind).raw(&self.0)
    }

    /// What stands before an identity in the row of a message that may be received.
    pub(crate) fn ready_prefix(self) -> Vec<u8> {
        self.rows(READY).finish()
    }

    /// The row of a message that may be received.
    pub(crate) fn ready(self, identity: &Identity) -> Vec<u8> {
        self.rows(READY).raw(identity.bytes()).finish()
    }

    /// What stands before the stamp in the row of a new message of a standard queue.
    pub(crate) fn ready_at(self, due_us: i64) -> Vec<u8> {
        self.rows(READY).raw(&due_us.max(0).to_be_bytes()).finish()
    }

    /// What stands before the stamp in the row of a new message of a FIFO queue.
    pub(crate) fn ready_in(self, group: &GroupHash) -> Vec<u8> {
        self.rows(READY).raw(group).finish()
    }

    /// The row of a message that was received and not deleted.
    pub(crate) fn taken(self, identity: &Identity) -> Vec<u8> {
        self.rows(TAKEN).raw(identity.bytes()).finish()
    }

    /// All rows of messages that were received and not deleted.
    pub(crate) fn all_taken(self) -> Range {
        Range::of_prefix(self.rows(TAKEN).finish())
    }

    /// What a row of [`Self::ready_prefix`] or [`Self::all_taken`] is about.
    pub(crate) fn identity(key: &[u8]) -> Option<Identity> {
        Identity::read(key.get(3 + CONTENTS_BYTES..)?)
    }

    /// The rows of a body that is too large for the message's own row.
    pub(crate) fn part(self, body: &[u8; 16], number: u8) -> Vec<u8> {
        self.rows(PART).raw(body).byte(number).finish()
    }

    /// What stands before the stamp in the row of a group's first message, for groups of which a message may be received.
    pub(crate) fn head_at(self, due_us: i64) -> Vec<u8> {
        self.rows(HEAD).raw(&due_us.max(0).to_be_bytes()).finish()
    }

    /// The row of a group's first message.
    pub(crate) fn head(self, due_us: i64, place: &Place) -> Vec<u8> {
        KeyWriter::after(&self.head_at(due_us)).raw(place).finish()
    }

    /// All groups of which a message may be received.
    pub(crate) fn heads(self) -> Range {
        Range::of_prefix(self.rows(HEAD).finish())
    }

    /// When the head of this row is due, and its place.
    pub(crate) fn read_head(key: &[u8]) -> Option<(i64, Place)> {
        let rest = key.get(3 + CONTENTS_BYTES..)?;
        let (due, place) = rest.split_at_checked(8)?;
        Some((
            i64::from_be_bytes(due.try_into().ok()?),
            place.try_into().ok()?,
        ))
    }

    /// The row that remembers a deduplication id.
    pub(crate) fn duplicate(self, hash: &[u8; 32]) -> Vec<u8> {
        self.rows(DUPLICATE).raw(hash).finish()
    }

    /// The row by which that is forgotten in time.
    pub(crate) fn duplicate_expiry(self, expires_us: i64, hash: &[u8; 32]) -> Vec<u8> {
        self.rows(DUPLICATE_EXPIRY)
            .raw(&expires_us.max(0).to_be_bytes())
            .raw(hash)
            .finish()
    }

    /// What is to be forgotten by then.
    pub(crate) fn duplicates_until(self, now_us: i64) -> Range {
        Range::new(
            self.rows(DUPLICATE_EXPIRY).finish(),
            self.rows(DUPLICATE_EXPIRY)
                .raw(&now_us.max(0).to_be_bytes())
                .finish(),
        )
    }

    /// The hash in a row of [`Self::duplicates_until`].
    pub(crate) fn read_duplicate(key: &[u8]) -> Option<[u8; 32]> {
        key.get(3 + CONTENTS_BYTES + 8..)?.try_into().ok()
    }

    /// What stands before the stamp in the row of a message that another queue put into this FIFO queue.
    pub(crate) fn inbox(self) -> Vec<u8> {
        self.rows(INBOX).finish()
    }

    /// All rows of any kind, one range a kind.
    pub(crate) fn everything(self) -> Vec<Range> {
        [READY, TAKEN, PART, HEAD, DUPLICATE, DUPLICATE_EXPIRY, INBOX]
            .into_iter()
            .map(|kind| Range::of_prefix(self.rows(kind).finish()))
            .collect()
    }
}
