//! The state of one instance's runtime and extensions, shared by those who change it and those who wait for it.
//!
//! Lives here: the lock, and waiting for a change.
//! Does not live here: what may change into what (`state`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interfaces::random::Random;
use model::function::Function;
use tokio::sync::watch;

use super::state::State;
use super::telemetry::Telemetry;

/// One instance's state.
pub(in crate::process) struct Session {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    pub(super) function: Arc<Function>,
    pub(super) random: Arc<dyn Random>,
    pub(in crate::process) telemetry: Telemetry,
}

impl Session {
    pub(super) fn new(
        state: State,
        function: Arc<Function>,
        random: Arc<dyn Random>,
        telemetry: Telemetry,
    ) -> Self {
        Self {
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            function,
            random,
            telemetry,
        }
    }

    /// Changes the state, and wakes all who wait for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        changed
    }

    /// Looks at the state, and changes nothing that anybody waits for.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.lock())
    }

    /// Waits until there is something to be seen. Cancel-safe, if `look` takes nothing unless it gives it.
    pub(super) async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            if let Some(seen) = look(&mut self.lock()) {
                return seen;
            }
            if changes.changed().await.is_err() {
                // Its sender is our own, and so lives as long as this borrow.
                std::future::pending::<()>().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
