//! Events that were accepted and are still to be delivered.
//!
//! Lives here: their rows in the store, which a service writes in the batch by which it accepts an event, and the bell that
//! wakes whoever delivers.
//! Does not live here: delivering and retrying (`event-delivery`), what a service makes of an event before it is sent.
//!
//! A service that changes something of its own and sends an event about it calls [`Outbox::add`] on its own batch, commits
//! it and rings: both are there after a crash, or neither. One that only sends calls [`Outbox::accept`].

use std::sync::Arc;

use model::delivery::Delivery;
use store::keys::{KeyWriter, Owner};
use store::{Batch, CommitError, Store};
use tokio::sync::Notify;

const WAITING: u8 = 0x02;

/// Where deliveries wait.
#[derive(Clone)]
pub struct Outbox {
    store: Arc<dyn Store>,
    bell: Arc<Notify>,
}

impl Outbox {
    /// The deliveries that wait in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            bell: Arc::default(),
        }
    }

    /// Adds deliveries to a batch. Once it is committed, [`ring`](Self::ring).
    #[must_use]
    pub fn add(&self, batch: Batch, deliveries: &[Delivery]) -> Batch {
        let rows = (0_u32..).zip(deliveries);
        rows.fold(batch, |batch, (number, delivery)| {
            let prefix = KeyWriter::by_id(Owner::Delivery).byte(WAITING).finish();
            let value = serde_json::to_vec(delivery).unwrap_or_default();
            batch.put_versionstamped_key(prefix, number.to_be_bytes().to_vec(), value)
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
