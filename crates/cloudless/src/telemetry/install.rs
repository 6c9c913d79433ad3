//! Progress of installations, on standard error: a spinner on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use build::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::printer::harmless;

/// How often a spinner turns.
const TURN_EVERY: Duration = Duration::from_millis(100);
/// Characters that are shown of what a tool says.
const NOTE_CHARACTERS_MAX: usize = 60;

/// Draws what is being installed.
#[derive(Default)]
pub struct Installations {
    bars: MultiProgress,
    running: Mutex<HashMap<String, ProgressBar>>,
}

impl Installations {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Progress for Installations {
    fn started(&self, what: &str) {
        let shown = harmless(what);
        if self.bars.is_hidden() {
            // Not `eprintln!`, which panics when nobody reads any more.
            let _closed_pipe = writeln!(std::io::stderr(), "installing {shown} …");
        }
        let style = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = self.bars.add(
            ProgressBar::new_spinner()
                .with_style(style)
                .with_message(format!("installing {shown}")),
        );
        bar.enable_steady_tick(TURN_EVERY);
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(what.to_owned(), bar);
    }

    fn advanced(&self, what: &str, note: &str) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = running.get(what) {
            let note: String = harmless(note).chars().take(NOTE_CHARACTERS_MAX).collect();
            bar.set_message(format!("installing {}: {note}", harmless(what)));
        }
    }

    fn finished(&self, what: &str) {
        let bar = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(what);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }
}
