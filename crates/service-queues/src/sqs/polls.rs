//! Calls that wait for messages.
//!
//! Lives here: how many may wait at a time.
//! Does not live here: waiting (`engine`), connections (`gateway`).
//!
//! Each holds a connection for up to twenty seconds. They take half of those that one listener has, so that whoever polls
//! leaves room for everybody else; and one caller takes half of that, so that functions leave room for one another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::principal::Principal;

/// Calls that wait at a time.
pub(crate) const WAITING_MAX: usize = 2_048;
/// Those of one caller; the root of an account is whoever develops, and has all.
pub(crate) const OF_ONE_CALLER_MAX: usize = WAITING_MAX / 2;

/// All calls that wait.
#[derive(Default)]
pub(crate) struct Polls {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    all: usize,
    by_caller: HashMap<String, usize>,
}

/// One call that waits, until it is dropped.
pub(crate) struct Poll<'p> {
    polls: &'p Polls,
    caller: String,
}

impl Polls {
    /// Counts one more; none: there are as many as may be.
    pub(crate) fn begin(&self, caller: &Principal) -> Option<Poll<'_>> {
        let most = match caller {
            Principal::Root { .. } => WAITING_MAX,
            Principal::FunctionRole { .. }
            | Principal::User { .. }
            | Principal::Session { .. }
            | Principal::Acting { .. }
            | Principal::Service { .. }
            | Principal::Anonymous { .. } => OF_ONE_CALLER_MAX,
        };
        let caller = caller.arn().to_string();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let own = waiting.by_caller.get(&caller).copied().unwrap_or_default();
        if WAITING_MAX <= waiting.all || most <= own {
            return None;
        }
        waiting.all += 1;
        waiting.by_caller.insert(caller.clone(), own + 1);
        Some(Poll {
            polls: self,
            caller,
        })
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let waiting = &self.polls.waiting;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all = waiting.all.saturating_sub(1);
        let own = waiting.by_caller.get(&self.caller).copied();
        match own {
            Some(own) if 1 < own => drop(waiting.by_caller.insert(self.caller.clone(), own - 1)),
            Some(_) | None => drop(waiting.by_caller.remove(&self.caller)),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::arn::Arn;
    use model::ids::AccountId;

    use super::*;

    #[test]
    fn one_caller_leaves_room_for_others_and_all_of_them_for_whoever_does_not_wait() {
        let polls = Polls::default();
        let user = |name: &str| Principal::User {
            account: AccountId::development(),
            arn: Arn::parse(&format!("arn:aws:iam::000000000000:user/{name}")).unwrap(),
        };
        let root = Principal::Root {
            account: AccountId::development(),
        };
        let anns: Vec<_> = std::iter::from_fn(|| polls.begin(&user("ann"))).collect();
        assert_eq!(anns.len(), OF_ONE_CALLER_MAX);
        let roots: Vec<_> = std::iter::from_fn(|| polls.begin(&root)).collect();
        assert_eq!(roots.len(), WAITING_MAX - OF_ONE_CALLER_MAX);
        assert!(polls.begin(&user("eve")).is_none());
        drop(anns);
        assert!(polls.begin(&user("eve")).is_some());
        drop(roots);
        assert_eq!(polls.waiting.lock().unwrap().by_caller.len(), 0);
    }
}
