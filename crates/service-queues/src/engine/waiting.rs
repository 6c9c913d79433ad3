//! Receives that wait for a message.
//!
//! Lives here: who waits until when, handing what comes to whoever has waited longest.
//! Does not live here: when that is looked at (`owner`).

use tokio::sync::oneshot;

use super::book::Order;
use super::cycle::{Answer, Cycle};
use super::owner::{Owner, Turn};
use super::request::{Failed, ReceiveError, Received, Wish};

/// Receives that wait for a message of one queue. Those beyond are answered with nothing.
const WAITERS_MAX: usize = 10_000;

/// A receive that waits.
pub(super) struct Waiter {
    pub(super) wish: Wish,
    pub(super) reply: oneshot::Sender<Result<Vec<Received>, ReceiveError>>,
    pub(super) until_us: i64,
}

impl Owner {
    pub(super) async fn receive_or_wait(
        &mut self,
        wish: Wish,
        reply: oneshot::Sender<Result<Vec<Received>, ReceiveError>>,
        turn: &Turn,
        cycle: &mut Cycle,
    ) {
        match self.receive(&wish, turn, cycle).await {
            Ok(found) if found.is_empty() => {
                let wait = wish.wait.unwrap_or(turn.current.settings.wait);
                let may_wait = !*self.waits_over.borrow() && self.waiters.len() < WAITERS_MAX;
                if wait.is_zero() || !may_wait {
                    // Messages may have left the queue instead: whoever is told that it is empty finds them elsewhere.
                    cycle.answer(Answer::Received(reply, found));
                    return;
                }
                let wait_us = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                self.waiters.push_back(Waiter {
                    wish,
                    reply,
                    until_us: turn.now_us.saturating_add(wait_us),
                });
                self.due_us = self.next_due(turn).await.unwrap_or(None);
            }
            Ok(found) => cycle.answer(Answer::Received(reply, found)),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    pub(super) async fn serve_waiters(&mut self, turn: &Turn, cycle: &mut Cycle) {
        if self.is_news {
            self.is_news = false;
            let mut is_served = true;
            while is_served && cycle.has_room() {
                let Some(waiter) = self.waiters.pop_front() else {
                    break;
                };
                if waiter.reply.is_closed() {
                    continue;
                }
                match self.receive(&waiter.wish, turn, cycle).await {
                    Ok(found) if found.is_empty() => {
                        self.waiters.push_front(waiter);
                        is_served = false;
                    }
                    Ok(found) => cycle.answer(Answer::Received(waiter.reply, found)),
                    Err(error) => drop(waiter.reply.send(Err(error))),
                }
            }
            if !self.waiters.is_empty() {
                self.is_news = is_served;
                self.due_us = self.next_due(turn).await.unwrap_or(None);
            }
        }
        let all_over = *self.waits_over.borrow();
        for waiter in std::mem::take(&mut self.waiters) {
            if turn.now_us < waiter.until_us && !all_over {
                self.waiters.push_back(waiter);
            } else {
                let _ = waiter.reply.send(Ok(Vec::new()));
            }
        }
    }

    async fn next_due(&self, turn: &Turn) -> Result<Option<i64>, Failed> {
        match turn.order {
            Order::None => self.next_due_plain(turn).await,
            Order::ByGroup => self.next_due_ordered(turn).await,
        }
    }
}
