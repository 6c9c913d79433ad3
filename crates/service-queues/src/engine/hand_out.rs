//! What becomes of a message whose turn has come: it is received, too old, a dead letter, or moved.
//!
//! Lives here: the rows that change by it, bodies that lie apart.
//! Does not live here: whose turn it is (`standard`, `fifo`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use model::arn::Arn;

use super::book::Taken;
use super::catalogue::Queue;
use super::cycle::Cycle;
use super::keys::{ContentsId, Identity};
use super::owner::{Owner, Turn, apart};
use super::receipt::Receipt;
use super::record::{self, Body, CorruptMessage, Message, State};
use super::request::{Failed, Moved, Received};

/// Bodies up to this length are kept with the message: they are written again when it is received, which is cheaper than rows
/// of their own.
const BODY_HERE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a row of a longer one.
const PART_BYTES: usize = 512 * 1024;

/// What messages are taken for.
pub(super) enum Purpose {
    /// To hand them to somebody.
    Receive {
        /// Until when they are in flight.
        visible_us: i64,
    },
    /// To put them into another queue.
    Move {
        /// Which one; none: the one that each came from.
        destination: Option<Arn>,
        moved: AtomicU64,
        missing: Mutex<Option<String>>,
    },
}

/// Where a message is when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Among those that wait.
    Ready,
    /// Among those that were received.
    Taken,
}

/// What became of it.
pub(super) enum Fate {
    /// It was received.
    Received(Box<Received>),
    /// It is not in this queue any more.
    Left,
    /// It stays: there is nowhere to move it.
    Stays,
}

impl Purpose {
    pub(super) fn move_to(destination: Option<Arn>) -> Self {
        Self::Move {
            destination,
            moved: AtomicU64::new(0),
            missing: Mutex::new(None),
        }
    }

    /// What was moved.
    pub(super) fn moved(&self) -> Moved {
        match self {
            Self::Receive { .. } => Moved::default(),
            Self::Move { moved, missing, .. } => Moved {
                messages: moved.load(Ordering::Relaxed),
                missing: missing
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            },
        }
    }

    /// How many messages count towards the limit besides those received.
    pub(super) fn done(&self) -> usize {
        usize::try_from(self.moved().messages).unwrap_or(usize::MAX)
    }
}

impl Owner {
    /// Deals with a message whose turn has come.
    pub(super) async fn hand_out(
        &mut self,
        (identity, row, from): (Identity, &Bytes, From),
        purpose: &Purpose,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Fate, Failed> {
        let (state, message) = record::decode(row)?;
        let settings = &turn.current.settings;
        let expires = message.sent_at.plus(settings.retention);
        if expires.epoch_us() <= turn.now_us {
            self.remove((identity, from), apart(&message), turn, cycle);
            return Ok(Fate::Left);
        }
        match purpose {
            Purpose::Receive { visible_us } => {
                if let Some(target) = self.dead_letters(&state, turn).await {
                    let message = Message {
                        dead_letter_of: Some(self.shared.arn.to_string()),
                        ..message
                    };
                    self.put_into(&target, (identity, from), (state, message), turn, cycle)
                        .await?;
                    return Ok(Fate::Left);
                }
                let received = self
                    .receive_one(
                        (identity, row, from),
                        (state, message),
                        *visible_us,
                        turn,
                        cycle,
                    )
                    .await?;
                Ok(Fate::Received(Box::new(received)))
            }
            Purpose::Move {
                destination,
                moved,
                missing,
            } => {
                let wanted = match destination {
                    Some(arn) => Some(arn.clone()),
                    None => message
                        .dead_letter_of
                        .as_deref()
                        .and_then(|arn| Arn::parse(arn).ok()),
                };
                let Some(target) = self.queue(wanted.as_ref()).await else {
                    let name = wanted.map_or_else(String::new, |arn| arn.to_string());
                    *missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
                    return Ok(Fate::Stays);
                };
                let message = self.as_new(message, turn);
                let fresh = (State::default(), message);
                self.put_into(&target, (identity, from), fresh, turn, cycle)
                    .await?;
                moved.fetch_add(1, Ordering::Relaxed);
                Ok(Fate::Left)
            }
        }
    }

    /// "Redriven messages are considered new messages with a new messageID and enqueueTime."
    fn as_new(&self, message: Message, turn: &Turn) -> Message {
        Message {
            id: uuid(&*self.random),
            sent_at: model::time::Timestamp::from_micros(turn.now_us),
            dead_letter_of: None,
            ..message
        }
    }

    async fn queue(&self, arn: Option<&Arn>) -> Option<Arc<Queue>> {
        let catalogue = self.catalogue.upgrade()?;
        catalogue.find_arn(arn?).await.ok().flatten()
    }

    /// Where a message goes that was received too often; none: it was not, or the queue for such is not there.
    async fn dead_letters(&self, state: &State, turn: &Turn) -> Option<Arc<Queue>> {
        let redrive = turn.current.settings.redrive.as_ref()?;
        if state.receives < redrive.receives_max {
            return None;
        }
        let target = self.queue(Some(&redrive.target)).await?;
        let current = target.current();
        let is_same = current.settings.kind.order() == turn.order;
        let is_allowed = current.settings.redrive_allow.allows(&self.shared.arn);
        (is_same && is_allowed).then_some(target)
    }

    async fn receive_one(
        &mut self,
        (identity, row, from): (Identity, &Bytes, From),
        (state, message): (State, Message),
        visible_us: i64,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Received, Failed> {
        let mut nonce = [0; 8];
        self.random.fill(&mut nonce);
        let state = State {
            receives: state.receives.saturating_add(1),
            first_received_us: match state.receives {
                0 => turn.now_us,
                _ => state.first_received_us,
            },
            visible_us,
            nonce: u64::from_be_bytes(nonce),
        };
        let contents = turn.contents;
        if from == From::Ready {
            cycle.delete(contents.ready(&identity));
            self.count(-1, cycle);
        }
        cycle.hand_out(
            identity,
            contents.taken(&identity),
            record::with_state(row, &state),
        );
        let taken = Taken {
            visible_us,
            first_received_us: state.first_received_us,
            nonce: state.nonce,
            apart: apart(&message),
        };
        self.book.take(identity, taken, turn.order, turn.now_us);
        self.received(identity, &state, message, contents).await
    }

    /// A message as whoever receives it gets it.
    pub(super) async fn received(
        &self,
        identity: Identity,
        state: &State,
        mut message: Message,
        contents: ContentsId,
    ) -> Result<Received, Failed> {
        let body = match std::mem::replace(&mut message.body, Body::Here(String::new())) {
            Body::Here(text) => text,
            Body::Apart { name, parts } => self.read_apart(contents, &name, parts).await?,
        };
        Ok(Received {
            message,
            body,
            receives: state.receives,
            first_received_us: state.first_received_us,
            receipt: Receipt {
                contents,
                identity,
                nonce: state.nonce,
            },
        })
    }

    /// Removes a message.
    pub(super) fn remove(
        &mut self,
        (identity, from): (Identity, From),
        apart: Option<([u8; 16], u8)>,
        turn: &Turn,
        cycle: &mut Cycle,
    ) {
        if let Some((name, parts)) = apart {
            for number in 0..parts {
                cycle.delete(turn.contents.part(&name, number));
            }
        }
        match from {
            From::Ready => {
                cycle.delete(turn.contents.ready(&identity));
                cycle.gone.insert(identity);
                self.count(-1, cycle);
            }
            From::Taken => {
                cycle.take_back(&identity, turn.contents.taken(&identity));
                self.book.forget(&identity, turn.order, turn.now_us);
            }
        }
    }

    /// Moves a message into another queue.
    async fn put_into(
        &mut self,
        target: &Arc<Queue>,
        place: (Identity, From),
        (state, message): (State, Message),
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(), Failed> {
        let current = target.current();
        let contents = current.descriptor.contents();
        let apart = apart(&message);
        if let Some((name, parts)) = apart {
            for number in 0..parts {
                if let Some(part) = self.store.get(&turn.contents.part(&name, number)).await? {
                    cycle.put(contents.part(&name, number), part);
                }
            }
        }
        // Within a queue the rows stay where they are.
        let apart = apart.filter(|_| contents != turn.contents);
        self.remove(place, apart, turn, cycle);
        let number = cycle.draw_number();
        let is_fifo = current.descriptor.is_fifo();
        let message = Message {
            due_us: turn.now_us,
            // A FIFO queue counts a dead letter's age from its arrival.
            sent_at: match is_fifo {
                true => model::time::Timestamp::from_micros(turn.now_us),
                false => message.sent_at,
            },
            ..message
        };
        let row = record::encode(&state, &message);
        let prefix = match is_fifo {
            true => contents.inbox(),
            false => contents.ready_at(turn.now_us),
        };
        cycle.put_stamped(prefix, number, row);
        if Arc::ptr_eq(&target.shared, &self.shared) {
            self.book.waiting = None;
            cycle.is_news = true;
        } else {
            cycle.pokes.push(Arc::clone(target));
        }
        Ok(())
    }

    /// Puts the body of a message apart, if it is long.
    pub(super) fn lay_apart(&self, message: Message, turn: &Turn, cycle: &mut Cycle) -> Message {
        let text = match message.body {
            Body::Here(text) if BODY_HERE_BYTES_MAX < text.len() => text,
            Body::Here(_) | Body::Apart { .. } => return message,
        };
        let name = message.id;
        let text = Bytes::from(text);
        let mut parts = 0_u8;
        let mut from = 0;
        while from < text.len() {
            let to = text.len().min(from + PART_BYTES);
            cycle.put(turn.contents.part(&name, parts), text.slice(from..to));
            parts = parts.saturating_add(1);
            from = to;
        }
        Message {
            body: Body::Apart { name, parts },
            ..message
        }
    }

    async fn read_apart(
        &self,
        contents: ContentsId,
        name: &[u8; 16],
        parts: u8,
    ) -> Result<String, Failed> {
        let mut bytes = Vec::new();
        for number in 0..parts {
            let part = self.store.get(&contents.part(name, number)).await?;
            bytes.extend_from_slice(&part.ok_or(CorruptMessage)?);
        }
        String::from_utf8(bytes).map_err(|_| Failed::Corrupt(CorruptMessage))
    }
}

/// The bytes of a new UUID of version 4.
pub(crate) fn uuid(random: &dyn interfaces::random::Random) -> [u8; 16] {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    bytes
}
