//! One call for all who wait for the same reply.
//!
//! Lives here: who makes the reply, who waits for it, and what happens when the maker is gone.
//! Does not live here: making it (`application`), keeping it (`store`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::key::Key;

/// The replies that are being made, by their keys. There are at most as many as requests under way.
#[derive(Debug)]
pub(crate) struct Flights<T> {
    under_way: Mutex<HashMap<Key, watch::Receiver<Option<T>>>>,
}

/// What one who asks is to do.
pub(crate) enum Seat<'a, T> {
    /// Make the reply: everybody else waits for it.
    Leader(Leader<'a, T>),
    /// Take what the leader made.
    Passenger(T),
}

/// Makes a reply. When it is dropped before it has landed, one of those who wait takes its place.
#[derive(Debug)]
pub(crate) struct Leader<'a, T> {
    flights: &'a Flights<T>,
    key: Key,
    landed: watch::Sender<Option<T>>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
        }
    }
}

impl<T: Clone> Flights<T> {
    /// Joins whoever makes this reply, or makes it.
    pub(crate) async fn board(&self, key: &Key) -> Seat<'_, T> {
        loop {
            let mut landing = {
                let mut under_way = self.lock();
                match under_way.get(key) {
                    Some(landing) => landing.clone(),
                    None => {
                        let (landed, landing) = watch::channel(None);
                        under_way.insert(key.clone(), landing);
                        return Seat::Leader(Leader {
                            flights: self,
                            key: key.clone(),
                            landed,
                        });
                    }
                }
            };
            // An error says that the leader is gone, which has taken its entry away.
            if let Ok(landed) = landing.wait_for(Option::is_some).await
                && let Some(landed) = landed.clone()
            {
                return Seat::Passenger(landed);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, watch::Receiver<Option<T>>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Leader<'_, T> {
    /// Gives everybody who waits what was made.
    pub(crate) fn land(self, made: T) {
        // Nobody may be waiting.
        self.landed.send_replace(Some(made));
    }
}

impl<T> Drop for Leader<'_, T> {
    fn drop(&mut self) {
        let mut under_way = self
            .flights
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.key);
    }
}
