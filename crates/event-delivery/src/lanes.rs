//! Which deliveries are tried next, so that no target waits for another.
//!
//! Lives here: one lane a target, with what is under way and what waits in it: no I/O.
//! Does not live here: reading what waits and trying it (`dispatch`).
//!
//! A lane holds places alone, never bodies, and no more than it can soon use: what goes beyond stays in the store, and is
//! read again once the lane has room. Whoever reads new deliveries therefore never waits for a target.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use model::arn::Arn;
use model::delivery::Target;
use model::ids::FunctionName;
use outbox::{Place, Stage};

/// Tries of one function that are under way at once: as many as a busy one has instances on one machine.
const CALLS_MAX: usize = 100;
/// Tries of any other target that are under way at once. They share commits.
const TRIES_MAX: usize = 32;
/// Bytes of the messages of one target that are under way at once; a single one may be longer.
const LANE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deliveries of one target whose places are held.
pub(crate) const HELD_MAX: usize = 4_096;

/// One delivery that is to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) place: Place,
    pub(crate) stage: Stage,
    pub(crate) order: Option<Arc<str>>,
    pub(crate) bytes: usize,
}

/// What came of a try, as far as its lane is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It is over.
    Done,
    /// It is tried again, later: what is to follow it waits.
    Again,
    /// The same, because the target had no room for it: it gets less at once.
    NoRoom,
}

/// Whether a lane took a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It did.
    Here,
    /// It has too many: this one is to be read again once it has room.
    Not,
}

/// All lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<Arc<Target>, Lane>,
    /// Lanes in which something may start, each once, those first that waited longest.
    turns: VecDeque<Arc<Target>>,
    /// Functions of which fewer calls run at once, by their names.
    reserved: HashMap<FunctionName, usize>,
}

#[derive(Default)]
struct Lane {
    under_way: usize,
    /// Tries that may be under way at once. It is halved when the target has no room, and grows by one with every so many
    /// that went well.
    most: usize,
    went_well: usize,
    bytes: usize,
    ready: VecDeque<Job>,
    orders: HashMap<Arc<str>, Order>,
    /// Places in `ready` and `orders`.
    held: usize,
    has_turn: bool,
    /// From where on new deliveries were left in the store.
    left: Option<Left>,
    retries_left: bool,
}

/// Deliveries with one order. It is there while one of them is under way or to be tried again.
#[derive(Default)]
struct Order {
    waiting: VecDeque<Job>,
}

/// What a lane left in the store: whatever comes after this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) after: Option<Place>,
}

/// A lane that has room again for what it left in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// For new deliveries.
    Fresh,
    /// For retries.
    Retries,
}

impl Lanes {
    /// What functions have reserved for themselves: more calls of them cannot run at once.
    pub(crate) fn reserve(&mut self, reserved: HashMap<FunctionName, usize>) {
        self.reserved = reserved;
        let targets: Vec<Arc<Target>> = self.lanes.keys().cloned().collect();
        for target in targets {
            let most = self.most(&target);
            self.lane(&target).most = most;
            self.give_turn(&target);
        }
    }

    /// Takes a delivery that was never tried; `before` is the place of the one that was read before it.
    pub(crate) fn fresh(&mut self, target: &Arc<Target>, job: Job, before: Option<Place>) -> Held {
        let lane = self.lane(target);
        if lane.left.is_some() {
            return Held::Not;
        }
        if HELD_MAX <= lane.held {
            lane.left = Some(Left { after: before });
            return Held::Not;
        }
        self.hold(target, job);
        Held::Here
    }

    /// Takes what a lane left in the store before; [`leave`](Self::leave) says when that is all.
    pub(crate) fn refill(&mut self, target: &Arc<Target>, job: Job) {
        self.hold(target, job);
    }

    /// From where on a lane left deliveries in the store.
    pub(crate) fn left(&self, target: &Arc<Target>) -> Option<Left> {
        self.lanes.get(target)?.left
    }

    /// What a lane still leaves in the store.
    pub(crate) fn leave(&mut self, target: &Arc<Target>, left: Option<Left>) {
        self.lane(target).left = left;
        self.forget(target);
    }

    /// Takes a delivery whose retry is due. What is to follow it waits for it already.
    pub(crate) fn retry(&mut self, target: &Arc<Target>, job: Job) -> Held {
        let lane = self.lane(target);
        if HELD_MAX <= lane.held {
            lane.retries_left = true;
            return Held::Not;
        }
        if let Some(order) = &job.order {
            lane.orders.entry(Arc::clone(order)).or_default();
        }
        lane.held += 1;
        lane.ready.push_back(job);
        self.give_turn(target);
        Held::Here
    }

    /// Has everything with this order wait, because one of them is to be tried again later.
    pub(crate) fn block(&mut self, target: &Arc<Target>, order: Arc<str>) {
        self.lane(target).orders.entry(order).or_default();
    }

    /// The next delivery to try.
    pub(crate) fn next(&mut self) -> Option<(Arc<Target>, Job)> {
        while let Some(target) = self.turns.pop_front() {
            let Some(lane) = self.lanes.get_mut(&target) else {
                continue;
            };
            lane.has_turn = false;
            if !lane.has_room() {
                continue;
            }
            let Some(job) = lane.ready.pop_front() else {
                continue;
            };
            lane.held = lane.held.saturating_sub(1);
            lane.under_way += 1;
            lane.bytes += job.bytes;
            self.give_turn(&target);
            return Some((target, job));
        }
        None
    }

    /// A try has ended. Says for what there is room now.
    pub(crate) fn ended(&mut self, target: &Arc<Target>, job: &Job, after: After) -> Vec<Room> {
        let most = self.most(target);
        let Some(lane) = self.lanes.get_mut(target) else {
            return Vec::new();
        };
        lane.under_way = lane.under_way.saturating_sub(1);
        lane.bytes = lane.bytes.saturating_sub(job.bytes);
        lane.learn(after, most);
        if let (Some(order), After::Done) = (&job.order, after) {
            let next = lane
                .orders
                .get_mut(order)
                .and_then(|order| order.waiting.pop_front());
            match next {
                Some(next) => lane.ready.push_back(next),
                None => drop(lane.orders.remove(order)),
            }
        }
        let mut room = Vec::new();
        if lane.held <= HELD_MAX / 2 {
            if lane.left.is_some() {
                room.push(Room::Fresh);
            }
            if std::mem::take(&mut lane.retries_left) {
                room.push(Room::Retries);
            }
        }
        self.give_turn(target);
        self.forget(target);
        room
    }

    /// How many places are held, and how many tries are under way.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        let lanes = self.lanes.values();
        lanes.fold((0, 0), |(held, under_way), lane| {
            (held + lane.held, under_way + lane.under_way)
        })
    }

    /// How much room a lane has.
    pub(crate) fn room(&self, target: &Arc<Target>) -> usize {
        let held = self.lanes.get(target).map_or(0, |lane| lane.held);
        HELD_MAX.saturating_sub(held)
    }

    fn lane(&mut self, target: &Arc<Target>) -> &mut Lane {
        let most = self.most(target);
        let lane = self.lanes.entry(Arc::clone(target));
        lane.or_insert_with(|| Lane {
            most,
            ..Lane::default()
        })
    }

    /// Tries of a target that may ever be under way at once.
    fn most(&self, target: &Target) -> usize {
        match target.arn().and_then(Arn::function_name) {
            Some(name) => {
                let reserved = self.reserved.get(&name).copied().unwrap_or(CALLS_MAX);
                reserved.clamp(1, CALLS_MAX)
            }
            None => TRIES_MAX,
        }
    }

    fn hold(&mut self, target: &Arc<Target>, job: Job) {
        let lane = self.lane(target);
        lane.held += 1;
        if let Some(order) = &job.order {
            if let Some(order) = lane.orders.get_mut(order) {
                order.waiting.push_back(job);
                return;
            }
            lane.orders.insert(Arc::clone(order), Order::default());
        }
        lane.ready.push_back(job);
        self.give_turn(target);
    }

    fn give_turn(&mut self, target: &Arc<Target>) {
        let Some(lane) = self.lanes.get_mut(target) else {
            return;
        };
        if !lane.has_turn && !lane.ready.is_empty() && lane.has_room() {
            lane.has_turn = true;
            self.turns.push_back(Arc::clone(target));
        }
    }

    /// Lanes are as many as targets that something waits for.
    fn forget(&mut self, target: &Arc<Target>) {
        let is_idle = self.lanes.get(target).is_some_and(|lane| {
            lane.under_way == 0
                && lane.held == 0
                && lane.orders.is_empty()
                && lane.left.is_none()
                && !lane.retries_left
        });
        if is_idle {
            self.lanes.remove(target);
        }
    }
}

impl Lane {
    fn has_room(&self) -> bool {
        self.under_way < self.most && self.bytes < LANE_BYTES_MAX
    }

    fn learn(&mut self, after: After, most: usize) {
        match after {
            After::NoRoom => {
                self.most = (self.most / 2).max(1);
                self.went_well = 0;
            }
            After::Done | After::Again => {
                self.went_well += 1;
                if self.most <= self.went_well {
                    self.most = (self.most + 1).min(most);
                    self.went_well = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Arc<Target> {
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        Arc::new(Target::Resource(Arn::parse(&arn).unwrap()))
    }

    fn job(bytes: usize) -> Job {
        Job {
            place: Place::new(1, 1),
            stage: Stage::Fresh,
            order: None,
            bytes,
        }
    }

    #[test]
    fn a_lane_holds_no_more_than_its_limit_and_says_when_it_has_room_again() {
        let mut lanes = Lanes::default();
        let a = target("a");
        for _ in 0..HELD_MAX {
            assert_eq!(lanes.fresh(&a, job(1), None), Held::Here);
        }
        assert_eq!(lanes.fresh(&a, job(1), None), Held::Not);
        assert_eq!(lanes.counts(), (HELD_MAX, 0));
        let mut rounds = 0;
        loop {
            let (_, next) = lanes.next().unwrap();
            rounds += 1;
            if !lanes.ended(&a, &next, After::Done).is_empty() {
                break;
            }
        }
        assert_eq!(rounds, HELD_MAX / 2);
        lanes.leave(&a, None);
        assert_eq!(lanes.fresh(&a, job(1), None), Held::Here);
    }

    #[test]
    fn long_messages_of_one_target_are_not_all_under_way_at_once() {
        let mut lanes = Lanes::default();
        let (a, b) = (target("a"), target("b"));
        for _ in 0..100 {
            lanes.fresh(&a, job(1024 * 1024), None);
        }
        lanes.fresh(&b, job(1), None);
        let mut started = Vec::new();
        while let Some((target, _)) = lanes.next() {
            started.push(target);
        }
        assert_eq!(started.len(), 17);
        assert!(started.contains(&b));
    }

    #[test]
    fn a_target_without_room_gets_less_at_once_and_more_again_as_things_go_well() {
        let mut lanes = Lanes::default();
        let a = target("a");
        for _ in 0..2_000 {
            lanes.fresh(&a, job(1), None);
        }
        let at_once = |lanes: &mut Lanes, after| {
            let started: Vec<Job> = std::iter::from_fn(|| lanes.next().map(|it| it.1)).collect();
            for job in &started {
                lanes.ended(&a, job, after);
            }
            started.len()
        };
        assert_eq!(at_once(&mut lanes, After::NoRoom), 32);
        assert_eq!(at_once(&mut lanes, After::Done), 1);
        assert_eq!(at_once(&mut lanes, After::Done), 2);
        for _ in 0..100 {
            at_once(&mut lanes, After::Done);
        }
        assert_eq!(at_once(&mut lanes, After::Done), 0, "all were started");
    }

    #[test]
    fn no_more_calls_of_a_function_run_at_once_than_it_has_reserved() {
        let mut lanes = Lanes::default();
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:work";
        let work = Arc::new(Target::Resource(Arn::parse(arn).unwrap()));
        lanes.reserve([(FunctionName::new("work"), 3)].into());
        for _ in 0..10 {
            lanes.fresh(&work, job(1), None);
        }
        let started = std::iter::from_fn(|| lanes.next()).count();
        assert_eq!(started, 3);
        lanes.reserve(HashMap::new());
        assert_eq!(std::iter::from_fn(|| lanes.next()).count(), 7);
    }

    #[test]
    fn lanes_that_are_done_are_forgotten() {
        let mut lanes = Lanes::default();
        let a = target("a");
        lanes.fresh(&a, job(1), None);
        let (_, next) = lanes.next().unwrap();
        lanes.ended(&a, &next, After::Done);
        assert!(lanes.lanes.is_empty());
    }
}
