//! Reading events.
//!
//! Lives here: a page of one stream, in either direction; a page of several, merged by time.
//! Does not live here: tokens and what answers look like (`logs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use store::{Bytes, Direction, PageLimit, Range, Row};

use super::catalogue::{Catalogue, Error};
use super::keys::{self, Position};
use super::rows::Stream;
use super::runs;
use crate::filter::Pattern;

/// Rows that are read at once.
const PAGE_ROWS: usize = 1_000;
/// Contract: `GetLogEvents`: "as many log events as can fit in a response size of 1 MB".
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// An event, as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) position: Position,
    pub(crate) ingested_ms: i64,
    pub(crate) message: String,
}

/// From when (inclusive) to when (exclusive).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Position,
    pub(crate) to: Position,
}

impl Span {
    fn holds(self, position: Position) -> bool {
        self.from <= position && position < self.to
    }
}

/// The beginning and the end of time.
pub(crate) const FIRST: Position = Position {
    at_ms: 0,
    number: 0,
};
pub(crate) const LAST: Position = Position {
    at_ms: u64::MAX,
    number: u64::MAX,
};

/// The first moment of a millisecond.
pub(crate) fn at(ms: i64) -> Position {
    Position {
        at_ms: u64::try_from(ms).unwrap_or(0),
        number: 0,
    }
}

impl Catalogue {
    /// The first events of a span, or its last ones, in the order of time.
    pub(crate) async fn page(
        &self,
        stream: &Stream,
        span: Span,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        let mut bytes = 0_usize;
        let mut range = self.range(stream, span).await?;
        while events.len() < limit && !range.is_empty() {
            let rows = PageLimit::rows(PAGE_ROWS.min(limit - events.len()));
            let page = self.store.scan(&range, direction, rows).await?;
            let Some(last) = page.rows.last().map(|row| row.key.clone()) else {
                break;
            };
            for row in &page.rows {
                let mut run = runs::read(stream.id, &row.key, &row.value);
                if direction == Direction::Backward {
                    run.reverse();
                }
                for event in run.into_iter().filter(|event| span.holds(event.position)) {
                    bytes += event.message.len();
                    let is_full = PAGE_BYTES_MAX < bytes && !events.is_empty();
                    if is_full || limit <= events.len() {
                        return Ok(in_order(events, direction));
                    }
                    events.push(event);
                }
            }
            if !page.more {
                break;
            }
            range = match direction {
                Direction::Forward => range.after(&last),
                Direction::Backward => range.before(&last),
            };
        }
        Ok(in_order(events, direction))
    }

    /// The first rows up to a millisecond: their keys, and the events in them.
    pub(crate) async fn rows_before(
        &self,
        stream: &Stream,
        before_ms: i64,
        limit: usize,
    ) -> Result<(Vec<Bytes>, Vec<Event>), Error> {
        let to = at(before_ms);
        let range = self.range(stream, Span { from: FIRST, to }).await?;
        let limit = PageLimit::rows(limit);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        let read = |row: &Row| runs::read(stream.id, &row.key, &row.value);
        let events = page.rows.iter().flat_map(read).collect();
        Ok((page.rows.into_iter().map(|row| row.key).collect(), events))
    }

    /// The first events of these streams that are meant, in the order of time; and where to go on.
    pub(crate) async fn merged(
        &self,
        streams: &[Arc<Stream>],
        span: Span,
        pattern: &Pattern,
        limit: usize,
    ) -> Result<(Vec<(Arc<Stream>, Event)>, Option<Position>), Error> {
        let mut found: BTreeMap<Position, (Arc<Stream>, Event)> = BTreeMap::new();
        let mut bytes = 0_usize;
        let mut to = span.to;
        let mut is_cut = false;
        for stream in streams {
            let mut range = self.range(stream, Span { to, ..span }).await?;
            while !range.is_empty() {
                let limits = PageLimit::rows(PAGE_ROWS);
                let page = self.store.scan(&range, Direction::Forward, limits).await?;
                for row in &page.rows {
                    for event in runs::read(stream.id, &row.key, &row.value) {
                        let is_within = Span { to, ..span }.holds(event.position);
                        if !is_within || !pattern.holds(&event.message) {
                            continue;
                        }
                        bytes += event.message.len();
                        found.insert(event.position, (Arc::clone(stream), event));
                        while limit < found.len() || PAGE_BYTES_MAX < bytes && 1 < found.len() {
                            let Some((position, (_, late))) = found.pop_last() else {
                                break;
                            };
                            bytes -= late.message.len();
                            to = position;
                            is_cut = true;
                        }
                    }
                }
                let last = page.rows.last().map(|row| row.key.clone());
                match last {
                    Some(last) if page.more && last < keys::event(stream.id, to) => {
                        range = range.after(&last);
                    }
                    Some(_) | None => break,
                }
            }
        }
        Ok((found.into_values().collect(), is_cut.then_some(to)))
    }

    /// The rows in which events of a span may be: from the last one that begins no later, which may hold the first. To read all
    /// rows of that millisecond for it would take the longer the more of them there are.
    async fn range(&self, stream: &Stream, span: Span) -> Result<Range, Error> {
        let mut from = keys::event(stream.id, span.from);
        if span.from.number != 0 {
            let of_moment = Range::new(
                keys::event(stream.id, at_first_of(span.from)),
                keys::event(stream.id, span.from.next()),
            );
            let one = PageLimit::rows(1);
            let page = self
                .store
                .scan(&of_moment, Direction::Backward, one)
                .await?;
            if let Some(row) = page.rows.first() {
                from = row.key.to_vec();
            }
        }
        Ok(Range::new(from, keys::event(stream.id, span.to)))
    }
}

fn at_first_of(position: Position) -> Position {
    Position {
        number: 0,
        ..position
    }
}

fn in_order(mut events: Vec<Event>, direction: Direction) -> Vec<Event> {
    if direction == Direction::Backward {
        events.reverse();
    }
    events
}
