//! Who may write to a partition now.
//!
//! Lives here: a table of locks of fixed size, found by a partition's hash.
//! Does not live here: what is written (`items`).
//!
//! A write that depends on what is there (a condition, an update, the old item in the answer) has its partition for
//! itself while it looks, decides and hands its batch to the store. It does not wait there until the batch is durable: the
//! next writer decides on what the batch is about to leave ([`Turn::coming`]), and its own batch, which checks for just that,
//! follows in the store's queue. So the writers of a hot item ride in one flush, and none is told of anything that is not
//! durable, since its batch comes after those that it was decided on. Writes that depend on nothing share the partition.
//! Readers take no lock at all. Two partitions may meet in one place of the table; then they wait for one another, which is
//! slower and never wrong.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use store::Write;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Places in the table: many times the writers that a store can serve at once.
const PLACES: usize = 4_096;

/// The locks of all partitions.
#[derive(Debug)]
pub struct Writers {
    places: Vec<Place>,
    flights: AtomicU64,
}

#[derive(Debug, Default)]
struct Place {
    turn: RwLock<()>,
    /// Held by each batch that is on its way, so that whoever takes it alone knows that none is.
    landing: RwLock<()>,
    /// What batches on their way leave, by key. As many as the store lets wait.
    coming: Mutex<HashMap<Bytes, Coming>>,
}

#[derive(Debug)]
struct Coming {
    flight: u64,
    value: Option<Bytes>,
}

impl Default for Writers {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| Place::default()).collect(),
            flights: AtomicU64::new(0),
        }
    }
}

/// The right to write to a partition, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    place: &'a Place,
    _lock: Lock<'a>,
}

#[derive(Debug)]
enum Lock<'a> {
    /// With others that depend on nothing.
    Shared { _guard: RwLockReadGuard<'a, ()> },
    /// Alone.
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

/// A batch on its way to the disk, until it is dropped.
#[derive(Debug)]
pub struct Flight<'a> {
    _legs: Vec<Leg<'a>>,
}

#[derive(Debug)]
struct Leg<'a> {
    place: &'a Place,
    key: Bytes,
    flight: u64,
    _landing: RwLockReadGuard<'a, ()>,
}

impl<'a> Turn<'a> {
    fn shared(place: &'a Place, guard: RwLockReadGuard<'a, ()>) -> Self {
        let _lock = Lock::Shared { _guard: guard };
        Self { place, _lock }
    }

    fn alone(place: &'a Place, guard: RwLockWriteGuard<'a, ()>) -> Self {
        let _lock = Lock::Alone { _guard: guard };
        Self { place, _lock }
    }

    /// What a batch on its way leaves at this key; the outer none when there is no such batch.
    #[must_use]
    pub fn coming(&self, key: &[u8]) -> Option<Option<Bytes>> {
        let coming = self.place.coming();
        coming.get(key).map(|coming| coming.value.clone())
    }

    /// Waits until no batch is on its way. Only for those who are alone: others could send new ones for ever.
    pub async fn landed(&self) {
        drop(self.place.landing.write().await);
    }
}

impl Place {
    /// Nothing that can panic runs while the lock is held, so a poisoned one is still sound.
    fn coming(&self) -> std::sync::MutexGuard<'_, HashMap<Bytes, Coming>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leg<'_> {
    fn drop(&mut self) {
        let mut coming = self.place.coming();
        // A later batch may have taken the place.
        if coming
            .get(&self.key)
            .is_some_and(|coming| coming.flight == self.flight)
        {
            coming.remove(&self.key);
        }
    }
}

impl Writers {
    /// Waits for the right to write without looking.
    pub async fn share(&self, partition: &[u8]) -> Option<Turn<'_>> {
        let place = self.places.get(place_of(partition))?;
        Some(Turn::shared(place, place.turn.read().await))
    }

    /// Waits for the right to look and then write.
    pub async fn alone(&self, partition: &[u8]) -> Option<Turn<'_>> {
        let place = self.places.get(place_of(partition))?;
        Some(Turn::alone(place, place.turn.write().await))
    }

    /// Waits for the right to look at all of these partitions and then write. Turns are taken in the order of the
    /// table's places, by everybody, so that no two can wait for one another.
    pub async fn alone_in_all<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Turns<'_>> {
        let places: BTreeSet<usize> = partitions.into_iter().map(place_of).collect();
        let mut turns = HashMap::with_capacity(places.len());
        for index in places {
            let place = self.places.get(index)?;
            turns.insert(index, Turn::alone(place, place.turn.write().await));
        }
        Some(Turns { turns })
    }

    /// Notes that a batch with this write in this partition is on its way. The partition's turn must be held until the batch
    /// is in the store's queue, the flight until it is durable or has failed. If it is dropped before, as with a caller who
    /// has gone, the next writer decides on what is durable and its check fails when the batch lands.
    pub fn depart<'a>(&'a self, writes: &[(&[u8], &Write)]) -> Option<Flight<'a>> {
        let flight = self.flights.fetch_add(1, Ordering::Relaxed);
        let mut legs = Vec::with_capacity(writes.len());
        for (partition, write) in writes {
            let (key, value) = match write {
                Write::Put { key, value } => (key, Some(value.clone())),
                Write::Delete { key } => (key, None),
                // Such keys and values are known once they are written: nobody decides on them.
                Write::PutVersionstampedKey { .. } | Write::PutVersionstampedValue { .. } => {
                    continue;
                }
            };
            let place = self.places.get(place_of(partition))?;
            // Who takes it alone has the turn alone, and the caller has it now.
            let landing = place.landing.try_read().ok()?;
            let coming = Coming { flight, value };
            place.coming().insert(key.clone(), coming);
            legs.push(Leg {
                place,
                key: key.clone(),
                flight,
                _landing: landing,
            });
        }
        Some(Flight { _legs: legs })
    }
}

/// The right to write to several partitions, alone.
#[derive(Debug)]
pub struct Turns<'a> {
    turns: HashMap<usize, Turn<'a>>,
}

impl Turns<'_> {
    /// What a batch on its way leaves at this key of this partition.
    #[must_use]
    pub fn coming(&self, partition: &[u8], key: &[u8]) -> Option<Option<Bytes>> {
        self.turns.get(&place_of(partition))?.coming(key)
    }

    /// Waits until no batch is on its way to any of them.
    pub async fn landed(&self) {
        for turn in self.turns.values() {
            turn.landed().await;
        }
    }
}

fn place_of(partition: &[u8]) -> usize {
    usize::try_from(crc32fast::hash(partition)).unwrap_or_default() % PLACES
}
