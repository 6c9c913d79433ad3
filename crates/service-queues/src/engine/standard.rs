//! Standard queues: messages in about the order in which they were sent.
//!
//! Lives here: sending to one, whose turn is next, deleting and hiding messages of either kind of queue.
//! Does not live here: what a receive changes (`hand_out`), groups (`fifo`).

use std::time::Duration;

use model::limits::SQS_VISIBILITY_MAX;
use store::{Direction, PageLimit, Range};

use super::book::{Leftover, Order, Taken};
use super::cycle::{Cycle, Sending};
use super::hand_out::{Fate, From, Purpose};
use super::keys::{ContentsId, Identity};
use super::owner::{Owner, Turn};
use super::receipt::Receipt;
use super::record::{self, Message, State};
use super::request::{Failed, Outcomes, Outgoing, ReceiptError, Received};

/// Messages that are read ahead.
const AHEAD_ROWS: usize = 64;
/// Bytes of these.
const AHEAD_BYTES: usize = 1024 * 1024;
/// Messages that are put back among those that wait, in one commit.
const PUT_BACK_MAX: usize = 200;

impl Owner {
    /// Keeps messages.
    pub(super) fn send_plain(
        &mut self,
        messages: Vec<Outgoing>,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Vec<Sending> {
        let mut sent = Vec::with_capacity(messages.len());
        for Outgoing { message, delay } in messages {
            let delay = delay.unwrap_or(turn.current.settings.delay);
            let message = Message {
                due_us: message.sent_at.plus(delay).epoch_us(),
                ..message
            };
            let (id, due_us) = (message.id, message.due_us);
            let message = self.lay_apart(message, turn, cycle);
            let row = record::encode(&State::default(), &message);
            let number = cycle.draw_number();
            cycle.put_stamped(turn.contents.ready_at(due_us), number, row);
            sent.push(Sending::Plain(id));
            self.count(1, cycle);
        }
        cycle.is_news = true;
        sent
    }

    /// Takes messages, the oldest first: those that were received before, then those that wait.
    pub(super) async fn take_any(
        &mut self,
        messages_max: usize,
        purpose: &Purpose,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Vec<Received>, Failed> {
        let mut found = Vec::new();
        while found.len() + purpose.done() < messages_max {
            let Some(identity) = self.book.first_visible() else {
                break;
            };
            let Some(row) = self.store.get(&turn.contents.taken(&identity)).await? else {
                // It was received in this very commit.
                break;
            };
            let place = (identity, &row, From::Taken);
            match self.hand_out(place, purpose, turn, cycle).await? {
                Fate::Received(received) => found.push(*received),
                Fate::Left => {}
                Fate::Stays => return Ok(found),
            }
            if self.book.first_visible() == Some(identity) {
                // It is visible at once; others come first.
                break;
            }
        }
        while found.len() + purpose.done() < messages_max {
            if self.book.ahead.is_empty() {
                self.read_ahead(turn, cycle).await?;
            }
            let Some((identity, row)) = self.book.ahead.pop_front() else {
                break;
            };
            let place = (identity, &row, From::Ready);
            match self.hand_out(place, purpose, turn, cycle).await? {
                Fate::Received(received) => found.push(*received),
                Fate::Left => {}
                Fate::Stays => {
                    self.book.ahead.push_front((identity, row));
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn read_ahead(&mut self, turn: &Turn, cycle: &Cycle) -> Result<(), Failed> {
        let mut range = Range::new(
            turn.contents.ready_prefix(),
            turn.contents.ready_at(turn.now_us.saturating_add(1)),
        );
        let limit = PageLimit {
            rows_max: AHEAD_ROWS,
            bytes_max: AHEAD_BYTES,
        };
        loop {
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let Some(last) = page.rows.last() else {
                return Ok(());
            };
            range = range.after(&last.key);
            for row in page.rows {
                let Some(identity) = ContentsId::identity(&row.key) else {
                    continue;
                };
                // What this very commit takes is still there to be read.
                if !cycle.gone.contains(&identity) && self.book.taken(&identity).is_none() {
                    self.book.ahead.push_back((identity, row.value));
                }
            }
            if !self.book.ahead.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) async fn next_due_plain(&self, turn: &Turn) -> Result<Option<i64>, Failed> {
        let first = self
            .store
            .scan(&later(turn), Direction::Forward, PageLimit::rows(1))
            .await?;
        let first = first.rows.first();
        let due = first.and_then(|row| row.key.get(turn.contents.ready_prefix().len()..)?.get(..8));
        Ok(due
            .and_then(|due| due.try_into().ok())
            .map(i64::from_be_bytes))
    }

    pub(super) async fn count_delayed(&self, turn: &Turn) -> Result<u64, Failed> {
        let mut range = later(turn);
        let mut delayed = 0;
        while let Some((rows, rest)) = self.page(range).await? {
            delayed += rows.len() as u64;
            range = rest;
        }
        Ok(delayed)
    }

    /// Deletes messages.
    pub(super) async fn delete(
        &mut self,
        receipts: &[Receipt],
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Outcomes, Failed> {
        let mut outcomes = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            outcomes.push(self.delete_one(receipt, turn, cycle).await?);
        }
        Ok(outcomes)
    }

    async fn delete_one(
        &mut self,
        receipt: &Receipt,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Result<(), ReceiptError>, Failed> {
        let identity = receipt.identity;
        if receipt.contents != turn.contents {
            // The queue was purged since.
            return Ok(Ok(()));
        }
        if let Some(taken) = self.book.taken(&identity).copied() {
            if turn.order == Order::ByGroup {
                if taken.nonce != receipt.nonce || taken.visible_us <= turn.now_us {
                    return Ok(Err(ReceiptError::Expired));
                }
                self.remove_ordered((identity, From::Taken), taken.apart, turn, cycle)
                    .await?;
                return Ok(Ok(()));
            }
            self.remove((identity, From::Taken), taken.apart, turn, cycle);
            return Ok(Ok(()));
        }
        let Some(row) = self.store.get(&turn.contents.ready(&identity)).await? else {
            return Ok(Ok(()));
        };
        if turn.order == Order::ByGroup {
            return Ok(Err(ReceiptError::Expired));
        }
        if cycle.gone.contains(&identity) {
            return Ok(Ok(()));
        }
        let (_, message) = record::decode(&row)?;
        self.book.drop_ahead(&identity);
        let apart = super::owner::apart(&message);
        self.remove((identity, From::Ready), apart, turn, cycle);
        Ok(Ok(()))
    }

    /// Changes for how long messages are in flight.
    pub(super) async fn change(
        &mut self,
        changes: &[(Receipt, Duration)],
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Outcomes, Failed> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for (receipt, visibility) in changes {
            outcomes.push(self.change_one(receipt, *visibility, turn, cycle).await?);
        }
        Ok(outcomes)
    }

    async fn change_one(
        &mut self,
        receipt: &Receipt,
        visibility: Duration,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Result<(), ReceiptError>, Failed> {
        let identity = receipt.identity;
        if receipt.contents != turn.contents {
            return Ok(Err(ReceiptError::NotInFlight));
        }
        let visibility_us = i64::try_from(visibility.as_micros()).unwrap_or(i64::MAX);
        let visible_us = turn.now_us.saturating_add(visibility_us);
        let known = self.book.taken(&identity).copied();
        let (row, from) = match known {
            Some(taken) if turn.order == Order::ByGroup => {
                if taken.nonce != receipt.nonce || taken.visible_us <= turn.now_us {
                    return Ok(Err(ReceiptError::NotInFlight));
                }
                (
                    self.store.get(&turn.contents.taken(&identity)).await?,
                    From::Taken,
                )
            }
            Some(_) => (
                self.store.get(&turn.contents.taken(&identity)).await?,
                From::Taken,
            ),
            None if turn.order == Order::ByGroup || cycle.gone.contains(&identity) => {
                return Ok(Err(ReceiptError::NotInFlight));
            }
            None => (
                self.store.get(&turn.contents.ready(&identity)).await?,
                From::Ready,
            ),
        };
        let Some(row) = row else {
            return Ok(Err(ReceiptError::NotInFlight));
        };
        let (state, message) = record::decode(&row)?;
        let longest = i64::try_from(SQS_VISIBILITY_MAX.as_micros()).unwrap_or(i64::MAX);
        if state.first_received_us.saturating_add(longest) < visible_us {
            return Ok(Err(ReceiptError::TooLong));
        }
        let state = State {
            visible_us,
            ..state
        };
        if from == From::Ready {
            self.book.drop_ahead(&identity);
            self.count(-1, cycle);
            cycle.delete(turn.contents.ready(&identity));
        }
        cycle.put(
            turn.contents.taken(&identity),
            record::with_state(&row, &state),
        );
        let taken = Taken {
            visible_us,
            first_received_us: state.first_received_us,
            nonce: state.nonce,
            apart: super::owner::apart(&message),
        };
        self.book.take(identity, taken, turn.order, turn.now_us);
        cycle.is_news |= visible_us <= turn.now_us;
        Ok(Ok(()))
    }

    /// Puts messages that are visible again back among those that wait.
    pub(super) async fn put_back_any(
        &mut self,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<(), Failed> {
        let some: Vec<Identity> = self.book.all_visible().take(PUT_BACK_MAX).collect();
        for identity in some {
            self.put_back(identity, turn, cycle).await?;
        }
        Ok(())
    }

    /// Whether its group has no more messages in memory.
    pub(super) async fn put_back(
        &mut self,
        identity: Identity,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Leftover, Failed> {
        let key = turn.contents.taken(&identity);
        let Some(row) = self.store.get(&key).await? else {
            return Ok(Leftover::Some);
        };
        cycle.delete(key);
        cycle.put(turn.contents.ready(&identity), row);
        self.count(1, cycle);
        Ok(self.book.forget(&identity, turn.order, turn.now_us))
    }
}

/// Messages that are not due yet.
fn later(turn: &Turn) -> Range {
    let end = store::scan::after_prefix(&turn.contents.ready_prefix()).unwrap_or_default();
    Range::new(turn.contents.ready_at(turn.now_us.saturating_add(1)), end)
}
