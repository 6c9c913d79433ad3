//! Events that archives keep.
//!
//! Lives here: keeping what comes in, letting it go, what is done for archives and replays by itself.
//! Does not live here: making archives (`events::archives`), how much they hold (`held`), sending it again (`replays`).
//!
//! Events are kept in the batch that hands them to their targets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use model::delivery::Delivery;
use model::time::Timestamp;
use patterns::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Batch, Direction, PageLimit, Range, all_rows};

use super::catalogue::{Catalogue, Error};
use super::held::{Held, tallied};
use super::keys::{self, Place};
use super::publish::{About, Sent};
use super::replays::GoesOn;
use super::rows::Archive;
use super::state::State;

/// Deliveries that go into one batch with what archives keep: of the largest events, half of what the store takes.
const DELIVERIES_WITH_ROWS_MAX: usize = 100;
/// Events that one archive keeps, and their bytes: a loop at night must not fill the disk. The oldest go.
const EVENTS_MAX: i64 = 1_000_000;
const BYTES_MAX: i64 = 1 << 30;
/// How many are let go at once.
const DROPS: usize = 1_000;
/// How often it is looked whether a replay has room to go on.
const ROOM_LOOKED_FOR_EVERY: Duration = Duration::from_millis(25);
/// How often archives are looked through for what has expired.
const TIDY_EVERY: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// An event as an archive keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) about: About,
    pub(super) detail: String,
}

impl Sent {
    /// The rows by which the archives of a bus keep it, with the archive of each.
    pub(crate) fn to_archives(&self, state: &State, bus: &str) -> Vec<Archived> {
        // What an archive sent comes back to none: it would double with each replay.
        if self.about.replay_name.is_some() {
            return Vec::new();
        }
        let arn = state.place.bus_arn(bus).to_string();
        let mut archives = state.archives.values().filter(|it| it.row.source == arn);
        let Some(first) = archives.next() else {
            return Vec::new();
        };
        let event: Value = serde_json::from_str(&self.envelope()).unwrap_or_default();
        let event = Event::of(&event);
        let kept = Kept {
            about: self.about.clone(),
            detail: self.detail.clone(),
        };
        let value = serde_json::to_vec(&kept).unwrap_or_default();
        let takes = std::iter::once(first).chain(archives).filter(|archive| {
            let pattern = archive.pattern.as_ref();
            pattern.is_none_or(|pattern| pattern.holds(&event))
        });
        let rows = takes.map(|archive| Archived {
            place: state.place.clone(),
            archive: archive.row.name.clone(),
            at: self.ingested_at,
            id: self.about.id.clone(),
            value: value.clone(),
        });
        rows.collect()
    }
}

/// An event for an archive.
#[derive(Debug, Clone)]
pub(crate) struct Archived {
    place: Place,
    archive: String,
    at: Timestamp,
    id: String,
    value: Vec<u8>,
}

impl Archived {
    fn counts(&self) -> Held {
        Held::of(1, self.value.len())
    }
}

impl Catalogue {
    /// Hands over what events came to, with what archives keep of them: for one event, in one batch.
    pub(crate) async fn send_and_keep(
        &self,
        deliveries: &[Delivery],
        archived: Vec<Archived>,
    ) -> Result<(), Error> {
        if archived.is_empty() {
            return self.send(deliveries).await;
        }
        let fits = deliveries.len() <= DELIVERIES_WITH_ROWS_MAX;
        let mut batch = Batch::new();
        if fits {
            batch = self.outbox.add(batch, deliveries);
        } else {
            self.send(deliveries).await?;
        }
        // One row for each archive: all keys that a batch writes with its stamp are the same.
        let mut come: BTreeMap<(&Place, &str), Held> = BTreeMap::new();
        for one in &archived {
            *come.entry((&one.place, &one.archive)).or_default() += one.counts();
            let key = keys::archived(&one.place, &one.archive, one.at, &one.id);
            batch = batch.put(key, one.value.clone());
        }
        for (&(place, archive), more) in &come {
            // Known before: whoever asks for the first time must not count these twice.
            self.held(place, archive).await?;
            batch = tallied(batch, place, archive, *more)?;
        }
        self.store.commit(batch).await.map_err(Error::Commit)?;
        if fits && !deliveries.is_empty() {
            self.outbox.ring();
        }
        for ((place, archive), more) in come {
            self.archives.note(place, archive, more);
        }
        Ok(())
    }

    /// Lets go of all that an archive holds.
    pub(crate) async fn empty(&self, place: &Place, archive: &str) -> Result<(), Error> {
        while 0 < self.drop_oldest(place, archive, |_| true).await? {}
        self.forget_held(place, archive).await
    }

    /// Lets go of what archives keep no longer.
    pub(crate) async fn tidy_archives(&self, place: &Place) -> Result<(), Error> {
        let shelf = self.shelf(place).await?;
        let archives: Vec<Archive> = shelf.look(|state| {
            let rows = state.archives.values().map(|kept| kept.row.clone());
            rows.collect()
        });
        let now = self.clock.now();
        for archive in archives {
            let days = u32::try_from(archive.retention_days).unwrap_or(u32::MAX);
            let kept_for = DAY.saturating_mul(days);
            let expired = |at: Timestamp| 0 < days && kept_for < now.since(at);
            while 0 < self.drop_oldest(place, &archive.name, expired).await? {}
            self.add_up(place, &archive.name).await?;
            let mut held = self.held(place, &archive.name).await?;
            let is_over = |held: Held| EVENTS_MAX < held.events || BYTES_MAX < held.bytes;
            if is_over(held) {
                tracing::warn!(
                    archive = archive.name,
                    "an archive keeps {EVENTS_MAX} events and {BYTES_MAX} bytes at most: its oldest events go"
                );
            }
            while is_over(held) {
                if self.drop_oldest(place, &archive.name, |_| true).await? == 0 {
                    break;
                }
                held = self.held(place, &archive.name).await?;
            }
        }
        Ok(())
    }

    /// Drops the oldest events of an archive, as long as they are wanted no more; how many.
    async fn drop_oldest(
        &self,
        place: &Place,
        archive: &str,
        is_over: impl Fn(Timestamp) -> bool,
    ) -> Result<usize, Error> {
        self.held(place, archive).await?;
        let prefix = keys::archive(place, archive);
        let range = Range::of_prefix(prefix.clone());
        let limit = PageLimit::rows(DROPS);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        let over = page
            .rows
            .iter()
            .take_while(|row| keys::archived_at(&prefix, &row.key).is_none_or(&is_over));
        let (mut batch, mut dropped, mut bytes) = (Batch::new(), 0, 0);
        for row in over {
            batch = batch.delete(row.key.to_vec());
            dropped += 1;
            bytes += row.value.len();
        }
        if 0 < dropped {
            let gone = -Held::of(dropped, bytes);
            let batch = tallied(batch, place, archive, gone)?;
            self.store.commit(batch).await.map_err(Error::Commit)?;
            self.archives.note(place, archive, gone);
        }
        Ok(dropped)
    }

    /// Sends replays, and lets go what archives keep no longer, for ever.
    pub(crate) async fn keep_archives(&self) -> Infallible {
        let mut tidied_at = None;
        let mut went_on = None;
        loop {
            let mut goes_on = GoesOn::No;
            match self.places_with_archives().await {
                Ok(places) => {
                    let now = self.clock.instant();
                    let is_due = |at| TIDY_EVERY <= now.saturating_duration_since(at);
                    goes_on = self.send_replays(&places, &mut went_on).await;
                    if tidied_at.is_none_or(is_due) {
                        tidied_at = Some(now);
                        self.tidy_all(&places).await;
                    }
                }
                Err(error) => say(&error),
            }
            match goes_on {
                GoesOn::AtOnce => {}
                GoesOn::WithRoom => tokio::time::sleep(ROOM_LOOKED_FOR_EVERY).await,
                GoesOn::No => tokio::select! {
                    () = self.replays.notified() => {}
                    () = tokio::time::sleep(TIDY_EVERY) => {}
                },
            }
        }
    }

    async fn places_with_archives(&self) -> Result<Vec<Place>, Error> {
        let range = Range::of_prefix(keys::with_archives());
        let rows = all_rows(&*self.store, range).await?;
        let places = rows.iter();
        Ok(places
            .filter_map(|row| keys::place_with_archives(&row.key))
            .collect())
    }

    async fn tidy_all(&self, places: &[Place]) {
        for place in places {
            if let Err(error) = self.tidy_archives(place).await {
                say(&error);
            }
            if let Err(error) = self.forget_replays(place).await {
                say(&error);
            }
        }
    }
}

pub(super) fn say(error: &Error) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(
        error,
        "archives could not be looked after: it is tried again"
    );
}
