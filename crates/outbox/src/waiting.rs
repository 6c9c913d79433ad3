//! Finding what is to be delivered, and noting what became of it.
//!
//! Lives here: pages of new deliveries and of those whose retry is due, reading one whole, its removal and its retry.
//! Does not live here: deciding any of that (`event-delivery`), the rows (`rows`).
//!
//! All changes are added to a batch of the caller's: what follows from a delivery is committed with its end.

use bytes::{Bytes, BytesMut};
use model::delivery::Delivery;
use model::time::Timestamp;
use store::{Batch, Direction, PageLimit, Range, ReadError};

use crate::rows::{self, Contents};
use crate::{Outbox, OutboxError, Place, Routing, Tries};

/// What one look found.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// In their order.
    pub rows: Vec<T>,
    /// Whether there are more than these.
    pub more: bool,
    /// Rows that cannot be read: damaged, or of a later version. They stay where they are.
    pub damaged: usize,
}

/// A delivery that nobody tried yet.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// Its place.
    pub place: Place,
    /// Whom it is for.
    pub routing: Routing,
    /// The delivery itself, when it is so short that it was read along.
    pub whole: Option<Box<Waiting>>,
}

/// A delivery that is to be tried again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Its place.
    pub place: Place,
    /// From when on.
    pub due_at: Timestamp,
    /// Whom it is for.
    pub routing: Routing,
}

/// Which of its rows a delivery has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It was never tried, or nothing is known of it.
    Fresh,
    /// It is to be tried again, from then on.
    Retry(Timestamp),
}

/// A delivery, whole.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its place.
    pub place: Place,
    /// What happened to it so far.
    pub tries: Tries,
    /// What is to be delivered.
    pub delivery: Delivery,
    stage: Stage,
    routing: Routing,
    contents: Contents,
}

impl Outbox {
    /// Deliveries that were accepted after this place and never tried, in the order in which they were accepted.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn fresh(
        &self,
        after: Option<Place>,
        rows_max: usize,
    ) -> Result<Found<Fresh>, OutboxError> {
        let prefix = rows::waiting().finish();
        let mut range = Range::of_prefix(prefix.clone());
        if let Some(after) = after {
            range.start = just_after(rows::at(rows::waiting(), after));
        }
        self.page(&range, rows_max, |key, value| {
            let place = rows::read_place(&prefix, key)?;
            let (routing, tries, contents) = rows::decode_head(value)?;
            let whole = match &contents {
                Contents::Pieces(_) => None,
                Contents::Inline(bytes) => Some(Box::new(Waiting {
                    place,
                    tries,
                    delivery: rows::decode_contents(bytes.clone())?,
                    stage: Stage::Fresh,
                    routing: routing.clone(),
                    contents,
                })),
            };
            Ok(Fresh {
                place,
                routing,
                whole,
            })
        })
        .await
    }

    /// Whether more deliveries wait that were never tried, or more bytes of them. What has little need of haste waits until fewer do.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn is_longer_than(
        &self,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<bool, ReadError> {
        let range = Range::of_prefix(rows::waiting().finish());
        let limit = PageLimit {
            rows_max,
            bytes_max,
        };
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        Ok(page.more)
    }

    /// Retries after this one, those first that are due first.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn retries(
        &self,
        after: Option<(Timestamp, Place)>,
        rows_max: usize,
    ) -> Result<Found<Retry>, OutboxError> {
        let mut range = Range::of_prefix(rows::due().finish());
        if let Some((due_at, place)) = after {
            range.start = just_after(rows::due_at(due_at, place));
        }
        self.page(&range, rows_max, |key, value| {
            let (due_at, place) = rows::read_due(key)?;
            let routing = serde_json::from_slice(value).map_err(|_| OutboxError::Damaged)?;
            Ok(Retry {
                place,
                due_at,
                routing,
            })
        })
        .await
    }

    /// A delivery, whole; none when it is gone.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn load(&self, place: Place, stage: Stage) -> Result<Option<Waiting>, OutboxError> {
        let kind = match stage {
            Stage::Fresh => rows::waiting(),
            Stage::Retry(_) => rows::retrying(),
        };
        let Some(head) = self.store.get(&rows::at(kind, place)).await? else {
            return Ok(None);
        };
        let (routing, tries, contents) = rows::decode_head(&head)?;
        let whole = match &contents {
            Contents::Inline(whole) => whole.clone(),
            Contents::Pieces(count) => self.gather(place, *count).await?,
        };
        Ok(Some(Waiting {
            place,
            tries,
            delivery: rows::decode_contents(whole)?,
            stage,
            routing,
            contents,
        }))
    }

    /// Adds to a batch that a delivery is dealt with.
    #[must_use]
    pub fn remove(&self, batch: Batch, waiting: &Waiting) -> Batch {
        let batch = without_head(batch, waiting);
        match waiting.contents {
            Contents::Inline(_) => batch,
            Contents::Pieces(count) => (0..count).fold(batch, |batch, number| {
                batch.delete(rows::piece_at(waiting.place, number))
            }),
        }
    }

    /// Adds to a batch that a delivery, which was tried so often, is to be tried again from then on.
    #[must_use]
    pub fn retry(&self, batch: Batch, waiting: &Waiting, tries: &Tries, at: Timestamp) -> Batch {
        let place = waiting.place;
        let head = rows::encode_head(&waiting.routing, tries, &waiting.contents);
        without_head(batch, waiting)
            .put(rows::at(rows::retrying(), place), head)
            .put(rows::due_at(at, place), rows::json(&waiting.routing))
    }

    async fn gather(&self, place: Place, count: u16) -> Result<Bytes, OutboxError> {
        let mut whole = BytesMut::new();
        for number in 0..count {
            let piece = self.store.get(&rows::piece_at(place, number)).await?;
            whole.extend_from_slice(&piece.ok_or(OutboxError::Damaged)?);
        }
        Ok(whole.freeze())
    }

    async fn page<T>(
        &self,
        range: &Range,
        rows_max: usize,
        read: impl Fn(&Bytes, &Bytes) -> Result<T, OutboxError>,
    ) -> Result<Found<T>, OutboxError> {
        let limit = PageLimit::rows(rows_max);
        let page = self.store.scan(range, Direction::Forward, limit).await?;
        let mut found = Found {
            rows: Vec::with_capacity(page.rows.len()),
            more: page.more,
            damaged: 0,
        };
        for row in &page.rows {
            match read(&row.key, &row.value) {
                Ok(row) => found.rows.push(row),
                Err(_) => found.damaged += 1,
            }
        }
        Ok(found)
    }
}

fn without_head(batch: Batch, waiting: &Waiting) -> Batch {
    let place = waiting.place;
    match waiting.stage {
        Stage::Fresh => batch.delete(rows::at(rows::waiting(), place)),
        Stage::Retry(due_at) => batch
            .delete(rows::at(rows::retrying(), place))
            .delete(rows::due_at(due_at, place)),
    }
}

fn just_after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
