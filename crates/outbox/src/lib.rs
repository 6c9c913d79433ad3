//! Events that were accepted and are still to be delivered.
//!
//! Lives here: their rows in the store, which a service writes in the batch by which it accepts an event, and the bell that
//! wakes whoever delivers.
//! Does not live here: delivering and retrying (`event-delivery`), what a service makes of an event before it is sent.
//!
//! A service that changes something of its own and sends an event about it calls [`Outbox::add`] on its own batch, commits
//! it and rings: both are there after a crash, or neither. One that only sends calls [`Outbox::accept`].
//!
//! One process delivers what is in a store, so nobody claims a row. Were there several, a lease would lie beside the head of
//! each delivery and be taken by a checked batch where one is loaded (`waiting`); nothing else would change.

mod rows;
#[cfg(test)]
mod tests;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::delivery::Delivery;
use store::{Batch, CommitError, ReadError, Store};
use tokio::sync::Notify;

pub use rows::{Place, Routing, Tries};
pub use waiting::{Found, Fresh, Retry, Stage, Waiting};

/// Where deliveries wait.
#[derive(Clone)]
pub struct Outbox {
    store: Arc<dyn Store>,
    bell: Arc<Notify>,
    /// Tells apart the deliveries of one commit, and keeps them in the order in which they were added.
    added: Arc<AtomicU64>,
}

/// Deliveries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The store failed.
    #[error("deliveries could not be read")]
    Read(#[from] ReadError),
    /// A row has not the form that it should have.
    #[error("a delivery in the store is damaged, or of a later version")]
    Damaged,
}

impl From<store::keys::ShapeError> for OutboxError {
    fn from(_: store::keys::ShapeError) -> Self {
        Self::Damaged
    }
}

impl Outbox {
    /// The deliveries that wait in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            bell: Arc::default(),
            added: Arc::default(),
        }
    }

    /// Adds deliveries to a batch. Once it is committed, [`ring`](Self::ring). A batch can be added to more than once.
    #[must_use]
    pub fn add(&self, batch: Batch, deliveries: &[Delivery]) -> Batch {
        deliveries.iter().fold(batch, |batch, delivery| {
            let number = self.added.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let encoded = rows::encode(delivery);
            let prefix = rows::waiting().finish();
            let batch = batch.put_versionstamped_key(prefix, number.to_vec(), encoded.head);
            (0_u16..)
                .zip(encoded.pieces)
                .fold(batch, |batch, (piece, bytes)| {
                    let suffix = [&number[..], &piece.to_be_bytes()].concat();
                    batch.put_versionstamped_key(rows::pieces().finish(), suffix, bytes)
                })
        })
    }

    /// Says that there is something to deliver. It carries no data and may be lost: whoever delivers looks anyway.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Keeps deliveries; durable when it returns.
    ///
    /// # Errors
    /// [`CommitError`]: nothing was kept.
    pub async fn accept(&self, deliveries: &[Delivery]) -> Result<(), CommitError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        self.store
            .commit(self.add(Batch::new(), deliveries))
            .await?;
        self.ring();
        Ok(())
    }

    /// Waits until something may have been added since the last call. Cancel-safe.
    pub async fn news(&self) {
        self.bell.notified().await;
    }
}
