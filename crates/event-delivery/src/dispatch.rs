//! Everything that services sent, on its way.
//!
//! Lives here: reading what waits and what is due, starting tries, and what they leave behind.
//! Does not live here: the order of tries (`lanes`), one try (`attempt`), the rows (`outbox`).
//!
//! What is new is read once, in the order in which it was accepted, and tried at once; what failed lies in the store under
//! the time of its next try. In memory there are places alone: a delivery is read again when its turn comes, unless it
//! comes at once. Nothing is claimed: whatever was not written down as done is tried again by the next process.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use model::delivery::Target;
use model::time::Timestamp;
use outbox::{Fresh, OutboxError, Place, Retry, Stage, Waiting};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Attempt, Served, Tried};
use crate::delivery::Parts;
use crate::lanes::{After, Held, Job, Lanes, Left, Room};

/// How often it is looked for what nobody rang for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it is waited after the store failed.
const AFTER_FAULT: Duration = Duration::from_secs(2);
/// Deliveries that are read at once.
const ROWS_MAX: usize = 1_000;
/// How long tries that are under way are waited for at the end.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Tries of all targets that are under way at once.
const UNDER_WAY_MAX: usize = 10_000;

/// Delivers what waits in the outbox.
pub(crate) struct Dispatch {
    parts: Arc<Parts>,
    served: watch::Receiver<Option<Arc<Served>>>,
    stop: CancellationToken,
    lanes: Lanes,
    /// Up to where new deliveries were read.
    read_to: Option<Place>,
    /// Up to where retries were read.
    due_to: Option<(Timestamp, Place)>,
    /// Retries that are held, and whatever is under way: the row of its next try may be there before it has ended.
    claimed: HashSet<Place>,
    /// When the next retry is due that was not read.
    next_due: Option<Timestamp>,
    tries: JoinSet<Tried>,
    running: HashMap<Id, (Arc<Target>, Job)>,
    /// Lanes that have room for what they left in the store.
    refills: HashSet<Arc<Target>>,
    look: Look,
    /// Whether the lanes know nothing yet of what is served.
    is_new_to_lanes: bool,
}

/// What is worth looking for.
#[derive(Debug, Clone, Copy)]
struct Look {
    fresh: bool,
    retries: bool,
}

impl Dispatch {
    pub(crate) fn new(
        parts: &Arc<Parts>,
        served: watch::Receiver<Option<Arc<Served>>>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            parts: Arc::clone(parts),
            served,
            stop,
            lanes: Lanes::default(),
            read_to: None,
            due_to: None,
            claimed: HashSet::new(),
            next_due: None,
            tries: JoinSet::new(),
            running: HashMap::new(),
            refills: HashSet::new(),
            is_new_to_lanes: true,
            look: Look {
                fresh: true,
                retries: true,
            },
        }
    }

    /// Runs until it is stopped; tries that are under way are waited for.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            begun = self.begin() => if !begun { return },
            () = stop.cancelled() => return,
        }
        loop {
            if let Err(error) = self.work().await {
                say_fault(&error);
                self.rest().await;
            }
            if stop.is_cancelled() {
                break;
            }
        }
        let drained = async { while self.tries.join_next().await.is_some() {} };
        // What is cut off then is delivered again by the next process.
        let _ = tokio::time::timeout(DRAIN_MAX, drained).await;
    }

    /// Nothing is delivered before it is known what is served, nor before it is known what waits for a retry.
    async fn begin(&mut self) -> bool {
        if self.served.wait_for(Option::is_some).await.is_err() {
            return false;
        }
        loop {
            match self.block_orders().await {
                Ok(()) => return true,
                Err(error) => {
                    say_fault(&error);
                    self.rest().await;
                }
            }
        }
    }

    async fn block_orders(&mut self) -> Result<(), OutboxError> {
        let mut after = None;
        loop {
            let found = self.parts.outbox.retries(after, ROWS_MAX).await?;
            for retry in &found.rows {
                after = Some((retry.due_at, retry.place));
                if let Some(order) = &retry.routing.order {
                    let target = Arc::new(retry.routing.target.clone());
                    self.lanes.block(&target, order.as_str().into());
                }
            }
            if !found.more || found.rows.is_empty() {
                return Ok(());
            }
        }
    }

    /// One turn: what came in, what is due, what ended; or waiting for any of these.
    async fn work(&mut self) -> Result<(), OutboxError> {
        self.take_over_revision();
        if std::mem::take(&mut self.look.retries) {
            self.read_retries().await?;
        }
        if std::mem::take(&mut self.look.fresh) {
            self.read_fresh().await?;
        }
        while let Some(ended) = self.tries.try_join_next_with_id() {
            self.ended(ended);
        }
        while let Some(target) = self.refills.iter().next().cloned() {
            if let Some(left) = self.lanes.left(&target) {
                self.refill(&target, left).await?;
            }
            self.refills.remove(&target);
        }
        self.start();
        if self.look.fresh || self.look.retries {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let outbox = self.parts.outbox.clone();
        let wait = self.wait_max();
        let is_busy = !self.tries.is_empty();
        tokio::select! {
            Some(ended) = self.tries.join_next_with_id(), if is_busy => self.ended(ended),
            () = outbox.news() => self.look.fresh = true,
            () = tokio::time::sleep(wait) => {
                self.look = Look { fresh: true, retries: true };
            }
            () = self.stop.cancelled() => {}
        }
        Ok(())
    }

    /// Functions of another revision may have reserved something else.
    fn take_over_revision(&mut self) {
        if !self.is_new_to_lanes && !self.served.has_changed().unwrap_or(false) {
            return;
        }
        self.is_new_to_lanes = false;
        let Some(served) = self.served.borrow_and_update().clone() else {
            return;
        };
        let functions = served.application.functions.values();
        let reserved = functions.filter_map(|it| Some((it.name.clone(), it.reserved_concurrency?)));
        self.lanes.reserve(reserved.collect());
    }

    async fn read_fresh(&mut self) -> Result<(), OutboxError> {
        let found = self.parts.outbox.fresh(self.read_to, ROWS_MAX).await;
        let found = found.inspect_err(|_| self.look.fresh = true)?;
        say_damaged(found.damaged);
        self.look.fresh = found.more && !found.rows.is_empty();
        for fresh in found.rows {
            let before = self.read_to.replace(fresh.place);
            let (target, job, whole) = job_of(fresh);
            let place = job.place;
            if self.lanes.fresh(&target, job, before) == Held::Not {
                continue;
            }
            self.start_with(place, whole);
        }
        Ok(())
    }

    async fn read_retries(&mut self) -> Result<(), OutboxError> {
        let now = self.parts.clock.now();
        let found = self.parts.outbox.retries(self.due_to, ROWS_MAX).await;
        let found = found.inspect_err(|_| self.look.retries = true)?;
        say_damaged(found.damaged);
        self.next_due = None;
        for retry in found.rows {
            if now < retry.due_at {
                self.next_due = Some(retry.due_at);
                return Ok(());
            }
            self.due_to = Some((retry.due_at, retry.place));
            if self.claimed.contains(&retry.place) {
                continue;
            }
            let (place, target, job) = retry_of(retry);
            if self.lanes.retry(&target, job) == Held::Here {
                self.claimed.insert(place);
            }
        }
        self.look.retries = found.more;
        Ok(())
    }

    /// Takes up what a lane left in the store when it had no room.
    async fn refill(&mut self, target: &Arc<Target>, left: Left) -> Result<(), OutboxError> {
        let mut after = left.after;
        loop {
            let found = match self.parts.outbox.fresh(after, ROWS_MAX).await {
                Ok(found) => found,
                Err(error) => {
                    self.lanes.leave(target, Some(Left { after }));
                    return Err(error);
                }
            };
            for fresh in found.rows {
                // What lies beyond was not read before, and is read in its turn.
                if self.read_to < Some(fresh.place) {
                    self.lanes.leave(target, None);
                    return Ok(());
                }
                if self.lanes.room(target) == 0 {
                    self.lanes.leave(target, Some(Left { after }));
                    return Ok(());
                }
                after = Some(fresh.place);
                if fresh.routing.target == **target {
                    let (_, job, _) = job_of(fresh);
                    self.lanes.refill(target, job);
                }
            }
            if !found.more {
                self.lanes.leave(target, None);
                return Ok(());
            }
            // Others are not to wait for this.
            tokio::task::yield_now().await;
        }
    }

    fn start(&mut self) {
        while self.tries.len() < UNDER_WAY_MAX {
            let Some((target, job)) = self.lanes.next() else {
                return;
            };
            self.spawn(target, job, None);
        }
    }

    /// Starts what can start; this delivery was read already.
    fn start_with(&mut self, place: Place, whole: Option<Box<Waiting>>) {
        let mut whole = whole;
        while self.tries.len() < UNDER_WAY_MAX {
            let Some((target, job)) = self.lanes.next() else {
                return;
            };
            let known = if job.place == place {
                whole.take()
            } else {
                None
            };
            self.spawn(target, job, known);
        }
    }

    fn spawn(&mut self, target: Arc<Target>, job: Job, whole: Option<Box<Waiting>>) {
        let Some(served) = self.served.borrow().clone() else {
            return;
        };
        let (parts, stop) = (Arc::clone(&self.parts), self.stop.clone());
        let (place, stage) = (job.place, job.stage);
        self.claimed.insert(place);
        let task = self.tries.spawn(async move {
            let waiting = match whole {
                Some(whole) => *whole,
                None => match load(&parts, place, stage, &stop).await {
                    Ok(waiting) => waiting,
                    Err(tried) => return tried,
                },
            };
            let attempt = Attempt {
                parts,
                served,
                waiting,
                stop,
            };
            attempt.run().await
        });
        self.running.insert(task.id(), (target, job));
    }

    fn ended(&mut self, ended: Result<(Id, Tried), JoinError>) {
        let (id, tried) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a delivery was broken off: it is tried again after the next start"
                );
                (error.id(), Tried::Left)
            }
        };
        let Some((target, job)) = self.running.remove(&id) else {
            return;
        };
        let after = match tried {
            Tried::Done => After::Done,
            Tried::NoRoom(_) => After::NoRoom,
            Tried::Again(_) | Tried::Left => After::Again,
        };
        if tried != Tried::Left {
            self.claimed.remove(&job.place);
        }
        if let Tried::Again(due_at) | Tried::NoRoom(due_at) = tried {
            self.expect(due_at);
        }
        for room in self.lanes.ended(&target, &job, after) {
            match room {
                Room::Fresh => {
                    self.refills.insert(Arc::clone(&target));
                }
                Room::Retries => {
                    self.due_to = None;
                    self.look.retries = true;
                }
            }
        }
    }

    /// A retry was written that is due then.
    fn expect(&mut self, due_at: Timestamp) {
        let sooner = self.next_due.is_none_or(|next| due_at < next);
        if sooner {
            self.next_due = Some(due_at);
        }
        // The clock was set back: what lies before the place that was reached would not be seen.
        if self.due_to.is_some_and(|(reached, _)| due_at <= reached) {
            self.due_to = None;
        }
    }

    fn wait_max(&self) -> Duration {
        let now = self.parts.clock.now();
        self.next_due
            .map_or(LOOK_EVERY, |due_at| due_at.since(now).min(LOOK_EVERY))
    }

    async fn rest(&self) {
        tokio::select! {
            () = tokio::time::sleep(AFTER_FAULT) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// A delivery, however often the store fails; or what else is to be made of its try.
async fn load(
    parts: &Parts,
    place: Place,
    stage: Stage,
    stop: &CancellationToken,
) -> Result<Waiting, Tried> {
    loop {
        match parts.outbox.load(place, stage).await {
            Ok(Some(waiting)) => return Ok(waiting),
            Ok(None) => return Err(Tried::Done),
            Err(error) => {
                say_fault(&error);
                if matches!(error, OutboxError::Damaged) {
                    return Err(Tried::Left);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(AFTER_FAULT) => {}
            () = stop.cancelled() => return Err(Tried::Left),
        }
    }
}

fn job_of(fresh: Fresh) -> (Arc<Target>, Job, Option<Box<Waiting>>) {
    let job = Job {
        place: fresh.place,
        stage: Stage::Fresh,
        order: fresh.routing.order.map(Into::into),
        bytes: fresh.routing.bytes,
    };
    (Arc::new(fresh.routing.target), job, fresh.whole)
}

fn retry_of(retry: Retry) -> (Place, Arc<Target>, Job) {
    let job = Job {
        place: retry.place,
        stage: Stage::Retry(retry.due_at),
        order: retry.routing.order.map(Into::into),
        bytes: retry.routing.bytes,
    };
    (retry.place, Arc::new(retry.routing.target), job)
}

fn say_fault(error: &OutboxError) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "deliveries cannot be read; trying again"
    );
}

fn say_damaged(count: usize) {
    if 0 < count {
        tracing::error!(
            "{count} deliveries in the store are damaged, or of a later version: they are left there"
        );
    }
}
