//! The line of one version of a function.
//!
//! Lives here: what it has and wants, as plain counts and queues.
//! Does not live here: what happens to it (`pool`, `starts`, `revisions`).

use std::collections::VecDeque;
use std::time::Instant;

use interfaces::runtime::StartWay;

use super::brisk::Pace;
use super::near::{self, Home};
use super::shares::{Claim, Need};
use super::{InstanceKey, Ticket, Version};

/// What one version of a function has and wants.
#[derive(Debug)]
pub(super) struct Line {
    /// Counts what was deployed under this version's name; instances of an older one end when they are done.
    pub(super) generation: u64,
    pub(super) fingerprint: String,
    /// `ReservedConcurrentExecutions` of the function.
    pub(super) reserved: Option<usize>,
    /// How many provisioned instances there should be.
    pub(super) provisioned_wanted: usize,
    /// Whether its first start may make something that all others are forked from.
    pub(super) may_fork: bool,
    /// How its last start that succeeded came to be.
    pub(super) way: Option<StartWay>,
    /// It is no longer deployed; it is forgotten when its last event is done.
    pub(super) is_removed: bool,
    /// Instances on demand that are free, the most recently used one last.
    pub(super) free: VecDeque<InstanceKey>,
    /// Provisioned instances that are free, the most recently used one last.
    pub(super) ready: VecDeque<InstanceKey>,
    /// In the order in which they came.
    pub(super) waiting: VecDeque<Waiting>,
    /// Of these, the last ones, which no instance is to be started for: they wait for those at work.
    pub(super) held: usize,
    /// How often in a row the first of these was passed by one behind it.
    pub(super) passed: usize,
    /// Starts that are no event's: that event was served by another instance, or they are provisioned.
    pub(super) orphans: Vec<InstanceKey>,
    /// Events that run, on instances of any generation.
    pub(super) busy: usize,
    /// Of these, those that were found to take long.
    pub(super) long: usize,
    pub(super) pace: Pace,
    /// Instances of this generation that are starting.
    pub(super) starting: usize,
    /// Provisioned instances of this generation, busy, free and starting.
    pub(super) provisioned: usize,
    /// Its init fails again and again: no more instances are started without an event.
    pub(super) has_given_up: bool,
    pub(super) failed_starts: u32,
    pub(super) no_start_before: Option<Instant>,
}

/// An event in line.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) give_up_at: Instant,
    /// The start whose failure would be its reply.
    pub(super) start: Option<InstanceKey>,
    /// It waits for an instance that is at work.
    pub(super) is_held: bool,
    pub(super) home: Home,
}

/// Which end of a line an event joins.
pub(super) enum LineEnd {
    Front,
    Back,
}

impl Line {
    pub(super) fn new(version: &Version) -> Self {
        let mut line = Self {
            generation: 0,
            fingerprint: version.fingerprint.clone(),
            reserved: None,
            provisioned_wanted: 0,
            may_fork: version.may_fork,
            way: None,
            is_removed: false,
            free: VecDeque::new(),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            held: 0,
            passed: 0,
            orphans: Vec::new(),
            busy: 0,
            long: 0,
            pace: Pace::default(),
            starting: 0,
            provisioned: 0,
            has_given_up: false,
            failed_starts: 0,
            no_start_before: None,
        };
        line.allot(version);
        line
    }

    /// Takes over what it may have.
    pub(super) fn allot(&mut self, version: &Version) {
        self.reserved = version.reserved_concurrency;
        let most = self.reserved.unwrap_or(usize::MAX);
        self.provisioned_wanted = version.provisioned_concurrency.min(most);
    }

    /// Events that run or wait.
    pub(super) fn admitted(&self) -> usize {
        self.busy + self.waiting.len()
    }

    /// Instances that exist or are starting.
    pub(super) fn instances(&self) -> usize {
        self.busy + self.free.len() + self.ready.len() + self.starting
    }

    /// Events in line that no start was begun for. Each start is one event's, or an orphan.
    pub(super) fn without_start(&self) -> usize {
        let with_start = self.starting - self.orphans.len();
        self.waiting.len() - self.held - with_start
    }

    /// What would stand behind the next event.
    pub(super) fn next_claim(&self) -> Claim {
        if self.admitted() < self.provisioned_wanted {
            Claim::Provisioned
        } else {
            Claim::OnDemand
        }
    }

    /// What stood behind an event that is about to leave.
    pub(super) fn last_claim(&self) -> Claim {
        if self.admitted() <= self.provisioned_wanted {
            Claim::Provisioned
        } else {
            Claim::OnDemand
        }
    }

    pub(super) fn need(&self) -> Need {
        Need {
            reserved: self.reserved.filter(|_| !self.is_removed),
            admitted: self.admitted(),
            provisioned: self.provisioned_wanted,
        }
    }

    /// Takes the free instance that was used last, if possible of those that are near. Provisioned ones go first, so that the
    /// others become idle and end.
    pub(super) fn take_free(
        &mut self,
        is_near: impl Fn(&InstanceKey) -> bool,
    ) -> Option<InstanceKey> {
        let free = match self.ready.is_empty() {
            true => &mut self.free,
            false => &mut self.ready,
        };
        let key = near::take_last(free, is_near)?;
        self.busy += 1;
        Some(key)
    }
}
