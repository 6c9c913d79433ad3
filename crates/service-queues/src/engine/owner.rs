//! The owner of a queue: a task that does whatever is asked of it, in turn.
//!
//! Lives here: one commit after the other, and what each carries out.
//! Does not live here: what can be asked (`request`), who waits for messages (`waiting`), which message comes next (`standard`, `fifo`), what a receive changes (`hand_out`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::random::Random;
use model::arn::Arn;
use store::{Direction, PageLimit, Range, Store};
use tokio::sync::{mpsc, oneshot, watch};

use super::book::{Book, Order, Taken};
use super::catalogue::{Current, Shared, WeakCatalogue};
use super::cycle::{Answer, Cycle};
use super::descriptor::Kind;
use super::duplicates::Attempts;
use super::hand_out::Purpose;
use super::keys::{ContentsId, Identity};
use super::record::{self, Body, Message};
use super::request::{Counts, Failed, Moved, ReceiveError, Received, Request, Wish};
use super::waiting::Waiter;

/// Rows that are counted or read at once.
const PAGE_ROWS: usize = 1_000;
/// How long the owner sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// Messages that were received and are visible again, of which more are put back among those that wait.
const VISIBLE_AGAIN_MAX: usize = 1_000;
/// How long what was received of a standard queue waits to be written: the deletion that follows mostly comes before, and one
/// flush does for both. A server that is killed in between hands the message out again, without having counted this time.
const DEFERRED_MAX: Duration = Duration::from_millis(5);
/// How often deduplication ids are forgotten, in microseconds.
const FORGET_EVERY_US: i64 = 30_000_000;

/// The owner of one queue.
pub(crate) struct Owner {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) catalogue: WeakCatalogue,
    pub(super) book: Book,
    pub(super) attempts: Attempts,
    is_loaded: bool,
    pub(super) waiters: VecDeque<Waiter>,
    /// Whether nobody waits any more.
    pub(super) waits_over: watch::Receiver<bool>,
    /// Whether there may be messages for those who wait.
    pub(super) is_news: bool,
    /// When the next message is due that was sent with a delay; for those who wait.
    pub(super) due_us: Option<i64>,
    /// When deduplication ids are forgotten next.
    forget_at_us: i64,
    stopped: Option<oneshot::Sender<()>>,
    /// What was received of a standard queue and told to whoever asked, but is not written yet.
    deferred: Option<Cycle>,
    /// Since when it waits.
    deferred_us: i64,
}

/// What a turn goes by.
#[derive(Clone)]
pub(super) struct Turn {
    pub(super) current: Arc<Current>,
    pub(super) now_us: i64,
    pub(super) order: Order,
    pub(super) contents: ContentsId,
}

impl Owner {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        catalogue: WeakCatalogue,
        waits_over: watch::Receiver<bool>,
    ) -> Self {
        let contents = shared.current().descriptor.contents();
        Self {
            shared,
            store,
            clock,
            random,
            catalogue,
            book: Book::new(contents),
            attempts: Attempts::default(),
            is_loaded: false,
            waiters: VecDeque::new(),
            waits_over,
            is_news: false,
            due_us: None,
            forget_at_us: 0,
            stopped: None,
            deferred: None,
            deferred_us: 0,
        }
    }

    /// Does what it is asked until nobody can ask any more, or the queue is deleted.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let wake = self.sleep();
            let first = tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                () = self.shared.news.notified() => {
                    self.is_news = true;
                    // Somebody else put a message into it.
                    self.book.waiting = None;
                    None
                }
                Ok(()) = self.waits_over.changed() => None,
                () = tokio::time::sleep(wake) => None,
            };
            self.turn(first, &mut requests).await;
            // What was sent is for those who wait.
            while self.is_news && !self.waiters.is_empty() && self.stopped.is_none() {
                self.turn(None, &mut requests).await;
            }
            if let Some(reply) = self.stopped.take() {
                let _ = reply.send(());
                return;
            }
        }
    }

    /// How long nothing is due. A queue at rest sleeps until it is asked.
    fn sleep(&self) -> Duration {
        if self.deferred.is_some() {
            return DEFERRED_MAX;
        }
        if self.waiters.is_empty() {
            return IDLE;
        }
        let until = self.waiters.iter().map(|waiter| waiter.until_us).min();
        let next = [until, self.book.next_us(), self.due_us];
        let Some(next_us) = next.into_iter().flatten().min() else {
            return IDLE;
        };
        let left_us = next_us.saturating_sub(self.clock.now().epoch_us());
        // Timers are of milliseconds: one that fires too early would only come again.
        let left = Duration::from_micros(u64::try_from(left_us).unwrap_or(0));
        left.saturating_add(Duration::from_millis(1)).min(IDLE)
    }

    /// Carries out what is asked, and what is due, in one commit.
    async fn turn(&mut self, first: Option<Request>, requests: &mut mpsc::Receiver<Request>) {
        let current = self.shared.current();
        let contents = current.descriptor.contents();
        if contents != self.book.contents {
            // It was purged.
            self.book = Book::new(contents);
            self.attempts = Attempts::default();
            self.is_loaded = false;
            self.deferred = None;
        }
        let turn = Turn {
            order: current.settings.kind.order(),
            contents,
            now_us: self.clock.now().epoch_us(),
            current,
        };
        let deferred = self.deferred.take();
        if deferred.is_none() {
            self.deferred_us = turn.now_us;
        }
        let mut cycle = deferred.unwrap_or_default();
        if let Err(failed) = self.load(&turn, &mut cycle).await {
            if let Some(request) = first {
                request.refuse(&failed);
            }
            return;
        }
        let passed = self.book.pass(turn.now_us, turn.order);
        let is_due = self.due_us.is_some_and(|due_us| due_us <= turn.now_us);
        self.is_news |= passed || is_due;
        let mut next = first;
        while let Some(request) = next {
            if cycle.has_writes() && self.reads_back(&request) {
                let ready = std::mem::take(&mut cycle);
                self.commit(&turn, ready).await;
            }
            self.apply(request, &turn, &mut cycle).await;
            next = match cycle.has_room() && self.stopped.is_none() {
                true => requests.try_recv().ok(),
                false => None,
            };
        }
        self.serve_waiters(&turn, &mut cycle).await;
        if let Err(error) = self.keep_small(&turn, &mut cycle).await {
            tracing::warn!(error = &error as &dyn std::error::Error, queue = %self.shared.arn, "a queue could not be tidied");
        }
        let waited = turn.now_us.saturating_sub(self.deferred_us);
        let is_late = DEFERRED_MAX.as_micros() <= u128::try_from(waited).unwrap_or(0);
        let is_ordered = turn.order == Order::ByGroup || self.stopped.is_some();
        if is_late || is_ordered || !cycle.can_wait() {
            self.commit(&turn, cycle).await;
            return;
        }
        let unclaimed = cycle.settle_early();
        self.release(unclaimed, &turn);
        self.deferred = Some(cycle);
    }

    /// Whether a request reads rows that may not be written yet.
    fn reads_back(&self, request: &Request) -> bool {
        match request {
            Request::Receive { .. } => self.book.first_visible().is_some(),
            Request::Change { .. } | Request::Move { .. } => true,
            Request::Send { .. }
            | Request::Delete { .. }
            | Request::Count { .. }
            | Request::Stop { .. } => false,
        }
    }

    async fn commit(&mut self, turn: &Turn, mut cycle: Cycle) {
        if !cycle.has_writes() {
            let _ = cycle.settle(&Ok(store::Versionstamp::new(0)));
            return;
        }
        self.is_news |= cycle.is_news;
        let committed = self.store.commit(cycle.take_batch()).await;
        if let Err(error) = &committed {
            tracing::error!(error = error as &dyn std::error::Error, queue = %self.shared.arn, "a queue could not be written");
            // What is in memory says what would be, had it been written.
            self.is_loaded = false;
        }
        let unclaimed = cycle.settle(&committed);
        self.release(unclaimed, turn);
    }

    /// Whoever asked for these has gone: somebody else may have them at once.
    fn release(&mut self, unclaimed: Vec<Identity>, turn: &Turn) {
        for identity in unclaimed {
            if let Some(taken) = self.book.taken(&identity).copied() {
                let taken = Taken {
                    visible_us: turn.now_us,
                    ..taken
                };
                self.book.take(identity, taken, turn.order, turn.now_us);
                self.is_news = true;
            }
        }
    }

    /// Reads which messages were received, at the start and after a failure.
    async fn load(&mut self, turn: &Turn, cycle: &mut Cycle) -> Result<(), Failed> {
        if !self.is_loaded {
            self.book = Book::new(turn.contents);
            let mut range = turn.contents.all_taken();
            while let Some((rows, rest)) = self.page(range).await? {
                for row in rows {
                    let (Some(identity), Ok((state, message))) =
                        (ContentsId::identity(&row.key), record::decode(&row.value))
                    else {
                        tracing::error!(queue = %self.shared.arn, "the row of a message is damaged");
                        continue;
                    };
                    let taken = Taken {
                        visible_us: state.visible_us,
                        first_received_us: state.first_received_us,
                        nonce: state.nonce,
                        apart: apart(&message),
                    };
                    self.book.take(identity, taken, turn.order, turn.now_us);
                }
                range = rest;
            }
            self.is_loaded = true;
            self.is_news = true;
        }
        if turn.order == Order::ByGroup && self.is_news {
            self.take_in(turn, cycle).await?;
        }
        Ok(())
    }

    /// Some rows of a range and what is left of it; none: that was all.
    pub(super) async fn page(
        &self,
        range: Range,
    ) -> Result<Option<(Vec<store::Row>, Range)>, Failed> {
        let limit = PageLimit::rows(PAGE_ROWS);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        let Some(last) = page.rows.last() else {
            return Ok(None);
        };
        let rest = range.after(&last.key);
        Ok(Some((page.rows, rest)))
    }

    async fn apply(&mut self, request: Request, turn: &Turn, cycle: &mut Cycle) {
        match request {
            Request::Send { messages, reply } => {
                let sent = match turn.current.settings.kind {
                    Kind::Standard => Ok(self.send_plain(messages, turn, cycle)),
                    Kind::Fifo {
                        by_content: _,
                        scope,
                        scope_before,
                    } => {
                        let now = model::time::Timestamp::from_micros(turn.now_us);
                        let before = scope_before.filter(|(_, until)| now < *until);
                        let scope = before.map_or(scope, |(before, _)| before);
                        self.send_ordered(messages, scope, turn, cycle).await
                    }
                };
                match sent {
                    Ok(sent) => cycle.answer(Answer::Sent(reply, sent)),
                    Err(failed) => drop(reply.send(Err(failed))),
                }
            }
            Request::Receive { wish, reply } => {
                self.receive_or_wait(wish, reply, turn, cycle).await
            }
            Request::Delete { receipts, reply } => {
                match self.delete(&receipts, turn, cycle).await {
                    Ok(outcomes) => cycle.answer(Answer::Done(reply, outcomes)),
                    Err(failed) => drop(reply.send(Err(failed))),
                }
            }
            Request::Change { changes, reply } => match self.change(&changes, turn, cycle).await {
                Ok(outcomes) => cycle.answer(Answer::Done(reply, outcomes)),
                Err(failed) => drop(reply.send(Err(failed))),
            },
            Request::Count { reply } => drop(reply.send(self.counts(turn, cycle).await)),
            Request::Move {
                messages_max,
                destination,
                reply,
            } => match self.move_on(messages_max, destination, turn, cycle).await {
                Ok(moved) => cycle.answer(Answer::Moved(reply, moved)),
                Err(failed) => drop(reply.send(Err(failed))),
            },
            Request::Stop { reply } => {
                self.stopped = Some(reply);
                for waiter in self.waiters.drain(..) {
                    let _ = waiter.reply.send(Ok(Vec::new()));
                }
            }
        }
    }

    pub(super) async fn receive(
        &mut self,
        wish: &Wish,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Vec<Received>, ReceiveError> {
        let visibility = wish.visibility.unwrap_or(turn.current.settings.visibility);
        let visibility_us = i64::try_from(visibility.as_micros()).unwrap_or(i64::MAX);
        let visible_us = turn.now_us.saturating_add(visibility_us);
        let purpose = Purpose::Receive { visible_us };
        let is_full = model::limits::SQS_IN_FLIGHT_MAX <= self.book.in_flight();
        match turn.order {
            Order::None if is_full => Err(ReceiveError::OverLimit),
            Order::None => {
                let found = self
                    .take_any(wish.messages_max, &purpose, turn, cycle)
                    .await?;
                Ok(found)
            }
            Order::ByGroup => {
                if let Some(again) = self.attempted(wish, visible_us, turn, cycle).await? {
                    return Ok(again);
                }
                if is_full {
                    return Ok(Vec::new());
                }
                let found = self
                    .take_ordered(wish.messages_max, &purpose, turn, cycle)
                    .await?;
                self.attempts.note(wish, &found, turn.now_us);
                Ok(found)
            }
        }
    }

    async fn move_on(
        &mut self,
        messages_max: usize,
        destination: Option<Arn>,
        turn: &Turn,
        cycle: &mut Cycle,
    ) -> Result<Moved, Failed> {
        let purpose = Purpose::move_to(destination);
        match turn.order {
            Order::None => drop(self.take_any(messages_max, &purpose, turn, cycle).await?),
            Order::ByGroup => drop(
                self.take_ordered(messages_max, &purpose, turn, cycle)
                    .await?,
            ),
        }
        Ok(purpose.moved())
    }

    async fn counts(&mut self, turn: &Turn, cycle: &Cycle) -> Result<Counts, Failed> {
        let waiting = match self.book.waiting {
            Some(waiting) => waiting,
            None => {
                let mut waiting = 0_u64;
                let mut range = Range::of_prefix(turn.contents.ready_prefix());
                while let Some((rows, rest)) = self.page(range).await? {
                    waiting += rows.len() as u64;
                    range = rest;
                }
                // What this very commit changes is not there to be counted yet.
                let waiting = waiting.saturating_add_signed(cycle.waiting_change);
                self.book.waiting = Some(waiting);
                waiting
            }
        };
        let delayed = match turn.order {
            Order::None => self.count_delayed(turn).await?,
            Order::ByGroup => self.count_delayed_ordered(turn).await?,
        };
        let visible_again = self.book.visible_again() as u64;
        Ok(Counts {
            visible: waiting
                .saturating_sub(delayed)
                .saturating_add(visible_again),
            in_flight: self.book.in_flight() as u64,
            delayed,
        })
    }

    /// So many messages more wait, or fewer.
    pub(super) fn count(&mut self, change: i64, cycle: &mut Cycle) {
        cycle.waiting_change = cycle.waiting_change.saturating_add(change);
        self.book.count(change);
    }

    /// Puts what was received and is visible again back among those that wait, when there is much of it, and forgets old
    /// deduplication ids.
    async fn keep_small(&mut self, turn: &Turn, cycle: &mut Cycle) -> Result<(), Failed> {
        if VISIBLE_AGAIN_MAX < self.book.visible_again() {
            match turn.order {
                Order::None => self.put_back_any(turn, cycle).await?,
                Order::ByGroup => self.put_back_ordered(turn, cycle).await?,
            }
        }
        if turn.order == Order::ByGroup && self.forget_at_us <= turn.now_us {
            self.forget_duplicates(turn, cycle).await?;
            self.forget_at_us = turn.now_us.saturating_add(FORGET_EVERY_US);
        }
        Ok(())
    }
}

/// Where the body of a message lies, if not with it.
pub(super) fn apart(message: &Message) -> Option<([u8; 16], u8)> {
    match message.body {
        Body::Here(_) => None,
        Body::Apart { name, parts } => Some((name, parts)),
    }
}
