//! What the owner of a queue has in mind: the messages that were received and not deleted.
//!
//! Lives here: who is in flight until when, which message groups are free. Pure.
//! Does not live here: messages that wait, of which nothing is in memory; keeping any of this (`owner`).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;

use super::keys::{ContentsId, GroupHash, Identity, Place};

/// The messages of a queue that were received.
#[derive(Debug)]
pub(crate) struct Book {
    /// Under which id they are kept.
    pub(crate) contents: ContentsId,
    taken: BTreeMap<Identity, Taken>,
    /// Those in flight, by the end of that.
    timers: BTreeSet<(i64, Identity)>,
    /// Those of a standard queue that are visible again.
    visible: BTreeSet<Identity>,
    groups: HashMap<GroupHash, Group>,
    /// Groups with such messages whose first one is visible, by when it became so.
    free: BTreeMap<Turn, GroupHash>,
    /// The next messages of a standard queue, as they were read ahead.
    pub(crate) ahead: VecDeque<(Identity, Bytes)>,
    /// How many messages wait; none: it has to be counted.
    pub(crate) waiting: Option<u64>,
}

/// The order in which groups get their turn: since when they wait for it, then the place of their first message.
pub(crate) type Turn = (i64, Place);

/// A message that was received and not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Until when it is in flight.
    pub(crate) visible_us: i64,
    /// When it was received first.
    pub(crate) first_received_us: i64,
    /// Which receipt holds.
    pub(crate) nonce: u64,
    /// Rows of its body, if it has such.
    pub(crate) apart: Option<([u8; 16], u8)>,
}

#[derive(Debug, Default)]
struct Group {
    /// Its messages that were received, in order, and whether each is visible again.
    places: BTreeMap<Place, (Identity, Sight)>,
    turn: Option<Turn>,
}

/// Whether a message may be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Visible,
    InFlight,
}

/// How messages of a queue are kept in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Not at all.
    None,
    /// Within their groups.
    ByGroup,
}

impl Book {
    /// Nothing was received.
    pub(crate) fn new(contents: ContentsId) -> Self {
        Self {
            contents,
            taken: BTreeMap::new(),
            timers: BTreeSet::new(),
            visible: BTreeSet::new(),
            groups: HashMap::new(),
            free: BTreeMap::new(),
            ahead: VecDeque::new(),
            waiting: None,
        }
    }

    /// What is known of a message that was received.
    pub(crate) fn taken(&self, identity: &Identity) -> Option<&Taken> {
        self.taken.get(identity)
    }

    /// Messages in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.timers.len()
    }

    /// Messages that were received and are visible again.
    pub(crate) fn visible_again(&self) -> usize {
        self.taken.len().saturating_sub(self.timers.len())
    }

    /// When the next message becomes visible again.
    pub(crate) fn next_us(&self) -> Option<i64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A message was received, or its visibility was changed.
    pub(crate) fn take(&mut self, identity: Identity, taken: Taken, order: Order, now_us: i64) {
        if let Some(before) = self.taken.insert(identity, taken) {
            self.timers.remove(&(before.visible_us, identity));
        }
        self.visible.remove(&identity);
        let sight = if now_us < taken.visible_us {
            self.timers.insert((taken.visible_us, identity));
            Sight::InFlight
        } else {
            Sight::Visible
        };
        self.see(identity, sight, order, now_us);
    }

    /// A message is deleted, or was moved elsewhere. Whether its group has no messages here any more.
    pub(crate) fn forget(&mut self, identity: &Identity, order: Order, now_us: i64) -> Leftover {
        let Some(taken) = self.taken.remove(identity) else {
            return Leftover::Some;
        };
        self.timers.remove(&(taken.visible_us, *identity));
        self.visible.remove(identity);
        if order == Order::None {
            return Leftover::Some;
        }
        let hash = identity.group();
        let Some(group) = self.groups.get_mut(&hash) else {
            return Leftover::Some;
        };
        group.places.remove(&identity.place());
        if group.places.is_empty() {
            let turn = group.turn;
            self.groups.remove(&hash);
            if let Some(turn) = turn {
                self.free.remove(&turn);
            }
            return Leftover::None;
        }
        self.settle(hash, now_us);
        Leftover::Some
    }

    /// Makes those visible whose time has come; whether there were any.
    pub(crate) fn pass(&mut self, now_us: i64, order: Order) -> bool {
        let mut any = false;
        while let Some((at, identity)) = self.timers.first().copied() {
            if now_us < at {
                break;
            }
            self.timers.pop_first();
            self.see(identity, Sight::Visible, order, at);
            any = true;
        }
        any
    }

    fn see(&mut self, identity: Identity, sight: Sight, order: Order, at_us: i64) {
        match (order, sight) {
            (Order::None, Sight::Visible) => {
                self.visible.insert(identity);
            }
            (Order::None, Sight::InFlight) => {}
            (Order::ByGroup, _) => {
                let hash = identity.group();
                let group = self.groups.entry(hash).or_default();
                group.places.insert(identity.place(), (identity, sight));
                self.settle(hash, at_us);
            }
        }
    }

    /// A group waits for its turn while its first message is visible.
    fn settle(&mut self, hash: GroupHash, at_us: i64) {
        let Some(group) = self.groups.get_mut(&hash) else {
            return;
        };
        let first = group.places.first_key_value();
        let is_free = first.is_some_and(|(_, (_, sight))| *sight == Sight::Visible);
        let place = first.map(|(place, _)| *place);
        match (is_free, group.turn, place) {
            (true, None, Some(place)) => {
                group.turn = Some((at_us, place));
                self.free.insert((at_us, place), hash);
            }
            (false, Some(turn), _) => {
                group.turn = None;
                self.free.remove(&turn);
            }
            (true, Some(_), _) | (true, None, None) | (false, None, _) => {}
        }
    }

    /// Sends a group to the end of the line, if it waits in it.
    pub(crate) fn requeue(&mut self, hash: GroupHash, now_us: i64) {
        if let Some(group) = self.groups.get_mut(&hash)
            && let Some(turn) = group.turn.take()
        {
            self.free.remove(&turn);
            self.settle(hash, now_us);
        }
    }

    /// The first message of a standard queue that is visible again.
    pub(crate) fn first_visible(&self) -> Option<Identity> {
        self.visible.first().copied()
    }

    /// Messages of a standard queue that are visible again.
    pub(crate) fn all_visible(&self) -> impl Iterator<Item = Identity> {
        self.visible.iter().copied()
    }

    /// The groups in memory that wait for their turn.
    pub(crate) fn free_groups(&self) -> impl Iterator<Item = (Turn, GroupHash)> {
        self.free.iter().map(|(turn, hash)| (*turn, *hash))
    }

    /// Whether a group has messages that were received.
    pub(crate) fn has_group(&self, hash: &GroupHash) -> bool {
        self.groups.contains_key(hash)
    }

    /// The messages of a group that were received and can be received now: those before the first that is in flight. And
    /// whether there is such a one.
    pub(crate) fn receivable(&self, hash: &GroupHash) -> (Vec<Identity>, bool) {
        let Some(group) = self.groups.get(hash) else {
            return (Vec::new(), false);
        };
        let mut found = Vec::new();
        for (identity, sight) in group.places.values() {
            match sight {
                Sight::Visible => found.push(*identity),
                Sight::InFlight => return (found, true),
            }
        }
        (found, false)
    }

    /// Drops what was read ahead of a message.
    pub(crate) fn drop_ahead(&mut self, identity: &Identity) {
        self.ahead.retain(|(ahead, _)| ahead != identity);
    }

    /// So many messages more wait, or fewer.
    pub(crate) fn count(&mut self, change: i64) {
        self.waiting = self
            .waiting
            .and_then(|waiting| waiting.checked_add_signed(change));
    }
}

/// Whether a group still has messages in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// It has, or there are no groups.
    Some,
    /// It has none.
    None,
}
