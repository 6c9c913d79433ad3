//! Events as rows of the store.
//!
//! Lives here: which events share a row, writing such rows, reading them.
//! Does not live here: which rows are read (`read`), what else is kept (`rows`).
//!
//! A function under load writes many lines in a millisecond, and most of what a line costs is its row. So events of one lot and
//! one millisecond share rows. Their numbers follow one another, so no other event ever stands between them.

use super::append::Incoming;
use super::keys::{self, Position};
use super::read::Event;

/// What one row holds of events, unless a single one is larger.
const RUN_BYTES_MAX: usize = 64 * 1024;

/// The rows of the events of one lot, of which the first has this number.
pub(crate) fn write(
    stream: u64,
    ingested_ms: i64,
    events: &[Incoming],
    first: u64,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut number = first;
    for moment in events.chunk_by(|one, next| one.at_ms == next.at_ms) {
        let mut rest = moment;
        while let Some(head) = rest.first() {
            let (run, behind) = rest.split_at(fitting(rest));
            rest = behind;
            let first = Position {
                at_ms: u64::try_from(head.at_ms).unwrap_or(0),
                number,
            };
            number += run.len() as u64;
            rows.push(match run {
                [alone] => {
                    let row = [&ingested_ms.to_be_bytes(), alone.message.as_bytes()].concat();
                    (keys::event(stream, first), row)
                }
                run => (keys::run(stream, first), joined(ingested_ms, run)),
            });
        }
    }
    rows
}

/// How many of these share a row: one at least.
fn fitting(events: &[Incoming]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&Incoming| {
        bytes += event.message.len();
        bytes <= RUN_BYTES_MAX
    };
    events.iter().take_while(fits).count().max(1)
}

fn joined(ingested_ms: i64, run: &[Incoming]) -> Vec<u8> {
    let texts: usize = run.iter().map(|event| 4 + event.message.len()).sum();
    let mut row = Vec::with_capacity(8 + texts);
    row.extend_from_slice(&ingested_ms.to_be_bytes());
    for event in run {
        // What one row holds, or one message, is far smaller.
        let length = u32::try_from(event.message.len()).unwrap_or(u32::MAX);
        row.extend_from_slice(&length.to_be_bytes());
        row.extend_from_slice(event.message.as_bytes());
    }
    row
}

/// The events of a row, in their order.
pub(crate) fn read(stream: u64, key: &[u8], row: &[u8]) -> Vec<Event> {
    let (Some((first, is_run)), Some((ingested, texts))) =
        (keys::read_event(stream, key), row.split_first_chunk())
    else {
        return Vec::new();
    };
    let event = |number: u64, message: &[u8]| Event {
        position: Position {
            number: first.number.saturating_add(number),
            ..first
        },
        ingested_ms: i64::from_be_bytes(*ingested),
        message: String::from_utf8_lossy(message).into_owned(),
    };
    if !is_run {
        return vec![event(0, texts)];
    }
    let mut events = Vec::new();
    let mut rest = texts;
    while let Some((length, behind)) = rest.split_first_chunk()
        && let Some((message, behind)) =
            behind.split_at_checked(u32::from_be_bytes(*length) as usize)
    {
        events.push(event(events.len() as u64, message));
        rest = behind;
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(at_ms: i64, message: &str) -> Incoming {
        Incoming {
            at_ms,
            message: message.to_owned(),
        }
    }

    #[test]
    fn events_of_one_millisecond_share_a_row_and_read_back_with_numbers_of_their_own() {
        let large = "x".repeat(RUN_BYTES_MAX);
        let events = [
            (5, "a"),
            (5, ""),
            (6, "b"),
            (7, "c"),
            (7, &large),
            (7, "d"),
            (7, "e"),
        ]
        .map(|(at_ms, message)| incoming(at_ms, message));
        let rows = write(3, 9, &events, 100);
        let read_back: Vec<Vec<Event>> = rows.iter().map(|(key, row)| read(3, key, row)).collect();
        let counts: Vec<usize> = read_back.iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 1, 1, 2]);
        assert!(rows.is_sorted_by_key(|(key, _)| key.clone()));
        let all: Vec<_> = read_back.into_iter().flatten().collect();
        for ((event, sent), number) in all.iter().zip(&events).zip(100..) {
            assert_eq!((event.position.number, event.ingested_ms), (number, 9));
            assert_eq!(event.position.at_ms, u64::try_from(sent.at_ms).unwrap());
            assert_eq!(event.message, sent.message);
        }
        assert_eq!(all.len(), events.len());
    }

    #[test]
    fn what_is_no_row_of_events_has_none() {
        let [(key, row)] = &write(3, 9, &[incoming(5, "a"), incoming(5, "b")], 1)[..] else {
            panic!("one row");
        };
        assert_eq!(read(3, key, &row[..row.len() - 1]).len(), 1);
        assert!(read(3, key, &row[..7]).is_empty());
        assert!(read(4, key, row).is_empty());
        assert!(read(3, &key[1..], row).is_empty());
    }
}
