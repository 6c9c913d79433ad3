//! Who may write to a partition now.
//!
//! Lives here: a table of locks of fixed size, found by a partition's hash.
//! Does not live here: what is written (`items`).
//!
//! A write that depends on what is there (a condition, an update, the old item in the answer) has its partition for
//! itself until its batch is durable, so that writers of a hot item are served in turn instead of retrying against one
//! another. Writes that depend on nothing share the partition and ride in the same flush. Readers take no lock at all.
//! Two partitions may meet in one place of the table; then they wait for one another, which is slower and never wrong.

use std::collections::BTreeSet;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Places in the table: many times the writers that a store can serve at once.
const PLACES: usize = 4_096;

/// The locks of all partitions.
#[derive(Debug)]
pub struct Writers {
    places: Vec<RwLock<()>>,
}

impl Default for Writers {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| RwLock::new(())).collect(),
        }
    }
}

/// The right to write to a partition, until it is dropped.
#[derive(Debug)]
pub enum Turn<'a> {
    /// With others that depend on nothing.
    Shared {
        /// The lock.
        _lock: RwLockReadGuard<'a, ()>,
    },
    /// Alone.
    Alone {
        /// The lock.
        _lock: RwLockWriteGuard<'a, ()>,
    },
}

impl Writers {
    /// Waits for the right to write without looking.
    pub async fn share(&self, partition: &[u8]) -> Option<Turn<'_>> {
        let place = self.place(partition)?;
        Some(Turn::Shared {
            _lock: place.read().await,
        })
    }

    /// Waits for the right to look and then write.
    pub async fn alone(&self, partition: &[u8]) -> Option<Turn<'_>> {
        let place = self.place(partition)?;
        Some(Turn::Alone {
            _lock: place.write().await,
        })
    }

    /// Waits for the right to look at all of these partitions and then write. Turns are taken in the order of the
    /// table's places, by everybody, so that no two can wait for one another.
    pub async fn alone_in_all<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Vec<Turn<'_>>> {
        let places: BTreeSet<usize> = partitions.into_iter().map(place_of).collect();
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            turns.push(Turn::Alone {
                _lock: self.places.get(place)?.write().await,
            });
        }
        Some(turns)
    }

    /// Always some place: the option spares a proof that the remainder is within the table.
    fn place(&self, partition: &[u8]) -> Option<&RwLock<()>> {
        self.places.get(place_of(partition))
    }
}

fn place_of(partition: &[u8]) -> usize {
    usize::try_from(crc32fast::hash(partition)).unwrap_or_default() % PLACES
}
