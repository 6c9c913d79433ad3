//! Sending the events of archives to their bus again.
//!
//! Lives here: replays, one page of events after the other, for which the outbox must have room.
//! Does not live here: making replays (`events::replays`), keeping events (`archives`), rules (`publish`).
//!
//! A replay's place is written in the batch of the deliveries that brought it there: after a crash none is sent twice or left out.

use std::time::Duration;

use model::delivery::Delivery;
use model::time::Timestamp;
use store::limits::PAGE_BYTES_MAX;
use store::{Direction, PageLimit, Range};

use super::archives::{Kept, say};
use super::catalogue::{Catalogue, Change, DELIVERIES_BYTES_MAX, DELIVERIES_MAX, Error};
use super::keys::{self, Place};
use super::publish::{About, Sent};
use super::rows::Replay;
use super::state::Step;

/// Events of a replay that are sent at once.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 1 << 20;
/// Deliveries that may wait, and their bytes, when a replay goes on: what is put meanwhile comes soon behind them.
const LINE_MAX: usize = 1_000;
const LINE_BYTES_MAX: usize = PAGE_BYTES_MAX;
/// How long replays are told of that have ended.
const REMEMBERED: Duration = Duration::from_hours(90 * 24);

/// Whether a replay has events to send yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GoesOn {
    No,
    /// Once fewer deliveries wait.
    WithRoom,
    AtOnce,
}

impl Catalogue {
    /// Sends the next events of all replays; whether they go on. The first may take all room that is there: that is the one behind
    /// whichever `went_on` last, or one whose targets take their time would keep the others from ever going on.
    pub(super) async fn send_replays(
        &self,
        places: &[Place],
        went_on: &mut Option<(Place, String)>,
    ) -> GoesOn {
        let mut active = Vec::new();
        for place in places {
            match self.shelf(place).await {
                Ok(shelf) => shelf.look(|state| {
                    let replays = state.replays.values();
                    let there = replays.filter(|it| it.is_active());
                    active.extend(there.map(|replay| (place.clone(), replay.name.clone())));
                }),
                Err(error) => say(&error),
            }
        }
        let last = active.iter().position(|one| Some(one) == went_on.as_ref());
        active.rotate_left(last.map_or(0, |last| last + 1));
        let mut goes_on = GoesOn::No;
        for one in active {
            match self.replay(&one.0, &one.1).await {
                Ok(GoesOn::WithRoom) => goes_on = goes_on.max(GoesOn::WithRoom),
                Ok(more) => {
                    goes_on = goes_on.max(more);
                    *went_on = Some(one);
                }
                Err(error) => say(&error),
            }
        }
        goes_on
    }

    /// Contract: Amazon EventBridge User Guide, "Archive and replay": replays are deleted after 90 days.
    pub(super) async fn forget_replays(&self, place: &Place) -> Result<(), Error> {
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
    pub(crate) async fn replay(&self, place: &Place, name: &str) -> Result<GoesOn, Error> {
        let shelf = self.shelf(place).await?;
        let found = shelf.look(|state| state.replays.get(name).cloned());
        let Some(replay) = found.filter(|replay| replay.is_active()) else {
            return Ok(GoesOn::No);
        };
        if self.outbox.is_longer_than(LINE_MAX, LINE_BYTES_MAX).await? {
            return Ok(GoesOn::WithRoom);
        }
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
                return Ok((GoesOn::No, Change::default()));
            };
            if there.after != replay.after {
                // Somebody else brought it further meanwhile.
                return Ok((GoesOn::AtOnce, Change::default()));
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
            let goes_on = if is_over { GoesOn::No } else { GoesOn::AtOnce };
            Ok((goes_on, Change { steps, deliveries }))
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
