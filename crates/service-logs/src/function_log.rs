//! What functions write, on its way into their log groups.
//!
//! Lives here: the bounded queue before the writer, and the writer, which gathers lines into one commit.
//! Does not live here: reading functions' output (`runtimes`), the terminal (`cloudless`).
//!
//! Whoever writes a line never waits: a line that finds the queue full is counted and left out, and the log says how many.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interfaces::log_sink::{LogLine, LogSink};
use jiff::tz::TimeZone;
use model::ids::InstanceId;

use crate::engine::append::{Appending, Incoming, Lot};
use crate::engine::catalogue::{Catalogue, Change, Error};
use crate::engine::keys::Place;
use crate::engine::rows::{Group, Tags};
use crate::engine::state::{KeptGroup, State, Step};
use crate::logs::streams;

/// Lines that wait to be written, and their bytes.
const LINES_WAITING_MAX: usize = 50_000;
const BYTES_WAITING_MAX: usize = 32 * 1024 * 1024;
/// Lines, and bytes of lines, of one commit.
const LINES_AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;
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
    left_out: AtomicU64,
    days: Mutex<Days>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<LogLine>,
    bytes: usize,
}

impl LogSink for FunctionLog {
    fn write(&self, line: LogLine) {
        let bytes = line.text.len();
        self.push(line, bytes);
    }
}

impl FunctionLog {
    fn push(&self, line: LogLine, bytes: usize) {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if LINES_WAITING_MAX <= waiting.lines.len() || BYTES_WAITING_MAX < waiting.bytes + bytes {
            self.0.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += bytes;
        waiting.lines.push(line);
    }

    fn take(&self) -> Vec<LogLine> {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        std::mem::take(&mut waiting.lines)
    }

    fn days(&self) -> std::sync::MutexGuard<'_, Days> {
        self.0.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes, for ever.
    pub(crate) async fn keep(&self, catalogue: &Catalogue) -> Infallible {
        loop {
            tokio::time::sleep(GATHER_FOR).await;
            self.flush(catalogue).await;
        }
    }

    /// Writes what waits.
    pub(crate) async fn flush(&self, catalogue: &Catalogue) {
        let lines = self.take();
        let mut days = std::mem::take(&mut *self.days());
        let left_out = self.0.left_out.swap(0, Ordering::Relaxed);
        if 0 < left_out {
            tracing::warn!(
                left_out,
                "functions wrote faster than their logs are kept: lines were left out"
            );
        }
        let mut events = lines.iter().map(|line| event(line, &mut days)).peekable();
        while events.peek().is_some() {
            let mut bytes = 0_usize;
            let mut places: BTreeMap<Place, Lots> = BTreeMap::new();
            let mut count = 0;
            while count < LINES_AT_ONCE
                && bytes < BYTES_AT_ONCE
                && let Some((place, group, stream, event)) = events.next()
            {
                count += 1;
                bytes += event.message.len();
                places
                    .entry(place)
                    .or_default()
                    .entry((group, stream))
                    .or_default()
                    .push(event);
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
        drop(events);
        *self.days() = days;
    }
}

type Lots = BTreeMap<(String, String), Vec<Incoming>>;

/// Where a line belongs.
fn event(line: &LogLine, days: &mut Days) -> (Place, String, String, Incoming) {
    let function = &line.function;
    let place = Place {
        account: function.account.clone(),
        region: function.region.clone(),
    };
    let group = function.log_group.clone();
    let group = group.unwrap_or_else(|| format!("/aws/lambda/{}", function.name));
    // As AWS stores them, the platform's lines and what a function prints end with the line.
    let mut message = String::from_utf8_lossy(&line.text).into_owned();
    message.push('\n');
    let at_ms = line.at.epoch_ms();
    (
        place,
        group,
        days.stream_of(line),
        Incoming { at_ms, message },
    )
}

/// The days on which instances began to write: their streams keep them.
#[derive(Default)]
struct Days(HashMap<InstanceId, String>);

impl Days {
    /// `YYYY/MM/DD/[VERSION]INSTANCE`.
    fn stream_of(&mut self, line: &LogLine) -> String {
        if let Some(stream) = self.0.get(&line.instance) {
            return stream.clone();
        }
        if INSTANCES_MAX <= self.0.len() {
            self.0.clear();
        }
        let day = jiff::Timestamp::from_millisecond(line.at.epoch_ms()).unwrap_or_default();
        let day = day.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
        let stream = format!("{day}/[{}]{}", line.function.version, line.instance);
        self.0.insert(line.instance.clone(), stream.clone());
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
