//! The development server's own log on the terminal: one line a request, its function's log lines under it.
//!
//! Lives here: a thread that prints, and the bounded line before it. Requests never wait for a terminal.
//! Does not live here: what the text looks like (`transcript`).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::log_sink::LogLine;
use model::ids::RequestId;

use super::transcript::{self, Transcript};
use crate::printer::{Printer, Style};

pub use super::events::EventLine;
pub use super::transcript::RequestLine;

/// Entries that may wait to be printed; those beyond are counted and left out.
const ENTRIES_WAITING_MAX: usize = 8_192;
/// Log lines may only wait while there are fewer entries than these: a function that floods its log must not cost
/// requests their lines.
const LINES_WAITING_MAX: usize = 6_144;
/// For how many entries room is kept from one printing to the next.
const ENTRIES_KEPT_MAX: usize = 1_024;
/// How often lines that wait for their request are looked through.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What arrives within this time is printed at once: under load, a wake-up and a write for each line would cost as
/// much as the requests themselves, and nobody reads faster.
const GATHER_FOR: Duration = Duration::from_millis(4);

/// Prints requests and log lines.
pub struct Console {
    line: Arc<Line>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Entries on their way to the thread.
#[derive(Default)]
struct Line {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    left_out: u64,
    is_over: bool,
}

enum Entry {
    Line(LogLine),
    /// `START` of an invocation, of which only the time is of use.
    Began(Option<RequestId>),
    Request(RequestLine),
    Event(EventLine),
    Notice(String),
}

impl Console {
    /// Starts the printing thread.
    ///
    /// # Errors
    /// When the machine has no thread left.
    pub fn start(printer: Printer, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let line = Arc::new(Line::default());
        let taken = Arc::clone(&line);
        let thread = std::thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || print_all(&taken, &printer, clock.as_ref()))?;
        Ok(Self {
            line,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Shows a finished request.
    pub fn request(&self, request: RequestLine) {
        self.line.push(Entry::Request(request));
    }

    /// Shows what was delivered.
    pub fn event(&self, event: EventLine) {
        self.line.push(Entry::Event(event));
    }

    /// Shows a line of a function's log, with its request.
    pub fn line(&self, line: &LogLine) {
        // Handing over what another thread only throws away costs more than the line did.
        if transcript::begins(line) {
            self.line.push(Entry::Began(line.request_id.clone()));
        } else if transcript::matters(line) {
            self.line.push(Entry::Line(line.clone()));
        }
    }

    /// Shows a line of the server's own.
    pub fn notice(&self, text: impl Into<String>) {
        self.line.push(Entry::Notice(text.into()));
    }

    /// Prints what waits, and ends the thread.
    pub fn stop(&self) {
        self.line.lock().is_over = true;
        self.line.arrived.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, entry: Entry) {
        let mut waiting = self.lock();
        let room = match entry {
            Entry::Line(_) | Entry::Began(_) => LINES_WAITING_MAX,
            Entry::Request(_) | Entry::Event(_) | Entry::Notice(_) => ENTRIES_WAITING_MAX,
        };
        if waiting.entries.len() >= room {
            waiting.left_out += 1;
            return;
        }
        waiting.entries.push(entry);
        // Whoever finds others there knows that the thread was told.
        if waiting.entries.len() == 1 {
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Waits for entries, at most until it is time to look through those that wait for their request. The next ones are put
    /// into the room that is given.
    fn take(&self, room: Vec<Entry>) -> Waiting {
        let idle = |waiting: &mut Waiting| waiting.entries.is_empty() && !waiting.is_over;
        let waited = self
            .arrived
            .wait_timeout_while(self.lock(), LOOK_EVERY, idle);
        let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_over = waiting.is_over;
        let is_idle = waiting.entries.is_empty();
        drop(waiting);
        if !is_over && !is_idle {
            std::thread::sleep(GATHER_FOR);
        }
        let mut waiting = self.lock();
        Waiting {
            entries: std::mem::replace(&mut waiting.entries, room),
            left_out: std::mem::take(&mut waiting.left_out),
            is_over: waiting.is_over,
        }
    }
}

fn print_all(line: &Line, printer: &Printer, clock: &dyn Clock) {
    let mut transcript = Transcript::new(printer.clone());
    let mut looked_at = clock.instant();
    let mut room = Vec::new();
    loop {
        let mut taken = line.take(room);
        let now = clock.instant();
        let mut texts = Vec::new();
        for entry in taken.entries.drain(..) {
            texts.extend(match entry {
                Entry::Line(line) => transcript.line(line, now),
                Entry::Began(request) => {
                    transcript.began(request, now);
                    None
                }
                Entry::Request(request) => Some(transcript.request(&request)),
                Entry::Event(event) => Some(transcript.event(&event)),
                Entry::Notice(text) => Some(text),
            });
        }
        if taken.is_over {
            texts.extend(transcript.rest());
        } else if now.duration_since(looked_at) >= LOOK_EVERY {
            looked_at = now;
            texts.extend(transcript.overdue(now));
        }
        if taken.left_out > 0 {
            let note = format!(
                "        ({} lines not shown: the terminal is too slow)",
                taken.left_out
            );
            texts.push(printer.paint(Style::Dim, &note));
        }
        if !texts.is_empty() {
            printer.print(&texts.join("\n"));
        }
        if taken.is_over {
            return;
        }
        room = taken.entries;
        room.shrink_to(ENTRIES_KEPT_MAX);
    }
}
