//! What one commit of a queue's owner carries out.
//!
//! Lives here: the writes that gather, whom they answer, what later requests of the same commit have to know of earlier ones.
//! Does not live here: deciding on any of it (`owner`, `standard`, `fifo`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use store::{Batch, CommitError, Versionstamp, Write};
use tokio::sync::oneshot;

use super::catalogue::Queue;
use super::keys::{self, GroupHash, Identity, Place};
use super::request::{Failed, Moved, Outcomes, ReceiveError, Received, Sent};

/// Writes of one commit; requests beyond wait for the next.
const STEPS_MAX: usize = 4_000;
/// Bytes of one commit, likewise.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What one commit carries out.
#[derive(Default)]
pub(crate) struct Cycle {
    writes: Vec<Write>,
    bytes: usize,
    number: u16,
    answers: Vec<Answer>,
    /// Where the rows of messages are written that this commit hands out.
    handed_out: HashMap<Identity, usize>,
    /// Whether somebody waits for more than being handed messages.
    is_urgent: bool,
    /// Messages whose rows are still there although they will not be.
    pub(crate) gone: HashSet<Identity>,
    /// Rows of groups, likewise.
    pub(crate) heads_gone: HashSet<(i64, Place)>,
    /// Groups that get a message: when the first of these is due, and its number in the commit.
    pub(crate) sent_groups: HashMap<GroupHash, (i64, u16)>,
    /// Deduplication ids of what is sent: the message's id, and its number in the commit.
    pub(crate) duplicates: HashMap<[u8; 32], ([u8; 16], u16)>,
    /// How many messages wait more than before.
    pub(crate) waiting_change: i64,
    /// Whether it brings messages to the queue itself.
    pub(crate) is_news: bool,
    /// Queues that got a message.
    pub(crate) pokes: Vec<Arc<Queue>>,
}

/// A reply that is due when the commit is durable.
pub(crate) enum Answer {
    /// To whoever sent.
    Sent(oneshot::Sender<Result<Vec<Sent>, Failed>>, Vec<Sending>),
    /// To whoever receives.
    Received(
        oneshot::Sender<Result<Vec<Received>, ReceiveError>>,
        Vec<Received>,
    ),
    /// To whoever deleted, or changed visibilities.
    Done(oneshot::Sender<Result<Outcomes, Failed>>, Outcomes),
    /// To whoever moves.
    Moved(oneshot::Sender<Result<Moved, Failed>>, Moved),
}

/// A message on its way.
pub(crate) enum Sending {
    /// To a standard queue.
    Plain([u8; 16]),
    /// To a FIFO queue, with this number in the commit.
    Ordered([u8; 16], u16),
    /// It is known already, with this place.
    Known([u8; 16], Place),
}

impl Cycle {
    /// Whether it has room for one more request.
    pub(crate) fn has_room(&self) -> bool {
        self.writes.len() < STEPS_MAX && self.bytes < BYTES_MAX
    }

    /// Whether there is anything to write.
    pub(crate) fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// A number that no other row of this commit has.
    pub(crate) fn draw_number(&mut self) -> u16 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// Sets a key.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: impl Into<Bytes>) {
        let (key, value) = (Bytes::from(key), value.into());
        self.bytes += key.len() + value.len();
        self.writes.push(Write::Put { key, value });
    }

    /// Sets the key `prefix` + stamp + number.
    pub(crate) fn put_stamped(&mut self, prefix: Vec<u8>, number: u16, value: impl Into<Bytes>) {
        let value = value.into();
        self.bytes += prefix.len() + value.len();
        self.writes.push(Write::PutVersionstampedKey {
            prefix: prefix.into(),
            suffix: number.to_be_bytes().to_vec().into(),
            value,
        });
    }

    /// Sets a key to `prefix` + stamp + number.
    pub(crate) fn put_stamped_value(&mut self, key: Vec<u8>, prefix: Vec<u8>, number: u16) {
        self.writes.push(Write::PutVersionstampedValue {
            key: key.into(),
            prefix: prefix.into(),
            suffix: number.to_be_bytes().to_vec().into(),
        });
    }

    /// Sets the row of a message that is handed out.
    pub(crate) fn hand_out(&mut self, identity: Identity, key: Vec<u8>, value: Vec<u8>) {
        self.handed_out.insert(identity, self.writes.len());
        self.put(key, value);
    }

    /// Removes the row of a message that was handed out; one that is not written yet never will be.
    pub(crate) fn take_back(&mut self, identity: &Identity, key: Vec<u8>) {
        let place = self.handed_out.remove(identity);
        match place.and_then(|place| self.writes.get_mut(place)) {
            Some(write) => *write = Write::Delete { key: key.into() },
            None => self.delete(key),
        }
    }

    /// Whether all of it can be written a little later: messages were handed out, and nothing else was done.
    pub(crate) fn can_wait(&self) -> bool {
        self.has_writes()
            && self.has_room()
            && !self.is_urgent
            && self.pokes.is_empty()
            && !self.is_news
    }

    /// Tells those who were handed messages before that is written. Gives back what nobody was there to receive.
    pub(crate) fn settle_early(&mut self) -> Vec<Identity> {
        let mut unclaimed = Vec::new();
        for answer in std::mem::take(&mut self.answers) {
            answer.tell(Versionstamp::new(0), &mut unclaimed);
        }
        unclaimed
    }

    /// Removes a key.
    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.bytes += key.len();
        self.writes.push(Write::Delete { key: key.into() });
    }

    /// Answers once the commit is durable.
    pub(crate) fn answer(&mut self, answer: Answer) {
        self.is_urgent |= !matches!(answer, Answer::Received(_, _));
        self.answers.push(answer);
    }

    /// The batch; what remains are the answers.
    pub(crate) fn take_batch(&mut self) -> Batch {
        let writes = std::mem::take(&mut self.writes).into_iter();
        writes.fold(Batch::new(), Batch::write)
    }

    /// Tells everybody. Gives back what nobody was there to receive.
    pub(crate) fn settle(self, committed: &Result<Versionstamp, CommitError>) -> Vec<Identity> {
        let mut unclaimed = Vec::new();
        for answer in self.answers {
            match committed {
                Ok(stamp) => answer.tell(*stamp, &mut unclaimed),
                Err(error) => answer.refuse(&Failed::Commit(error.clone())),
            }
        }
        for queue in self.pokes {
            queue.shared.news.notify_one();
        }
        unclaimed
    }
}

impl Answer {
    // Whoever no longer waits does not want to know; only messages must not be lost with them.
    fn tell(self, stamp: Versionstamp, unclaimed: &mut Vec<Identity>) {
        match self {
            Self::Sent(reply, messages) => {
                let sent = messages.iter().map(|message| message.sent(stamp));
                let _ = reply.send(Ok(sent.collect()));
            }
            Self::Received(reply, messages) => {
                if let Err(Ok(messages)) = reply.send(Ok(messages)) {
                    unclaimed.extend(messages.iter().map(|message| message.receipt.identity));
                }
            }
            Self::Done(reply, outcomes) => {
                let _ = reply.send(Ok(outcomes));
            }
            Self::Moved(reply, moved) => {
                let _ = reply.send(Ok(moved));
            }
        }
    }

    fn refuse(self, failed: &Failed) {
        match self {
            Self::Sent(reply, _) => {
                let _ = reply.send(Err(failed.clone()));
            }
            Self::Received(reply, _) => {
                let _ = reply.send(Err(ReceiveError::Failed(failed.clone())));
            }
            Self::Done(reply, _) => {
                let _ = reply.send(Err(failed.clone()));
            }
            Self::Moved(reply, _) => {
                let _ = reply.send(Err(failed.clone()));
            }
        }
    }
}

impl Sending {
    fn sent(&self, stamp: Versionstamp) -> Sent {
        match self {
            Self::Plain(id) => Sent {
                id: *id,
                sequence: None,
            },
            Self::Ordered(id, number) => Sent {
                id: *id,
                sequence: Some(keys::sequence_number(&keys::place(stamp, *number))),
            },
            Self::Known(id, place) => Sent {
                id: *id,
                sequence: Some(keys::sequence_number(place)),
            },
        }
    }
}
