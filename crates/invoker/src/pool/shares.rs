//! The account's concurrency, and how fast functions may grow.
//!
//! Lives here: what each function holds of it, by reservation, provisioned or in use; whether one more event fits.
//! Does not live here: which instance runs the event (`pool`), starting instances (`starts`).
//!
//! Contract: AWS Lambda Developer Guide, "Understanding Lambda function scaling": a function that reserves concurrency
//! uses what it reserves and no more; what is provisioned is taken, used or not; the rest is for everybody else.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use interfaces::invoke::ThrottleLimit;
use model::ids::FunctionName;

use crate::limits::InvokerLimits;

/// What stands behind an event that is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Provisioned concurrency, which its function holds anyway.
    Provisioned,
    /// One more of the concurrency that its function, or everybody, may use.
    OnDemand,
}

/// Who holds how much.
#[derive(Debug, Default)]
pub(super) struct Shares {
    functions: HashMap<FunctionName, Share>,
    /// What is set aside for functions that reserve it.
    reserved: usize,
    /// What all others hold.
    unreserved: usize,
    /// Events that are admitted, whatever stands behind them.
    admitted: usize,
}

#[derive(Debug, Default)]
struct Share {
    reserved: Option<usize>,
    held: usize,
    growth: Growth,
}

/// What a version needs of its function's share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// None of a version that is no longer deployed.
    pub(super) reserved: Option<usize>,
    pub(super) admitted: usize,
    pub(super) provisioned: usize,
}

impl Shares {
    /// Events that are admitted.
    pub(super) fn admitted(&self) -> usize {
        self.admitted
    }

    /// What one function holds.
    #[cfg(test)]
    pub(super) fn held(&self, function: &FunctionName) -> usize {
        self.functions.get(function).map_or(0, |share| share.held)
    }

    /// Whether one more event of this function fits.
    pub(super) fn check(
        &self,
        function: &FunctionName,
        claim: Claim,
        concurrency_max: usize,
    ) -> Result<(), ThrottleLimit> {
        if concurrency_max <= self.admitted {
            return Err(ThrottleLimit::AccountConcurrency);
        }
        let share = self.functions.get(function);
        match (claim, share.and_then(|share| share.reserved)) {
            (Claim::Provisioned, _) => Ok(()),
            (Claim::OnDemand, Some(0)) => Err(ThrottleLimit::NothingReserved),
            (Claim::OnDemand, Some(reserved)) => {
                let held = share.map_or(0, |share| share.held);
                (held < reserved)
                    .then_some(())
                    .ok_or(ThrottleLimit::ReservedConcurrency)
            }
            (Claim::OnDemand, None) => {
                let unreserved_max = concurrency_max.saturating_sub(self.reserved);
                (self.unreserved < unreserved_max)
                    .then_some(())
                    .ok_or(ThrottleLimit::AccountConcurrency)
            }
        }
    }

    /// An event is admitted.
    pub(super) fn take(&mut self, function: &FunctionName, claim: Claim) {
        self.admitted += 1;
        if let (Claim::OnDemand, Some(share)) = (claim, self.functions.get_mut(function)) {
            share.held += 1;
            self.unreserved += usize::from(share.reserved.is_none());
        }
    }

    /// An event is done, or has given up.
    pub(super) fn give_back(&mut self, function: &FunctionName, claim: Claim) {
        self.admitted -= 1;
        if let (Claim::OnDemand, Some(share)) = (claim, self.functions.get_mut(function)) {
            share.held -= 1;
            self.unreserved -= usize::from(share.reserved.is_none());
        }
    }

    /// Counts everything anew: other versions are deployed, or others reserve.
    pub(super) fn recount<'a>(&mut self, needs: impl Iterator<Item = (&'a FunctionName, Need)>) {
        let mut before = std::mem::take(&mut self.functions);
        *self = Self::default();
        for (function, need) in needs {
            let share = self
                .functions
                .entry(function.clone())
                .or_insert_with(|| Share {
                    growth: before.remove(function).unwrap_or_default().growth,
                    ..Share::default()
                });
            share.reserved = share.reserved.or(need.reserved);
            share.held += need.admitted.max(need.provisioned);
            self.admitted += need.admitted;
        }
        for share in self.functions.values() {
            match share.reserved {
                Some(reserved) => self.reserved += reserved,
                None => self.unreserved += share.held,
            }
        }
    }

    /// How many instances the function may gain now.
    pub(super) fn room_to_grow(
        &self,
        function: &FunctionName,
        limits: &InvokerLimits,
        now: Instant,
    ) -> usize {
        self.functions
            .get(function)
            .map_or(0, |share| share.growth.room(limits, now))
    }

    /// When the function may gain an instance again, if it may not now.
    pub(super) fn grows_at(
        &self,
        function: &FunctionName,
        limits: &InvokerLimits,
        now: Instant,
    ) -> Option<Instant> {
        let share = self.functions.get(function)?;
        share.growth.due(limits).filter(|due| now < *due)
    }

    /// The function gains an instance.
    pub(super) fn grow(&mut self, function: &FunctionName, limits: &InvokerLimits, now: Instant) {
        if let Some(share) = self.functions.get_mut(function) {
            share.growth.take(limits, now);
        }
    }
}

/// How fast one function gains instances: what it has gained is paid back evenly, and the debt is at most one interval.
#[derive(Debug, Clone, Copy, Default)]
struct Growth {
    /// When everything is paid back.
    paid_at: Option<Instant>,
}

impl Growth {
    fn price(limits: &InvokerLimits) -> Duration {
        limits.scaling_interval / limits.scaling_instances.max(1)
    }

    fn room(self, limits: &InvokerLimits, now: Instant) -> usize {
        let price = Self::price(limits);
        if price.is_zero() {
            return usize::MAX;
        }
        let debt = self.paid_at.map_or(Duration::ZERO, |paid_at| {
            paid_at.saturating_duration_since(now)
        });
        let left = limits.scaling_interval.saturating_sub(debt);
        usize::try_from(left.as_nanos() / price.as_nanos()).unwrap_or(usize::MAX)
    }

    /// When there is room for one: possibly in the past.
    fn due(self, limits: &InvokerLimits) -> Option<Instant> {
        let spare = limits.scaling_interval.saturating_sub(Self::price(limits));
        self.paid_at?.checked_sub(spare)
    }

    fn take(&mut self, limits: &InvokerLimits, now: Instant) {
        let begins_at = self.paid_at.map_or(now, |paid_at| paid_at.max(now));
        self.paid_at = Some(begins_at + Self::price(limits));
    }
}
