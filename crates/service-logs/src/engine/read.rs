//! Reading events.
//!
//! Lives here: a page of one stream, in either direction; a page of several, merged by time.
//! Does not live here: tokens and what answers look like (`logs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use store::{Direction, PageLimit, Range};

use super::catalogue::{Catalogue, Error};
use super::keys::{self, Position};
use super::rows::Stream;
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
        let mut range = range(stream, span);
        while events.len() < limit && !range.is_empty() {
            let rows = PageLimit::rows(PAGE_ROWS.min(limit - events.len()));
            let page = self.store.scan(&range, direction, rows).await?;
            let Some(last) = page.rows.last().map(|row| row.key.clone()) else {
                break;
            };
            for row in &page.rows {
                let Some(event) = read(stream, &row.key, &row.value) else {
                    continue;
                };
                bytes += event.message.len();
                if PAGE_BYTES_MAX < bytes && !events.is_empty() {
                    return Ok(in_order(events, direction));
                }
                events.push(event);
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
            let mut range = range(stream, Span { to, ..span });
            while !range.is_empty() {
                let limits = PageLimit::rows(PAGE_ROWS);
                let page = self.store.scan(&range, Direction::Forward, limits).await?;
                for row in &page.rows {
                    let event = read(stream, &row.key, &row.value);
                    let Some(event) = event.filter(|event| event.position < to) else {
                        continue;
                    };
                    if !pattern.holds(&event.message) {
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
}

fn range(stream: &Stream, span: Span) -> Range {
    let from = keys::event(stream.id, span.from);
    Range::new(from, keys::event(stream.id, span.to))
}

fn in_order(mut events: Vec<Event>, direction: Direction) -> Vec<Event> {
    if direction == Direction::Backward {
        events.reverse();
    }
    events
}

fn read(stream: &Stream, key: &[u8], row: &[u8]) -> Option<Event> {
    let (ingested, message) = row.split_first_chunk()?;
    Some(Event {
        position: keys::read_event(stream.id, key)?,
        ingested_ms: i64::from_be_bytes(*ingested),
        message: String::from_utf8_lossy(message).into_owned(),
    })
}
