//! What functions write, on its way into their log groups.
//!
//! Lives here: the bounded queue before the writer, and the writer, which gathers lines into one commit.
//! Does not live here: reading functions' output (`runtimes`), the terminal (`cloudless`).
//!
//! Whoever writes a line never waits: a line that finds the queue full is counted and left out, and the log says how many.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::iter::Peekable;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interfaces::log_sink::{LogLine, LogSink, LogSource};
use jiff::tz::TimeZone;
use model::function::Function;
use model::ids::InstanceId;
use model::time::Timestamp;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::engine::append::{Appending, Incoming, Lot};
use crate::engine::catalogue::{Catalogue, Change, Error};
use crate::engine::keys::Place;
use crate::engine::rows::{Group, Tags};
use crate::engine::state::{KeptGroup, State, Step};
use crate::logs::streams;

/// Lines that wait to be written, and their bytes.
const LINES_WAITING_MAX: usize = 100_000;
const BYTES_WAITING_MAX: usize = 32 * 1024 * 1024;
/// Lines and bytes for which room is kept from one commit to the next.
const LINES_KEPT_MAX: usize = 16_384;
const BYTES_KEPT_MAX: usize = 2 * 1024 * 1024;
/// Lines, and bytes of lines, of one commit.
const LINES_AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;
/// Lines that are not gathered any longer: the queue fills while they are written, and takes a multiple of them.
const LINES_GATHERED_MAX: usize = 2 * LINES_AT_ONCE;
/// Instances whose streams are remembered.
const INSTANCES_MAX: usize = 20_000;
/// How long lines are gathered: under load, a commit for each would cost more than the requests.
const GATHER_FOR: Duration = Duration::from_millis(200);

/// Where lines wait. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct FunctionLog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    /// Kept for its memory: what was written last.
    written: Mutex<Waiting>,
    /// So many wait that they are written at once.
    is_pressed: Notify,
    left_out: AtomicU64,
    days: Mutex<Days>,
}

/// Lines one behind the other. A text of its own for each would be memory that no cache holds, for every line anew.
#[derive(Default)]
struct Waiting {
    lines: Vec<Line>,
    texts: Vec<u8>,
}

struct Line {
    source: Arc<LogSource>,
    at: Timestamp,
    /// How much of the texts is its own.
    bytes: usize,
}

impl LogSink for FunctionLog {
    fn write(&self, line: LogLine) {
        let mut waiting = lock(&self.0.waiting);
        let bytes = line.text.len();
        if LINES_WAITING_MAX <= waiting.lines.len()
            || BYTES_WAITING_MAX < waiting.texts.len() + bytes
        {
            self.0.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.texts.extend_from_slice(&line.text);
        waiting.lines.push(Line {
            source: line.source,
            at: line.at,
            bytes,
        });
        if waiting.lines.len() == LINES_GATHERED_MAX {
            self.0.is_pressed.notify_one();
        }
    }
}

impl FunctionLog {
    fn take(&self) -> Waiting {
        let room = std::mem::take(&mut *lock(&self.0.written));
        std::mem::replace(&mut *lock(&self.0.waiting), room)
    }

    /// What was written leaves its memory for what comes next.
    fn give_back(&self, mut written: Waiting) {
        written.lines.clear();
        written.lines.shrink_to(LINES_KEPT_MAX);
        written.texts.clear();
        written.texts.shrink_to(BYTES_KEPT_MAX);
        *lock(&self.0.written) = written;
    }

    fn days(&self) -> MutexGuard<'_, Days> {
        lock(&self.0.days)
    }

    /// Writes what comes, for ever.
    pub(crate) async fn keep(&self, catalogue: &Catalogue) -> Infallible {
        // Counted from when the last commit began: what comes while it is written waits no longer than other lines do, or there
        // would be no room for what comes then.
        let mut gathered = tokio::time::interval(GATHER_FOR);
        gathered.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = gathered.tick() => {}
                () = self.0.is_pressed.notified() => {}
            }
            self.flush(catalogue).await;
        }
    }

    /// Writes what waits.
    pub(crate) async fn flush(&self, catalogue: &Catalogue) {
        let waiting = self.take();
        let mut days = std::mem::take(&mut *self.days());
        let left_out = self.0.left_out.swap(0, Ordering::Relaxed);
        if 0 < left_out {
            tracing::warn!(
                left_out,
                "functions wrote faster than their logs are kept: lines were left out"
            );
        }
        let mut texts = waiting.texts.as_slice();
        let mut lines = waiting.lines.iter().peekable();
        while lines.peek().is_some() {
            let of_instances = gather(&mut lines, &mut texts);
            let mut places: BTreeMap<Place, Lots> = BTreeMap::new();
            for (first, events) in of_instances.into_values() {
                let (place, group) = place_of(&first.source.function);
                let lots = places.entry(place).or_default();
                let lot = lots.entry((group, days.stream_of(first))).or_default();
                lot.extend(events);
            }
            for (place, lots) in places {
                if let Err(error) = write(catalogue, &place, lots).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "functions' logs were not kept"
                    );
                }
            }
        }
        *self.days() = days;
        self.give_back(waiting);
    }
}

type Lots = BTreeMap<(String, String), Vec<Incoming>>;

/// Each instance's first line, and its events.
type OfInstances<'w> = HashMap<&'w InstanceId, (&'w Line, Vec<Incoming>)>;

/// The events of one commit, by their instances, in the order in which they came.
fn gather<'w>(
    lines: &mut Peekable<impl Iterator<Item = &'w Line>>,
    texts: &mut &'w [u8],
) -> OfInstances<'w> {
    let mut of_instances = OfInstances::new();
    let (mut count, mut bytes) = (0, 0);
    while count < LINES_AT_ONCE
        && bytes < BYTES_AT_ONCE
        && let Some(line) = lines.next()
    {
        let (text, rest) = texts.split_at_checked(line.bytes).unwrap_or_default();
        *texts = rest;
        let event = event(line, text);
        count += 1;
        bytes += event.message.len();
        let (_, events) = of_instances
            .entry(&line.source.instance)
            .or_insert_with(|| (line, Vec::new()));
        events.push(event);
    }
    of_instances
}

fn event(line: &Line, text: &[u8]) -> Incoming {
    // As AWS stores them, the platform's lines and what a function prints end with the line.
    let mut message = String::with_capacity(text.len() + 1);
    message.push_str(&String::from_utf8_lossy(text));
    message.push('\n');
    Incoming {
        at_ms: line.at.epoch_ms(),
        message,
    }
}

/// Where what a function writes belongs: its group.
fn place_of(function: &Function) -> (Place, String) {
    let place = Place {
        account: function.account.clone(),
        region: function.region.clone(),
    };
    let group = function.log_group.clone();
    let group = group.unwrap_or_else(|| format!("/aws/lambda/{}", function.name));
    (place, group)
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The days on which instances began to write: their streams keep them.
#[derive(Default)]
struct Days(HashMap<InstanceId, String>);

impl Days {
    /// `YYYY/MM/DD/[VERSION]INSTANCE`.
    fn stream_of(&mut self, line: &Line) -> String {
        let LogSource { function, instance } = &*line.source;
        if let Some(stream) = self.0.get(instance) {
            return stream.clone();
        }
        if INSTANCES_MAX <= self.0.len() {
            self.0.clear();
        }
        let day = jiff::Timestamp::from_millisecond(line.at.epoch_ms()).unwrap_or_default();
        let day = day.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
        let stream = format!("{day}/[{}]{instance}", function.version);
        self.0.insert(instance.clone(), stream.clone());
        stream
    }
}

/// Nobody has to allow it: a function's own log needs no permission here.
async fn write(catalogue: &Catalogue, place: &Place, lots: Lots) -> Result<(), Error> {
    let decide = |state: &State| {
        let mut appending = Appending::new(catalogue, place, state);
        let mut made: BTreeMap<String, KeptGroup> = BTreeMap::new();
        for ((group, stream), mut events) in lots {
            events.sort_by_key(|event| event.at_ms);
            let there = state.stream(&group, &stream).cloned();
            let stream =
                there.unwrap_or_else(|| Arc::new(streams::fresh(catalogue, &group, &stream)));
            let lot = Lot { stream, events };
            match state.groups.get(&group) {
                Some(kept) => appending.add(kept, &lot),
                None => {
                    let kept = made
                        .entry(group.clone())
                        .or_insert_with(|| fresh(catalogue, group));
                    appending.add(kept, &lot);
                }
            }
        }
        for kept in made.into_values() {
            appending.change.steps.push(Step::PutGroup(kept.row));
        }
        let change: Change = appending.finish();
        Ok(((), change))
    };
    catalogue.change(place, decide).await
}

/// The group of a function that nobody made before.
fn fresh(catalogue: &Catalogue, name: String) -> KeptGroup {
    let row = Group {
        name,
        created_ms: catalogue.now_ms(),
        retention_days: None,
        kms_key: None,
        class: "STANDARD".to_owned(),
        is_protected: false,
        tags: Tags::new(),
        subscriptions: Vec::new(),
        metric_filters: Vec::new(),
        owner: None,
    };
    KeptGroup {
        row,
        subscriptions: Vec::new(),
        metric_filters: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use interfaces::log_sink::{LogOrigin, LogSource};

    use super::*;

    #[tokio::test]
    async fn many_lines_are_not_gathered_any_longer() {
        let log = FunctionLog::default();
        let source = Arc::new(LogSource {
            function: Arc::new(test_kit::function("hello")),
            instance: InstanceId::new("0123456789abcdef"),
        });
        let line = || LogLine {
            source: Arc::clone(&source),
            request_id: None,
            at: Timestamp::from_micros(0),
            origin: LogOrigin::Stdout,
            text: Bytes::from_static(b"hi"),
        };
        let is_pressed = async || {
            let pressed = log.0.is_pressed.notified();
            tokio::time::timeout(Duration::ZERO, pressed).await.is_ok()
        };
        (1..LINES_GATHERED_MAX).for_each(|_| log.write(line()));
        assert!(!is_pressed().await);
        log.write(line());
        assert!(is_pressed().await);
    }
}
