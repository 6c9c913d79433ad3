//! The development server's own log on the terminal: one line a request, its function's log lines under it.
//!
//! Lives here: a thread that prints, and the bounded line before it. Requests never wait for a terminal.
//! Does not live here: what the text looks like (`transcript`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::log_sink::LogLine;

use super::transcript::Transcript;
use crate::printer::{Printer, Style};

pub use super::transcript::RequestLine;

/// Entries that may wait to be printed; those beyond are counted and left out.
const ENTRIES_WAITING_MAX: usize = 8_192;
/// How often lines that wait for their request are looked through.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Prints requests and log lines.
pub struct Console {
    sender: Mutex<Option<SyncSender<Entry>>>,
    left_out: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Entry {
    Line(LogLine),
    Request(RequestLine),
    Notice(String),
}

impl Console {
    /// Starts the printing thread.
    ///
    /// # Errors
    /// When the machine has no thread left.
    pub fn start(printer: Printer, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(ENTRIES_WAITING_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&left_out);
        let thread = std::thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || print_all(&receiver, &printer, clock.as_ref(), &counted))?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            left_out,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Shows a finished request.
    pub fn request(&self, request: RequestLine) {
        self.send(Entry::Request(request));
    }

    /// Shows a line of a function's log, with its request.
    pub fn line(&self, line: LogLine) {
        self.send(Entry::Line(line));
    }

    /// Shows a line of the server's own.
    pub fn notice(&self, text: impl Into<String>) {
        self.send(Entry::Notice(text.into()));
    }

    /// Prints what waits, and ends the thread.
    pub fn stop(&self) {
        drop(
            self.sender
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }

    fn send(&self, entry: Entry) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = sender.as_ref()
            && sender.try_send(entry).is_err()
        {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn print_all(
    receiver: &Receiver<Entry>,
    printer: &Printer,
    clock: &dyn Clock,
    left_out: &AtomicU64,
) {
    let mut transcript = Transcript::new(printer.clone());
    let mut looked_at = clock.instant();
    loop {
        let text = match receiver.recv_timeout(LOOK_EVERY) {
            Ok(Entry::Line(line)) => transcript.line(line, clock.instant()),
            Ok(Entry::Request(request)) => Some(transcript.request(&request)),
            Ok(Entry::Notice(text)) => Some(text),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let now = clock.instant();
        let overdue = if now.duration_since(looked_at) < LOOK_EVERY {
            None
        } else {
            looked_at = now;
            transcript.overdue(now)
        };
        for text in [text, overdue].into_iter().flatten() {
            printer.print(&text);
        }
        let missed = left_out.swap(0, Ordering::Relaxed);
        if missed > 0 {
            let note = format!("        ({missed} lines not shown: the terminal is too slow)");
            printer.print(&printer.paint(Style::Dim, &note));
        }
    }
}
