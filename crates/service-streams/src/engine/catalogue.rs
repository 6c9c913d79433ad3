//! Streams by their names.
//!
//! Lives here: finding and listing streams, changing their rows one after the other, what is done after a while.
//! Does not live here: records (`log`), what a change is (`kinesis`, `shards`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::random::Random;
use store::{Batch, CommitError, Direction, PageLimit, Range, ReadError, Store};
use tokio::sync::Mutex;

use super::keys::{self, Place};
use super::rows::Stream;
use super::subscriptions::Subscriptions;
use super::wakers::Wakers;

/// How often it is looked for records that have passed their time.
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// How often a change is decided anew, when another process was faster.
const TRIES_MAX: usize = 100;
const ROWS: usize = 1_000;

/// The streams of a store.
pub(crate) struct Catalogue {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) wakers: Wakers,
    pub(crate) subscriptions: Subscriptions,
    /// One change of a row at a time.
    changes: Mutex<()>,
}

/// Streams could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("could not read from the store")]
    Read(#[from] ReadError),
    #[error("could not write to the store")]
    Commit(#[from] CommitError),
    #[error("a row of a stream is damaged, or of a later version")]
    Row,
    #[error("a stream changes all the time")]
    Busy,
}

/// What becomes of the row of a stream.
pub(crate) enum Change {
    Nothing,
    Put(Box<Stream>),
    Delete,
}

impl Catalogue {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            wakers: Wakers::default(),
            subscriptions: Subscriptions::default(),
            changes: Mutex::new(()),
        }
    }

    pub(crate) async fn find(&self, place: &Place, name: &str) -> Result<Option<Stream>, Error> {
        let row = self.store.get(&keys::stream(place, name)).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Streams in the order of their names, after one of them, and whether there are more.
    pub(crate) async fn list(
        &self,
        place: &Place,
        after: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Stream>, bool), Error> {
        let mut range = Range::of_prefix(keys::streams(place));
        if let Some(after) = after {
            range = range.after(&keys::stream(place, after));
        }
        let page = self
            .store
            .scan(&range, Direction::Forward, PageLimit::rows(most))
            .await?;
        let rows = page.rows.iter().map(|row| read(&row.value));
        Ok((rows.collect::<Result<_, _>>()?, page.more))
    }

    /// Decides on a change of a stream, and carries it out.
    pub(crate) async fn change<T, E: From<Error>>(
        &self,
        place: &Place,
        name: &str,
        mut decide: impl FnMut(Option<&Stream>) -> Result<(T, Change), E>,
    ) -> Result<T, E> {
        let _turn = self.changes.lock().await;
        let key = keys::stream(place, name);
        for _ in 0..TRIES_MAX {
            let row = self.store.get(&key).await.map_err(Error::from)?;
            let there = row.as_deref().map(read).transpose()?;
            let (answer, change) = decide(there.as_ref())?;
            let batch = match row {
                Some(row) => Batch::new().check_equals(key.clone(), row),
                None => Batch::new().check_absent(key.clone()),
            };
            let batch = match (change, there) {
                (Change::Nothing, _) | (Change::Delete, None) => return Ok(answer),
                (Change::Delete, Some(there)) => batch
                    .delete(key.clone())
                    .delete(keys::mark(there.id))
                    .put(keys::abandoned(there.id), Vec::new()),
                (Change::Put(stream), there) => {
                    let batch = match &there {
                        Some(there) if there.generation == stream.generation => batch,
                        Some(_) => batch.put(keys::mark(stream.id), stream.mark(place)),
                        None => batch
                            .check_absent(keys::mark(stream.id))
                            .check_absent(keys::abandoned(stream.id))
                            .put(keys::mark(stream.id), stream.mark(place)),
                    };
                    batch.put(key.clone(), written(&stream)?)
                }
            };
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.wakers.wake_all(&place.stream_arn(name));
                    return Ok(answer);
                }
                Err(CommitError::CheckFailed { .. }) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        Err(Error::Busy.into())
    }

    /// Removes what has passed its time, for ever.
    pub(crate) async fn keep(&self) -> Infallible {
        loop {
            if let Err(error) = self.tidy().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "old records of streams could not be removed yet"
                );
            }
            tokio::time::sleep(TRIM_EVERY).await;
        }
    }

    /// Removes what has passed its time.
    pub(crate) async fn tidy(&self) -> Result<(), Error> {
        let mut range = Range::of_prefix(keys::all_abandoned());
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(ROWS))
                .await?;
            for row in &page.rows {
                let id = keys::abandoned_id(&row.key).ok_or(Error::Row)?;
                self.clear(Range::of_prefix(keys::records(id))).await?;
                self.store
                    .commit(Batch::new().delete(row.key.clone()))
                    .await?;
                range = range.after(&row.key);
            }
            if !page.more {
                break;
            }
        }
        let mut range = Range::of_prefix(keys::marks());
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(ROWS))
                .await?;
            for row in &page.rows {
                let (place, name) = keys::marked(&row.value).ok_or(Error::Row)?;
                self.trim(&place, &name).await?;
                range = range.after(&row.key);
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Removes all rows of a range.
    async fn clear(&self, range: Range) -> Result<(), Error> {
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(ROWS))
                .await?;
            let keys = page.rows.into_iter().map(|row| row.key);
            self.store
                .commit(keys.fold(Batch::new(), Batch::delete))
                .await?;
            if !page.more {
                return Ok(());
            }
        }
    }
}

impl Stream {
    pub(crate) fn mark(&self, place: &Place) -> Vec<u8> {
        keys::mark_value(place, &self.name, self.generation)
    }
}

fn read(row: &[u8]) -> Result<Stream, Error> {
    serde_json::from_slice(row).map_err(|_| Error::Row)
}

fn written(stream: &Stream) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(stream).map_err(|_| Error::Row)
}
