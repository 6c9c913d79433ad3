//! Events that archives keep, and sending them to their bus again.
//!
//! Lives here: keeping what comes in, counting it, letting it go; replays, one page of events after the other.
//! Does not live here: making archives and replays (`events::archives`, `events::replays`), rules (`publish`).
//!
//! Events are kept in the batch that hands them to their targets; how many an archive has is counted in memory, from its rows.
//! A replay's place is written in the batch of the deliveries that brought it there: after a crash none is sent twice or left out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::delivery::Delivery;
use model::time::Timestamp;
use patterns::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Batch, Direction, PageLimit, Range, all_rows};

use super::catalogue::{Catalogue, Change, DELIVERIES_BYTES_MAX, DELIVERIES_MAX, Error};
use super::keys::{self, Place};
use super::publish::{About, Sent};
use super::rows::{Archive, Replay};
use super::state::{State, Step};

/// Events of a replay that are sent at once.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 1 << 20;
/// Deliveries that go into one batch with what archives keep: of the largest events, half of what the store takes.
const DELIVERIES_WITH_ROWS_MAX: usize = 100;
/// Events that one archive keeps, and their bytes: a loop at night must not fill the disk. The oldest go.
const EVENTS_MAX: u64 = 1_000_000;
const BYTES_MAX: u64 = 1 << 30;
/// How many are let go at once.
const DROPS: usize = 1_000;
/// How often archives are looked through for what has expired.
const TIDY_EVERY: Duration = Duration::from_mins(1);
/// How long replays are told of that have ended.
const REMEMBERED: Duration = Duration::from_hours(90 * 24);
const DAY: Duration = Duration::from_hours(24);

/// An event as an archive keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    about: About,
    detail: String,
}

/// How much there is in an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// What each archive holds, by its place and name; counted when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<HashMap<(Place, String), Held>>);

impl Counts {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<(Place, String), Held>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        // Counted before: whoever counts the rows for the first time must not count these twice.
        for one in &archived {
            self.held(&one.place, &one.archive).await?;
        }
        for one in &archived {
            let key = keys::archived(&one.place, &one.archive, one.at, &one.id);
            batch = batch.put(key, one.value.clone());
        }
        self.store.commit(batch).await.map_err(Error::Commit)?;
        if fits && !deliveries.is_empty() {
            self.outbox.ring();
        }
        self.archives.with(|counts| {
            for one in archived {
                let bytes = u64::try_from(one.value.len()).unwrap_or(u64::MAX);
                let held = counts.entry((one.place, one.archive)).or_default();
                held.events += 1;
                held.bytes += bytes;
            }
        });
        Ok(())
    }

    /// How much an archive holds.
    pub(crate) async fn held(&self, place: &Place, archive: &str) -> Result<Held, Error> {
        let key = (place.clone(), archive.to_owned());
        if let Some(held) = self.archives.with(|counts| counts.get(&key).copied()) {
            return Ok(held);
        }
        let mut held = Held::default();
        let mut range = Range::of_prefix(keys::archive(place, archive));
        loop {
            let limit = PageLimit::rows(DROPS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            for row in &page.rows {
                held.events += 1;
                held.bytes += u64::try_from(row.value.len()).unwrap_or(u64::MAX);
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => break,
            }
        }
        Ok(self
            .archives
            .with(|counts| *counts.entry(key).or_insert(held)))
    }

    /// Lets go of all that an archive holds.
    pub(crate) async fn empty(&self, place: &Place, archive: &str) -> Result<(), Error> {
        while 0 < self.drop_oldest(place, archive, |_| true).await? {}
        let key = (place.clone(), archive.to_owned());
        self.archives.with(|counts| counts.remove(&key));
        Ok(())
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
            bytes += u64::try_from(row.value.len()).unwrap_or(u64::MAX);
        }
        if 0 < dropped {
            self.store.commit(batch).await.map_err(Error::Commit)?;
            self.archives.with(|counts| {
                let held = counts.entry((place.clone(), archive.to_owned()));
                let held = held.or_default();
                let events = u64::try_from(dropped).unwrap_or(u64::MAX);
                held.events = held.events.saturating_sub(events);
                held.bytes = held.bytes.saturating_sub(bytes);
            });
        }
        Ok(dropped)
    }

    /// Sends replays, and lets go what archives keep no longer, for ever.
    pub(crate) async fn keep_archives(&self) -> Infallible {
        let mut tidied_at = None;
        loop {
            let mut goes_on = false;
            match self.places_with_archives().await {
                Ok(places) => {
                    let now = self.clock.instant();
                    let is_due = |at| TIDY_EVERY <= now.saturating_duration_since(at);
                    for place in &places {
                        match self.send_replays(place).await {
                            Ok(more) => goes_on |= more,
                            Err(error) => say(&error),
                        }
                    }
                    if tidied_at.is_none_or(is_due) {
                        tidied_at = Some(now);
                        self.tidy_all(&places).await;
                    }
                }
                Err(error) => say(&error),
            }
            if !goes_on {
                tokio::select! {
                    () = self.replays.notified() => {}
                    () = tokio::time::sleep(TIDY_EVERY) => {}
                }
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

    /// Sends the next events of all replays; whether one has more.
    async fn send_replays(&self, place: &Place) -> Result<bool, Error> {
        let shelf = self.shelf(place).await?;
        let active: Vec<String> = shelf.look(|state| {
            let replays = state.replays.values();
            let active = replays.filter(|it| it.is_active());
            active.map(|replay| replay.name.clone()).collect()
        });
        let mut goes_on = false;
        for name in active {
            goes_on |= self.replay(place, &name).await?;
        }
        Ok(goes_on)
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

    /// Contract: Amazon EventBridge User Guide, "Archive and replay": replays are deleted after 90 days.
    async fn forget_replays(&self, place: &Place) -> Result<(), Error> {
        let now = self.clock.now();
        self.change(place, |state| {
            let replays = state.replays.values();
            let over =
                replays.filter(|it| it.ended_at.is_some_and(|at| REMEMBERED < now.since(at)));
            let steps = over.map(|it| Step::DropReplay(it.name.clone()));
            let steps = steps.collect();
            let deliveries = Vec::new();
            Ok(((), Change { steps, deliveries }))
        })
        .await
    }

    /// Sends the next events of a replay; whether it goes on.
    pub(crate) async fn replay(&self, place: &Place, name: &str) -> Result<bool, Error> {
        let shelf = self.shelf(place).await?;
        let found = shelf.look(|state| state.replays.get(name).cloned());
        let Some(replay) = found.filter(|replay| replay.is_active()) else {
            return Ok(false);
        };
        let next = self.next_of(place, &replay).await?;
        let deliveries: Vec<Delivery> = shelf.look(|state| {
            let random = &*self.random;
            let events = next.events.iter();
            events
                .flat_map(|sent| sent.for_rules(state, &replay.bus, &replay.rules, random))
                .collect()
        });
        let bytes: usize = deliveries.iter().map(|it| it.message.body.len()).sum();
        let fits = deliveries.len() <= DELIVERIES_MAX && bytes <= DELIVERIES_BYTES_MAX;
        if !fits {
            // More than one batch holds: a crash before the next line sends them again.
            self.send(&deliveries).await?;
        }
        let now = self.clock.now();
        self.change(place, |state| {
            let there = state.replays.get(name);
            let Some(there) = there.filter(|it| it.is_active()) else {
                return Ok((false, Change::default()));
            };
            if there.after != replay.after {
                // Somebody else brought it further meanwhile.
                return Ok((true, Change::default()));
            }
            let has_archive = state.archives.contains_key(&there.archive);
            let is_over = next.is_over || !has_archive;
            let moved = Replay {
                state: match (has_archive, is_over) {
                    (false, _) => "FAILED",
                    (true, true) => "COMPLETED",
                    (true, false) => "RUNNING",
                }
                .to_owned(),
                state_reason: (!has_archive).then(|| "The archive was deleted.".to_owned()),
                after: next.after.or(there.after.clone()),
                last_event_at: next.last_at.or(there.last_event_at),
                ended_at: is_over.then_some(now),
                ..Replay::clone(there)
            };
            let steps = vec![Step::PutReplay(moved)];
            let deliveries = if fits { deliveries } else { Vec::new() };
            Ok((!is_over, Change { steps, deliveries }))
        })
        .await
    }

    /// What a replay sends next.
    async fn next_of(&self, place: &Place, replay: &Replay) -> Result<Next, Error> {
        let prefix = keys::archive(place, &replay.archive);
        let after = match &replay.after {
            Some(key) => hex::decode(key).unwrap_or_default(),
            None => keys::archived_from(place, &replay.archive, replay.starts_at),
        };
        let range = Range::of_prefix(prefix.clone()).after(&after);
        let limit = PageLimit {
            rows_max: PAGE,
            bytes_max: PAGE_BYTES,
        };
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        let mut next = Next {
            is_over: !page.more,
            ..Next::default()
        };
        for row in &page.rows {
            let Some(at) = keys::archived_at(&prefix, &row.key) else {
                continue;
            };
            // What came since it began may be what somebody sent on hearing of it: it would never end.
            if replay.ends_at <= at || replay.started_at < at {
                next.is_over = true;
                break;
            }
            next.after = Some(hex::encode(&row.key));
            next.last_at = Some(at);
            if let Ok(kept) = serde_json::from_slice::<Kept>(&row.value) {
                next.events.push(Sent {
                    about: About {
                        replay_name: Some(replay.name.clone()),
                        hops: 0,
                        events_max: None,
                        ..kept.about
                    },
                    detail: kept.detail,
                    trace: None,
                    ingested_at: self.clock.now(),
                });
            }
        }
        Ok(next)
    }
}

/// What a replay sends next, and how far that brings it.
#[derive(Default)]
struct Next {
    events: Vec<Sent>,
    after: Option<String>,
    last_at: Option<Timestamp>,
    is_over: bool,
}

fn say(error: &Error) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(
        error,
        "archives could not be looked after: it is tried again"
    );
}
