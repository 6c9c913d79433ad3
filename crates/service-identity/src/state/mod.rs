//! What is known of an account: in memory, and durable.
//!
//! Lives here: reading it at the start, changing it, and the rows of a change.
//! Does not live here: what an account holds (`account`), who may change it (`iam`, `resources`).
//!
//! All of it is kept in memory, since every call is judged by it. A change is made to a copy, whose parts are shared with
//! the one before; what differs is committed, and then the copy takes its place: whoever judges sees one or the other.

mod account;
mod rows;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::ids::AccountId;
use model::time::Timestamp;
use store::{CommitError, ReadError, Store};
use tokio::sync::{Mutex, OnceCell};

use crate::judge::Compiled;

pub(crate) use account::{
    AccessKey, Account, Grants, Group, KeyStatus, ManagedPolicy, Profile, Role, Session, SessionOf,
    Tags, User, VERSIONS_MAX,
};

/// The accounts of a store.
pub(crate) struct State {
    store: Arc<dyn Store>,
    accounts: RwLock<HashMap<AccountId, Arc<Snapshot>>>,
    /// One change at a time.
    changing: Mutex<()>,
    loaded: OnceCell<()>,
}

/// An account at one moment, with what was compiled of its policies.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) account: Account,
    /// Shared by the snapshots that came of one another while no policy changed.
    compiled: Arc<RwLock<HashMap<String, Arc<Compiled>>>>,
}

impl State {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            accounts: RwLock::default(),
            changing: Mutex::default(),
            loaded: OnceCell::new(),
        }
    }

    /// Reads everything, once. Sessions that have ended by `now` are left out, and their rows removed.
    pub(crate) async fn load(&self, now: Timestamp) -> Result<(), ReadError> {
        let load = || async {
            let found = rows::read(&*self.store, now).await?;
            let snapshots = found
                .into_iter()
                .map(|(id, account)| (id, Arc::new(Snapshot::of(account))));
            *self
                .accounts
                .write()
                .unwrap_or_else(PoisonError::into_inner) = snapshots.collect();
            Ok(())
        };
        self.loaded.get_or_try_init(load).await.copied()
    }

    /// An account as it is now; one of which nothing is known is empty.
    pub(crate) fn snapshot(&self, id: &AccountId) -> Arc<Snapshot> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.get(id).cloned().unwrap_or_default()
    }

    /// What the first account gives that gives anything.
    pub(crate) fn find<T>(&self, find: impl Fn(&AccountId, &Account) -> Option<T>) -> Option<T> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let mut each = accounts.iter();
        each.find_map(|(id, snapshot)| find(id, &snapshot.account))
    }

    /// Changes an account; durable when it returns. A change that is refused leaves everything as it was.
    pub(crate) async fn change<T, E>(
        &self,
        id: &AccountId,
        change: impl FnOnce(&mut Account) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<CommitError>,
    {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.snapshot(id);
        let mut account = before.account.clone();
        let answer = change(&mut account)?;
        let batch = rows::difference(id, &before.account, &account);
        if batch.writes().is_empty() {
            return Ok(answer);
        }
        self.store.commit(batch).await?;
        let compiled = if account.is_judged_as(&before.account) {
            Arc::clone(&before.compiled)
        } else {
            Arc::default()
        };
        let mut accounts = self
            .accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        accounts.insert(id.clone(), Arc::new(Snapshot { account, compiled }));
        Ok(answer)
    }
}

impl Snapshot {
    fn of(account: Account) -> Self {
        Self {
            account,
            compiled: Arc::default(),
        }
    }

    /// What this principal (a role or a user) may do, compiled when it is first asked for.
    pub(crate) fn compiled(
        &self,
        arn: &str,
        compile: impl FnOnce(&Account) -> Option<Compiled>,
    ) -> Option<Arc<Compiled>> {
        let kept = |map: &HashMap<String, Arc<Compiled>>| map.get(arn).cloned();
        let found = kept(&self.compiled.read().unwrap_or_else(PoisonError::into_inner));
        if found.is_some() {
            return found;
        }
        let compiled = Arc::new(compile(&self.account)?);
        // No more than there are roles and users: only what is there is kept.
        let mut map = self
            .compiled
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        map.insert(arn.to_owned(), Arc::clone(&compiled));
        Some(compiled)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use store_embedded::Memory;

    use super::*;

    async fn change(state: &State, change: impl FnOnce(&mut Account)) {
        let changed: Result<(), CommitError> = state
            .change(&AccountId::development(), |account| {
                change(account);
                Ok(())
            })
            .await;
        changed.unwrap();
    }

    #[tokio::test]
    async fn a_session_that_begins_leaves_policies_compiled_and_a_change_of_users_does_not() {
        let state = State::new(Arc::new(Memory::new()));
        change(&state, |account| {
            account.users.insert("ann".to_owned(), user());
        })
        .await;
        let compiled = |name: &str| {
            let snapshot = state.snapshot(&AccountId::development());
            snapshot.compiled(name, |_| Some(Compiled::default()))
        };
        let before = compiled("ann").unwrap();
        let kept = Arc::new(session());
        change(&state, |account| {
            account.sessions.insert(kept.id.clone(), kept);
        })
        .await;
        assert!(Arc::ptr_eq(&before, &compiled("ann").unwrap()));
        change(&state, |account| {
            account.users.insert("ann".to_owned(), user());
        })
        .await;
        assert!(!Arc::ptr_eq(&before, &compiled("ann").unwrap()));
    }

    fn user() -> Arc<User> {
        Arc::new(User {
            name: "ann".to_owned(),
            path: "/".to_owned(),
            id: "AIDA1".to_owned(),
            arn: "arn:aws:iam::000000000000:user/ann".to_owned(),
            created_at: Timestamp::from_micros(0),
            tags: Tags::new(),
            grants: Grants::default(),
            groups: BTreeSet::new(),
            owner: None,
        })
    }

    fn session() -> Session {
        Session {
            id: "ASIA1".to_owned(),
            secret: String::new(),
            token: String::new(),
            expires_at: Timestamp::from_micros(1),
            of: SessionOf::Root,
            holder: String::new(),
        }
    }
}
