//! FIFO queues: message groups, each in the order in which it was sent.
//!
//! Lives here: whose group's turn is next, sending to a group.
//! Does not live here: duplicates (`duplicates`), what a receive changes (`hand_out`), which messages are in flight (`book`).
//!
//! The messages of a group are handed out from its first one on, up to the first that is in flight. A group of which no message
//! was received stands in line with a row of its own, its head; the others are in memory. So neither waiting messages nor
//! waiting groups cost memory.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};
use store::{Direction, PageLimit, Range};

use super::book::Leftover;
use super::cycle::{Cycle, Sending};
use super::descriptor::Scope;
use super::duplicates::{duplicate_hash, remember};
use super::hand_out::{Fate, From, Purpose};
use super::keys::{ContentsId, GROUP_BYTES, GroupHash, Identity, Place};
use super::owner::{Owner, Turn};
use super::record::{self, CorruptMessage, Message, State};
use super::request::{Failed, Outgoing, Received};

/// Rows of a group that are read at once.
const GROUP_ROWS: usize = 16;
/// Groups that are put back among those that wait, in one commit.
const PUT_BACK_GROUPS_MAX: usize = 100;

/// Where a group stands in line.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// Its head's row, with the time of that.
    Head(i64, Place),
    /// In memory.
    Free,
}

impl Owner {
    /// Keeps messages that are not known yet.
    pub(super) async fn send_ordered(
        &mut self,
        messages: Vec<Outgoing>,
        scope: Scope,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Vec<Sending>, Failed> {
        let mut sent = Vec::with_capacity(messages.len());
        for Outgoing { message, delay } in messages {
            let id = message.id;
            let number = cycle.draw_number();
            let hash = duplicate_hash(&message, scope);
            if let Some(hash) = hash {
                if let Some(known) = self.known(&hash, turn, cycle).await? {
                    sent.push(known);
                    continue;
                }
                remember(&hash, &id, number, turn, cycle);
            }
            let delay = delay.unwrap_or(turn.current.settings.delay);
            let message = Message {
                due_us: message.sent_at.plus(delay).epoch_us(),
                ..message
            };
            let message = self.lay_apart(message, turn, cycle);
            self.append(&message, State::default(), number, turn, cycle)
                .await?;
            sent.push(Sending::Ordered(id, number));
        }
        cycle.is_news = true;
        Ok(sent)
    }

    /// Puts a message at the end of its group.
    async fn append(
        &mut self,
        message: &Message,
        state: State,
        number: u16,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(), Failed> {
        let group = group_hash(message.group.as_deref().unwrap_or_default());
        let is_first = !self.book.has_group(&group)
            && !cycle.sent_groups.contains_key(&group)
            && self.first_ready(&group, turn, cycle).await?.is_none();
        if is_first {
            let head = turn.contents.head_at(message.due_us);
            cycle.put_stamped(head, number, group.to_vec());
        }
        cycle
            .sent_groups
            .entry(group)
            .or_insert((message.due_us, number));
        let row = record::encode(&state, message);
        cycle.put_stamped(turn.contents.ready_in(&group), number, row);
        self.count(1, cycle);
        Ok(())
    }

    /// Takes in what other queues put into this one: dead letters, and what was moved.
    pub(super) async fn take_in(&mut self, turn: &Turn, cycle: &mut Cycle) -> Result<(), Failed> {
        let range = Range::of_prefix(turn.contents.inbox());
        // They are there until the commit: what is left comes with the next turn.
        let limit = PageLimit::rows(GROUP_ROWS);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        for row in &page.rows {
            let (state, message) = record::decode(&row.value)?;
            let number = cycle.draw_number();
            self.append(&message, state, number, turn, cycle).await?;
            cycle.delete(row.key.to_vec());
            cycle.is_news = true;
        }
        Ok(())
    }

    /// Takes messages, group after group.
    pub(super) async fn take_ordered(
        &mut self,
        messages_max: usize,
        purpose: &Purpose,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Vec<Received>, Failed> {
        let mut found = Vec::new();
        let mut done: HashSet<GroupHash> = HashSet::new();
        while found.len() + purpose.done() < messages_max {
            let Some((group, line)) = self.next_group(&done, turn, cycle).await? else {
                break;
            };
            done.insert(group);
            let room = messages_max.saturating_sub(found.len() + purpose.done());
            let (mut some, stays) = self.take_group(&group, room, purpose, turn, cycle).await?;
            found.append(&mut some);
            self.book.requeue(group, turn.now_us);
            if let Line::Head(due_us, place) = line {
                cycle.delete(turn.contents.head(due_us, &place));
                cycle.heads_gone.insert((due_us, place));
            }
            if !self.book.has_group(&group) {
                self.stand_in_line(&group, turn, cycle).await?;
            }
            if stays == Stays::Some {
                break;
            }
        }
        Ok(found)
    }

    /// The group whose turn is next, of those not done.
    async fn next_group(
        &self,
        done: &HashSet<GroupHash>,
        turn: &Turn,
        cycle: &Cycle,
    ) -> Result<Option<(GroupHash, Line)>, Failed> {
        let mut free = self.book.free_groups();
        let free = free.find(|(_, group)| !done.contains(group));
        let start = turn.contents.heads().start;
        let end = turn.contents.head_at(turn.now_us.saturating_add(1));
        let mut range = Range::new(start, end);
        let head = loop {
            let limit = PageLimit::rows(GROUP_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let Some(last) = page.rows.last() else {
                break None;
            };
            range = range.after(&last.key);
            let heads = page.rows.iter().filter_map(|row| {
                let turn = ContentsId::read_head(&row.key)?;
                let group: GroupHash = row.value[..].try_into().ok()?;
                let is_there = !cycle.heads_gone.contains(&turn)
                    && !done.contains(&group)
                    && !self.book.has_group(&group);
                is_there.then_some((turn, group))
            });
            if let Some(head) = { heads }.next() {
                break Some(head);
            }
        };
        Ok(match (free, head) {
            (Some((freed, group)), Some((turn, _))) if freed < turn => Some((group, Line::Free)),
            (_, Some(((due_us, place), group))) => Some((group, Line::Head(due_us, place))),
            (Some((_, group)), None) => Some((group, Line::Free)),
            (None, None) => None,
        })
    }

    /// Takes messages of one group, in order.
    async fn take_group(
        &mut self,
        group: &GroupHash,
        room: usize,
        purpose: &Purpose,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(Vec<Received>, Stays), Failed> {
        let mut found = Vec::new();
        let before = purpose.done();
        let full = |found: &Vec<Received>| room <= found.len() + purpose.done() - before;
        let (again, is_blocked) = self.book.receivable(group);
        for identity in again {
            if full(&found) {
                return Ok((found, Stays::None));
            }
            let Some(row) = self.store.get(&turn.contents.taken(&identity)).await? else {
                return Ok((found, Stays::None));
            };
            let place = (identity, &row, From::Taken);
            match self.hand_out(place, purpose, turn, cycle).await? {
                Fate::Received(received) => found.push(*received),
                Fate::Left => {}
                Fate::Stays => return Ok((found, Stays::Some)),
            }
        }
        if is_blocked {
            return Ok((found, Stays::None));
        }
        let mut range = Range::of_prefix(turn.contents.ready_in(group));
        while !full(&found) {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(GROUP_ROWS))
                .await?;
            let Some(last) = page.rows.last() else {
                break;
            };
            range = range.after(&last.key);
            for row in &page.rows {
                if full(&found) {
                    break;
                }
                match self.take_row(row, purpose, turn, cycle).await? {
                    Some(Fate::Received(received)) => found.push(*received),
                    Some(Fate::Left) => {}
                    Some(Fate::Stays) => return Ok((found, Stays::Some)),
                    None => return Ok((found, Stays::None)),
                }
            }
        }
        Ok((found, Stays::None))
    }

    /// Takes one waiting message; none: it is not due, nor is any behind it.
    async fn take_row(
        &mut self,
        row: &store::Row,
        purpose: &Purpose,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Option<Fate>, Failed> {
        let identity = ContentsId::identity(&row.key).ok_or(CorruptMessage)?;
        if cycle.gone.contains(&identity) || self.book.taken(&identity).is_some() {
            return Ok(Some(Fate::Left));
        }
        let (_, message) = record::decode(&row.value)?;
        if turn.now_us < message.due_us {
            return Ok(None);
        }
        let place = (identity, &row.value, From::Ready);
        self.hand_out(place, purpose, turn, cycle).await.map(Some)
    }

    /// Removes a message, and lets its group stand in line if it was its last in memory.
    pub(super) async fn remove_ordered(
        &mut self,
        (identity, from): (Identity, From),
        apart: Option<([u8; 16], u8)>,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(), Failed> {
        self.remove((identity, from), apart, turn, cycle);
        let group = identity.group();
        cycle.is_news = true;
        if !self.book.has_group(&group) {
            self.stand_in_line(&group, turn, cycle).await?;
        }
        Ok(())
    }

    /// Lets a group that has no messages in memory wait for its turn, at the end of the line.
    async fn stand_in_line(
        &mut self,
        group: &GroupHash,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(), Failed> {
        let first = self.first_ready(group, turn, cycle).await?;
        let Some((identity, message)) = first else {
            // Its next message may be of this very commit.
            if let Some((due_us, number)) = cycle.sent_groups.get(group).copied() {
                let head = turn.contents.head_at(due_us.max(turn.now_us));
                cycle.put_stamped(head, number, group.to_vec());
            }
            return Ok(());
        };
        let due_us = message.due_us.max(turn.now_us);
        let key = turn.contents.head(due_us, &identity.place());
        cycle.heads_gone.remove(&(due_us, identity.place()));
        cycle.put(key, group.to_vec());
        Ok(())
    }

    /// The first waiting message of a group.
    async fn first_ready(
        &self,
        group: &GroupHash,
        turn: &Turn,
        cycle: &Cycle,
    ) -> Result<Option<(Identity, Message)>, Failed> {
        let mut range = Range::of_prefix(turn.contents.ready_in(group));
        loop {
            let limit = PageLimit::rows(GROUP_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let Some(last) = page.rows.last() else {
                return Ok(None);
            };
            range = range.after(&last.key);
            for row in &page.rows {
                let identity = ContentsId::identity(&row.key).ok_or(CorruptMessage)?;
                if !cycle.gone.contains(&identity) && self.book.taken(&identity).is_none() {
                    let (_, message) = record::decode(&row.value)?;
                    return Ok(Some((identity, message)));
                }
            }
        }
    }

    pub(super) async fn next_due_ordered(&self, turn: &Turn) -> Result<Option<i64>, Failed> {
        let mut range = turn.contents.heads();
        range.start = turn.contents.head_at(turn.now_us.saturating_add(1));
        let limit = PageLimit::rows(1);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        let first = page.rows.first();
        Ok(first
            .and_then(|row| ContentsId::read_head(&row.key))
            .map(|head| head.0))
    }

    /// Counts messages that are not due yet: where a queue has no delay, there are none.
    pub(super) async fn count_delayed_ordered(&self, turn: &Turn) -> Result<u64, Failed> {
        if turn.current.settings.delay.is_zero() {
            return Ok(0);
        }
        let mut range = Range::of_prefix(turn.contents.ready_prefix());
        let mut delayed = 0;
        while let Some((rows, rest)) = self.page(range).await? {
            for row in rows {
                let (_, message) = record::decode(&row.value)?;
                delayed += u64::from(turn.now_us < message.due_us);
            }
            range = rest;
        }
        Ok(delayed)
    }

    /// Puts whole groups back among those that wait: those of which no message is in flight.
    pub(super) async fn put_back_ordered(
        &mut self,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(), Failed> {
        let groups: Vec<_> = self.book.free_groups().take(PUT_BACK_GROUPS_MAX).collect();
        for (_, group) in groups {
            let (identities, is_blocked) = self.book.receivable(&group);
            if is_blocked || !cycle.has_room() {
                continue;
            }
            let mut first: Option<Identity> = None;
            for identity in identities {
                first.get_or_insert(identity);
                if self.put_back(identity, turn, cycle).await? == Leftover::None
                    && let Some(first) = first
                {
                    let head = turn.contents.head(turn.now_us, &first.place());
                    cycle.put(head, group.to_vec());
                }
            }
        }
        Ok(())
    }
}

/// Whether a message had nowhere to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stays {
    Some,
    None,
}

/// The hash that stands for a group.
pub(crate) fn group_hash(group: &str) -> GroupHash {
    let digest = Sha256::digest(group.as_bytes());
    let mut hash = [0; GROUP_BYTES];
    for (to, from) in hash.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    hash
}
