//! What must hold, whatever happens.
//!
//! Lives here: the checks after each step, of each start, and of what is left in the end.
//! Does not live here: the steps (`simulation`).

use super::*;

impl World {
    /// What a function holds of the account's concurrency, counted from outside.
    pub(super) fn holding(&self, function: &FunctionName) -> usize {
        let of_function = self.pool.lines.iter();
        of_function
            .filter(|(id, _)| id.function() == function)
            .map(|(id, line)| self.admitted(id).max(line.provisioned_wanted))
            .sum()
    }

    fn admitted(&self, version: &VersionId) -> usize {
        let busy = self
            .busy
            .iter()
            .filter(|key| self.of[*key].version == *version);
        let waiting = self
            .waiting
            .iter()
            .filter(|ticket| self.tickets_of[*ticket] == *version);
        busy.count() + waiting.count()
    }

    /// An event was let in, so its function stays within what it reserves, and all others within the rest.
    pub(super) fn check_admission(&self, version: &VersionId, before: usize) {
        let held = self.holding(version.function());
        if held == before {
            return;
        }
        let reserved = |version: &Version| version.reserved_concurrency;
        match self.versions.get(version).and_then(reserved) {
            Some(reserved) => assert!(held <= reserved, "{held} of {reserved}"),
            None => {
                let (unreserved, reserved) = self.concurrency();
                let most = self.limits.concurrency_max.saturating_sub(reserved);
                assert!(unreserved <= most, "{unreserved} of {most}");
            }
        }
    }

    /// What functions hold that reserve nothing, and what the others reserve.
    fn concurrency(&self) -> (usize, usize) {
        let mut reserved = BTreeMap::new();
        for (id, version) in &self.versions {
            if let Some(count) = version.reserved_concurrency {
                reserved.insert(id.function(), count);
            }
        }
        let functions: BTreeSet<&FunctionName> =
            self.pool.lines.keys().map(VersionId::function).collect();
        let unreserved = functions
            .into_iter()
            .filter(|function| !reserved.contains_key(function))
            .map(|function| self.holding(function))
            .sum();
        (unreserved, reserved.values().sum())
    }

    /// A start begins: no sooner than the failures before it allow, and no more of them than functions may grow.
    pub(super) fn check_start(&mut self, version: &VersionId, initialization: Initialization) {
        if let Some(streak) = self.streaks.get(version)
            && let Some(doublings) = streak
                .failures
                .checked_sub(self.limits.failed_starts_before_delay)
            && let Some(last_at) = streak.last_at
        {
            let delay = self.limits.start_delay_min * 2_u32.pow(doublings.min(10));
            let not_before = last_at + delay.min(self.limits.start_delay_max);
            assert!(not_before <= self.now, "{} failures", streak.failures);
        }
        if initialization == Initialization::Provisioned {
            return;
        }
        let gains = self.gains.entry(version.function().clone()).or_default();
        gains.push(self.now);
        let most = usize::try_from(self.limits.scaling_instances).unwrap();
        let within = |span: Duration| {
            let recent = gains.iter().filter(|at| self.now < **at + span);
            recent.count()
        };
        assert!(
            within(Duration::from_nanos(1)) <= most,
            "it grows at once by too many"
        );
        assert!(
            within(self.limits.scaling_interval) <= 2 * most,
            "it grows too fast"
        );
    }

    /// The instance's start has failed, or it died before it was of any use.
    pub(super) fn note_failure(&mut self, key: InstanceKey) {
        let made = &self.of[&key];
        // What was deployed under this name when it started may have gone: then its end says nothing.
        let Some(streak) = self.streaks.get_mut(&made.version) else {
            return;
        };
        streak.failures = streak.failures.max(made.failed_before + 1);
        streak.last_at = Some(self.now);
    }

    pub(super) fn note_early_end(&mut self, key: InstanceKey) {
        let made = &self.of[&key];
        let is_current = self.pool.instances.get(&key).is_some_and(|record| {
            self.pool
                .lines
                .get(&record.version)
                .is_some_and(|line| line.generation == record.generation)
        });
        let is_early = made
            .started_at
            .is_some_and(|at| self.now < at + self.limits.early_end_max);
        if is_current && is_early && !made.has_served {
            self.note_failure(key);
        }
    }

    pub(super) fn check(&self) {
        let instances = self.busy.len() + self.free.len();
        let admitted = self.busy.len() + self.waiting.len();
        assert!(instances + self.starting.len() <= self.limits.instances_max);
        assert!(admitted <= self.limits.concurrency_max);
        assert_eq!(self.arrived, self.answered + admitted);
        assert_eq!(self.pool.shares.admitted(), admitted);
        assert_eq!(self.pool.instances.len(), instances);
        let running = |way| {
            self.pool
                .starts
                .values()
                .filter(|start| start.way == way)
                .count()
        };
        assert!(running(StartWay::Spawned) <= self.limits.spawns_max);
        assert!(running(StartWay::Forked) <= self.limits.forks_max);
        for (version, line) in &self.pool.lines {
            self.check_line(version, line);
            let held = self.pool.shares.held(version.function());
            assert_eq!(held, self.holding(version.function()));
        }
        assert!(
            self.waiting.is_empty() || self.pool.due().is_some(),
            "nobody will look again"
        );
    }

    fn check_line(&self, version: &VersionId, line: &Line) {
        let is_free = !line.free.is_empty() || !line.ready.is_empty();
        assert!(
            !is_free || line.waiting.len() == line.held,
            "it waits beside a free instance"
        );
        assert!(line.waiting.len() <= self.limits.line_length_max + self.returned);
        let of_line = |key: &&InstanceKey| self.of[*key].version == *version;
        let count = |of: &BTreeSet<InstanceKey>| of.iter().filter(of_line).count();
        assert_eq!(line.busy, count(&self.busy));
        assert_eq!(line.starting, count(&self.starting));
        assert_eq!(line.free.len() + line.ready.len(), count(&self.free));
        let has_own = line.waiting.iter().filter(|it| it.start.is_some()).count();
        assert_eq!(
            line.starting,
            has_own + line.orphans.len(),
            "each start has one event or none"
        );
        self.check_provisioned(version, line);
        self.check_line_held(version, line);
        let is_first = line.way.is_none() && line.may_fork;
        assert!(
            !is_first || line.starting <= 1,
            "the first start is not alone"
        );
        let wants = line.without_start() != 0
            || (line.provisioned < line.provisioned_wanted && !line.has_given_up);
        let grows_at = self
            .pool
            .shares
            .grows_at(version.function(), &self.limits, self.now);
        let has_reason = line.no_start_before.is_some_and(|at| self.now < at)
            || self.pool.starved.contains(version)
            || (is_first && line.starting == 1)
            || grows_at.is_some();
        assert!(
            !wants || has_reason || self.pool.is_stopping,
            "{version:?} waits for nothing"
        );
    }

    /// What is held back stands behind all others, and for an instance that works.
    fn check_line_held(&self, version: &VersionId, line: &Line) {
        let first = line.waiting.len() - line.held;
        let is_held = |position: usize| line.waiting[position].is_held;
        assert!((0..line.waiting.len()).all(|position| is_held(position) == (first <= position)));
        let of_version = self.pool.instances.values();
        let of_version = of_version.filter(|record| record.version == *version);
        assert_eq!(
            line.long,
            of_version.filter(|record| record.is_long).count()
        );
        let at_work_max = self.limits.brisk_busy_max + line.long;
        assert!(
            line.held == 0 || at_work_max <= line.busy,
            "it is held back while nobody works"
        );
        assert!(
            line.held == 0 || (self.pool.look_at.is_some() && self.pool.holding.contains(version)),
            "nobody will look whether it still has to wait"
        );
    }

    /// Time has passed: what is still held back waits for enough instances that were given their events just now.
    pub(super) fn check_held(&self) {
        let holding = self.pool.lines.iter().filter(|(_, line)| 0 < line.held);
        for (version, _) in holding {
            let of_version = self.busy.iter();
            let of_version = of_version.filter(|key| self.of[*key].version == *version);
            let is_young =
                |key: &&InstanceKey| self.now < self.busy_since[*key] + crate::pool::brisk::LONG;
            let young = of_version.filter(is_young).count();
            assert!(
                self.limits.brisk_busy_max <= young,
                "it is held back for long"
            );
        }
    }

    fn check_provisioned(&self, version: &VersionId, line: &Line) {
        let is_provisioned = |initialization| initialization == Initialization::Provisioned;
        let starting = self
            .pool
            .starts
            .values()
            .filter(|start| start.version == *version && is_provisioned(start.initialization));
        let alive = self.pool.instances.values().filter(|record| {
            record.version == *version
                && record.generation == line.generation
                && is_provisioned(record.initialization)
        });
        assert_eq!(line.provisioned, starting.count() + alive.count());
        let busy_or_starting = line.provisioned - line.ready.len();
        assert!(
            line.provisioned <= line.provisioned_wanted || busy_or_starting != 0,
            "more are kept than are wanted"
        );
        if let Some(reserved) = line.reserved {
            assert!(line.provisioned_wanted <= reserved);
        }
        for key in &line.ready {
            assert!(is_provisioned(self.of[key].initialization));
        }
    }

    /// Nothing happens any more: what is provisioned is there, unless the machine is too small or its init was given up.
    pub(super) fn check_settled(&self) {
        assert!(self.pool.is_idle() && self.starting.is_empty() && self.busy.is_empty());
        assert_eq!(self.arrived, self.answered);
        for (version, line) in &self.pool.lines {
            assert!(line.free.is_empty(), "{version:?} keeps idle instances");
            assert_eq!(line.ready.len(), line.provisioned);
            let is_complete = line.provisioned == line.provisioned_wanted;
            assert!(
                is_complete || line.has_given_up || !self.pool.has_room(),
                "{version:?} lacks provisioned instances"
            );
        }
    }
}
