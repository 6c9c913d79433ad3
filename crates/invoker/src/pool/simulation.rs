//! Random orders of everything that can happen to a pool, from a seed, and what must hold after each step.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::*;

const SEEDS: u64 = 400;
const STEPS: usize = 600;

/// A small generator of our own: a failure is replayed from the seed that its message names.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }

    fn pick<T: Copy>(&mut self, of: &BTreeSet<T>) -> Option<T> {
        let position = self.roll(of.len());
        of.iter().nth(position).copied()
    }
}

/// What the world outside the pool knows.
struct World {
    seed: u64,
    dice: Dice,
    pool: Pool,
    limits: InvokerLimits,
    now: Instant,
    versions: BTreeMap<FunctionName, Version>,
    starting: BTreeSet<InstanceKey>,
    busy: BTreeSet<InstanceKey>,
    free: BTreeSet<InstanceKey>,
    waiting: HashSet<Ticket>,
    function_of: HashMap<InstanceKey, FunctionName>,
    tickets_of: HashMap<Ticket, FunctionName>,
    arrived: usize,
    answered: usize,
    /// Events that joined their line again, full or not: they had been admitted before.
    returned: usize,
}

#[test]
fn whatever_happens_no_event_is_lost_and_no_limit_is_passed() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.check();
        }
        world.finish();
    }
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin; all time is counted from it"
    )]
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
        let limits = InvokerLimits {
            concurrency_max: 2 + dice.roll(8),
            starts_max: 1 + dice.roll(3),
            line_length_max: 1 + dice.roll(6),
            wait_max: Duration::from_secs(20),
            idle_max: Duration::from_secs(30),
            failed_starts_before_delay: 2,
            start_delay_min: Duration::from_secs(1),
            start_delay_max: Duration::from_secs(4),
            ..InvokerLimits::for_cores(1)
        };
        let mut world = Self {
            seed,
            dice,
            pool: Pool::new(limits.clone()),
            limits,
            now: Instant::now(),
            versions: BTreeMap::new(),
            starting: BTreeSet::new(),
            busy: BTreeSet::new(),
            free: BTreeSet::new(),
            waiting: HashSet::new(),
            function_of: HashMap::new(),
            tickets_of: HashMap::new(),
            arrived: 0,
            answered: 0,
            returned: 0,
        };
        world.swap();
        world
    }

    fn step(&mut self) {
        let mut actions = Vec::new();
        match self.dice.roll(20) {
            0..=6 => self.arrive(&mut actions),
            7..=9 => {
                if let Some(key) = self.dice.pick(&self.starting) {
                    self.starting.remove(&key);
                    // It is in neither set while the pool decides: only `Run` and silence tell what it becomes.
                    self.free.insert(key);
                    assert!(
                        self.pool.started(key, self.now, &mut actions),
                        "seed {}",
                        self.seed
                    );
                }
            }
            10 => {
                if let Some(key) = self.dice.pick(&self.starting) {
                    self.starting.remove(&key);
                    self.pool.start_failed(key, self.now, &mut actions);
                }
            }
            11..=14 => {
                if let Some(key) = self.dice.pick(&self.busy) {
                    self.busy.remove(&key);
                    self.answered += 1;
                    self.free.insert(key);
                    self.pool.released(key, self.now, &mut actions);
                }
            }
            15 => self.die(&mut actions),
            16 => self.swap(),
            17 => self.lose_unseen(&mut actions),
            _ => {
                self.now +=
                    Duration::from_millis(u64::try_from(self.dice.roll(6_000)).unwrap_or(0));
                self.pool.tick(self.now, &mut actions);
            }
        }
        self.apply(actions);
    }

    fn arrive(&mut self, actions: &mut Vec<Action>) {
        let function = FunctionName::new(format!("f{}", self.dice.roll(4)));
        let wait_s = u64::try_from(self.dice.roll(30)).unwrap_or(0);
        let wait_until = Some(self.now + Duration::from_secs(wait_s)).filter(|_| 15 < wait_s);
        self.arrived += 1;
        let arrival = self.pool.arrive(&function, wait_until, self.now, actions);
        self.place(arrival, &function);
    }

    fn place(&mut self, arrival: Arrival, function: &FunctionName) {
        match arrival {
            Arrival::Runs(key) => {
                assert!(
                    self.free.remove(&key),
                    "seed {}: {key:?} was not free",
                    self.seed
                );
                assert_eq!(
                    self.function_of.get(&key),
                    Some(function),
                    "seed {}",
                    self.seed
                );
                self.busy.insert(key);
            }
            Arrival::Waits(ticket) => {
                assert!(self.waiting.insert(ticket), "seed {}", self.seed);
                self.tickets_of.insert(ticket, function.clone());
            }
            Arrival::Refused(_) => self.answered += 1,
        }
    }

    fn die(&mut self, actions: &mut Vec<Action>) {
        let all: BTreeSet<InstanceKey> = self.busy.union(&self.free).copied().collect();
        let Some(key) = self.dice.pick(&all) else {
            return;
        };
        if self.busy.remove(&key) {
            self.answered += 1;
        }
        self.free.remove(&key);
        self.pool.ended(key, self.now, actions);
    }

    fn lose_unseen(&mut self, actions: &mut Vec<Action>) {
        let Some(key) = self.dice.pick(&self.busy) else {
            return;
        };
        self.busy.remove(&key);
        let function = self.function_of[&key].clone();
        self.returned += 1;
        let arrival = self.pool.returned_unseen(key, None, self.now, actions);
        self.place(arrival, &function);
    }

    fn swap(&mut self) {
        let mut versions = BTreeMap::new();
        for number in 0..4 {
            if self.dice.roll(8) == 0 {
                continue;
            }
            let function = FunctionName::new(format!("f{number}"));
            let reserved_concurrency = (number == 0).then(|| self.dice.roll(3));
            let version = Version {
                fingerprint: self.dice.roll(2).to_string(),
                reserved_concurrency,
            };
            versions.insert(function, version);
        }
        let mut actions = Vec::new();
        self.pool.swap(&versions, self.now, &mut actions);
        self.versions = versions;
        self.apply(actions);
    }

    fn apply(&mut self, actions: Vec<Action>) {
        let seed = self.seed;
        for action in actions {
            match action {
                Action::Start(key, function) => {
                    assert!(self.starting.insert(key), "seed {seed}");
                    self.function_of.insert(key, function);
                }
                Action::CancelStart(key) => assert!(self.starting.remove(&key), "seed {seed}"),
                Action::Run(ticket, key) => {
                    assert!(self.waiting.remove(&ticket), "seed {seed}: it runs twice");
                    assert_eq!(
                        self.function_of[&key], self.tickets_of[&ticket],
                        "seed {seed}"
                    );
                    assert!(self.free.remove(&key), "seed {seed}: {key:?} was not free");
                    self.busy.insert(key);
                }
                Action::Refuse(ticket, _) | Action::FailStart(ticket) => {
                    assert!(self.waiting.remove(&ticket), "seed {seed}: answered twice");
                    self.answered += 1;
                }
                Action::End(key) => assert!(self.free.remove(&key), "seed {seed}: {key:?}"),
            }
        }
    }

    fn check(&self) {
        let seed = self.seed;
        let instances = self.busy.len() + self.free.len();
        assert!(self.starting.len() <= self.limits.starts_max, "seed {seed}");
        assert!(
            instances + self.starting.len() <= self.limits.concurrency_max,
            "seed {seed}"
        );
        assert!(
            self.busy.len() + self.waiting.len() <= self.limits.concurrency_max,
            "seed {seed}"
        );
        assert_eq!(
            self.arrived,
            self.answered + self.busy.len() + self.waiting.len(),
            "seed {seed}"
        );
        for (function, line) in &self.pool.lines {
            self.check_line(function, line);
        }
        let unreserved = self
            .pool
            .lines
            .values()
            .filter(|line| line.reserved.is_none());
        assert_eq!(
            self.pool.admitted.unreserved,
            unreserved.map(Line::admitted).sum::<usize>(),
            "seed {seed}"
        );
        assert_eq!(
            self.pool.admitted.total,
            self.busy.len() + self.waiting.len(),
            "seed {seed}"
        );
        assert!(
            self.waiting.is_empty() || self.pool.due().is_some(),
            "seed {seed}: nobody will look again"
        );
    }

    fn check_line(&self, function: &FunctionName, line: &Line) {
        let seed = self.seed;
        assert!(
            line.free.is_empty() || line.waiting.is_empty(),
            "seed {seed}: {function} waits beside a free instance"
        );
        assert!(
            line.waiting.len() <= self.limits.line_length_max + self.returned,
            "seed {seed}"
        );
        let of_line = |key: &&InstanceKey| self.function_of.get(*key) == Some(function);
        assert_eq!(
            line.busy,
            self.busy.iter().filter(of_line).count(),
            "seed {seed}"
        );
        assert_eq!(
            line.starting,
            self.starting.iter().filter(of_line).count(),
            "seed {seed}"
        );
        assert_eq!(
            line.free.len(),
            self.free.iter().filter(of_line).count(),
            "seed {seed}"
        );
        let has_own = line.waiting.iter().filter(|it| it.start.is_some()).count();
        assert_eq!(
            line.starting,
            has_own + line.orphans.len(),
            "seed {seed}: each start has one event or none"
        );
        let is_stuck = line.waiting.iter().any(|it| it.start.is_none()) && line.orphans.is_empty();
        let has_reason = line.no_start_before.is_some() || self.pool.starved.contains(function);
        assert!(
            !is_stuck || has_reason,
            "seed {seed}: {function} waits for nothing"
        );
    }

    /// Lets everything that runs end: all is answered, and nothing is left after the longest idle time.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            if self.starting.is_empty() && self.busy.is_empty() && self.waiting.is_empty() {
                break;
            }
            let mut actions = Vec::new();
            if let Some(key) = self.busy.pop_first() {
                self.answered += 1;
                self.free.insert(key);
                self.pool.released(key, self.now, &mut actions);
            } else if let Some(key) = self.starting.pop_first() {
                self.free.insert(key);
                self.pool.started(key, self.now, &mut actions);
            } else {
                self.now = self.pool.due().unwrap();
                self.pool.tick(self.now, &mut actions);
            }
            self.apply(actions);
            self.check();
        }
        assert!(self.pool.is_idle(), "seed {}", self.seed);
        assert_eq!(self.arrived, self.answered, "seed {}", self.seed);
        let mut actions = Vec::new();
        self.pool
            .tick(self.now + self.limits.idle_max, &mut actions);
        self.apply(actions);
        assert!(
            self.pool.instances.is_empty() && self.pool.starts.is_empty(),
            "seed {}",
            self.seed
        );
        assert_eq!(self.pool.due(), None, "seed {}", self.seed);
    }
}
