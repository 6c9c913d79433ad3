//! What goes by itself.
//!
//! Lives here: events that are older than their group keeps them, groups that have grown too large for this machine, events
//! and streams that were deleted, measurements that are too old.
//! Does not live here: who deletes something by hand (`logs`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use store::{Batch, Direction, PageLimit, Range};

use super::catalogue::{Catalogue, Change, Error};
use super::keys::{self, Place};
use super::read::Span;
use super::rows::Stream;
use super::state::{State, Step};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// What a group keeps at most, whatever its retention: the oldest go first.
pub(crate) const GROUP_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What is left of a group then.
const GROUP_BYTES_LEFT: u64 = GROUP_BYTES_MAX / 4 * 3;
/// Streams that a group keeps at most.
pub(crate) const STREAMS_MAX: usize = 2_000;
/// Measurements of a place. The oldest go first.
pub(crate) const POINTS_MAX: usize = 200_000;
/// Contract: "Data points with a period of 60 seconds are available for 15 days".
const POINTS_KEPT_S: i64 = 15 * 24 * 60 * 60;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Rows that are deleted in one batch.
const ROWS_AT_ONCE: usize = 1_000;

impl Catalogue {
    /// Looks after all places, for ever.
    pub(crate) async fn keep(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.tidy().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "logs could not be tidied");
            }
        }
    }

    /// Looks after all places, once.
    pub(crate) async fn tidy(&self) -> Result<(), Error> {
        for place in self.places().await? {
            self.tidy_place(&place).await?;
        }
        for row in store::all_rows(&*self.store, Range::of_prefix(keys::all_doomed())).await? {
            if let Some(stream) = keys::read_doomed(&row.key) {
                self.clear(stream).await?;
            }
            self.store.commit(Batch::new().delete(row.key)).await?;
        }
        Ok(())
    }

    async fn tidy_place(&self, place: &Place) -> Result<(), Error> {
        let shelf = self.shelf(place).await?;
        let now_ms = self.now_ms();
        let groups: Vec<(String, Option<i64>)> = shelf.look(|state| {
            let groups = state.groups.values();
            groups
                .map(|group| (group.row.name.clone(), group.row.retention_days))
                .collect()
        });
        for (group, days) in groups {
            if let Some(days) = days {
                self.expire(place, &group, now_ms - days * DAY_MS).await?;
            }
            self.bound(place, &group).await?;
        }
        let old = |state: &State| old_points(state, now_ms / 1_000);
        while !shelf.look(old).is_empty() {
            let decide = |state: &State| {
                Ok::<_, Error>(((), Change::all(old_points(state, now_ms / 1_000))))
            };
            self.change(place, decide).await?;
        }
        Ok(())
    }

    /// Deletes what is older than this.
    async fn expire(&self, place: &Place, group: &str, before_ms: i64) -> Result<(), Error> {
        let shelf = self.shelf(place).await?;
        let old = |stream: &&Arc<Stream>| stream.first_ms.is_some_and(|first| first < before_ms);
        let streams: Vec<Arc<Stream>> =
            shelf.look(|state| state.streams_of(group).filter(old).cloned().collect());
        for stream in streams {
            self.shorten(place, &stream, before_ms).await?;
        }
        Ok(())
    }

    /// Deletes the oldest streams of a group that is too large; of a single one, the older half of its time.
    async fn bound(&self, place: &Place, group: &str) -> Result<(), Error> {
        let shelf = self.shelf(place).await?;
        let mut streams: Vec<Arc<Stream>> =
            shelf.look(|state| state.streams_of(group).cloned().collect());
        let mut bytes: u64 = streams.iter().map(|stream| stream.bytes).sum();
        let is_large = GROUP_BYTES_MAX < bytes;
        streams.sort_by_key(|stream| stream.last_ms.unwrap_or(stream.created_ms));
        let mut count = streams.len();
        for stream in &streams {
            let is_done = !is_large || bytes <= GROUP_BYTES_LEFT;
            if is_done && count <= STREAMS_MAX {
                break;
            }
            if 1 < count {
                let key = (stream.group.clone(), stream.name.clone());
                let drop = Change {
                    doomed: vec![stream.id],
                    ..Change::one(Step::DropStream(key.0, key.1))
                };
                self.change(place, |_| Ok::<_, Error>(((), drop))).await?;
                bytes -= stream.bytes;
                count -= 1;
            } else if let (Some(first), Some(last)) = (stream.first_ms, stream.last_ms) {
                let before_ms = first + (last - first) / 2 + 1;
                self.shorten(place, stream, before_ms).await?;
            }
        }
        Ok(())
    }

    /// Deletes the events of a stream before a millisecond, and says so in its row.
    async fn shorten(&self, place: &Place, stream: &Stream, before_ms: i64) -> Result<(), Error> {
        loop {
            let rows = self.rows_before(stream, before_ms, ROWS_AT_ONCE).await?;
            let (gone, events) = rows;
            let Some(last) = events.last() else {
                return Ok(());
            };
            let rest = Span {
                from: last.position.next(),
                to: super::read::LAST,
            };
            let left = self.page(stream, rest, Direction::Forward, 1).await?;
            let first_ms = left
                .first()
                .and_then(|event| i64::try_from(event.position.at_ms).ok());
            let bytes: usize = events
                .iter()
                .map(|event| event.message.len() + super::append::EVENT_OVERHEAD)
                .sum();
            let bytes = u64::try_from(bytes).unwrap_or(0);
            self.change(place, |state| {
                let there = state.stream(&stream.group, &stream.name);
                let there = there.filter(|there| there.id == stream.id);
                let steps = there.map(|there| {
                    let there = Stream::clone(there);
                    Step::PutStream(Stream {
                        bytes: there.bytes.saturating_sub(bytes),
                        first_ms,
                        ..there
                    })
                });
                let change = Change {
                    gone,
                    steps: steps.into_iter().collect(),
                    ..Change::default()
                };
                Ok::<_, Error>(((), change))
            })
            .await?;
        }
    }

    /// Deletes all events of a stream that is not there any more.
    async fn clear(&self, stream: u64) -> Result<(), Error> {
        let range = Range::of_prefix(keys::events(stream));
        loop {
            let limit = PageLimit::rows(ROWS_AT_ONCE);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            if page.rows.is_empty() {
                return Ok(());
            }
            let gone = page.rows.into_iter().map(|row| row.key);
            self.store
                .commit(gone.fold(Batch::new(), Batch::delete))
                .await?;
        }
    }
}

fn old_points(state: &State, now_s: i64) -> Vec<Step> {
    let excess = state.points.saturating_sub(POINTS_MAX);
    let moments = state
        .metrics
        .iter()
        .flat_map(|(metric, moments)| moments.keys().map(move |moment| (metric, moment)));
    let mut all: Vec<_> = moments.collect();
    if 0 < excess {
        all.sort_by_key(|(_, moment)| moment.at_s);
    }
    let old = all
        .into_iter()
        .enumerate()
        .filter(|(number, (_, moment))| *number < excess || moment.at_s < now_s - POINTS_KEPT_S);
    let steps = old.map(|(_, (metric, moment))| Step::DropPoint(metric.clone(), moment.clone()));
    steps.take(ROWS_AT_ONCE).collect()
}
